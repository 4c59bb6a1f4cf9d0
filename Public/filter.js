// The words of the filter box: plain words must all occur in a run's name, experiment, params or tags; a comparison
// such as `optimizer.lr<0.01`, `val/loss<=0.1` or `state=running` looks at one param, metric, tag or column.

import { stateOf } from "./store.js";

const COMPARISON = /^([^<>=!]+?)(<=|>=|!=|<|>|=)(.+)$/;

/** A function that says whether a run passes; an empty text passes everything. */
export function filter(text) {
  const tests = text.trim().split(/\s+/).filter(Boolean).map(test);
  return (run) => tests.every((passes) => passes(run));
}

function test(word) {
  const parts = COMPARISON.exec(word);
  if (parts) return (run) => compare(read(run, parts[1]), parts[2], parts[3]);
  const wanted = word.toLowerCase();
  return (run) => haystack(run).includes(wanted);
}

function haystack(run) {
  const pairs = [...Object.entries(run.params), ...Object.entries(run.tags)].map(([key, value]) => `${key}=${value}`);
  return [run.name, run.id, run.experiment, stateOf(run), ...pairs].join("\n").toLowerCase();
}

function read(run, name) {
  if (name === "state") return stateOf(run);
  if (name === "name" || name === "experiment") return run[name];
  return run.metrics.get(name)?.last ?? run.params[name] ?? run.tags[name.replace(/^tag:/, "")];
}

function compare(found, operator, wanted) {
  if (found === undefined) return operator === "!=";
  const numbers = [Number(found), Number(wanted)];
  const [a, b] = numbers.some(Number.isNaN) ? [String(found).toLowerCase(), wanted.toLowerCase()] : numbers;
  switch (operator) {
    case "<": return a < b;
    case ">": return a > b;
    case "<=": return a <= b;
    case ">=": return a >= b;
    case "!=": return a !== b;
    default: return a === b;
  }
}
