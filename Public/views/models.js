// The registry: every version of every model, with its stage, its aliases and the run that it came from.

import * as api from "../api.js";
import { empty, h, put } from "../dom.js";
import * as format from "../format.js";
import { cells, fail, labels, table } from "../parts.js";
import { link, listen, state } from "../store.js";

const search = (kind) => api.get(`/api/2.0/mlflow/${kind}/search?max_results=1000`);

export function mount(root) {
	const show = async () => {
		const [{ registered_models: models = [] }, { model_versions: versions = [] }] = await Promise.all(["registered-models", "model-versions"].map(search));
		const aliases = new Map(models.map(({ name, aliases = [] }) => [name, aliases]));
		const rows = versions.sort((a, b) => a.name.localeCompare(b.name) || b.version - a.version).map(({ name, version, run_id: run, ...v }) => cells(
			name, [version], labels([v.current_stage].filter((stage) => stage !== "None")),
			labels(aliases.get(name)?.filter((a) => a.version === version).map((a) => a.alias) ?? []),
			run && h("a", { href: link("runs", run) }, state.runs.get(run)?.name ?? run), [format.ago(Number(v.creation_timestamp))], v.description));
		put(root, rows.length ? h("div.page", h("header.page-head", h("h1", "Models")),
			h("section.box", table(["name", "#version", "stage", "aliases", "run", "#created", "description"], rows)))
			: empty("No models yet", 'A client registers them: mlflow.register_model("runs:/ID/model", "NAME")'));
	};
	const again = () => show().catch(fail);
	again();
	return listen("link", again);
}
