// The words of the filter box. In its own short form, plain words must all occur in a run's name, experiment, params
// or tags, and a comparison such as `optimizer.lr < 0.01`, `val/loss<=0.1` or `state=running` looks at one param,
// metric, tag or column. In the API's language (`metrics."val/loss" < 0.1 AND params.model = 'cnn'`) the server filters.

import { stateOf } from "./store.js";

const COMPARISON = /^([^<>=!]+?)(<=|>=|!=|<|>|=)(.+)$/;
const WORDS = /(?:[^\s"']|"[^"]*"?|'[^']*'?)+/g;
const API = /(^|[\s(])(metrics?|params?|parameters?|tags?|attributes?|attr|run|datasets?)\.\S|\s(i?like|in|is(\s+not)?\s+null)\b/i;
const OPEN = /(<|>|=|!|\b(and|like|ilike|in|is|not)|\.)\s*$/i;

export function isQuery(text) {
	return API.test(text);
}

// Whether such a text is a whole sentence, and not one that is still being typed.
export function isWhole(text) {
	const quotes = [...text].filter((c) => `'"\x60`.includes(c)).length;
	return /[<>=]|\b(like|in|null)\b/i.test(text) && !OPEN.test(text) && quotes % 2 === 0;
}

export function filter(text) {
	const joined = text.replace(/\s*(<=|>=|!=|=|<|>)\s*/g, "$1");
	const tests = (joined.match(WORDS) ?? []).filter((word) => word.toLowerCase() !== "and").map(test);
	return (run) => tests.every((passes) => passes(run));
}

const bare = (text) => text.replace(/["']/g, "");

function test(word) {
	const parts = COMPARISON.exec(word);
	if (parts) return (run) => compare(read(run, bare(parts[1])), parts[2], bare(parts[3]));
	const wanted = bare(word).toLowerCase();
	if (wanted.startsWith("tag:")) return (run) => wanted.slice(4) in run.tags || Object.values(run.tags).includes(wanted.slice(4));
	return (run) => haystack(run).includes(wanted);
}

function haystack(run) {
	let text = `${run.name}\n${run.id}\n${run.experiment}\n${stateOf(run)}`;
	for (const key in run.params) text += `\n${key}=${run.params[key]}`;
	for (const key in run.tags) text += `\n${key}=${run.tags[key]}`;
	return text.toLowerCase();
}

function read(run, name) {
	if (name === "state") return stateOf(run);
	if (name === "name" || name === "experiment") return run[name];
	return run.metrics.get(name)?.last ?? run.params[name] ?? run.params[`optimizer.${name}`] ?? run.tags[name.replace(/^tag:/, "")];
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
