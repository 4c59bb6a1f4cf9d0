// The line chart: stacked canvases, the grid below, the plot (bands, lines) on it and the overlay (crosshair, dots, pins,
// zoom box) on top, so that following the pointer never redraws a curve. What is drawn is in paint.js and overlay.js,
// what the pointer and keys do in pointer.js, and what a card offers beside its curves in cardmenu.js.
//
// For tests and for readers of the page: the card carries data-key, data-points (points of all its lines), data-runs and
// data-x (the range of x that is seen), and the overlay's label says the same in words.

import { caption } from "./caption.js";
import { button, h, setText } from "./dom.js";
import * as format from "./format.js";
import { gather, groupsOf } from "./group.js";
import { pinsOf, rangeText } from "./look.js";
import { FONT, isShown, paintGrid, paintTrace, windowOf } from "./paint.js";
import { paintOverlay } from "./overlay.js";
import { colour } from "./palette.js";
import { followPointer } from "./pointer.js";
import { linearTicks, logTicks, padded, quantile, scale, stepTicks, timeTicks } from "./scale.js";
import { lower, nearest, smoothingUnit } from "./series.js";
import { hideTip } from "./tip.js";

const FRAME = 100; // live data is drawn at most ten times a second
const EASE = 120; // ms in which the range of y follows live data
const KEPT = 0.02; // a range of y that is right within this share of its height stays
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * A card with one chart. `lines` is a list of `{id, name, slot, live, params, series, warp, newest()}`, `look` what
 * `lookOf` gives. `host` is told what the reader does: `pointAt`, `zoomed`, `back`, `fit`, `own`, `pinned`, `selected`,
 * `solo`, `menu`, `turn`.
 */
export class LineChart {
	constructor(key, title, host) {
		this.key = key;
		this.title = title;
		this.host = host;
		this.lines = [];
		this.details = new Map(); // finer curves for the zoomed range, by run
		this.look = null;
		this.pointer = null; // {x, y} in pixels, over this card
		this.linked = null; // {x, id}: what another card, or the table, points at
		this.box = null;
		this.visible = false;
		this.edge = null; // where the curves ended when the range of x was chosen
		this.drawnAt = -Infinity;
		this.timer = 0;
		this.build();
		this.observer = new ResizeObserver(() => this.draw());
		this.observer.observe(this.holder);
		followPointer(this);
	}

	build() {
		const layer = (name) => h("canvas", { class: name, "aria-hidden": "true" });
		this.grid = layer("grid");
		this.plot = layer("plot");
		this.overlay = h("canvas", { class: "overlay", tabindex: "0", role: "img" });
		this.ends = h("div", { class: "ends", "aria-hidden": "true" });
		this.hint = h("p", { class: "gesture", role: "status" });
		this.holder = h("div", { class: "canvases" }, this.grid, this.plot, this.ends, this.overlay, this.hint);
		this.newest = h("span", { class: "newest" });
		this.ownMark = h("i", { class: "own", role: "img", hidden: true, title: "This chart differs from the others",
			"aria-label": "This chart differs from the others" });
		this.fitButton = button("mini", "Fit", () => this.host.fit(this), { title: "Show all (double click, or 0)", hidden: true });
		this.logButton = button("mini", "log", () => this.host.own(this, { log: !this.look.log }),
			{ title: "Logarithmic y axis (l)" });
		this.moreButton = button("mini", "⋯", () => this.host.menu(this, this.moreButton), { "aria-haspopup": "menu",
			"aria-label": `More for ${format.visible(this.title)}` });
		this.bigButton = button("mini", "⤢", () => this.toggleBig(), { title: "Full window (f)", "aria-pressed": "false",
			"aria-label": `Show ${format.visible(this.title)} in the full window` });
		this.strip = h("div", { class: "strip", hidden: true });
		this.note = h("p", { class: "note" });
		this.element = h(
			"figure", { class: "card chart", "data-key": this.key, tabindex: "-1" },
			h("figcaption", {}, h("h4", { title: this.title }, this.title), this.ownMark, this.newest,
				this.fitButton, this.logButton, this.moreButton, this.bigButton),
			this.holder, this.strip, this.note,
		);
	}

	setLines(lines) {
		this.lines = lines;
		this.describe();
		this.draw();
	}

	setLook(look) {
		const before = this.look;
		this.look = look;
		if (rangeText(before?.x) !== rangeText(look.x)) {
			this.edge = null;
			if (!look.x) this.details.clear();
		}
		if (before?.axis !== look.axis) this.details.clear();
		this.logButton.setAttribute("aria-pressed", String(look.log));
		this.ownMark.hidden = !look.own;
		this.describe();
		this.draw();
	}

	refresh() {
		if (this.timer || !this.visible) return;
		this.timer = setTimeout(() => {
			this.timer = 0;
			this.describe();
			this.draw(!calm.matches);
		}, Math.max(0, this.drawnAt + FRAME - performance.now()));
	}

	setVisible(visible) {
		this.visible = visible;
		if (visible) this.refresh();
	}

	get isBig() {
		return this.element.classList.contains("big");
	}

	toggleBig() {
		const big = this.element.classList.toggle("big");
		this.bigButton.setAttribute("aria-pressed", String(big));
		this.bigButton.textContent = big ? "✕" : "⤢";
		document.documentElement.classList.toggle("has-big", big);
		this.element.focus({ preventScroll: true });
		this.draw();
		this.host.sized(this);
	}

	/** Says in a line over the chart, for three seconds, what a gesture would have done. */
	say(text) {
		setText(this.hint, text);
		clearTimeout(this.hintTimer);
		this.hintTimer = setTimeout(() => setText(this.hint, ""), 3000);
	}

	describe() {
		const drawn = this.lines.filter((line) => line.series);
		const points = drawn.reduce((sum, line) => sum + line.series.count, 0);
		const runs = `${drawn.length} ${drawn.length === 1 ? "run" : "runs"}`;
		const seen = this.look?.x ? `, ${this.xText(this.look.x[0])} to ${this.xText(this.look.x[1])} shown` : "";
		this.element.dataset.points = String(points);
		this.element.dataset.runs = String(drawn.length);
		this.overlay.setAttribute("aria-label",
			`${format.visible(this.title)}: ${format.count(points)} points in ${runs}${seen}; arrow keys read values`);
		setText(this.newest, drawn.length === 1 ? format.value(drawn[0].newest()) : "");
	}

	// --- geometry

	/** What is drawn: for each line, or group of lines, its x values, shown y values, raw ones, and their bounds. */
	traces() {
		const held = this.lines.filter((line) => line.series?.steps.length);
		this.unit = smoothingUnit(held.map((line) => line.series));
		const traces = held.map((line) => this.trace(line)).filter((trace) => trace.x.some(Number.isFinite));
		return this.look.group ? this.gathered(traces) : traces;
	}

	trace(line) {
		const { axis, smooth } = this.look;
		const series = this.details.get(line.id) ?? line.series;
		const x = series.xs(axis, line.warp);
		const along = ({ steps, times }) => axis === "step" ? steps : axis === "time" ? times
			: axis === "relative" ? times.map((t) => t - series.times[0]) : steps.map(line.warp ?? (() => NaN));
		return {
			line, series, x, y: series.smoothed(smooth, this.unit), raw: series.values, low: series.low, high: series.high,
			rises: isRising(x), old: series.old.map((piece) => ({ x: along(piece), y: piece.values })),
			resumed: series.resumed.map((step) => x[lower(series.steps, step)]),
		};
	}

	gathered(traces) {
		const { axis, group, stat, band } = this.look;
		const byLine = new Map(traces.map((trace) => [trace.line, trace]));
		return groupsOf([...byLine.keys()], group.split(",")).map(({ name, lines }) => {
			const members = lines.map((line) => byLine.get(line)).filter((trace) => trace.rises)
				.map((trace) => ({ x: trace.x, y: trace.y, low: trace.low ?? trace.y, high: trace.high ?? trace.y }));
			const made = gather(members, stat, band);
			return {
				...made, raw: made.y, rises: true, old: [], resumed: [],
				line: { ...lines[0], id: `group ${name}`, name: `${name} (${lines.length})`, members: lines.map((line) => line.id) },
				series: { steps: axis === "step" ? made.x : [], times: [], values: made.y, low: made.low, high: made.high },
			};
		});
	}

	end(traces) {
		return traces.reduce((end, { x, rises }) => Math.max(Number.isNaN(end) ? -Infinity : end, rises ? x.at(-1) : Math.max(...x)), NaN);
	}

	ranges(traces) {
		const { log, logx, outliers, y } = this.look;
		const x = this.xRange(traces, logx);
		return { x, y: y && !(log && y[0] <= 0) ? y : this.host.sharedY(this) ?? this.yRange(traces, x, log, outliers) };
	}

	xRange(traces, logx) {
		if (this.look.x) {
			// Who looks at the right end follows it.
			const [low, high] = this.look.x;
			if (traces.length) this.edge ??= this.end(traces);
			const on = high >= this.edge ? Math.max(0, this.end(traces) - this.edge) : 0;
			return logx && low <= 0 ? [Math.min(1, high / 1000), high + on] : [low + on, high + on];
		}
		let low = Infinity;
		let high = -Infinity;
		for (const { x, old } of traces) {
			for (const xs of [x, ...old.map((piece) => piece.x)]) {
				for (const at of xs) {
					if (!Number.isFinite(at) || (logx && at <= 0)) continue;
					if (at < low) low = at;
					if (at > high) high = at;
				}
			}
		}
		if (low > high) return logx ? [1, 10] : [0, 1];
		if (logx) return low < high ? [low, high] : [low / 2, high * 2];
		// Steps count from 0: a curve that starts near it is shown from there, so that cards agree.
		if (this.look.axis === "step" && low > 0 && low < high / 4) low = 0;
		return low < high ? [low, high] : [low - 1, high + 1];
	}

	yRange(traces, x, log, outliers) {
		let low = Infinity;
		let high = -Infinity;
		const all = [];
		for (const trace of traces) {
			const [from, to] = windowOf(trace, x);
			for (let i = from; i < to; i += 1) {
				for (const v of [trace.low ? trace.low[i] : trace.raw[i], trace.high ? trace.high[i] : trace.raw[i], trace.y[i]]) {
					if (!Number.isFinite(v) || (log && v <= 0)) continue;
					if (v < low) low = v;
					if (v > high) high = v;
				}
				if (outliers && Number.isFinite(trace.raw[i]) && (!log || trace.raw[i] > 0)) all.push(trace.raw[i]);
			}
			for (const piece of trace.old) {
				for (const v of piece.y) if (Number.isFinite(v) && (!log || v > 0)) [low, high] = [Math.min(low, v), Math.max(high, v)];
			}
		}
		if (outliers && all.length > 4) {
			all.sort((a, b) => a - b);
			[low, high] = [quantile(all, 0.05), quantile(all, 0.95)];
		}
		return padded(low, high, log);
	}

	/** The range of y to draw now: live data moves it only when it must, and then gently. */
	settled(target, ease) {
		const now = this.at?.range.y;
		if (!ease || !now || this.look.y || this.look.log || this.at.log) return target;
		const height = now[1] - now[0];
		const off = Math.max(Math.abs(target[0] - now[0]), Math.abs(target[1] - now[1])) / height;
		if (off < KEPT) return now;
		this.easing ??= { from: now, start: performance.now() };
		const share = Math.min(1, (performance.now() - this.easing.start + 16) / EASE);
		if (share < 1) requestAnimationFrame(() => this.easing && this.draw(true));
		else {
			this.easing = null;
			return target;
		}
		return target.map((v, i) => this.easing.from[i] + (v - this.easing.from[i]) * share);
	}

	layout(traces, ease, width = this.holder.clientWidth, height = this.holder.clientHeight) {
		const { log, logx } = this.look;
		const range = this.ranges(traces);
		range.y = this.settled(range.y, ease);
		const rows = Math.max(2, Math.round(height / 46));
		const yTicks = log ? logTicks(...range.y, rows) : linearTicks(...range.y, rows);
		const context = this.plot.getContext("2d");
		context.font = FONT;
		const labels = yTicks.map((tick) => context.measureText(tick.text).width);
		const area = { left: Math.ceil(Math.max(24, ...labels)) + 14, right: width - 12, top: 8, bottom: height - 24 };
		const columns = Math.max(2, Math.floor((area.right - area.left) / 84));
		return {
			width, height, area, range, log, logx, key: `${Object.values(area)} ${range.x} ${range.y} ${log} ${logx} ${this.look.axis}`, yTicks, xTicks: this.xTicks(range.x, columns), path: () => new Path2D(),
			sx: scale(range.x, [area.left, area.right], logx), sy: scale(range.y, [area.bottom, area.top], log),
		};
	}

	xTicks([low, high], columns) {
		const { axis, logx } = this.look;
		if (logx) return logTicks(low, high, columns, (v) => (axis === "relative" ? format.duration(v / 1000) : format.si(v)));
		if (axis === "step" || axis === "examples") return stepTicks(low, high, columns, format.si);
		if (axis === "relative") return timeTicks(low, high, columns, (ms) => format.duration(ms / 1000) || "0");
		if (axis === "time") {
			const zone = -new Date(low).getTimezoneOffset() * 60000;
			return timeTicks(low, high, columns, (ms) => format.clock(ms, high - low), zone);
		}
		return linearTicks(low, high, columns);
	}

	xText(x) {
		const { axis } = this.look;
		if (axis === "relative") return format.duration(x / 1000);
		if (axis === "time") return format.date(x);
		if (axis === "step" || axis === "examples") return `${axis === "step" ? "step" : "example"} ${format.count(x)}`;
		return `${axis.replace("metric:", "")} ${format.value(x)}`;
	}

	// --- drawing

	/** Fits a canvas to its place and the screen's pixels; gives a context in CSS pixels, cleared. */
	prepare(canvas) {
		const ratio = window.devicePixelRatio || 1;
		const width = Math.round(this.holder.clientWidth * ratio);
		const height = Math.round(this.holder.clientHeight * ratio);
		if (canvas.width !== width || canvas.height !== height) {
			canvas.width = width;
			canvas.height = height;
		}
		const context = canvas.getContext("2d");
		context.setTransform(ratio, 0, 0, ratio, 0, 0);
		context.clearRect(0, 0, width, height);
		return context;
	}

	draw(ease = false) {
		if (!this.holder.clientWidth || !this.visible || !this.look) return;
		if (!ease) this.easing = null;
		this.drawnAt = performance.now();
		const traces = this.traces();
		this.at = this.layout(traces, ease);
		this.drawn = traces;
		this.fitButton.hidden = !this.look.x && !this.look.y;
		this.element.dataset.x = rangeText(this.at.range.x);
		paintGrid(this.prepare(this.grid), this.at, colour);
		const context = this.prepare(this.plot);
		context.save();
		clip(context, this.at);
		for (const trace of this.inOrder(traces)) paintTrace(context, this.at, trace, colour, this.weightOf(trace.line));
		context.restore();
		this.drawEnds(traces);
		setText(this.note, caption(this.lines, this.look, traces, this.at));
		this.host.described(this);
		this.drawOverlay();
	}

	inOrder(traces) {
		const rank = ({ line }) => ["", "pinned", "base"].indexOf(this.weightOf(line));
		return traces.slice().sort((a, b) => rank(a) - rank(b));
	}

	weightOf(line) {
		return line.base ? "base" : line.pinned ? "pinned" : "";
	}

	/** The breathing dots at the ends of running curves; hollow when no point has come for three times the usual. */
	drawEnds(traces) {
		const { sx, sy, area } = this.at;
		const dots = traces.filter(({ line, x, y }) => line.live && isShown(this.at, x.at(-1), y.at(-1)))
			.map(({ line, series, x, y }) => ({ line, series, px: sx(x.at(-1)), py: sy(y.at(-1)) }))
			.filter(({ px, py }) => px >= area.left && px <= area.right + 1 && py >= area.top - 4 && py <= area.bottom + 4);
		while (this.ends.childElementCount > dots.length) this.ends.lastChild.remove();
		while (this.ends.childElementCount < dots.length) this.ends.append(h("i"));
		dots.forEach(({ line, series, px, py }, i) => {
			const dot = this.ends.children[i];
			dot.className = `end c${line.slot}${isStale(series) ? " stale" : ""}`;
			dot.style.transform = `translate(${px.toFixed(1)}px, ${py.toFixed(1)}px)`;
		});
	}

	tick() {
		if (!this.visible || !this.at || !this.lines.some((line) => line.live)) return;
		this.drawEnds(this.drawn);
		setText(this.note, caption(this.lines, this.look, this.drawn, this.at));
	}

	drawOverlay() {
		if (this.at && this.visible) paintOverlay(this);
	}

	/** What the crosshair is at, in units of x: under the pointer here, or where another card has it. */
	cursor() {
		if (this.pointer && this.at) return this.at.sx.invert(this.pointer.x);
		return this.linked?.x ?? null;
	}

	/** The run that is lit: the one pointed at here or elsewhere, else the selected one, when this card shows it. */
	lit(hits = null) {
		const near = this.pointer && hits?.length && hits[0].distance < 28 ? hits[0].line.id : null;
		const id = near ?? this.linked?.id ?? this.selected ?? null;
		if (id === null || !this.drawn || this.drawn.length < 2) return null;
		return this.drawn.find(({ line }) => line.id === id || line.members?.includes(id)) ?? null;
	}

	/** The nearest point of each run that has one about here, nearest in pixels first. */
	hits(cursor, pointer = this.pointer) {
		const { sx, sy } = this.at;
		const here = sx(cursor);
		const all = this.drawn.map((trace) => {
			const i = trace.rises ? nearest(trace.x, cursor) : closest(trace.x, cursor);
			const { line, series, x, y, raw } = trace;
			return { line, series, trace, i, x: x[i], y: y[i], raw: raw[i], smoothed: y !== raw, px: sx(x[i]) };
		}).filter((hit) => Number.isFinite(hit.px));
		for (const hit of all) {
			const dy = pointer && isShown(this.at, hit.x, hit.y) ? sy(hit.y) - pointer.y : 0;
			hit.distance = Math.hypot(hit.px - here, dy);
		}
		all.sort((a, b) => a.distance - b.distance);
		return all.filter((hit) => Math.abs(hit.px - here) <= Math.max(14, Math.abs(all[0].px - here)));
	}

	pins() {
		return this.look ? pinsOf(this.look) : [];
	}

	announce() {
		const x = this.pointer && this.at ? this.cursor() : null;
		const id = x === null || !this.drawn?.length ? null : this.hits(x)[0]?.line.id ?? null;
		this.host.pointAt(this, x === null ? null : { x, id });
	}

	follow(linked) {
		this.linked = linked;
		this.drawOverlay();
	}

	destroy() {
		clearTimeout(this.timer);
		clearTimeout(this.hintTimer);
		this.observer.disconnect();
		hideTip(this);
		if (this.isBig) document.documentElement.classList.remove("has-big");
		this.visible = false;
		this.element.replaceChildren();
	}
}

export function clip(context, { area }) {
	context.beginPath();
	context.rect(area.left - 1, area.top - 4, area.right - area.left + 10, area.bottom - area.top + 5);
	context.clip();
}

export function isStale(series) {
	return performance.now() - series.arrived > Math.max(2000, 3 * (series.gap || 0));
}

function isRising(x) {
	for (let i = 1; i < x.length; i += 1) if (!(x[i] >= x[i - 1])) return false;
	return x.length > 0;
}

function closest(list, x) {
	let best = 0;
	for (let i = 1; i < list.length; i += 1) {
		if (!(Math.abs(list[best] - x) <= Math.abs(list[i] - x))) best = i;
	}
	return best;
}
