// What a chart says about itself: how many points it shows, whether that is exact, and what it could not draw.

import * as format from "./format.js";
import { windowOf } from "./paint.js";

/** The line below a chart of these lines (`{name, series}`), of which `traces` are drawn on the scene `at`. */
export function caption(lines, look, traces, at) {
	const held = lines.filter((line) => line.series);
	if (!held.length) return lines.length ? "loading" : "no points yet";
	const remarks = [...notFinite(held), ...resumed(held), ...(look.log ? notPositive(held) : []),
		...(look.logx ? leftOfLog(traces) : []), ...clipped(traces, at), ...live(held)];
	return [exactness(held, traces, look, at), ...remarks.slice(0, 4)].join(" · ");
}

function exactness(held, traces, look, at) {
	const total = sum(held, (line) => line.series.count);
	const points = (n) => `${format.count(n)} ${n === 1 ? "point" : "points"}`;
	const zoomed = Boolean(look.x) && at && !look.group;
	const seen = zoomed ? traces.map((trace) => inside(trace, at.range.x))
		: held.map(({ series }) => ({ series, from: 0, to: series.steps.length, count: series.count }));
	const sampled = seen.filter(({ series }) => series.sampled);
	const whole = zoomed ? ` of ${format.count(total)}` : "";
	const count = zoomed ? points(sum(seen, (part) => part.count)) : points(total);
	if (!sampled.length) return `exact, ${count}${whole}`;
	// A line is exact when every column of pixels knows its lowest and highest point.
	const buckets = sum(sampled, ({ from, to }) => to - from);
	const columns = at ? at.area.right - at.area.left : Infinity;
	if (sampled.every(({ from, to }) => to - from >= columns)) return `exact to the pixel, ${count}${whole}, min and max per pixel`;
	return `${format.count(buckets)} buckets of ${count}${whole}, extremes kept`;
}

function inside(trace, x) {
	const { series } = trace;
	let [from, to] = windowOf(trace, x);
	while (from < to && trace.x[from] < x[0]) from += 1;
	while (to > from && trace.x[to - 1] > x[1]) to -= 1;
	const count = series.sampled ? Math.round(((to - from) / series.steps.length) * series.count) : to - from;
	return { series, from, to, count };
}

function notFinite(held) {
	return held.flatMap(({ series, name }) => {
		const at = series.values.findIndex((v) => !Number.isFinite(v));
		const whose = held.length > 1 ? `${name}: ` : "";
		return at < 0 ? [] : [`${whose}${format.value(series.values[at])} at step ${format.count(series.steps[at])}`];
	}).slice(0, 2);
}

function resumed(held) {
	return held.flatMap(({ series, name }) => series.resumed.map((step) =>
		`${held.length > 1 ? `${name}: ` : ""}resumed at ${format.count(step)}`)).slice(0, 2);
}

function notPositive(held) {
	const dropped = sum(held, ({ series }) => series.values.filter((v) => v <= 0).length);
	return dropped ? [`${format.count(dropped)} not above 0, left out`] : [];
}

function leftOfLog(traces) {
	const dropped = sum(traces, ({ x }) => x.filter((v) => v <= 0).length);
	return dropped ? [`${format.count(dropped)} at x = 0 or less, left out`] : [];
}

function clipped(traces, at) {
	if (!at) return [];
	const [low, high] = at.range.y;
	const beyond = sum(traces, (trace) => {
		const { from, to } = inside(trace, at.range.x);
		let count = 0;
		for (let i = from; i < to; i += 1) if (trace.raw[i] > high || (trace.raw[i] < low && !(at.log && trace.raw[i] <= 0))) count += 1;
		return count;
	});
	return beyond ? [`${format.count(beyond)} beyond the edge`] : [];
}

function live(held) {
	if (held.length !== 1 || !held[0].live) return [];
	const { series, left } = held[0];
	const quiet = (performance.now() - series.arrived) / 1000;
	const words = [];
	if (series.gap > 0 && quiet > Math.max(2, (3 * series.gap) / 1000)) words.push(`no point for ${format.duration(quiet)}`);
	else if (Number.isFinite(series.rate)) words.push(`${format.value(series.rate, 3)} steps/s`);
	if (Number.isFinite(left)) words.push(`${format.duration(left)} left`);
	return words;
}

function sum(list, count) {
	return list.reduce((total, item) => total + count(item), 0);
}
