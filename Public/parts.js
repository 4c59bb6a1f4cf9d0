// Small pieces that several views share: a state's mark, a progress bar, the buttons of a job, messages.

import { h, put, setText } from "./dom.js";
import * as format from "./format.js";
import { act } from "./store.js";

const ACTIONS = {
  queued: ["pause", "cancel"],
  running: ["pause", "cancel"],
  paused: ["resume", "cancel"],
};
const LABELS = { pause: "Pause", resume: "Resume", cancel: "Cancel" };

/** A state as a dot and a word. */
export function badge(state) {
  return h("span", { class: `badge ${state}` }, h("i", { "aria-hidden": "true" }), state);
}

/** Seconds that a job has taken, so far or in all. */
export function took(job) {
  const end = job.ended_at ?? (job.state === "running" ? Date.now() : null);
  return job.started_at && end ? (end - job.started_at) / 1000 : NaN;
}

/** Share of a job that is done, 0...1. */
export function share(job) {
  const { step = 0, total_steps: total = 0 } = job?.progress ?? {};
  return total > 0 ? Math.min(1, step / total) : 0;
}

/** A progress bar; call the result with a job to bring it up to date. */
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

/** Where a job is, in words: "step 412 of 612 · epoch 8 · 4 s left". */
export function progressText(job) {
  const { step = 0, total_steps: total = 0, epoch, eta_seconds: eta } = job.progress ?? {};
  return [
    total ? `step ${format.count(step)} of ${format.count(total)}` : null,
    epoch ? `epoch ${format.count(epoch)}` : null,
    job.state === "running" && Number.isFinite(eta) ? `${format.duration(eta)} left` : null,
  ].filter(Boolean).join(" · ");
}

/** The buttons that a job's state allows; `fail` is told what went wrong. */
export function jobButtons(job, fail) {
  return (ACTIONS[job.state] ?? []).map((action) => {
    const button = h("button", { type: "button", class: action === "cancel" ? "quiet danger" : "quiet",
      "aria-label": `${LABELS[action]} job ${job.id}`,
      click: async () => {
        button.disabled = true;
        try {
          await act(job, action);
        } catch (error) {
          fail(error);
        }
        button.disabled = false;
      } }, LABELS[action]);
    return button;
  });
}

/** A line that says what went wrong, until the next time. */
export function messageLine() {
  const element = h("p", { class: "message", role: "alert", hidden: true });
  return {
    element,
    show(error) {
      element.hidden = false;
      setText(element, error.message);
    },
    clear() {
      element.hidden = true;
      put(element);
    },
  };
}

/** Copies text and says so on the button. */
export function copyButton(text, label) {
  const button = h("button", { type: "button", class: "mini", title: label, "aria-label": label,
    click: async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "copied";
      } catch {
        button.textContent = "not allowed";
      }
      setTimeout(() => (button.textContent = "copy"), 1500);
    } }, "copy");
  return button;
}
