// The line chart: two stacked canvases, the plot below (grid, bands, lines) and the overlay above (crosshair, dots,
// zoom box), so that following the pointer never redraws a curve. What the pointer and keys do is in pointer.js.
//
// For tests and for readers of the page: the card carries data-key, data-points (points of all its lines) and
// data-runs, and the overlay's label says the same in words.

import { caption } from "./caption.js";
import { button, h, put, setText } from "./dom.js";
import * as format from "./format.js";
import { colour } from "./palette.js";
import { followPointer } from "./pointer.js";
import { linearTicks, logTicks, padded, scale, stepTicks, timeTicks } from "./scale.js";
import { lower, nearest, upper } from "./series.js";
import { hideTip, showTip } from "./tip.js";

const FRAME = 100; // live data is drawn at most ten times a second
const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/**
 * A card with one chart. `lines` is a list of `{id, name, slot, live, series, newest()}`, `look` is
 * `{smooth, log, axis}`. Dispatches `zoom` `{x}` and `hover` `{x, id}` (null: away).
 */
export class LineChart extends EventTarget {
  constructor(title) {
    super();
    this.title = title;
    this.lines = [];
    this.details = new Map(); // finer curves for the zoomed range, by run
    this.look = { smooth: 0, log: false, axis: "step" };
    this.ownLog = null; // this card's own choice of a log axis, over the common one
    this.zoom = { x: null, y: null };
    this.past = [];
    this.pointer = null; // {x, y} in pixels, over this card
    this.linked = null; // {x, id}: what another card, or the table, points at
    this.box = null;
    this.visible = true;
    this.drawnAt = -Infinity;
    this.timer = 0;
    this.build();
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.holder);
    followPointer(this);
  }

  build() {
    this.plot = h("canvas", { class: "plot", "aria-hidden": "true" });
    this.overlay = h("canvas", { class: "overlay", tabindex: "0", role: "img" });
    this.holder = h("div", { class: "canvases" }, this.plot, this.overlay);
    this.newest = h("span", { class: "newest" });
    this.fitButton = button("mini", "Fit", () => this.fit(), { title: "Show all (double click, or 0)", hidden: true });
    this.logButton = button("mini", "log", () => this.toggleLog(), { title: "Logarithmic y axis (l)" });
    this.bigButton = button("mini", "⤢", () => this.toggleBig(), { title: "Full window (f)", "aria-pressed": "false",
      "aria-label": `Show ${this.title} in the full window` });
    this.note = h("p", { class: "note" });
    this.element = h(
      "figure", { class: "card chart", "data-key": this.title },
      h("figcaption", {}, h("h4", { title: this.title }, this.title), this.newest,
        this.fitButton, this.logButton, this.bigButton),
      this.holder, this.note,
    );
  }

  get log() {
    return this.ownLog ?? this.look.log;
  }

  setLines(lines) {
    this.lines = lines;
    this.describe();
    this.draw();
  }

  setLook(look) {
    if (look.axis !== this.look.axis) {
      this.zoom = { x: null, y: null };
      this.past = [];
      this.details.clear();
    }
    this.look = look;
    this.describe();
    this.draw();
  }

  /** New points came: draw soon. */
  refresh() {
    if (this.timer || !this.visible) return;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.describe();
      this.draw();
    }, Math.max(0, this.drawnAt + FRAME - performance.now()));
  }

  setVisible(visible) {
    this.visible = visible;
    if (visible) this.refresh();
  }

  toggleLog() {
    this.ownLog = !this.log;
    this.zoom.y = null;
    this.describe();
    this.draw();
  }

  toggleBig() {
    const big = this.element.classList.toggle("big");
    this.bigButton.setAttribute("aria-pressed", String(big));
    this.bigButton.textContent = big ? "✕" : "⤢";
    document.documentElement.classList.toggle("has-big", big);
    this.overlay.focus();
  }

  /** Goes to a range (null: all of it); `remember` for the way back. */
  zoomTo(zoom, remember = true) {
    if (remember) this.past.push(this.zoom);
    this.zoom = zoom;
    if (!zoom.x) this.details.clear();
    this.draw();
    this.dispatchEvent(new CustomEvent("zoom", { detail: { x: zoom.x } }));
  }

  fit() {
    this.zoomTo({ x: null, y: null });
    this.past = [];
  }

  back() {
    if (this.past.length) this.zoomTo(this.past.pop(), false);
  }

  /** What the card says about itself, in words. */
  describe() {
    const drawn = this.lines.filter((line) => line.series);
    const points = drawn.reduce((sum, line) => sum + line.series.count, 0);
    const runs = `${drawn.length} ${drawn.length === 1 ? "run" : "runs"}`;
    this.element.dataset.points = String(points);
    this.element.dataset.runs = String(drawn.length);
    this.overlay.setAttribute("aria-label",
      `${format.visible(this.title)}: ${format.count(points)} points in ${runs}; arrow keys read values`);
    setText(this.newest, drawn.length === 1 ? format.value(drawn[0].newest()) : "");
    this.logButton.setAttribute("aria-pressed", String(this.log));
    setText(this.note, caption(this.lines, this.log));
  }

  // --- geometry

  /** Each line with what is drawn of it: its x values, shown y values, raw ones, and their bounds. */
  traces() {
    const weight = this.look.smooth;
    return this.lines.filter((line) => line.series?.steps.length).map((line) => {
      const series = (this.zoom.x && this.details.get(line.id)) || line.series;
      return { line, series, x: series.xs(this.look.axis), y: series.smoothed(weight), raw: series.values };
    });
  }

  ranges(traces) {
    let x = this.zoom.x;
    if (!x) {
      let low = Infinity;
      let high = -Infinity;
      for (const trace of traces) {
        low = Math.min(low, trace.x[0]);
        high = Math.max(high, trace.x.at(-1));
      }
      // Steps count from 0: a curve that starts near it is shown from there, so that cards agree.
      if (this.look.axis === "step" && low > 0 && low < high / 4) low = 0;
      x = low < high ? [low, high] : low === high ? [low - 1, high + 1] : [0, 1];
    }
    let y = this.zoom.y;
    if (!y) {
      let low = Infinity;
      let high = -Infinity;
      for (const { x: xs, series } of traces) {
        const to = Math.min(xs.length, upper(xs, x[1]) + 1);
        for (let i = Math.max(0, lower(xs, x[0]) - 1); i < to; i += 1) {
          const a = series.low ? series.low[i] : series.values[i];
          const b = series.high ? series.high[i] : series.values[i];
          if (Number.isFinite(a) && a < low && (!this.log || a > 0)) low = a;
          if (Number.isFinite(b) && b > high && (!this.log || b > 0)) high = b;
        }
      }
      if (this.log && low > high && high > 0) low = high;
      y = padded(low, high, this.log);
    }
    return { x, y };
  }

  layout(traces) {
    const width = this.holder.clientWidth;
    const height = this.holder.clientHeight;
    const range = this.ranges(traces);
    const rows = Math.max(2, Math.round(height / 46));
    const yTicks = this.log ? logTicks(...range.y, rows) : linearTicks(...range.y, rows);
    const context = this.plot.getContext("2d");
    context.font = FONT;
    const labels = yTicks.map((tick) => context.measureText(tick.text).width);
    const area = { left: Math.ceil(Math.max(24, ...labels)) + 14, right: width - 12, top: 8, bottom: height - 24 };
    const columns = Math.max(2, Math.floor((area.right - area.left) / 84));
    return {
      width, height, area, range, yTicks, xTicks: this.xTicks(range.x, columns),
      sx: scale(range.x, [area.left, area.right]), sy: scale(range.y, [area.bottom, area.top], this.log),
    };
  }

  xTicks([low, high], columns) {
    if (this.look.axis === "step") return stepTicks(low, high, columns, format.si);
    if (this.look.axis === "relative") return timeTicks(low, high, columns, (ms) => format.duration(ms / 1000) || "0");
    const zone = -new Date(low).getTimezoneOffset() * 60000;
    return timeTicks(low, high, columns, (ms) => format.clock(ms), zone);
  }

  // --- drawing

  /** Fits a canvas to its place and the screen's pixels; gives a context in CSS pixels, cleared. */
  prepare(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.holder.clientWidth * ratio);
    const height = Math.round(this.holder.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  draw() {
    if (!this.holder.clientWidth || !this.visible) return;
    this.drawnAt = performance.now();
    const traces = this.traces();
    this.at = this.layout(traces);
    this.drawn = traces;
    this.fitButton.hidden = !this.zoom.x && !this.zoom.y;
    const context = this.prepare(this.plot);
    this.drawGrid(context);
    context.save();
    const { area } = this.at;
    context.beginPath();
    context.rect(area.left - 1, area.top - 4, area.right - area.left + 10, area.bottom - area.top + 5);
    context.clip();
    const lit = this.lit();
    const order = traces.slice().sort((a, b) => Number(a.line.id === lit) - Number(b.line.id === lit));
    for (const trace of order) this.drawTrace(context, trace, lit !== null && trace.line.id !== lit);
    context.restore();
    this.drawOverlay();
  }

  /** The run that the table or another card points at, when this card shows it. */
  lit() {
    const id = this.linked?.id ?? null;
    return id !== null && this.lines.some((line) => line.id === id) ? id : null;
  }

  drawGrid(context) {
    const { area, sx, sy, xTicks, yTicks } = this.at;
    context.font = FONT;
    context.lineWidth = 1;
    context.strokeStyle = colour("grid");
    context.beginPath();
    for (const tick of yTicks) {
      const y = Math.round(sy(tick.at)) + 0.5;
      context.moveTo(area.left, y);
      context.lineTo(area.right, y);
    }
    context.stroke();
    context.strokeStyle = colour("axis");
    context.beginPath();
    context.moveTo(area.left, area.bottom + 0.5);
    context.lineTo(area.right, area.bottom + 0.5);
    for (const tick of xTicks) {
      const x = Math.round(sx(tick.at)) + 0.5;
      context.moveTo(x, area.bottom + 1);
      context.lineTo(x, area.bottom + 5);
    }
    context.stroke();
    context.fillStyle = colour("quiet");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const tick of yTicks) context.fillText(tick.text, area.left - 8, sy(tick.at));
    context.textBaseline = "top";
    let free = -Infinity;
    for (const tick of xTicks) {
      const half = context.measureText(tick.text).width / 2;
      const x = Math.min(sx(tick.at), area.right + 8 - half);
      if (x - half < free) continue;
      context.textAlign = "center";
      context.fillText(tick.text, x, area.bottom + 9);
      free = x + half + 10;
    }
  }

  drawTrace(context, trace, faded) {
    const { x, y, raw, series, line } = trace;
    const { sx, sy, range, area } = this.at;
    const ink = colour(`run-${line.slot}`);
    const from = Math.max(0, lower(x, range.x[0]) - 1);
    const to = Math.min(x.length, upper(x, range.x[1]) + 1);
    const fade = faded ? 0.15 : 1;
    context.strokeStyle = ink;
    context.fillStyle = ink;
    context.lineJoin = "round";
    if (series.low) {
      context.globalAlpha = 0.2 * fade;
      context.fill(this.band(x, series, from, to));
    }
    const smoothed = y !== raw;
    if (smoothed && !series.low) {
      context.globalAlpha = 0.26 * fade;
      context.lineWidth = 1;
      context.stroke(this.path(x, raw, from, to));
    }
    context.globalAlpha = fade;
    context.lineWidth = 1.75;
    context.stroke(this.path(x, y, from, to));
    this.drawMarks(context, x, y, from, to);
    const end = y.length - 1;
    if (line.live && Number.isFinite(y[end])) {
      const [cx, cy] = [sx(x[end]), sy(y[end])];
      if (cx <= area.right + 1) {
        disc(context, cx, cy, 3);
        context.globalAlpha = 0.22 * fade;
        disc(context, cx, cy, 6.5);
      }
    }
    context.globalAlpha = 1;
  }

  shown(v) {
    return Number.isFinite(v) && (!this.log || v > 0);
  }

  path(x, y, from, to) {
    const { sx, sy } = this.at;
    const path = new Path2D();
    let pen = false;
    for (let i = from; i < to; i += 1) {
      if (!this.shown(y[i])) {
        pen = false;
        continue;
      }
      if (pen) path.lineTo(sx(x[i]), sy(y[i]));
      else path.moveTo(sx(x[i]), sy(y[i]));
      pen = true;
    }
    return path;
  }

  band(x, series, from, to) {
    const { sx, sy, range } = this.at;
    const height = (v) => sy(this.log && v <= 0 ? range.y[0] : v);
    const path = new Path2D();
    let run = [];
    const close = () => {
      if (run.length > 1) {
        path.moveTo(sx(x[run[0]]), height(series.high[run[0]]));
        for (const i of run) path.lineTo(sx(x[i]), height(series.high[i]));
        for (const i of run.reverse()) path.lineTo(sx(x[i]), height(series.low[i]));
        path.closePath();
      }
      run = [];
    };
    for (let i = from; i < to; i += 1) {
      if (Number.isFinite(series.low[i]) && Number.isFinite(series.high[i])) run.push(i);
      else close();
    }
    close();
    return path;
  }

  /** Lone points as discs; where values stop or begin again to be numbers, a triangle at the last height of one. */
  drawMarks(context, x, y, from, to) {
    const { sx, sy, area } = this.at;
    let height = area.bottom - 5;
    for (let i = from; i < to; i += 1) {
      if (this.shown(y[i])) {
        height = sy(y[i]);
        if (!this.shown(y[i - 1]) && !this.shown(y[i + 1])) disc(context, sx(x[i]), height, 4);
      } else if (!Number.isFinite(y[i]) && (Number.isFinite(y[i - 1] ?? 0) || Number.isFinite(y[i + 1] ?? 0))) {
        triangle(context, sx(x[i]), height, y[i] !== -Infinity);
      }
    }
  }

  // --- overlay

  /** What the crosshair is at, in units of x: under the pointer here, or where another card has it. */
  cursor() {
    if (this.pointer && this.at) return this.at.sx.invert(this.pointer.x);
    return this.linked?.x ?? null;
  }

  drawOverlay() {
    if (!this.at) return;
    const context = this.prepare(this.overlay);
    const { area, sx, sy } = this.at;
    if (this.box) this.drawBox(context);
    const cursor = this.cursor();
    if (cursor === null || this.box) return hideTip(this);
    const hits = this.hits(cursor);
    const anchor = hits.length ? hits[0].px : sx(cursor);
    if (anchor < area.left - 1 || anchor > area.right + 1) return hideTip(this);
    context.strokeStyle = colour("quiet");
    context.globalAlpha = 0.6;
    context.beginPath();
    context.moveTo(Math.round(anchor) + 0.5, area.top);
    context.lineTo(Math.round(anchor) + 0.5, area.bottom);
    context.stroke();
    context.globalAlpha = 1;
    hits.forEach((hit, rank) => {
      if (!this.shown(hit.y)) return;
      const cy = sy(hit.y);
      if (cy < area.top - 4 || cy > area.bottom + 4) return;
      context.fillStyle = colour("card");
      disc(context, hit.px, cy, rank === 0 && this.pointer ? 5.5 : 4.5);
      context.fillStyle = colour(`run-${hit.line.slot}`);
      disc(context, hit.px, cy, rank === 0 && this.pointer ? 4 : 3);
    });
    if (this.pointer) showTip(this, hits);
    else hideTip(this);
  }

  /** The nearest point of each run, nearest in pixels first. */
  hits(cursor) {
    const { sx, sy } = this.at;
    const here = sx(cursor);
    const hits = this.drawn.map(({ line, series, x, y, raw }) => {
      const i = nearest(x, cursor);
      return { line, series, i, x: x[i], y: y[i], raw: raw[i], smoothed: y !== raw, px: sx(x[i]) };
    });
    for (const hit of hits) {
      const dy = this.pointer && this.shown(hit.y) ? sy(hit.y) - this.pointer.y : 0;
      hit.distance = Math.hypot(hit.px - here, dy);
    }
    return hits.sort((a, b) => a.distance - b.distance);
  }

  drawBox(context) {
    const { area } = this.at;
    const { left, right, top, bottom } = this.boxRange();
    context.fillStyle = colour("accent");
    context.globalAlpha = 0.14;
    context.fillRect(left, top, right - left, bottom - top);
    context.globalAlpha = 0.8;
    context.strokeStyle = colour("accent");
    context.strokeRect(Math.max(area.left, left) + 0.5, top + 0.5, right - left - 1, bottom - top - 1);
    context.globalAlpha = 1;
  }

  /** The zoom box in pixels: only x when it is wider than tall by four to one, only y in the other case. */
  boxRange() {
    const { area } = this.at;
    const { x0, y0, x1, y1 } = this.box;
    const wide = Math.abs(x1 - x0);
    const tall = Math.abs(y1 - y0);
    const within = (v, low, high) => Math.min(high, Math.max(low, v));
    const xOnly = wide > 4 * tall;
    const yOnly = tall > 4 * wide;
    return {
      xOnly, yOnly, small: Math.max(wide, tall) < 4,
      left: yOnly ? area.left : within(Math.min(x0, x1), area.left, area.right),
      right: yOnly ? area.right : within(Math.max(x0, x1), area.left, area.right),
      top: xOnly ? area.top : within(Math.min(y0, y1), area.top, area.bottom),
      bottom: xOnly ? area.bottom : within(Math.max(y0, y1), area.top, area.bottom),
    };
  }

  /** Says where the pointer is, so that the other cards follow. */
  announce() {
    const x = this.pointer ? this.cursor() : null;
    const id = x === null || !this.drawn?.length ? null : this.hits(x)[0]?.line.id;
    this.dispatchEvent(new CustomEvent("hover", { detail: x === null ? null : { x, id } }));
  }

  /** Follows another card, or the table. */
  follow(linked) {
    const before = this.lit();
    this.linked = linked;
    if (this.lit() !== before) this.draw();
    else this.drawOverlay();
  }

  destroy() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    hideTip(this);
    document.documentElement.classList.remove("has-big");
    put(this.element);
  }
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

function triangle(context, x, y, up) {
  const d = up ? -1 : 1;
  context.beginPath();
  context.moveTo(x, y + 5 * d);
  context.lineTo(x + 4.5, y - 3.5 * d);
  context.lineTo(x - 4.5, y - 3.5 * d);
  context.closePath();
  context.fill();
}
