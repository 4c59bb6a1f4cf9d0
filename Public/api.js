// Talking to the server: calls, errors, the access token, the event stream.

import { h } from "./dom.js";
import { ask } from "./menu.js";
import { keep, recall } from "./store.js";

const ROOT = "/api/v1";

let asking = null;

export const token = () => recall("token", null);

export const setToken = (given) => keep("token", given || null);

async function askToken() {
	const input = h("input", { type: "password", autocomplete: "current-password", required: true, label: "Access token" });
	const content = [h("p", "The one that it was started with. It is kept in this browser."), input];
	while (!(await ask({ title: "This server asks for a token", content, yes: "Go on", no: "" })));
	asking = null;
	setToken(input.value.trim());
}

async function send(path, options = {}) {
	for (;;) {
		const used = token();
		const headers = { Accept: "application/json", ...options.headers };
		if (used) headers.Authorization = `Bearer ${used}`;
		let answer;
		try {
			answer = await fetch(address(path), { ...options, headers });
		} catch (error) {
			if (error.name === "AbortError") throw error;
			throw new Error("the server cannot be reached");
		}
		if (answer.status === 401) {
			if (token() === used) await (asking ??= askToken());
			continue;
		}
		if (answer.ok) return answer;
		const { status } = answer;
		throw Object.assign(new Error(`the server answered ${status}`), await answer.json().catch(() => null), { status });
	}
}

// What the page brought: the newest event, and answers by path that hold until events come.
export const brought = JSON.parse(document.getElementById("first")?.textContent ?? null) ?? { event: null };

export const get = async (path, signal) => brought.answers?.[path] ?? (await send(path, { signal })).json();

export async function post(path, body, method = "POST") {
	const text = typeof body === "string" ? body : JSON.stringify(body);
	return (await send(path, { method, body: text, headers: text && { "Content-Type": "application/json" } })).json();
}

export const mlflow = (call, body, method) => post(`/api/2.0/mlflow/${call}`, body, method);

export const address = (path) => /^\/(api|get-artifact|metrics)/.test(path) ? path : ROOT + path;

/** A Response, as it is; with `bytes`, its beginning. */
export const raw = (path, bytes) => send(path, { headers: { Accept: "*/*", ...(bytes && { Range: `bytes=0-${bytes - 1}` }) } });

/** Follows the events until `close()`, resuming after the last one. A fetch can carry the token. */
export function openEvents(handlers) {
	let [closed, first, lastID, wait, abort] = [false, true, brought.event, 500];

	async function connect() {
		abort = new AbortController();
		const headers = { Accept: "text/event-stream" };
		if (lastID !== null) headers["Last-Event-ID"] = lastID;
		let silence = 0;
		// The server speaks at least every 15 seconds; a silent connection is a dead one.
		const alive = () => {
			clearTimeout(silence);
			silence = setTimeout(() => abort.abort(), 40000);
		};
		try {
			alive();
			const answer = await send("/events", { headers, cache: "no-store", signal: abort.signal });
			if (closed) return abort.abort();
			wait = 500;
			delete brought.answers;
			handlers.opened(!first && lastID === null);
			first = false;
			const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
			const parser = eventParser((event) => {
				if (event.id !== null) lastID = event.id;
				handlers.event(event.kind, event.data);
			});
			for (;;) {
				const { done, value } = await reader.read();
				if (done) break;
				alive();
				parser(value);
			}
		} finally {
			clearTimeout(silence);
		}
	}

	(async () => {
		while (!closed) {
			try {
				await connect();
			} catch {
			}
			if (closed) return;
			handlers.lost();
			await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
			wait = Math.min(5000, wait * 1.7);
		}
	})();

	return {
		close() {
			closed = true;
			abort.abort();
		},
	};
}

/** Takes the text of an event stream, with JSON as data, in any portions. */
export function eventParser(emit) {
	let rest = "";
	return (text) => {
		const blocks = (rest + text).split(/\r?\n\r?\n/);
		rest = blocks.pop();
		for (const block of blocks) {
			const told = { event: "message", data: "", id: null };
			for (const [, field, content] of block.matchAll(/^(data|event|id): ?(.*)$/gm)) told[field] = field === "data" ? told.data + content : content;
			if (told.data) emit({ kind: told.event, data: JSON.parse(told.data), id: told.id });
		}
	};
}
