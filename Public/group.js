// Runs that agree in some params, as one line: its middle, and a band around it.
//
// The runs are aligned on a common grid, each between its own first and last point only, so that a short run neither
// pulls the others down nor is continued; the band fades where fewer of them are left.

import { lower, nearest } from "./series.js";

const GRID = 400;

/** The runs of `lines` by their values of these params, in the order of the first of each: `[{name, lines}]`. */
export function groupsOf(lines, params) {
	const groups = new Map();
	for (const line of lines) {
		const name = params.map((key) => `${key.replace(/^.*\./, "")}=${line.params[key] ?? "–"}`).join(" ");
		if (!groups.has(name)) groups.set(name, { name, lines: [] });
		groups.get(name).lines.push(line);
	}
	return [...groups.values()];
}

/**
 * One trace for several: `members` have rising `x`, shown `y`, and `low` and `high`. Gives `{x, y, low, high, runs}`,
 * where `runs` counts the members at each x.
 */
export function gather(members, stat, band) {
	const xs = gridOf(members);
	const result = { x: xs, y: [], low: [], high: [], runs: [] };
	for (const x of xs) {
		const values = [];
		let low = Infinity;
		let high = -Infinity;
		for (const member of members) {
			const v = at(member.x, member.y, x);
			if (!Number.isFinite(v)) continue;
			values.push(v);
			low = Math.min(low, at(member.x, member.low, x));
			high = Math.max(high, at(member.x, member.high, x));
		}
		result.runs.push(values.length);
		const middle = values.length ? STAT[stat]?.(values) ?? STAT.mean(values) : NaN;
		result.y.push(middle);
		if (band === "minmax") {
			result.low.push(values.length ? low : NaN);
			result.high.push(values.length ? high : NaN);
		} else {
			const half = WIDTH[band]?.(values) ?? NaN;
			const mean = values.length ? STAT.mean(values) : NaN;
			result.low.push(mean - half);
			result.high.push(mean + half);
		}
	}
	return result;
}

const STAT = {
	mean: (values) => values.reduce((sum, v) => sum + v, 0) / values.length,
	median(values) {
		const sorted = values.toSorted((a, b) => a - b);
		const middle = sorted.length >> 1;
		return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
	},
	min: (values) => Math.min(...values),
	max: (values) => Math.max(...values),
};

// Half the height of a band; of one run there is no spread to speak of.
const WIDTH = {
	std: deviation,
	sem: (values) => deviation(values) / Math.sqrt(values.length),
	ci: (values) => (student(values.length - 1) * deviation(values)) / Math.sqrt(values.length),
};

function deviation(values) {
	if (values.length < 2) return NaN;
	const mean = STAT.mean(values);
	return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1));
}

// Student's t for a two-sided 95 % interval; beyond the table by its expansion in 1/n (Abramowitz and Stegun 26.7.5).
const T95 = [NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** The factor of a standard error that makes a 95 % interval of a mean with `n` degrees of freedom. */
export function student(n) {
	if (n < T95.length) return T95[n] ?? NaN;
	const z = 1.959964;
	return z + (z ** 3 + z) / (4 * n) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n * n);
}

function gridOf(members) {
	const own = [...new Set(members.flatMap((member) => (member.x.length > GRID * 4 ? [] : member.x)))];
	if (own.length && own.length <= GRID && members.every((member) => member.x.length <= GRID * 4)) {
		return own.sort((a, b) => a - b);
	}
	let low = Infinity;
	let high = -Infinity;
	for (const { x } of members) {
		low = Math.min(low, x[0]);
		high = Math.max(high, x.at(-1));
	}
	return Array.from({ length: GRID + 1 }, (_, i) => low + ((high - low) * i) / GRID);
}

function at(xs, ys, x) {
	const i = lower(xs, x);
	if (xs[i] === x) return ys[i];
	if (i === 0 || i === xs.length) return NaN;
	const share = (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
	const between = ys[i - 1] + (ys[i] - ys[i - 1]) * share;
	return Number.isFinite(between) ? between : ys[nearest(xs, x)];
}
