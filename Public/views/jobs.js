// The queue: every job with its state, priority, progress and buttons.

import { button, empty, h, put, throttled } from "../dom.js";
import * as format from "../format.js";
import { badge, fail, jobButtons, progressBar, progressText, took } from "../parts.js";
import { link, listen, loadJobs, state } from "../store.js";
import { Table } from "../table.js";

const ABOUT =
	"Highest priority first, then oldest first. After a restart of the server, running jobs go on by themselves.";
const RANK = { running: 0, queued: 1, paused: 2, failed: 3, cancelled: 3, finished: 3 };

export function mount(root) {
	const bars = new Map();
	const table = new Table({ label: "Jobs", className: "queue", key: (job) => job.id, columns: columns(bars) });
	const more = button("quiet", "Load older jobs", () => loadJobs(true).catch(fail));
	const page = h("div", { class: "page" }, h("header", { class: "page-head" }, h("h1", {}, "Queue"), h("p", {}, ABOUT)),
		table.element, h("div", { class: "foot" }, more));
	const nothing = empty("Nothing in the queue", "A job is a model, a data set and an optimizer.",
		h("p", {}, h("a", { class: "button", href: link("submit") }, "New job")));
	const show = () => {
		const jobs = [...state.jobs.values()].sort((a, b) => RANK[a.state] - RANK[b.state] || waiting(a, b));
		if (!jobs.length) return put(root, state.link === "opening" ? null : nothing);
		if (root.firstChild !== page) put(root, page);
		table.setRows(jobs);
		for (const job of jobs) bars.get(job.id)?.show(job);
		more.hidden = state.nextJobs === null;
	};
	const soon = throttled(200, show);
	const stops = [listen("jobs", soon), listen("runs", soon), listen("link", soon)];
	show();
	return () => {
		soon.stop();
		for (const stop of stops) stop();
	};
}

function waiting(a, b) {
	if (a.state === "queued") return b.priority - a.priority || a.id - b.id;
	return b.id - a.id;
}

function columns(bars) {
	const name = (job) => state.runs.get(job.run_id)?.name ?? job.name ?? `job ${job.id}`;
	return [
		{ title: "job", numeric: true, text: (job) => String(job.id) },
		{ title: "run", header: true, class: "name", print: name,
			render: (job) => h("a", { href: link("runs", job.run_id), title: name(job) }, name(job)) },
		{ title: "state", class: "state", print: (job) => job.state, render: (job) => badge(job.state) },
		{ title: "progress", class: "wide", print: () => "",
			render: (job) => {
				const bar = progressBar();
				bars.set(job.id, bar);
				return bar.element;
			} },
		{ title: "", class: "where", text: (job) => job.error ?? progressText(job) },
		{ title: "priority", numeric: true, text: (job) => String(job.priority) },
		{ title: "created", numeric: true, text: (job) => format.ago(job.created_at) },
		{ title: "took", numeric: true, text: (job) => format.duration(took(job)) },
		{ title: "", class: "buttons", print: (job) => job.state,
			render: (job) => jobButtons(job) },
	];
}
