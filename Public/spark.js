// Small curves in table cells: the shape of one metric, fetched for the rows that are seen, many in one call.

import * as api from "./api.js";
import { svg, throttled } from "./dom.js";
import { parse } from "./format.js";
import { colourOf, stateOf } from "./store.js";

const [WIDTH, HEIGHT] = [84, 22];
const POINTS = 40;
const A_CALL = 60;

export class Sparks {
  /** `changed()` is told when curves came in. */
  constructor(changed) {
    this.changed = changed;
    this.key = "";
    this.held = new Map(); // run id -> {count, path}
    this.wanted = new Map();
    this.fetch = throttled(400, () => this.read());
  }

  /** Shows another metric. */
  setKey(key) {
    if (key === this.key) return;
    this.key = key;
    this.held.clear();
    this.wanted.clear();
  }

  /** What a cell's look depends on; asks for the curve when it is not there or has grown much. */
  print(run) {
    const count = run.metrics.get(this.key)?.count ?? 0;
    const held = this.held.get(run.id);
    const outgrown = held && (stateOf(run) === "running" ? count > held.count * 1.1 + 5 : count > held.count);
    if (count && (!held || outgrown)) {
      this.wanted.set(run.id, count);
      this.fetch();
    }
    return `${run.id} ${colourOf(run.id)} ${held?.path ?? ""}`;
  }

  render(run) {
    const path = this.held.get(run.id)?.path;
    if (!path) return null;
    return svg("svg", { class: `spark c${colourOf(run.id)}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH,
      height: HEIGHT, "aria-hidden": "true" }, svg("path", { d: path }));
  }

  async read() {
    const { key } = this;
    const asked = [...this.wanted].slice(0, A_CALL);
    if (!asked.length) return;
    for (const [id, count] of asked) {
      this.wanted.delete(id);
      this.held.set(id, { count, path: this.held.get(id)?.path ?? "" });
    }
    if (this.wanted.size) this.fetch();
    const query = new URLSearchParams([["key", key], ...asked.map(([id]) => ["run", id]), ["max_points", POINTS]]);
    try {
      const { curves } = await api.get(`/curves?${query}`);
      if (key !== this.key) return;
      curves.forEach((curve, i) => {
        const id = curve.run_id ?? asked[i][0];
        this.held.set(id, { count: curve.count, path: line(curve.steps, curve.values.map(parse)) });
      });
      this.changed();
    } catch {
      // An empty cell says as much as a message would.
    }
  }
}

/** A curve as an SVG path that fills the cell; what is not a number breaks it. */
export function line(steps, values) {
  const finite = values.filter(Number.isFinite);
  if (!finite.length) return "";
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low || 1;
  const from = steps[0];
  const length = steps.at(-1) - from || 1;
  let pen = "M";
  const parts = values.map((v, i) => {
    if (!Number.isFinite(v)) {
      pen = "M";
      return "";
    }
    const x = 1 + ((steps[i] - from) / length) * (WIDTH - 2);
    const part = `${pen}${x.toFixed(1)} ${(HEIGHT - 3 - ((v - low) / span) * (HEIGHT - 6)).toFixed(1)}`;
    pen = "L";
    return part;
  });
  return finite.length === 1 ? `${parts.join("")}h2` : parts.join("");
}
