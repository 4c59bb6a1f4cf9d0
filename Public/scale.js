// Axes: which numbers to mark and where a value falls. Pure functions of numbers.

const DAY = 86400000;
const TIME_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
	[1, 2, 5, 10, 15, 30].map((s) => s * 1000),
	[1, 2, 5, 10, 15, 30].map((m) => m * 60000),
	[1, 2, 3, 6, 12].map((hours) => hours * 3600000),
	[1, 2, 5, 10, 30, 100, 365].map((days) => days * DAY),
);

export function niceStep(span, wanted) {
	const rough = span / Math.max(1, wanted);
	const power = 10 ** Math.floor(Math.log10(rough));
	const factor = rough / power;
	return power * (factor < 1.5 ? 1 : factor < 3.5 ? 2 : factor < 7.5 ? 5 : 10);
}

export function linearTicks(low, high, wanted, label = null) {
	const step = niceStep(high - low, wanted);
	const digits = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9)));
	const large = Math.max(Math.abs(low), Math.abs(high));
	const write = label ?? ((v) => (large >= 1e5 || large < 1e-3 ? short(v) : v.toFixed(digits).replace("-", "−")));
	const ticks = [];
	for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
		const at = Math.abs(i * step) < step * 1e-9 ? 0 : i * step;
		ticks.push({ at, text: write(at) });
	}
	return ticks;
}

export function stepTicks(low, high, wanted, label) {
	const step = Math.max(1, niceStep(high - low, wanted));
	const ticks = [];
	for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
		ticks.push({ at: i * step, text: label(i * step) });
	}
	return ticks;
}

export function logTicks(low, high, wanted, label = short) {
	const first = Math.floor(Math.log10(low));
	const last = Math.ceil(Math.log10(high));
	const decades = Math.log10(high / low);
	if (decades < 0.7) return linearTicks(low, high, wanted, label === short ? null : label).filter((tick) => tick.at > 0);
	const factors = decades < 2.2 ? [1, 2, 5] : [1];
	const stride = Math.max(1, Math.ceil(decades / Math.max(2, wanted)));
	const ticks = [];
	for (let power = first; power <= last; power += 1) {
		if (factors.length === 1 && (power - first) % stride) continue;
		for (const factor of factors) {
			const at = factor * 10 ** power;
			if (at >= low * 0.999 && at <= high * 1.001) ticks.push({ at, text: label(at) });
		}
	}
	return ticks;
}

/** Marks at round times; `zone` is the offset that makes local midnights round, 0 for lengths of time. */
export function timeTicks(low, high, wanted, label, zone = 0) {
	const rough = (high - low) / Math.max(1, wanted);
	const step = TIME_STEPS.find((candidate) => candidate >= rough) ?? niceStep(high - low, wanted);
	const ticks = [];
	for (let i = Math.ceil((low + zone) / step); i * step - zone <= high; i += 1) {
		ticks.push({ at: i * step - zone, text: label(i * step - zone) });
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
	if (log) {
		const air = low === high ? 0.5 : Math.log10(high / low) * 0.05;
		return [low / 10 ** air, high * 10 ** air];
	}
	if (low === high) return low === 0 ? [-1, 1] : [Math.min(0, 2 * low), Math.max(0, 2 * low)];
	const air = (high - low) * 0.05;
	return [low - air, high + air];
}

export function scale([low, high], [from, to], log = false) {
	const f = log ? Math.log10 : (v) => v;
	const a = f(low);
	const k = (to - from) / (f(high) - a || 1);
	const map = (v) => from + (f(v) - a) * k;
	map.invert = (pixel) => {
		const v = a + (pixel - from) / k;
		return log ? 10 ** v : v;
	};
	return map;
}

function short(v) {
	if (v === 0) return "0";
	const size = Math.abs(v);
	if (size >= 1e-3 && size < 1e4) return String(Number(v.toPrecision(4))).replace("-", "−");
	const [mantissa, power] = v.toExponential(3).split("e");
	return `${String(Number(mantissa)).replace("-", "−")}e${Number(power)}`;
}
