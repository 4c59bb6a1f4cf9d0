// What the pointer and the keys do on a chart: hover, zoom box, pan, zoom at the pointer, reading values by arrow.

import { nearest } from "./series.js";

/** Wires the overlay of a chart. */
export function followPointer(chart) {
  const canvas = chart.overlay;
  let frame = 0;
  const redraw = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      chart.drawOverlay();
    });
  };
  const move = (point) => {
    chart.pointer = point;
    redraw();
    chart.announce();
  };

  canvas.addEventListener("pointermove", (event) => {
    const point = { x: event.offsetX, y: event.offsetY };
    if (chart.box) Object.assign(chart.box, { x1: point.x, y1: point.y });
    if (chart.pan) panTo(chart, point);
    move(point);
  });
  canvas.addEventListener("pointerleave", () => {
    if (!chart.box) move(null);
  });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || !chart.at || event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    const { offsetX: x, offsetY: y } = event;
    if (event.shiftKey || event.button === 1) chart.pan = { x, y, range: chart.at.range, kept: chart.zoom };
    else chart.box = { x0: x, y0: y, x1: x, y1: y };
  });
  canvas.addEventListener("pointerup", () => {
    if (chart.pan && chart.zoom !== chart.pan.kept) chart.zoomTo(chart.zoom, false);
    chart.pan = null;
    if (!chart.box) return;
    const range = chart.boxRange();
    chart.box = null;
    if (!range.small) zoomToBox(chart, range);
    redraw();
  });
  canvas.addEventListener("pointercancel", () => {
    chart.box = chart.pan = null;
    move(null);
  });
  canvas.addEventListener("dblclick", () => chart.fit());
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.altKey) return;
    event.preventDefault();
    zoomAt(chart, event.offsetX, Math.min(4, Math.max(0.25, Math.exp(event.deltaY * 0.004))));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (key(chart, event, move)) event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    if (!canvas.matches(":hover")) move(null);
  });
}

function zoomToBox(chart, { left, right, top, bottom, xOnly, yOnly }) {
  const { sx, sy } = chart.at;
  chart.zoomTo({
    x: yOnly ? chart.zoom.x : [sx.invert(left), sx.invert(right)],
    y: xOnly ? chart.zoom.y : [sy.invert(bottom), sy.invert(top)],
  });
}

function zoomAt(chart, pixel, factor) {
  if (!chart.at) return;
  const [low, high] = chart.at.range.x;
  const middle = chart.at.sx.invert(pixel);
  chart.zoomTo({ x: [middle - (middle - low) * factor, middle + (high - middle) * factor], y: chart.zoom.y });
}

function panTo(chart, point) {
  const { x, y, range } = chart.pan;
  const { area } = chart.at;
  const dx = ((x - point.x) / (area.right - area.left)) * (range.x[1] - range.x[0]);
  const moved = { x: [range.x[0] + dx, range.x[1] + dx], y: chart.zoom.y };
  if (!chart.log) {
    const dy = ((point.y - y) / (area.bottom - area.top)) * (range.y[1] - range.y[0]);
    moved.y = [range.y[0] + dy, range.y[1] + dy];
  }
  chart.zoom = moved;
  chart.draw();
}

function key(chart, event, move) {
  if (event.ctrlKey || event.metaKey) return false;
  switch (event.key) {
    case "ArrowLeft":
      if (event.altKey) chart.back();
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
    case "Backspace":
      chart.back();
      return true;
    case "0":
      chart.fit();
      return true;
    case "l":
      chart.toggleLog();
      return true;
    case "f":
      chart.toggleBig();
      return true;
    case "Escape":
      if (chart.element.classList.contains("big")) chart.toggleBig();
      else move(null);
      return true;
    default:
      return false;
  }
}

/** Moves the crosshair by logged points of the line that is nearest to it. */
function walk(chart, by, move) {
  if (!chart.drawn?.length) return;
  const { sx, sy, range } = chart.at;
  const trace = chart.drawn.find((t) => t.line.id === chart.walking) ?? chart.drawn[0];
  chart.walking = trace.line.id;
  const from = chart.pointer ? nearest(trace.x, sx.invert(chart.pointer.x)) : by > 0 ? -1 : trace.x.length;
  const i = Math.min(trace.x.length - 1, Math.max(0, from + by));
  const x = Math.min(range.x[1], Math.max(range.x[0], trace.x[i]));
  move({ x: sx(x), y: chart.shown(trace.y[i]) ? sy(trace.y[i]) : chart.at.area.bottom });
}
