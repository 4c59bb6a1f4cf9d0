// All runs: the table, and beside it the curves of the chosen ones.

import { deleteRuns, runActions, runItems, tagRuns } from "../actions.js";
import * as api from "../api.js";
import { Board } from "../board.js";
import { save } from "../cardmenu.js";
import { arrange, csv, inventory, layout, layoutText, possible, sorted } from "../columns.js";
import { button, empty, fill, h, on, put, settled, setText } from "../dom.js";
import { filter, isQuery, isWhole } from "../filter.js";
import * as format from "../format.js";
import { Grid } from "../grid.js";
import { LOOK } from "../look.js";
import { openMenu } from "../menu.js";
import { fail, present, progressBar } from "../parts.js";
import { beginning, choose, colourOf, go, holds, jobOf, link, listen, state, takeRun, tell } from "../store.js";

const [SHOWN_AT_FIRST, PINNED_AT_MOST] = [8, 5];

export function mount(root) {
	const selected = new Set();
	let [listed, rows] = [[], []]; // the runs that pass the filter; the same in the table's order
	let [columns, every] = [[], new Map()]; // those that are shown; all that are possible
	let drawn = new Set();
	let anchor = null; // where a selection with Shift starts
	let base = null;

	const openRow = (run, at) => openMenu(at, run.name, runItems(run, drawn));
	const search = h("input", { type: "search", class: "grow", label: "Filter runs",
		placeholder: "Filter: words, lr < 0.01, experiment = digits", "aria-describedby": "filter-error",
		input: () => choose({ filter: search.value }), keydown: (e) => e.key === "Escape" && choose({ filter: "" }) });
	const wrong = h("p", { id: "filter-error", class: "message", role: "alert", hidden: true });
	const same = button("toggle", "differing", () => choose({ all: !state.view.all }), { title: "Only what differs" });
	const chooser = button("toggle", "Columns", () => openMenu(chooser, "Columns", chooserItems()), { "aria-haspopup": "menu" });
	const bulk = h("div.bulk", { role: "toolbar", label: "Selected runs", hidden: true });
	const summary = h("p.summary", { role: "status" });
	const hiddenRuns = button("mini", "", () => choose({ hide: null, pick: null }), { hidden: true });
	const grid = new Grid({ label: "Runs", key: (run) => run.id, chosen: (run) => selected.has(run.id),
		look: (run) => [drawn.has(run.id) && "shown", run === base && "base"].filter(Boolean).join(" "),
		on: { move, select, columnMenu, key: rowKey, rowMenu: openRow,
			sort: (list) => choose({ sort: list.join("~") }),
			resize: (id, width) => change((l) => (l.width[id] = width)),
			open: (run) => go("runs", run.id),
			point: (run) => tell("point-at-run", run && drawn.has(run.id) ? run.id : null) } });
	const board = new Board("Choose a run, or wait for its first step.");
	const list = h("section.panel", { label: "Runs" },
		h("div.controls", search, same, chooser,
			button("toggle", "CSV", () => saveCSV(rows))),
		wrong, bulk, grid.element, h("div.foot", summary, hiddenRuns));
	const page = h("div.split", list, board.element);
	const nothing = empty("No runs yet", "Submit a job here, or from a terminal:",
		h("p", h("a.button", { href: link("submit") }, "New job")),
		h("pre", `cairn submit job.json --server ${location.origin}`));

	let [inventoried, found, waiting] = ["", null, 0];
	let pace = 250; // milliseconds between two rounds, more when one takes long

	function soon() {
		waiting ||= setTimeout(() => {
			waiting = 0;
			show();
		}, root.firstChild === page ? pace : 0);
	}

	function show() {
		const began = performance.now();
		const { view, shape } = state;
		if (!present(root, page, !state.runs.size && nothing)) return;
		const hidden = pick();
		base = (view.base && listed.find((run) => run.id.startsWith(view.base))) || null;
		const newest = newestFirst(listed);
		const chosen = view.show ? newest.filter((run) => holds(view.show, run.id)) : newest.slice(0, SHOWN_AT_FIRST);
		drawn = new Set(chosen.map((run) => run.id));
		for (const run of chosen.toReversed()) colourOf(run.id, [...drawn]);
		const print = `${shape} ${listed.length} ${view.filter}`;
		if (print !== inventoried) found = inventory(listed);
		inventoried = print;
		for (const id of selected) if (!state.runs.has(id)) selected.delete(id);
		setColumns();
		const order = sorted(newest, every, sorting());
		const top = order.filter((run) => run === base || holds(view.pins, run.id)).slice(0, PINNED_AT_MOST);
		rows = [...top, ...order.filter((run) => !top.includes(run))];
		grid.setRows(rows.slice(top.length), top);
		showBulk();
		board.setRuns(chosen);
		same.ariaPressed = !view.all;
		hiddenRuns.hidden = !hidden;
		setText(hiddenRuns, `Show ${format.count(hidden)} hidden`);
		const total = state.runs.size - hidden;
		setText(summary, [(listed.length === total ? "" : `${format.count(listed.length)} of `) + format.plural(total, "run"), `${chosen.length} drawn`,
			state.loading && "reading more…"].filter(Boolean).join(", "));
		pace = Math.max(250, 12 * (performance.now() - began));
	}
	function pick() {
		const { filter: text, hide, pick } = state.view;
		const passes = !isQuery(text) ? filter(text) : answer ? (run) => answer.has(run.id) : () => true;
		const passed = [...state.runs.values()].filter(passes);
		listed = passed.filter((run) => !holds(hide, run.id) && (!pick || holds(pick, run.id)));
		return passed.length - listed.length;
	}

	function setColumns() {
		const natural = possible(listed, found, state.view.all, base);
		const mine = layout();
		const name = { id: "name", title: "run", header: true, class: "name", pinned: true, width: mine.width.name ?? 160, elastic: !mine.width.name,
			value: (run) => run.name, cell: nameCell };
		every = new Map([name, ...natural].map((column) => [column.id, column]));
		columns = [selectColumn(), name, ...arrange(natural, mine)];
		grid.setColumns(columns, sorting());
	}

	const sorting = () => state.view.sort.split("~").filter(Boolean);

	function change(edit) {
		const changed = layout();
		edit(changed);
		choose({ columns: layoutText(changed) });
	}
	function move(id, before) {
		const ids = columns.map((column) => column.id).filter((other) => other !== id);
		if (id === "name") return;
		ids.splice(before === null ? ids.length : Math.max(2, ids.indexOf(before)), 0, id);
		change((l) => (l.order = ids.slice(2)));
	}

	function showColumn(id, on) {
		change((l) => {
			for (const name of ["on", "off"]) l[name] = l[name].filter((other) => other !== id);
			if (on !== every.get(id).usual) l[on ? "on" : "off"].push(id);
		});
	}

	function chooserItems() {
		const isShown = (id) => columns.some((column) => column.id === id);
		return [{ text: "Back to the usual columns", action: () => choose({ columns: layoutText({}) }) }, null,
			...[...every.keys()].filter((id) => id !== "name").map((id) =>
				({ text: id, checked: isShown(id), stay: true, action: () => showColumn(id, !isShown(id)) }))];
	}

	function saveCSV(runs) {
		save(csv(runs, [{ id: "run_id", value: (run) => run.id }, ...columns]), "runs.csv");
	}

	let answer = null; // the ids that the server found; null while it has not answered
	let abort = null;
	const query = settled(350, async () => {
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
		search.ariaInvalid = text !== "";
	}

	function followFilter() {
		const { filter: text } = state.view;
		if (search.value !== text) search.value = text;
		query.stop();
		abort?.abort();
		complain("");
		if (!isQuery(text)) answer = null;
		else if (isWhole(text)) query();
	}

	function select(ids, on) {
		for (const id of ids) selected[on ? "add" : "delete"](id);
		anchor = ids.at(-1);
		show();
	}

	function tick(run, event) {
		const [from, to] = [rows.findIndex((row) => row.id === anchor), rows.indexOf(run)];
		const range = event.shiftKey && from >= 0 ? rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [run];
		select(range.map((row) => row.id), !selected.has(run.id));
		anchor = run.id;
	}

	const selectedRuns = () => [...selected].map((id) => state.runs.get(id)).filter(Boolean);

	function selectColumn() {
		const all = rows.length > 0 && rows.every((run) => selected.has(run.id));
		const box = (on, label, action, tabindex) => button("tick", "", action, { role: "checkbox", tabindex, "aria-checked": String(on), label });
		return { id: "select", title: "select", width: 34, pinned: true, class: "pick", mark: String(all),
			head: box(all, "Select all listed runs", () => select(rows.map((run) => run.id), !all)),
			cell: (now) => {
				const mark = box(false, "", (event) => tick(now(), event), -1);
				return [mark, (run) => fill(mark, { "aria-checked": String(selected.has(run.id)), label: `Select ${run.name}` })];
			} };
	}

	function showBulk() {
		bulk.hidden = !selected.size;
		if (bulk.dataset.count === String(selected.size)) return;
		bulk.dataset.count = selected.size;
		const actions = {
			Draw: () => choose({ show: new Set(selected) }),
			Compare: () => go("compare", null, { pick: new Set(selected) }),
			Ensemble: together,
			Hide: () => choose({ hide: new Set([...(state.view.hide ?? []), ...selected]) }),
			Tag: () => tagRuns(selectedRuns()),
			CSV: () => saveCSV(rows.filter((run) => selected.has(run.id))),
			Delete: () => deleteRuns(selectedRuns()),
			Clear: () => select([...selected], false),
		};
		put(bulk, h("strong", `${format.count(selected.size)} selected`), Object.entries(actions)
			.map(([text, action]) => button(text === "Delete" ? "mini danger" : "mini", text, action)));
	}

	const together = () => api.post("/ensembles", { members: [...selected].map((id) => ({ run_id: id, checkpoint: "latest" })) })
		.then(() => go("ensembles"), fail);

	function columnMenu(id, at) {
		const now = columns.find((c) => c.id === id);
		const shown = columns.slice(2).map((c) => c.id);
		const i = shown.indexOf(id);
		const down = `-${id}`;
		const others = sorting().filter((s) => s.replace(/^-/, "") !== id);
		const values = id.startsWith("params.") ? [...Map.groupBy(listed, now.value)].sort(([, a], [, b]) => b.length - a.length).slice(0, 8) : [];
		const width = (by) => change((l) => (l.width[id] = Math.max(48, now.width + by)));
		openMenu(at, `Column ${now.title}`, [
			{ text: "Sort ascending", action: () => choose({ sort: id }) },
			{ text: "Sort descending", action: () => choose({ sort: down }) },
			{ text: "Sort also by this", action: () => choose({ sort: [...others, now.numeric ? down : id].join("~") }) },
			null,
			{ text: "Wider", action: () => width(32) }, { text: "Narrower", action: () => width(-32) },
			...(i < 0 ? [] : [
				{ text: "Move left", disabled: i === 0, action: () => move(id, shown[i - 1]) },
				{ text: "Move right", disabled: i === shown.length - 1, action: () => move(id, shown[i + 2] ?? null) },
				{ text: "Pin to the left", checked: now.pinned,
					action: () => change((l) => l.pin = now.pinned ? l.pin.filter((p) => p !== id) : [...l.pin, id]) },
				{ text: "Hide", action: () => showColumn(id, false) }]),
			values.length > 0 && null,
			...values.map(([value, runs]) => value !== undefined && { text: `Only ${value} (${runs.length})`, action: () => choose({ filter: `${id.slice(7)}="${value}"` }) }),
		]);
	}
	function rowKey({ key }, run) {
		const many = { t: () => tagRuns(selectedRuns()), Delete: () => deleteRuns(selectedRuns()),
			Escape: () => select([...selected], false) };
		const action = (selected.size && many[key]) || runActions(run, drawn).find(([k]) => k === key)?.[2];
		action?.();
		return Boolean(action);
	}
	const mark = (run) => run === base ? "baseline" : holds(state.view.pins, run.id) ? "pinned" : "";

	function nameCell(now) {
		const eye = button("", "", (event) => rowKey({ key: event.altKey ? "o" : "e" }, now()), { tabindex: -1, title: "Draw (Alt: alone)" });
		const name = h("a", { tabindex: -1 });
		const label = h("span.label");
		const more = button("more", "⋮", () => openRow(now(), more), { tabindex: -1, "aria-haspopup": "menu" });
		const bar = progressBar();
		return [h("div", eye, name, label, more, bar.element), (run) => {
			const job = jobOf(run);
			fill(eye, { class: `eye c${colourOf(run.id)}`, "aria-pressed": String(drawn.has(run.id)), label: `Draw ${run.name}` });
			fill(name, { href: link("runs", run.id), title: run.name });
			setText(name, run.name);
			setText(label, mark(run));
			fill(more, { label: `More about ${run.name}` });
			const at = ["running", "paused"].includes(job?.state);
			if (bar.element.hidden === at) bar.element.hidden = !at;
			if (at) bar.show(job);
		}];
	}

	const stop = on(document, "keydown", (event) => {
		if (event.target.closest("input, textarea, select, dialog, .menu, .board") || event.ctrlKey || event.metaKey || event.altKey) return;
		if (event.key === "/") search.focus();
		else if (event.key === "j" || event.key === "k") {
			grid.table.focus({ preventScroll: true });
			grid.go(event.key === "j" ? 1 : -1);
		} else return;
		event.preventDefault();
		event.stopImmediatePropagation();
	}, true);
	followFilter();
	show();
	return [
		...["runs", "jobs", "link", "theme"].map((topic) => listen(topic, soon)),
		listen("sparks", () => grid.later()), listen("reset", () => answer && query()),
		listen("view", (changed) => {
			if (changed.includes("filter")) followFilter();
			if (changed.some((name) => name === "base" || !(name in LOOK))) show();
		}),
		listen("pointed-at-run", (id) => grid.light(id)), query.stop, stop,
		() => {
			clearTimeout(waiting);
			abort?.abort();
			grid.destroy();
			board.destroy();
		},
	];
}

const newestFirst = (runs) => runs.map((run) => [beginning(run), run])
	.sort(([a, x], [b, y]) => a === b ? (y.job ?? 0) - (x.job ?? 0) : a < b ? 1 : -1).map(([, run]) => run);
