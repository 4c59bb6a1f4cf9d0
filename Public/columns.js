// The columns of the runs table: which there are, which are shown, in what order and how wide, and what stands in
// them. What the reader changed is one object, kept in the address and in this browser.

import { byKey } from "./board.js";
import { h } from "./dom.js";
import * as format from "./format.js";
import { badge, took } from "./parts.js";
import { beginning, jobOf, keep, recall, state, stateOf } from "./store.js";

/** The metrics that people look at first. */
export const MAIN_METRICS = ["val/loss", "val/accuracy", "train/loss", "train/accuracy"];

const LOWER = /loss|error|perplexity|\b(mae|mse|rmse|nll|bpc|fid|wer|cer)\b|_(mae|mse|rmse)$/i;
const HIGHER = /acc|f1|auc|precision|recall|score|\br2\b|bleu|iou|reward|per_second/i;

/** Which way a metric is better: -1 lower, 1 higher, 0 not known; what the reader said goes before its name. */
export function direction(key) {
  const said = recall("directions", {})[key];
  return said ?? (LOWER.test(key) ? -1 : HIGHER.test(key) ? 1 : 0);
}

/** Remembers which way a metric is better. */
export function setDirection(key, sign) {
  keep("directions", { ...recall("directions", {}), [key]: sign });
}

/** A run's parameter as a number when it is one. */
export function param(run, key) {
  const text = run.params[key];
  return text === undefined || text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

/** A run that was logged from outside has no job, but the same times. */
export function lasted(run) {
  return took(jobOf(run) ?? { started_at: run.started, ended_at: run.ended, state: stateOf(run) });
}

/** A run's best value of a metric, by its direction; the newest when that is not known. */
export function best(run, key) {
  const m = run.metrics.get(key);
  if (!m) return NaN;
  const sign = direction(key);
  return sign < 0 ? m.min : sign > 0 ? m.max : m.last;
}

/** Every parameter, metric and tag of these runs, with how many values it has: `Map key -> {values, having}`. */
export function inventory(runs) {
  const params = new Map();
  const metrics = new Map();
  const tags = new Map();
  const note = (map, key, v) => {
    let entry = map.get(key);
    if (!entry) map.set(key, (entry = { values: new Set(), having: 0 }));
    if (entry.values.size < 2) entry.values.add(v);
    entry.having += 1;
  };
  for (const run of runs) {
    for (const key in run.params) note(params, key, run.params[key]);
    for (const key in run.tags) if (!key.startsWith("mlflow.")) note(tags, key, run.tags[key]);
    for (const [key, m] of run.metrics) note(metrics, key, m.last);
  }
  for (const key of ["name", "experiment"]) params.delete(key); // these have columns of their own
  return { params, metrics, tags };
}

/** Whether the runs differ in something. */
export function differs({ values, having }, runs) {
  return values.size > 1 || having < runs;
}

const natural = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** What people vary most comes first. */
export function byWeight(a, b) {
  const order = ["optimizer.type", "optimizer.lr", "optimizer.", "schedule.", "train.", "model."];
  const weight = (key) => (order.findIndex((start) => key.startsWith(start)) + 1 || order.length + 1);
  return weight(a) - weight(b) || natural(a, b);
}

const short = (key) => key.replace(/^(optimizer|train|model|schedule)\./, "");
const wide = (title, least) => Math.round(Math.min(200, Math.max(least, title.length * 7 + 36)));

/**
 * Every column that these runs can have, in its natural order; `usual` says whether it is shown unless the reader
 * decides. `all` shows also what is the same in every run. `base` is the run that values are compared with.
 */
export function possible(runs, found, all, base) {
  const { params, metrics, tags } = found;
  const several = runs.length > 1;
  const main = MAIN_METRICS.filter((key) => metrics.has(key));
  const other = [...metrics.keys()].filter((key) => !main.includes(key)).sort(byKey);
  const names = new Map();
  for (const key of params.keys()) names.set(short(key), (names.get(short(key)) ?? 0) + 1);
  const vary = (entry) => all || (several && differs(entry, runs.length));
  const metricUsual = (key) => all || (!/\/\d+$/.test(key) && (!several || differs(metrics.get(key), runs.length)));
  return [
    { id: "state", title: "state", width: 100, value: stateOf, print: stateOf, render: (run) => badge(stateOf(run)),
      usual: true },
    ...main.map((key) => metricColumn(key, true, base)),
    ...[...params.keys()].sort(byWeight).map((key) =>
      paramColumn(key, names.get(short(key)) > 1 ? key : short(key), vary(params.get(key)))),
    ...other.map((key) => metricColumn(key, metricUsual(key), base)),
    ...[...tags.keys()].sort(natural).map((key) => textColumn(`tags.${key}`, key, `tag ${key}`,
      (run) => run.tags[key], vary(tags.get(key)))),
    { ...textColumn("experiment", "experiment", "", (run) => run.experiment, true), class: "param" },
    { id: "started", title: "started", width: 112, numeric: true, value: beginning, usual: true,
      text: (run) => (Number.isFinite(beginning(run)) ? format.ago(beginning(run)) : "") },
    { id: "took", title: "took", width: 92, numeric: true, value: lasted, usual: true,
      text: (run) => format.duration(lasted(run)) },
    textColumn("id", "id", "the run's id", (run) => run.id, false),
  ];
}

function textColumn(id, title, hint, read, usual) {
  return { id, title, hint, usual, width: wide(title, 110), class: "param", clip: true, value: read,
    text: (run) => read(run) ?? "" };
}

function paramColumn(key, title, usual) {
  return { ...textColumn(`params.${key}`, title, key, (run) => run.params[key], usual), width: wide(title, 84),
    value: (run) => param(run, key) };
}

function metricColumn(key, usual, base) {
  const read = (run) => run.metrics.get(key)?.last;
  const sign = direction(key);
  const column = { id: `metrics.${key}`, title: key, numeric: true, usual, width: wide(key, base ? 140 : 96), value: read,
    hint: `newest value of ${format.visible(key)}`, mark: sign < 0 ? "↘" : sign > 0 ? "↗" : "" };
  if (!base) return { ...column, text: (run) => format.value(read(run)) };
  const delta = (run) => (run === base ? NaN : read(run) - read(base));
  return { ...column,
    print: (run) => `${format.value(read(run))} ${run === base} ${delta(run)}`,
    render: (run) => [difference(delta(run), sign), format.value(read(run))] };
}

/** A difference from the baseline, coloured by whether it is for the better. */
export function difference(delta, sign) {
  if (!Number.isFinite(delta)) return null;
  const look = delta === 0 || !sign ? "" : Math.sign(delta) === sign ? "better" : "worse";
  const text = delta === 0 ? "=" : `${delta > 0 ? "+" : ""}${format.value(delta, 3)}`;
  return h("small", { class: `delta ${look}`, title: look && `${look} than the baseline` }, text);
}

// --- what the reader decided

/** The reader's layout: `{order: [ids], on: [ids], off: [ids], pin: [ids], width: {id: px}}`. */
export function layout() {
  const plain = { order: [], on: [], off: [], pin: [], width: {} };
  try {
    const given = state.view.columns ? JSON.parse(state.view.columns) : recall("columns", {});
    for (const [name, fallback] of Object.entries(plain)) {
      if (Array.isArray(given[name]) === Array.isArray(fallback) && typeof given[name] === "object") plain[name] = given[name];
    }
  } catch {
    // An address that somebody cut: the usual columns then.
  }
  return plain;
}

/** A layout as the address holds it, kept in this browser too; an empty one is no text. */
export function layoutText(layout) {
  const held = Object.fromEntries(Object.entries(layout).filter(([, v]) => Object.keys(v).length));
  const empty = !Object.keys(held).length;
  keep("columns", empty ? null : held);
  return empty ? "" : JSON.stringify(held);
}

/** The columns that are shown: chosen, ordered, pinned to the left, with their widths. */
export function arrange(columns, { order, on, off, pin, width }) {
  const shown = columns.filter(({ id, usual }) => on.includes(id) || (usual && !off.includes(id)));
  const moved = shown.filter(({ id }) => order.includes(id)).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
  const placed = shown.map((column) => (order.includes(column.id) ? moved.shift() : column));
  const sized = placed.map((column) => {
    const own = Number(width[column.id]);
    return { ...column, pinned: pin.includes(column.id), width: own >= 48 ? Math.min(800, own) : column.width };
  });
  return [...sized.filter((c) => c.pinned), ...sized.filter((c) => !c.pinned)];
}

// --- order

/** Rows sorted by several columns; what is missing or not a number comes last, whichever way one sorts. */
export function sorted(rows, columns, sort) {
  const keys = sort.map((s) => ({ sign: s.startsWith("-") ? -1 : 1, column: columns.get(s.replace(/^-/, "")) }))
    .filter(({ column }) => column?.value);
  if (!keys.length) return rows;
  const keyed = rows.map((row) => ({ row, values: keys.map(({ column }) => column.value(row)) }));
  keyed.sort((a, b) => {
    for (let i = 0; i < keys.length; i += 1) {
      const order = compare(a.values[i], b.values[i], keys[i].sign);
      if (order) return order;
    }
    return 0;
  });
  return keyed.map(({ row }) => row);
}

const collator = new Intl.Collator("en", { numeric: true });
const none = (v) => v === null || v === undefined || v === "" || Number.isNaN(v);

function compare(a, b, sign) {
  if (none(a) || none(b)) return Number(none(a)) - Number(none(b));
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : sign * (a - b);
  return sign * collator.compare(String(a), String(b));
}

/** Runs as CSV text (RFC 4180): the columns that have values, in full precision. */
export function csv(runs, columns) {
  const cell = (v) => {
    const text = none(v) && !Number.isNaN(v) ? "" : v === Infinity ? "Infinity" : String(v);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const valued = columns.filter((column) => column.value);
  const lines = [valued.map((column) => cell(column.id)), ...runs.map((run) => valued.map((c) => cell(c.value(run))))];
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}
