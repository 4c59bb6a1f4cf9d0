// One curve of one run as the page holds it: what the server answered, plus the points that came live since.
//
// A run that went back (resumed from a checkpoint) has recorded some steps twice. What counts is what came last; what it
// replaced is kept apart in `old`, to be drawn faintly, and `resumed` holds the steps where it went on.

import { parse } from "./format.js";

export class Series {
	constructor(answer) {
		this.key = answer.key;
		this.count = answer.count;
		this.sampled = answer.sampled;
		this.steps = answer.steps.slice();
		this.times = answer.timestamps.slice();
		this.values = answer.values.map(parse);
		this.low = answer.sampled ? answer.min.map(parse) : null;
		this.high = answer.sampled ? answer.max.map(parse) : null;
		this.width = answer.sampled ? bucketWidth(this.steps) : 1;
		this.last = lastStep(answer, this.width);
		this.inLast = answer.sampled ? this.count / this.steps.length : 1; // about how many points the last bucket holds
		this.stale = false;
		this.version = 0;
		this.cache = new Map();
		this.arrived = performance.now(); // when the last point came to this page
		this.old = [];
		this.resumed = [];
		if (!this.sampled) this.part();
	}

	part() {
		const pieces = piecesOf(this.steps, this.times);
		if (pieces.length < 2) return;
		const take = (list, rows) => rows.map((i) => list[i]);
		let next = Infinity;
		const kept = [];
		this.resumed = pieces.slice(1).map((piece) => this.steps[piece[0]]);
		for (const piece of pieces.reverse()) {
			const rows = piece.filter((i) => this.steps[i] < next);
			const lost = piece.filter((i) => this.steps[i] >= next);
			if (lost.length) {
				this.old.push({ steps: take(this.steps, lost), times: take(this.times, lost), values: take(this.values, lost) });
			}
			kept.unshift(...rows);
			next = Math.min(next, this.steps[piece[0]]);
		}
		for (const name of ["steps", "times", "values"]) this[name] = take(this[name], kept);
		this.last = this.steps.at(-1);
	}

	/**
	 * Adds a live point; says whether anything changed. A point that an exact curve lacks further back marks it as
	 * stale: it must be read again.
	 */
	append(point) {
		const v = parse(point.value);
		if (point.step <= this.last) {
			this.stale ||= !this.sampled && !this.has(point.step, v);
			return false;
		}
		if (this.sampled && this.bucket(point.step) === this.bucket(this.steps.at(-1))) this.merge(v);
		else this.push(point, v);
		this.last = point.step;
		this.arrived = performance.now();
		this.count += 1;
		this.version += 1;
		return true;
	}

	bucket(step) {
		return Math.floor(step / this.width);
	}

	has(step, v) {
		for (let i = upper(this.steps, step) - 1; i >= 0 && this.steps[i] === step; i -= 1) {
			if (Object.is(this.values[i], v)) return true;
		}
		return false;
	}

	push(point, v) {
		this.steps.push(point.step);
		this.times.push(point.timestamp);
		this.values.push(v);
		this.low?.push(v);
		this.high?.push(v);
		this.inLast = 1;
	}

	/** Takes a value into the last bucket, as the server will: mean and extremes of what is a number. */
	merge(v) {
		const i = this.values.length - 1;
		if (Number.isNaN(v)) return;
		this.inLast += 1;
		this.values[i] = Number.isNaN(this.values[i]) ? v : this.values[i] + (v - this.values[i]) / this.inLast;
		if (!(this.low[i] <= v)) this.low[i] = v;
		if (!(this.high[i] >= v)) this.high[i] = v;
	}

	/**
	 * The x of each point: `step`, `relative` (ms since the first point), `time` (ms since 1970), or what `warp` makes of
	 * a step.
	 */
	xs(axis, warp = null) {
		if (axis === "step") return this.steps;
		if (axis === "time") return this.times;
		if (axis === "relative") return this.cached("relative", () => this.times.map((t) => t - this.times[0]));
		if (this.warp !== warp) this.cache.delete("warped");
		this.warp = warp;
		return this.cached("warped", () => this.steps.map((step) => (warp ? warp(step) : NaN)));
	}

	smoothed(weight, unit = 1) {
		if (!(weight > 0) || this.values.length < SMOOTH_FROM) return this.values;
		return this.cached(`smooth ${weight} ${unit}`, () => smooth(this.values, weight, this.steps, unit));
	}

	/** The usual time between two points, in ms, from the newest of them; NaN when there are too few. */
	get gap() {
		const from = Math.max(0, this.times.length - 50);
		const points = this.times.length - 1 - from;
		const each = this.sampled ? this.count / this.times.length : 1;
		return points > 1 ? (this.times.at(-1) - this.times[from]) / points / each : NaN;
	}

	get rate() {
		const from = Math.max(0, this.times.length - 50);
		const ms = this.times.at(-1) - this.times[from];
		return ms > 0 ? ((this.steps.at(-1) - this.steps[from]) / ms) * 1000 : NaN;
	}

	cached(name, make) {
		const hit = this.cache.get(name);
		if (hit && hit.version === this.version) return hit.made;
		if (this.cache.size > 4) this.cache.clear();
		const made = make();
		this.cache.set(name, { version: this.version, made });
		return made;
	}
}

/** Buckets are aligned to powers of two: the width is the largest one that keeps their first steps apart. */
function bucketWidth(steps) {
	let width = 1;
	const apart = (w) => steps.every((step, i) => i === 0 || Math.floor(step / w) !== Math.floor(steps[i - 1] / w));
	while (steps.length > 1 && width < 2 ** 50 && apart(2 * width)) width *= 2;
	return width;
}

/** The last step that an answer covers: of buckets reckoned from the number of points, when they are equally spaced. */
function lastStep(answer, width) {
	const { steps, count, sampled } = answer;
	const start = steps.at(-1) ?? -Infinity;
	if (!sampled) return start;
	if (Number.isFinite(answer.last_step)) return answer.last_step;
	const gaps = count - 1;
	const stride = Math.ceil((start - steps[0]) / gaps);
	const last = steps[0] + stride * gaps;
	const end = (Math.floor(start / width) + 1) * width;
	return last < end && last + gaps >= end ? last : start;
}
export const SMOOTH_FROM = 64;

/**
 * Exponential moving average, corrected for its start (Kingma and Ba 2015, section 3); skips what is not finite. A value
 * `unit` steps back weighs `weight` times as much.
 */
export function smooth(values, weight, steps = null, unit = 1) {
	const result = new Array(values.length);
	let sum = 0;
	let mass = 0;
	let before = null;
	let constant = true;
	for (let i = 0; i < values.length; i += 1) {
		const v = values[i];
		if (!Number.isFinite(v)) {
			result[i] = v;
			continue;
		}
		const decay = before === null ? 0 : steps ? weight ** (Math.max(0, steps[i] - steps[before]) / unit) : weight;
		constant &&= before === null || v === values[before];
		sum = sum * decay + v;
		mass = mass * decay + 1;
		result[i] = constant ? v : sum / mass;
		before = i;
	}
	return result;
}

/** The steps over which a smoothing weight counts: the spacing of the curve logged most often, at least 1/1000 of all. */
export function smoothingUnit(all) {
	let low = Infinity;
	let high = -Infinity;
	let spacing = Infinity;
	for (const { steps, count } of all) {
		if (steps.length < 2) continue;
		low = Math.min(low, steps[0]);
		high = Math.max(high, steps.at(-1));
		spacing = Math.min(spacing, (steps.at(-1) - steps[0]) / (count - 1));
	}
	return Math.max(Number.isFinite(spacing) ? spacing : 1, (high - low) / 1000, 1e-9) || 1;
}

const MOST_PIECES = 20;

/** Points, which are given by step, as the stretches of rising steps in which they were recorded: lists of indices. */
function piecesOf(steps, times) {
	let orderly = true;
	for (let i = 1; orderly && i < times.length; i += 1) orderly = times[i] >= times[i - 1];
	if (orderly) return [];
	const order = steps.map((_, i) => i).sort((a, b) => times[a] - times[b] || steps[a] - steps[b] || a - b);
	const pieces = [[order[0]]];
	for (const i of order.slice(1)) {
		if (steps[i] < steps[pieces.at(-1).at(-1)]) pieces.push([]);
		pieces.at(-1).push(i);
	}
	// So many are no resumed runs but points that were sent in no order at all: their steps are all there is.
	if (pieces.length > MOST_PIECES) return [];
	// A stretch that repeats no step does not replace anything: it only came late.
	const seen = new Set();
	const replacing = [];
	for (const piece of pieces) {
		if (!replacing.length || piece.some((i) => seen.has(steps[i]))) replacing.push(piece);
		else replacing[replacing.length - 1] = [...replacing.at(-1), ...piece].sort((a, b) => steps[a] - steps[b] || a - b);
		for (const i of piece) seen.add(steps[i]);
	}
	return replacing;
}

export function lower(list, x) {
	let from = 0;
	let to = list.length;
	while (from < to) {
		const middle = (from + to) >> 1;
		if (list[middle] < x) from = middle + 1;
		else to = middle;
	}
	return from;
}

export function upper(list, x) {
	let from = 0;
	let to = list.length;
	while (from < to) {
		const middle = (from + to) >> 1;
		if (list[middle] <= x) from = middle + 1;
		else to = middle;
	}
	return from;
}

export function nearest(list, x) {
	const i = lower(list, x);
	if (i === 0) return list.length ? 0 : -1;
	if (i === list.length) return i - 1;
	return x - list[i - 1] <= list[i] - x ? i - 1 : i;
}
