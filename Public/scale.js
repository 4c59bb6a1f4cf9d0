// Axes: which numbers to mark and where a value falls. Pure functions of numbers.

import { minus } from "./format.js";

const TIME_STEPS = [[1, [1, 2, 5, 10, 20, 50, 100, 200, 500]], [1000, [1, 2, 5, 10, 15, 30]], [60000, [1, 2, 5, 10, 15, 30]],
	[3600000, [1, 2, 3, 6, 12]], [86400000, [1, 2, 5, 10, 30, 100, 365]]].flatMap(([unit, counts]) => counts.map((n) => n * unit));

function niceStep(span, wanted) {
	const rough = span / Math.max(1, wanted);
	const power = 10 ** Math.floor(Math.log10(rough));
	const factor = rough / power;
	return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
}

/** The multiples of `step` from `low` to `high`; `zone` is what makes them round when added. */
function multiples(low, high, step, label, zone = 0) {
	const ticks = [];
	for (let i = Math.ceil((low + zone) / step - 1e-9); i * step - zone <= high + step * 1e-9 && i + 1 > i; i += 1) {
		ticks.push({ at: i * step - zone, text: label(i * step - zone) });
	}
	return ticks;
}

export function linearTicks(low, high, wanted, label = null) {
	const step = niceStep(high - low, wanted);
	const digits = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9)));
	const large = Math.max(Math.abs(low), Math.abs(high));
	return multiples(low, high, step, label ?? ((v) => large >= 1e5 || large < 1e-3 ? short(v) : minus(v.toFixed(digits))));
}

export const stepTicks = (low, high, wanted, label) => multiples(low, high, Math.max(1, niceStep(high - low, wanted)), label);

/** Marks at round times; `zone` makes local midnights round, 0 for lengths of time. */
export function timeTicks(low, high, wanted, label, zone = 0) {
	const rough = (high - low) / Math.max(1, wanted);
	return multiples(low, high, TIME_STEPS.find((step) => step >= rough) ?? niceStep(high - low, wanted), label, zone);
}

export function logTicks(low, high, wanted, label = short) {
	const first = Math.floor(Math.log10(low));
	const last = Math.ceil(Math.log10(high));
	const decades = Math.log10(high / low);
	if (decades < 0.7) return linearTicks(low, high, wanted, label === short ? null : label).filter((tick) => tick.at > 0);
	const factors = decades < 2.2 ? [1, 2, 5] : [1];
	const stride = factors.length > 1 ? 1 : Math.max(1, Math.ceil(decades / Math.max(2, wanted)));
	const ticks = [];
	for (let power = first; power <= last; power += stride) {
		for (const factor of factors) {
			const at = factor * 10 ** power;
			if (at >= low * 0.999 && at <= high * 1.001) ticks.push({ at, text: label(at) });
		}
	}
	return ticks;
}

export function quantile(sorted, share) {
	const place = (sorted.length - 1) * share;
	const below = Math.floor(place);
	return sorted[below] + (sorted[Math.min(below + 1, sorted.length - 1)] - sorted[below]) * (place - below);
}

export function padded(low, high, log) {
	if (!(low <= high)) return log ? [0.1, 10] : [0, 1];
	const flat = high - low <= 1e-12 * Math.max(-low, high);
	if (log) {
		const air = 10 ** (flat ? 0.5 : 0.25);
		return [low / air, high * air];
	}
	if (flat) return low === 0 ? [-1, 1] : [Math.min(0, 2 * low), Math.max(0, 2 * low)];
	const air = (high - low) * 0.05;
	return [low - air, high + air];
}

export function scale([low, high], [from, to], log = false) {
	const f = log ? Math.log10 : (v) => v;
	const a = f(low);
	const k = (to - from) / (f(high) - a || 1);
	const map = log ? (v) => from + (Math.log10(v) - a) * k : (v) => from + (v - a) * k;
	map.invert = (pixel) => {
		const v = a + (pixel - from) / k;
		return log ? 10 ** v : v;
	};
	return map;
}

function short(v) {
	const size = Math.abs(v);
	if (v === 0 || (size >= 1e-3 && size < 1e4)) return minus(String(Number(v.toPrecision(4))));
	const [mantissa, power] = v.toExponential(3).split("e");
	return `${minus(String(Number(mantissa)))}e${Number(power)}`;
}
