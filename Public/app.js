// The entry: shows the view that the address names and keeps the connection to the server. A new page is a module in
// views/ with `mount(root)`, which gives back what to call when it is left, and a link in index.html.

import { brought, openEvents } from "./api.js";
import { empty, put, setText } from "./dom.js";
import { closeMenu } from "./menu.js";
import { toggleTheme } from "./palette.js";
import { listen, loadJobs, loadRuns, state, takeEvent, tell, viewOf } from "./store.js";
import * as runs from "./views/runs.js";

const anchors = [...document.querySelectorAll("nav a")];
const pageOf = ({ hash }) => hash.slice(2);
const view = async (name) => name === "runs" ? runs : import(`./views/${name}.js`);

const [main, banner, linkMark, queueCount, theme] = ["main", "banner", "link", "queue-count", "theme"].map((id) => document.getElementById(id));

let stops = [];
let shownPage = "";

async function route() {
	const chosen = state.view = viewOf(location.hash);
	const anchor = anchors.find((other) => pageOf(other) === chosen.page) ?? anchors[0];
	chosen.page = pageOf(anchor);
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
let behind = brought.event === null; // whether events may have been missed since the last load

async function load() {
	loading = true;
	try {
		await Promise.all([loadJobs(), loadRuns()]);
		// Later the server may be gone; what is seen comes first.
		if (!loaded) setTimeout(() => ["run", ...anchors.map(pageOf)].forEach((name) => view(name).catch(() => {})), 999);
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
			// What happened between a load and the stream would be missed otherwise.
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
	setText(linkMark.lastElementChild, link === "live" ? link : "offline");
	banner.hidden = link === "live";
	if (!banner.hidden) setText(banner, "The server cannot be reached. This is the last state; the page reconnects by itself.");
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
	setText(queueCount, active);
}

theme.addEventListener("click", toggleTheme);
listen("jobs", countQueue);
addEventListener("hashchange", route);
route();
// The stream comes first, so that nothing is missed, but after what the page brought; the page waits for neither.
if (behind) connect();
else load();
setTimeout(() => stream || connect(), 150);
setTimeout(() => loaded || loading || load(), 300);
