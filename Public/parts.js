// Small pieces that several views share.

import * as api from "./api.js";
import { save } from "./cardmenu.js";
import { button, h, heads, put } from "./dom.js";
import * as format from "./format.js";
import { toast } from "./menu.js";
import { act, link, state } from "./store.js";

const ACTIONS = { queued: ["Pause", "Cancel"], running: ["Pause", "Cancel"], paused: ["Resume", "Cancel"] };

export const badge = (state) => h("span", { class: `badge ${state}` }, h("i", { "aria-hidden": "true" }), h("span", state));

export function took(job) {
	const end = job.ended_at ?? (job.state === "running" ? Date.now() : null);
	return job.started_at && end ? (end - job.started_at) / 1000 : NaN;
}

export function progressBar() {
	const fill = h("i");
	const element = h("div.bar", { role: "progressbar", label: "Progress",
		"aria-valuemin": 0, "aria-valuemax": 100 }, fill);
	const show = (job) => {
		const { step = 0, total_steps: total = 0 } = job.progress ?? {};
		const part = job.state === "finished" ? 1 : total > 0 ? Math.min(1, step / total) : 0;
		fill.style.transform = `scaleX(${part})`;
		element.dataset.state = job.state;
		element.ariaValueNow = Math.round(part * 100);
	};
	return { element, show };
}

export function progressText(job) {
	const { step = 0, total_steps: total = 0, epoch, eta_seconds: eta } = job.progress ?? {};
	return [
		total && `step ${format.count(step)} of ${format.count(total)}`,
		epoch && `epoch ${format.count(epoch)}`,
		job.state === "running" && Number.isFinite(eta) && `${format.duration(eta)} left`,
	].filter(Boolean).join(" · ");
}

export const jobButtons = (job) => (ACTIONS[job.state] ?? []).map((word) => button(word === "Cancel" ? "quiet danger" : "quiet", word,
	busy(() => act(job, word.toLowerCase())), { label: `${word} job ${job.id}` }));

/** What the server found when it checked a job. */
export function planned(plan) {
	const row = (depth) => ({ name, settings, output_shape: shape, parameters, layers }) => {
		const words = Object.entries(settings).filter(([, v]) => v !== null && v !== false && v.type !== "default");
		return [cells(["\u2003".repeat(depth), depth > 0 && "↳ ", name, h("small.quiet", words.map(([key, v]) => ` ${key} ${v.type ?? JSON.stringify(v)}`).join(","))],
			[shape.join(" × ") || "1"], [format.count(parameters)], bar(parameters / plan.parameters)), layers.map(row(depth + 1))];
	};
	return [figures([["parameters", format.count(plan.parameters)], ["steps per epoch", format.count(plan.steps_per_epoch)],
		["steps in all", format.count(plan.total_steps)], ["memory", format.bytes(plan.memory_bytes)]]),
	table(["layer", "#output", "#parameters", ""], plan.layers.map(row(0)), "shares")];
}

export const figures = (pairs) => h("dl.numbers-row", pairs.filter(([, text]) => text)
	.map(([name, text]) => h("div", h("dt", name), h("dd", text))));

export const table = (titles, rows, look = "") => h("table", { class: `facts-table ${look}` }, heads(...titles), h("tbody", rows));

/** A row: its head and its cells; a list of one text is a number. */
export const cells = (head, ...contents) => h("tr", h("th", { scope: "row" }, head), contents.map((content) =>
	h("td", { class: Array.isArray(content) && content.length === 1 && !content[0]?.nodeType && "n" }, content)));

export function bar(share) {
	const fill = h("i", { title: `${(100 * share).toFixed(1)} %` });
	fill.style.width = `${100 * share}%`;
	return fill;
}

/** Shows a page, or why there is none once that is known; says whether it is the page. */
export function present(root, page, nothing) {
	const shown = nothing ? state.link !== "opening" && nothing : page;
	if (root.firstChild !== (shown || null)) put(root, shown);
	return !nothing;
}

export const scroller = (label, content) => h("div.scroller", { tabindex: 0, role: "region", label }, content);

export const headline = (title, text) => h("header.page-head", h("h1", title), text && h("p", text));

export const runLink = (id) => h("a", { href: link("runs", id) }, state.runs.get(id)?.name ?? id);

export const labels = (texts) => texts.map((text) => h("span.label", text));

export const note = (text) => h("p.quiet", text);

export function reading(promise, show = (found) => found) {
	const element = h("section", note("Reading…"));
	promise.then((found) => put(element, show(found)), (error) => put(element, note(error.message)));
	return element;
}

export const box = (title, ...content) => h("section.box", h("h2", title), content);

export const panel = (title, ...content) => h("details.box", { open: true }, h("summary", h("h2", title)), content);

/** A link that saves a file. Only a fetch can carry a token: with one, the page does what the browser would. */
export function download(path, text, more = {}) {
	return h("a", { href: api.address(path), download: true, ...more, click: async (event) => {
		if (!api.token()) return;
		event.preventDefault();
		try {
			const answer = await api.raw(path);
			const named = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "");
			save(await answer.blob(), named?.[1] ?? "download");
		} catch (error) {
			fail(error);
		}
	} }, text);
}

/** An action that cannot be begun again before it is done. */
export const busy = (action) => async ({ currentTarget: self }) => {
	self.disabled = true;
	await action().catch(fail);
	self.disabled = false;
};

export const fail = ({ message }) => toast(message, { bad: true });
