// Drawing a chart, onto a canvas or what has its calls (figure.js). Scenes and traces are made in chart.js.

import { colour } from "./palette.js";
import { lower, upper } from "./series.js";

export const FONT = "11px system-ui, sans-serif";
const WIDTHS = { base: 3, lit: 2.5, pinned: 2.5 };
const SAME = 0.25; // pixels of height that nobody sees
const PIECE = 64; // points in one path: browsers draw one long line much slower than its pieces

export function clip(context, { area, part: [left, right] }) {
	const from = Math.max(area.left - 1, left);
	context.beginPath();
	context.rect(from, area.top - 4, Math.max(0, Math.min(area.right + 9, right) - from), area.bottom - area.top + 5);
	context.clip();
}

/** A path along strokes, each a list of x, y, x, y...; `closed` ones can be filled. */
function strokes({ path }, lists, closed = false) {
	const made = path();
	for (const list of lists) {
		for (let i = 0; i < list.length; i += 2) made[i ? "lineTo" : "moveTo"](list[i], list[i + 1]);
		if (closed) made.closePath();
	}
	return made;
}

export function paintGrid(context, scene) {
	const { area, sx, sy, xTicks, yTicks } = scene;
	const crisp = (pixel) => Math.round(pixel) + 0.5;
	context.font = FONT;
	context.lineWidth = 1;
	context.strokeStyle = colour("grid");
	context.stroke(strokes(scene, yTicks.map(({ at }) => [area.left, crisp(sy(at)), area.right, crisp(sy(at))])));
	context.strokeStyle = colour("axis");
	context.stroke(strokes(scene, [[area.left, area.bottom + 0.5, area.right, area.bottom + 0.5],
		...xTicks.map(({ at }) => [crisp(sx(at)), area.bottom + 1, crisp(sx(at)), area.bottom + 5])]));
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

function dip(context, { line }) {
	context.strokeStyle = context.fillStyle = colour(`run-${line.slot}`);
	context.lineJoin = "round";
	context.lineWidth = 1;
}

/** A path for the screen serves until the next drawing. */
const kept = (scene, trace, name, make) => scene.key ? (trace[name] ??= make()) : make();

/** What smoothing leaves as it is. */
export function paintUnder(context, scene, trace) {
	const { x, y, raw, low, runs, old } = trace;
	const [from, to] = windowOf(trace, scene.range.x);
	const draw = (paths) => paths.forEach((path) => context.stroke(path));
	dip(context, trace);
	context.globalAlpha = 0.25;
	for (const piece of old) draw(linePaths(scene, piece.x, piece.y, 0, piece.x.length));
	if (runs) paintSpread(context, scene, trace, from, to);
	else if (low) {
		// Without smoothing the band is the curve: every point lies in it. Its outline keeps a lone spike visible.
		const path = kept(scene, trace, "band", () => bandPath(scene, trace, from, to));
		context.globalAlpha = y === raw ? 0.45 : 0.2;
		context.fill(path);
		context.globalAlpha *= 1.5;
		context.stroke(path);
	} else if (y !== raw) {
		context.globalAlpha = 0.26;
		draw(linePaths(scene, x, raw, from, to));
	}
	context.globalAlpha = 1;
}

/** Line and marks of one trace; `weight` is the look: "", "thin", "pinned", "base", "lit" or "dashed". */
export function paintLine(context, scene, trace, weight = "") {
	const [from, to] = windowOf(trace, scene.range.x);
	dip(context, trace);
	if (weight !== "thin") context.lineWidth = WIDTHS[weight] ?? 1.75;
	if (weight === "dashed") context.setLineDash([6, 4]);
	context.lineCap = weight === "dashed" ? "butt" : "round";
	for (const path of kept(scene, trace, "paths", () => linePaths(scene, trace.x, trace.y, from, to))) context.stroke(path);
	context.setLineDash([]);
	paintMarks(context, scene, trace, from, to);
	context.lineWidth = 1.5;
	const foot = scene.area.bottom;
	for (const x of trace.resumed.map((v) => Math.round(scene.sx(v)) + 0.5)) {
		context.stroke(strokes(scene, [[x, foot, x, foot - 9], [x - 3, foot - 6, x, foot - 9, x + 3, foot - 6]]));
	}
}

export function windowOf({ x, rises }, [low, high]) {
	if (!rises) return [0, x.length];
	return [Math.max(0, lower(x, low) - 1), Math.min(x.length, upper(x, high) + 1)];
}

export const isShown = (scene, x, y) => Number.isFinite(y) && Number.isFinite(x) && (!scene.log || y > 0) && (!scene.logx || x > 0);

/** Paths through the shown points; in haste, about one for each pixel. */
function linePaths(scene, x, y, from, to) {
	const { sx, sy, quick, area } = scene;
	const stride = quick ? Math.ceil((to - from) / (area.right - area.left)) : 1;
	const paths = [];
	let path = null;
	let last = -1; // the piece that is drawn: the same ones whatever part is seen
	let pen = false; // whether the line goes on from the point before
	let [left, height] = [0, 0]; // where the path ends
	for (let i = from - (from % PIECE); i < to; i += stride) {
		const goes = pen && x[i] >= x[i - stride]; // a line never runs backwards
		pen = isShown(scene, x[i], y[i]);
		if (!pen) continue;
		const px = sx(x[i]);
		const py = sy(y[i]);
		const piece = Math.floor(i / PIECE);
		const begins = piece !== last;
		if (goes && !begins && i + stride < to && px - left < 0.5 && Math.abs(py - height) < SAME) continue;
		if (goes) path.lineTo(px, py);
		if (begins) paths.push((path = scene.path()));
		if (begins || !goes) path.moveTo(px, py);
		last = piece;
		left = px;
		height = py;
	}
	return paths;
}

function paintSpread(context, scene, trace, from, to) {
	const { runs } = trace;
	const most = Math.max(...runs);
	for (let start = from, end; start < to; start = end) {
		end = start + 1;
		while (end < to && runs[end] === runs[start]) end += 1;
		context.globalAlpha = (0.2 * runs[start]) / most;
		context.fill(bandPath(scene, trace, start, Math.min(end + 1, to))); // a change of opacity leaves no gap
	}
}

function bandPath(scene, { x, low, high }, from, to) {
	const { sx, sy, range } = scene;
	const height = (v) => sy(scene.log && v <= 0 ? range.y[0] : v);
	const seen = (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]) && isShown(scene, x[i], high[i]);
	const shapes = [];
	for (let i = from; i < to; i += 1) {
		const shape = [];
		const back = [];
		for (; i < to && seen(i); i += 1) {
			shape.push(sx(x[i]), height(high[i]));
			back.push(height(low[i]), sx(x[i]));
		}
		if (shape.length) shapes.push(shape.concat(back.reverse()));
	}
	return strokes(scene, shapes, true);
}

/**
 * Lone points as discs; where values stop or begin again to be numbers, a triangle at the last height of one; points
 * beyond the range of y as carets at its edge.
 */
function paintMarks(context, scene, { x, y, raw }, from, to) {
	const { sx, sy, area, range } = scene;
	while (from > 0 && !isShown(scene, x[from], raw[from])) from -= 1;
	const odd = (v) => v !== undefined && !Number.isFinite(v);
	let height = area.bottom - 6;
	let caret = -Infinity;
	for (let i = from; i < to; i += 1) {
		const v = raw[i];
		if (!isShown(scene, x[i], v)) {
			if (odd(v) && Number.isFinite(x[i]) && !(odd(raw[i - 1]) && odd(raw[i + 1]))) {
				context.fill(triangle(scene, sx(x[i]), Math.min(area.bottom - 5, Math.max(area.top + 5, height)), v !== -Infinity));
			}
			continue;
		}
		height = sy(y[i]);
		if (!isShown(scene, x[i - 1], y[i - 1]) && !isShown(scene, x[i + 1], y[i + 1])) context.fill(disc(scene, sx(x[i]), height, 4));
		if (v <= range.y[1] && v >= range.y[0]) continue;
		const px = sx(x[i]);
		const place = Math.floor(px / 8);
		if (place === caret || px < area.left || px > area.right) continue;
		caret = place;
		context.fill(triangle(scene, px, v > range.y[1] ? area.top + 1 : area.bottom - 3, v > range.y[1], 3));
	}
}

export function disc({ path }, x, y, radius) {
	const circle = path();
	circle.arc(x, y, radius, 0, 2 * Math.PI);
	return circle;
}

function triangle(scene, x, y, up, size = 5) {
	const d = up ? -size : size;
	return strokes(scene, [[x, y + d, x + size * 0.9, y - 0.7 * d, x - size * 0.9, y - 0.7 * d]], true);
}
