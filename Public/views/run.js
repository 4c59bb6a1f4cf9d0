// One run: its state and buttons, its curves and facts, and behind tabs its log, model and spec.

import * as api from "../api.js";
import { Board, byKey } from "../board.js";
import { button, empty, h, heads, put, setText, throttled } from "../dom.js";
import * as format from "../format.js";
import { pretty } from "../locate.js";
import { badge, download, fail, jobButtons, note, panel, planned, progressBar, progressText, took } from "../parts.js";
import { jobOf, link, listen, loadRun, state, stateOf, submit } from "../store.js";

const TABS = { "": "Overview", log: "Log", model: "Model", spec: "Spec" };

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
	const tabs = h("nav", { class: "tabs", "aria-label": "Parts of this run" });
	const overview = h("div", { class: "columns" }, board.element, h("aside", { "aria-label": "About this run" },
		facts.metrics, log.element, checkpoints.element, facts.params, facts.tags));
	const pane = h("div", { class: "pane" });
	const page = h("div", { class: "run-page" }, head.element, tabs, overview, pane);
	const panes = {
		log: () => log.element,
		model: () => reading(readSpec().then((spec) => api.post("/jobs?dry_run=true", spec)), planned),
		spec: () => reading(readSpec(), (spec) => h("pre", { class: "spec", tabindex: "0", "aria-label": "Spec" }, pretty(spec))),
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
				put(root, empty("No such run", `There is no run ${id}.`, h("a", { class: "button", href: link("runs") }, "All runs")));
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

function reading(promise, show) {
	const element = h("section", {}, note("Reading…"));
	promise.then((found) => put(element, show(found)), (error) => put(element, note(error.message)));
	return element;
}

function header(readSpec) {
	const title = h("h1");
	const mark = h("span");
	const facts = h("p", { class: "facts" });
	const buttons = h("div", { class: "buttons" });
	const bar = progressBar();
	const progress = h("p", { class: "progress-text" });
	const failure = h("p", { class: "failure", role: "alert" });
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
	const element = h("header", { class: "run-head" },
		h("div", { class: "row" }, title, mark, buttons), facts,
		h("div", { class: "row progress" }, bar.element, progress), failure);
	const show = (run) => {
		const job = jobOf(run);
		setText(title, run.name);
		document.title = `${format.visible(run.name)} · Cairn`;
		const now = `${stateOf(run)} ${job?.id}`;
		if (now !== print) {
			print = now;
			put(mark, badge(stateOf(run)));
			put(buttons, job && [jobButtons(job), button("quiet", "Run again", again),
				h("a", { class: "button quiet", href: link("submit", null, { from: run.id }) }, "Edit and submit")]);
			put(facts, run.experiment, " · ", h("code", {}, run.id),
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
	const [metricRows, paramRows, tagRows] = [0, 1, 2].map(() => h("tbody"));
	const facts = (title, rows, head) => panel(title, h("table", { class: "facts-table" }, head, rows));
	const metrics = facts("Metrics", metricRows, heads("metric", "#last", "#min", "#max"));
	const params = facts("Parameters", paramRows);
	const tags = facts("Tags", tagRows);
	const cells = new Map();
	const show = (run) => {
		const keys = [...run.metrics.keys()].filter((key) => !/\/\d+$/.test(key)).sort(byKey);
		for (const key of keys) {
			const m = run.metrics.get(key);
			if (!cells.has(key)) {
				cells.set(key, [0, 1, 2].map(() => h("td", { class: "n" })));
				metricRows.append(h("tr", {}, h("th", { scope: "row" }, key), cells.get(key)));
			}
			[m.last, m.min, m.max].forEach((v, i) => setText(cells.get(key)[i], format.value(v)));
		}
		metrics.hidden = !keys.length;
		for (const [panel, rows, object] of [[params, paramRows, run.params], [tags, tagRows, run.tags]]) {
			const print = JSON.stringify(object);
			panel.hidden = print === "{}";
			if (panel.dataset.print === print) continue;
			panel.dataset.print = print;
			put(rows, Object.entries(object).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
				.map(([key, v]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, v))));
		}
	};
	return { metrics, params, tags, show };
}

function logPanel(path) {
	const lines = h("ol", { class: "log", tabindex: "0", role: "log", "aria-label": "Log" });
	let next = 1;
	let loading = null;
	let queue = [];
	const end = () => (lines.scrollTop = lines.scrollHeight);
	const append = (batch) => {
		const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
		for (const { line, time, text } of batch) {
			if (line < next) continue;
			next = line + 1;
			lines.append(h("li", {}, h("time", { title: format.date(time) }, format.clock(time)), format.plain(text)));
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
	const rows = h("tbody");
	const element = panel("Checkpoints", h("table", { class: "facts-table" },
		heads("#step", "", "#val/loss", "#size", "download"), rows));
	element.hidden = true;
	// When it cannot be read, the banner says that the server is gone.
	const load = () => api.get(`${path}/checkpoints`).then(({ checkpoints }) => {
		put(rows, checkpoints.sort((a, b) => b.step - a.step).map(row));
		element.hidden = !checkpoints.length;
	}, () => {});
	const file = (part, step, title) =>
		download(`${path}/checkpoints/${step}?part=${part}`, part, { title, "aria-label": `Download ${part} of step ${step}` });
	const row = ({ step, labels = [], metrics, bytes, created_at: at }) => h("tr", { title: format.date(at) },
		h("td", { class: "n" }, format.count(step)),
		h("td", {}, labels.map((label) => h("span", { class: `label ${label}` }, label))),
		h("td", { class: "n" }, format.value(Number(metrics?.["val/loss"] ?? NaN)).replace("NaN", "–")),
		h("td", { class: "n" }, format.bytes(bytes)),
		h("td", {}, file("all", step, "everything that resuming needs"), file("model", step, "the model's tensors, for PyTorch")));
	return { element, load, soon: throttled(500, load) };
}
