// A new job: the spec as text, checked by the server while one writes.

import * as api from "../api.js";
import { button, h, put, setText, settled } from "../dom.js";
import { locate, pretty, syntaxError } from "../locate.js";
import { planned } from "../parts.js";
import { PRESETS } from "../presets.js";
import { beginning, keep, link, listen, recall, state, submit as submitJob } from "../store.js";

const ABOUT = "Data set, model and optimizer are needed, all else has a default.";

export function mount(root) {
	const editor = specEditor();
	const result = h("section", { class: "plan", "aria-label": "What this job will be", "aria-live": "polite" });
	const submit = button("primary", "Submit", () => send(false), { title: "Ctrl+Enter" });
	const take = (spec) => {
		editor.set(pretty(spec));
		look();
	};
	const earlier = h("select", { "aria-label": "Start from an earlier run", change: () => {
		fromRun(earlier.value);
		earlier.value = "";
	} });
	put(root, h("div", { class: "page submit" },
		h("header", { class: "page-head" }, h("h1", {}, "New job"), h("p", {}, ABOUT)),
		h("div", { class: "controls", role: "group", "aria-label": "Start from" }, h("span", { class: "quiet" }, "Start from"),
			PRESETS.map(({ title, spec }) => button("chip", title, () => take(spec))), earlier),
		h("div", { class: "columns" }, h("div", {}, editor.element, h("div", { class: "buttons" }, submit)), result)));

	let asked = 0;
	async function send(dry) {
		const text = editor.text;
		const mine = (asked += 1);
		const fail = (message, range, field) => {
			if (mine !== asked) return;
			editor.fail(message, range, field, dry);
			hint();
		};
		editor.clear();
		const broken = syntaxError(text);
		if (broken) return fail(broken.message.replace(/^line \d+: /, ""), broken);
		submit.disabled = !dry;
		try {
			if (dry) {
				const plan = await api.post("/jobs?dry_run=true", text);
				if (mine === asked) showPlan(result, plan);
			} else {
				const job = await submitJob(text);
				keep("draft", null);
				location.hash = link("runs", job.run_id);
			}
		} catch (error) {
			fail(error.message, error.field ? locate(text, error.field) : null, error.field);
		}
		submit.disabled = false;
	}
	const soon = settled(700, () => send(true));
	const look = () => {
		asked += 1;
		soon();
	};
	const hint = () => put(result, h("p", { class: "quiet" }, "What the job will be appears here when the spec is sound."));

	async function fromRun(id) {
		try {
			take(await api.get(`/runs/${encodeURIComponent(id)}/spec`));
		} catch (error) {
			editor.fail(error.message);
		}
	}

	const listRuns = () => {
		const runs = [...state.runs.values()].filter((run) => run.job !== null).sort((a, b) => beginning(b) - beginning(a)).slice(0, 300);
		earlier.hidden = !runs.length;
		if (earlier.options.length !== runs.length + 1) put(earlier, h("option", { value: "" }, "An earlier run…"),
			runs.map((run) => h("option", { value: run.id }, `${run.name} · ${run.experiment} · job ${run.job}`)));
	};

	editor.element.addEventListener("input", look);
	editor.element.addEventListener("keydown", (event) => {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(false);
	});
	hint();
	listRuns();
	editor.set(recall("draft", null) ?? pretty(PRESETS[2].spec));
	if (state.view.from) fromRun(state.view.from);
	else look();
	const stop = listen("runs", listRuns);
	return () => {
		stop();
		soon.stop();
		asked += 1;
	};
}

function specEditor() {
	const area = h("textarea", { id: "spec", class: "box", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off",
		"aria-label": "Job spec (JSON)", "aria-describedby": "spec-error" });
	const error = h("p", { id: "spec-error", class: "field-error", role: "alert", hidden: true });
	const element = h("div", { class: "spec-editor" }, area, error);

	const clear = () => {
		error.hidden = true;
		area.removeAttribute("aria-invalid");
		area.rows = Math.min(48, Math.max(18, area.value.split("\n").length + 1));
	};

	area.addEventListener("input", () => {
		clear();
		keep("draft", area.value);
	});

	return {
		element, clear,
		get text() {
			return area.value;
		},
		set(text) {
			area.value = text;
			area.scrollTop = 0;
			keep("draft", text);
			clear();
		},
		/** Tells a fault and its line; `quietly`: the caret stays where one writes. */
		fail(message, range, name, quietly) {
			error.hidden = false;
			const line = range ? `line ${area.value.slice(0, range.start).split("\n").length}: ` : "";
			setText(error, `${line}${!name || message.includes(name) ? "" : `${name}: `}${message}`);
			area.setAttribute("aria-invalid", "true");
			if (!range || quietly) return;
			area.focus();
			area.setSelectionRange(range.start, range.end);
		},
	};
}

function showPlan(result, plan) {
	put(result, h("h2", {}, "This job is sound"), planned(plan),
		h("details", { class: "box" }, h("summary", {}, h("h2", {}, "With every default filled in")),
			h("pre", { class: "spec", tabindex: "0" }, pretty(plan.spec))));
}
