// The registry: every version of every model, and what may be changed of it.

import * as api from "../api.js";
import { natural } from "../board.js";
import { button, empty, h, put } from "../dom.js";
import * as format from "../format.js";
import { ask } from "../menu.js";
import { cells, fail, headline, labels, runLink, table } from "../parts.js";
import { listen } from "../store.js";

const STAGES = ["None", "Staging", "Production", "Archived"];
const search = (kind) => api.get(`/api/2.0/mlflow/${kind}/search?max_results=1000`);

export function mount(root) {
	const show = async () => {
		const [{ registered_models: models = [] }, { model_versions: versions = [] }] = await Promise.all(["registered-models", "model-versions"].map(search));
		for (const v of versions) {
			v.aliases = models.find(({ name }) => name === v.name)?.aliases?.filter((a) => a.version === v.version).map((a) => a.alias) ?? [];
			v.tags = v.tags?.map(({ key, value }) => `${key}=${value}`) ?? [];
		}
		const row = ({ name, version, run_id: run, ...v }) => cells(name, [version], labels([v.current_stage].filter((stage) => stage !== "None")), labels(v.aliases),
			labels(v.tags), run && runLink(run), [format.ago(Number(v.creation_timestamp))], v.description,
			button("mini", "Edit", () => edit({ name, version, ...v }).catch(fail).then(again), { label: `Edit ${name} ${version}` }));
		put(root, versions.length ? h("div.page", headline("Models"),
			h("section.box", table(["name", "#version", "stage", "aliases", "tags", "run", "#created", "description", ""],
				versions.sort((a, b) => natural(a.name, b.name) || b.version - a.version).map(row))))
			: empty("No models yet", 'A client registers them: mlflow.register_model("runs:/ID/model", "NAME")'));
	};
	const again = () => show().catch(fail);
	again();
	return [listen("link", again)];
}

async function edit({ name, version, current_stage: stage, aliases, tags, description = "" }) {
	const area = (lines) => h("textarea.box", { rows: 3 }, lines);
	const fields = [h("select", STAGES.map((s) => h("option", { selected: s === stage }, s))), h("input", { type: "text", value: aliases.join(" ") }),
		area(tags.join("\n")), area(description)];
	const content = ["Stage", "Aliases", "Tags, name=value, one a line", "Description"].map((word, i) => h("label.field", word, fields[i]));
	if (!await ask({ title: `${name}, version ${version}`, yes: "Save", content })) return;
	const [newStage, names, pairs, about] = fields.map((field) => field.value.trim());
	const send = (method, call, more) => api.mlflow(call, { name, version, ...more }, method);
	const change = async (before, now, call) => {
		for (const word of before) if (!now.includes(word)) await call(word, false);
		for (const word of now) if (!before.includes(word)) await call(word, true);
	};
	if (about !== description) await send("PATCH", "model-versions/update", { description: about });
	if (newStage !== stage) await send("POST", "model-versions/transition-stage", { stage: newStage, archive_existing_versions: false });
	await change(aliases, names.split(/[\s,]+/).filter(Boolean), (alias, on) => send(on ? "POST" : "DELETE", "registered-models/alias", { alias }));
	await change(tags, pairs.split(/\s*\n\s*/).filter(Boolean), (pair, on) => {
		const [, key, value] = /^([^=]*)=?(.*)$/.exec(pair);
		return on ? send("POST", "model-versions/set-tag", { key, value }) : send("DELETE", "model-versions/delete-tag", { key });
	});
}
