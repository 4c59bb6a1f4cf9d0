// All runs: the table with their hyperparameters and newest metrics, and beside it the curves of the chosen ones.

import { copy, deleteRuns, saveFile, tagRuns } from "../actions.js";
import * as api from "../api.js";
import { Board } from "../board.js";
import { arrange, csv, inventory, layout, layoutText, MAIN_METRICS, possible, setDirection, sorted } from "../columns.js";
import { button, empty, h, put, setText, settled } from "../dom.js";
import { filter, isQuery, isWhole } from "../filter.js";
import * as format from "../format.js";
import { Grid } from "../grid.js";
import { openMenu } from "../menu.js";
import { progressBar } from "../parts.js";
import { Sparks } from "../spark.js";
import { beginning, choose, colourOf, holds, jobOf, keep, link, listen, recall, setColour, state, stateOf, takeRun, tell,
  toggled } from "../store.js";
import { columnChooser } from "./chooser.js";

const SHOWN_AT_FIRST = 8;
const PINNED_AT_MOST = 5;

/** Puts the page together; the result takes it away. */
export function mount(root) {
  const selected = new Set();
  let listed = []; // the runs that pass the filter
  let rows = []; // the same in the table's order
  let columns = []; // those that are shown
  let every = new Map(); // all that are possible
  let drawn = new Set();
  let anchor = null; // where a selection with Shift starts
  let base = null;

  const search = h("input", { type: "search", class: "grow", "aria-label": "Filter runs", "aria-keyshortcuts": "/",
    placeholder: "Filter: words, lr < 0.01, metrics.`val/loss` < 0.1", "aria-describedby": "filter-error",
    input: () => choose({ filter: search.value }),
    keydown: (event) => event.key === "Escape" && choose({ filter: "" }) });
  search.value = state.view.filter;
  const wrong = h("p", { id: "filter-error", class: "message", role: "alert", hidden: true });
  const experiments = h("select", { "aria-label": "Experiment",
    change: () => choose({ experiment: experiments.value }) });
  const same = button("toggle", "differing", () => choose({ all: !state.view.all }),
    { title: "Only columns in which the runs differ" });
  const chooser = button("toggle", "Columns", () => columnChooser(chooser, { every, columns, change }),
    { "aria-haspopup": "dialog" });
  const save = button("toggle", "CSV", () => saveCSV(rows), { title: "Save what the table shows" });
  const bulk = h("div", { class: "bulk", role: "toolbar", "aria-label": "Selected runs", hidden: true });
  const summary = h("p", { class: "summary", role: "status" });
  const hiddenRuns = button("mini", "", () => choose({ hide: null }), { hidden: true });
  const sparks = new Sparks(() => grid.later());
  const grid = new Grid({ label: "Runs", key: (run) => run.id, chosen: (run) => selected.has(run.id),
    look: (run) => `${drawn.has(run.id) ? "shown" : ""}${run === base ? " base" : ""}`,
    on: { move, select, columnMenu, rowMenu, key: rowKey,
      sort: (list) => choose({ sort: list.join("~") }),
      resize: (id, width) => change((l) => (l.width[id] = width)),
      open: (run) => (location.hash = link("runs", run.id)),
      point: (run) => tell("point-at-run", run && drawn.has(run.id) ? run.id : null) } });
  const board = new Board({ folded: (group) => !["train", "val", "test", ""].includes(group),
    emptyText: "Choose a run in the table, or wait for the first step of one." });
  const list = h("section", { class: "panel", "aria-label": "Runs" },
    h("div", { class: "controls" }, search, experiments, same, chooser, save), wrong, bulk, grid.element,
    h("div", { class: "foot" }, summary, hiddenRuns));
  const page = h("div", { class: "split" }, list, divider(list), board.element);
  const nothing = empty("No runs yet", "Submit a job here, or from a terminal:",
    h("p", {}, h("a", { class: "button", href: link("submit") }, "New job")),
    h("pre", {}, `cairn submit job.json --server ${location.origin}`));

  // --- what is shown

  let shape = -1;
  let inventoried = "";
  let found = null;
  let pace = 250; // milliseconds between two rounds, more when one takes long
  let waiting = 0;

  function soon() {
    waiting ||= setTimeout(() => {
      waiting = 0;
      show();
    }, root.firstChild === page ? pace : 0);
  }

  function show() {
    const began = performance.now();
    const { view } = state;
    if (!state.runs.size) return put(root, state.link === "opening" ? null : nothing);
    if (root.firstChild !== page) put(root, page);
    if (shape !== state.shape) fillExperiments(experiments, state.runs.values());
    shape = state.shape;
    experiments.value = view.experiment;
    const hidden = pick();
    base = view.base ? (listed.find((run) => run.id.startsWith(view.base)) ?? null) : null;
    const newest = newestFirst(listed);
    const chosen = view.show ? newest.filter((run) => holds(view.show, run.id)) : newest.slice(0, SHOWN_AT_FIRST);
    drawn = new Set(chosen.map((run) => run.id));
    for (const run of chosen.toReversed()) colourOf(run.id, [...drawn]);
    const print = `${shape} ${listed.length} ${view.filter} ${view.experiment}`;
    if (print !== inventoried) found = inventory(listed);
    inventoried = print;
    setColumns();
    const order = sorted(newest, every, sorting());
    const top = order.filter((run) => run === base || holds(view.pins, run.id)).slice(0, PINNED_AT_MOST);
    rows = [...top, ...order.filter((run) => !top.includes(run))];
    grid.setRows(rows.slice(top.length), top);
    showBulk();
    board.setRuns(chosen);
    showWords(hidden, chosen.length);
    pace = Math.max(250, 12 * (performance.now() - began));
  }

  /** Picks the runs that pass; gives the number of those that pass and are hidden. */
  function pick() {
    const { view } = state;
    const passes = !isQuery(view.filter) ? filter(view.filter) : answer ? (run) => answer.has(run.id) : () => true;
    let hidden = 0;
    listed = [];
    for (const run of state.runs.values()) {
      if ((view.experiment && run.experiment !== view.experiment) || !passes(run)) continue;
      if (view.hide && holds(view.hide, run.id)) hidden += 1;
      else listed.push(run);
    }
    return hidden;
  }

  function showWords(hidden, count) {
    const total = state.runs.size - hidden;
    same.setAttribute("aria-pressed", String(!state.view.all));
    hiddenRuns.hidden = !hidden;
    setText(hiddenRuns, `Show ${format.count(hidden)} hidden`);
    const of = listed.length === total ? "" : ` of ${format.count(total)}`;
    setText(summary, [`${format.count(listed.length)}${of} ${total === 1 ? "run" : "runs"}`, `${count} drawn`,
      state.loading && "reading more…"].filter(Boolean).join(", "));
  }

  function setColumns() {
    const natural = possible(listed, found, state.view.all, base);
    const main = MAIN_METRICS.find((key) => found.metrics.has(key)) ?? [...found.metrics.keys()][0];
    sparks.setKey(main ?? "");
    if (main) {
      natural.splice(1, 0, { id: "spark", title: "curve", usual: true, width: 104, hint: `the course of ${main}`,
        print: (run) => sparks.print(run), render: (run) => sparks.render(run) });
    }
    const mine = layout();
    const name = { ...nameColumn(), width: mine.width.name ?? 204 };
    every = new Map([name, ...natural].map((column) => [column.id, column]));
    columns = [selectColumn(), name, ...arrange(natural, mine)];
    grid.setColumns(columns, sorting());
  }

  function sorting() {
    return state.view.sort.split("~").filter(Boolean);
  }

  function change(edit) {
    const changed = layout();
    edit(changed);
    choose({ columns: layoutText(changed) });
  }

  /** Moves a column before another one; null: to the end. */
  function move(id, before) {
    const ids = columns.map((column) => column.id).filter((other) => other !== id);
    const at = before === null ? ids.length : Math.max(2, ids.indexOf(before));
    if (id === "name") return;
    ids.splice(at, 0, id);
    change((l) => (l.order = ids.slice(2)));
  }

  function saveCSV(runs) {
    saveFile("runs.csv", csv(runs, [{ id: "run_id", value: (run) => run.id }, ...columns]), "text/csv");
  }

  // --- filtering by the server

  let answer = null; // the ids that the server found; null while it has not answered
  let abort = null;
  const query = settled(350, async () => {
    abort?.abort();
    abort = new AbortController();
    const { signal } = abort;
    try {
      const ids = new Set();
      let token = "";
      do {
        const words = new URLSearchParams({ filter: state.view.filter, limit: 500, ...(token && { page_token: token }) });
        const part = await api.get(`/runs?${words}`, signal);
        for (const run of part.runs) ids.add(takeRun(run).id);
        token = part.next_page_token;
      } while (token);
      answer = ids;
      complain("");
    } catch (error) {
      if (signal.aborted) return;
      complain(error.message);
    }
    show();
  });

  function complain(text) {
    wrong.hidden = !text;
    setText(wrong, text);
    search.setAttribute("aria-invalid", String(Boolean(text)));
  }

  function followFilter() {
    const text = state.view.filter;
    if (search.value !== text) search.value = text;
    query.stop();
    abort?.abort();
    complain("");
    if (!isQuery(text)) answer = null;
    else if (isWhole(text)) query();
  }

  // --- selecting, menus, keys

  function select(ids, on) {
    for (const id of ids) selected[on ? "add" : "delete"](id);
    anchor = ids.at(-1);
    show();
  }

  function tick(run, event) {
    const [from, to] = [rows.findIndex((row) => row.id === anchor), rows.indexOf(run)];
    const on = !selected.has(run.id);
    const range = event.shiftKey && from >= 0 ? rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [run];
    select(range.map((row) => row.id), on);
    anchor = run.id;
  }

  function clear() {
    selected.clear();
    show();
  }

  function selectedRuns() {
    return [...selected].map((id) => state.runs.get(id)).filter(Boolean);
  }

  function selectColumn() {
    const all = () => rows.length > 0 && rows.every((run) => selected.has(run.id));
    const box = (on, label, action, more) => h("button", { type: "button", class: "tick", role: "checkbox",
      "aria-checked": String(on), "aria-label": label, click: action, ...more });
    return { id: "select", title: "select", width: 34, pinned: true, class: "pick", mark: String(all()),
      head: box(all(), "Select all listed runs", () => select(rows.map((run) => run.id), !all())),
      print: (run) => `${run.name} ${selected.has(run.id)}`,
      render: (run) => box(selected.has(run.id), `Select ${run.name}`, (event) => tick(run, event), { tabindex: "-1" }) };
  }

  function showBulk() {
    bulk.hidden = !selected.size;
    if (bulk.dataset.count === String(selected.size)) return;
    bulk.dataset.count = selected.size;
    const act = (text, action, look = "mini") => button(look, text, action);
    put(bulk, h("strong", {}, `${format.count(selected.size)} selected`),
      act("Draw", () => choose({ show: new Set(selected) })),
      selected.size > 1 && act("Compare", () => (location.hash = link("compare", null, { pick: new Set(selected) }))),
      act("Hide", () => {
        const ids = [...selected];
        selected.clear();
        choose({ hide: new Set([...(state.view.hide ?? []), ...ids]) });
      }),
      act("Tag", () => tagRuns(selectedRuns())),
      act("CSV", () => saveCSV(rows.filter((run) => selected.has(run.id)))),
      act("Delete", () => remove(selectedRuns()), "mini danger"),
      act("Clear", clear));
  }

  async function remove(runs) {
    for (const run of await deleteRuns(runs)) selected.delete(run.id);
    show();
  }

  function columnMenu(id, at) {
    const column = every.get(id);
    const now = columns.find((c) => c.id === id);
    const shown = columns.slice(2).map((c) => c.id);
    const place = shown.indexOf(id);
    const others = sorting().filter((s) => s.replace(/^-/, "") !== id);
    const down = `-${id}`;
    const width = (by) => change((l) => (l.width[id] = Math.max(48, now.width + by)));
    const say = (sign) => {
      setDirection(id.slice("metrics.".length), sign);
      show();
    };
    openMenu(at, `Column ${column.title}`, [
      { text: "Sort ascending", action: () => choose({ sort: id }) },
      { text: "Sort descending", action: () => choose({ sort: down }) },
      { text: "Sort also by this", action: () => choose({ sort: [...others, column.numeric ? down : id].join("~") }) },
      ...(id.startsWith("metrics.") ? [null,
        { text: "Lower is better", action: () => say(-1), checked: column.mark === "↘" },
        { text: "Higher is better", action: () => say(1), checked: column.mark === "↗" }] : []),
      null,
      { text: "Wider", action: () => width(32) },
      { text: "Narrower", action: () => width(-32) },
      ...(place < 0 ? [] : [
        { text: "Move left", disabled: place === 0, action: () => move(id, shown[place - 1]) },
        { text: "Move right", disabled: place === shown.length - 1, action: () => move(id, shown[place + 2] ?? null) },
        { text: "Pin to the left", checked: now.pinned,
          action: () => change((l) => (l.pin = now.pinned ? l.pin.filter((p) => p !== id) : [...l.pin, id])) },
        { text: "Hide", action: () => change((l) => {
          l.on = l.on.filter((other) => other !== id);
          l.off = [...new Set([...l.off, id])];
        }) }]),
    ]);
  }

  function rowMenu(run, at) {
    const slot = colourOf(run.id);
    const colours = h("div", { class: "swatches", role: "group", "aria-label": "Colour" },
      Array.from({ length: 10 }, (_, i) => button(`eye c${i}`, "", () => {
        setColour(run.id, i);
        closeAfter();
      }, { role: "menuitemradio", tabindex: "-1", "aria-checked": String(i === slot), "aria-pressed": "true",
        "aria-label": `Colour ${i + 1}` })));
    const closeAfter = openMenu(at, run.name, [
      { text: "Open", action: () => (location.hash = link("runs", run.id)) },
      { text: "Draw", checked: drawn.has(run.id), action: () => toggle(run.id, false) },
      { text: "Draw only this run", action: () => toggle(run.id, true) },
      null,
      { text: "Baseline", checked: run === base, action: () => setBase(run) },
      { text: "Pin to the top", checked: holds(state.view.pins, run.id), action: () => pin(run) },
      { text: "Hide", action: () => choose({ hide: toggled(state.view.hide, run.id, true) }) },
      colours, null,
      { text: "Copy the id", action: () => copy(run.id, "The run's id") },
      { text: "Copy as curl", action: () => copy(`curl -s '${location.origin}${api.address(`/runs/${run.id}`)}'`, "The command") },
      run.job === null ? false
        : { text: "Edit and submit", action: () => (location.hash = link("submit", null, { from: run.id })) },
      { text: "Tag…", action: () => tagRuns([run]) },
      { text: "Delete…", danger: true, action: () => remove([run]) },
    ]);
  }

  function setBase(run) {
    choose({ base: run === base ? "" : run.id.slice(0, 12) });
  }

  function pin(run) {
    choose({ pins: toggled(state.view.pins, run.id) });
  }

  function rowKey(event, run) {
    const runs = selected.size ? selectedRuns() : [run];
    const action = {
      e: () => toggle(run.id, false), b: () => setBase(run), p: () => pin(run), t: () => tagRuns(runs),
      h: () => choose({ hide: toggled(state.view.hide, run.id, true) }), Delete: () => remove(runs), Escape: clear,
    }[event.key];
    action?.();
    return Boolean(action);
  }

  // --- which runs are drawn

  /** Draws a run or not; with `only`, nothing else. */
  function toggle(id, only) {
    const shown = new Set(only ? [id] : drawn);
    if (!only && drawn.has(id)) shown.delete(id);
    else shown.add(id);
    choose({ show: shown });
  }

  function nameColumn() {
    const mark = (run) => (run === base ? "baseline" : holds(state.view.pins, run.id) ? "pinned" : "");
    return {
      id: "name", title: "run", header: true, class: "name", pinned: true, value: (run) => run.name,
      print: (run) => {
        const step = stateOf(run) === "running" ? jobOf(run)?.progress?.step : stateOf(run);
        return [run.name, drawn.has(run.id), step, colourOf(run.id), mark(run)].join("\n");
      },
      render: (run) => {
        const eye = h("button", { type: "button", class: `eye c${colourOf(run.id)}`, tabindex: "-1",
          "aria-pressed": String(drawn.has(run.id)), "aria-label": `Draw ${run.name}`,
          title: "Draw this run (Alt: only this one)", click: (event) => toggle(run.id, event.altKey) });
        const job = jobOf(run);
        const bar = job && ["running", "paused"].includes(job.state) ? progressBar() : null;
        bar?.show(job);
        const more = h("button", { type: "button", class: "more", tabindex: "-1", "aria-haspopup": "menu",
          "aria-label": `More about ${run.name}`, click: () => rowMenu(run, more) }, "⋮");
        return h("div", {}, eye, h("a", { href: link("runs", run.id), title: run.name, tabindex: "-1" }, run.name),
          mark(run) && h("span", { class: "label" }, mark(run)), more, bar?.element);
      },
    };
  }

  // --- life

  const keys = (event) => {
    if (event.target.closest("input, textarea, select, dialog, .menu") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") search.focus();
    else if (event.key === "j" || event.key === "k") {
      grid.table.focus({ preventScroll: true });
      grid.go(event.key === "j" ? 1 : -1);
    } else return;
    event.preventDefault();
  };
  document.addEventListener("keydown", keys);
  const stops = [
    ...["runs", "jobs", "link", "theme"].map((topic) => listen(topic, soon)),
    listen("reset", () => answer && query()),
    listen("view", (changed) => {
      if (changed.includes("filter")) followFilter();
      show();
    }),
    listen("pointed-at-run", (id) => grid.light(id)),
  ];
  followFilter();
  show();
  return () => {
    document.removeEventListener("keydown", keys);
    clearTimeout(waiting);
    query.stop();
    abort?.abort();
    sparks.fetch.stop();
    for (const stop of stops) stop();
    grid.destroy();
    board.destroy();
  };
}

function newestFirst(runs) {
  return runs.map((run) => [beginning(run), run])
    .sort(([a, x], [b, y]) => (a === b ? (y.job ?? 0) - (x.job ?? 0) : a < b ? 1 : -1)).map(([, run]) => run);
}

function fillExperiments(select, runs) {
  const names = [...new Set([...runs].map((run) => run.experiment))].sort();
  const print = names.join("\n");
  select.hidden = names.length < 2;
  if (select.dataset.print === print) return;
  select.dataset.print = print;
  put(select, h("option", { value: "" }, "All experiments"), names.map((name) => h("option", {}, name)));
  [...select.options].slice(1).forEach((option, i) => (option.value = names[i]));
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
    keep("split", fitted);
  };
  const kept = Number(recall("split", 0));
  if (kept > 0) set(kept);
  bar.addEventListener("pointerdown", (event) => bar.setPointerCapture(event.pointerId));
  bar.addEventListener("pointermove", (event) => {
    if (bar.hasPointerCapture(event.pointerId)) set(event.clientX - panel.getBoundingClientRect().left);
  });
  bar.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -24, ArrowRight: 24 }[event.key];
    if (by) set(panel.offsetWidth + by);
  });
  return bar;
}
