// What pins measure: the value of each run at A and at B, and what lies between.

import { button, h, put } from "./dom.js";
import * as format from "./format.js";
import { nearest } from "./series.js";

const ROWS = 8;

export function showStrip(chart, close) {
	const pins = chart.pins();
	const shown = pins.length > 0 && chart.drawn?.length > 0;
	chart.strip.hidden = !shown;
	if (!shown) return put(chart.strip);
	const head = (text) => h("th", { class: "n", scope: "col" }, text);
	const titles = pins.length === 1 ? ["A", "step"] : ["A", "B", "B − A", "per 1k steps", "lowest", "highest", "time", "steps/s"];
	const rows = chart.drawn.slice(0, ROWS).map((trace) => row(trace, pins));
	const more = chart.drawn.length - rows.length;
	put(chart.strip,
		h("p", { class: "strip-head" },
			h("span", {}, pins.map((x, i) => `${"AB"[i]}: ${chart.xText(x)}`).join("   ")),
			h("span", { class: "quiet" }, pins.length === 1 ? "click elsewhere for a range" : ""),
			button("mini", "×", close, { "aria-label": "Take the pins away", title: "Take the pins away (Esc)" })),
		h("div", { class: "strip-scroll", tabindex: "0", role: "region", "aria-label": "Values at the pins" },
			h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "run"), titles.map(head))), h("tbody", {}, rows))),
		more > 0 ? h("p", { class: "quiet" }, `${more} more`) : null);
}

function row(trace, pins) {
	const cells = pins.length === 1 ? single(trace, pins[0]) : between(trace, pins);
	return h("tr", {},
		h("th", { scope: "row", title: trace.line.name }, h("i", { class: `swatch c${trace.line.slot}` }), trace.line.name),
		cells.map((text) => h("td", { class: "n" }, text)));
}

function single(trace, x) {
	const i = nearest(trace.x, x);
	return [format.value(trace.raw[i]), format.count(trace.series.steps[i])];
}

export function between(trace, pins) {
	const { x, raw, low, high, series } = trace;
	const [a, b] = pins.map((pin) => nearest(x, pin));
	const [from, to] = a < b ? [a, b] : [b, a];
	const steps = series.steps[b] - series.steps[a];
	const seconds = (series.times[b] - series.times[a]) / 1000;
	const finite = (list) => list.slice(from, to + 1).filter(Number.isFinite);
	const delta = raw[b] - raw[a];
	return [
		format.value(raw[a]), format.value(raw[b]), signed(delta), steps ? signed((delta / steps) * 1000) : "",
		format.value(Math.min(...finite(low ?? raw))), format.value(Math.max(...finite(high ?? raw))),
		format.duration(Math.abs(seconds)), seconds ? format.value(steps / seconds, 3) : "",
	];
}

function signed(v) {
	return v > 0 ? `+${format.value(v)}` : format.value(v);
}
