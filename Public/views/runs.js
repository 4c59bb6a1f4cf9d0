// All runs: the table with their hyperparameters and newest metrics, and beside it the curves of the chosen ones.

import { Board } from "../board.js";
import { button, empty, h, put, setText, throttled } from "../dom.js";
import { filter } from "../filter.js";
import * as format from "../format.js";
import { badge, progressBar, took } from "../parts.js";
import { beginning, choose, colourOf, jobOf, link, listen, loadRuns, state, stateOf, tell } from "../store.js";
import { Table } from "../table.js";

const SHOWN_AT_FIRST = 8;
const MAIN_METRICS = ["val/loss", "val/accuracy", "train/loss", "train/accuracy"];
const WIDTH = "cairn.split";

/** Puts the page together; the result takes it away. */
export function mount(root) {
  const search = h("input", { type: "search", class: "grow", "aria-label": "Filter runs", "aria-keyshortcuts": "/",
    placeholder: "Filter: words, optimizer.lr<0.01, state=running", input: () => choose({ filter: search.value }) });
  search.value = state.view.filter;
  const experiments = h("select", { "aria-label": "Experiment",
    change: () => choose({ experiment: experiments.value }) });
  const all = button("toggle", "all columns", () => choose({ all: !state.view.all }),
    { title: "Also show parameters that are the same in every run" });
  const summary = h("p", { class: "summary", role: "status" });
  const more = button("quiet", "Load older runs", () => loadRuns(true).catch(() => {}));
  const table = new Table({
    label: "Runs", key: (run) => run.id, sort: state.view.sort, sorted: (sort) => choose({ sort }),
    pointed: (id) => tell("point-at-run", id && isShown(id) ? id : null),
    rowClass: (run) => (isShown(run.id) ? "shown" : ""),
  });
  const board = new Board({ folded: (group) => !["train", "val", "test", ""].includes(group),
    emptyText: "Choose a run in the table, or wait for the first step of one." });
  const list = h("section", { class: "panel", "aria-label": "Runs" },
    h("div", { class: "controls" }, search, experiments, all), table.element,
    h("div", { class: "foot" }, summary, more));
  const splitter = divider(list);
  const page = h("div", { class: "split" }, list, splitter, board.element);
  const nothing = empty("No runs yet", "Submit a job here, or from a terminal:",
    h("p", {}, h("a", { class: "button", href: link("submit") }, "New job")),
    h("pre", {}, `cairn submit job.json --server ${location.origin}`));

  const show = () => {
    const runs = [...state.runs.values()];
    if (!runs.length) return put(root, state.link === "opening" ? null : nothing);
    if (root.firstChild !== page) put(root, page);
    fillExperiments(experiments, runs);
    all.setAttribute("aria-pressed", String(state.view.all));
    const passes = filter(state.view.filter);
    const { experiment } = state.view;
    const listed = runs.filter((run) => (!experiment || run.experiment === experiment) && passes(run));
    const chosen = shownRuns(listed);
    const ids = chosen.map((run) => run.id);
    for (const run of chosen.toReversed()) colourOf(run.id, ids);
    table.setColumns(columns(listed));
    table.setRows(listed);
    board.setRuns(chosen);
    more.hidden = state.nextRuns === null;
    const noun = listed.length === 1 ? "run" : "runs";
    setText(summary, listed.length === runs.length
      ? `${format.count(listed.length)} ${noun}, ${chosen.length} drawn`
      : `${format.count(listed.length)} of ${format.count(runs.length)} runs, ${chosen.length} drawn`);
  };
  const soon = throttled(250, show);
  const keys = (event) => {
    if (event.key === "/" && !event.target.closest("input, textarea, select")) {
      event.preventDefault();
      search.focus();
    }
  };
  document.addEventListener("keydown", keys);
  const stops = [
    listen("runs", soon), listen("jobs", soon), listen("link", soon),
    listen("view", (changed) => {
      if (changed.some((name) => ["filter", "experiment", "all", "show"].includes(name))) show();
    }),
    listen("pointed-at-run", (id) => table.light(id)),
  ];
  show();
  return () => {
    document.removeEventListener("keydown", keys);
    soon.stop();
    for (const stop of stops) stop();
    board.destroy();
  };
}

// --- which runs are drawn

function newestFirst(runs) {
  return runs.slice().sort((a, b) => {
    const [first, second] = [beginning(a), beginning(b)];
    return first === second ? (b.job ?? 0) - (a.job ?? 0) : first < second ? 1 : -1;
  });
}

/** The runs whose curves are drawn: those that were chosen, else the newest ones. */
function shownRuns(listed) {
  const sorted = newestFirst(listed);
  return state.view.show ? sorted.filter((run) => isChosen(run.id)) : sorted.slice(0, SHOWN_AT_FIRST);
}

function isChosen(id) {
  return state.view.show.has(id) || state.view.show.has(id.slice(0, 12));
}

function isShown(id) {
  if (state.view.show) return isChosen(id);
  const rank = newestFirst([...state.runs.values()]).findIndex((run) => run.id === id);
  return rank >= 0 && rank < SHOWN_AT_FIRST;
}

/** Draws a run or not; with `only`, nothing else. */
function toggle(id, only) {
  const before = shownRuns([...state.runs.values()]).map((run) => run.id);
  const show = new Set(only ? [id] : before);
  if (!only && before.includes(id)) show.delete(id);
  else show.add(id);
  choose({ show });
}

// --- columns

function columns(runs) {
  const params = new Map();
  const metrics = new Set();
  for (const run of runs) {
    for (const [key, v] of Object.entries(run.params)) {
      if (key === "name" || key === "experiment") continue; // these have columns of their own
      if (!params.has(key)) params.set(key, new Set());
      params.get(key).add(v);
    }
    for (const key of run.metrics.keys()) metrics.add(key);
  }
  const having = (key) => runs.filter((run) => key in run.params).length;
  const differing = [...params.keys()].filter((key) =>
    state.view.all || (runs.length > 1 && (params.get(key).size > 1 || having(key) < runs.length)));
  const other = [...metrics].filter((key) => !MAIN_METRICS.includes(key) && (state.view.all || !/\/\d+$/.test(key)));
  return [
    nameColumn(), stateColumn(),
    ...MAIN_METRICS.filter((key) => metrics.has(key)).map(metricColumn),
    ...differing.sort((a, b) => weight(a) - weight(b) || a.localeCompare(b, "en", { numeric: true })).map(paramColumn),
    ...other.sort().map(metricColumn),
    { id: "experiment", title: "experiment", value: (run) => run.experiment, text: (run) => run.experiment },
    { id: "started", title: "started", numeric: true, value: beginning,
      text: (run) => (Number.isFinite(beginning(run)) ? format.ago(beginning(run)) : "") },
    { id: "took", title: "took", numeric: true, value: lasted, text: (run) => format.duration(lasted(run)) },
  ];
}

/** What people vary most comes first. */
function weight(key) {
  const order = ["optimizer.type", "optimizer.lr", "optimizer.", "schedule.", "train.", "model."];
  const at = order.findIndex((start) => key.startsWith(start));
  return at < 0 ? order.length : at;
}

function nameColumn() {
  return {
    id: "name", title: "run", header: true, class: "name sticky", value: (run) => run.name,
    print: (run) => {
      const running = stateOf(run) === "running";
      return [run.name, isShown(run.id), running ? jobOf(run)?.progress?.step : "", colourOf(run.id)].join("\n");
    },
    render: (run) => {
      const shown = isShown(run.id);
      const eye = h("button", { type: "button", class: `eye c${colourOf(run.id)}`, "aria-pressed": String(shown),
        "aria-label": `Draw ${run.name}`, title: "Draw this run (Alt: only this one)",
        click: (event) => toggle(run.id, event.altKey) });
      const job = jobOf(run);
      const bar = job && ["running", "paused"].includes(job.state) ? progressBar() : null;
      bar?.show(job);
      return [eye, h("a", { href: link("runs", run.id), title: run.name }, run.name), bar?.element];
    },
  };
}

function stateColumn() {
  return { id: "state", title: "state", value: stateOf, print: stateOf, render: (run) => badge(stateOf(run)) };
}

function metricColumn(key) {
  return {
    id: key, title: key, numeric: true, hint: `newest value of ${format.visible(key)}`,
    value: (run) => run.metrics.get(key)?.last, text: (run) => format.value(run.metrics.get(key)?.last),
  };
}

function paramColumn(key) {
  const read = (run) => {
    const text = run.params[key];
    return text === undefined || text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  return { id: `param ${key}`, title: key.replace(/^(optimizer|train|model)\./, ""), hint: key, value: read,
    class: "param", text: (run) => run.params[key] ?? "" };
}

/** A run that was logged from outside has no job, but the same times. */
function lasted(run) {
  return took(jobOf(run) ?? { started_at: run.started, ended_at: run.ended, state: stateOf(run) });
}

function fillExperiments(select, runs) {
  const names = [...new Set(runs.map((run) => run.experiment))].sort();
  const print = names.join("\n");
  if (select.dataset.print !== print) {
    select.dataset.print = print;
    put(select, h("option", { value: "" }, "All experiments"), names.map((name) => h("option", { value: name }, name)));
    [...select.options].slice(1).forEach((option, i) => (option.value = names[i]));
  }
  select.hidden = names.length < 2;
  select.value = state.view.experiment;
}

// --- the line between table and charts

/** A divider that is dragged, or moved by arrow keys; the width is kept. */
function divider(panel) {
  const bar = h("div", { class: "divider", role: "separator", tabindex: "0", "aria-orientation": "vertical",
    "aria-label": "Width of the table" });
  const set = (width) => {
    const fitted = Math.round(Math.min(innerWidth - 380, Math.max(300, width)));
    panel.style.setProperty("--panel", `${fitted}px`);
    bar.setAttribute("aria-valuenow", String(fitted));
    return fitted;
  };
  const keep = (width) => {
    try {
      localStorage.setItem(WIDTH, String(width));
    } catch {
      // Not remembered then.
    }
  };
  try {
    const kept = Number(localStorage.getItem(WIDTH));
    if (kept > 0) set(kept);
  } catch {
    // The style sheet's width is right then.
  }
  bar.addEventListener("pointerdown", (event) => bar.setPointerCapture(event.pointerId));
  bar.addEventListener("pointermove", (event) => {
    if (bar.hasPointerCapture(event.pointerId)) keep(set(event.clientX - panel.getBoundingClientRect().left));
  });
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (by) keep(set(panel.offsetWidth + by));
  });
  return bar;
}
