// What a chart says about itself: how many points it shows, whether that is exact, and what it could not draw.

import * as format from "./format.js";

/** The line below a chart of these lines (`{name, series}`); `log` when its y axis is logarithmic. */
export function caption(lines, log) {
  const drawn = lines.filter((line) => line.series);
  if (!drawn.length) return lines.length ? "loading" : "no points yet";
  const remarks = [...notFinite(drawn), ...(log ? notPositive(drawn) : [])];
  return [exactness(drawn), ...remarks.slice(0, 3)].join(" · ");
}

function exactness(drawn) {
  const points = sum(drawn, (series) => series.count);
  const sampled = drawn.filter((line) => line.series.sampled);
  if (!sampled.length) return points === 1 ? "exact, 1 point" : `exact, ${format.count(points)} points`;
  const inBuckets = sum(sampled, (series) => series.count);
  const buckets = sum(sampled, (series) => series.steps.length);
  const rest = points - inBuckets;
  return `${format.count(buckets)} buckets of ${format.count(inBuckets)} points, extremes kept` +
    (rest ? `, ${format.count(rest)} exact` : "");
}

function notFinite(drawn) {
  return drawn.flatMap(({ series, name }) => {
    const at = series.values.findIndex((v) => !Number.isFinite(v));
    const whose = drawn.length > 1 ? `${name}: ` : "";
    return at < 0 ? [] : [`${whose}${format.value(series.values[at])} at step ${format.count(series.steps[at])}`];
  });
}

function notPositive(drawn) {
  const dropped = sum(drawn, (series) => series.values.filter((v) => v <= 0).length);
  return dropped ? [`${format.count(dropped)} not above 0, left out`] : [];
}

function sum(drawn, count) {
  return drawn.reduce((total, line) => total + count(line.series), 0);
}
