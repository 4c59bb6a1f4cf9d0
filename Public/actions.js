// What is done to runs: tags, deletion and its undoing, through MLflow's calls; copies and files for the reader.

import * as api from "./api.js";
import { h } from "./dom.js";
import { ask, toast } from "./menu.js";
import { dropRun, loadRun, tell } from "./store.js";

const noun = (n) => (n === 1 ? "1 run" : `${n} runs`);

/** Does one call a run, a few at a time; gives back the runs that it worked for, and says what went wrong. */
async function each(runs, what, call) {
  const done = [];
  let failure = null;
  const queue = [...runs];
  const work = async () => {
    for (let run = queue.shift(); run && !failure; run = queue.shift()) {
      try {
        await call(run);
        done.push(run);
      } catch (error) {
        failure = error;
      }
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  if (failure) {
    const why = failure.status === 404 && failure.code !== "RESOURCE_DOES_NOT_EXIST"
      ? "this server does not offer that call" : failure.message;
    toast(`${what} failed after ${done.length} of ${runs.length}: ${why}`, { bad: true });
  }
  return done;
}

/** Asks, deletes, and offers to undo. */
export async function deleteRuns(runs) {
  const sure = await ask({ title: `Delete ${noun(runs.length)}?`, yes: "Delete", danger: true,
    content: h("p", {}, runs.length === 1 ? runs[0].name : `${runs[0].name} and ${runs.length - 1} more`,
      ". They are marked as deleted and can be restored.") });
  if (!sure) return [];
  const gone = await each(runs, "Deleting", (run) => api.mlflow("runs/delete", { run_id: run.id }));
  for (const run of gone) dropRun(run.id);
  tell("runs");
  if (gone.length) {
    toast(`${noun(gone.length)} deleted.`, { action: { text: "Undo", run: () => each(gone, "Restoring", async (run) => {
      await api.mlflow("runs/restore", { run_id: run.id });
      await loadRun(run.id);
    }) } });
  }
  return gone;
}

/** Asks for a tag and sets it on every run. */
export async function tagRuns(runs) {
  const key = h("input", { type: "text", required: true, maxlength: 250, autocomplete: "off", "aria-label": "Tag name",
    placeholder: "name" });
  const text = h("input", { type: "text", maxlength: 8000, autocomplete: "off", "aria-label": "Tag value",
    placeholder: "value" });
  const sure = await ask({ title: `Tag ${noun(runs.length)}`, yes: "Set tag", content: h("div", { class: "pair" }, key, text),
    check: () => (key.value.trim() ? "" : "The tag needs a name.") });
  if (!sure) return;
  const name = key.value.trim();
  const done = await each(runs, "Tagging", async (run) => {
    await api.mlflow("runs/set-tag", { run_id: run.id, key: name, value: text.value });
    await loadRun(run.id);
  });
  if (done.length) toast(`Tag “${name}” set on ${noun(done.length)}.`);
}

/** Gives the reader a file. */
export function saveFile(name, content, type = "text/plain") {
  const link = h("a", { download: name, href: URL.createObjectURL(new Blob([content], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** Copies text, and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`);
  } catch {
    toast("This browser does not allow copying here.", { bad: true });
  }
}
