// One curve of one run as the page holds it: what the server answered, plus the points that came live since.

import { parse } from "./format.js";

export class Series {
  /** From an answer of `/runs/{id}/metrics/{key}` or one of `/curves`. */
  constructor(answer) {
    this.key = answer.key;
    this.count = answer.count;
    this.sampled = answer.sampled;
    this.steps = answer.steps.slice();
    this.times = answer.timestamps.slice();
    this.values = answer.values.map(parse);
    this.low = answer.sampled && answer.min ? answer.min.map(parse) : null;
    this.high = answer.sampled && answer.max ? answer.max.map(parse) : null;
    this.buckets = answer.sampled ? this.steps.length : 0;
    this.stale = false;
    this.version = 0;
    this.cache = new Map();
  }

  /** Adds a live point. One that belongs further back marks the curve as stale: it must be read again. */
  append(point) {
    const last = this.steps.length - 1;
    const v = parse(point.value);
    if (last >= 0 && point.step <= this.steps[last]) {
      // A sampled curve no longer knows its single points: the buckets' own refresh brings this one.
      if (this.sampled && point.step < this.steps[last]) return false;
      for (let i = upper(this.steps, point.step) - 1; i >= 0 && this.steps[i] === point.step; i -= 1) {
        if (Object.is(this.values[i], v)) return false;
      }
      this.stale = true;
      return false;
    }
    this.steps.push(point.step);
    this.times.push(point.timestamp);
    this.values.push(v);
    if (this.low) {
      this.low.push(v);
      this.high.push(v);
    }
    this.count += 1;
    this.version += 1;
    return true;
  }

  /** Points that came since the server answered with buckets. */
  get tail() {
    return this.sampled ? this.steps.length - this.buckets : 0;
  }

  /** The x of each point: `step`, `relative` (ms since the first point) or `time` (ms since 1970). */
  xs(axis) {
    if (axis === "step") return this.steps;
    if (axis === "time") return this.times;
    return this.cached("relative", () => this.times.map((t) => t - this.times[0]));
  }

  /** The values under a smoothing weight (0 = as they are). */
  smoothed(weight) {
    if (!(weight > 0) || this.values.length < SMOOTH_FROM) return this.values;
    return this.cached(`smooth ${weight}`, () => smooth(this.values, weight));
  }

  cached(name, make) {
    const hit = this.cache.get(name);
    if (hit && hit.version === this.version) return hit.made;
    if (this.cache.size > 4) this.cache.clear();
    const made = make();
    this.cache.set(name, { version: this.version, made });
    return made;
  }
}

/** Curves of fewer points are never smoothed: an average over a handful of epochs only misleads. */
export const SMOOTH_FROM = 64;

/** Exponential moving average, corrected for its start (Kingma and Ba 2015, section 3); skips what is not finite. */
export function smooth(values, weight) {
  const result = new Array(values.length);
  let mean = 0;
  let mass = 0;
  for (let i = 0; i < values.length; i += 1) {
    const v = values[i];
    if (!Number.isFinite(v)) {
      result[i] = v;
      continue;
    }
    mean = weight * mean + (1 - weight) * v;
    mass = weight * mass + (1 - weight);
    result[i] = mean / mass;
  }
  return result;
}

/** Index of the first element that is >= x in a rising list. */
export function lower(list, x) {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (list[middle] < x) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Index of the first element that is > x in a rising list. */
export function upper(list, x) {
  let from = 0;
  let to = list.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (list[middle] <= x) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Index of the element nearest to x in a rising list; -1 when it is empty. */
export function nearest(list, x) {
  const i = lower(list, x);
  if (i === 0) return list.length ? 0 : -1;
  if (i === list.length) return i - 1;
  return x - list[i - 1] <= list[i] - x ? i - 1 : i;
}
