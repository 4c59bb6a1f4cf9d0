// What is done to runs, through MLflow's calls: tags, deletion and its undoing.

import * as api from "./api.js";
import { h } from "./dom.js";
import { ask, toast } from "./menu.js";
import { dropRun, loadRun, tell } from "./store.js";

const noun = (n) => (n === 1 ? "1 run" : `${n} runs`);

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
	if (!sure) return [];
	const gone = await each(runs, "Deleting", (run) => api.mlflow("runs/delete", { run_id: run.id }));
	for (const run of gone) dropRun(run.id);
	tell("runs");
	const restore = (run) => api.mlflow("runs/restore", { run_id: run.id }).then(() => loadRun(run.id));
	if (gone.length) {
		toast(`${noun(gone.length)} deleted.`, { action: { text: "Undo", run: () => each(gone, "Restoring", restore) } });
	}
	return gone;
}

export async function tagRuns(runs) {
	const [key, text] = ["name", "value"].map((placeholder) => h("input", { type: "text", placeholder,
		autocomplete: "off", label: `Tag ${placeholder}` }));
	const sure = await ask({ title: `Tag ${noun(runs.length)}`, yes: "Set tag", content: h("div.pair", key, text),
		check: () => (key.value.trim() ? "" : "The tag needs a name.") });
	if (!sure) return;
	const tag = { key: key.value.trim(), value: text.value };
	const done = await each(runs, "Tagging", (run) =>
		api.mlflow("runs/set-tag", { run_id: run.id, ...tag }).then(() => loadRun(run.id)));
	if (done.length) toast(`Tag “${tag.key}” set on ${noun(done.length)}.`);
}
