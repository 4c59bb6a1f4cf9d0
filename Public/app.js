// The entry: shows the view that the address names and keeps the connection to the server. A new page is a module in
// views/ with `mount(root)`, which gives back what to call when it is left, and a link in index.html.

import { openEvents, setTokenPrompt } from "./api.js";
import { empty, h, put, setText } from "./dom.js";
import { ask, closeMenu } from "./menu.js";
import { toggleTheme } from "./palette.js";
import { listen, loadJobs, loadRuns, state, takeEvent, tell, viewOf } from "./store.js";
import * as runs from "./views/runs.js";

const anchors = [...document.querySelectorAll("[data-page]")];
const view = async (name) => name === "runs" ? runs : import(`./views/${name}.js`);

const [main, banner, linkMark, queueCount, theme] = ["main", "banner", "link", "queue-count", "theme"].map((id) => document.getElementById(id));

let stops = [];
let shownPage = "";

async function route() {
	const chosen = state.view = viewOf(location.hash);
	const anchor = anchors.find(({ dataset }) => dataset.page === chosen.page) ?? anchors[0];
	chosen.page = anchor.dataset.page;
	const page = `${chosen.page}/${chosen.id ?? ""}/${chosen.from ?? ""}`;
	if (page === shownPage) return tell("view", Object.keys(chosen));
	shownPage = page;
	for (const stop of stops.splice(0)) stop();
	put(main);
	scrollTo(0, 0);
	closeMenu();
	document.title = `${anchor.firstChild.data} · Cairn`;
	for (const other of anchors) other.ariaCurrent = other === anchor ? "page" : null;
	anchor.scrollIntoView({ block: "nearest" });
	const read = await view(chosen.page === "runs" && chosen.id ? "run" : chosen.page).catch((error) => ({ mount() {
		shownPage = "";
		put(main, empty("This page cannot be read", error.message));
		return [];
	} }));
	if (page === shownPage) stops = read.mount(main);
}

let [stream, complain, loading, loaded] = [null, 0, false, false];
let behind = true; // whether events may have been missed since the last load

async function load() {
	loading = true;
	try {
		await Promise.all([loadJobs(), loadRuns()]);
		// While the server is there: later it may not be.
		if (!loaded) for (const name of ["run", ...anchors.map(({ dataset }) => dataset.page)]) view(name).catch(() => {});
		loaded = true;
		setLink("live");
		tell("link");
	} catch {
		setLink("down");
	}
	loading = false;
}

function connect() {
	stream = openEvents({
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
	if (link === "down") setText(banner, "The server cannot be reached. This is the last state; the page reconnects by itself.");
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
