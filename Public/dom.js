// Building the page. Everything a server sent enters the document here, as text and never as markup.

import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element: `h("p.note", ...)` with a class. Properties that are functions become listeners of that event, others
 * attributes; `null`, `undefined` and `false` are left out. Children are nodes or text, also at once: `h("p", "text")`.
 */
export function h(tag, properties = {}, ...children) {
	const [name, ...classes] = tag.split(".");
	const element = document.createElement(name);
	if (classes.length) element.className = classes.join(" ");
	return fill(element, properties, children);
}

export const svg = (tag, properties = {}, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

function fill(element, properties, children) {
	if (properties?.constructor !== Object) return add(element, properties, children);
	for (const [name, value] of Object.entries(properties)) {
		if (value === null || value === undefined || value === false) continue;
		if (typeof value === "function") element.addEventListener(name, value);
		else element.setAttribute(name === "label" ? "aria-label" : name, value === true ? "" : visible(value));
	}
	add(element, ...children);
	return element;
}

export function add(element, ...children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false) continue;
		element.append(child instanceof Node ? child : visible(child));
	}
	return element;
}

export const button = (look, text, action, properties = {}) => h("button", { type: "button", class: look, click: action, ...properties }, text);

export function heads(...titles) {
	const cells = titles.map((title) => {
		const numeric = title.startsWith("#");
		return h("th", { scope: "col", class: numeric ? "n" : null }, numeric ? title.slice(1) : title);
	});
	return h("thead", h("tr", cells));
}

export function put(element, ...children) {
	element.replaceChildren();
	return add(element, ...children);
}

export function setText(element, text) {
	const shown = visible(text);
	if (element.textContent !== shown) element.textContent = shown;
}

export function throttled(milliseconds, action) {
	let timer = 0;
	let last = -Infinity;
	const run = () => {
		timer = 0;
		last = performance.now();
		action();
	};
	const call = () => {
		if (!timer) timer = setTimeout(run, Math.max(0, last + milliseconds - performance.now()));
	};
	call.stop = () => {
		clearTimeout(timer);
		timer = 0;
	};
	return call;
}

export function settled(milliseconds, action) {
	let timer = 0;
	const call = () => {
		clearTimeout(timer);
		timer = setTimeout(action, milliseconds);
	};
	call.stop = () => clearTimeout(timer);
	return call;
}

export const empty = (title, text, ...more) => h("div.empty", h("img", { src: "/favicon.svg", alt: "", width: 64 }), h("h2", title), h("p", text), more);
