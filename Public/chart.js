// The line chart: stacked canvases, so that following the pointer redraws no curve: grid, plot (bands, lines), front (the lit
// line), overlay (crosshair, dots, pins, zoom box). The card's data-key, data-points, data-runs and data-x tell what it shows.

import { caption } from "./caption.js";
import { button, h, setText } from "./dom.js";
import * as format from "./format.js";
import { gather, groupsOf } from "./group.js";
import { pinsOf, rangeText } from "./look.js";
import { paintOverlay } from "./overlay.js";
import { clip, FONT, isShown, paintGrid, paintLine, paintUnder, windowOf } from "./paint.js";
import { colour } from "./palette.js";
import { followPointer } from "./pointer.js";
import { linearTicks, logTicks, padded, quantile, scale, stepTicks, timeTicks } from "./scale.js";
import { along, isLength, known, lower, nearest, smoothingUnit } from "./series.js";
import { hideTip } from "./tip.js";

const FRAME = 100; // live data is drawn at most ten times a second
const EASE = 120; // ms in which the range of y follows live data
const MANY = 8; // lines beyond which they are thin
const HASTE = 250; // ms: who goes on changing the look sees thin lines, which are drawn much faster
const REACH = 8; // px that a mark covers to either side of its point
const WHOLE = [0, 1e5]; // px
const KEPT = 0.02; // a range of y that is right within this share of its height stays
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** A card with one chart: `setLines` with what `Board.update` makes, `setLook` with what `lookOf` gives. */
export class LineChart {
	constructor(key, title, host) {
		Object.assign(this, { key, title, host, lines: [], drawn: [], visible: false, drawnAt: -Infinity, lookedAt: -Infinity });
		this.details = new Map(); // finer curves for the zoomed range, by run
		this.pointer = null; // {x, y} in pixels, over this card
		this.linked = null; // {x, id}: what another card, or the table, points at
		this.edge = null; // where the curves ended when the range of x was chosen
		this.build();
		this.observer = new ResizeObserver(([{ contentRect }]) => {
			[this.width, this.height] = [contentRect.width, contentRect.height].map(Math.round);
			this.draw();
		});
		this.observer.observe(this.holder);
		followPointer(this);
	}

	build() {
		const { title } = this;
		[this.grid, this.plot, this.front] = ["grid", "plot", "front"].map((name) => h("canvas", { class: name, "aria-hidden": "true" }));
		this.under = h("canvas"); // bands and raw curves, which smoothing leaves as they are
		this.overlay = h("canvas.overlay", { tabindex: 0, role: "img" });
		this.ends = h("div.ends", { "aria-hidden": "true" });
		this.hint = h("p.gesture", { role: "status" });
		this.holder = h("div.canvases", this.grid, this.plot, this.front, this.ends, this.overlay, this.hint);
		this.newest = h("span.newest");
		this.ownMark = h("i.own", { role: "img", hidden: true, ...told("This chart differs from the others") });
		this.fitButton = button("mini", "Fit", () => this.host.fit(this), { title: "Show all (double click, or 0)", hidden: true });
		this.logButton = button("mini", "log", () => this.host.own(this, { log: !this.look.log }), { title: "Logarithmic y axis (l)" });
		this.moreButton = button("mini", "⋯", () => this.host.menu(this, this.moreButton), { ...told(`More for ${title}`), "aria-haspopup": "menu" });
		this.bigButton = button("mini", "⤢", () => this.toggleBig(), { ...told(`Show ${title} in the full window`), "aria-pressed": "false" });
		this.strip = h("div.strip", { hidden: true });
		this.note = h("p.note");
		this.element = h("figure.card.chart", { "data-key": this.key, tabindex: -1 },
			h("figcaption", h("h4", { title }, title), this.ownMark, this.newest,
				this.fitButton, this.logButton, this.moreButton, this.bigButton), this.holder, this.strip, this.note);
	}

	setLines(lines) {
		this.lines = lines;
		this.describe();
		this.draw();
	}

	setLook(look) {
		const before = this.look;
		const moved = rangeText(before?.x) !== rangeText(look.x);
		this.look = look;
		if (moved) {
			this.edge = null;
			if (!look.x) this.details.clear();
		}
		if (before?.axis !== look.axis) this.details.clear();
		this.logButton.ariaPressed = look.log;
		this.ownMark.hidden = !look.own;
		if (!before || (!moved && before.smooth === look.smooth)) return this.draw();
		const now = performance.now();
		this.haste = now - this.lookedAt < HASTE ? this.haste + 1 : 0;
		this.draw({ quick: this.haste > 1 });
		this.lookedAt = now;
	}

	refresh() {
		if (!this.visible) return;
		this.timer ||= setTimeout(() => {
			this.timer = 0;
			this.draw({ ease: !calm.matches });
		}, Math.max(0, this.drawnAt + FRAME - performance.now()));
	}

	setVisible(visible) {
		this.visible = visible;
		this.refresh();
	}

	get isBig() {
		return this.element.classList.contains("big");
	}

	toggleBig() {
		const big = this.element.classList.toggle("big");
		this.bigButton.ariaPressed = big;
		this.bigButton.textContent = big ? "✕" : "⤢";
		document.documentElement.classList.toggle("has-big", big);
		this.element.focus({ preventScroll: true });
		this.host.refine(this.host.cardOf(this));
	}

	say(text) {
		setText(this.hint, text);
		clearTimeout(this.hintTimer);
		this.hintTimer = setTimeout(() => setText(this.hint, ""), 3000);
	}

	describe() {
		const drawn = this.lines.filter((line) => line.series);
		const points = drawn.reduce((sum, line) => sum + line.series.count, 0);
		const seen = this.look?.x ? `, ${this.xText(this.look.x[0])} to ${this.xText(this.look.x[1])} shown` : "";
		Object.assign(this.element.dataset, { points, runs: drawn.length });
		this.overlay.ariaLabel = `${format.visible(this.title)}: ${format.count(points)} points in ${
			format.plural(drawn.length, "run")}${seen}; arrow keys read values`;
		setText(this.newest, drawn.length === 1 ? format.value(drawn[0].newest()) : "");
	}

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
		return {
			line, series, x, y: series.smoothed(smooth, this.unit), raw: series.values, low: series.low, high: series.high,
			rough: smooth > 0 && series.sampled && series.exactly !== `${smooth} ${this.unit}`,
			rises: axis === "step" || x.every((v, i) => i === 0 || v >= x[i - 1]), resumed: series.resumed.map((step) => x[lower(series.steps, step)]),
			old: series.old.map((piece) => ({ x: along(piece, axis, series.origin, line.warp), y: piece.values })),
		};
	}

	gathered(traces) {
		const { axis, group, stat, band } = this.look;
		const byLine = new Map(traces.map((trace) => [trace.line, trace]));
		return groupsOf([...byLine.keys()], group.split(",")).map(({ name, lines }) => {
			const members = lines.map((line) => byLine.get(line)).filter((trace) => trace.rises);
			const made = gather(members.map(({ x, y, low, high }) => ({ x, y, low: low ?? y, high: high ?? y })), stat, band);
			return {
				...made, raw: made.y, rises: true, old: [], resumed: [],
				rough: members.some((trace) => trace.rough),
				line: { ...lines[0], id: `group ${name}`, name: `${name} (${lines.length})`, members: lines.map((line) => line.id) },
				series: { steps: axis === "step" ? made.x : [], times: [], values: made.y, low: made.low, high: made.high },
			};
		});
	}

	end(traces) {
		return Math.max(...traces.map(({ x, rises }) => rises ? x.at(-1) : Math.max(...x)));
	}

	ranges(traces) {
		const { log, y } = this.look;
		const x = this.xRange(traces);
		return { x, y: y && !(log && y[0] <= 0) ? y : this.host.sharedY(this) ?? this.yRange(traces, x) };
	}

	xRange(traces) {
		const { logx, axis, x } = this.look;
		if (x) {
			// Who looks at the right end follows it.
			if (traces.length) this.edge ??= this.end(traces);
			const on = x[1] >= this.edge ? Math.max(0, this.end(traces) - x[1]) : 0;
			return [logx && x[0] <= 0 ? Math.min(1, x[1] / 1000) : x[0] + on, x[1] + on];
		}
		let [low, high] = extent(traces.flatMap((trace) => [trace, ...trace.old])
			.map(({ x, rises }) => [rises && !logx ? [x[0], x.at(-1)] : x]), logx);
		if (low > high) return logx ? [1, 10] : [0, 1];
		if (logx) return low < high ? [low, high] : [low / 2, high * 2];
		// A curve that starts near step 0 is shown from there, so that cards agree.
		if (axis === "step" && low > 0 && low < high / 4) low = 0;
		return low < high ? [low, high] : [low - 1, high + 1];
	}

	yRange(traces, range = this.xRange(traces)) {
		const { log, outliers } = this.look;
		const all = [];
		let [low, high] = extent(traces.flatMap(({ x, raw, low, high, y, old, series, rises }) => {
			const part = windowOf({ x, rises }, range);
			if (outliers) all.push(...raw.slice(...part).filter((v) => Number.isFinite(v) && !(log && v <= 0)));
			const ends = () => extent([low ?? raw, high ?? raw].map((list) => [list, ...part]), log);
			return [[known(series, "extent", ends, `${part} ${log}`)], [y, ...part], ...old.map((piece) => [piece.y])];
		}), log);
		if (all.length > 4) {
			all.sort((a, b) => a - b);
			[low, high] = [quantile(all, 0.05), quantile(all, 0.95)];
		}
		return padded(low, high, log);
	}

	/** The range of y to draw now: live data moves it only when it must, and then gently. */
	settled(target, ease) {
		const now = this.at?.range.y;
		if (!ease) this.easing = null;
		if (!ease || !now || this.look.y || this.look.log || this.at.log) return target;
		const off = Math.max(...target.map((v, i) => Math.abs(v - now[i]))) / (now[1] - now[0]);
		if (off < KEPT) return now;
		this.easing ??= { from: now, start: performance.now() };
		const { from, start } = this.easing;
		const share = (performance.now() - start + 16) / EASE;
		if (share >= 1) this.easing = null;
		else requestAnimationFrame(() => this.easing && this.draw({ ease }));
		return target.map((v, i) => from[i] + (v - from[i]) * Math.min(1, share));
	}

	layout(traces, ease) {
		const { width, height } = this;
		const { log, logx, axis } = this.look;
		const range = this.ranges(traces);
		range.y = this.settled(range.y, ease);
		const key = [width, height, devicePixelRatio, range.x, range.y, log, logx, axis, colour("grid")].join(" ");
		if (key === this.at?.key) return this.at;
		const rows = Math.max(2, Math.round(height / 46));
		const yTicks = (log ? logTicks : linearTicks)(...range.y, rows);
		const context = this.plot.getContext("2d");
		context.font = FONT;
		const labels = yTicks.map((tick) => context.measureText(tick.text).width);
		const area = { left: Math.ceil(Math.max(24, ...labels)) + 14, right: width - 12, top: 8, bottom: height - 24 };
		const xTicks = this.xTicks(range.x, Math.max(2, Math.floor((area.right - area.left) / 84)));
		return {
			width, height, area, range, log, logx, yTicks, xTicks, key, part: WHOLE, path: () => new Path2D(),
			sx: scale(range.x, [area.left, area.right], logx), sy: scale(range.y, [area.bottom, area.top], log),
		};
	}

	xTicks([low, high], columns) {
		const { axis, logx } = this.look;
		const length = (ms) => format.duration(ms / 1000) || "0";
		if (logx) return logTicks(low, high, columns, isLength(axis) ? length : format.si);
		if (counts(axis)) return stepTicks(low, high, columns, format.si);
		if (isLength(axis)) return timeTicks(low, high, columns, length);
		if (axis !== "time") return linearTicks(low, high, columns);
		return timeTicks(low, high, columns, (ms) => format.clock(ms, high - low), -new Date(low).getTimezoneOffset() * 60000);
	}

	xText(x, bare) {
		const { axis } = this.look;
		if (isLength(axis)) return format.duration(x / 1000);
		if (axis === "time") return format.date(x);
		const text = (counts(axis) ? format.count : format.value)(x);
		return bare ? text : `${axis.replace(/^metric:|(?<=^example)s$/, "")} ${text}`;
	}

	prepare(canvas, [left, right] = WHOLE) {
		const size = [this.width, this.height].map((v) => Math.round(v * devicePixelRatio));
		if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
		const context = canvas.getContext("2d");
		context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
		context.clearRect(left, 0, right - left, this.height);
		return context;
	}

	/** Draws at once, but once a frame; `ease`: y follows gently, `quick`: it soon changes again. */
	draw(how = {}) {
		if (!this.width || !this.visible || !this.look) return;
		if (this.frame) return (this.again = how);
		this.frame = requestAnimationFrame(() => {
			const { again } = this;
			this.frame = this.again = null;
			if (again) this.draw(again);
		});
		clearTimeout(this.later);
		if (how.quick) this.later = setTimeout(() => this.draw(), HASTE);
		this.drawnAt = performance.now();
		this.describe();
		this.paint(how);
		this.showNote();
		const rough = this.drawn.some((trace) => trace.rough);
		if (rough) this.host.smoothen();
		this.note.title = this.look.smooth ? `Smoothed over ${rough ? "buckets" : "every point"}` : "";
		this.host.described(this);
		this.drawOverlay();
	}

	paint({ ease, quick }) {
		this.drawn = this.traces();
		const before = this.at?.key;
		const at = (this.at = this.layout(this.drawn, ease));
		at.quick = quick;
		this.fitButton.hidden = !this.look.x && !this.look.y;
		this.element.dataset.x = rangeText(at.range.x);
		if (before !== at.key) paintGrid(this.prepare(this.grid), at);
		this.paintCurves(at, quick);
		this.frontKey = null;
		this.drawEnds();
	}

	paintCurves(at, quick) {
		const traces = this.inOrder();
		const { group, smooth } = this.look;
		const usual = quick || traces.length > MANY ? "thin" : "";
		const weights = traces.map(({ line }) => weightOf(line) || usual);
		const print = group ? NaN : [at.key, traces.map(({ line, series, y, raw }) => [line.id, line.slot, series.serial, y === raw])].join();
		const how = [quick, smooth, this.unit, weights].join();
		const sizes = traces.map(({ series, x }) => [series.version, x.length]);
		const before = print === this.print ? this.sizes : null;
		const scene = before && how === this.how ? this.grown(traces, before) : at;
		Object.assign(this, { print, how, sizes });
		if (`${sizes}` !== `${before}`) this.clipped(this.under, (context) => traces.forEach((trace) => paintUnder(context, scene, trace)), scene);
		this.clipped(this.plot, (context) => {
			context.drawImage(this.under, 0, 0, this.width, this.height);
			traces.forEach((trace, i) => paintLine(context, scene, trace, weights[i]));
		}, scene);
	}

	/** The stretch over which curves grew since they were `before`, the scene of what live points change. */
	grown(traces, before) {
		const { at } = this;
		if (this.look.axis === "process" || traces.some(({ line, rises }) => line.warp || !rises)) return at;
		const [low, high] = extent([[traces.flatMap(({ series, x }, i) => series.version === before[i][0] ? []
			: [x[Math.max(0, before[i][1] - 2)], x.at(-1)])]]);
		const around = (px) => [at.sx(low) - px, Math.min(at.sx(high), this.width) + px];
		const [left, right] = around(REACH);
		const part = [Math.floor(left * devicePixelRatio), Math.ceil(right * devicePixelRatio)].map((v) => v / devicePixelRatio);
		return { ...at, part, key: "", range: { ...at.range, x: around(2 * REACH).map(at.sx.invert) } };
	}

	clipped(canvas, action, scene = this.at) {
		const context = this.prepare(canvas, scene.part);
		context.save();
		clip(context, scene);
		action(context);
		context.restore();
	}

	inOrder() {
		const rank = ({ line }) => ["", "pinned", "base"].indexOf(weightOf(line));
		return this.drawn.toSorted((a, b) => rank(a) - rank(b));
	}

	drawEnds() {
		const { sx, sy, area } = this.at;
		const inside = ([px, py]) => px >= area.left && px <= area.right + 1 && py >= area.top - 4 && py <= area.bottom + 4;
		const dots = this.drawn.filter(({ line, x, y }) => line.live && isShown(this.at, x.at(-1), y.at(-1)))
			.map(({ line, series, x, y }) => [sx(x.at(-1)), sy(y.at(-1)), line, series]).filter(inside);
		while (this.ends.childElementCount > dots.length) this.ends.lastChild.remove();
		while (this.ends.childElementCount < dots.length) this.ends.append(h("i"));
		dots.forEach(([px, py, line, series], i) => {
			const dot = this.ends.children[i];
			dot.className = `end c${line.slot}${series.quiet ? " stale" : ""}`;
			dot.style.transform = `translate(${px.toFixed(1)}px, ${py.toFixed(1)}px)`;
		});
	}

	tick() {
		if (!this.visible || !this.at || !this.lines.some((line) => line.live)) return;
		this.drawEnds();
		this.showNote();
	}

	showNote() {
		setText(this.note, caption(this.lines, this.look, this.drawn, this.at));
	}

	drawOverlay() {
		if (this.at && this.visible) paintOverlay(this);
	}

	cursor() {
		return this.pointer && this.at ? this.at.sx.invert(this.pointer.x) : this.linked?.x ?? null;
	}

	/** The run that is lit: pointed at here or elsewhere, or selected. */
	lit(hits) {
		const near = this.pointer && hits.length && hits[0].distance < 28 ? hits[0].line.id : null;
		const id = near ?? this.linked?.id ?? this.selected ?? null;
		if (id === null || this.drawn.length < 2) return null;
		return this.drawn.find(({ line }) => line.id === id || line.members?.includes(id)) ?? null;
	}

	/** The point of each run that has one about here, nearest in pixels first. */
	hits(cursor, pointer = this.pointer) {
		const { sx, sy } = this.at;
		const here = sx(cursor);
		const all = this.drawn.map((trace) => {
			const { line, series, x, y, raw, rises } = trace;
			const i = rises ? nearest(x, cursor) : closest(x, cursor);
			const px = sx(x[i]);
			const dy = pointer && isShown(this.at, x[i], y[i]) ? sy(y[i]) - pointer.y : 0;
			return { line, series, trace, i, x: x[i], y: y[i], raw: raw[i], smoothed: y !== raw, px, distance: Math.hypot(px - here, dy) };
		}).filter((hit) => Number.isFinite(hit.px)).sort((a, b) => a.distance - b.distance);
		return all.filter((hit) => Math.abs(hit.px - here) <= Math.max(14, Math.abs(all[0].px - here)));
	}

	pins() {
		return this.look ? pinsOf(this.look) : [];
	}

	announce() {
		const x = this.pointer && this.at ? this.cursor() : null;
		this.host.pointAt(this, x === null ? null : { x, id: this.hits(x)[0]?.line.id ?? null });
	}

	follow(linked) {
		this.linked = linked;
		this.drawOverlay();
	}

	destroy() {
		for (const timer of [this.timer, this.later, this.hintTimer]) clearTimeout(timer);
		cancelAnimationFrame(this.frame);
		this.observer.disconnect();
		hideTip(this);
		if (this.isBig) document.documentElement.classList.remove("has-big");
		this.visible = false;
		this.element.replaceChildren();
	}
}

const counts = (axis) => axis === "step" || axis === "examples";

const told = (text) => ({ title: text, label: text });

export const weightOf = (line) => line.base ? "base" : line.pinned ? "pinned" : "";

/** The lowest and highest number in stretches `[list, from, to]`, above 0 when `log`. */
function extent(stretches, log) {
	const floor = log ? 0 : -Infinity;
	let [low, high] = [Infinity, -Infinity];
	for (const [list, from = 0, to = list.length] of stretches) {
		for (let i = from; i < to; i += 1) {
			const v = list[i];
			if (v < low && v > floor) low = v;
			if (v > high && v > floor && v < Infinity) high = v;
		}
	}
	return [low, high];
}

const closest = (list, x) => list.reduce((best, v, i) => Math.abs(list[best] - x) <= Math.abs(v - x) ? best : i, 0);
