// What follows the pointer on a chart: crosshair and dots, the lit line, pins, the zoom box.

import { clip } from "./chart.js";
import { disc, isShown, paintTrace } from "./paint.js";
import { colour } from "./palette.js";
import { hideTip, showTip } from "./tip.js";

export function paintOverlay(chart) {
	const context = chart.prepare(chart.overlay);
	const { at } = chart;
	const cursor = chart.box ? null : chart.cursor();
	const hits = cursor === null ? [] : chart.hits(cursor);
	const lit = chart.lit(hits);
	chart.plot.classList.toggle("dim", lit !== null);
	if (lit) {
		context.save();
		clip(context, at);
		const base = chart.drawn.find(({ line }) => line.base && line.id !== lit.line.id);
		if (base) paintTrace(context, at, base, colour, "dashed");
		paintTrace(context, at, lit, colour, "lit");
		context.restore();
	}
	chart.pins().forEach((x, i) => paintPin(context, at, x, "AB"[i]));
	if (chart.box) paintBox(context, chart);
	const { area, sx } = at;
	const anchor = hits.length ? hits[0].px : cursor === null ? NaN : sx(cursor);
	if (!(anchor >= area.left - 1 && anchor <= area.right + 1)) return hideTip(chart);
	hairline(context, at, anchor, "quiet", 0.6);
	hits.slice(0, 60).forEach((hit, rank) => paintDot(context, at, hit, rank === 0 && chart.pointer !== null));
	if (chart.pointer) showTip(chart, hits);
	else hideTip(chart);
}

function hairline(context, { area }, px, ink, alpha) {
	const x = Math.round(px) + 0.5;
	context.strokeStyle = colour(ink);
	context.lineWidth = 1;
	context.globalAlpha = alpha;
	context.beginPath();
	context.moveTo(x, area.top);
	context.lineTo(x, area.bottom);
	context.stroke();
	context.globalAlpha = 1;
}

function paintDot(context, at, { x, y, px, line }, ringed) {
	if (!isShown(at, x, y)) return;
	const cy = at.sy(y);
	if (cy < at.area.top - 4 || cy > at.area.bottom + 4) return;
	if (ringed) {
		context.fillStyle = colour(`run-${line.slot}`);
		context.fill(disc(at, px, cy, 7));
	}
	context.fillStyle = colour("card");
	context.fill(disc(at, px, cy, ringed ? 5.5 : 4.5));
	context.fillStyle = colour(`run-${line.slot}`);
	context.fill(disc(at, px, cy, ringed ? 4 : 3));
}

function paintPin(context, at, x, name) {
	const { area, sx } = at;
	const px = sx(x);
	if (!(px >= area.left - 1 && px <= area.right + 1)) return;
	hairline(context, at, px, "accent", 1);
	context.fillStyle = colour("accent");
	context.fillRect(Math.round(px) - 7, area.top - 7, 15, 14);
	context.fillStyle = colour("on-accent");
	context.font = "600 10px system-ui, sans-serif";
	context.textAlign = "center";
	context.textBaseline = "middle";
	context.fillText(name, Math.round(px) + 0.5, area.top + 0.5);
}

function paintBox(context, chart) {
	const { area } = chart.at;
	const { left, right, top, bottom, small } = boxRange(chart);
	if (small) return;
	context.fillStyle = colour("accent");
	context.globalAlpha = 0.14;
	context.fillRect(left, top, right - left, bottom - top);
	context.globalAlpha = 0.8;
	context.lineWidth = 1;
	context.strokeStyle = colour("accent");
	context.strokeRect(Math.max(area.left, left) + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
	context.globalAlpha = 1;
}

/** The zoom box in pixels: only x when it is wider than tall by four to one, only y in the other case. */
export function boxRange({ at: { area }, box: { x0, y0, x1, y1 } }) {
	const wide = Math.abs(x1 - x0);
	const tall = Math.abs(y1 - y0);
	const within = (v, low, high) => Math.min(high, Math.max(low, v));
	const xOnly = wide > 4 * tall;
	const yOnly = tall > 4 * wide;
	return {
		xOnly, yOnly, small: Math.max(wide, tall) < 4,
		left: yOnly ? area.left : within(Math.min(x0, x1), area.left, area.right),
		right: yOnly ? area.right : within(Math.max(x0, x1), area.left, area.right),
		top: xOnly ? area.top : within(Math.min(y0, y1), area.top, area.bottom),
		bottom: xOnly ? area.bottom : within(Math.max(y0, y1), area.top, area.bottom),
	};
}
