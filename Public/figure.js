// A chart outside of the page: as PNG at twice the size, as SVG, as CSV, and as the call that fetches its data.

import { address } from "./api.js";
import { visible } from "./format.js";
import { clip } from "./chart.js";
import { FONT, paintGrid, paintTrace } from "./paint.js";
import { colour } from "./palette.js";

const HEAD = 34;
const LINE = 18;

/** The picture, drawn by `context` and `path` makers: title, curves, the runs' names, the caption. */
function paint(chart, context, path) {
	const { width, height } = size(chart);
	context.fillStyle = colour("card");
	context.fillRect(0, 0, width, height);
	context.fillStyle = colour("ink");
	context.font = FONT.replace("11px", "600 13px");
	context.textAlign = "left";
	context.textBaseline = "middle";
	context.fillText(visible(chart.title), 14, 18);
	context.save();
	context.translate(0, HEAD);
	const scene = { ...chart.at, path, key: "" };
	paintGrid(context, scene, colour);
	context.save();
	clip(context, scene);
	for (const trace of chart.inOrder(chart.drawn)) paintTrace(context, scene, trace, colour, chart.weightOf(trace.line));
	context.restore();
	context.restore();
	context.globalAlpha = 1;
	context.font = FONT;
	context.textAlign = "left";
	context.textBaseline = "middle";
	for (const { x, y, trace } of legend(chart)) {
		context.fillStyle = colour(`run-${trace.line.slot}`);
		context.fillRect(x, y - 4, 9, 9);
		context.fillStyle = colour("ink");
		context.fillText(visible(trace.line.name), x + 15, y);
	}
	context.fillStyle = colour("quiet");
	context.fillText(visible(chart.note.textContent), 14, height - 14);
}

function legend(chart) {
	const context = chart.plot.getContext("2d");
	context.font = FONT;
	let [x, y] = [14, HEAD + chart.at.height + 12];
	return chart.drawn.map((trace) => {
		const width = context.measureText(visible(trace.line.name)).width + 34;
		if (x > 14 && x + width > chart.at.width) [x, y] = [14, y + LINE];
		const place = { x, y, trace };
		x += width;
		return place;
	});
}

function size(chart) {
	const rows = (legend(chart).at(-1)?.y ?? HEAD + chart.at.height) + 34;
	return { width: chart.at.width, height: rows };
}

export function png(chart) {
	const { width, height } = size(chart);
	const canvas = document.createElement("canvas");
	[canvas.width, canvas.height] = [2 * width, 2 * height];
	const context = canvas.getContext("2d");
	context.scale(2, 2);
	paint(chart, context, () => new Path2D());
	return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function svg(chart) {
	const { width, height } = size(chart);
	const pen = new Pen(chart.plot.getContext("2d"));
	paint(chart, pen, () => new Outline());
	return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
		`<title>${escaped(visible(chart.title))}</title>${pen.parts.join("")}${"</g>".repeat(pen.open)}</svg>\n`;
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

class Pen {
	constructor(measure) {
		this.measure = measure;
		this.parts = [];
		this.open = 0;
		this.saved = [];
		this.clips = 0;
		Object.assign(this, { globalAlpha: 1, lineWidth: 1, lineJoin: "miter", dash: [] });
	}

	measureText(text) {
		this.measure.font = this.font;
		return this.measure.measureText(text);
	}

	save() {
		this.saved.push(this.open);
	}

	restore() {
		const to = this.saved.pop();
		this.parts.push("</g>".repeat(this.open - to));
		this.open = to;
	}

	translate(x, y) {
		this.group(`transform="translate(${x} ${y})"`);
	}

	beginPath() {
		this.current = new Outline();
	}

	rect(...box) {
		this.current.rect(...box);
	}

	clip() {
		this.clips += 1;
		this.parts.push(`<clipPath id="c${this.clips}"><path d="${this.current.d}"/></clipPath>`);
		this.group(`clip-path="url(#c${this.clips})"`);
	}

	group(attributes) {
		this.parts.push(`<g ${attributes}>`);
		this.open += 1;
	}

	setLineDash(dash) {
		this.dash = dash;
	}

	fillRect(x, y, width, height) {
		this.parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${this.fillStyle}"/>`);
	}

	fill(path) {
		this.parts.push(`<path d="${path.d}" fill="${this.fillStyle}" fill-opacity="${this.globalAlpha}"/>`);
	}

	stroke(path) {
		const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
		this.parts.push(`<path d="${path.d}" fill="none" stroke="${this.strokeStyle}" stroke-opacity="${this.globalAlpha}" ` +
			`stroke-width="${this.lineWidth}" stroke-linejoin="${this.lineJoin}"${dash}/>`);
	}

	fillText(text, x, y) {
		const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
		const baseline = this.textBaseline === "top" ? "hanging" : "central";
		this.parts.push(`<text x="${short(x)}" y="${short(y)}" fill="${this.fillStyle}" text-anchor="${anchor}" ` +
			`dominant-baseline="${baseline}" font-size="${/(\d+)px/.exec(this.font)[1]}" ` +
			`font-weight="${/^\d+ /.test(this.font) ? 600 : 400}" font-family="sans-serif">${escaped(text)}</text>`);
	}
}

function short(v) {
	return Number(v.toFixed(2));
}

function escaped(text) {
	return String(text).replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function csv(chart) {
	const sampled = chart.drawn.some((trace) => trace.low);
	const rows = [["run", "name", "step", "timestamp", ...(chart.look.axis === "step" ? [] : [chart.look.axis]), "value",
		...(chart.drawn.some((trace) => trace.y !== trace.raw) ? ["smoothed"] : []), ...(sampled ? ["min", "max"] : [])]];
	for (const trace of chart.drawn) {
		const { series, line, x, y, raw } = trace;
		for (let i = 0; i < x.length; i += 1) {
			if (x[i] < chart.at.range.x[0] || x[i] > chart.at.range.x[1]) continue;
			const row = [line.id, line.name, trace.runs ? "" : series.steps[i], series.times[i] ?? "",
				...(chart.look.axis === "step" ? [] : [x[i]]), raw[i]];
			if (rows[0].includes("smoothed")) row.push(y[i]);
			if (sampled) row.push(trace.low?.[i] ?? "", trace.high?.[i] ?? "");
			rows.push(row);
		}
	}
	return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** A cell as RFC 4180 wants it; text that a spreadsheet would take for a formula gets an apostrophe. */
export function cell(value) {
	const text = typeof value === "string" ? value.replace(/^[=+@-]/, "'$&") : String(value);
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function curvePath(run, key, query = {}) {
	return `/runs/${run}/metrics/${key.split("/").map(encodeURIComponent).join("/")}?${new URLSearchParams(query)}`;
}

export function curl(chart) {
	const runs = chart.lines.map((line) => ["run", line.id]);
	const steps = chart.look.x && chart.look.axis === "step"
		? [["from_step", Math.floor(chart.look.x[0])], ["to_step", Math.ceil(chart.look.x[1])]] : [];
	const query = new URLSearchParams([["key", chart.key], ...runs, ["max_points", 1000], ...steps]);
	return `curl '${location.origin}${address(`/curves?${query}`)}'`;
}
