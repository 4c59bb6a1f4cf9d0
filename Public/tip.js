// The one tooltip of the page: the values under the crosshair.

import { h, put } from "./dom.js";
import * as format from "./format.js";
import { place } from "./menu.js";

const ROWS = 5;
const GAP = 16; // px from the pointer
const ORDERS = { down: (a, b) => b.y - a.y, up: (a, b) => a.y - b.y, name: (a, b) => a.line.name.localeCompare(b.line.name) };
const STEP = ["step", "after", "at"];
const wide = () => (innerWidth < 560 ? 1 : 3); // how many of these have room
let tip = null;
let owner = null;

/** Shows the points under a chart's pointer: the nearest few, in the order that the reader likes. */
export function showTip(chart, hits) {
	if (!hits.length) return hideTip(chart);
	owner = chart;
	if (!tip) document.body.append(tip = h("div.tip", { role: "status" }));
	const { axis, group, tip: order } = chart.look;
	const smoothed = hits.some((hit) => hit.smoothed);
	const other = (axis !== "step" || group) && axis.replace("metric:", "");
	const sorted = ORDERS[order] ? hits.toSorted(ORDERS[order]) : hits;
	const more = hits.length - ROWS;
	const row = (hit) => h("tr", { class: hit === hits[0] && hits.length > 1 && "first" },
		h("td", h("i", { class: `swatch c${hit.line.slot}` })), h("td.name", hit.line.name),
		cells(chart, hit, smoothed, other).map((text) => h("td.n", text)));
	const titles = [...(smoothed ? ["smooth"] : []), "value", ...(group ? ["runs"] : STEP.slice(0, wide())), ...(other ? [other] : [])];
	put(tip, h("table", {},
		h("thead", h("tr", h("th"), h("th", "run"), titles.map((text) => h("th.n", text)))),
		h("tbody", sorted.slice(0, ROWS).map(row))), more > 0 && h("p", `${more} more`));
	tip.hidden = false;
	tip.classList.toggle("docked", Boolean(chart.touched));
	tip.style.left = tip.style.top = "";
	if (chart.touched) return; // fingers see it at the foot of the window
	const box = chart.overlay.getBoundingClientRect();
	const [x, y] = [box.left + chart.pointer.x, box.top + chart.pointer.y];
	place(tip, { left: x + GAP, right: x - GAP, top: y - GAP, bottom: y + GAP });
}

export function hideTip(chart) {
	if (tip && owner === chart) tip.hidden = true;
}

function cells(chart, { series, trace, i, x, y, raw, smoothed: is }, smoothed, other) {
	const [low, high] = [trace.low?.[i], trace.high?.[i]];
	const spread = Number.isFinite(low) && low !== high ? ` (${format.value(low)} … ${format.value(high)})` : "";
	return [
		...(smoothed ? [is ? format.value(y) : ""] : []), format.value(raw, 6) + spread,
		...(trace.runs ? [format.count(trace.runs[i])] : [format.count(series.steps[i]),
			format.duration((series.times[i] - series.times[0]) / 1000), format.clock(series.times[i])].slice(0, wide())),
		...(other ? [chart.xText(x).replace(/^\D+ (?=[\d−-])/, "")] : []),
	];
}
