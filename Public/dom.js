// Building the page. Everything a server sent enters the document here, as text and never as markup.

import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `h("p.note", {title: "…", click: () => …}, "text", node, [more])`; no properties, no object. */
export function h(tag, properties = {}, ...children) {
	const [name, ...classes] = tag.split(".");
	const element = document.createElement(name);
	if (classes.length) element.className = classes.join(" ");
	return fill(element, properties, children);
}

export const svg = (tag, properties = {}, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

export function fill(element, properties, children = []) {
	if (properties?.constructor !== Object) return add(element, properties, children);
	for (const [name, value] of Object.entries(properties)) {
		if (value === null || value === undefined || value === false) continue;
		if (typeof value === "function") element.addEventListener(name, value);
		else change(element, name === "label" ? "aria-label" : name, value === true ? "" : visible(value));
	}
	add(element, ...children);
	return element;
}

/** Setting an attribute costs new styles even where it stays what it is. */
const change = (element, name, text) => element.getAttribute(name) === text || element.setAttribute(name, text);

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
		return h("th", { scope: "col", class: numeric && "n" }, numeric ? title.slice(1) : title);
	});
	return h("thead", h("tr", cells));
}

export function put(element, ...children) {
	element.replaceChildren();
	return add(element, ...children);
}

export function setText(element, text) {
	const shown = visible(text);
	const node = element.firstChild;
	if (node?.nodeType !== Node.TEXT_NODE || node.nextSibling) element.textContent = shown;
	else if (node.data !== shown) node.data = shown; // a new node would cost a new layout
}

/** Acts at most every so many ms, for all calls until then; `afresh`: each call begins the wait anew. */
export function throttled(milliseconds, action, afresh = false) {
	let [timer, last] = [0, -Infinity];
	const stop = () => (timer = clearTimeout(timer));
	const call = () => {
		if (afresh) stop();
		timer ||= setTimeout(() => {
			stop();
			last = performance.now();
			action();
		}, afresh ? milliseconds : Math.max(0, last + milliseconds - performance.now()));
	};
	return Object.assign(call, { stop });
}

/** Listens until what it gives back is called. */
export function on(target, type, action, options) {
	target.addEventListener(type, action, options);
	return () => target.removeEventListener(type, action, options);
}

export const settled = (milliseconds, action) => throttled(milliseconds, action, true);

export const empty = (title, text, ...more) => h("div.empty", h("img", { src: "/favicon.svg", alt: "", width: 64 }), h("h2", title), h("p", text), more);
