// Ensembles: models at work together, with the metrics of each member and of their mean prediction.

import * as api from "../api.js";
import { byKey } from "../board.js";
import { empty, h, put, throttled } from "../dom.js";
import * as format from "../format.js";
import { badge, cells, fail, headline, labels, note, panel, runLink, table } from "../parts.js";
import { listen } from "../store.js";

export function mount(root) {
	let print = "";
	const show = async () => {
		const { ensembles } = await api.get("/ensembles?limit=1000");
		if (print === (print = JSON.stringify(ensembles))) return;
		put(root, ensembles.length ? h("div.page", headline("Ensembles", "The mean prediction of several models."), ensembles.map(one))
			: empty("No ensembles yet", "Select runs in the table and press Ensemble; POST /api/v1/ensembles trains one."));
	};
	const soon = throttled(1000, () => show().catch(fail));
	soon();
	return [listen("jobs", soon), listen("link", soon), soon.stop];
}

function one({ id, state: now, method, split, error, members, ensemble, ...spread }) {
	const keys = [...new Set([ensemble, ...members.map(({ metrics }) => metrics)].flatMap(Object.keys))].sort(byKey);
	const row = (name, metrics, ...more) => cells(name, more, ...keys.map((key) => [key in metrics ? format.value(format.parse(metrics[key])) : "–"]));
	const word = { mean: "mean of the members", std: "their standard deviation" };
	return panel([`Ensemble ${id}: ${method === "members" ? "" : `${method}, `}${format.plural(members.length, "member")}`, split && `, ${split} part`, " ", badge(now)], error && note(error), table(["model", "", ...keys.map((key) => `#${key}`)], [
		...members.map(({ run_id: run, metrics, checkpoint, state: job }) => row(runLink(run), metrics,
			labels([checkpoint]), job !== "finished" && job && badge(job))),
		...Object.keys(word).filter((name) => spread[name]).map((name) => row(word[name], spread[name])), row(h("strong", "ensemble"), ensemble)]));
}
