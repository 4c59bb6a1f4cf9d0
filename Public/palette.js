// Colours for the canvas, taken from the style sheet so that light and dark are written down once.

import { listen, tell } from "./store.js";

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

export function isDark() {
	const chosen = document.documentElement.style.colorScheme;
	return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function toggleTheme() {
	const dark = !isDark();
	const system = matchMedia("(prefers-color-scheme: dark)").matches;
	document.documentElement.style.colorScheme = dark === system ? "" : dark ? "dark" : "light";
	try {
		if (dark === system) localStorage.removeItem("cairn.theme");
		else localStorage.setItem("cairn.theme", dark ? "dark" : "light");
	} catch {
		// Not remembered then.
	}
	tell("theme");
}

listen("theme", () => cache.clear());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell("theme"));
