// Runs that agree in some params, as one line: its middle, and a band around it.
// Each run counts between its own first and last point only; the band fades where fewer of them are left.

import { tail } from "./look.js";
import { quantile } from "./scale.js";
import { lower, nearest } from "./series.js";

const GRID = 400;

export function groupsOf(lines, params) {
	const name = (line) => params.map((key) => `${tail(key)}=${line.params[key] ?? "–"}`).join(" ");
	return [...Map.groupBy(lines, name)].map(([name, lines]) => ({ name, lines }));
}

/** One trace for several `{x, y, low, high}` with rising x; `runs` counts the members at each x. */
export function gather(members, stat, band) {
	const result = { x: gridOf(members), y: [], low: [], high: [], runs: [] };
	for (const x of result.x) {
		const values = [];
		let [low, high] = [NaN, NaN];
		for (const member of members) {
			const v = at(member.x, member.y, x);
			if (!Number.isFinite(v)) continue;
			values.push(v);
			const [under, over] = [at(member.x, member.low, x), at(member.x, member.high, x)];
			if (!(low <= under)) low = under;
			if (!(high >= over)) high = over;
		}
		if (band !== "minmax") {
			const half = WIDTH[band]?.(values) ?? NaN;
			[low, high] = [mean(values) - half, mean(values) + half];
		}
		for (const [name, v] of Object.entries({ y: (STAT[stat] ?? mean)(values), low, high, runs: values.length })) result[name].push(v);
	}
	return result;
}

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

const STAT = { mean, median: (values) => quantile(values.toSorted((a, b) => a - b), 0.5),
	min: (values) => values.length ? Math.min(...values) : NaN, max: (values) => values.length ? Math.max(...values) : NaN };

// Half the height of a band; of one run there is no spread to speak of.
const WIDTH = {
	std: deviation,
	sem: (values) => deviation(values) / Math.sqrt(values.length),
	ci: (values) => (student(values.length - 1) * deviation(values)) / Math.sqrt(values.length),
};

function deviation(values) {
	const middle = mean(values);
	return Math.sqrt(values.reduce((sum, v) => sum + (v - middle) ** 2, 0) / (values.length - 1));
}

// Student's t, two-sided 95 %, by degrees of freedom; beyond the table its expansion in 1/n (Abramowitz and Stegun 26.7.5).
const T95 = [NaN, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

export function student(n) {
	const z = 1.959964;
	return n < T95.length ? T95[n] ?? NaN : z + (z ** 3 + z) / (4 * n) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n * n);
}

function gridOf(members) {
	if (members.every(({ x }) => x.length <= GRID * 4)) {
		const own = [...new Set(members.flatMap(({ x }) => x))];
		if (own.length <= GRID) return own.sort((a, b) => a - b);
	}
	const low = Math.min(...members.map(({ x }) => x[0]));
	const high = Math.max(...members.map(({ x }) => x.at(-1)));
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
