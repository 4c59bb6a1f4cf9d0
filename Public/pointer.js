// What pointer, fingers and keys do on a chart: hover, pins, zoom, pan, reading values by arrow.

import { boxRange } from "./overlay.js";
import { nearest } from "./series.js";

const LONG = 500; // ms that a finger rests to set a pin
const STILL = 8; // px that it may tremble meanwhile
const TWICE = 400; // ms within which two clicks are one double click
const ON_LINE = 5; // px around a line that count as on it

export function followPointer(chart) {
	const canvas = chart.overlay;
	const { host } = chart;
	const on = (type, action, options) => canvas.addEventListener(type, action, options);
	const fingers = new Map(); // pointerId -> {x, y}
	let frame = 0;
	let press = 0;
	let pinch = null;
	let clicked = { at: -Infinity, pins: [] }; // when the last click was, and the pins before it
	const show = () => {
		frame = 0;
		chart.drawOverlay();
		chart.announce();
	};
	const redraw = () => (frame ||= requestAnimationFrame(show));
	const move = (point) => {
		chart.pointer = point;
		redraw();
	};
	const place = ({ offsetX: x, offsetY: y }) => ({ x, y });
	const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

	on("pointerdown", (event) => {
		if (!chart.at || event.button > 1) return;
		const point = place(event);
		chart.touched = event.pointerType === "touch";
		if (chart.touched) {
			fingers.set(event.pointerId, point);
			clearTimeout(press);
			if (fingers.size === 2) pinch = pinched(chart, fingers);
			if (fingers.size === 1) press = setTimeout(() => host.pinned(chart, chart.cursor()), LONG);
			return move(fingers.size === 1 ? point : null);
		}
		if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
		if (event.shiftKey || event.button === 1) {
			event.preventDefault();
			chart.pan = { ...point, moved: false };
		} else chart.box = { x0: point.x, y0: point.y, x1: point.x, y1: point.y };
	});
	on("pointermove", (event) => {
		const point = place(event);
		const finger = fingers.get(event.pointerId);
		if (finger) {
			if (distance(point, finger) > STILL) clearTimeout(press);
			if (fingers.size !== 2) return move(point);
			fingers.set(event.pointerId, point);
			return zoomByFingers(chart, pinch, fingers);
		}
		if (event.pointerType === "touch") return;
		if (chart.box) Object.assign(chart.box, { x1: point.x, y1: point.y });
		if (chart.pan) panTo(chart, point);
		move(point);
	});
	on("pointerup", (event) => {
		clearTimeout(press);
		if (fingers.delete(event.pointerId)) return;
		chart.pan = null;
		if (!chart.box) return;
		const range = boxRange(chart);
		const point = place(event);
		chart.box = null;
		if (!range.small) zoomToBox(chart, range);
		else if (event.altKey || event.timeStamp - clicked.at > TWICE || distance(point, clicked) > STILL) {
			clicked = { at: event.timeStamp, ...point, pins: chart.pins() };
			click(chart, event, point);
		}
		redraw();
	});
	on("pointerleave", (event) => chart.box || event.pointerType === "touch" || move(null));
	on("pointercancel", (event) => {
		clearTimeout(press);
		fingers.delete(event.pointerId);
		chart.box = chart.pan = null;
		move(null);
	});
	on("dblclick", () => {
		host.setPins(chart, clicked.pins, true);
		host.fit(chart);
	});
	on("contextmenu", (event) => {
		event.preventDefault();
		if (!chart.touched && chart.at) host.menu(chart, new DOMRect(event.clientX, event.clientY), hitAt(chart, place(event)));
	});
	on("wheel", (event) => {
		if (!event.ctrlKey && !event.altKey) return chart.say("Ctrl + wheel zooms, shift + drag moves");
		event.preventDefault();
		zoomAt(chart, event.offsetX, Math.min(4, Math.max(0.25, Math.exp(event.deltaY * 0.004))));
	}, { passive: false });
	on("keydown", (event) => {
		const does = KEYS[event.key];
		if (!chart.at || event.ctrlKey || event.metaKey || !does || does(chart, event) === false) return;
		event.preventDefault();
		event.stopPropagation();
		show();
	});
	on("blur", () => canvas.matches(":hover") || move(null));
}

const hitAt = (chart, point) => chart.hits(chart.at.sx.invert(point.x), point)[0];

/** A click sets a pin; on a line it also selects the run, with Alt shows it alone. */
function click(chart, event, point) {
	const hit = hitAt(chart, point);
	const on = hit && (hit.distance <= ON_LINE || distanceTo(chart, hit, point) <= ON_LINE);
	if (on && event.altKey) return chart.host.solo(hit.line);
	if (on) chart.host.selected(hit.line);
	chart.host.pinned(chart, hit ? hit.x : chart.at.sx.invert(point.x));
}

function distanceTo(chart, { trace: { x, y }, i }, point) {
	const { sx, sy } = chart.at;
	return Math.min(...[i - 1, i].filter((j) => j >= 0 && j + 1 < x.length).map((j) => {
		const [ax, ay, bx, by] = [sx(x[j]), sy(y[j]), sx(x[j + 1]), sy(y[j + 1])];
		const [dx, dy] = [bx - ax, by - ay];
		const along = Math.min(1, Math.max(0, ((point.x - ax) * dx + (point.y - ay) * dy) / (dx * dx + dy * dy || 1)));
		return Math.hypot(ax + dx * along - point.x, ay + dy * along - point.y);
	}).filter(Number.isFinite));
}

function zoomToBox(chart, { left, right, top, bottom, xOnly, yOnly }) {
	const { sx, sy } = chart.at;
	chart.host.zoomed(chart, {
		x: yOnly ? chart.look.x : [left, right].map(sx.invert),
		y: xOnly ? chart.look.y : [bottom, top].map(sy.invert),
	});
}

function zoomAt(chart, pixel, factor) {
	const { sx, area } = chart.at;
	// In pixels, so that it also holds on a logarithmic axis.
	const x = [area.left, area.right].map((end) => sx.invert(pixel + (end - pixel) * factor));
	chart.host.zoomed(chart, { x, y: chart.look.y }, true);
}

function panTo(chart, point) {
	const { pan } = chart;
	const { area, sx, sy } = (pan.at ??= chart.at);
	const [dx, dy] = [pan.x - point.x, pan.y - point.y];
	if (!pan.moved && Math.hypot(dx, dy) < 4) return;
	chart.host.zoomed(chart, {
		x: [area.left + dx, area.right + dx].map(sx.invert),
		y: Math.abs(dy) > 12 || chart.look.y ? [area.bottom + dy, area.top + dy].map(sy.invert) : null,
	}, pan.moved);
	pan.moved = true;
}

function pinched({ at: { sx, area } }, fingers) {
	return { from: [...fingers.values()].map(({ x }) => x), sx, area, moved: false };
}

function zoomByFingers(chart, pinch, fingers) {
	const [a, b] = [...fingers.values()].map(({ x }) => x);
	if (Math.abs(a - b) < 12) return;
	const [from, to] = pinch.from;
	const { left, right } = pinch.area;
	const x = [left, right].map((px) => pinch.sx.invert(from + ((px - a) / (b - a)) * (to - from)));
	if (!(x[0] < x[1])) return;
	chart.host.zoomed(chart, { x, y: chart.look.y }, pinch.moved);
	pinch.moved = true;
}

const by = (n) => (chart, { shiftKey }) => walk(chart, shiftKey ? 10 * n : n);
const pin = (chart) => {
	const x = chart.cursor();
	if (x !== null) chart.host.pinned(chart, chart.hits(x)[0]?.x ?? x);
};
const back = (chart) => chart.host.back();
const zoom = (factor) => (chart) => zoomAt(chart, chart.pointer?.x ?? (chart.at.area.left + chart.at.area.right) / 2, factor);
const turn = (by) => (chart) => chart.isBig && chart.host.turn(chart, by);

/** What keys do on a chart; false: nothing. */
const KEYS = {
	ArrowLeft: (chart, event) => event.altKey ? back(chart) : by(-1)(chart, event), ArrowRight: by(1), Home: by(-Infinity), End: by(Infinity),
	Enter: pin, p: pin, Backspace: back, "+": zoom(0.6), "-": zoom(1 / 0.6), PageUp: turn(-1), PageDown: turn(1),
	l: (chart) => chart.host.own(chart, { log: !chart.look.log }),
	Escape(chart) {
		if (chart.isBig) chart.toggleBig();
		else if (chart.pointer && !chart.overlay.matches(":hover")) chart.pointer = null;
		else chart.host.clear(chart);
	},
};

/** Moves the crosshair, and the newest pin if there is one, by logged points. */
function walk(chart, by) {
	const trace = chart.drawn.find((t) => t.line.id === chart.walking) ?? chart.drawn[0];
	if (!trace) return;
	const { x, y, line } = trace;
	const { sx, sy, range, area } = chart.at;
	const pins = chart.pins();
	const at = pins.at(-1) ?? (chart.pointer && sx.invert(chart.pointer.x));
	const from = at !== null ? nearest(x, at) : by > 0 ? -1 : x.length;
	const i = Math.min(x.length - 1, Math.max(0, from + by));
	chart.walking = line.id;
	if (pins.length) chart.host.setPins(chart, [...pins.slice(0, -1), x[i]], true);
	const py = sy(y[i]);
	chart.pointer = { x: sx(Math.min(range.x[1], Math.max(range.x[0], x[i]))), y: Number.isFinite(py) ? py : area.bottom };
}
