// The filter box. Plain words must all occur in a run's name, experiment, params or tags; `lr < 0.01`, `val/loss<=0.1` or
// `state=running` look at one of them. What is in the API's language (`metrics."val/loss" < 0.1`) the server filters.

import { stateOf } from "./store.js";

const API = /(^|[\s(])(metrics?|params?|parameters?|tags?|attributes?|attr|run|datasets?)\.\S|\s(i?like|in|is(\s+not)?\s+null)\b/i;
const OPEN = /(<|>|=|!|\b(and|like|ilike|in|is|not)|\.)\s*$/i;
const SIGNS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
	"!=": (a, b) => a !== b, "=": (a, b) => a === b };

export const isQuery = (text) => API.test(text);

/** Whether such a text is a whole sentence, not one still being typed. */
export const isWhole = (text) => /[<>=]|\b(like|in|null)\b/i.test(text) && !OPEN.test(text) && (text.match(/['"`]/g) ?? []).length % 2 === 0;

export function filter(text) {
	const words = text.replace(/\s*(<=|>=|!=|=|<|>)\s*/g, "$1").match(/(?:[^\s"']|"[^"]*"?|'[^']*'?)+/g) ?? [];
	const tests = words.filter((word) => word.toLowerCase() !== "and").map(test);
	return (run) => tests.every((passes) => passes(run));
}

function test(word) {
	const [, name, sign, value] = /^([^<>=!]+?)(<=|>=|!=|<|>|=)(.+)$/.exec(word)?.map((part) => part.replace(/["']/g, "")) ?? [];
	if (name) return (run) => compare(read(run, name), sign, value);
	const wanted = word.replace(/["']/g, "").toLowerCase();
	const tag = wanted.startsWith("tag:") && wanted.slice(4);
	if (tag) return (run) => tag in run.tags || Object.values(run.tags).includes(tag);
	return (run) => [run.name, run.id, run.experiment, stateOf(run), ...[run.params, run.tags].flatMap((object) =>
		Object.entries(object).map((pair) => pair.join("=")))].join("\n").toLowerCase().includes(wanted);
}

function read(run, name) {
	if (name === "state") return stateOf(run);
	if (name === "name" || name === "experiment") return run[name];
	return run.metrics.get(name)?.last ?? run.params[name] ?? run.params[`optimizer.${name}`] ?? run.tags[name.replace(/^tag:/, "")];
}

function compare(found, sign, wanted) {
	if (found === undefined) return sign === "!=";
	const numbers = [Number(found), Number(wanted)];
	return SIGNS[sign](...(numbers.some(Number.isNaN) ? [String(found).toLowerCase(), wanted.toLowerCase()] : numbers));
}
