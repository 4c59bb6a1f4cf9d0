// The one tooltip of the page: the values under the crosshair.

import { h, put } from "./dom.js";
import * as format from "./format.js";

const ROWS = 5;
const ORDERS = { down: (a, b) => b.y - a.y, up: (a, b) => a.y - b.y, name: (a, b) => a.line.name.localeCompare(b.line.name) };
let tip = null;
let owner = null;

/** Shows the points under a chart's pointer: the nearest few, in the order that the reader likes. */
export function showTip(chart, hits) {
	if (!hits.length) return hideTip(chart);
	owner = chart;
	if (!tip) {
		tip = h("div", { class: "tip", role: "status" });
		document.body.append(tip);
	}
	const smoothed = hits.some((hit) => hit.smoothed);
	const other = chart.look.axis !== "step" || chart.look.group;
	const order = ORDERS[chart.look.tip];
	const sorted = order ? hits.toSorted(order) : hits;
	const rows = sorted.slice(0, ROWS)
		.map((hit) => row(chart, hit, hit === hits[0] && hits.length > 1, smoothed, other));
	const more = hits.length - rows.length;
	const head = (text) => h("th", { class: "n" }, text);
	put(tip,
		h("table", {},
			h("thead", {}, h("tr", {}, h("th", {}), h("th", {}, "run"), smoothed ? head("smooth") : null, head("value"),
				chart.look.group ? head("runs") : [head("step"), head("after"), head("at")], other ? head(axisName(chart.look)) : null)),
			h("tbody", {}, rows)),
		more > 0 ? h("p", {}, `${more} more`) : null);
	tip.hidden = false;
	tip.classList.toggle("docked", Boolean(chart.touched));
	place(chart);
}

export function hideTip(chart) {
	if (tip && owner === chart) tip.hidden = true;
}

function axisName({ axis }) {
	return axis.startsWith("metric:") ? axis.slice(7) : axis;
}

function row(chart, hit, first, smoothed, other) {
	const { series, trace, i } = hit;
	const low = trace.low?.[i];
	const spread = Number.isFinite(low) && low !== trace.high[i]
		? ` (${format.value(low)} … ${format.value(trace.high[i])})` : "";
	const number = (text) => h("td", { class: "n" }, text);
	return h("tr", { class: first ? "first" : null },
		h("td", {}, h("i", { class: `swatch c${hit.line.slot}` })),
		h("td", { class: "name" }, hit.line.name),
		smoothed ? number(hit.smoothed ? format.value(hit.y) : "") : null,
		number(format.value(hit.raw, 6) + spread),
		trace.runs ? number(format.count(trace.runs[i])) : [
			number(format.count(series.steps[i])),
			number(format.duration((series.times[i] - series.times[0]) / 1000)),
			number(format.clock(series.times[i]))],
		other ? number(chart.xText(hit.x).replace(/^\D+ (?=[\d−-])/, "")) : null);
}

/** Beside the pointer, inside the window, never under the pointer; at the foot of the window where fingers point. */
function place(chart) {
	tip.style.left = tip.style.top = "";
	if (chart.touched) return;
	const at = chart.overlay.getBoundingClientRect();
	const x = at.left + chart.pointer.x;
	const y = at.top + chart.pointer.y;
	const { offsetWidth: width, offsetHeight: height } = tip;
	const gap = 16;
	let left = x + gap;
	if (left + width > innerWidth - 8) left = x - gap - width;
	if (left < 8) left = Math.max(8, Math.min(innerWidth - width - 8, x - width / 2));
	let top = y + gap;
	if (top + height > innerHeight - 8) top = y - gap - height;
	tip.style.left = `${Math.round(left)}px`;
	tip.style.top = `${Math.round(Math.max(8, top))}px`;
}
