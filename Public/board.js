// A board of charts for some runs: one card per curve name, grouped by the part before the first "/". Only cards near
// the window are fetched and drawn. Live points go straight into the curves that are held here.

import * as api from "./api.js";
import { LineChart } from "./chart.js";
import { button, empty, h, setText, throttled } from "./dom.js";
import { Series } from "./series.js";
import { choose, colourOf, listen, state, stateOf, tell } from "./store.js";

const MAX_POINTS = 1000;
const RUNS_A_CALL = 40;
const FIRST = ["train", "val", "test", ""];
const FIRST_KEYS = ["loss", "accuracy", "lr", "grad_norm", "update_ratio", "param_norm"];

export class Board {
  /** `folded` says which groups start closed, by their name. */
  constructor({ folded = () => false, emptyText = "" } = {}) {
    this.folded = folded;
    this.emptyText = emptyText;
    this.runs = [];
    this.cards = new Map(); // key -> {chart, near, fetched: Map run -> Series, wanted: Map run -> [points], absent}
    this.sections = new Map(); // group -> {element, grid, count}
    this.controls = controls();
    this.holder = h("div", { class: "sections" });
    this.element = h("section", { class: "board", "aria-label": "Curves" }, this.controls.element, this.holder);
    this.watcher = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "300px" });
    this.repair = throttled(1500, () => this.refetchStale());
    this.stops = [
      listen("points", (points) => this.take(points)),
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

  /** Shows these runs: adds the cards that they need, takes away those that nobody has. */
  setRuns(runs) {
    this.runs = runs;
    const ids = runs.map((run) => run.id);
    for (const run of runs.toReversed()) colourOf(run.id, ids);
    const keys = new Set(runs.flatMap((run) => [...run.metrics.keys()]));
    const wanted = [...keys].filter((key) => key.toLowerCase().includes(state.view.charts.toLowerCase())).sort(byKey);
    const kept = new Set(wanted);
    for (const [key, card] of this.cards) if (!kept.has(key)) this.drop(key, card);
    let added = false;
    for (const key of wanted) {
      if (this.cards.has(key)) continue;
      this.add(key);
      added = true;
    }
    if (added) this.arrange(wanted);
    for (const [group, section] of this.sections) if (!section.grid.childElementCount) this.dropSection(group, section);
    this.showEmpty(keys.size);
    this.each((card) => this.update(card));
  }

  showEmpty(keys) {
    if (this.cards.size) return this.nothing?.remove();
    const text = keys ? `No curve's name holds “${state.view.charts}”.` : this.emptyText;
    this.nothing?.remove();
    this.nothing = empty(keys ? "No such curve" : "No curves yet", text);
    this.holder.append(this.nothing);
  }

  add(key) {
    const chart = new LineChart(key);
    const card = { key, chart, near: false, fetched: new Map(), wanted: new Map(), absent: new Set(), abort: null };
    chart.setLook(look());
    chart.addEventListener("hover", (event) => this.pointAt(chart, event.detail));
    chart.addEventListener("zoom", (event) => this.zoomed(card, event.detail.x));
    this.cards.set(key, card);
  }

  drop(key, card) {
    this.watcher.unobserve(card.chart.element);
    card.chart.element.remove();
    card.chart.destroy();
    this.cards.delete(key);
  }

  /** Puts the cards in their order, each into its group. */
  arrange(keys) {
    for (const key of keys) {
      const card = this.cards.get(key);
      const group = groupOf(key);
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
    const element = h("details", { class: "group", "data-group": group || "other", open: !this.isFolded(group),
      toggle: () => this.remember(group, !element.open) },
    h("summary", {}, h("h3", {}, group || "general"), count), grid);
    const section = { element, grid, count };
    this.sections.set(group, section);
    return section;
  }

  dropSection(group, section) {
    section.element.remove();
    this.sections.delete(group);
  }

  isFolded(group) {
    return folds()[group] ?? this.folded(group);
  }

  remember(group, folded) {
    try {
      localStorage.setItem("cairn.folds", JSON.stringify({ ...folds(), [group]: folded }));
    } catch {
      // Not remembered then.
    }
  }

  // --- fetching

  seen(entries) {
    for (const entry of entries) {
      const card = this.cards.get(entry.target.dataset.key);
      if (!card) continue;
      card.near = entry.isIntersecting;
      card.chart.setVisible(card.near);
      if (card.near) this.update(card);
    }
  }

  /** Brings a card's lines up to the runs that are shown; fetches what is missing when the card is near. */
  update(card) {
    const having = this.runs.filter((run) => run.metrics.has(card.key));
    const lines = having.map((run) => ({
      id: run.id, name: run.name, slot: colourOf(run.id), live: stateOf(run) === "running",
      series: card.fetched.get(run.id) ?? null, newest: () => run.metrics.get(card.key)?.last,
    }));
    const print = lines.map((l) => `${l.id}${l.live}${l.name}${Boolean(l.series)}`).join();
    if (print !== card.print) {
      card.print = print;
      card.chart.setLines(lines);
    }
    if (!card.near) return;
    const missing = having.map((run) => run.id)
      .filter((id) => !card.fetched.has(id) && !card.wanted.has(id) && !card.absent.has(id));
    for (const ids of portions(missing)) this.fetch(card, ids);
  }

  async fetch(card, ids) {
    for (const id of ids) card.wanted.set(id, []);
    const query = new URLSearchParams([["key", card.key], ...ids.map((id) => ["run", id]), ["max_points", MAX_POINTS]]);
    try {
      const { curves } = await api.get(`/curves?${query}`);
      curves.forEach((curve, i) => this.install(card, curve.run_id ?? ids[i], new Series(curve)));
    } catch {
      // The banner says that the server is gone; a reset fetches again when it is back.
    }
    for (const id of ids) {
      card.wanted.delete(id);
      // What could not be had is asked for again when a point of it comes, or after a reset, and not at once.
      if (!card.fetched.has(id)) card.absent.add(id);
    }
    card.print = null;
    if (this.cards.get(card.key) === card) this.update(card);
  }

  /** Takes a fetched curve, with the live points that came while it was under way. */
  install(card, id, series) {
    for (const point of card.wanted.get(id) ?? []) if (point.step > series.last) series.append(point);
    card.fetched.set(id, series);
  }

  /** Reads everything that is held again: events may have been missed. */
  reload() {
    this.each((card) => {
      for (const series of card.fetched.values()) series.stale = true;
      card.absent.clear();
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

  /** Live points: appended where the curve is held, kept where it is under way. */
  take(points) {
    let stale = false;
    const touched = new Set();
    for (const point of points) {
      const card = this.cards.get(point.key);
      if (!card) continue;
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
    for (const card of touched) card.chart.refresh();
    if (stale) this.repair();
  }

  /** After a zoom: the old curve is drawn stretched at once, the finer one when it comes. */
  async zoomed(card, x) {
    card.abort?.abort();
    if (state.view.axis !== "step" || !x) return;
    const coarse = [...card.fetched].filter(([, series]) => series.sampled);
    if (!coarse.length) return;
    card.abort = new AbortController();
    const { signal } = card.abort;
    const span = x[1] - x[0];
    // Starts earlier than the window so that the smoothing has settled where it is seen.
    const query = new URLSearchParams({ max_points: 2 * MAX_POINTS,
      from_step: Math.floor(x[0] - span / 4), to_step: Math.ceil(x[1] + span / 50) });
    await Promise.all(coarse.map(async ([id]) => {
      try {
        const path = card.key.split("/").map(encodeURIComponent).join("/");
        const answer = await api.get(`/runs/${id}/metrics/${path}?${query}`, signal);
        if (!signal.aborted && answer.steps.length) card.chart.details.set(id, new Series(answer));
      } catch {
        // The coarse curve stays.
      }
    }));
    if (!signal.aborted) card.chart.draw();
  }

  // --- what all cards share

  pointAt(from, at) {
    this.each(({ chart }) => {
      if (chart !== from && chart.visible) chart.follow(at);
    });
    tell("pointed-at-run", at?.id ?? null);
  }

  followView(changed) {
    if (changed.some((name) => ["smooth", "axis", "log"].includes(name))) {
      this.each((card) => {
        if (changed.includes("log")) card.chart.ownLog = null;
        card.chart.setLook(look());
      });
    }
    if (changed.includes("charts")) this.setRuns(this.runs);
    this.controls.show();
  }
}

/** A call names at most so many runs. */
function portions(ids) {
  const count = Math.ceil(ids.length / RUNS_A_CALL);
  return Array.from({ length: count }, (_, i) => ids.slice(i * RUNS_A_CALL, (i + 1) * RUNS_A_CALL));
}

function look() {
  const { smooth, axis, log } = state.view;
  return { smooth, axis, log };
}

/** The bar over the charts. */
function controls() {
  const slider = h("input", { type: "range", min: 0, max: 0.99, step: 0.01, "aria-label": "Smoothing",
    title: "Exponential moving average, corrected for its start; the raw curve stays visible behind it",
    input: () => choose({ smooth: Number(slider.value) }) });
  const shown = h("output", { class: "n" });
  const axes = [["step", "Step"], ["relative", "Time since start"], ["time", "Time of day"]];
  const axis = h("select", { "aria-label": "Horizontal axis", change: () => choose({ axis: axis.value }) },
    axes.map(([value, text]) => h("option", { value }, text)));
  const log = button("toggle", "log y", () => choose({ log: !state.view.log }),
    { title: "Logarithmic y axis in every chart" });
  const charts = h("input", { type: "search", placeholder: "Find a curve", "aria-label": "Find a curve",
    input: () => choose({ charts: charts.value }) });
  const show = () => {
    const { view } = state;
    if (Number(slider.value) !== view.smooth) slider.value = view.smooth;
    setText(shown, view.smooth.toFixed(2));
    axis.value = view.axis;
    log.setAttribute("aria-pressed", String(view.log));
    if (charts.value !== view.charts) charts.value = view.charts;
  };
  show();
  return {
    show,
    element: h("div", { class: "controls" }, charts,
      h("label", { class: "smooth" }, h("span", {}, "Smoothing"), slider, shown), axis, log),
  };
}

function folds() {
  try {
    return JSON.parse(localStorage.getItem("cairn.folds")) ?? {};
  } catch {
    return {};
  }
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
  return rank(FIRST, a) - rank(FIRST, b) || natural(a, b);
}

/** The order of curve names: training first, loss before accuracy, numbers by size. */
export function byKey(a, b) {
  const tail = (key) => key.slice(groupOf(key).length).replace(/^\//, "");
  return byGroup(groupOf(a), groupOf(b)) || rank(FIRST_KEYS, tail(a)) - rank(FIRST_KEYS, tail(b)) || natural(a, b);
}
