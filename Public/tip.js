// The one tooltip of the page: the values under the crosshair.

import { h, put } from "./dom.js";
import * as format from "./format.js";

const ROWS = 6;
let tip = null;
let owner = null;

/** Shows the points under a chart's pointer, nearest first. */
export function showTip(chart, hits) {
  if (!hits.length) return hideTip(chart);
  owner = chart;
  if (!tip) {
    tip = h("div", { class: "tip", role: "status" });
    document.body.append(tip);
  }
  const smoothed = hits.some((hit) => hit.smoothed);
  const rows = hits.slice(0, ROWS).map((hit, rank) => row(hit, rank === 0 && hits.length > 1, smoothed));
  const more = hits.length - rows.length;
  put(tip,
    h("table", {},
      h("thead", {}, h("tr", {}, h("th", {}), h("th", {}, "run"), smoothed ? h("th", { class: "n" }, "smooth") : null,
        h("th", { class: "n" }, "value"), h("th", { class: "n" }, "step"), h("th", { class: "n" }, "after"))),
      h("tbody", {}, rows)),
    more > 0 ? h("p", {}, `${more} more`) : null);
  tip.hidden = false;
  place(chart);
}

/** Hides the tooltip if this chart has it. */
export function hideTip(chart) {
  if (tip && owner === chart) tip.hidden = true;
}

function row(hit, first, smoothed) {
  const { series, i } = hit;
  const spread = series.low && Number.isFinite(series.low[i]) && series.low[i] !== series.high[i]
    ? ` (${format.value(series.low[i])} … ${format.value(series.high[i])})` : "";
  return h("tr", { class: first ? "first" : null },
    h("td", {}, h("i", { class: `swatch c${hit.line.slot}` })),
    h("td", { class: "name" }, hit.line.name),
    smoothed ? h("td", { class: "n" }, hit.smoothed ? format.value(hit.y) : "") : null,
    h("td", { class: "n" }, format.value(hit.raw, 5) + spread),
    h("td", { class: "n" }, format.count(series.steps[i])),
    h("td", { class: "n" }, format.duration((series.times[i] - series.times[0]) / 1000)));
}

/** Beside the pointer, inside the window, never under the pointer. */
function place(chart) {
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
