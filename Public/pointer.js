// What pointer, fingers and keys do on a chart: hover, pins, zoom box, pan, zoom at the pointer, reading values by arrow.

import { boxRange } from "./overlay.js";
import { nearest } from "./series.js";

const LONG = 500; // ms that a finger rests to set a pin
const STILL = 8; // px that it may tremble meanwhile
const TWICE = 400; // ms within which two clicks are one double click
const ON_LINE = 5; // px around a line that count as on it

export function followPointer(chart) {
	const canvas = chart.overlay;
	const fingers = new Map(); // pointerId -> {x, y}
	let frame = 0;
	let press = 0;
	let pinch = null;
	let clicked = { at: -Infinity, pins: [] }; // when the last click was, and the pins before it
	const redraw = () => {
		frame ||= requestAnimationFrame(() => {
			frame = 0;
			chart.drawOverlay();
			chart.announce();
		});
	};
	const move = (point, now = false) => {
		chart.pointer = point;
		if (!now) return redraw();
		chart.drawOverlay();
		chart.announce();
	};
	const place = (event) => ({ x: event.offsetX, y: event.offsetY });

	canvas.addEventListener("pointerdown", (event) => {
		if (!chart.at || event.button > 1) return;
		const point = place(event);
		if (event.pointerType === "touch") {
			fingers.set(event.pointerId, point);
			clearTimeout(press);
			if (fingers.size === 2) pinch = pinched(chart, fingers);
			if (fingers.size === 1) press = setTimeout(() => chart.host.pinned(chart, chart.cursor()), LONG);
			chart.touched = true;
			return move(fingers.size === 1 ? point : null);
		}
		chart.touched = false;
		if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
		if (event.shiftKey || event.button === 1) {
			event.preventDefault();
			chart.pan = { ...point, range: chart.at.range, moved: false };
		} else chart.box = { x0: point.x, y0: point.y, x1: point.x, y1: point.y };
	});
	canvas.addEventListener("pointermove", (event) => {
		const point = place(event);
		const finger = fingers.get(event.pointerId);
		if (finger) {
			if (Math.hypot(point.x - finger.x, point.y - finger.y) > STILL) clearTimeout(press);
			if (fingers.size === 2 && pinch) {
				fingers.set(event.pointerId, point);
				return zoomByFingers(chart, pinch, fingers);
			}
			return move(point);
		}
		if (event.pointerType === "touch") return;
		if (chart.box) Object.assign(chart.box, { x1: point.x, y1: point.y });
		if (chart.pan) panTo(chart, point);
		move(point);
	});
	canvas.addEventListener("pointerup", (event) => {
		clearTimeout(press);
		if (fingers.delete(event.pointerId)) {
			if (fingers.size < 2) pinch = null;
			return;
		}
		chart.pan = null;
		if (!chart.box) return;
		const range = boxRange(chart);
		chart.box = null;
		if (!range.small) zoomToBox(chart, range);
		else if (event.altKey || event.timeStamp - clicked.at > TWICE || Math.hypot(event.offsetX - clicked.x, event.offsetY - clicked.y) > STILL) {
			clicked = { at: event.timeStamp, x: event.offsetX, y: event.offsetY, pins: chart.pins() };
			click(chart, event, place(event));
		}
		redraw();
	});
	canvas.addEventListener("pointerleave", (event) => {
		if (!chart.box && event.pointerType !== "touch") move(null);
	});
	canvas.addEventListener("pointercancel", (event) => {
		clearTimeout(press);
		fingers.delete(event.pointerId);
		chart.box = chart.pan = pinch = null;
		move(null);
	});
	canvas.addEventListener("dblclick", () => {
		chart.host.setPins(chart, clicked.pins, true);
		chart.host.fit(chart);
	});
	canvas.addEventListener("contextmenu", (event) => {
		event.preventDefault();
		if (chart.touched || !chart.at) return;
		const point = place(event);
		chart.host.menu(chart, { x: event.clientX, y: event.clientY }, chart.hits(chart.at.sx.invert(point.x), point)[0]);
	});
	canvas.addEventListener("wheel", (event) => {
		if (!event.ctrlKey && !event.altKey) return chart.say("Ctrl + wheel zooms, shift + drag moves");
		event.preventDefault();
		zoomAt(chart, event.offsetX, Math.min(4, Math.max(0.25, Math.exp(event.deltaY * 0.004))));
	}, { passive: false });
	canvas.addEventListener("keydown", (event) => {
		if (!key(chart, event, move)) return;
		event.preventDefault();
		event.stopPropagation();
	});
	canvas.addEventListener("blur", () => {
		if (!canvas.matches(":hover")) move(null);
	});
}

/** A click sets a pin; on a line it also selects the run, and with Alt shows it alone. */
function click(chart, event, point) {
	const hit = chart.hits(chart.at.sx.invert(point.x), point)[0];
	const on = hit && (hit.distance <= ON_LINE || distanceTo(chart, hit, point) <= ON_LINE);
	if (on && event.altKey) return chart.host.solo(hit.line);
	if (on) chart.host.selected(hit.line);
	chart.host.pinned(chart, hit ? hit.x : chart.at.sx.invert(point.x));
}

function distanceTo(chart, { trace, i }, point) {
	const { sx, sy } = chart.at;
	let least = Infinity;
	for (const j of [i - 1, i]) {
		const [ax, ay, bx, by] = [sx(trace.x[j]), sy(trace.y[j]), sx(trace.x[j + 1]), sy(trace.y[j + 1])];
		const [dx, dy] = [bx - ax, by - ay];
		const along = Math.min(1, Math.max(0, ((point.x - ax) * dx + (point.y - ay) * dy) / (dx * dx + dy * dy || 1)));
		const distance = Math.hypot(ax + dx * along - point.x, ay + dy * along - point.y);
		if (distance < least) least = distance;
	}
	return least;
}

function zoomToBox(chart, { left, right, top, bottom, xOnly, yOnly }) {
	const { sx, sy } = chart.at;
	chart.host.zoomed(chart, {
		x: yOnly ? chart.look.x : [sx.invert(left), sx.invert(right)],
		y: xOnly ? chart.look.y : [sy.invert(bottom), sy.invert(top)],
	});
}

function zoomAt(chart, pixel, factor) {
	if (!chart.at) return;
	const { sx, area } = chart.at;
	// In pixels, so that it also holds on a logarithmic axis.
	const edge = (end) => sx.invert(pixel + (end - pixel) * factor);
	chart.host.zoomed(chart, { x: [edge(area.left), edge(area.right)], y: chart.look.y }, true);
}

function panTo(chart, point) {
	const { area, sx, sy } = chart.pan.at ??= chart.at;
	const dx = chart.pan.x - point.x;
	const dy = chart.pan.y - point.y;
	const first = !chart.pan.moved;
	if (first && Math.hypot(dx, dy) < 4) return;
	chart.pan.moved = true;
	chart.host.zoomed(chart, {
		x: [sx.invert(area.left + dx), sx.invert(area.right + dx)],
		y: Math.abs(dy) > 12 || chart.look.y ? [sy.invert(area.bottom + dy), sy.invert(area.top + dy)] : null,
	}, !first);
}

function pinched(chart, fingers) {
	const [a, b] = [...fingers.values()];
	const { sx } = chart.at;
	return { x: [sx.invert(a.x), sx.invert(b.x)], sx, area: chart.at.area, first: true };
}

function zoomByFingers(chart, pinch, fingers) {
	const [a, b] = [...fingers.values()];
	if (Math.abs(a.x - b.x) < 12) return;
	const [from, to] = pinch.x.map(pinch.sx);
	const back = (px) => pinch.sx.invert(from + ((px - a.x) / (b.x - a.x)) * (to - from));
	const range = [back(pinch.area.left), back(pinch.area.right)];
	if (!(range[0] < range[1])) return;
	chart.host.zoomed(chart, { x: range, y: chart.look.y }, !pinch.first);
	pinch.first = false;
}

function key(chart, event, move) {
	if (event.ctrlKey || event.metaKey) return false;
	const { host } = chart;
	switch (event.key) {
		case "ArrowLeft":
			if (event.altKey) host.back(chart);
			else walk(chart, event.shiftKey ? -10 : -1, move);
			return true;
		case "ArrowRight":
			walk(chart, event.shiftKey ? 10 : 1, move);
			return true;
		case "Home":
			walk(chart, -Infinity, move);
			return true;
		case "End":
			walk(chart, Infinity, move);
			return true;
		case "Enter":
		case "p":
			if (chart.cursor() !== null) host.pinned(chart, chart.hits(chart.cursor())[0]?.x ?? chart.cursor());
			return true;
		case "+":
		case "-":
			if (chart.at) zoomAt(chart, chart.pointer?.x ?? (chart.at.area.left + chart.at.area.right) / 2, event.key === "+" ? 0.6 : 1 / 0.6);
			return true;
		case "Backspace":
			host.back(chart);
			return true;
		case "0":
			host.fit(chart);
			return true;
		case "l":
			host.own(chart, { log: !chart.look.log });
			return true;
		case "f":
			chart.toggleBig();
			return true;
		case "PageUp":
		case "PageDown":
			if (!chart.isBig) return false;
			host.turn(chart, event.key === "PageUp" ? -1 : 1);
			return true;
		case "Escape":
			if (chart.isBig) chart.toggleBig();
			else if (chart.pointer && !chart.overlay.matches(":hover")) move(null);
			else host.clear(chart);
			return true;
		default:
			return false;
	}
}

/** Moves the crosshair, and the newest pin if there is one, by logged points of the line that is nearest to it. */
function walk(chart, by, move) {
	if (!chart.drawn?.length) return;
	const { sx, sy, range } = chart.at;
	const trace = chart.drawn.find((t) => t.line.id === chart.walking) ?? chart.drawn[0];
	chart.walking = trace.line.id;
	const pins = chart.pins();
	const at = pins.length ? pins.at(-1) : chart.pointer ? sx.invert(chart.pointer.x) : null;
	const from = at !== null ? nearest(trace.x, at) : by > 0 ? -1 : trace.x.length;
	const i = Math.min(trace.x.length - 1, Math.max(0, from + by));
	if (pins.length) chart.host.setPins(chart, [...pins.slice(0, -1), trace.x[i]], true);
	const x = Math.min(range.x[1], Math.max(range.x[0], trace.x[i]));
	const y = trace.y[i];
	move({ x: sx(x), y: Number.isFinite(y) && Number.isFinite(sy(y)) ? sy(y) : chart.at.area.bottom }, true);
}
