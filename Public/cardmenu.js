// What a card offers beside its curves: choices of its own, pictures and data to take away, and the run under the pointer.

import * as api from "./api.js";
import { cell, csv, curl, curvePath, png, svg } from "./figure.js";
import * as format from "./format.js";
import { openMenu, toast } from "./menu.js";
import { choose, link, state, toggled } from "./store.js";

export function openCardMenu(board, chart, anchor, hit) {
	const { look } = chart;
	const own = (name, text) => ({ text, checked: look[name], action: () => board.own(chart, { [name]: !look[name] }) });
	const top = topOf(state.view);
	const isTop = top.includes(chart.key);
	const file = (kind) => `${chart.title.replace(/[^\w.=-]+/g, "_")}.${kind}`;
	openMenu(anchor, `Chart ${chart.title}`, [
		...(hit ? runItems(chart, hit) : []),
		own("log", "Logarithmic y axis"), own("logx", "Logarithmic x axis"), own("outliers", "Ignore outliers"),
		...[0, 0.6, 0.9, 0.99].map((smooth) => ({ text: smooth ? `Smoothing ${smooth}` : "No smoothing",
			checked: look.smooth === smooth, action: () => board.own(chart, { smooth }) })),
		look.own && { text: "As the other charts", action: () => board.own(chart, Object.fromEntries(
			["log", "logx", "outliers", "smooth"].map((name) => [name, state.view[name]]))) },
		null,
		{ text: isTop ? "Unpin from the top" : "Pin to the top", action: () => {
			const keys = isTop ? top.filter((key) => key !== chart.key) : [...top, chart.key];
			choose({ top: keys.length ? JSON.stringify(keys) : "" });
		} },
		{ text: chart.isBig ? "Leave the full window" : "Full window", action: () => chart.toggleBig() },
		null,
		{ text: "Copy as PNG", action: () => copyPicture(chart) },
		{ text: "Save PNG", action: async () => save(await png(chart), file("png")) },
		{ text: "Save SVG", action: () => save(new Blob([svg(chart)], { type: "image/svg+xml" }), file("svg")) },
		{ text: "Save CSV of what is shown", action: () => save(new Blob([csv(chart)], { type: "text/csv" }), file("csv")) },
		{ text: "Save CSV of all points", action: () => saveAll(chart, file("csv")) },
		{ text: "Copy curl line", action: () => copy(curl(chart), "The curl line is copied.") },
	]);
}

function runItems(chart, { line, raw, x }) {
	if (line.members) return [];
	const base = Boolean(state.view.base) && line.id.startsWith(state.view.base);
	const name = format.visible(line.name);
	return [
		{ text: `Open ${name}`, action: () => (location.hash = link("runs", line.id)) },
		{ text: `Copy ${format.value(raw, 6)} at ${chart.xText(x)}`, action: () => copy(String(raw), "The value is copied.") },
		{ text: "Show this run alone", action: () => choose({ show: new Set([line.id]) }) },
		{ text: "Hide this run", action: () => choose({ hide: toggled(state.view.hide, line.id, true) }) },
		{ text: "Pinned run", checked: line.pinned, action: () => choose({ pins: toggled(state.view.pins, line.id) }) },
		{ text: "Baseline run", checked: base, action: () => choose({ base: base ? "" : line.id.slice(0, 12) }) },
		null,
	];
}

export function topOf(view) {
	try {
		const keys = JSON.parse(view.top || "[]");
		return Array.isArray(keys) ? keys : [];
	} catch {
		return [];
	}
}

export async function copy(text, said) {
	try {
		await navigator.clipboard.writeText(text);
		toast(said);
	} catch {
		toast("The browser does not allow copying here.", { bad: true });
	}
}

async function copyPicture(chart) {
	try {
		await navigator.clipboard.write([new ClipboardItem({ "image/png": png(chart) })]);
		toast("The picture is copied.");
	} catch {
		toast("The browser does not allow copying pictures here; save it instead.", { bad: true });
	}
}

export function save(blob, name) {
	const anchor = document.createElement("a");
	anchor.href = URL.createObjectURL(blob);
	anchor.download = name;
	anchor.click();
	setTimeout(() => URL.revokeObjectURL(anchor.href), 60000);
}

async function saveAll(chart, name) {
	const parts = ["run,name,step,timestamp,value\r\n"];
	try {
		for (const line of chart.lines) {
			const { steps, timestamps, values } = await api.get(curvePath(line.id, chart.key, { max_points: 0 }));
			const head = `${line.id},${cell(line.name)},`;
			parts.push(steps.map((step, i) => `${head}${step},${timestamps[i]},${values[i]}\r\n`).join(""));
		}
		save(new Blob(parts, { type: "text/csv" }), name);
	} catch (error) {
		toast(`The points could not be read: ${error.message}`, { bad: true });
	}
}
