// What is done to runs: how they are shown, their tags, deletion and its undoing.

import * as api from "./api.js";
import { h } from "./dom.js";
import { isBase } from "./look.js";
import { ask, toast } from "./menu.js";
import { choose, colourOf, dropRun, go, holds, loadRun, setColour, state, tell, toggled } from "./store.js";

/** What a run's menus offer: key in the table, text, action, whether it is so; `drawn`: the runs in the charts. */
export function runActions(run, drawn) {
	const { id, name, job } = run;
	const { hide, pins } = state.view;
	return [
		["Enter", `Open ${name}`, () => go("runs", id)],
		["e", "Draw", () => choose({ show: drawn.symmetricDifference(new Set([id])) }), drawn.has(id)],
		["o", "Draw only this run", () => choose({ show: new Set([id]) })],
		["b", "Baseline", () => choose({ base: isBase(state.view, id) ? "" : id.slice(0, 12) }), isBase(state.view, id)],
		["p", "Pin the run", () => choose({ pins: toggled(pins, id) }), holds(pins, id)],
		["c", "Next colour", () => setColour(id, (colourOf(id) + 1) % 10)],
		["h", "Hide", () => choose({ hide: toggled(hide, id, true) })],
		...(job === null ? [] : [["n", "New job from this", () => go("submit", null, { from: id })]]),
		["t", "Tag…", () => tagRuns([run])],
		["Delete", "Delete…", () => deleteRuns([run])],
	];
}

export const runItems = (run, drawn) => runActions(run, drawn).map(([, text, action, checked]) =>
	({ text, action, checked, danger: text === "Delete…" }));

const noun = (n) => n === 1 ? "1 run" : `${n} runs`;

async function each(runs, what, call) {
	const done = [];
	let failure = null;
	for (const run of runs) if (!failure) await call(run).then(() => done.push(run), (error) => (failure = error));
	if (failure) toast(`${what} failed after ${done.length} of ${runs.length}: ${failure.message}`, { bad: true });
	return done;
}

export async function deleteRuns(runs) {
	const names = runs.length === 1 ? runs[0].name : `${runs[0].name} and ${runs.length - 1} more`;
	const sure = await ask({ title: `Delete ${noun(runs.length)}?`, yes: "Delete", danger: true,
		content: h("p", names, ". They are marked as deleted and can be restored.") });
	if (!sure) return;
	const gone = await each(runs, "Deleting", (run) => api.mlflow("runs/delete", { run_id: run.id }));
	for (const run of gone) dropRun(run.id);
	tell("runs");
	const restore = (run) => api.mlflow("runs/restore", { run_id: run.id }).then(() => loadRun(run.id));
	if (gone.length) {
		toast(`${noun(gone.length)} deleted.`, { action: { text: "Undo", run: () => each(gone, "Restoring", restore) } });
	}
}

export async function tagRuns(runs) {
	const [key, text] = ["name", "value"].map((placeholder) => h("input", { type: "text", placeholder,
		autocomplete: "off", label: `Tag ${placeholder}` }));
	const sure = await ask({ title: `Tag ${noun(runs.length)}`, yes: "Set tag", content: h("div.pair", key, text),
		check: () => key.value.trim() ? "" : "The tag needs a name." });
	if (!sure) return;
	const tag = { key: key.value.trim(), value: text.value };
	const done = await each(runs, "Tagging", (run) =>
		api.mlflow("runs/set-tag", { run_id: run.id, ...tag }).then(() => loadRun(run.id)));
	if (done.length) toast(`Tag “${tag.key}” set on ${noun(done.length)}.`);
}
