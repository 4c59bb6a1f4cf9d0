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

export const scheme = () => document.documentElement.style.colorScheme || "system";

/** Light, dark, or as the system has it; theme.js puts it in place at the next load. */
export function setScheme(name) {
	document.documentElement.style.colorScheme = name === "system" ? "" : name;
	try {
		if (name === "system") localStorage.removeItem("cairn.theme");
		else localStorage.setItem("cairn.theme", name);
	} catch {
		// Not remembered then.
	}
	tell("theme");
}

export function toggleTheme() {
	const dark = !isDark();
	setScheme(dark === matchMedia("(prefers-color-scheme: dark)").matches ? "system" : dark ? "dark" : "light");
}

listen("theme", () => cache.clear());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => tell("theme"));
