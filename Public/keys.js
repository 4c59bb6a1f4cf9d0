// What keys do outside of fields, and the palette that finds runs, curves and commands.

import { h, on, put } from "./dom.js";
import { axesOf, chooseAxis, openGroups } from "./controls.js";
import { isBase, TIPS } from "./look.js";
import { ask } from "./menu.js";
import { toggleTheme } from "./palette.js";
import { choose, go, redo, state, undo } from "./store.js";

const KEYS = {
	l: ["Logarithmic y axis", () => choose({ log: !state.view.log })],
	X: ["Logarithmic x axis", () => choose({ logx: !state.view.logx })],
	x: ["Next x axis", (board) => next("axis", axesOf(board), chooseAxis)],
	s: ["Less smoothing", () => smooth(-1)],
	S: ["More smoothing", () => smooth(1)],
	o: ["Ignore outliers", () => choose({ outliers: !state.view.outliers })],
	g: ["Group runs", (board) => openGroups(board, board.controls.group)],
	f: ["Full window", (board) => chartOf(board)?.toggleBig()],
	0: ["Show all", (board) => chartOf(board) && board.fit(chartOf(board))],
	b: ["The lit run as baseline", (board) => baseline(board)],
	t: ["Order of the tooltip", () => next("tip", Object.keys(TIPS), (tip) => choose({ tip }))],
	" ": ["Pause live points", (board) => board.toggleFrozen()],
	"/": ["Find", (board) => board.controls.charts.focus()],
	"?": ["These keys", () => help()],
};

const ON_A_CHART = [["Arrow keys", "read values, move the pin"], ["Enter, p", "set a pin"], ["+ −", "zoom"],
	["Backspace, Alt+←", "zoom back"], ["Drag", "zoom box"], ["Shift + drag", "move"], ["Ctrl + wheel", "zoom"],
	["Double click", "show all"], ["Alt + click", "this run alone"], ["Esc", "take pins away, leave full window"]];
const LEVELS = [0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999];

function smooth(by) {
	const { smooth: now } = state.view;
	choose({ smooth: (by > 0 ? LEVELS.find((v) => v > now) : LEVELS.findLast((v) => v < now)) ?? now });
}

function next(name, values, take) {
	take(values[(values.indexOf(state.view[name]) + 1) % values.length]);
}

function chartOf(board) {
	const charts = board.charts().filter((chart) => chart.visible);
	return charts.find((chart) => chart.isBig) ?? charts.find((chart) => chart.element.matches(":hover, :focus-within")) ?? charts[0];
}

function baseline(board) {
	const id = chartOf(board)?.lighted?.line.id ?? board.chosen ?? "";
	choose({ base: isBase(state.view, id) ? "" : id.slice(0, 12) });
}

export function followKeys(board) {
	return on(document, "keydown", (event) => {
		if (event.defaultPrevented) return;
		const typing = event.target.closest?.("input:not([type=range]), textarea, select, dialog, .menu");
		const pressed = event.target.closest?.("button, summary, a") && event.key === " ";
		const chart = chartOf(board);
		if ((event.ctrlKey || event.metaKey) && !event.altKey) {
			const key = event.key.toLowerCase();
			if (key === "k") palette(board);
			else if (typing || (key !== "z" && key !== "y")) return;
			else (key === "z" && !event.shiftKey ? undo : redo)();
		} else if (typing || event.altKey) return;
		else if (chart?.isBig && /^Arrow(Left|Right)$/.test(event.key)) board.turn(chart, event.key === "ArrowLeft" ? -1 : 1);
		else if (event.key === "Escape" && chart) chart.isBig ? chart.toggleBig() : board.clear(chart);
		else if (KEYS[event.key] && !pressed) KEYS[event.key][1](board);
		else return;
		event.preventDefault();
	});
}

function help() {
	const rows = [...Object.entries(KEYS).map(([key, [text]]) => [key === " " ? "Space" : key, text]),
		["Ctrl+K", "Find runs, curves, commands"], ["Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"], ...ON_A_CHART];
	ask({ title: "Keys", yes: "Close", no: null, content: h("table.facts-table", h("tbody",
		rows.map(([key, text]) => h("tr", h("th", { scope: "row" }, h("kbd", key)), h("td", text))))) });
}

function palette(board) {
	const all = [
		...Object.entries(KEYS).filter(([key]) => key !== "/").map(([, [text, run]]) => ["command", text, () => run(board)]),
		["command", "Light or dark", toggleTheme], ["command", "Undo", undo],
		...board.charts().map((chart) => ["curve", chart.title, () => {
			chart.element.closest("details").open = true;
			chart.element.scrollIntoView({ block: "center" });
			chart.overlay.focus({ preventScroll: true });
		}]),
		...[...state.runs.values()].map((run) => ["run", run.name, () => go("runs", run.id)]),
	];
	const list = h("ol", { role: "listbox", id: "found" });
	let found = [];
	let at = 0;
	const show = () => {
		const words = input.value.toLowerCase().split(/\s+/);
		found = all.filter(([kind, text]) => words.every((word) => `${kind} ${text}`.toLowerCase().includes(word))).slice(0, 12);
		put(list, found.map(([kind, text], i) => h("li", { role: "option", id: `found-${i}`, "aria-selected": String(i === at),
			click: () => take(i) }, h("span", text), h("small", kind))), !found.length && h("li", "Nothing has these words"));
		input.setAttribute("aria-activedescendant", found.length ? `found-${at}` : "");
	};
	const take = (i) => {
		box.close();
		found[i]?.[2]();
	};
	const input = h("input", { type: "search", role: "combobox", label: "Find runs, curves and commands", "aria-controls": "found",
		"aria-expanded": "true", placeholder: "Run, curve or command", input: () => {
			at = 0;
			show();
		}, keydown: (event) => {
			const by = { ArrowDown: 1, ArrowUp: -1, Enter: 0 }[event.key];
			if (by === undefined) return;
			event.preventDefault();
			if (!by) return take(at);
			at = (at + by + found.length) % (found.length || 1);
			show();
		} });
	const box = h("dialog.ask.finder", { label: "Find", close: () => box.remove(),
		click: (event) => event.target === box && box.close() }, input, list);
	document.body.append(box);
	box.showModal();
	show();
}
