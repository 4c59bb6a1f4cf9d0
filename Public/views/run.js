// One run: its state and buttons, all its curves, its log, checkpoints, parameters and spec.

import * as api from "../api.js";
import { Board, byKey } from "../board.js";
import { button, empty, h, heads, put, setText, throttled } from "../dom.js";
import * as format from "../format.js";
import { copy, save } from "../cardmenu.js";
import { pretty } from "../locate.js";
import { badge, fail, jobButtons, progressBar, progressText, took } from "../parts.js";
import { jobOf, link, listen, loadRun, state, stateOf, submit } from "../store.js";

export function mount(root) {
	const { id } = state.view;
	const path = `/runs/${encodeURIComponent(id)}`;
	const board = new Board({ folded: (group) => !["train", "val", "test", ""].includes(group),
		emptyText: "They appear with the first step." });
	const head = header();
	const log = logPanel(path, id);
	const checkpoints = checkpointPanel(path);
	const facts = factPanels();
	const spec = specPanel(path, id);
	const page = h("div", { class: "run-page" }, head.element,
		h("div", { class: "columns" }, board.element, h("aside", { "aria-label": "About this run" },
			facts.metrics, log.element, checkpoints.element, facts.params, facts.tags, spec.element)));

	const show = () => {
		const run = state.runs.get(id);
		if (!run) return;
		if (root.firstChild !== page) put(root, page);
		head.show(run);
		facts.show(run);
		board.setRuns([run]);
		spec.follow(run);
	};
	const load = async () => {
		try {
			await loadRun(id);
		} catch (error) {
			if (error.status === 404) put(root, noSuchRun(id));
			return;
		}
		show();
		log.load();
		checkpoints.load();
	};
	const soon = throttled(200, show);
	const stops = [
		listen("runs", soon), listen("jobs", soon), listen("reset", load),
		listen("log", (line) => line.run_id === id && log.take(line)),
		listen("checkpoint", (event) => event.run_id === id && checkpoints.soon()),
	];
	show();
	load();
	return () => {
		soon.stop();
		checkpoints.soon.stop();
		for (const stop of stops) stop();
		board.destroy();
	};
}

function noSuchRun(id) {
	const back = h("a", { class: "button", href: link("runs") }, "All runs");
	return empty("No such run", `There is no run ${id}.`, h("p", {}, back));
}

// --- head
function header() {
	const title = h("h1");
	const mark = h("span", { class: "mark" });
	const facts = h("p", { class: "facts" });
	const buttons = h("div", { class: "buttons" });
	const bar = progressBar();
	const progress = h("p", { class: "progress-text" });
	const failure = h("p", { class: "failure", role: "alert", hidden: true });
	let print = "";
	const element = h("header", { class: "run-head" },
		h("div", { class: "row" }, title, mark, buttons), facts,
		h("div", { class: "row progress" }, bar.element, progress), failure);
	const show = (run) => {
		const job = jobOf(run);
		setText(title, run.name);
		document.title = `${format.visible(run.name)} · Cairn`;
		const now = `${run.id} ${stateOf(run)} ${job?.id}`;
		if (now !== print) {
			print = now;
			put(mark, badge(stateOf(run)));
			put(buttons, job ? jobButtons(job) : null);
			put(facts, run.experiment, " · ", h("code", {}, run.id), button("mini", "copy", () => copy(run.id, "The run's id is copied."), { "aria-label": "Copy the run's id" }),
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

// --- panels
function panel(title, ...content) {
	return h("details", { class: "box", open: true }, h("summary", {}, h("h2", {}, title)), content);
}

function factPanels() {
	const metricRows = h("tbody");
	const paramRows = h("tbody");
	const tagRows = h("tbody");
	const metrics = panel("Metrics", h("table", { class: "facts-table" },
		heads("metric", "#last", "#min", "#max"), metricRows));
	const params = panel("Parameters", h("table", { class: "facts-table" }, paramRows));
	const tags = panel("Tags", h("table", { class: "facts-table" }, tagRows));
	const cells = new Map();
	let print = "";
	const show = (run) => {
		const keys = [...run.metrics.keys()].filter((key) => !/\/\d+$/.test(key)).sort(byKey);
		for (const key of keys) {
			const m = run.metrics.get(key);
			let row = cells.get(key);
			if (!row) {
				row = [0, 1, 2].map(() => h("td", { class: "n" }));
				cells.set(key, row);
				metricRows.append(h("tr", {}, h("th", { scope: "row" }, key), row));
			}
			[m.last, m.min, m.max].forEach((v, i) => setText(row[i], format.value(v)));
		}
		metrics.hidden = !keys.length;
		const now = JSON.stringify([run.params, run.tags]);
		if (now === print) return;
		print = now;
		const pairs = (object) => Object.entries(object).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
			.map(([key, v]) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, v)));
		put(paramRows, pairs(run.params));
		put(tagRows, pairs(run.tags));
		params.hidden = !paramRows.childElementCount;
		tags.hidden = !tagRows.childElementCount;
	};
	return { metrics, params, tags, show };
}

function logPanel(path, id) {
	const lines = h("ol", { class: "log", tabindex: "0", role: "log", "aria-label": "Log" });
	const element = panel("Log", lines);
	let next = 1;
	let loading = null;
	let queue = [];
	element.hidden = true;
	const append = (batch) => {
		const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 24;
		for (const line of batch) {
			if (line.line < next) continue;
			next = line.line + 1;
			const time = h("time", { title: format.date(line.time) }, format.clock(line.time));
			lines.append(h("li", {}, time, format.plain(line.text)));
		}
		while (lines.childElementCount > 2000) lines.firstChild.remove();
		element.hidden = !lines.childElementCount;
		if (atEnd) lines.scrollTop = lines.scrollHeight;
	};
	const load = () => {
		loading ??= read().catch(() => {}).finally(() => {
			loading = null;
			append(queue);
			queue = [];
		});
	};
	const read = async () => {
		for (;;) {
			const answer = await api.get(`${path}/log?from=${next}`);
			if (!answer.lines.length) return;
			append(answer.lines);
		}
	};
	return {
		element, load,
		take(line) {
			if (loading) queue.push(line);
			else if (line.line > next) load();
			else append([line]);
		},
	};
}

function checkpointPanel(path) {
	const rows = h("tbody");
	const element = panel("Checkpoints", h("table", { class: "facts-table" },
		heads("#step", "", "#val/loss", "#size", "download"), rows));
	element.hidden = true;
	const load = async () => {
		try {
			const { checkpoints } = await api.get(`${path}/checkpoints`);
			put(rows, checkpoints.slice().sort((a, b) => b.step - a.step).map(row));
			element.hidden = !checkpoints.length;
		} catch {
			// The banner says that the server is gone.
		}
	};
	const row = (checkpoint) => h("tr", { title: format.date(checkpoint.created_at) },
		h("td", { class: "n" }, format.count(checkpoint.step)),
		h("td", {}, (checkpoint.labels ?? []).map((label) => h("span", { class: `label ${label}` }, label))),
		h("td", { class: "n" }, format.value(Number(checkpoint.metrics?.["val/loss"] ?? NaN)).replace("NaN", "–")),
		h("td", { class: "n" }, format.bytes(checkpoint.bytes)),
		h("td", {}, ["all", "model"].map((part) => downloadLink(path, part, checkpoint.step))));
	return { element, load, soon: throttled(500, load) };
}

function downloadLink(run, part, step) {
	const path = `${run}/checkpoints/${step}?part=${part}`;
	const about = part === "all" ? "everything that resuming needs" : "the model's tensors, for PyTorch";
	const label = `Download ${part} of step ${step}`;
	return h("a", { href: api.address(path), download: true, title: about, "aria-label": label,
		click: async (event) => {
			if (!api.needsToken()) return;
			event.preventDefault();
			await api.download(path).then((file) => save(...file), fail);
		} }, part);
}

function specPanel(path, id) {
	const text = h("pre", { class: "spec", tabindex: "0" });
	const again = h("button", { type: "button", class: "quiet", title: "The same spec gives the same bits",
		click: async () => {
			again.disabled = true;
			try {
				const job = await submit(spec);
				location.hash = link("runs", job.run_id);
			} catch (error) {
				message.show(error);
			}
			again.disabled = false;
		} }, "Run again");
	const element = panel("Spec", h("div", { class: "buttons" }, again,
		h("a", { class: "button quiet", href: link("submit", null, { from: id }) }, "Edit and submit")), text);
	element.hidden = true;
	let spec = null;
	let asked = false;
	const follow = async (run) => {
		if (asked || run.job === null) return;
		asked = true;
		try {
			spec = await api.get(`${path}/spec`);
			setText(text, pretty(spec));
			element.hidden = false;
		} catch {
			asked = false;
		}
	};
	return { element, follow };
}
