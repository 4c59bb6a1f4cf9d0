// A board of charts: a card per curve name, grouped by what is before the first "/". Only cards near the window are fetched
// and drawn.

import * as api from "./api.js";
import { openCardMenu } from "./cardmenu.js";
import { LineChart } from "./chart.js";
import { controls } from "./controls.js";
import { empty, h, setText, settled, throttled } from "./dom.js";
import { curvePath, curvesPath } from "./figure.js";
import { drag } from "./grid.js";
import { followKeys } from "./keys.js";
import { fromJSON, isBase, LOOK, lookOf, rangeText, tail, toJSON, withCard } from "./look.js";
import { lower, Series, upper } from "./series.js";
import { choose, colourOf, holds, jobOf, keep, listen, recall, state, stateOf, tell } from "./store.js";
import { showStrip } from "./tip.js";

const MAX_POINTS = 1000;
const RUNS_A_CALL = 40;
const HELD = 1e5; // live points that a frozen board keeps
const CACHED = 40; // finer curves that a card keeps
const FIRST = ["train", "val", "test", ""];
const FIRST_KEYS = ["loss", "accuracy", "lr", "grad_norm", "update_ratio", "param_norm"];
const TOP = "\u0000top";
const CARDS = ["charts", "facet", "top", "order", "base", "pins"]; // choices that change cards or lines

export class Board {
	constructor(emptyText) {
		Object.assign(this, { emptyText, runs: [], within: /./ });
		this.cards = new Map(); // id -> {id, key, chart, near, fetched: Map run -> Series, wanted: Map run -> [points], absent}
		this.sections = new Map(); // group -> {element, grid, count}
		this.along = new Map(); // key and run -> {series, warp}: what an axis measures, when that is a curve itself
		this.zooms = []; // to go back to
		this.zoomedAt = -Infinity;
		this.held = null; // live points since the view was frozen
		this.controls = controls(this);
		this.holder = h("div.sections");
		this.element = h("section.board", { label: "Curves" }, this.controls.element, this.holder);
		this.watcher = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
		this.smoothen = settled(200, () => this.each((card) => this.refine(card)));
		this.repair = throttled(1500, () => this.refetchStale());
		const clock = setInterval(() => this.each(({ chart }) => chart.tick()), 1000);
		this.stops = [
			() => clearInterval(clock),
			followKeys(this),
			listen("points", (points) => this.arrived(points)),
			listen("reset", () => this.reload()),
			listen("theme", () => this.each(({ chart }) => chart.draw())),
			listen("view", (changed) => this.followView(changed)),
			listen("point-at-run", (id) => this.each(({ chart }) => chart.follow(id ? { x: null, id } : null))),
		];
	}

	destroy() {
		for (const stop of this.stops) stop();
		this.repair.stop();
		this.smoothen.stop();
		this.watcher.disconnect();
		this.each(({ chart }) => chart.destroy());
		this.cards.clear();
	}

	each(action) {
		this.cards.forEach(action);
	}

	charts() {
		return [...this.cards.values()].map((card) => card.chart);
	}

	cardOf(chart) {
		return this.cards.get(chart.element.dataset.card);
	}

	keys() {
		return new Set(this.runs.flatMap((run) => [...run.metrics.keys()].filter((key) => this.within.test(key))));
	}

	setRuns(runs) {
		this.runs = runs;
		const ids = runs.map((run) => run.id);
		for (const run of runs.toReversed()) colourOf(run.id, ids);
		const keys = this.keys();
		const wanted = this.plan(reordered([...keys].filter(finder(state.view.charts)).sort(byKey), fromJSON(state.view.order, [])));
		this.each((card, id) => {
			if (!wanted.has(id)) this.drop(card);
		});
		const print = `${[...wanted.keys()].join("\n")}\n${state.view.top}`;
		if (print !== this.print) this.arrange(wanted);
		this.print = print;
		for (const [group, { grid, element }] of this.sections) {
			if (!grid.childElementCount && this.sections.delete(group)) element.remove();
		}
		this.showEmpty(keys.size);
		this.loadAlong();
		this.each((card) => this.update(card));
		this.controls.show();
	}

	/** The cards to show: one for each key, or for each value of the facet's param. */
	plan(keys) {
		const { facet } = state.view;
		return new Map(keys.flatMap((key) => {
			if (!facet) return [[key, { key, title: key, value: null }]];
			const values = this.runs.filter((run) => run.metrics.has(key)).map((run) => run.params[facet] ?? "–");
			return [...new Set(values)].sort(natural).map((value) =>
				[`${key}\n${value}`, { key, title: `${key} · ${tail(facet)}=${value}`, value }]);
		}));
	}

	showEmpty(keys) {
		this.nothing?.remove();
		if (this.cards.size) return;
		this.nothing = keys ? empty("No such curve", `No curve's name holds “${state.view.charts}”.`) : empty("No curves yet", this.emptyText);
		this.holder.append(this.nothing);
	}

	add(id, { key, title, value }) {
		const chart = new LineChart(key, title, this);
		const card = { id, key, value, chart, near: false, fetched: new Map(), wanted: new Map(), absent: new Set(), finer: new Map() };
		chart.element.dataset.card = id;
		this.cards.set(id, card);
		chart.setLook(lookOf(state.view, key));
		this.draggable(chart);
		return card;
	}

	drop({ id, chart }) {
		this.watcher.unobserve(chart.element);
		chart.element.remove();
		chart.destroy();
		this.cards.delete(id);
	}

	arrange(wanted) {
		const top = fromJSON(state.view.top, []);
		for (const [id, place] of wanted) {
			const { chart } = this.cards.get(id) ?? this.add(id, place);
			const group = top.includes(place.key) ? TOP : groupOf(place.key);
			(this.sections.get(group) ?? this.addSection(group)).grid.append(chart.element);
			this.watcher.observe(chart.element);
		}
		for (const group of [...this.sections.keys()].sort(byGroup)) {
			const { element, grid, count } = this.sections.get(group);
			this.holder.append(element);
			setText(count, grid.childElementCount);
		}
	}

	addSection(group) {
		const folds = () => recall("folds", {});
		const grid = h("div.cards");
		const count = h("span.count");
		const name = group === TOP ? "pinned" : group || "general";
		const element = h("details.group", { "data-group": name, open: group === TOP || !(folds()[group] ?? !FIRST.includes(group)),
			toggle: () => keep("folds", { ...folds(), [group]: !element.open }) }, h("summary", h("h3", name), count), grid);
		const section = { element, grid, count };
		this.sections.set(group, section);
		return section;
	}

	seen(entries) {
		for (const { target, isIntersecting } of entries) {
			const card = this.cards.get(target.dataset.card);
			if (!card) continue;
			card.near = isIntersecting;
			card.chart.setVisible(card.near);
			if (!card.near) continue;
			this.update(card);
			this.refine(card);
		}
	}

	siblings({ key }) {
		return state.view.facet ? this.charts().filter((chart) => chart.key === key) : [];
	}

	/** Brings a card's lines up to date; fetches what a near one lacks. */
	update(card) {
		const { key, chart, fetched, wanted, absent } = card;
		const { base, pins, facet } = state.view;
		const { axis } = chart.look;
		const having = this.runs.filter((run) => run.metrics.has(key) && (!facet || (run.params[facet] ?? "–") === card.value));
		const lines = having.map((run) => ({
			id: run.id, name: run.name, slot: colourOf(run.id), live: stateOf(run) === "running", params: run.params,
			series: fetched.get(run.id) ?? null, warp: this.warpOf(run, axis), left: jobOf(run)?.progress?.eta_seconds,
			base: isBase(state.view, run.id), pinned: holds(pins, run.id), newest: () => run.metrics.get(key)?.last,
		}));
		const print = [axis, base, ...lines.map((l) => [l.id, l.live, l.name, l.slot, l.pinned, Boolean(l.series), Boolean(l.warp)])].join();
		if (print !== card.print) {
			card.print = print;
			chart.setLines(lines);
			for (const other of this.siblings(card)) other.draw();
		} else chart.lines.forEach((line, i) => (line.left = lines[i].left));
		if (!card.near) return;
		const missing = having.map(({ id }) => id).filter((id) => !fetched.has(id) && !wanted.has(id) && !absent.has(id));
		this.fetch(card, missing);
	}

	async fetch(card, ids) {
		const { fetched, wanted } = card;
		if (!ids.length) return;
		for (const id of ids) wanted.set(id, []);
		for (const curve of await readCurves(card.key, ids)) {
			const series = new Series(curve);
			for (const point of wanted.get(curve.run_id) ?? []) if (point.step > series.last) series.append(point);
			fetched.set(curve.run_id, series);
		}
		for (const id of ids) {
			wanted.delete(id);
			// Asked for again when a point comes, or after a reset.
			if (!fetched.has(id)) card.absent.add(id);
		}
		card.print = null;
		if (this.cards.get(card.id) !== card) return;
		this.update(card);
		this.refine(card);
	}

	reload() {
		this.each(({ fetched, absent, finer, chart }) => {
			for (const series of fetched.values()) series.stale = true;
			for (const list of [absent, finer, chart.details]) list.clear();
		});
		this.along.clear();
		this.loadAlong();
		this.refetchStale();
		this.each((card) => this.update(card));
	}

	refetchStale() {
		this.each((card) => {
			const ids = [...card.fetched].filter(([id, series]) => series.stale && !card.wanted.has(id)).map(([id]) => id);
			if (card.near) this.fetch(card, ids);
			else for (const id of ids) card.fetched.delete(id);
		});
	}

	arrived(points) {
		if (!this.held) return this.take(points);
		const keys = new Set(this.charts().map((chart) => chart.key));
		const runs = new Set(this.runs.map((run) => run.id));
		if (this.held.length < HELD) this.held.push(...points.filter((point) => keys.has(point.key) && runs.has(point.run_id)));
		this.controls.show();
	}

	toggleFrozen() {
		const { held } = this;
		this.held = held ? null : [];
		if (held?.length >= HELD) this.reload();
		else if (held) this.take(held);
		this.controls.show();
	}

	take(points) {
		const touched = new Set();
		const byKey = Map.groupBy(this.cards.values(), (card) => card.key);
		for (const point of points) {
			this.along.get(`${point.key}\n${point.run_id}`)?.series?.append(point);
			for (const card of byKey.get(point.key) ?? []) {
				const { absent, wanted, fetched, chart } = card;
				absent.delete(point.run_id);
				wanted.get(point.run_id)?.push(point);
				const series = fetched.get(point.run_id);
				if (!series) continue;
				if (series.append(point)) [chart, ...this.siblings(card)].forEach((one) => touched.add(one));
				chart.details.get(point.run_id)?.append(point);
				// Twice what one answer gives: time for buckets.
				series.stale ||= series.steps.length > 2 * MAX_POINTS;
				if (series.stale) this.repair();
			}
		}
		for (const chart of touched) chart.refresh();
	}

	/** Reads finer what is zoomed into or large, and smoothed over every point what is sampled. */
	async refine(card) {
		const { chart, finer, key } = card;
		const { x, axis, smooth } = chart.look;
		const print = [x, axis, smooth, chart.unit, chart.isBig, card.near, ...chart.lines.map(({ series }) => series?.serial)].join();
		if (card.asked === print) return;
		card.asked = print;
		card.abort?.abort();
		if (!card.near || (!x && !chart.isBig && !smooth)) return chart.details.clear();
		card.abort = new AbortController();
		const { signal } = card.abort;
		const found = await Promise.all(chart.lines.map(async ({ id, series, warp, live }) => {
			if (!series?.sampled) return;
			const query = { max_points: (chart.isBig ? 4 : x ? 2 : 1) * MAX_POINTS, pieces: true };
			if (smooth) Object.assign(query, { smoothing: smooth, smoothing_unit: chart.unit });
			if (x) {
				const xs = series.xs(axis, warp);
				const end = upper(xs, x[1]);
				query.from_step = series.steps[Math.max(0, lower(xs, x[0]) - 2)];
				if (end < xs.length) query.to_step = series.steps[Math.min(xs.length - 1, end + 1)];
			}
			const path = curvePath(id, key, query);
			const known = !live && finer.get(path);
			const answer = known ? null : await api.get(path, signal).catch(() => null);
			if (signal.aborted || !(known || answer?.steps.length)) return;
			const made = known || Object.assign(new Series(answer, `${smooth} ${chart.unit}`), { origin: series.origin });
			chart.details.set(id, made);
			finer.set(path, made);
			if (finer.size > CACHED) finer.delete(finer.keys().next().value);
			return made;
		}));
		if (!signal.aborted && found.some(Boolean)) chart.draw();
	}

	/** Makes a step of a run into what an axis measures; null: not known. */
	warpOf({ id, params }, axis) {
		if (axis !== "examples") return this.along.get(`${alongKey(axis)}\n${id}`)?.warp ?? null;
		const batch = Number(params["train.batch_size"]) * (Number(params["train.accumulate"]) || 1);
		return batch > 0 ? (step) => step * batch : null;
	}

	/** Reads the curves that axes measure by. */
	loadAlong() {
		for (const key of new Set(this.charts().map(({ look }) => alongKey(look.axis)))) {
			const missing = this.runs.filter((run) => run.metrics.has(key) && !this.along.has(`${key}\n${run.id}`)).map((run) => run.id);
			for (const id of missing) this.along.set(`${key}\n${id}`, {});
			readCurves(key, missing).then((curves) => {
				for (const curve of curves) {
					const series = new Series(curve);
					const knots = () => series.cached("knots", () => key === "epoch" ? rises(series) : series);
					this.along.set(`${key}\n${curve.run_id}`, { series,
						warp: (step) => key === "epoch" || step <= series.last ? between(knots(), step) : NaN });
				}
				if (curves.length) this.each((card) => this.update(card));
			});
		}
	}

	pointAt(from, at) {
		for (const chart of this.charts()) if (chart !== from && chart.visible) chart.follow(at && chart.look.axis !== from.look.axis ? { ...at, x: null } : at);
		tell("pointed-at-run", at?.id ?? this.chosen ?? null);
	}

	/** Goes to a range and remembers the one before; what is `gradual` is one step. */
	zoomed(chart, { x, y }, gradual = false) {
		const now = performance.now();
		const { view } = state;
		if (!gradual || now - this.zoomedAt > 1200) this.zooms.push({ x: view.x, cards: view.cards });
		this.zoomedAt = now;
		const linked = view.linked && chart.look.shares;
		choose({ x: linked ? rangeText(x) : view.x, cards: withCard(view, chart.key, { x: linked ? null : x, y }) }, gradual);
	}

	back() {
		if (this.zooms.length) choose(this.zooms.pop());
	}

	fit(chart) {
		this.zoomed(chart, { x: null, y: null });
		this.zooms = [];
	}

	own(chart, changes) {
		const mine = Object.entries(changes).map(([name, v]) => [name, v === state.view[name] ? undefined : v]);
		choose({ cards: withCard(state.view, chart.key, { ...Object.fromEntries(mine), y: undefined,
			...("axis" in changes && { x: undefined, pin: undefined }) }) });
	}

	pinned(chart, x) {
		const pins = chart.pins();
		this.setPins(chart, pins.length === 1 && pins[0] !== x ? [...pins, x] : [x], true);
	}

	setPins(chart, pins, gradual = false) {
		this.stripped = chart;
		const pin = pins.map((x) => Number(x.toPrecision(12))).join("~");
		choose(chart.look.shares ? { pin } : { cards: withCard(state.view, chart.key, { pin }) }, gradual);
	}

	selected({ id }) {
		this.chosen = this.chosen === id ? null : id;
		for (const chart of this.charts()) {
			chart.selected = this.chosen;
			chart.drawOverlay();
		}
		tell("pointed-at-run", this.chosen);
	}

	solo(line) {
		choose({ show: new Set(line.members ?? [line.id]) });
	}

	clear(chart) {
		if (this.chosen) this.selected({ id: this.chosen });
		if (chart.pins().length) this.setPins(chart, []);
	}

	menu(chart, anchor, hit = null) {
		openCardMenu(this, chart, anchor, hit);
	}

	turn(chart, by) {
		const charts = this.chartsOf(this.holder.querySelectorAll(".group[open] .chart"));
		const next = charts.at((charts.indexOf(chart) + by) % charts.length);
		if (!next || next === chart) return;
		chart.toggleBig();
		next.toggleBig();
	}

	move({ key, element }, place) {
		const keys = this.chartsOf(element.parentElement.children).map((chart) => chart.key).filter((other) => other !== key);
		keys.splice(Math.max(0, place), 0, key);
		choose({ order: toJSON([...fromJSON(state.view.order, []).filter((other) => !keys.includes(other)), ...new Set(keys)]) });
	}

	chartsOf(elements) {
		return [...elements].map((element) => this.cards.get(element.dataset.card).chart);
	}

	draggable(chart) {
		let over = null;
		const mark = (element) => {
			over?.classList.remove("drop");
			over = element;
			over?.classList.add("drop");
		};
		drag(chart.element.querySelector("h4"), () => null, (dx, _, x, y) => {
			const card = document.elementFromPoint(x, y)?.closest(".chart");
			mark(card === chart.element || card?.parentElement !== chart.element.parentElement ? null : card);
		}, () => {
			if (over) this.move(chart, [...over.parentElement.children].indexOf(over));
			mark(null);
		});
	}

	/** The values at the pins stand below the chart that was used last. */
	described(chart) {
		if (!this.stripped?.visible) this.stripped = this.charts().find((other) => other.visible);
		if (chart.pins().length && chart === this.stripped) showStrip(chart, () => this.setPins(chart, []));
		else chart.strip.hidden = true;
	}

	sharedY(chart) {
		const ranges = this.siblings(chart).filter((other) => other.visible).flatMap((other) => {
			const traces = other.traces();
			return traces.length ? [other.yRange(traces)] : [];
		});
		return ranges.length ? [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))] : null;
	}

	followView(changed) {
		if (changed.includes("axis") && state.view.axis !== this.axis) {
			this.axis = state.view.axis;
			this.zooms = [];
		}
		if (changed.some((name) => name in LOOK)) {
			this.holder.style.setProperty("--across", state.view.across || "auto-fill");
			this.each((card) => {
				const { chart, key } = card;
				const before = chart.look;
				chart.setLook(lookOf(state.view, key));
				if (before.axis !== chart.look.axis) this.update(card);
				if (before.smooth === chart.look.smooth) this.refine(card);
			});
			this.loadAlong();
		}
		if (changed.some((name) => CARDS.includes(name))) this.setRuns(this.runs);
		this.controls.show();
	}
}

/** Curves of runs; what cannot be read is left out. */
export async function readCurves(key, ids, points = MAX_POINTS) {
	const portions = Map.groupBy(ids.map((id) => ({ id })), (_, i) => Math.floor(i / RUNS_A_CALL));
	const answers = await Promise.all([...portions.values()].map((lines) => api.get(curvesPath({ key, lines }, points, { pieces: true })).catch(() => null)));
	return answers.flatMap((answer) => answer?.curves ?? []);
}

const alongKey = (axis) => axis === "epoch" ? axis : axis.startsWith("metric:") ? axis.slice(7) : "";

/** Where stairs rise: between, an epoch has gone by in part. */
function rises({ steps, values }) {
	const first = values.map((_, i) => i).filter((i) => i === 0 || values[i] > values[i - 1]);
	return first.length > 1 ? { steps: first.map((i) => steps[i]), values: first.map((i) => values[i]) } : { steps, values };
}

function between({ steps, values }, step) {
	if (steps.length < 2) return values[0] ?? NaN;
	const i = Math.min(steps.length - 1, Math.max(1, lower(steps, step)));
	return values[i - 1] + ((values[i] - values[i - 1]) * (step - steps[i - 1])) / (steps[i] - steps[i - 1]);
}

export function finder(text) {
	let expression = null;
	try {
		expression = new RegExp(text, "i");
	} catch {
		// Half typed: words alone.
	}
	return (key) => key.toLowerCase().includes(text.toLowerCase()) || Boolean(expression?.test(key));
}

const groupOf = (key) => key.slice(0, Math.max(0, key.indexOf("/")));

const rank = (list, item) => list.indexOf(item) + 1 || list.length + 1;

export const natural = (a, b) => a.localeCompare(b, "en", { numeric: true });

const byGroup = (a, b) => (b === TOP) - (a === TOP) || rank(FIRST, a) - rank(FIRST, b) || natural(a, b);

/** The keys, of which those in `order` take each other's places. */
export function reordered(keys, order) {
	const moved = order.filter((key) => keys.includes(key));
	return keys.map((key) => order.includes(key) ? moved.shift() : key);
}

/** Training first, loss before accuracy, numbers by size. */
export function byKey(a, b) {
	const tails = [a, b].map((key) => rank(FIRST_KEYS, key.slice(groupOf(key).length).replace(/^\//, "")));
	return byGroup(groupOf(a), groupOf(b)) || tails[0] - tails[1] || natural(a, b);
}
