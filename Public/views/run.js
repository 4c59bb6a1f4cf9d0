// One run: its curves and facts, and behind tabs its log, model, artifacts, system use and spec.

import * as api from "../api.js";
import { Board, byKey, natural } from "../board.js";
import { button, empty, h, put, setText, throttled } from "../dom.js";
import * as format from "../format.js";
import { badge, busy, cells, download, figures, jobButtons, labels, note, panel, planned, progressBar, progressText, reading, table, took } from "../parts.js";
import { go, jobOf, link, listen, loadRun, state, stateOf, submit } from "../store.js";
import { artifacts } from "./artifacts.js";

const TABS = { "": "Overview", log: "Log", model: "Model", artifacts: "Artifacts", system: "System", spec: "Spec" };
const SYSTEM = /^system\/|per_second$/;

export function mount(root) {
	const { id } = state.view;
	const path = `/runs/${encodeURIComponent(id)}`;
	const readSpec = () => api.get(`${path}/spec`);
	const check = async () => {
		const { plan, error } = await api.post("/jobs/check", await readSpec());
		if (error) throw error;
		return plan;
	};
	const ofJob = (show) => state.runs.get(id).job === null ? note("Another client logged this run: no job here has its spec or log.") : show();
	const board = new Board("They appear with the first step.");
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
		log: () => ofJob(() => log.element),
		model: () => ofJob(() => reading(check(), planned)),
		artifacts: () => artifacts(id),
		system: () => [ofJob(() => reading(Promise.all([check(), gauges()]), system)), board.element],
		spec: () => ofJob(() => reading(readSpec(), (spec) => h("pre.spec", { tabindex: 0, label: "Spec" }, format.pretty(spec)))),
	};
	let shown = null;

	const show = () => {
		const run = state.runs.get(id);
		if (!run) return;
		if (root.firstChild !== page) put(root, page);
		head.show(run);
		facts.show(run);
		log.element.hidden = run.job === null;
		board.setRuns([run]);
		if (shown === null) turn();
	};
	const turn = () => {
		const tab = panes[state.view.tab] ? state.view.tab : "";
		put(tabs, Object.entries(TABS).map(([name, text]) =>
			h("a", { href: link("runs", id, { tab: name }), "aria-current": name === tab && "page" }, text)));
		if (tab === shown || !state.runs.has(id)) return;
		shown = tab;
		overview.hidden = tab !== "";
		overview.prepend(board.element);
		board.within = tab === "system" ? SYSTEM : /./;
		put(pane, panes[tab]?.());
		board.setRuns(board.runs);
		if (tab === "system") board.sections.forEach(({ element }) => (element.open = true));
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
	show();
	turn();
	load();
	return [
		listen("runs", soon), listen("jobs", soon), listen("reset", load), listen("view", turn),
		listen("log", (line) => line.run_id === id && log.take(line)),
		listen("checkpoint", (event) => event.run_id === id && checkpoints.soon()),
		soon.stop, checkpoints.soon.stop, () => board.destroy(),
	];
}

async function gauges() {
	const text = await (await api.raw("/metrics")).text();
	return Object.fromEntries([...text.matchAll(/^cairn_(\w+) (\S+)$/gm)].map(([, name, v]) => [name, Number(v)]));
}

const system = ([{ memory_bytes: memory, spec }, now]) => figures([["memory of the job", format.bytes(memory)], ["threads", spec.train.threads || "all"],
	["server's memory now", format.bytes(now.resident_memory_bytes)], ["server's processor time", format.duration(now.cpu_seconds_total)],
	["server up for", format.duration(now.uptime_seconds)], ["jobs at work", format.count(now.jobs_running)]]);

function header(readSpec) {
	const title = h("h1");
	const mark = h("span");
	const facts = h("p.quiet");
	const buttons = h("div.buttons");
	const bar = progressBar();
	const progress = h("p.quiet");
	const failure = h("p.failure", { role: "alert" });
	let print = "";
	const again = busy(async () => go("runs", (await submit(await readSpec())).run_id));
	const element = h("header.run-head",
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
	const pairs = (object) => Object.entries(object).sort(([a], [b]) => natural(a, b));
	const show = (run) => {
		fill(metrics, ["metric", "#last", "#min", "#max"], [...run.metrics].filter(([key]) => !/\/\d+$/.test(key))
			.sort(([a], [b]) => byKey(a, b)).map(([key, m]) => [key, ...[m.last, m.min, m.max].map((v) => [format.value(v)])]));
		fill(params, [], pairs(run.params));
		fill(tags, [], pairs(run.tags));
	};
	return { metrics, params, tags, show };
}

function logPanel(path) {
	const lines = h("ol.log", { tabindex: 0, role: "log", label: "Log" });
	let [next, reading] = [1, Promise.resolve()];
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
	/** Reads what is new, unless that is line `to` and came meanwhile. */
	const load = (to = Infinity) => (reading = reading.then(() => to < next || read()).catch(() => {}));
	const take = (line) => line.line > next ? load(line.line) : append([line]);
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
	const row = ({ step, labels: names = [], metrics, bytes }) => cells(format.count(step),
		labels(names),
		[format.value(Number(metrics?.["val/loss"] ?? NaN)).replace("NaN", "–")], [format.bytes(bytes)],
		[file("all", step, "everything that resuming needs"), file("model", step, "the model's tensors, for PyTorch")]);
	return { element, load, soon: throttled(500, load) };
}
