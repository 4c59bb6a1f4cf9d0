// The bar over the charts: how all of them are looked at.

import { button, h, put, setText } from "./dom.js";
import * as format from "./format.js";
import { BANDS, cardsOf, STATS, tail, TIPS, withCard } from "./look.js";
import { openMenu } from "./menu.js";
import { choose, redo, state, undo } from "./store.js";

const AXES = { step: "Step", epoch: "Epoch", examples: "Examples", relative: "Time since start", process: "Time at work", time: "Time of day" };

export function controls(board) {
	const slider = h("input", { type: "range", min: 0, max: 0.999, step: 0.001, label: "Smoothing",
		title: "Moving average by distance in steps; the raw curve stays behind it",
		input: () => choose({ smooth: Number(slider.value) }) });
	const number = h("input", { type: "number", min: 0, max: 0.999, step: 0.01, label: "Smoothing as a number",
		change: () => choose({ smooth: (number.value = Math.min(0.999, Math.max(0, Number(number.value) || 0))) }) });
	const axis = h("select", { label: "Horizontal axis", change: () => chooseAxis(axis.value) });
	const toggle = (name, text, title) => [name, button("toggle", text, () => choose({ [name]: !state.view[name] }), { title })];
	const toggles = [
		toggle("logx", "log x", "Logarithmic x axis in every chart (X)"),
		toggle("log", "log y", "Logarithmic y axis in every chart (l)"),
		toggle("outliers", "no outliers", "Leave the highest and lowest twentieth out of the range of y (o)"),
	];
	const group = button("toggle", "group", () => openGroups(board, group), { "aria-haspopup": "menu",
		title: "Draw runs that agree in some parameters as one line (g)" });
	const view = button("toggle", "view", () => openView(board, view), { "aria-haspopup": "menu", title: "More choices" });
	const back = button("icon", "↶", undo, { label: "Undo", title: "Undo (Ctrl+Z)" });
	const again = button("icon", "↷", redo, { label: "Redo", title: "Redo (Ctrl+Shift+Z)" });
	const frozen = button("toggle", "", () => board.toggleFrozen(), { title: "Live points wait while this is on (Space)" });
	const charts = h("input", { type: "search", placeholder: "Find a curve", label: "Find a curve",
		title: "Words or a regular expression", input: () => choose({ charts: charts.value }) });
	const show = () => {
		const { view: chosen } = state;
		slider.value = chosen.smooth;
		if (document.activeElement !== number) number.value = chosen.smooth;
		fillAxes(board, axis);
		for (const [name, element] of toggles) element.ariaPressed = chosen[name];
		setText(group, chosen.group ? `group: ${chosen.group.split(",").map(tail).join(", ")}` : "group");
		group.ariaPressed = chosen.group !== "";
		frozen.ariaPressed = board.held !== null;
		setText(frozen, board.held ? `paused +${format.count(board.held.length)} points` : "pause");
		frozen.hidden = !board.held && !board.runs.some((run) => run.status === "RUNNING");
		back.disabled = !history.state?.depth;
		again.disabled = window.navigation?.canGoForward === false;
		if (charts.value !== chosen.charts) charts.value = chosen.charts;
	};
	return {
		show, group, charts,
		element: h("div.controls", charts,
			h("label.smooth", h("span", "Smoothing"), slider, number),
			h("div.controls", axis, toggles.map(([, element]) => element), group, view, frozen, h("span.pair", back, again))),
	};
}

export function chooseAxis(axis) {
	// A range and pins are in units of the axis.
	const cards = Object.keys(cardsOf(state.view)).reduce((cards, key) => withCard({ cards }, key, { x: null }), state.view.cards);
	choose({ axis, x: "", pin: "", cards });
}

export const axesOf = (board) => Object.keys(AXES).filter((axis) => axis === "epoch" ? board.runs.some((run) => run.metrics.has("epoch"))
	: axis !== "examples" || board.runs.some((run) => Number(run.params["train.batch_size"]) > 0));

function fillAxes(board, select) {
	const axes = axesOf(board);
	const keys = [...board.keys()].filter((key) => !/\/\d+$/.test(key)).sort();
	const print = [...axes, ...keys].join("\n");
	if (select.dataset.print !== print) {
		select.dataset.print = print;
		const option = (value, text) => Object.assign(h("option", text), { value }); // hostile keys stay what they are
		put(select, axes.map((axis) => option(axis, AXES[axis])),
			keys.length > 0 && h("optgroup", { label: "A metric" }, keys.map((key) => option(`metric:${key}`, key))));
	}
	select.value = state.view.axis;
}

function differing(board) {
	const keys = new Set(board.runs.flatMap((run) => Object.keys(run.params)));
	return [...keys].filter((key) => key !== "name" && new Set(board.runs.map((run) => run.params[key])).size > 1).sort();
}

/** Offers params to group by: in all charts, or in one. */
export function openGroups(board, anchor, chart = null) {
	const take = (group) => chart ? board.own(chart, { group }) : choose({ group });
	const chosen = (chart?.look ?? state.view).group.split(",").filter(Boolean);
	const items = [...new Set([...chosen, ...differing(board)])].map((key) => ({ text: key, checked: chosen.includes(key),
		action: () => take([...new Set(chosen).symmetricDifference(new Set([key]))].join(",")) }));
	openMenu(anchor, "Group by", [
		chosen.length > 0 && { text: "No groups", action: () => take("") },
		...(items.length ? items : [{ text: "The shown runs differ in no parameter", disabled: true }]),
		...(chart ? [] : [null, ...choices("stat", STATS), null, ...choices("band", BANDS)])]);
}

export function openAxes(board, anchor, chart) {
	openMenu(anchor, "Horizontal axis", axesOf(board).map((axis) => ({ text: AXES[axis], checked: chart.look.axis === axis,
		action: () => board.own(chart, { axis }) })));
}

function openView(board, anchor) {
	const facets = differing(board).slice(0, 12);
	openMenu(anchor, "How charts are shown", [
		{ text: "One range of x for all charts", checked: state.view.linked, action: () => choose({ linked: !state.view.linked }) },
		null, ...choices("tip", TIPS), null,
		...choices("across", { "": "As many charts in a row as fit", ...Object.fromEntries([1, 2, 3, 4].map((n) => [n, `${n} in a row`])) }),
		facets.length > 0 && null,
		...(facets.length ? choices("facet", { "": "One chart a curve", ...Object.fromEntries(facets.map((key) => [key, `One chart for each ${tail(key)}`])) }) : []),
	]);
}

const choices = (name, texts) => Object.entries(texts).map(([value, text]) => ({ text, checked: state.view[name] === value, action: () => choose({ [name]: value }) }));
