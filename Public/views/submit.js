// A new job: the spec as text, checked by the server while one writes.

import * as api from "../api.js";
import { button, h, put, setText, settled } from "../dom.js";
import { locate, pretty, syntaxError } from "../locate.js";
import { note, planned } from "../parts.js";
import { PRESETS } from "../presets.js";
import { beginning, keep, link, listen, recall, state, submit as submitJob } from "../store.js";

export function mount(root) {
	const error = h("p.field-error", { id: "spec-error", role: "alert", hidden: true });
	const area = h("textarea.box", { id: "spec", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off",
		label: "Job spec (JSON)", "aria-describedby": "spec-error", input: () => look(),
		keydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && send(false) });
	const result = h("section.plan", { label: "What this job will be", "aria-live": "polite" });
	const submit = button("primary", "Submit", () => send(false), { title: "Ctrl+Enter" });
	const earlier = h("select", { label: "Start from an earlier run", change: () => {
		fromRun(earlier.value);
		earlier.value = "";
	} });
	put(root, h("div.page.submit",
		h("header.page-head", h("h1", "New job"), h("p", "All but data set, model and optimizer has a default.")),
		h("div.controls", { role: "group", label: "Start from" }, note("Start from"),
			PRESETS.map(({ title, spec }) => button("chip", title, () => take(spec))), earlier),
		h("div.columns", h("div", area, error, h("div.buttons", submit)), result)));

	let asked = 0;

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
		area.removeAttribute("aria-invalid");
		area.rows = Math.min(48, Math.max(18, area.value.split("\n").length + 1));
	}

	/** Tells a fault and its line; while one writes, the caret stays. */
	function fail(message, range, name, quietly) {
		const line = range ? `line ${area.value.slice(0, range.start).split("\n").length}: ` : "";
		setText(error, `${line}${!name || message.includes(name) ? "" : `${name}: `}${message}`);
		error.hidden = false;
		area.setAttribute("aria-invalid", "true");
		hint();
		if (!range || quietly) return;
		area.focus();
		area.setSelectionRange(range.start, range.end);
	}

	async function send(dry) {
		const text = area.value;
		const mine = (asked += 1);
		clear();
		const broken = syntaxError(text);
		if (broken) return fail(broken.message.replace(/^line \d+: /, ""), broken, null, dry);
		submit.disabled = !dry;
		try {
			if (dry) {
				const plan = await api.post("/jobs?dry_run=true", text);
				if (mine === asked) put(result, h("h2", "This job is sound"), planned(plan));
			} else {
				const job = await submitJob(text);
				keep("draft", null);
				location.hash = link("runs", job.run_id);
			}
		} catch ({ message, field }) {
			if (mine === asked) fail(message, field ? locate(text, field) : null, field, dry);
		}
		submit.disabled = false;
	}
	const soon = settled(700, () => send(true));
	const hint = () => put(result, note("What the job will be appears here."));

	const fromRun = (id) => api.get(`/runs/${encodeURIComponent(id)}/spec`).then(take, ({ message }) => fail(message));

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
	const stop = listen("runs", listRuns);
	return () => {
		stop();
		soon.stop();
		asked += 1;
	};
}
