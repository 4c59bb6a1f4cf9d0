// One run: its state and buttons, its curves and facts, and behind tabs its log, model, artifacts and spec.

import * as api from "../api.js";
import { Board, byKey } from "../board.js";
import { button, empty, h, put, setText, throttled } from "../dom.js";
import * as format from "../format.js";
import { pretty } from "../locate.js";
import { badge, cells, download, fail, jobButtons, panel, planned, progressBar, progressText, reading, table, took } from "../parts.js";
import { jobOf, link, listen, loadRun, state, stateOf, submit } from "../store.js";
import { artifacts } from "./artifacts.js";

const TABS = { "": "Overview", log: "Log", model: "Model", artifacts: "Artifacts", spec: "Spec" };

export function mount(root) {
	const { id } = state.view;
	const path = `/runs/${encodeURIComponent(id)}`;
	const readSpec = () => api.get(`${path}/spec`);
	const board = new Board({ folded: (group) => !["train", "val", "test", ""].includes(group),
		emptyText: "They appear with the first step." });
	const head = header(readSpec);
	const log = logPanel(path);
	const checkpoints = checkpointPanel(path);
	const facts = factPanels();
	const tabs = h("nav.tabs", { label: "Parts of this run" });
	const overview = h("div.columns", board.element, h("aside", { label: "About this run" },
		facts.metrics, log.element, checkpoints.element, facts.params, facts.tags));
	const pane = h("div.pane");
	const page = h("div.run-page", head.element, tabs, overview, pane);
	const panes = {
		log: () => log.element,
		model: () => reading(readSpec().then((spec) => api.post("/jobs?dry_run=true", spec)), planned),
		artifacts: () => artifacts(id),
		spec: () => reading(readSpec(), (spec) => h("pre.spec", { tabindex: "0", label: "Spec" }, pretty(spec))),
	};
	let shown = "";

	const show = () => {
		const run = state.runs.get(id);
		if (!run) return;
		if (root.firstChild !== page) put(root, page);
		head.show(run);
		facts.show(run);
		board.setRuns([run]);
	};
	const turn = () => {
		const tab = panes[state.view.tab] ? state.view.tab : "";
		put(tabs, Object.entries(TABS).map(([name, text]) =>
			h("a", { href: link("runs", id, { tab: name }), "aria-current": name === tab && "page" }, text)));
		if (tab === shown) return;
		shown = tab;
		overview.hidden = tab !== "";
		put(pane, panes[tab]?.());
		if (tab !== "log") facts.metrics.after(log.element);
		log.end();
	};
	const load = async () => {
		try {
			await loadRun(id);
		} catch (error) {
			if (error.status === 404) {
				put(root, empty("No such run", `There is no run ${id}.`, h("a.button", { href: link("runs") }, "All runs")));
			}
			return;
		}
		show();
		log.load();
		checkpoints.load();
	};
	const soon = throttled(200, show);
	const stops = [
		listen("runs", soon), listen("jobs", soon), listen("reset", load), listen("view", turn),
		listen("log", (line) => line.run_id === id && log.take(line)),
		listen("checkpoint", (event) => event.run_id === id && checkpoints.soon()),
	];
	turn();
	show();
	load();
	return () => {
		soon.stop();
		checkpoints.soon.stop();
		for (const stop of stops) stop();
		board.destroy();
	};
}

function header(readSpec) {
	const title = h("h1");
	const mark = h("span");
	const facts = h("p.facts");
	const buttons = h("div.buttons");
	const bar = progressBar();
	const progress = h("p.progress-text");
	const failure = h("p.failure", { role: "alert" });
	let print = "";
	const again = async ({ currentTarget: self }) => {
		self.disabled = true;
		try {
			location.hash = link("runs", (await submit(await readSpec())).run_id);
		} catch (error) {
			fail(error);
		}
		self.disabled = false;
	};
	const element = h("header.run-head", {},
		h("div.row", title, mark, buttons), facts,
		h("div.row.progress", bar.element, progress), failure);
	const show = (run) => {
		const job = jobOf(run);
		setText(title, run.name);
		document.title = `${format.visible(run.name)} · Cairn`;
		const now = `${stateOf(run)} ${job?.id}`;
		if (now !== print) {
			print = now;
			put(mark, badge(stateOf(run)));
			put(buttons, job && [jobButtons(job), button("quiet", "Run again", again),
				h("a.button.quiet", { href: link("submit", null, { from: run.id }) }, "Edit and submit")]);
			put(facts, run.experiment, " · ", h("code", run.id),
				job ? ` · job ${job.id}` : "", run.started ? ` · ${format.date(run.started)}` : "");
		}
		bar.element.parentElement.hidden = !job;
		if (job) {
			bar.show(job);
			setText(progress, progressText(job) + (job.ended_at ? ` · took ${format.duration(took(job))}` : ""));
		}
		failure.hidden = !job?.error;
		setText(failure, job?.error ?? "");
	};
	return { element, show };
}

function factPanels() {
	const [metrics, params, tags] = ["Metrics", "Parameters", "Tags"].map((title) => panel(title, h("div")));
	const fill = (panel, titles, rows) => {
		const print = JSON.stringify(rows);
		panel.hidden = !rows.length;
		if (panel.dataset.print !== print) put(panel.lastChild, table(titles, rows.map((row) => cells(...row))));
		panel.dataset.print = print;
	};
	const pairs = (object) => Object.entries(object).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
	const show = (run) => {
		fill(metrics, ["metric", "#last", "#min", "#max"], [...run.metrics].filter(([key]) => !/\/\d+$/.test(key))
			.sort(([a], [b]) => byKey(a, b)).map(([key, m]) => [key, ...[m.last, m.min, m.max].map((v) => [format.value(v)])]));
		fill(params, [], pairs(run.params));
		fill(tags, [], pairs(run.tags));
	};
	return { metrics, params, tags, show };
}

function logPanel(path) {
	const lines = h("ol.log", { tabindex: "0", role: "log", label: "Log" });
	let next = 1;
	let loading = null;
	let queue = [];
	const end = () => (lines.scrollTop = lines.scrollHeight);
	const append = (batch) => {
		const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
		for (const { line, time, text } of batch) {
			if (line < next) continue;
			next = line + 1;
			lines.append(h("li", h("time", { title: format.date(time) }, format.clock(time)), format.plain(text)));
		}
		while (lines.childElementCount > 2000) lines.firstChild.remove();
		if (atEnd) end();
	};
	const read = async () => {
		for (;;) {
			const answer = await api.get(`${path}/log?from=${next}`);
			if (!answer.lines.length) return;
			append(answer.lines);
		}
	};
	const load = () => {
		loading ??= read().catch(() => {}).finally(() => {
			loading = null;
			append(queue);
			queue = [];
		});
	};
	const take = (line) => {
		if (loading) queue.push(line);
		else if (line.line > next) load();
		else append([line]);
	};
	return { element: panel("Log", lines), load, take, end };
}

function checkpointPanel(path) {
	const body = h("div");
	const element = panel("Checkpoints", body);
	element.hidden = true;
	// When it cannot be read, the banner says that the server is gone.
	const load = () => api.get(`${path}/checkpoints`).then(({ checkpoints }) => {
		put(body, table(["#step", "", "#val/loss", "#size", "download"], checkpoints.sort((a, b) => b.step - a.step).map(row)));
		element.hidden = !checkpoints.length;
	}, () => {});
	const file = (part, step, title) =>
		download(`${path}/checkpoints/${step}?part=${part}`, part, { title, label: `Download ${part} of step ${step}` });
	const row = ({ step, labels = [], metrics, bytes }) => cells(format.count(step),
		labels.map((label) => h("span", { class: `label ${label}` }, label)),
		[format.value(Number(metrics?.["val/loss"] ?? NaN)).replace("NaN", "–")], [format.bytes(bytes)],
		[file("all", step, "everything that resuming needs"), file("model", step, "the model's tensors, for PyTorch")]);
	return { element, load, soon: throttled(500, load) };
}
