// The columns of the runs table; what the reader changed is kept in the address and in this browser.

import { byKey, natural } from "./board.js";
import { h, setText } from "./dom.js";
import { table } from "./figure.js";
import * as format from "./format.js";
import { badge, took } from "./parts.js";
import { sparkColumn } from "./spark.js";
import { beginning, jobOf, keep, recall, state, stateOf } from "./store.js";
export const MAIN_METRICS = ["val/loss", "val/accuracy", "train/loss", "train/accuracy"];

const LOWER = /loss|error|perplexity|mae|mse|nll/i;
const HIGHER = /acc|f1|auc|precision|recall|score|\br2\b|per_second/i;

/** Which way a metric is better: -1 lower, 1 higher, 0 not known. */
export const direction = (key) => LOWER.test(key) ? -1 : HIGHER.test(key) ? 1 : 0;

export function param(run, key) {
	const text = run.params[key];
	return text === undefined || text === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

export function best(run, key) {
	const m = run.metrics.get(key);
	return m ? [m.min, m.last, m.max][direction(key) + 1] : NaN;
}

export function inventory(runs) {
	const [params, metrics, tags] = [new Map(), new Map(), new Map()];
	const note = (map, key, v) => {
		const entry = map.get(key);
		if (!entry) return map.set(key, { first: v, varies: false, having: 1 });
		entry.varies ||= entry.first !== v;
		entry.having += 1;
	};
	for (const run of runs) {
		for (const key of Object.keys(run.params)) note(params, key, run.params[key]);
		for (const key of Object.keys(run.tags)) if (!key.startsWith("mlflow.")) note(tags, key, run.tags[key]);
		for (const [key, m] of run.metrics) note(metrics, key, m.last);
	}
	for (const key of ["name", "experiment"]) params.delete(key); // columns of their own
	return { params, metrics, tags };
}

const ORDER = ["optimizer.type", "optimizer.lr", "optimizer.", "schedule.", "train.", "model."];
const weight = (key) => ORDER.findIndex((start) => key.startsWith(start)) + 1 || ORDER.length + 1;
const short = (key) => key.replace(/^(optimizer|train|model|schedule)\./, "");
const wide = (title, least) => Math.round(Math.min(200, Math.max(least, title.length * 7 + 36)));

export const byWeight = (a, b) => weight(a) - weight(b) || natural(a, b);

/** Every column; `usual`: shown unless the reader decides; `all`: also what is the same everywhere. */
export function possible(runs, { params, metrics, tags }, all, base) {
	const several = runs.length > 1;
	const varies = (entry) => all || (several && (entry.varies || entry.having < runs.length));
	const main = MAIN_METRICS.filter((key) => metrics.has(key));
	const trend = MAIN_METRICS.find((key) => metrics.has(key)) ?? [...metrics.keys()].sort(byKey)[0];
	const titles = [...params.keys()].map(short);
	const text = (id, title, read, usual, more) => ({ id, title, usual, width: wide(title, 90), class: "param", clip: true,
		value: read, text: (run) => read(run) ?? "", ...more });
	return [
		{ id: "state", title: "state", width: 100, usual: true, value: stateOf, cell: stateCell },
		...(trend ? [sparkColumn(trend)] : []),
		...main.map((key) => metricColumn(key, true, base)),
		...[...params.keys()].sort(byWeight).map((key) => text(`params.${key}`,
			titles.filter((t) => t === short(key)).length > 1 ? key : short(key), (run) => run.params[key], varies(params.get(key)),
			{ value: (run) => param(run, key), hint: key })),
		...[...metrics.keys()].filter((key) => !main.includes(key)).sort(byKey)
			.map((key) => metricColumn(key, all || (!/\/\d+$/.test(key) && (!several || varies(metrics.get(key)))), base)),
		...[...tags.keys()].sort().map((key) => text(`tags.${key}`, key, (run) => run.tags[key], varies(tags.get(key)),
			{ hint: `tag ${key}` })),
		text("experiment", "experiment", (run) => run.experiment, true),
		{ id: "started", title: "started", width: 112, numeric: true, usual: true, value: beginning,
			text: (run) => Number.isFinite(beginning(run)) ? format.ago(beginning(run)) : "" },
		{ id: "took", title: "took", width: 92, numeric: true, usual: true, value: lasted, text: (run) => format.duration(lasted(run)) },
	];
}

const lasted = (run) => took(jobOf(run) ?? { started_at: run.started, ended_at: run.ended, state: stateOf(run) });

function metricColumn(key, usual, base) {
	const read = (run) => run.metrics.get(key)?.last;
	const sign = direction(key);
	const delta = (run) => base && run !== base ? read(run) - read(base) : NaN;
	return { id: `metrics.${key}`, title: key, numeric: true, usual, width: wide(key, base ? 140 : 96), value: read,
		hint: `newest value of ${key}`, mark: ["↘", "", "↗"][sign + 1],
		[base ? "print" : "text"]: (run) => `${format.value(read(run))}${base ? ` ${delta(run)}` : ""}`,
		render: base && ((run) => [difference(delta(run), sign), format.value(read(run))]) };
}

function stateCell() {
	const mark = badge("");
	return [mark, (run) => {
		mark.className = `badge ${stateOf(run)}`;
		setText(mark.lastChild, stateOf(run));
	}];
}

export function difference(delta, sign) {
	if (!Number.isFinite(delta)) return null;
	const look = !delta || !sign ? "" : Math.sign(delta) === sign ? "better" : "worse";
	return h("small", { class: `delta ${look}`, title: look }, delta ? `${delta > 0 ? "+" : ""}${format.value(delta, 3)}` : "=");
}

export function layout() {
	const empty = { order: [], on: [], off: [], pin: [], width: {} };
	try {
		const given = state.view.columns ? JSON.parse(state.view.columns) : recall("columns", {});
		for (const name of Object.keys(empty)) if (given[name]?.constructor === empty[name].constructor) empty[name] = given[name];
	} catch {
		// A cut address: the usual columns then.
	}
	return empty;
}

export function layoutText(layout) {
	const held = Object.fromEntries(Object.entries(layout).filter(([, v]) => Object.keys(v).length));
	const any = Object.keys(held).length > 0;
	keep("columns", any ? held : null);
	return any ? JSON.stringify(held) : "";
}

export function arrange(columns, { order, on, off, pin, width }) {
	const shown = columns.filter(({ id, usual }) => on.includes(id) || (usual && !off.includes(id)))
		.map((c) => ({ ...c, pinned: pin.includes(c.id), width: width[c.id] >= 48 ? Math.min(800, width[c.id]) : c.width }));
	const moved = shown.filter(({ id }) => order.includes(id)).sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
	const placed = shown.map((column) => order.includes(column.id) ? moved.shift() : column);
	return [...placed.filter((c) => c.pinned), ...placed.filter((c) => !c.pinned)];
}

const collator = new Intl.Collator("en", { numeric: true });
const none = (v) => v === null || v === undefined || v === "" || Number.isNaN(v);

function compare(a, b, sign) {
	if (none(a) || none(b)) return none(a) - none(b);
	if (a === b) return 0;
	return sign * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b)));
}

/** What is missing comes last either way. */
export function sorted(rows, columns, sort) {
	const keys = sort.map((s) => [columns.get(s.replace(/^-/, "")), s[0] === "-" ? -1 : 1]).filter(([column]) => column?.value);
	const keyed = rows.map((row) => [row, keys.map(([column]) => column.value(row))]);
	return keyed.sort(([, a], [, b]) => {
		let order = 0;
		for (let i = 0; !order && i < keys.length; i += 1) order = compare(a[i], b[i], keys[i][1]);
		return order;
	}).map(([row]) => row);
}

export function csv(runs, columns) {
	const valued = columns.filter((column) => column.value);
	return table([valued.map((c) => c.id), ...runs.map((run) => valued.map((c) => c.value(run) ?? ""))]);
}
