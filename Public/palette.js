// Colours for the canvas, from the style sheet: light and dark are written once.

import { keep, listen, tell } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const cache = new Map();
const probe = document.body.appendChild(document.createElement("i"));
probe.hidden = true;

export function colour(name) {
	let found = cache.get(name);
	if (!found) {
		probe.className = name.replace("run-", "c");
		probe.style.color = `var(--${name.replace(/-\d$/, "")})`;
		found = getComputedStyle(probe).color;
		cache.set(name, found);
	}
	return found;
}

/** The other of light and dark; what the system has is not kept. theme.js puts it in place at the next load. */
export function toggleTheme() {
	const { style } = document.documentElement;
	const dark = style.colorScheme ? style.colorScheme !== "dark" : !system.matches;
	const name = style.colorScheme = dark === system.matches ? "" : dark ? "dark" : "light";
	keep("theme", name || null);
	tell("theme");
}

listen("theme", () => cache.clear());
system.addEventListener("change", () => tell("theme"));
