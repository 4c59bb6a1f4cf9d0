// A new job: the spec as text, checked by the server before anything runs.

import * as api from "../api.js";
import { button, h, heads, put, setText } from "../dom.js";
import * as format from "../format.js";
import { locate, pretty, syntaxError } from "../locate.js";
import { PRESETS } from "../presets.js";
import { keep, link, recall, state, submit as submitJob } from "../store.js";

const ABOUT = "Data set, model and optimizer are needed, all else has a default. The same spec gives the same bits.";

export function mount(root) {
	const editor = specEditor();
	const result = h("section", { class: "plan", "aria-label": "What this job will be", "aria-live": "polite" });
	const check = button("quiet", "Check", () => send(true));
	const submit = button("primary", "Submit", () => send(false), { title: "Ctrl+Enter" });
	const presets = PRESETS.map(({ title, spec }) => button("chip", title, () => {
		editor.set(pretty(spec));
		hint(result);
	}));
	put(root, h("div", { class: "page submit" },
		h("header", { class: "page-head" }, h("h1", {}, "New job"), h("p", {}, ABOUT)),
		h("div", { class: "presets", role: "group", "aria-label": "Start from" }, h("span", {}, "Start from"), presets),
		h("div", { class: "columns" },
			h("div", {}, editor.element, h("div", { class: "buttons" }, submit, check)), result)));

	async function send(dry) {
		editor.clear();
		const text = editor.text;
		const broken = syntaxError(text);
		if (broken) return editor.fail(broken.message, broken, "JSON");
		check.disabled = submit.disabled = true;
		try {
			if (dry) showPlan(result, await api.post("/jobs?dry_run=true", text));
			else {
				const job = await submitJob(text);
				keep("draft", null);
				location.hash = link("runs", job.run_id);
			}
		} catch (error) {
			editor.fail(error.message, error.field ? locate(text, error.field) : null, error.field);
		} finally {
			check.disabled = submit.disabled = false;
		}
	}

	editor.element.addEventListener("keydown", (event) => {
		if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(false);
	});
	hint(result);
	start(editor);
	return () => {};
}

async function start(editor) {
	editor.set(recall("draft", null) ?? pretty(PRESETS[2].spec));
	const { from } = state.view;
	if (!from) return;
	try {
		editor.set(pretty(await api.get(`/runs/${encodeURIComponent(from)}/spec`)));
	} catch (error) {
		editor.fail(error.message, null, null);
	}
}

function specEditor() {
	const numbers = h("ol", { class: "numbers", "aria-hidden": "true" });
	const area = h("textarea", { id: "spec", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off",
		"aria-label": "Job spec (JSON)", "aria-describedby": "spec-error" });
	const field = h("code", { class: "field" });
	const words = h("span");
	const error = h("p", { id: "spec-error", class: "field-error", role: "alert", hidden: true }, field, words);
	const frame = h("div", { class: "editor" }, numbers, area);
	const element = h("div", {}, frame, error);
	let marked = -1;

	const number = () => {
		const lines = area.value.split("\n").length;
		while (numbers.childElementCount < lines) numbers.append(h("li"));
		while (numbers.childElementCount > lines) numbers.lastChild.remove();
		area.rows = Math.min(48, Math.max(18, lines + 1));
		[...numbers.children].forEach((li, i) => li.classList.toggle("bad", i === marked));
	};
	const clear = () => {
		marked = -1;
		error.hidden = true;
		area.removeAttribute("aria-invalid");
		number();
	};
	area.addEventListener("input", () => {
		clear();
		keep("draft", area.value);
	});
	area.addEventListener("scroll", () => (numbers.style.transform = `translateY(${-area.scrollTop}px)`));

	return {
		element, clear,
		get text() {
			return area.value;
		},
		set(text) {
			area.value = text;
			area.scrollTop = 0;
			clear();
		},
		fail(message, range, name) {
			error.hidden = false;
			// Most messages name the field themselves.
			field.hidden = !name || message.includes(name);
			setText(field, name ?? "");
			setText(words, message);
			area.setAttribute("aria-invalid", "true");
			if (!range) return;
			marked = area.value.slice(0, range.start).split("\n").length - 1;
			number();
			area.focus();
			area.setSelectionRange(range.start, range.end);
		},
	};
}

function hint(result) {
	put(result, h("p", { class: "hint" }, "Check shows layers, parameters, steps and memory before anything runs."));
}

function showPlan(result, plan) {
	const facts = [
		["parameters", format.count(plan.parameters)],
		["steps per epoch", format.count(plan.steps_per_epoch)],
		["steps in all", format.count(plan.total_steps)],
		["memory", format.bytes(plan.memory_bytes)],
	];
	put(result, h("h2", {}, "This job is sound"),
		h("dl", { class: "numbers-row" }, facts.map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text)))),
		h("table", { class: "facts-table layers" },
			heads("layer", "#output", "#parameters"),
			h("tbody", {}, plan.layers.map((layer) => h("tr", {}, h("th", { scope: "row" }, layer.name),
				h("td", { class: "n" }, layer.output_shape.join(" × ")),
				h("td", { class: "n" }, format.count(layer.parameters)))))),
		plan.spec ? h("details", { class: "box" }, h("summary", {}, h("h2", {}, "With every default filled in")),
			h("pre", { class: "spec", tabindex: "0" }, pretty(plan.spec))) : null);
}
