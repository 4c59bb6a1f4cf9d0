// Numbers, times and foreign text as people read them.

const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

export const visible = (value) => String(value).replace(HIDDEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

export const plain = (line) => line.replace(ANSI, "");

export function parse(value) {
	const v = value === null || value === undefined ? NaN : Number(value);
	return Math.abs(v) === Number.MAX_VALUE ? v * 2 : v;
}

export function value(v, digits = 4) {
	if (v === null || v === undefined) return "";
	if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "∞" : "−∞";
	if (v === 0) return "0";
	const size = Math.abs(v);
	if (Number.isInteger(v) && size < 1e6) return count(v);
	if (size >= 1e6 || size < 1e-4) return minus(v.toExponential(digits - 2).replace("e+", "e"));
	if (size >= 1000) return minus((size >= 10000 ? WHOLE : TENTHS).format(v));
	return minus(v.toPrecision(digits));
}

const [WHOLE, TENTHS] = [0, 1].map((digits) => new Intl.NumberFormat("en-US", { maximumFractionDigits: digits }));

export const count = (n) => Number.isFinite(n) ? minus(WHOLE.format(Math.round(n))) : "";

export const plural = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

export function si(n) {
	const unit = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.abs(n)) / 3)));
	return minus(trimZeros((n / 1000 ** unit).toFixed(3))) + ["", "k", "M", "G", "T"][unit];
}

export function bytes(n) {
	if (!Number.isFinite(n)) return "";
	const unit = Math.min(4, Math.floor(Math.log2(Math.max(1, n)) / 10));
	const size = n / 1024 ** unit;
	return `${unit === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

export function duration(seconds) {
	if (!Number.isFinite(seconds)) return "";
	const sign = seconds < 0 ? "−" : "";
	const s = Math.abs(seconds);
	if (s < 59.5) return `${sign}${s < 9.95 ? trimZeros(s.toFixed(1)) : Math.round(s)} s`;
	const [size, part, names, digits] = s < 3600 ? [60, 1, "ms", 2] : s < 86400 ? [3600, 60, "hm", 2] : [86400, 3600, "dh", 1];
	return `${sign}${Math.floor(s / size)}${names[0]} ${String(Math.floor((s % size) / part)).padStart(digits, "0")}${names[1]}`;
}

export function ago(milliseconds, now = Date.now()) {
	if (!milliseconds) return "";
	const seconds = (now - milliseconds) / 1000;
	if (seconds < 45) return "just now";
	if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
	if (seconds < 86400) return `${Math.round(seconds / 3600)} h ago`;
	return date(milliseconds);
}

const [DATE, CLOCK, MINUTE, DAY] = [{ dateStyle: "medium", timeStyle: "medium" }, { timeStyle: "medium" }, { timeStyle: "short" },
	{ month: "short", day: "numeric" }].map((how) => new Intl.DateTimeFormat(undefined, how));

export const date = (milliseconds) => milliseconds ? DATE.format(milliseconds) : "";

/** Time of day; on an axis of `span` ms, the day at midnight and no needless digits. */
export function clock(milliseconds, span = 0) {
	const at = new Date(milliseconds);
	if (span > 43200000 && at.getHours() + at.getMinutes() === 0) return DAY.format(at);
	return (span > 900000 ? MINUTE : CLOCK).format(at);
}

const trimZeros = (text) => text.includes(".") ? text.replace(/\.?0+$/, "") : text;

export const minus = (text) => text.replace("-", text.includes("e-") && text[0] !== "-" ? "-" : "−");

/** Line breaks as people write specs by hand: what is small stays on one line. */
export function pretty(value, indent = "") {
	const flat = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, " ") ?? "null";
	const [open, close] = Array.isArray(value) ? "[]" : "{}";
	if (value === null || typeof value !== "object" || !Object.keys(value).length || (indent && indent.length + flat.length <= 76)) return flat;
	const inner = `${indent}  `;
	const lines = Object.entries(value).map(([key, v]) => `${inner}${open === "[" ? "" : `${JSON.stringify(key)}: `}${pretty(v, inner)}`);
	return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}
