// The entry: puts the view that the address names into the page and keeps the connection to the server. A new page is a
// module in views/ with `mount(root)`, which gives back how to take it away, a row in VIEWS and a link in index.html.

import { openEvents, setTokenPrompt } from "./api.js";
import { empty, h, put, setText } from "./dom.js";
import { ask, closeMenu } from "./menu.js";
import { toggleTheme } from "./palette.js";
import { listen, loadJobs, loadRuns, state, takeEvent, tell, viewOf } from "./store.js";
import * as runs from "./views/runs.js";

const VIEWS = {
	runs: ["Runs", async () => runs, () => import("./views/run.js")],
	compare: ["Compare", () => import("./views/compare.js")],
	jobs: ["Queue", () => import("./views/jobs.js")],
	submit: ["New job", () => import("./views/submit.js")],
	datasets: ["Data sets", () => import("./views/datasets.js")],
	models: ["Models", () => import("./views/models.js")],
	settings: ["Settings", () => import("./views/settings.js")],
};

const GONE = "The server cannot be reached. This is the last state; the page reconnects by itself.";

const [main, banner, linkMark, queueCount, theme] = ["main", "banner", "link", "queue-count", "theme"].map((id) => document.getElementById(id));

let leave = null;
let shownPage = "";

// --- pages
async function route() {
	const view = viewOf(location.hash);
	if (!VIEWS[view.page]) view.page = "runs";
	state.view = view;
	const page = `${view.page}/${view.id ?? ""}/${view.from ?? ""}`;
	if (page === shownPage) return tell("view", Object.keys(view));
	shownPage = page;
	leave?.();
	leave = null;
	put(main);
	scrollTo(0, 0);
	closeMenu();
	const [title, list, single = list] = VIEWS[view.page];
	document.title = `${title} · Cairn`;
	for (const anchor of document.querySelectorAll("[data-page]")) {
		anchor.ariaCurrent = anchor.dataset.page === view.page ? "page" : null;
		if (anchor.ariaCurrent) anchor.scrollIntoView({ block: "nearest" });
	}
	const read = await (view.id ? single : list)().catch((error) => ({ mount() {
		shownPage = "";
		put(main, empty("This page cannot be read", error.message));
	} }));
	if (page === shownPage) leave = read.mount(main);
}

// --- the server

let stream = null;
let complain = 0;
let loading = false;
let loaded = false;
let behind = true; // whether events may have been missed since the last load

async function load() {
	loading = true;
	try {
		await Promise.all([loadJobs(), loadRuns()]);
		// While the server is there: later it may not be.
		if (!loaded) for (const [, ...pages] of Object.values(VIEWS)) for (const read of pages) read().catch(() => {});
		loaded = true;
		setLink("live");
		tell("link");
	} catch {
		setLink("down");
	}
	loading = false;
}

function connect() {
	stream = openEvents("", {
		event(kind, data) {
			if (kind === "reset") return refresh();
			takeEvent(kind, data);
		},
		opened(gap) {
			clearTimeout(complain);
			complain = 0;
			// What happened between a load and the opening of the stream would be missed otherwise.
			if (!loaded && !loading) load();
			else if (gap || behind || state.link === "down") refresh();
			else setLink("live");
			behind = false;
		},
		lost() {
			complain ||= setTimeout(() => setLink("down"), 1200);
		},
	});
}

async function refresh() {
	await load();
	tell("reset");
}

function setLink(link) {
	state.link = link;
	linkMark.dataset.state = link;
	setText(linkMark.lastElementChild, link === "live" ? "live" : link === "down" ? "offline" : "connecting");
	banner.hidden = link !== "down";
	if (link === "down") setText(banner, GONE);
}

// A hidden tab holds no connection: browsers allow six to one server.
let hideTimer = 0;
document.addEventListener("visibilitychange", () => {
	clearTimeout(hideTimer);
	if (document.hidden) {
		hideTimer = setTimeout(() => {
			stream?.close();
			stream = null;
			behind = true;
		}, 10000);
	} else if (!stream) connect();
});

// --- the head of the page
function countQueue() {
	const active = [...state.jobs.values()].filter((job) => ["queued", "running"].includes(job.state)).length;
	queueCount.hidden = active === 0;
	setText(queueCount, String(active));
}

async function askToken() {
	const input = h("input", { type: "password", autocomplete: "current-password", required: true, label: "Access token" });
	const content = [h("p", "The one that it was started with. It is kept in this browser."), input];
	while (!(await ask({ title: "This server asks for a token", content, yes: "Go on", no: "" })));
	return input.value.trim();
}

setTokenPrompt(askToken);
theme.addEventListener("click", toggleTheme);
listen("jobs", countQueue);
addEventListener("hashchange", route);
route();
connect();
// The stream comes first, so that nothing is missed; if it is slow to open, the page does not wait for it.
setTimeout(() => loaded || loading || load(), 300);
