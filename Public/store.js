// The one state of the page: what the server told and what the reader chose, kept in the address. Views read and listen.

import * as api from "./api.js";
import { on } from "./dom.js";
import { parse } from "./format.js";
import { LOOK } from "./look.js";

export const DEFAULTS = { page: "runs", id: null, from: null, ...LOOK, filter: "", sort: "-started", all: false,
	columns: "", base: "", tab: "", show: null, pins: null, hide: null, pick: null };
const SETS = ["show", "pins", "hide", "pick"];
const short = (id) => id.slice(0, 12);

export const state = {
	view: { ...DEFAULTS },
	runs: new Map(),
	shape: 0, // grows whenever a run, a parameter or a metric's name comes or goes
	jobs: new Map(),
	loading: false, // whether more pages of runs are under way
	link: "opening",
};

const bus = new EventTarget();

/** Topics: view, runs, sparks, jobs, points, checkpoint, log, reset, link, theme. */
export function tell(topic, detail) {
	bus.dispatchEvent(new CustomEvent(topic, { detail }));
}

export const listen = (topic, action) => on(bus, topic, ({ detail }) => action(detail));

const chosenNames = Object.keys(DEFAULTS).filter((name) => name !== "page" && name !== "id");

export function hash(view) {
	const query = new URLSearchParams();
	for (const name of chosenNames) {
		const v = view[name];
		if (v === DEFAULTS[name] || v === null) continue;
		query.set(name, SETS.includes(name) ? [...v].map(short).join("~") : v === true ? "1" : v);
	}
	const path = `#/${[view.page, view.id].filter(Boolean).map(encodeURIComponent).join("/")}`;
	return query.size ? `${path}?${query}` : path;
}

export function viewOf(address) {
	const [path, text = ""] = address.replace(/^#\/?/, "").split("?");
	const [page, id = null] = path.split("/").map(decode);
	const view = { ...DEFAULTS, page: page || "runs", id };
	const query = new URLSearchParams(text);
	for (const name of chosenNames) {
		const [given, fallback] = [query.get(name), DEFAULTS[name]];
		if (given === null) continue;
		if (SETS.includes(name)) view[name] = new Set(given ? given.split("~") : []);
		else if (typeof fallback === "boolean") view[name] = given === "1";
		else if (typeof fallback === "number") view[name] = Math.min(0.999, Math.max(0, Number(given))) || 0;
		else view[name] = given;
	}
	return view;
}

const GRADUAL = ["smooth", "filter", "charts"];
let last = { names: "", at: 0 };
let later = 0;

/** Changes choices; the address follows. What is `gradual`, a dragged slider or a typed word, is undone at once. */
export function choose(changes, gradual = GRADUAL.includes(Object.keys(changes).join())) {
	const names = Object.keys(changes).join();
	const now = performance.now();
	const goesOn = gradual && names === last.names && now - last.at < 1200;
	last = { names, at: now };
	Object.assign(state.view, changes);
	const write = (how, more) => history[how]({ depth: (history.state?.depth ?? 0) + more }, "", hash(state.view));
	if (goesOn) {
		// An address takes milliseconds to change.
		later ||= setTimeout(() => {
			later = 0;
			write("replaceState", 0);
		}, 100);
	} else if (hash(state.view) !== location.hash) write("pushState", 1);
	tell("view", Object.keys(changes));
}

export function undo() {
	last.names = "";
	if (history.state?.depth) history.back();
}

export function redo() {
	last.names = "";
	history.forward();
}

export const holds = (set, id) => Boolean(set) && (set.has(id) || set.has(short(id)));

export function toggled(set, id, on = !holds(set, id)) {
	const changed = new Set([...(set ?? [])].filter((other) => short(other) !== short(id)));
	if (on) changed.add(id);
	return changed.size ? changed : null;
}

export function link(page, id = null, more = {}) {
	const { smooth, axis, log, logx, outliers } = state.view;
	return hash({ ...DEFAULTS, smooth, axis, log, logx, outliers, page, id, ...more });
}

export const go = (...place) => (location.hash = link(...place));

function decode(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

export function recall(name, fallback) {
	try {
		return JSON.parse(localStorage.getItem(`cairn.${name}`)) ?? fallback;
	} catch {
		return fallback;
	}
}

export function keep(name, value) {
	try {
		if (value === null) localStorage.removeItem(`cairn.${name}`);
		else localStorage.setItem(`cairn.${name}`, JSON.stringify(value));
	} catch {}
}

const STATES = { RUNNING: "running", SCHEDULED: "queued", FINISHED: "finished", FAILED: "failed", KILLED: "cancelled" };

// An answer can be older than an event: runs and jobs have the number of their newest one.
let events = 0;
const touched = new Map();
const overtaken = (id, asked) => (touched.get(id) ?? 0) > asked;
const touch = (id) => touched.set(id, (events += 1));

/** Takes in a run as the API gives it; of one that events have changed since, only what they did not bring. */
export function takeRun(answer, asked) {
	const id = answer.run_id;
	const known = overtaken(id, asked) ? state.runs.get(id) : null;
	const metrics = known?.metrics ?? new Map();
	for (const [key, m] of Object.entries(answer.metrics ?? {})) {
		if (m.count <= (metrics.get(key)?.count ?? 0)) continue;
		if (!metrics.has(key)) state.shape += 1;
		metrics.set(key, { last: parse(m.last), min: parse(m.min), max: parse(m.max), count: m.count });
	}
	if (known) return known;
	const run = {
		id, metrics,
		name: answer.name?.trim() || id,
		experiment: answer.experiment ?? "",
		status: answer.status,
		started: answer.start_time ?? 0,
		ended: answer.end_time ?? null,
		job: answer.job_id ?? null,
		params: answer.params ?? {},
		tags: answer.tags ?? {},
	};
	state.shape += 1;
	if (answer.info?.lifecycle_stage === "deleted") state.runs.delete(id);
	else state.runs.set(id, run);
	return run;
}

function takeJob(job, asked) {
	if (state.jobs.has(job.id) && overtaken(job.id, asked)) return state.jobs.get(job.id);
	state.jobs.set(job.id, job);
	const run = state.runs.get(job.run_id);
	if (run) run.job = job.id;
	return job;
}

export const jobOf = (run) => state.jobs.get(run.job) ?? null;

export const stateOf = (run) => jobOf(run)?.state ?? STATES[run.status] ?? "running";

export function beginning(run) {
	const job = jobOf(run);
	return job?.started_at || run.started || job?.created_at || Infinity;
}

// The first page is small, so that something is shown at once; the others follow.
const [FIRST_PAGE, PAGE, AT_MOST] = [200, 500, 20000];
let loading = 0;

export async function loadRuns() {
	const mine = (loading += 1);
	const asked = events;
	const before = [...state.runs.keys()];
	const seen = new Set();
	const page = async (limit, token) => {
		const { runs, next_page_token: next } = await api.get(`/runs?limit=${limit}${token && `&page_token=${encodeURIComponent(token)}`}`);
		for (const run of runs) seen.add(takeRun(run, asked).id);
		tell("runs");
		return next;
	};
	const forget = () => before.filter((id) => !seen.has(id) && !overtaken(id, asked)).forEach(dropRun);
	const rest = async (token) => {
		while (token && mine === loading && seen.size < AT_MOST) token = await page(PAGE, token);
		if (mine === loading && !token) forget();
	};
	const next = await page(FIRST_PAGE, "");
	state.loading = Boolean(next);
	rest(next).catch(() => {}).finally(() => {
		if (mine === loading) state.loading = false;
		tell("runs");
	});
}

export function dropRun(id) {
	if (state.runs.delete(id)) state.shape += 1;
}

export async function loadJobs() {
	const asked = events;
	const answer = await api.get("/jobs?limit=1000");
	for (const id of state.jobs.keys()) if (!overtaken(id, asked)) state.jobs.delete(id);
	for (const job of answer.jobs) takeJob(job, asked);
	tell("jobs");
}

export async function loadRun(id) {
	const asked = events;
	const run = takeRun(await api.get(`/runs/${encodeURIComponent(id)}`), asked);
	if (run.job !== null && !state.jobs.has(run.job)) takeJob(await api.get(`/jobs/${run.job}`), asked);
	tell("runs");
	tell("jobs");
	return run;
}

export async function submit(spec) {
	const asked = events;
	return takeJob(await api.post("/jobs", spec), asked);
}

export async function act(job, action) {
	const asked = events;
	takeJob(await api.post(`/jobs/${job.id}/${action}`), asked);
	tell("jobs");
}

// Runs that are being read; true: events came meanwhile, which the answer may lack.
const missing = new Map();

function fetchMissing(id) {
	if (missing.has(id)) return missing.set(id, true);
	missing.set(id, false);
	loadRun(id).catch(() => {}).finally(() => {
		const again = missing.get(id);
		missing.delete(id);
		if (again) fetchMissing(id);
	});
}

export function takeEvent(kind, data) {
	if (kind === "metric") takePoints(Array.isArray(data) ? data : [data]);
	else if (kind === "job") {
		takeJob(data, events);
		touch(data.id);
		if (!state.runs.has(data.run_id)) fetchMissing(data.run_id);
		tell("jobs");
	} else if (kind === "run") {
		const run = state.runs.get(data.run_id);
		if (!run) return fetchMissing(data.run_id);
		touch(run.id);
		run.status = data.status ?? run.status;
		run.name = data.name ?? data.run_name ?? run.name;
		run.started = data.start_time ?? run.started;
		run.ended = data.end_time ?? run.ended;
		if (data.lifecycle_stage === "deleted") dropRun(run.id);
		tell("runs");
	} else if (["checkpoint", "log", "reset"].includes(kind)) tell(kind, data);
}

function takePoints(points) {
	for (const { run_id: id, key, value, step } of points) {
		const run = state.runs.get(id);
		if (!run) {
			fetchMissing(id);
			continue;
		}
		const v = parse(value);
		const seen = run.metrics.get(key);
		if (!seen) {
			run.metrics.set(key, { last: v, min: v, max: v, count: 1 });
			state.shape += 1;
		} else {
			seen.last = v;
			if (v < seen.min || Number.isNaN(seen.min)) seen.min = v;
			if (v > seen.max || Number.isNaN(seen.max)) seen.max = v;
			seen.count += 1;
		}
		touch(id);
		const job = jobOf(run);
		if (key === "train/loss" && job?.state === "running" && job.progress && step >= (job.progress.step ?? 0)) {
			job.progress.step = Math.min(step + 1, job.progress.total_steps || Infinity);
		}
	}
	tell("points", points);
	tell("runs");
}

// The hue of each colour of the style sheet, by number.
const HUES = [0, 1, 2, 3, 0, 4, 5, 1, 3, 2];
const slots = new Map();
const colours = recall("colours", {}); // by the reader: run -> slot

export function setColour(id, slot) {
	colours[id] = slot;
	slots.set(id, slot);
	keep("colours", colours);
	tell("runs");
}

/** The colour of a run, 0...9: by its id, moved on only when a run that is shown has it, or its hue. */
export function colourOf(id, shown = []) {
	const known = slots.get(id) ?? colours[id];
	if (known !== undefined) return known;
	const taken = shown.map((other) => slots.get(other));
	const hues = taken.map((slot) => HUES[slot]);
	const first = Number.parseInt(id.slice(0, 8), 16) % HUES.length || 0;
	const order = HUES.map((_, i) => (first + i) % HUES.length);
	const slot = order.find((s) => !hues.includes(HUES[s])) ?? order.find((s) => !taken.includes(s)) ?? first;
	slots.set(id, slot);
	return slot;
}
