// The queue: every job, its state and buttons.

import { empty, h, heads, put, setText, throttled } from "../dom.js";
import * as format from "../format.js";
import { badge, headline, jobButtons, present, progressBar, progressText, scroller, took } from "../parts.js";
import { link, listen, state } from "../store.js";

const rank = ({ state }) => ["running", "queued", "paused"].indexOf(state) & 3; // -1, all others: 3

export function mount(root) {
	const rows = new Map(); // job -> {element, show}; rows stay, so that focus survives live data
	const body = h("tbody");
	const page = h("div.page", headline("Queue", "Highest priority first, then oldest first."),
		scroller("Jobs", h("table.list.queue", { label: "Jobs" },
			heads("#job", "run", "state", "progress", "", "#priority", "#created", "#took", ""), body)));
	const nothing = empty("Nothing in the queue", "Jobs wait and train here.",
		h("p", h("a.button", { href: link("submit") }, "New job")));
	const show = () => {
		const jobs = [...state.jobs.values()].sort((a, b) => rank(a) - rank(b) || waiting(a, b));
		if (!present(root, page, !jobs.length && nothing)) return;
		for (const [id, { element }] of rows) if (!state.jobs.has(id) && rows.delete(id)) element.remove();
		jobs.forEach((job, i) => {
			if (!rows.has(job.id)) rows.set(job.id, makeRow(job));
			const row = rows.get(job.id);
			row.show(job);
			if (body.children[i] !== row.element) body.insertBefore(row.element, body.children[i] ?? null);
		});
	};
	const soon = throttled(200, show);
	show();
	return [...["jobs", "runs", "link"].map((topic) => listen(topic, soon)), soon.stop];
}

function waiting(a, b) {
	if (a.state === "queued") return b.priority - a.priority || a.id - b.id;
	return b.id - a.id;
}

function makeRow({ id, run_id: run }) {
	const name = h("a", { href: link("runs", run) });
	const bar = progressBar();
	const [mark, where, priority, created, lasted, buttons] = ["state", "where", "n", "n", "n", "buttons"].map((look) => h("td", { class: look }));
	const element = h("tr", { "data-id": id }, h("td.n", id), h("th", { scope: "row", class: "name" }, name), mark,
		h("td.wide", bar.element), where, priority, created, lasted, buttons);
	let before = "";
	const show = (job) => {
		bar.show(job);
		setText(name, name.title = state.runs.get(run)?.name ?? job.name ?? `job ${id}`);
		setText(where, job.error ?? progressText(job));
		setText(priority, job.priority);
		setText(created, format.ago(job.created_at));
		setText(lasted, format.duration(took(job)));
		if (job.state === before) return;
		before = job.state;
		put(mark, badge(before));
		put(buttons, jobButtons(job));
	};
	return { element, show };
}
