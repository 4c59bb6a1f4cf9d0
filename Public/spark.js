// Curves as small as a word, read for the rows in sight.

import { readCurves } from "./board.js";
import { fill, svg, throttled } from "./dom.js";
import { parse } from "./format.js";
import { colourOf, tell } from "./store.js";

const [WIDTH, HEIGHT] = [72, 22];
const curves = new Map(); // run -> {key, count, path}
const wanted = new Set();

const read = throttled(300, async () => {
	const ids = [...wanted].slice(0, 60);
	for (const id of ids) wanted.delete(id);
	for (const { run_id: id, sampled, values, min, max } of await readCurves(curves.get(ids[0]).key, ids, 40)) {
		// Every bucket with both of its extremes, so that no spike is lost.
		curves.get(id).path = drawing((sampled ? values.flatMap((_, i) => [min[i], max[i]]) : values).map(parse));
	}
	tell("sparks");
	if (wanted.size) read();
});

export function sparkColumn(key) {
	const pathOf = (run) => curves.get(run.id)?.path ?? "";
	// What flies past is not read.
	const print = (run, moving) => {
		const count = run.metrics.get(key)?.count ?? 0;
		const held = curves.get(run.id);
		if (!moving && count && (held?.key !== key || held.count !== count)) {
			curves.set(run.id, { key, count, path: held?.key === key ? held.path : "" });
			wanted.add(run.id);
			read();
		}
		return `${colourOf(run.id)} ${pathOf(run)}`;
	};
	return { id: "trend", title: key, width: 92, usual: true, hint: `the curve of ${key}`, print, cell() {
		const path = svg("path");
		const picture = svg("svg", { width: WIDTH, height: HEIGHT, "aria-hidden": "true" }, path);
		return [picture, (run) => {
			fill(picture, { class: `spark c${colourOf(run.id)}` });
			fill(path, { d: pathOf(run) });
		}];
	} };
}

function drawing(values) {
	const known = values.filter(Number.isFinite);
	const low = Math.min(...known);
	const scale = (HEIGHT - 4) / (Math.max(...known) - low || 1);
	const points = values.flatMap((v, i) => (Number.isFinite(v)
		? `${((i * WIDTH) / Math.max(1, values.length - 1)).toFixed(1)} ${(HEIGHT - 2 - scale * (v - low)).toFixed(1)}` : []));
	return points.length ? `M${points.join("L")}h1` : "";
}
