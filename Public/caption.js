// What a chart says about itself: how many points, how exactly, and what it could not draw.

import * as format from "./format.js";
import { windowOf } from "./paint.js";
import { known } from "./series.js";

export function caption(lines, look, traces, at) {
	const held = lines.filter((line) => line.series);
	if (!held.length) return lines.length ? "loading" : "no points yet";
	const log = look.log && (({ series }) => count(series.values, (v) => v <= 0));
	const [low, high] = at.range.y;
	const beyond = (trace) => known(trace.series, "beyond", () =>
		count(trace.raw, (v) => v > high || (v < low && !(look.log && v <= 0)), ...inside(trace, at.range.x)), at.key);
	return [exactness(held, traces, look, at),
		...[...notFinite(held), ...resumed(held), log && left(sum(held, log), "not above 0, left out"),
			look.logx && left(sum(traces, ({ x }) => count(x, (v) => v <= 0)), "at x = 0 or less, left out"),
			!look.group && left(held.length - traces.length, "not on this axis"), left(sum(traces, beyond), "beyond the edge"), ...live(held)].filter(Boolean).slice(0, 4)].join(" · ");
}

function exactness(held, traces, look, at) {
	const total = sum(held, (line) => line.series.count);
	const zoomed = look.x && !look.group;
	const seen = zoomed ? traces.map((trace) => part(trace.series, ...inside(trace, at.range.x)))
		: held.map(({ series }) => part(series, 0, series.steps.length));
	const sampled = seen.filter(({ series }) => series.sampled);
	const points = format.plural(sum(seen, (one) => one.points), "point") + (zoomed ? ` of ${format.count(total)}` : "");
	if (!sampled.length) return `exact, ${points}`;
	// A line is exact when every column of pixels knows its lowest and highest point.
	if (sampled.every(({ size }) => size >= at.area.right - at.area.left)) return `exact to the pixel, ${points}, min and max per pixel`;
	return `${format.count(sum(sampled, ({ size }) => size))} buckets of ${points}, extremes kept`;
}

function part(series, from, to) {
	const size = to - from;
	const whole = size === series.steps.length; // with what was replaced
	return { series, size, points: whole || series.sampled ? Math.round((size / series.steps.length) * series.count) : size };
}

function inside(trace, x) {
	let [from, to] = windowOf(trace, x);
	while (from < to && trace.x[from] < x[0]) from += 1;
	while (to > from && trace.x[to - 1] > x[1]) to -= 1;
	return [from, to];
}

const whose = (held, name) => held.length > 1 ? `${name}: ` : "";

function notFinite(held) {
	return held.flatMap(({ series, name }) => {
		const at = series.cached("odd", () => series.values.findIndex((v) => !Number.isFinite(v)));
		return at < 0 ? [] : [`${whose(held, name)}${format.value(series.values[at])} at step ${format.count(series.steps[at])}`];
	}).slice(0, 2);
}

const resumed = (held) => held.flatMap(({ series, name }) => series.resumed.map((step) => `${whose(held, name)}resumed at ${format.count(step)}`)).slice(0, 2);

const left = (n, words) => n && `${format.count(n)} ${words}`;

function live(held) {
	if (held.length !== 1 || !held[0].live) return [];
	const { series, left: seconds } = held[0];
	const { rate } = series.pace;
	const words = series.quiet ? `no point for ${format.duration(series.quiet / 1000)}`
		: Number.isFinite(rate) && `${format.value(rate, 3)} steps/s`;
	return [words, Number.isFinite(seconds) && `${format.duration(seconds)} left`];
}

const sum = (list, value) => list.reduce((total, item) => total + value(item), 0);

function count(list, passes, from = 0, to = list.length) {
	let n = 0;
	for (let i = from; i < to; i += 1) n += passes(list[i]);
	return n;
}
