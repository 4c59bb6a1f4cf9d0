// What is read off a chart: the one tooltip of the page, and what pins measure.

import { button, h, heads, put } from "./dom.js";
import * as format from "./format.js";
import { place } from "./menu.js";
import { nearest } from "./series.js";

const ROWS = 5;
const GAP = 16; // px from the pointer
const ORDERS = { down: (a, b) => b.y - a.y, up: (a, b) => a.y - b.y, name: (a, b) => a.line.name.localeCompare(b.line.name) };
const STEP = ["step", "after", "at"];
const wide = (other) => innerWidth < 560 ? +!other : 3; // how many of these have room
const tip = document.body.appendChild(h("div.tip", { role: "status", hidden: true }));
let owner = null;

/** Shows the points under a chart's pointer: the nearest few, in the reader's order. */
export function showTip(chart, hits) {
	if (!hits.length) return hideTip(chart);
	owner = chart;
	const { axis, group, tip: order } = chart.look;
	const smoothed = hits.some((hit) => hit.smoothed);
	const other = (axis !== "step" || group) && axis.replace("metric:", "");
	const sorted = ORDERS[order] ? hits.toSorted(ORDERS[order]) : hits;
	const more = hits.length - ROWS;
	const row = (hit) => h("tr", { class: hit === hits[0] && hits.length > 1 && "first" },
		h("td", h("i", { class: `swatch c${hit.line.slot}` })), h("td.name", hit.line.name),
		cells(chart, hit, smoothed, other).map((text) => h("td.n", text)));
	const titles = [smoothed && "smooth", "value", ...(group ? ["runs"] : STEP.slice(0, wide(other))), other].filter(Boolean);
	put(tip, h("table", heads("", "run", ...titles.map((text) => `#${text}`)), h("tbody", sorted.slice(0, ROWS).map(row))),
		more > 0 && h("p", `${more} more`));
	tip.hidden = false;
	tip.classList.toggle("docked", Boolean(chart.touched));
	tip.style.left = tip.style.top = "";
	if (chart.touched) return; // fingers see it at the foot of the window
	const box = chart.overlay.getBoundingClientRect();
	const [x, y] = [box.left + chart.pointer.x, box.top + chart.pointer.y];
	place(tip, { left: x + GAP, right: x - GAP, top: y - GAP, bottom: y + GAP });
}

export function hideTip(chart) {
	if (owner === chart) tip.hidden = true;
}

function cells(chart, { series, trace, i, x, y, raw, smoothed: is }, smoothed, other) {
	const [low, high] = [trace.low?.[i], trace.high?.[i]];
	const spread = Number.isFinite(low) && low !== high ? ` (${format.value(low)} … ${format.value(high)})` : "";
	return [
		...(smoothed ? [is ? format.value(y) : ""] : []), format.value(raw, 6) + spread,
		...(trace.runs ? [format.count(trace.runs[i])] : [format.count(series.steps[i]),
			format.duration((series.times[i] - series.origin[0]) / 1000), format.clock(series.times[i])].slice(0, wide(other))),
		...(other ? [chart.xText(x, true)] : []),
	];
}

const [PINNED, ENDS] = [8, [[], ["#A", "#step"], ["#A", "#B", "#B − A", "#per 1k steps", "#lowest", "#highest", "#time", "#steps/s"]]];

export function showStrip(chart, close) {
	const pins = chart.pins();
	const { strip, drawn } = chart;
	strip.hidden = !pins.length || !drawn.length;
	const more = drawn.length - PINNED;
	put(strip, h("p.strip-head", h("span", pins.map((x, i) => `${"AB"[i]}: ${chart.xText(x)}`).join("   ")),
		h("span.quiet", pins.length === 1 && "click elsewhere for a range"),
		button("mini", "×", close, { label: "Take the pins away", title: "Take the pins away (Esc)" })),
	h("div.strip-scroll", { tabindex: 0, role: "region", label: "Values at the pins" },
		h("table", heads("run", ...ENDS[pins.length]), h("tbody", drawn.slice(0, PINNED).map((trace) => pinned(trace, pins))))),
	more > 0 && h("p.quiet", `${more} more`));
}

function pinned(trace, pins) {
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
