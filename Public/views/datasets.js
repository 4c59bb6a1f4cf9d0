// Data sets; of one its classes, quality, and pictures plain and as a job's augmentations show them.

import * as api from "../api.js";
import { button, empty, h, put, settled } from "../dom.js";
import * as format from "../format.js";
import { bar, box, cells, figures, headline, table } from "../parts.js";
import { link, state } from "../store.js";

const AT_ONCE = 24;
const shape = (sizes) => sizes.join(" × ");

export function mount(root) {
	const { id } = state.view;
	api.get(id ? `/datasets/${encodeURIComponent(id)}` : "/datasets").then((found) => put(root, h("div.page", id ? one(found) : list(found.datasets))),
		(error) => put(root, empty("Nothing to be seen", error.message)));
	return [];
}

const list = (sets) => [headline("Data sets", "Bring your own with PUT /api/v1/datasets/NAME?format=csv|idx|npy|text."),
	h("section.box", table(["name", "kind", "task", "#examples", "#shape", "#classes", "source"], sets.map((set) => cells(
		h("a", { href: link("datasets", set.name) }, set.name), set.kind, set.task, [format.count(set.examples)], [shape(set.input_shape)],
		[set.classes?.length ?? "–"], set.source))))];

function one({ quality, ...set }) {
	const { class_balance: classes, ranges } = quality;
	const all = classes.reduce((sum, c) => sum + c.examples, 0);
	return [headline(set.name, `${set.source} · ${set.license}`),
		figures([["kind", set.kind], ["task", set.task], ["examples", format.count(set.examples)], ["shape", shape(set.input_shape)],
			["missing values", format.count(quality.missing_values)], ["repeated rows", format.count(quality.duplicate_rows)],
			["constant columns", format.count(quality.constant_columns.length)]]),
		set.kind === "image" && pictures(set),
		all > 0 && box("Classes", table(["class", "", "#examples", "#share"], classes.map(({ class: name, examples: n }) => cells(
			JSON.stringify(name).slice(1, -1), bar(n / all), [format.count(n)], [`${((100 * n) / all).toFixed(1)} %`])), "shares")),
		box("Ranges", table(["column", "#min", "#max", "#mean", "#std"], ranges.map((range) =>
			cells(range.column, ...["min", "max", "mean", "std"].map((name) => [format.value(range[name])])))))];
}

function pictures(set) {
	let [from, epoch, asked] = [0, 0, 0];
	const grid = h("div.pictures", { "aria-live": "polite" });
	const wrong = h("p.message", { role: "alert", id: "augment-error" });
	const spec = h("input", { type: "text", class: "grow", value: '[{"type": "rotate", "degrees": 15}]', spellcheck: "false",
		label: "The augment list of a job", "aria-describedby": "augment-error", input: () => soon() });
	const move = (text, by, turn) => button("quiet", text, () => {
		from += by;
		epoch += turn;
		show();
	});
	const [again, next] = [move("Another epoch", 0, 1), move("Next", AT_ONCE, 0)];

	async function show() {
		const mine = (asked += 1);
		const read = (query) => api.get(`/datasets/${set.name}/examples?${new URLSearchParams({ from, limit: AT_ONCE, ...query })}`);
		try {
			const [plain, changed] = await Promise.all([read(), read({ epoch, augment: spec.value || "[]" })]);
			if (mine !== asked) return;
			put(grid, plain.examples.map((example, i) => h("figure", picture(example, set, ""), picture(changed.examples[i], set, ", augmented"),
				h("figcaption", example.label ?? example.target))));
			if (from + AT_ONCE >= plain.count) from = -AT_ONCE; // begins again
			put(wrong);
		} catch (error) {
			put(wrong, error.message);
		}
		spec.ariaInvalid = wrong.textContent !== "";
	}
	const soon = settled(500, show);
	show();
	return box("Pictures", h("div.controls", "augment", spec, again, next), wrong, grid);
}

/** One channel in grey, three in colour; numbers outside of 0...1 are brought there by their range. */
function picture({ index, values }, { input_shape: [channels, height, width] }, how) {
	const canvas = h("canvas", { width, height, role: "img", label: `example ${index}${how}` });
	const numbers = values.map(Number);
	const [low, high] = [Math.min(0, ...numbers), Math.max(1, ...numbers)];
	const image = new ImageData(width, height);
	for (let at = 0; at < image.data.length; at += 1) {
		const channel = channels === 3 ? at % 4 : 0;
		image.data[at] = at % 4 === 3 ? 255 : (255 * (numbers[channel * width * height + (at >> 2)] - low)) / (high - low);
	}
	canvas.getContext("2d").putImageData(image, 0, 0);
	return canvas;
}
