// One curve of one run: what the server answered, plus the points that came live since. Of a run that went back, what came
// last counts; what it replaced is in `old`, and `resumed` holds the steps where it went on.

import { parse } from "./format.js";

const RECENT = 50; // points that tell how fast they come

let made = 0;

export class Series {
	/** `exactly`: how the server smoothed it, as `smoothed` is asked. */
	constructor({ count, sampled, steps, timestamps, values, min, max, bucket: width = 1, last_step: last = steps.at(-1) ?? -Infinity,
		resumed = [], replaced = [], smoothed = [] }, exactly = "") {
		Object.assign(this, { count, sampled, steps: steps.slice(), times: timestamps.slice(), values: values.map(parse), width, last });
		this.low = sampled ? min.map(parse) : null;
		this.high = sampled ? max.map(parse) : null;
		this.inLast = sampled ? count / steps.length : 1; // about how many points the last bucket holds
		this.serial = made += 1;
		this.stale = false;
		this.version = 0;
		this.cache = new Map();
		this.arrived = performance.now(); // when the last point came to this page
		Object.assign(this, { resumed, exactly, exact: smoothed.map(parse), origin: this.times }); // of the whole curve
		this.old = replaced.map((piece) => ({ steps: piece.steps, times: piece.timestamps, values: piece.values.map(parse) }));
	}

	/** Adds a live point; says whether anything changed. One lacking further back makes the curve stale. */
	append({ step, timestamp, value }) {
		const v = parse(value);
		if (step <= this.last) {
			this.stale ||= this.sampled || !this.has(step, v);
			return false;
		}
		const bucket = (s) => Math.floor(s / this.width);
		if (this.sampled && bucket(step) === bucket(this.steps.at(-1))) this.merge(v);
		else {
			this.steps.push(step);
			this.times.push(timestamp);
			for (const list of [this.values, this.low, this.high]) list?.push(v);
			this.inLast = 1;
		}
		this.last = step;
		this.arrived = performance.now();
		this.count += 1;
		this.version += 1;
		return true;
	}

	has(step, v) {
		return this.values.slice(lower(this.steps, step), upper(this.steps, step)).some((value) => Object.is(value, v));
	}

	/** Takes a value into the last bucket, as the server will. */
	merge(v) {
		const i = this.values.length - 1;
		if (Number.isNaN(v)) return;
		this.inLast += 1;
		this.values[i] = Number.isNaN(this.values[i]) ? v : this.values[i] + (v - this.values[i]) / this.inLast;
		if (!(this.low[i] <= v)) this.low[i] = v;
		if (!(this.high[i] >= v)) this.high[i] = v;
	}

	/** The x of each point: steps, ms, or what `warp` makes of a step. */
	xs(axis, warp = null) {
		return this.cached(axis, () => along(this, axis, this.origin, warp), warp);
	}

	smoothed(weight, unit = 1) {
		if (!(weight > 0) || this.values.length < SMOOTH_FROM) return this.values;
		const how = `${weight} ${unit}`;
		return this.cached("smooth", () => Object.assign(smooth(this.values, weight, this.steps, unit), how === this.exactly && this.exact), how);
	}

	/** Of the newest points: ms between two, steps a second; NaN for too few. */
	get pace() {
		const { steps, times } = this;
		const from = Math.max(0, times.length - RECENT);
		const points = times.length - 1 - from;
		const ms = times.at(-1) - times[from];
		return { gap: points > 1 ? ms / points / (this.sampled ? this.count / times.length : 1) : NaN,
			rate: ms > 0 ? ((steps.at(-1) - steps[from]) / ms) * 1000 : NaN };
	}

	/** For how many ms no point has come, when three times the usual; else 0. */
	get quiet() {
		const quiet = performance.now() - this.arrived;
		return quiet > Math.max(2000, 3 * (this.pace.gap || 0)) ? quiet : 0;
	}

	cached(name, make, key = "") {
		const hit = this.cache.get(name);
		if (hit?.version === this.version && hit.key === key) return hit.made;
		const made = make();
		this.cache.set(name, { version: this.version, key, made });
		return made;
	}
}

/** A group, made anew each time, caches nothing. */
export const known = (series, name, make, key) => series.cached ? series.cached(name, make, key) : make();

export function along({ steps, times }, axis, origin, warp) {
	if (axis === "step") return steps;
	if (axis === "time") return times;
	if (!isLength(axis)) return steps.map(warp ?? (() => NaN));
	const lost = axis === "process" ? pauses(origin) : [];
	return times.map((t) => lost.reduce((ms, [end, gap]) => end <= t ? ms - gap : ms, t - origin[0]));
}

/** Whether an axis measures lengths of time. */
export const isLength = (axis) => /^(rel|proc)/.test(axis);

/** The ends and lengths of gaps that are much longer than usual. */
const pauses = (times) => times.map((t, i) => [t, t - times[i - 1]])
	.filter(([, gap]) => gap > Math.max(5000, (20 * (times.at(-1) - times[0])) / times.length));

const SMOOTH_FROM = 64;

/**
 * Exponential moving average, corrected for its start (Kingma and Ba 2015, section 3); skips what is not finite. A value
 * `unit` steps back weighs `weight` times as much.
 */
export function smooth(values, weight, steps = null, unit = 1) {
	const result = new Array(values.length);
	let [sum, mass, before, first, constant, gap, decay] = [0, 0, -1, NaN, true, NaN, 0];
	for (let i = 0; i < values.length; i += 1) {
		const v = values[i];
		result[i] = v;
		if (!Number.isFinite(v)) continue;
		if (before < 0) first = v;
		else {
			const now = steps ? Math.max(0, steps[i] - steps[before]) / unit : 1;
			if (now !== gap) decay = weight ** (gap = now); // a power is dear, and most gaps are alike
			sum *= decay;
			mass *= decay;
		}
		constant &&= v === first;
		sum += v;
		mass += 1;
		if (!constant) result[i] = sum / mass;
		before = i;
	}
	return result;
}

/** The steps over which a smoothing weight counts: the spacing of the densest curve, 1/1000 of all at least. */
export function smoothingUnit(all) {
	let [low, high, spacing] = [Infinity, -Infinity, Infinity];
	for (const { steps, count } of all) {
		if (steps.length < 2) continue;
		low = Math.min(low, steps[0]);
		high = Math.max(high, steps.at(-1));
		spacing = Math.min(spacing, (steps.at(-1) - steps[0]) / (count - 1));
	}
	// In quarter octaves: a growing curve is not smoothed anew for every point.
	const share = 2 ** (Math.ceil(4 * Math.log2((high - low) / 1000)) / 4);
	return Math.max(Number.isFinite(spacing) ? spacing : 1, share || 0, 1e-9);
}

/** Where `x` belongs in a rising list: before its equals, or `past` them. */
export function lower(list, x, past = false) {
	let [from, to] = [0, list.length];
	while (from < to) {
		const middle = (from + to) >> 1;
		if (list[middle] < x || (past && list[middle] === x)) from = middle + 1;
		else to = middle;
	}
	return from;
}

export const upper = (list, x) => lower(list, x, true);

export function nearest(list, x) {
	const i = lower(list, x);
	if (i > 0 && (i === list.length || x - list[i - 1] <= list[i] - x)) return i - 1;
	return list.length ? i : -1;
}
