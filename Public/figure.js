// A chart outside of the page: as PNG at twice the size, SVG, CSV, and the call that fetches its data.

import { address } from "./api.js";
import { weightOf } from "./chart.js";
import * as dom from "./dom.js";
import { visible } from "./format.js";
import { clip, FONT, paintGrid, paintLine, paintUnder } from "./paint.js";
import { colour } from "./palette.js";

const [HEAD, LINE] = [34, 18];

function paint(chart, context, path) {
	const { width, height, places } = plan(chart);
	const { area, sy } = chart.at;
	const scene = { ...chart.at, path, key: "", sy: (v) => sy(v) + HEAD, area: { ...area, top: area.top + HEAD, bottom: area.bottom + HEAD } };
	const write = (text, x, y, ink) => {
		context.textAlign = "left";
		context.textBaseline = "middle";
		context.fillStyle = colour(ink);
		context.fillText(visible(text), x, y);
	};
	context.fillStyle = colour("card");
	context.fillRect(0, 0, width, height);
	context.font = FONT.replace("11px", "600 13px");
	write(chart.title, 14, 18, "ink");
	paintGrid(context, scene);
	context.save();
	clip(context, scene);
	const traces = chart.inOrder();
	for (const trace of traces) paintUnder(context, scene, trace);
	for (const trace of traces) paintLine(context, scene, trace, weightOf(trace.line));
	context.restore();
	context.font = FONT;
	for (const { x, y, line } of places) {
		context.fillStyle = colour(`run-${line.slot}`);
		context.fillRect(x, y - 4, 9, 9);
		write(line.name, x + 15, y, "ink");
	}
	write(chart.note.textContent, 14, height - 14, "quiet");
}

function plan(chart) {
	const { width } = chart.at;
	const context = chart.plot.getContext("2d");
	context.font = FONT;
	let [x, y] = [14, HEAD + chart.at.height + 12];
	const places = chart.drawn.map(({ line }) => {
		const room = context.measureText(visible(line.name)).width + 34;
		if (x > 14 && x + room > width) [x, y] = [14, y + LINE];
		x += room;
		return { x: x - room, y, line };
	});
	return { width, height: y + 34, places };
}

export function png(chart) {
	const { width, height } = plan(chart);
	const canvas = document.createElement("canvas");
	[canvas.width, canvas.height] = [2 * width, 2 * height];
	const context = canvas.getContext("2d");
	context.scale(2, 2);
	paint(chart, context, () => new Path2D());
	return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function svg(chart) {
	const { width, height } = plan(chart);
	const pen = new Pen(chart.plot.getContext("2d"));
	paint(chart, pen, () => new Outline());
	return new XMLSerializer().serializeToString(dom.svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` }, dom.svg("title", chart.title), pen.parts));
}

class Outline {
	d = "";
	moveTo(x, y) {
		this.d += `M${short(x)} ${short(y)}`;
	}

	lineTo(x, y) {
		this.d += `L${short(x)} ${short(y)}`;
	}

	arc(x, y, r) {
		this.d += `M${short(x - r)} ${short(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
	}

	rect(x, y, width, height) {
		this.d += `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}z`;
	}

	closePath() {
		this.d += "z";
	}
}

/** SVG, by the calls of a canvas that are used here. */
class Pen {
	globalAlpha = 1;
	within = "none";
	parts = [];
	dash = [];
	constructor(measure) {
		this.measureText = (text) => measure.measureText(text);
	}

	save() {}

	restore() {
		this.within = "none";
	}

	beginPath() {
		this.current = new Outline();
	}

	rect(...box) {
		this.current.rect(...box);
	}

	clip() {
		this.within = "url(#c)";
		this.parts.push(dom.svg("clipPath", { id: "c" }, dom.svg("path", { d: this.current.d })));
	}

	setLineDash(dash) {
		this.dash = dash;
	}

	put(d, given) {
		this.parts.push(dom.svg("path", { d, "clip-path": this.within, ...given }));
	}

	fillRect(x, y, width, height) {
		this.beginPath();
		this.rect(x, y, width, height);
		this.fill(this.current);
	}

	fill({ d }) {
		this.put(d, { fill: this.fillStyle, "fill-opacity": this.globalAlpha });
	}

	stroke({ d }) {
		this.put(d, { fill: "none", stroke: this.strokeStyle, "stroke-opacity": this.globalAlpha,
			"stroke-width": this.lineWidth, "stroke-linejoin": this.lineJoin, "stroke-dasharray": this.dash.join(" ") || "none" });
	}

	fillText(text, x, y) {
		const [, weight = 400, size] = /^(\d+ )?(\d+)px/.exec(this.font);
		this.parts.push(dom.svg("text", { x: short(x), y: short(y), fill: this.fillStyle, "font-size": size, "font-weight": Number(weight),
			"font-family": "sans-serif", "text-anchor": { left: "start", center: "middle", right: "end" }[this.textAlign],
			"dominant-baseline": this.textBaseline === "top" ? "hanging" : "central" }, text));
	}
}

const short = (v) => Number(v.toFixed(2));

export function csv({ drawn, at, look: { axis } }) {
	const other = axis !== "step";
	const smoothed = drawn.some(({ y, raw }) => y !== raw);
	const sampled = drawn.some(({ low }) => low);
	const columns = (axis, value, y, low, high) => [...(other ? [axis] : []), value, ...(smoothed ? [y] : []), ...(sampled ? [low, high] : [])];
	const rows = drawn.flatMap(({ line, series, runs, x, y, raw, low, high }) => x.flatMap((v, i) => (v < at.range.x[0] || v > at.range.x[1] ? []
		: [[line.id, line.name, runs ? "" : series.steps[i], series.times[i] ?? "", ...columns(v, raw[i], y[i], low?.[i] ?? "", high?.[i] ?? "")]])));
	return table([["run", "name", "step", "timestamp", ...columns(axis, "value", "smoothed", "min", "max")], ...rows]);
}

export const table = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

/** By RFC 4180; what a spreadsheet would take for a formula gets an apostrophe. */
function cell(value) {
	const text = typeof value === "string" ? value.replace(/^[=+@-]/, "'$&") : String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const curvePath = (run, key, query = {}) => `/runs/${run}/metrics/${key.split("/").map(encodeURIComponent).join("/")}?${new URLSearchParams(query)}`;

export const curvesPath = ({ key, lines }, points, more) =>
	`/curves?${new URLSearchParams([["key", key], ["max_points", points], ...Object.entries(more), ...lines.map(({ id }) => ["run", id])])}`;

export function curl(chart) {
	const { x, axis } = chart.look;
	const steps = x && axis === "step" ? { from_step: Math.floor(x[0]), to_step: Math.ceil(x[1]) } : {};
	return `curl '${location.origin}${address(curvesPath(chart, 1000, steps))}'`;
}
