// Where a field is in JSON text, so that an error can point at it.

/** Line breaks and nesting as people write specs by hand: small objects and lists of plain values stay on one line. */
export function pretty(value, indent = "") {
	const flat = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, " ") ?? "null";
	if (indent.length + flat.length <= 76 && (indent || value === null || typeof value !== "object")) return flat;
	const inner = `${indent}  `;
	if (Array.isArray(value)) {
		return value.length ? `[\n${value.map((v) => inner + pretty(v, inner)).join(",\n")}\n${indent}]` : "[]";
	}
	if (value !== null && typeof value === "object") {
		const lines = Object.entries(value).map(([key, v]) => `${inner}${JSON.stringify(key)}: ${pretty(v, inner)}`);
		return lines.length ? `{\n${lines.join(",\n")}\n${indent}}` : "{}";
	}
	return flat;
}

/**
 * The range in `text` of the value at `path` ("model.layers.0.out", "model.layers[0].out"), or of the nearest part around
 * it, with `found`. Null when the text is not JSON.
 */
export function locate(text, path) {
	const keys = path.replace(/\[(\w+)\]/g, ".$1").split(".").filter(Boolean);
	const root = { start: 0, end: text.length, depth: 0 };
	let best = root;
	let at = 0;

	const space = () => {
		while (/\s/.test(text[at] ?? "")) at += 1;
	};
	const string = () => {
		const from = at;
		at += 1;
		while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
		at += 1;
		return JSON.parse(text.slice(from, at));
	};
	// `depth` keys of the path lead here; -1 when this value is beside the path.
	const value = (depth, marked) => {
		space();
		const from = at;
		if (text[at] === "{" || text[at] === "[") members(text[at] === "{", depth);
		else if (text[at] === '"') string();
		else while (at < text.length && !/[\s,\]}]/.test(text[at])) at += 1;
		if (depth > best.depth) best = { start: marked ?? from, end: at, depth };
	};
	const members = (object, depth) => {
		at += 1;
		for (let i = 0; at < text.length; i += 1) {
			space();
			if (text[at] === "}" || text[at] === "]") break;
			const from = at;
			const key = object ? string() : String(i);
			if (object) {
				space();
				at += 1;
			}
			const along = depth >= 0 && keys[depth] === key ? depth + 1 : -1;
			value(along, object ? from : null);
			space();
			if (text[at] === ",") at += 1;
		}
		at += 1;
	};

	try {
		value(0, null);
	} catch {
		return null;
	}
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
