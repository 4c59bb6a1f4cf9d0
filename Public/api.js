// Talking to the server: JSON calls, their errors, the access token, downloads and the live event stream.

const ROOT = "/api/v1";
const TOKEN = "cairn.token";

export class ApiError extends Error {
	constructor(status, body) {
		super(body?.message ?? `the server answered ${status}`);
		this.status = status;
		this.field = body?.field ?? null;
	}
}

let askToken = null;
let asking = null;

export function setTokenPrompt(ask) {
	askToken = ask;
}

export function token() {
	try {
		return localStorage.getItem(TOKEN);
	} catch {
		return null;
	}
}

async function renewToken() {
	asking ??= askToken().then((given) => {
		asking = null;
		setToken(given);
	});
	return asking;
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
		if (answer.status === 401 && askToken) {
			if (token() === used) await renewToken();
			continue;
		}
		if (answer.ok) return answer;
		throw new ApiError(answer.status, await answer.json().catch(() => null));
	}
}

export function setToken(given) {
	if (given) localStorage.setItem(TOKEN, given);
	else localStorage.removeItem(TOKEN);
}

export async function get(path, signal) {
	return (await send(path, { signal })).json();
}

export async function post(path, body) {
	const text = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body);
	const headers = text === undefined ? {} : { "Content-Type": "application/json" };
	return (await send(path, { method: "POST", body: text, headers })).json();
}

export const mlflow = (call, body) => post(`/api/2.0/mlflow/${call}`, body);

export const address = (path) => (/^\/(api|get-artifact)/.test(path) ? path : ROOT + path);

/** What is no JSON, as its Response; with `bytes`, its beginning. */
export function raw(path, bytes) {
	return send(path, { headers: { Accept: "*/*", ...(bytes && { Range: `bytes=0-${bytes - 1}` }) } });
}

/** Follows the server's events until `close()`, resuming after the last one. A fetch, which can carry the token. */
export function openEvents(query, handlers) {
	let closed = false;
	let lastID = null;
	let wait = 500;
	let abort = new AbortController();
	let first = true;

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
			const answer = await send(`/events${query}`, { headers, cache: "no-store", signal: abort.signal });
			if (closed) return abort.abort();
			wait = 500;
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

export function eventParser(emit) {
	let rest = "";
	let kind = "message";
	let data = [];
	let id = null;
	return (text) => {
		const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
		rest = lines.pop();
		for (const line of lines) {
			if (line === "") {
				if (data.length) emit({ kind, data: JSON.parse(data.join("\n")), id });
				kind = "message";
				data = [];
				id = null;
				continue;
			}
			const colon = line.indexOf(":");
			if (colon === 0) continue;
			const field = colon < 0 ? line : line.slice(0, colon);
			const content = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
			if (field === "data") data.push(content);
			else if (field === "event") kind = content;
			else if (field === "id") id = content;
		}
	};
}
