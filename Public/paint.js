// Drawing a chart: grid, bands, lines and marks, onto a canvas or anything that has its calls (see figure.js).
//
// A scene is `{area, range, sx, sy, xTicks, yTicks, logx, log, band}`; a trace is `{line, x, y, raw, low, high, runs, old,
// resumed, rises}` with `x` in units of the axis. Nothing here knows where the numbers came from.

import { lower, upper } from "./series.js";

export const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";
const BASELINE = 3;

export function paintGrid(context, scene, colour) {
	const { area, sx, sy, xTicks, yTicks } = scene;
	context.font = FONT;
	context.lineWidth = 1;
	context.strokeStyle = colour("grid");
	const grid = scene.path();
	for (const tick of yTicks) {
		const y = Math.round(sy(tick.at)) + 0.5;
		grid.moveTo(area.left, y);
		grid.lineTo(area.right, y);
	}
	context.stroke(grid);
	context.strokeStyle = colour("axis");
	const axis = scene.path();
	axis.moveTo(area.left, area.bottom + 0.5);
	axis.lineTo(area.right, area.bottom + 0.5);
	for (const tick of xTicks) {
		const x = Math.round(sx(tick.at)) + 0.5;
		axis.moveTo(x, area.bottom + 1);
		axis.lineTo(x, area.bottom + 5);
	}
	context.stroke(axis);
	context.fillStyle = colour("quiet");
	context.textAlign = "right";
	context.textBaseline = "middle";
	for (const tick of yTicks) context.fillText(tick.text, area.left - 8, sy(tick.at));
	context.textBaseline = "top";
	context.textAlign = "center";
	let free = -Infinity;
	for (const tick of xTicks) {
		const half = context.measureText(tick.text).width / 2;
		const x = Math.max(half + 2, Math.min(sx(tick.at), area.right + 8 - half));
		if (x - half < free) continue;
		context.fillText(tick.text, x, area.bottom + 9);
		free = x + half + 10;
	}
}

/** Band, line and marks of one trace; `weight` is the look: "", "pinned", "base", "lit" or "dashed". */
export function paintTrace(context, scene, trace, colour, weight = "") {
	const { x, y, raw } = trace;
	const [from, to] = windowOf(trace, scene.range.x);
	const ink = colour(`run-${trace.line.slot}`);
	context.strokeStyle = ink;
	context.fillStyle = ink;
	context.lineJoin = "round";
	for (const old of trace.old) {
		context.globalAlpha = 0.25;
		context.lineWidth = 1;
		context.stroke(linePath(scene, old.x, old.y, 0, old.x.length));
	}
	if (trace.low) paintBand(context, scene, trace, from, to);
	if (y !== raw && !trace.low) {
		context.globalAlpha = 0.26;
		context.lineWidth = 1;
		context.stroke(linePath(scene, x, raw, from, to));
	}
	context.globalAlpha = 1;
	context.lineWidth = weight === "base" ? BASELINE : weight === "lit" || weight === "pinned" ? 2.5 : 1.75;
	if (weight === "dashed") context.setLineDash([6, 4]);
	trace.path = linePath(scene, x, y, from, to);
	context.stroke(trace.path);
	if (weight === "dashed") context.setLineDash([]);
	paintMarks(context, scene, trace, from, to);
	for (const step of trace.resumed) paintResumed(context, scene, step);
}

export function windowOf({ x, rises }, [low, high]) {
	if (!rises) return [0, x.length];
	return [Math.max(0, lower(x, low) - 1), Math.min(x.length, upper(x, high) + 1)];
}

export function isShown(scene, x, y) {
	return Number.isFinite(y) && Number.isFinite(x) && (!scene.log || y > 0) && (!scene.logx || x > 0);
}

function linePath(scene, x, y, from, to) {
	const { sx, sy } = scene;
	const path = scene.path();
	let pen = false;
	for (let i = from; i < to; i += 1) {
		if (!isShown(scene, x[i], y[i])) {
			pen = false;
			continue;
		}
		// A line never runs backwards.
		if (pen && !(x[i] < x[i - 1])) path.lineTo(sx(x[i]), sy(y[i]));
		else path.moveTo(sx(x[i]), sy(y[i]));
		pen = true;
	}
	return path;
}

/** From the lowest to the highest of each bucket; of a group, fainter where fewer runs are left. */
function paintBand(context, scene, trace, from, to) {
	const { runs, series } = trace;
	if (runs) {
		const most = Math.max(...runs);
		for (let start = from; start < to; ) {
			let end = start + 1;
			while (end < to && runs[end] === runs[start]) end += 1;
			context.globalAlpha = (0.2 * runs[start]) / most;
			context.fill(bandPath(scene, trace, start, Math.min(end + 1, to))); // a change of opacity leaves no gap
			start = end;
		}
		return;
	}
	// The band is the same for every smoothing.
	const key = `${scene.key} ${series.version}`;
	if (!scene.key || series.band?.key !== key) series.band = { key, path: bandPath(scene, trace, from, to) };
	// Without smoothing the band is the curve itself: every point lies in it. Its outline keeps a lone spike visible.
	const alpha = trace.y === trace.raw ? 0.45 : 0.2;
	context.lineWidth = 1;
	context.globalAlpha = alpha;
	context.fill(series.band.path);
	context.globalAlpha = 1.5 * alpha;
	context.stroke(series.band.path);
}

function bandPath(scene, { x, low, high }, from, to) {
	const { sx, sy, range } = scene;
	const path = scene.path();
	const height = (v) => sy(scene.log && v <= 0 ? range.y[0] : v);
	const seen = (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]) && isShown(scene, x[i], high[i]);
	for (let start = from; start < to; start += 1) {
		let end = start;
		while (end < to && seen(end)) end += 1;
		if (end === start) continue;
		path.moveTo(sx(x[start]), height(high[start]));
		for (let i = start + 1; i < end; i += 1) path.lineTo(sx(x[i]), height(high[i]));
		for (let i = end - 1; i >= start; i -= 1) path.lineTo(sx(x[i]), height(low[i]));
		path.closePath();
		start = end;
	}
	return path;
}

/**
 * Lone points as discs; where values stop or begin again to be numbers, a triangle at the last height of one; points
 * beyond the range of y as carets at its edge.
 */
function paintMarks(context, scene, { x, y, raw }, from, to) {
	const { sx, sy, area, range } = scene;
	let height = area.bottom - 6;
	let caret = -Infinity;
	for (let i = from; i < to; i += 1) {
		const v = raw[i];
		if (!isShown(scene, x[i], v)) {
			if (!Number.isFinite(v) && Number.isFinite(x[i]) && (Number.isFinite(raw[i - 1] ?? 0) || Number.isFinite(raw[i + 1] ?? 0))) {
				context.fill(triangle(scene, sx(x[i]), Math.min(area.bottom - 5, Math.max(area.top + 5, height)), v !== -Infinity));
			}
			continue;
		}
		height = sy(y[i]);
		if (!isShown(scene, x[i - 1], y[i - 1]) && !isShown(scene, x[i + 1], y[i + 1])) context.fill(disc(scene, sx(x[i]), height, 4));
		const px = sx(x[i]);
		if ((v > range.y[1] || v < range.y[0]) && px - caret > 7 && px >= area.left && px <= area.right) {
			caret = px;
			context.fill(triangle(scene, px, v > range.y[1] ? area.top + 1 : area.bottom - 3, v > range.y[1], 3));
		}
	}
}

function paintResumed(context, { path, sx, area }, x) {
	const tick = path();
	const px = Math.round(sx(x)) + 0.5;
	tick.moveTo(px, area.bottom);
	tick.lineTo(px, area.bottom - 9);
	tick.moveTo(px - 3, area.bottom - 6);
	tick.lineTo(px, area.bottom - 9);
	tick.lineTo(px + 3, area.bottom - 6);
	context.lineWidth = 1.5;
	context.stroke(tick);
}

export function disc({ path }, x, y, radius) {
	const circle = path();
	circle.arc(x, y, radius, 0, 2 * Math.PI);
	return circle;
}

function triangle({ path }, x, y, up, size = 5) {
	const d = up ? -1 : 1;
	const shape = path();
	shape.moveTo(x, y + size * d);
	shape.lineTo(x + size * 0.9, y - size * 0.7 * d);
	shape.lineTo(x - size * 0.9, y - size * 0.7 * d);
	shape.closePath();
	return shape;
}
