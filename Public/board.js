// A board of charts for some runs: one card per curve name, grouped by the part before the first "/". Only cards near
// the window are fetched and drawn. Live points go straight into the curves that are held here.

import * as api from "./api.js";
import { openCardMenu, topOf } from "./cardmenu.js";
import { LineChart } from "./chart.js";
import { controls } from "./controls.js";
import { empty, h, setText, throttled } from "./dom.js";
import { curvePath } from "./figure.js";
import { followKeys } from "./keys.js";
import { LOOK, lookOf, rangeText, withCard } from "./look.js";
import { lower, Series, upper } from "./series.js";
import { choose, colourOf, holds, jobOf, keep, listen, recall, state, stateOf, tell } from "./store.js";
import { showStrip } from "./strip.js";

const MAX_POINTS = 1000;
const RUNS_A_CALL = 40;
const HELD = 100000; // live points that a frozen board keeps; beyond, it reads anew
const CACHED = 40; // finer curves that a card keeps for ranges seen before
const FIRST = ["train", "val", "test", ""];
const FIRST_KEYS = ["loss", "accuracy", "lr", "grad_norm", "update_ratio", "param_norm"];
const TOP = "\u0000top";

export class Board {
	constructor({ folded = () => false, emptyText = "" } = {}) {
		this.folded = folded;
		this.emptyText = emptyText;
		this.runs = [];
		this.cards = new Map(); // id -> {id, key, chart, near, fetched: Map run -> Series, wanted: Map run -> [points], absent}
		this.sections = new Map(); // group -> {element, grid, count}
		this.along = new Map(); // run -> {series, warp}: what the x axis measures, when that is a curve itself
		this.zooms = []; // ranges to go back to
		this.zoomedAt = -Infinity;
		this.held = null; // live points since the view was frozen
		this.controls = controls(this);
		this.holder = h("div", { class: "sections" });
		this.element = h("section", { class: "board", "aria-label": "Curves" }, this.controls.element, this.holder);
		this.watcher = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
		this.repair = throttled(1500, () => this.refetchStale());
		const clock = setInterval(() => this.each(({ chart }) => chart.tick()), 1000);
		this.stops = [
			() => clearInterval(clock),
			followKeys(this),
			listen("points", (points) => this.arrived(points)),
			listen("reset", () => this.reload()),
			listen("theme", () => this.each((card) => card.chart.draw())),
			listen("view", (changed) => this.followView(changed)),
			listen("point-at-run", (id) => this.each((card) => card.chart.follow(id ? { x: null, id } : null))),
		];
	}

	destroy() {
		for (const stop of this.stops) stop();
		this.repair.stop();
		this.watcher.disconnect();
		this.each((card) => card.chart.destroy());
		this.cards.clear();
	}

	each(action) {
		for (const card of this.cards.values()) action(card);
	}

	cardOf(chart) {
		return this.cards.get(chart.element.dataset.card);
	}

	/** Shows these runs: adds the cards that they need, takes away those that nobody has. */
	setRuns(runs) {
		this.runs = runs;
		const ids = runs.map((run) => run.id);
		for (const run of runs.toReversed()) colourOf(run.id, ids);
		const keys = new Set(runs.flatMap((run) => [...run.metrics.keys()]));
		const passes = finder(state.view.charts);
		const wanted = this.plan([...keys].filter(passes).sort(byKey));
		for (const [id, card] of this.cards) if (!wanted.has(id)) this.drop(id, card);
		const print = `${[...wanted.keys()].join("\n")}\n${state.view.top}`;
		if (print !== this.print) {
			this.print = print;
			for (const [id, place] of wanted) if (!this.cards.has(id)) this.add(id, place);
			this.arrange(wanted);
		}
		for (const [group, section] of this.sections) if (!section.grid.childElementCount) this.dropSection(group, section);
		this.showEmpty(keys.size);
		this.loadAlong();
		this.each((card) => this.update(card));
		this.controls.show();
	}

	/** The cards to show, in order: one for each key, or for each value of the facet's param. */
	plan(keys) {
		const { facet } = state.view;
		const places = keys.flatMap((key) => {
			if (!facet) return [[key, { key, title: key, value: null }]];
			const having = this.runs.filter((run) => run.metrics.has(key));
			const values = [...new Set(having.map((run) => run.params[facet] ?? "–"))].sort(natural);
			return values.map((value) => [`${key}\n${value}`, { key, title: `${key} · ${facet.replace(/^.*\./, "")}=${value}`, value }]);
		});
		return new Map(places);
	}

	showEmpty(keys) {
		this.nothing?.remove();
		if (this.cards.size) return;
		const text = keys ? `No curve's name holds “${state.view.charts}”.` : this.emptyText;
		this.nothing = empty(keys ? "No such curve" : "No curves yet", text);
		this.holder.append(this.nothing);
	}

	add(id, { key, title, value }) {
		const chart = new LineChart(key, title, this);
		chart.element.dataset.card = id;
		const card = { id, key, value, chart, near: false, fetched: new Map(), wanted: new Map(), absent: new Set(),
			finer: new Map(), abort: null };
		this.cards.set(id, card);
		chart.setLook(lookOf(state.view, key));
	}

	drop(id, card) {
		this.watcher.unobserve(card.chart.element);
		card.chart.element.remove();
		card.chart.destroy();
		this.cards.delete(id);
	}

	arrange(wanted) {
		const top = topOf(state.view);
		for (const [id, { key }] of wanted) {
			const card = this.cards.get(id);
			const group = top.includes(key) ? TOP : groupOf(key);
			const section = this.sections.get(group) ?? this.addSection(group);
			section.grid.append(card.chart.element);
			this.watcher.observe(card.chart.element);
		}
		for (const group of [...this.sections.keys()].sort(byGroup)) {
			const { element, grid, count } = this.sections.get(group);
			this.holder.append(element);
			setText(count, String(grid.childElementCount));
		}
	}

	addSection(group) {
		const grid = h("div", { class: "cards" });
		const count = h("span", { class: "count" });
		const name = group === TOP ? "pinned" : group || "general";
		const element = h("details", { class: "group", "data-group": name, open: !this.isFolded(group),
			toggle: () => this.remember(group, !element.open) }, h("summary", {}, h("h3", {}, name), count), grid);
		const section = { element, grid, count };
		this.sections.set(group, section);
		return section;
	}

	dropSection(group, section) {
		section.element.remove();
		this.sections.delete(group);
	}

	isFolded(group) {
		return group !== TOP && (recall("folds", {})[group] ?? this.folded(group));
	}

	remember(group, folded) {
		keep("folds", { ...recall("folds", {}), [group]: folded });
	}

	// --- fetching

	seen(entries) {
		for (const entry of entries) {
			const card = this.cards.get(entry.target.dataset.card);
			if (!card) continue;
			card.near = entry.isIntersecting;
			card.chart.setVisible(card.near);
			if (card.near) {
				this.update(card);
				this.refine(card);
			}
		}
	}

	siblings(card) {
		return state.view.facet ? [...this.cards.values()].filter((other) => other !== card && other.key === card.key) : [];
	}

	having(card) {
		const { facet } = state.view;
		return this.runs.filter((run) => run.metrics.has(card.key) && (!facet || (run.params[facet] ?? "–") === card.value));
	}

	/** Brings a card's lines up to the runs that are shown; fetches what is missing when the card is near. */
	update(card) {
		const having = this.having(card);
		const { base, pins } = state.view;
		const lines = having.map((run) => ({
			id: run.id, name: run.name, slot: colourOf(run.id), live: stateOf(run) === "running", params: run.params,
			series: card.fetched.get(run.id) ?? null, warp: this.warpOf(run), left: jobOf(run)?.progress?.eta_seconds,
			base: Boolean(base) && run.id.startsWith(base), pinned: holds(pins, run.id),
			newest: () => run.metrics.get(card.key)?.last,
		}));
		const print = state.view.axis + lines.map((l) => [l.id, l.live, l.name, l.slot, l.base, l.pinned, Boolean(l.series), Boolean(l.warp)].join()).join();
		if (print !== card.print) {
			card.print = print;
			card.chart.setLines(lines);
			for (const other of this.siblings(card)) other.chart.draw();
		} else card.chart.lines.forEach((line, i) => (line.left = lines[i].left));
		if (!card.near) return;
		const missing = having.map((run) => run.id)
			.filter((id) => !card.fetched.has(id) && !card.wanted.has(id) && !card.absent.has(id));
		for (const ids of portions(missing)) this.fetch(card, ids);
	}

	async fetch(card, ids) {
		for (const id of ids) card.wanted.set(id, []);
		try {
			const curves = await readCurves(card.key, ids);
			for (const curve of curves) this.install(card, curve.run_id, new Series(curve));
		} catch {
			// The banner says that the server is gone; a reset fetches again when it is back.
		}
		for (const id of ids) {
			card.wanted.delete(id);
			// What could not be had is asked for again when a point of it comes, or after a reset, and not at once.
			if (!card.fetched.has(id)) card.absent.add(id);
		}
		card.print = null;
		if (this.cards.get(card.id) !== card) return;
		this.update(card);
		this.refine(card);
	}

	install(card, id, series) {
		for (const point of card.wanted.get(id) ?? []) if (point.step > series.last) series.append(point);
		card.fetched.set(id, series);
	}

	reload() {
		this.each((card) => {
			for (const series of card.fetched.values()) series.stale = true;
			card.absent.clear();
			card.finer.clear();
			card.chart.details.clear();
		});
		this.refetchStale();
		this.each((card) => this.update(card));
	}

	refetchStale() {
		this.each((card) => {
			const ids = [...card.fetched].filter(([id, s]) => s.stale && !card.wanted.has(id)).map(([id]) => id);
			if (!ids.length) return;
			if (card.near) for (const some of portions(ids)) this.fetch(card, some);
			else for (const id of ids) card.fetched.delete(id);
		});
	}

	arrived(points) {
		if (!this.held) return this.take(points);
		const keys = new Set([...this.cards.values()].map((card) => card.key));
		const mine = points.filter((point) => keys.has(point.key) && this.runs.some((run) => run.id === point.run_id));
		if (this.held.length < HELD) this.held.push(...mine);
		this.controls.show();
	}

	toggleFrozen() {
		const held = this.held;
		this.held = held ? null : [];
		if (held?.length >= HELD) this.reload();
		else if (held) this.take(held);
		this.controls.show();
	}

	take(points) {
		let stale = false;
		const touched = new Set();
		const byKey = Map.groupBy(this.cards.values(), (card) => card.key);
		for (const point of points) {
			this.along.get(point.run_id)?.follow(point);
			for (const card of byKey.get(point.key) ?? []) {
				card.absent.delete(point.run_id);
				card.wanted.get(point.run_id)?.push(point);
				const series = card.fetched.get(point.run_id);
				if (!series) continue;
				if (series.append(point)) touched.add(card);
				card.chart.details.get(point.run_id)?.append(point);
				// Twice what one answer gives: time for (wider) buckets.
				series.stale ||= series.steps.length > 2 * MAX_POINTS;
				stale ||= series.stale;
			}
		}
		for (const card of touched) for (const one of [card, ...this.siblings(card)]) one.chart.refresh();
		if (stale) this.repair();
	}

	/** Reads finer what is zoomed into, or drawn large; until it comes, the coarse curve is drawn stretched. */
	async refine(card) {
		card.abort?.abort();
		const { chart } = card;
		const { x, axis } = chart.look;
		if (!card.near || (!x && !chart.isBig)) return chart.details.clear();
		const jobs = [];
		for (const { id, series, warp, live } of chart.lines) {
			if (!series?.sampled) continue;
			const query = { max_points: chart.isBig ? 4 * MAX_POINTS : 2 * MAX_POINTS };
			if (x) {
				const xs = series.xs(axis, warp);
				// Starts earlier than the window so that the smoothing has settled where it is seen.
				const from = series.steps[Math.max(0, lower(xs, x[0] - (x[1] - x[0]) / 4) - 2)];
				const to = series.steps[Math.min(xs.length - 1, upper(xs, x[1]) + 1)];
				query.from_step = Math.max(from, series.steps[0]);
				if (upper(xs, x[1]) < xs.length) query.to_step = to;
			}
			const path = curvePath(id, card.key, query);
			const known = card.finer.get(path);
			if (known && !live) chart.details.set(id, known);
			else jobs.push({ id, path, live });
		}
		card.abort = new AbortController();
		const { signal } = card.abort;
		await Promise.all(jobs.map(async ({ id, path }) => {
			try {
				const answer = await api.get(path, signal);
				if (signal.aborted || !answer.steps.length) return;
				const series = new Series(answer);
				chart.details.set(id, series);
				card.finer.set(path, series);
				if (card.finer.size > CACHED) card.finer.delete(card.finer.keys().next().value);
			} catch {
				// The coarse curve stays.
			}
		}));
		if (!signal.aborted) chart.draw();
	}

	// --- the x axis, when it is a curve itself

	/** What makes a step of a run into what the axis measures; null for steps and times, and until it is known. */
	warpOf(run) {
		const { axis } = state.view;
		if (axis === "examples") {
			const batch = Number(run.params["train.batch_size"]) * (Number(run.params["train.accumulate"]) || 1);
			if (!(batch > 0)) return null;
			this.along.get(run.id)?.batch === batch || this.along.set(run.id, { batch, warp: (step) => step * batch, follow() {} });
		}
		return this.along.get(run.id)?.warp ?? null;
	}

	async loadAlong() {
		const key = alongKey(state.view.axis);
		if (!key) return;
		const missing = this.runs.filter((run) => run.metrics.has(key) && !this.along.has(run.id)).map((run) => run.id);
		for (const id of missing) this.along.set(id, { follow() {} });
		for (const ids of portions(missing)) {
			const curves = await readCurves(key, ids).catch(() => []);
			if (alongKey(state.view.axis) !== key) return;
			for (const curve of curves) {
				const series = new Series(curve);
				const knots = () => series.cached("knots", () => (key === "epoch" ? rises(series) : series));
				this.along.set(curve.run_id, { warp: (step) => between(knots(), step),
					follow: (point) => point.key === key && series.append(point) });
			}
		}
		if (missing.length) this.each((card) => this.update(card));
	}

	// --- what the reader does on a chart

	pointAt(from, at) {
		this.each(({ chart }) => {
			if (chart !== from && chart.visible) chart.follow(at);
		});
		tell("pointed-at-run", at?.id ?? this.chosen ?? null);
	}

	/** Goes to a range (null: all of it) and remembers the one before; what is `gradual` is one step. */
	zoomed(chart, { x, y }, gradual = false) {
		const now = performance.now();
		const { view } = state;
		if (!gradual || now - this.zoomedAt > 1200) this.zooms.push({ x: view.x, cards: view.cards });
		this.zoomedAt = now;
		const own = x && !view.linked ? x : undefined;
		choose({ x: view.linked ? rangeText(x) : view.x, cards: withCard(view, chart.key, { x: own, y: y ?? undefined }) }, gradual);
	}

	back() {
		if (this.zooms.length) choose(this.zooms.pop());
	}

	fit(chart) {
		this.zoomed(chart, { x: null, y: null });
		this.zooms = [];
	}

	own(chart, changes) {
		const mine = Object.fromEntries(Object.entries(changes).map(([name, v]) => [name, v === state.view[name] ? undefined : v]));
		choose({ cards: withCard(state.view, chart.key, { ...mine, y: undefined }) });
	}

	pinned(chart, x) {
		const pins = chart.pins();
		this.setPins(chart, pins.length === 1 && pins[0] !== x ? [...pins, x] : [x], true);
	}

	setPins(chart, pins, gradual = false) {
		this.stripped = chart;
		choose({ pin: pins.map((x) => Number(x.toPrecision(12))).join("~") }, gradual);
	}

	selected(line) {
		this.chosen = this.chosen === line.id ? null : line.id;
		this.each(({ chart }) => {
			chart.selected = this.chosen;
			chart.drawOverlay();
		});
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

	sized(chart) {
		this.refine(this.cardOf(chart));
	}

	turn(chart, by) {
		const charts = [...this.holder.querySelectorAll(".group[open] .chart")].map((e) => this.cards.get(e.dataset.card).chart);
		const next = charts.at((charts.indexOf(chart) + by) % charts.length);
		if (!next || next === chart) return;
		chart.toggleBig();
		next.toggleBig();
	}

	/** After a chart was drawn: the values at the pins below the one that was used last. */
	described(chart) {
		if (!this.stripped?.visible) this.stripped = [...this.cards.values()].find((card) => card.chart.visible)?.chart;
		if (chart.pins().length && chart === this.stripped) showStrip(chart, () => this.setPins(chart, []));
		else chart.strip.hidden = true;
	}

	sharedY(chart) {
		if (!state.view.facet) return null;
		const others = [...this.cards.values()].map((card) => card.chart).filter((other) => other.key === chart.key && other.visible);
		const ranges = others.map((other) => {
			const traces = other.traces();
			return traces.length ? other.yRange(traces, other.xRange(traces, other.look.logx), other.look.log, other.look.outliers) : null;
		}).filter(Boolean);
		return ranges.length ? [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))] : null;
	}

	followView(changed) {
		if (changed.includes("axis") && state.view.axis !== this.axis) {
			this.axis = state.view.axis;
			this.along.clear();
			this.zooms = [];
			this.loadAlong();
		}
		const looks = changed.some((name) => name in LOOK);
		if (looks) {
			this.holder.style.setProperty("--across", state.view.across || "auto-fill");
			this.holder.dataset.across = state.view.across || "auto";
			this.each((card) => {
				const before = card.chart.look?.x;
				card.chart.setLook(lookOf(state.view, card.key));
				if (rangeText(before) !== rangeText(card.chart.look.x)) this.refine(card);
			});
		}
		if (looks || changed.includes("pins")) this.setRuns(this.runs);
		this.controls.show();
	}
}

async function readCurves(key, ids) {
	const query = new URLSearchParams([["key", key], ...ids.map((id) => ["run", id]), ["max_points", MAX_POINTS]]);
	return (await api.get(`/curves?${query}`)).curves;
}

function alongKey(axis) {
	return axis === "epoch" ? "epoch" : axis.startsWith("metric:") ? axis.slice(7) : "";
}

/** Where a curve that goes up in stairs comes to each of them: between those steps an epoch has gone by in part. */
function rises({ steps, values }) {
	const first = values.map((_, i) => i).filter((i) => i === 0 || values[i] > values[i - 1]);
	return first.length > 1 ? { steps: first.map((i) => steps[i]), values: first.map((i) => values[i]) } : { steps, values };
}

function between({ steps, values }, step) {
	if (steps.length < 2) return values[0] ?? NaN;
	const i = Math.min(steps.length - 1, Math.max(1, lower(steps, step)));
	return values[i - 1] + ((values[i] - values[i - 1]) * (step - steps[i - 1])) / (steps[i] - steps[i - 1]);
}

/** Says which keys a search finds: as a regular expression when it is one, as words always. */
export function finder(text) {
	if (!text) return () => true;
	const words = text.toLowerCase();
	let expression = null;
	try {
		expression = new RegExp(text, "i");
	} catch {
		// Half typed: words alone.
	}
	return (key) => key.toLowerCase().includes(words) || Boolean(expression?.test(key));
}

function portions(ids) {
	const count = Math.ceil(ids.length / RUNS_A_CALL);
	return Array.from({ length: count }, (_, i) => ids.slice(i * RUNS_A_CALL, (i + 1) * RUNS_A_CALL));
}

function groupOf(key) {
	const slash = key.indexOf("/");
	return slash > 0 ? key.slice(0, slash) : "";
}

function rank(list, item) {
	const at = list.indexOf(item);
	return at < 0 ? list.length : at;
}

function natural(a, b) {
	return a.localeCompare(b, "en", { numeric: true });
}

function byGroup(a, b) {
	return (b === TOP) - (a === TOP) || rank(FIRST, a) - rank(FIRST, b) || natural(a, b);
}

/** The order of curve names: training first, loss before accuracy, numbers by size. */
export function byKey(a, b) {
	const tail = (key) => key.slice(groupOf(key).length).replace(/^\//, "");
	return byGroup(groupOf(a), groupOf(b)) || rank(FIRST_KEYS, tail(a)) - rank(FIRST_KEYS, tail(b)) || natural(a, b);
}
