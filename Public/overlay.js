// What follows the pointer on a chart: crosshair and dots, the lit line, pins, the zoom box.

import { disc, isShown, paintLine, paintUnder } from "./paint.js";
import { colour } from "./palette.js";
import { hideTip, showTip } from "./tip.js";

export function paintOverlay(chart) {
	const context = chart.prepare(chart.overlay);
	const { at, pointer } = chart;
	const { area, sx } = at;
	const cursor = chart.box ? null : chart.cursor();
	const hits = cursor === null ? [] : chart.hits(cursor);
	chart.lighted = chart.lit(hits);
	paintFront(chart, chart.lighted);
	const inside = (px) => px >= area.left - 1 && px <= area.right + 1;
	chart.pins().forEach((x, i) => inside(sx(x)) && paintPin(context, at, Math.round(sx(x)) + 0.5, "AB"[i]));
	if (chart.box) paintBox(context, chart);
	const anchor = hits.length ? hits[0].px : cursor === null ? NaN : sx(cursor);
	if (!inside(anchor)) return hideTip(chart);
	hairline(context, at, Math.round(anchor) + 0.5, "quiet", 0.6);
	hits.slice(0, 60).forEach((hit, rank) => paintDot(context, at, hit, rank === 0 && pointer !== null));
	if (pointer) showTip(chart, hits);
	else hideTip(chart);
}

/** The lit line and the baseline, drawn only when they change. */
function paintFront(chart, lit) {
	const { at, front, drawn } = chart;
	if (chart.frontKey === (lit?.line.id ?? "")) return;
	chart.frontKey = lit?.line.id ?? "";
	chart.plot.classList.toggle("dim", lit !== null);
	const base = lit && drawn.find(({ line }) => line.base && line.id !== lit.line.id);
	chart.clipped(front, (context) => {
		for (const [trace, weight] of [[base, "dashed"], [lit, "lit"]]) {
			if (trace) paintUnder(context, at, trace);
			if (trace) paintLine(context, at, trace, weight);
		}
	});
}

function hairline(context, { area }, x, ink, alpha) {
	context.fillStyle = colour(ink);
	context.globalAlpha = alpha;
	context.fillRect(x - 0.5, area.top, 1, area.bottom - area.top);
	context.globalAlpha = 1;
}

function paintDot(context, at, { x, y, px, line }, ringed) {
	const py = at.sy(y);
	if (!isShown(at, x, y) || py < at.area.top - 4 || py > at.area.bottom + 4) return;
	const ink = `run-${line.slot}`;
	for (const [name, radius] of ringed ? [[ink, 7], ["card", 5.5], [ink, 4]] : [["card", 4.5], [ink, 3]]) {
		context.fillStyle = colour(name);
		context.fill(disc(at, px, py, radius));
	}
}

function paintPin(context, at, x, name) {
	const { top } = at.area;
	hairline(context, at, x, "accent", 1);
	context.fillRect(x - 7.5, top - 7, 15, 14);
	context.fillStyle = colour("on-accent");
	context.font = "600 10px system-ui, sans-serif";
	context.textAlign = "center";
	context.textBaseline = "middle";
	context.fillText(name, x, top + 0.5);
}

function paintBox(context, chart) {
	const { left, right, top, bottom, small } = boxRange(chart);
	if (small) return;
	context.fillStyle = context.strokeStyle = colour("accent");
	context.globalAlpha = 0.14;
	context.fillRect(left, top, right - left, bottom - top);
	context.globalAlpha = 0.8;
	context.lineWidth = 1;
	context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
	context.globalAlpha = 1;
}

/** The zoom box in pixels: only x or only y when it is longer by four to one. */
export function boxRange({ at: { area }, box: { x0, y0, x1, y1 } }) {
	const [wide, tall] = [Math.abs(x1 - x0), Math.abs(y1 - y0)];
	const [xOnly, yOnly] = [wide > 4 * tall, tall > 4 * wide];
	const ends = (whole, a, b, low, high) => whole ? [low, high] : [Math.min(a, b), Math.max(a, b)].map((v) => Math.min(high, Math.max(low, v)));
	const [left, right] = ends(yOnly, x0, x1, area.left, area.right);
	const [top, bottom] = ends(xOnly, y0, y1, area.top, area.bottom);
	return { xOnly, yOnly, small: Math.max(wide, tall) < 4, left, right, top, bottom };
}
