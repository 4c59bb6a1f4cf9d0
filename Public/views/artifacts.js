// What a run left behind: its files, each with a look inside: as text or a picture, never run as a page.

import * as api from "../api.js";
import { h } from "../dom.js";
import * as format from "../format.js";
import { pretty } from "../locate.js";
import { download, note, reading } from "../parts.js";

const LOOKED_AT = 256 << 10;
const PICTURES = { png: "png", jpg: "jpeg", jpeg: "jpeg", gif: "gif", webp: "webp", svg: "svg+xml" };

export function artifacts(id) {
	const list = (path) => reading(api.get(`/api/2.0/mlflow/artifacts/list?${new URLSearchParams({ run_id: id, path })}`),
		({ files = [] }) => (files.length ? files.map(entry) : note("No artifacts.")));
	const entry = ({ path, is_dir: isFolder, file_size: size = 0 }) => {
		const element = h("details.box", { toggle: () => element.children[1] || element.append(isFolder ? list(path) : look(path, size)) },
			h("summary", path.split("/").at(-1), h("small.quiet", isFolder ? "" : format.bytes(size))));
		return element;
	};
	const look = (path, size) => {
		const file = `/get-artifact?${new URLSearchParams({ run_id: id, path })}`;
		return h("section", download(file, "Download", { label: `Download ${path}` }), reading(preview(file, path, size), (shown) => shown));
	};
	return list("");
}

async function preview(file, path, size) {
	const kind = path.split(".").at(-1).toLowerCase();
	if (!size) return note("The file is empty.");
	const bytes = await (await api.raw(file, PICTURES[kind] ? size : LOOKED_AT)).arrayBuffer();
	if (PICTURES[kind]) {
		const picture = h("img", { alt: path, src: URL.createObjectURL(new Blob([bytes], { type: `image/${PICTURES[kind]}` })) });
		return picture;
	}
	const whole = bytes.byteLength >= size;
	let text = "\0";
	try {
		text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !whole });
		if (kind === "json" && whole) text = pretty(JSON.parse(text));
	} catch {}
	if (text.includes("\0")) return note("These bytes are no text.");
	return [!whole && note(`The first ${format.bytes(bytes.byteLength)}.`), h("pre.spec", { tabindex: "0" }, text)];
}
