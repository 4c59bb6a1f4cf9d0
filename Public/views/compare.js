// Some runs side by side: parallel coordinates, where a range keeps runs, plots, and a table.

import { byKey } from "../board.js";
import { best, byWeight, difference, direction, inventory, MAIN_METRICS, param } from "../columns.js";
import { empty, h, put, svg, throttled } from "../dom.js";
import * as format from "../format.js";
import { headline, present } from "../parts.js";
import { colourOf, holds, link, listen, state } from "../store.js";

const [HEIGHT, TOP] = [230, 42];
const [LINES, SIDE_BY_SIDE, IN_CHARTS] = [500, 12, 20];

export function mount(root) {
	const ranges = new Map(); // axis -> [low, high] as shares of its height
	const selects = ["Metric", "Across", "Up"].map((name) => h("select", { label: name, title: name, change: () => show() }));
	const [metric] = selects;
	const kept = h("a.button");
	const plot = h("div.scroller.parallel");
	const plots = h("div.cards");
	const table = h("div.scroller");
	const page = h("div.page", headline("Compare", "Drag along an axis, or use its arrow keys, to keep a range; Escape takes it away."),
	h("div.controls", selects, kept), plot, plots, table);

	const nothing = empty("Nothing to compare", "Select two runs or more in the table.", h("p", h("a.button", { href: link("runs") }, "All runs")));

	function show() {
		const { pick } = state.view;
		const runs = [...state.runs.values()].filter((run) => !pick || holds(pick, run.id)).slice(0, LINES);
		if (!present(root, page, runs.length < 2 && nothing)) return;
		const all = runs.map(({ id }) => id);
		for (const id of all) colourOf(id, all);
		const found = inventory(runs);
		const keys = [...found.metrics.keys()].sort(byKey);
		const differs = ([, { varies, having }]) => varies || having < runs.length;
		const params = [...found.params].sort((a, b) => differs(b) - differs(a) || byWeight(a[0], b[0]));
		const axes = params.filter(([, { varies }]) => varies).slice(0, 8).map(([key]) => axis(key, runs, (run) => param(run, key)));
		const varying = axes.map(({ name }) => name);
		[[keys, MAIN_METRICS.find((key) => found.metrics.has(key)) ?? keys[0]], [varying, varying[0]], [varying, varying[1]]].forEach(([words, usual], i) => {
			if (selects[i].options.length === words.length) return;
			put(selects[i], words.map((word) => h("option", word)));
			selects[i].value = usual;
		});
		if (keys.length) axes.push(axis(`best ${metric.value}`, runs, (run) => best(run, metric.value)));
		const inside = runs.filter((run) => axes.every(({ name, at }) => {
			const range = ranges.get(name);
			return !range || (at.get(run) >= range[0] && at.get(run) <= range[1]);
		}));
		draw(axes, runs, new Set(inside));
		put(plots, keys.length > 0 && figures(axes.at(-1), selects.slice(1).map(({ value }) => axes.find(({ name }) => name === value)), runs, inside));
		kept.textContent = `${inside.length} runs in the table`;
		const ids = inside.map(({ id }) => id);
		kept.href = link("runs", null, { pick: new Set(ids), show: new Set(ids.slice(0, IN_CHARTS)) });
		const shown = inside.slice(0, SIDE_BY_SIDE);
		const row = (name, read, look) => h("tr", { class: look }, h("th", { scope: "row" }, name), shown.map((run) => h("td.n", read(run))));
		const metricCell = (key) => (run) => [run !== shown[0] && difference(best(run, key) - best(shown[0], key), direction(key)),
			run.metrics.has(key) ? format.value(best(run, key)) : "–"];
		put(table, h("table.list.sides",
			h("thead", h("tr", h("th", `${inside.length} of ${runs.length} runs`),
				shown.map((run) => h("th", { scope: "col", class: "n" }, h("i", { class: `swatch c${colourOf(run.id)}` }), " ",
					h("a", { href: link("runs", run.id), title: run.name }, run.name))))),
			h("tbody", keys.map((key) => row(`best ${key}`, metricCell(key))),
				params.map((entry) => row(entry[0], (run) => run.params[entry[0]] ?? "–", differs(entry) ? "differs" : "param")))));
	}

	function figures(z, [x, y], runs, inside) {
		const having = (...axes) => runs.filter((run) => axes.every(({ at }) => at.has(run)));
		const good = (run) => direction(metric.value) > 0 ? z.at.get(run) : 1 - z.at.get(run);
		const better = (a, b) => good(b) > good(a) ? b : a;
		const mark = (run, axes, look, shape) => {
			const words = `${run.name}: ${axes.map(({ name, text }) => `${name} ${text(run)}`).join(", ")}`;
			return svg("a", { href: link("runs", run.id), class: look, "aria-label": words }, svg("title", words), shape);
		};
		const dots = (x) => (sx, sy) => having(x, z).map((run) => mark(run, [x, z], inside.includes(run) ? `c${colourOf(run.id)}` : "out",
			svg("circle", { cx: sx(x.at.get(run)), cy: sy(z.at.get(run)), r: 5 })));
		const map = (sx, sy) => {
			const [columns, rows] = [x, y].map(({ at }) => Math.min(8, new Set(at.values()).size));
			const bin = ({ at }, run, n) => Math.min(n - 1, Math.floor(at.get(run) * n));
			const cells = Map.groupBy(having(x, y, z), (run) => `${bin(x, run, columns)} ${bin(y, run, rows)}`);
			return [...cells].map(([key, members]) => {
				const [i, j] = key.split(" ").map(Number);
				const run = members.reduce(better);
				return mark(run, [x, y, z], null, svg("rect", { class: "cell", x: sx(i / columns), y: sy((j + 1) / rows), width: sx(1 / columns) - sx(0),
					height: sy(0) - sy(1 / rows), "fill-opacity": 0.1 + 0.8 * good(run) }));
			});
		};
		const ordered = having(z).sort((a, b) => a.started - b.started);
		const order = axis("runs by their start", ordered, (run) => ordered.indexOf(run) + 1);
		const stairs = (sx, sy) => ordered.map((run, i) => `H${sx(order.at.get(run))}V${sy(z.at.get(ordered.slice(0, i + 1).reduce(better)))}`).join("");
		return [x && figure(`${z.name} by ${x.name}`, x, z, dots(x)), y && x !== y && figure(`${z.name} by ${x.name} and ${y.name}: the stronger, the better`, x, y, map),
			figure(`${z.name} so far`, order, z, (sx, sy) => [svg("path", { class: "stairs", d: stairs(sx, sy).replace(/H(.*?)V/, "M$1 ") }), dots(order)(sx, sy)])];
	}

	function draw(axes, runs, inside) {
		const gap = Math.max(150, (Math.min(1480, innerWidth) - 240) / (axes.length - 1 || 1));
		const y = (share) => TOP + (1 - share) * HEIGHT;
		const focus = plot.contains(document.activeElement) && document.activeElement.dataset.axis;
		const lines = [...runs].sort((a, b) => inside.has(a) - inside.has(b)).map((run) => svg("path", {
			class: inside.has(run) ? `c${colourOf(run.id)}` : "off",
			d: axes.map(({ at }, i) => at.has(run) ? `L${90 + i * gap} ${y(at.get(run)).toFixed(1)}` : "").join("").replace(/^L/, "M") }));
		put(plot, svg("svg", { width: axes.length * gap + 40, height: HEIGHT + TOP + 26 }, lines,
			axes.map((one, i) => handle(one, 90 + i * gap, y))));
		if (focus) [...plot.querySelectorAll("[data-axis]")].find((g) => g.dataset.axis === focus)?.focus();
	}

	function handle({ name, low, high }, x, y) {
		const range = ranges.get(name);
		const set = (a, b) => {
			if (b - a > 0.01) ranges.set(name, [a < 0.03 ? 0 : a, b > 0.97 ? 1 : b]);
			else ranges.delete(name);
			show();
		};
		const share = (event) => 1 - (event.clientY - plot.getBoundingClientRect().top - TOP) / HEIGHT;
		const text = (at, words, more) => svg("text", { x, y: at, "text-anchor": "middle", ...more }, words);
		return svg("g", { "data-axis": name, tabindex: 0, role: "slider", label: name, "aria-valuenow": (range?.[0] ?? 0) * 100,
			"aria-valuetext": range ? range.map((v) => `${Math.round(v * 100)} %`).join(" to ") : "all",
			pointerdown: (event) => {
				const from = share(event);
				const end = (up) => set(Math.min(from, share(up)), Math.max(from, share(up)));
				addEventListener("pointerup", end, { once: true });
			},
			keydown: (event) => {
				const [a, b] = range ?? [0, 1];
				const by = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
				if (by) set(...(range ? [a + by, b + by] : by > 0 ? [0.5, 1] : [0, 0.5]));
				else if (event.key === "Escape") set(0, 0);
				else return;
				event.preventDefault();
				event.stopPropagation();
			} },
		svg("rect", { x: x - 14, y: TOP, width: 28, height: HEIGHT, class: "grab" }), svg("path", { d: `M${x} ${TOP}v${HEIGHT}` }),
		range && svg("rect", { x: x - 6, y: y(range[1]), width: 12, height: (range[1] - range[0]) * HEIGHT, class: "range" }),
		text(17, name.length > 22 ? `…${name.slice(-21)}` : name, { class: "name" }), text(TOP - 6, high), text(TOP + HEIGHT + 16, low));
	}

	const soon = throttled(2000, show);
	show();
	return [listen("runs", soon), listen("link", soon), listen("view", show), soon.stop];
}

/** Where each run is on an axis, 0...1: by size, by its logarithm when that spans two decades, words in their order. */
function axis(name, runs, read) {
	const values = runs.map(read);
	const known = new Set(values.filter((v) => v !== undefined && !Number.isNaN(v) && Math.abs(v) !== Infinity));
	const words = [...known].some((v) => typeof v === "string") ? [...known].map(String).sort() : null;
	const raw = words ? [0, words.length - 1] : [Math.min(...known), Math.max(...known)];
	const log = !words && raw[0] > 0 && raw[1] / raw[0] >= 100;
	const number = (v) => words ? words.indexOf(String(v)) : log ? Math.log(v) : v;
	const [a, b] = log ? raw.map(Math.log) : raw;
	const at = new Map(runs.flatMap((run, i) => known.has(values[i]) ? [[run, b > a ? (number(values[i]) - a) / (b - a) : 0.5]] : []));
	const text = (v) => typeof v === "number" ? format.value(v) : v;
	const [low, high] = raw.map((v) => text(words ? words[v] : v));
	return { name, at, low, high, text: (run) => text(read(run)) };
}

/** A figure with two axes around what `content(sx, sy)` makes of shares. */
function figure(title, x, y, content) {
	const text = (words, at, y, anchor) => svg("text", { x: at, y, "text-anchor": anchor }, words);
	return h("figure.card.box.parallel", h("h2", title), svg("svg", { viewBox: "0 0 440 220", role: "group", "aria-label": title },
		svg("path", { d: "M80 20V186H426" }), text(y.high, 74, 34, "end"), text(y.low, 74, 180, "end"), text(x.low, 92, 202, "start"),
		text(x.high, 412, 202, "end"), text(x.name, 252, 216, "middle"), content((share) => 92 + 320 * share, (share) => 176 - 146 * share)));
}
