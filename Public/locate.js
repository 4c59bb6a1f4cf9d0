// Where a field is in JSON text, so that an error can point at it.

/** Line breaks as people write specs by hand: what is small stays on one line. */
export function pretty(value, indent = "") {
	const flat = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, " ") ?? "null";
	const [open, close] = Array.isArray(value) ? "[]" : "{}";
	if (value === null || typeof value !== "object" || !Object.keys(value).length || (indent && indent.length + flat.length <= 76)) return flat;
	const inner = `${indent}  `;
	const lines = Object.entries(value).map(([key, v]) => `${inner}${open === "[" ? "" : `${JSON.stringify(key)}: `}${pretty(v, inner)}`);
	return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

const TOKENS = /"(?:\\.|[^"\\])*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;

/**
 * The range in `text` of the value at `path` ("model.layers.0.out", "model.layers[0].out"), or of the nearest part around
 * it, with `found`. Null when the text is not JSON.
 */
export function locate(text, path) {
	if (syntaxError(text)) return null;
	const keys = path.replace(/\[(\w+)\]/g, ".$1").split(".").filter(Boolean);
	const tokens = [...text.matchAll(TOKENS)];
	const word = () => tokens[at][0];
	let best = { start: 0, end: text.length, depth: 0 };
	let at = 0;
	// `depth` keys of the path lead to this value; -1: it is beside the path. Members of objects start at their key.
	const value = (depth, start) => {
		const open = word();
		at += 1;
		if (open === "{" || open === "[") {
			for (let i = 0; word() !== "}" && word() !== "]"; i += 1) {
				const { index } = tokens[at];
				const key = open === "{" ? JSON.parse(word()) : String(i);
				if (open === "{") at += 2;
				value(depth >= 0 && keys[depth] === key ? depth + 1 : -1, open === "{" ? index : tokens[at].index);
				if (word() === ",") at += 1;
			}
			at += 1;
		}
		const last = tokens[at - 1];
		if (depth > best.depth) best = { start, end: last.index + last[0].length, depth };
	};
	value(0, 0);
	return { ...best, found: best.depth === keys.length };
}

export function syntaxError(text) {
	try {
		JSON.parse(text);
		return null;
	} catch (error) {
		const position = /position (\d+)/.exec(error.message);
		const start = position ? Math.min(Number(position[1]), text.length) : text.length;
		const line = text.slice(0, start).split("\n").length;
		const what = error.message.replace(/ in JSON.*| at position.*|, "?[\s\S]*is not valid JSON/s, "");
		const from = Math.max(0, Math.min(start, text.length - 1));
		return { message: `line ${line}: ${what}`, start: from, end: Math.min(start + 1, text.length) };
	}
}
