// Colours for the canvas, from the style sheet: light and dark are written down once.

import { keep, listen, tell } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");
const cache = new Map();
let probe = null;

export function colour(name) {
	let found = cache.get(name);
	if (!found) {
		if (!probe) {
			probe = document.createElement("i");
			probe.hidden = true;
			document.body.append(probe);
		}
		probe.style.color = `var(--${name})`;
		found = getComputedStyle(probe).color;
		cache.set(name, found);
	}
	return found;
}

function isDark() {
	const chosen = document.documentElement.style.colorScheme;
	return chosen ? chosen === "dark" : system.matches;
}

/** The other of light and dark; what the system has is not kept. theme.js puts it in place at the next load. */
export function toggleTheme() {
	const dark = !isDark();
	const name = dark === system.matches ? "" : dark ? "dark" : "light";
	document.documentElement.style.colorScheme = name;
	keep("theme", name || null);
	tell("theme");
}

listen("theme", () => cache.clear());
system.addEventListener("change", () => tell("theme"));
