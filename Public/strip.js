// What pins measure: the value of each run at A and at B, and what lies between.

import { button, h, heads, put } from "./dom.js";
import * as format from "./format.js";
import { nearest } from "./series.js";

const ROWS = 8;
const TITLES = [[], ["#A", "#step"], ["#A", "#B", "#B − A", "#per 1k steps", "#lowest", "#highest", "#time", "#steps/s"]];

export function showStrip(chart, close) {
	const pins = chart.pins();
	const { strip, drawn } = chart;
	strip.hidden = !pins.length || !drawn.length;
	const more = drawn.length - ROWS;
	put(strip, h("p.strip-head", h("span", pins.map((x, i) => `${"AB"[i]}: ${chart.xText(x)}`).join("   ")),
		h("span.quiet", pins.length === 1 && "click elsewhere for a range"),
		button("mini", "×", close, { label: "Take the pins away", title: "Take the pins away (Esc)" })),
	h("div.strip-scroll", { tabindex: "0", role: "region", label: "Values at the pins" },
		h("table", heads("run", ...TITLES[pins.length]), h("tbody", drawn.slice(0, ROWS).map((trace) => row(trace, pins))))),
	more > 0 && h("p.quiet", `${more} more`));
}

function row(trace, pins) {
	const { line, x, raw, series } = trace;
	const i = nearest(x, pins[0]);
	const cells = pins.length > 1 ? between(trace, pins) : [format.value(raw[i]), format.count(series.steps[i])];
	return h("tr", h("th", { scope: "row", title: line.name }, h("i", { class: `swatch c${line.slot}` }), line.name),
		cells.map((text) => h("td.n", text)));
}

export function between({ x, raw, low, high, series: { steps, times } }, pins) {
	const [a, b] = pins.map((pin) => nearest(x, pin));
	const inside = (list) => list.slice(Math.min(a, b), Math.max(a, b) + 1).filter(Number.isFinite);
	const seconds = (times[b] - times[a]) / 1000;
	const delta = raw[b] - raw[a];
	const run = steps[b] - steps[a];
	return [
		format.value(raw[a]), format.value(raw[b]), signed(delta), run ? signed((delta / run) * 1000) : "",
		format.value(Math.min(...inside(low ?? raw))), format.value(Math.max(...inside(high ?? raw))),
		format.duration(Math.abs(seconds)), seconds ? format.value(run / seconds, 3) : "",
	];
}

const signed = (v) => (v > 0 ? "+" : "") + format.value(v);
