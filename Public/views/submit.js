// A new job: the spec as text, completed and checked while one writes.

import * as api from "../api.js";
import { button, h, put, setText, settled } from "../dom.js";
import { pretty } from "../format.js";
import { openMenu } from "../menu.js";
import { headline, note, planned } from "../parts.js";
import { beginning, go, keep, listen, recall, state, submit as submitJob } from "../store.js";

const LINE = 20; // px, as style.css has it

const digits = (name, optimizer) => ({
	experiment: "digits",
	name,
	seed: 17,
	dataset: { name: "digits", validation: 0.1 },
	model: { layers: [{ type: "linear", out: 64 }, { type: "relu" }, { type: "linear", out: 10 }] },
	optimizer,
	train: { epochs: 20, batch_size: 64 },
});

const PRESETS = Object.entries({ SGD: { type: "sgd", lr: 0.1 }, momentum: { type: "sgd", lr: 0.05, momentum: 0.9 }, Adam: { type: "adam", lr: 0.001 } })
	.map(([name, optimizer]) => ({ title: `MLP, ${name}`, spec: digits(`mlp ${name.toLowerCase()}`, optimizer) }));

export function mount(root) {
	const error = h("p.failure", { id: "spec-error", role: "alert", hidden: true });
	const area = h("textarea.box", { id: "spec", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off",
		label: "Job spec (JSON)", "aria-describedby": "spec-error", input: () => look(), keydown: (event) => {
			if (!event.ctrlKey && !event.metaKey) return;
			if (event.key === "Enter") send(false);
			else if (event.key === " ") complete();
		} });
	const result = h("section.plan", { label: "What this job will be", "aria-live": "polite" });
	const submit = button("primary", "Submit", () => send(false), { title: "Ctrl+Enter" });
	const earlier = h("select", { label: "Start from an earlier run", change: () => {
		fromRun(earlier.value);
		earlier.value = "";
	} });
	put(root, h("div.page.submit",
		headline("New job", "All but data set, model and optimizer has a default. Ctrl+Space shows what can stand at the caret."),
		h("div.controls", { role: "group", label: "Start from" }, note("Start from"),
			PRESETS.map(({ title, spec }) => button("chip", title, () => take(spec))), earlier),
		h("div.columns", h("div", area, error, h("div.buttons", submit)), result)));

	let asked = 0;

	async function complete() {
		const text = area.value;
		const { range, items } = (await api.post(`/jobs/check?caret=${area.selectionStart}`, text)).proposals;
		if (area.value !== text) return;
		const before = text.slice(0, range[0]).split("\n");
		const { left, top } = area.getBoundingClientRect();
		const pen = new OffscreenCanvas(1, 1).getContext("2d");
		pen.font = getComputedStyle(area).font;
		openMenu(new DOMRect(left + pen.measureText(before.at(-1)).width - area.scrollLeft, top + before.length * LINE - area.scrollTop, 0, LINE), "What can stand here",
			!items.length ? [{ text: "Nothing is known for this place", disabled: true }] : items.map(({ text, insert }) => ({ text, action: () => {
				area.setSelectionRange(...range);
				// The one way to change the text that the browser's own undo knows.
				document.execCommand("insertText", false, insert);
				if (/(""|\[]|{})$/.test(insert)) area.selectionEnd -= 1;
			} })), ".short");
	}

	function take(spec) {
		area.value = typeof spec === "string" ? spec : pretty(spec);
		area.scrollTop = 0;
		look();
	}

	function look() {
		asked += 1;
		keep("draft", area.value);
		clear();
		soon();
	}

	function clear() {
		error.hidden = true;
		area.ariaInvalid = null;
		area.rows = Math.min(48, Math.max(18, area.value.split("\n").length + 1));
	}

	/** Tells a fault and its line; while one writes, the caret stays. */
	function fail({ message, field }, range, quietly) {
		const line = field && range ? `line ${area.value.slice(0, range[0]).split("\n").length}: ` : "";
		setText(error, `${line}${!field || message.includes(field) ? "" : `${field}: `}${message}`);
		error.hidden = false;
		area.ariaInvalid = "true";
		hint();
		if (!range || quietly) return;
		area.focus();
		area.setSelectionRange(...range);
	}

	async function send(dry) {
		const text = area.value;
		const mine = (asked += 1);
		clear();
		submit.disabled = !dry;
		try {
			const { plan, error, range } = await api.post("/jobs/check", text);
			if (mine !== asked) return;
			if (error) fail(error, range, dry);
			else if (dry) put(result, h("h2", "This job is sound"), planned(plan));
			else {
				const job = await submitJob(text);
				keep("draft", null);
				go("runs", job.run_id);
			}
		} catch (error) {
			if (mine === asked) fail(error);
		} finally {
			submit.disabled = false;
		}
	}
	const soon = settled(300, () => send(true));
	const hint = () => put(result, note("What the job will be appears here."));

	const fromRun = (id) => api.get(`/runs/${id}/spec`).then(take, fail);

	const listRuns = () => {
		const runs = [...state.runs.values()].filter((run) => run.job !== null).sort((a, b) => beginning(b) - beginning(a)).slice(0, 300);
		earlier.hidden = !runs.length;
		if (earlier.options.length !== runs.length + 1) put(earlier, h("option", { value: "" }, "An earlier run…"),
			runs.map((run) => h("option", { value: run.id }, `${run.name} · ${run.experiment} · job ${run.job}`)));
	};
	hint();
	listRuns();
	take(recall("draft", null) ?? PRESETS[2].spec);
	if (state.view.from) fromRun(state.view.from);
	return [listen("runs", listRuns), soon.stop, () => (asked += 1)];
}
