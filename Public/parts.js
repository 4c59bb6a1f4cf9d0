// Small pieces that several views share: a state's mark, a progress bar, the buttons of a job, messages.

import { h } from "./dom.js";
import * as format from "./format.js";
import { toast } from "./menu.js";
import { act } from "./store.js";

const ACTIONS = {
	queued: ["pause", "cancel"],
	running: ["pause", "cancel"],
	paused: ["resume", "cancel"],
};
const LABELS = { pause: "Pause", resume: "Resume", cancel: "Cancel" };

export function badge(state) {
	return h("span", { class: `badge ${state}` }, h("i", { "aria-hidden": "true" }), state);
}

export function took(job) {
	const end = job.ended_at ?? (job.state === "running" ? Date.now() : null);
	return job.started_at && end ? (end - job.started_at) / 1000 : NaN;
}

export function share(job) {
	const { step = 0, total_steps: total = 0 } = job?.progress ?? {};
	return total > 0 ? Math.min(1, step / total) : 0;
}

export function progressBar() {
	const fill = h("i");
	const element = h("div", { class: "bar", role: "progressbar", "aria-label": "Progress",
		"aria-valuemin": 0, "aria-valuemax": 100 }, fill);
	const show = (job) => {
		const part = job.state === "finished" ? 1 : share(job);
		fill.style.transform = `scaleX(${part})`;
		element.dataset.state = job.state;
		element.setAttribute("aria-valuenow", String(Math.round(part * 100)));
	};
	return { element, show };
}

export function progressText(job) {
	const { step = 0, total_steps: total = 0, epoch, eta_seconds: eta } = job.progress ?? {};
	return [
		total ? `step ${format.count(step)} of ${format.count(total)}` : null,
		epoch ? `epoch ${format.count(epoch)}` : null,
		job.state === "running" && Number.isFinite(eta) ? `${format.duration(eta)} left` : null,
	].filter(Boolean).join(" · ");
}

export function jobButtons(job) {
	return (ACTIONS[job.state] ?? []).map((action) => {
		const button = h("button", { type: "button", class: action === "cancel" ? "quiet danger" : "quiet",
			"aria-label": `${LABELS[action]} job ${job.id}`,
			click: async () => {
				button.disabled = true;
				await act(job, action).catch(fail);
				button.disabled = false;
			} }, LABELS[action]);
		return button;
	});
}

/** Says what went wrong. */
export function fail(error) {
	toast(error.message, { bad: true });
}
