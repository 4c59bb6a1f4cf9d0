// The menu of a card: choices, pictures and data to save, the run under the pointer.

import { runItems } from "./actions.js";
import * as api from "./api.js";
import { openAxes, openGroups } from "./controls.js";
import { csv, curl, curvesPath, png, svg } from "./figure.js";
import * as format from "./format.js";
import { fromJSON, OWN, toJSON } from "./look.js";
import { openMenu, toast } from "./menu.js";
import { fail } from "./parts.js";
import { choose, go, state } from "./store.js";

export function openCardMenu(board, chart, anchor, hit) {
	const { look, key, title } = chart;
	const own = (name, text) => ({ text, checked: look[name], action: () => board.own(chart, { [name]: !look[name] }) });
	const top = fromJSON(state.view.top, []);
	const isTop = top.includes(key);
	const charts = board.chartsOf(chart.element.parentElement.children);
	const [place, last] = [charts.indexOf(chart), charts.length - 1];
	const file = (text, kind, make) => ({ text,
		action: () => Promise.resolve(make(chart)).then((made) => save(made, `${title.replace(/[^\w.=-]+/g, "_")}.${kind}`)).catch(fail) });
	openMenu(anchor, `Chart ${title}`, [
		...(hit && !hit.line.members ? [{ text: `Copy ${format.value(hit.raw, 6)} at ${chart.xText(hit.x)}`,
			action: () => copy(String(hit.raw), "The value is copied.") },
		...runItems(state.runs.get(hit.line.id), new Set(board.runs.map(({ id }) => id))), null] : []),
		own("log", "Logarithmic y axis"), own("logx", "Logarithmic x axis"), own("outliers", "Ignore outliers"),
		...[0, 0.6, 0.9, 0.99].map((smooth) => ({ text: smooth ? `Smoothing ${smooth}` : "No smoothing",
			checked: look.smooth === smooth, action: () => board.own(chart, { smooth }) })),
		{ text: "Horizontal axis…", action: () => openAxes(board, anchor, chart) }, { text: "Group…", action: () => openGroups(board, anchor, chart) },
		look.own && { text: "As the other charts", action: () => board.own(chart, Object.fromEntries(OWN.map((name) => [name, state.view[name]]))) },
		null,
		{ text: isTop ? "Unpin from the top" : "Pin to the top",
			action: () => choose({ top: toJSON(isTop ? top.filter((other) => other !== key) : [...top, key]) }) },
		{ text: "Move back", disabled: place === 0, action: () => board.move(chart, place - 1) },
		{ text: "Move on", disabled: place === last, action: () => board.move(chart, place + 1) },
		{ text: chart.isBig ? "Leave the full window" : "Full window", action: () => chart.toggleBig() },
		chart.lines.length > 1 && { text: "Compare the runs of this chart",
			action: () => go("compare", null, { pick: new Set(chart.lines.map(({ id }) => id)) }) },
		null,
		...(chart.at ? [{ text: "Copy as PNG", action: () => copy(png(chart), "The picture is copied.", "image/png") },
			file("Save PNG", "png", png), file("Save SVG", "svg", svg), file("Save CSV of what is shown", "csv", csv)] : []),
		file("Save CSV of all points", "csv", (chart) => api.raw(curvesPath(chart, 0, { format: "csv" })).then((answer) => answer.blob())),
		{ text: "Copy curl line", action: () => copy(curl(chart), "The curl line is copied.") },
	]);
}

async function copy(content, said, kind) {
	try {
		const { clipboard } = navigator;
		await (kind ? clipboard.write([new ClipboardItem({ [kind]: content })]) : clipboard.writeText(content));
		toast(said);
	} catch {
		toast("The browser does not allow copying here.", { bad: true });
	}
}

export function save(content, name) {
	const anchor = document.createElement("a");
	anchor.href = URL.createObjectURL(new Blob([content]));
	anchor.download = name;
	anchor.click();
	setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}
