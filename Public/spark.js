// Small curves in table cells: the shape of one metric, fetched for the rows that are seen, many in one call.

import * as api from "./api.js";
import { svg, throttled } from "./dom.js";
import { parse } from "./format.js";
import { colourOf } from "./store.js";

const [WIDTH, HEIGHT] = [84, 22];
const A_CALL = 60;

export class Sparks {
	constructor(changed) {
		Object.assign(this, { changed, key: "", held: new Map(), wanted: new Map() }); // run id -> {count, path}, -> count
		this.fetch = throttled(400, () => this.read());
	}

	setKey(key) {
		if (key === this.key) return;
		this.key = key;
		this.held.clear();
		this.wanted.clear();
	}
	print(run) {
		const count = run.metrics.get(this.key)?.count ?? 0;
		const held = this.held.get(run.id);
		if (count && (!held || count > held.count * 1.1 + (run.ended ? 0 : 5))) {
			this.wanted.set(run.id, count);
			this.fetch();
		}
		return `${colourOf(run.id)} ${held?.path ?? ""}`;
	}

	render(run) {
		return svg("svg", { class: `spark c${colourOf(run.id)}`, width: WIDTH, height: HEIGHT, "aria-hidden": "true" },
			svg("path", { d: this.held.get(run.id)?.path ?? "" }));
	}

	async read() {
		const { key } = this;
		const asked = [...this.wanted].slice(0, A_CALL);
		for (const [id, count] of asked) {
			this.wanted.delete(id);
			this.held.set(id, { count, path: this.held.get(id)?.path ?? "" });
		}
		if (!asked.length) return;
		if (this.wanted.size) this.fetch();
		const query = new URLSearchParams([["key", key], ...asked.map(([id]) => ["run", id]), ["max_points", 40]]);
		try {
			const { curves } = await api.get(`/curves?${query}`);
			if (key !== this.key) return;
			curves.forEach(({ run_id: id, count, steps, values }, i) =>
				this.held.set(id ?? asked[i][0], { count, path: line(steps, values.map(parse)) }));
			this.changed();
		} catch {
			// An empty cell says as much as a message would.
		}
	}
}

export function line(steps, values) {
	const finite = values.filter(Number.isFinite);
	const low = Math.min(...finite);
	const span = Math.max(...finite) - low || 1;
	const length = steps.at(-1) - steps[0] || 1;
	let pen = "M";
	return values.map((v, i) => {
		const x = 1 + ((steps[i] - steps[0]) / length) * (WIDTH - 2);
		const part = Number.isFinite(v) ? `${pen}${x.toFixed(1)} ${(HEIGHT - 3 - ((v - low) / span) * (HEIGHT - 6)).toFixed(1)}` : "";
		pen = part ? "L" : "M";
		return part;
	}).join("");
}
