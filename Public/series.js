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
    this.low = answer.sampled ? answer.min.map(parse) : null;
    this.high = answer.sampled ? answer.max.map(parse) : null;
    this.width = answer.sampled ? bucketWidth(this.steps) : 1;
    this.last = lastStep(answer, this.width);
    this.inLast = answer.sampled ? this.count / this.steps.length : 1; // about how many points the last bucket holds
    this.stale = false;
    this.version = 0;
    this.cache = new Map();
  }

  /**
   * Adds a live point; says whether anything changed. A point that an exact curve lacks further back marks it as
   * stale: it must be read again.
   */
  append(point) {
    const v = parse(point.value);
    if (point.step <= this.last) {
      this.stale ||= !this.sampled && !this.has(point.step, v);
      return false;
    }
    if (this.sampled && this.bucket(point.step) === this.bucket(this.steps.at(-1))) this.merge(v);
    else this.push(point, v);
    this.last = point.step;
    this.count += 1;
    this.version += 1;
    return true;
  }

  bucket(step) {
    return Math.floor(step / this.width);
  }

  has(step, v) {
    for (let i = upper(this.steps, step) - 1; i >= 0 && this.steps[i] === step; i -= 1) {
      if (Object.is(this.values[i], v)) return true;
    }
    return false;
  }

  push(point, v) {
    this.steps.push(point.step);
    this.times.push(point.timestamp);
    this.values.push(v);
    this.low?.push(v);
    this.high?.push(v);
    this.inLast = 1;
  }

  /** Takes a value into the last bucket, as the server will: mean and extremes of what is a number. */
  merge(v) {
    const i = this.values.length - 1;
    if (Number.isNaN(v)) return;
    this.inLast += 1;
    this.values[i] = Number.isNaN(this.values[i]) ? v : this.values[i] + (v - this.values[i]) / this.inLast;
    if (!(this.low[i] <= v)) this.low[i] = v;
    if (!(this.high[i] >= v)) this.high[i] = v;
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

/** Buckets are aligned to powers of two: the width is the largest one that keeps their first steps apart. */
function bucketWidth(steps) {
  let width = 1;
  const apart = (w) => steps.every((step, i) => i === 0 || Math.floor(step / w) !== Math.floor(steps[i - 1] / w));
  while (steps.length > 1 && width < 2 ** 50 && apart(2 * width)) width *= 2;
  return width;
}

/**
 * The last step that an answer covers. Of buckets only the first steps are known; the rest follows from the number of
 * points when they are equally spaced. Where that is not certain, the last bucket's start: a live point may then be
 * counted twice until the curve is read again.
 */
function lastStep(answer, width) {
  const { steps, count, sampled } = answer;
  const start = steps.at(-1) ?? -Infinity;
  if (!sampled) return start;
  if (Number.isFinite(answer.last_step)) return answer.last_step;
  const gaps = count - 1;
  const stride = Math.ceil((start - steps[0]) / gaps);
  const last = steps[0] + stride * gaps;
  const end = (Math.floor(start / width) + 1) * width;
  return last < end && last + gaps >= end ? last : start;
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
