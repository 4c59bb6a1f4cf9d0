// What a run left behind: its files, each with a look inside: as text or a picture, never run as a page.

import * as api from "../api.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { download, note, reading, scroller } from "../parts.js";

const LOOKED_AT = 256 << 10;
const ROWS = 500; // of a table
const PICTURES = { png: "png", jpg: "jpeg", jpeg: "jpeg", gif: "gif", webp: "webp", svg: "svg+xml" };

export function artifacts(id) {
	const list = (path) => reading(api.get(`/api/2.0/mlflow/artifacts/list?${new URLSearchParams({ run_id: id, path })}`),
		({ files = [] }) => files.length ? files.map(entry) : note("No artifacts."));
	const entry = ({ path, is_dir: isFolder, file_size: size = 0 }) => {
		const element = h("details.box", { toggle: () => element.children[1] || element.append(isFolder ? list(path) : look(path, size)) },
			h("summary", path.split("/").at(-1), h("small.quiet", isFolder ? "" : format.bytes(size))));
		return element;
	};
	const look = (path, size) => {
		const file = `/get-artifact?${new URLSearchParams({ run_id: id, path })}`;
		return h("section", download(file, "Download", { label: `Download ${path}` }), reading(preview(file, path, size)));
	};
	return list("");
}

async function preview(file, path, size) {
	const kind = path.split(".").at(-1).toLowerCase();
	if (!size) return note("The file is empty.");
	const bytes = await (await api.raw(file, PICTURES[kind] ? size : LOOKED_AT)).arrayBuffer();
	if (PICTURES[kind]) return h("img", { alt: path, src: URL.createObjectURL(new Blob([bytes], { type: `image/${PICTURES[kind]}` })) });
	const whole = bytes.byteLength >= size;
	let text = "\0";
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !whole });
		if (kind === "json" && whole) text = format.pretty(JSON.parse(text));
	} catch {}
	if (text.includes("\0")) return note("These bytes are no text.");
	const cut = !whole && note(`The first ${format.bytes(bytes.byteLength)}.`);
	if (kind !== "csv") return [cut, h("pre.spec", { tabindex: 0 }, text)];
	const [head, ...rows] = rowsOf(text);
	if (!whole) rows.pop(); // its end may be missing
	const numeric = head.map((_, i) => rows.every((row) => !isNaN(row[i] ?? "")));
	return [cut, rows.length > ROWS && note(`${format.count(ROWS)} of ${format.plural(rows.length, "row")}.`), scroller(path,
		h("table.list", [["thead", [head]], ["tbody", rows.slice(0, ROWS)]].map(([part, rows]) => h(part, rows.map((row) =>
			h("tr", row.map((text, i) => h(part === "tbody" ? "td" : "th", { class: numeric[i] && "n" }, text))))))))];
}

/** The cells of a CSV text (RFC 4180). */
function rowsOf(text) {
	const rows = [[]];
	for (const [, quoted, plain, end] of text.trimEnd().matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/g)) {
		rows.at(-1).push(quoted?.replaceAll('""', '"') ?? plain);
		if (end === "") return rows;
		if (end !== ",") rows.push([]);
	}
}
