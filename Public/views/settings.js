// What this browser keeps: the access token.

import * as api from "../api.js";
import { button, h, put } from "../dom.js";
import { toast } from "../menu.js";
import { box, headline, note } from "../parts.js";

export function mount(root) {
	const token = h("input", { type: "password", autocomplete: "off", value: api.token() ?? "", label: "Access token", class: "grow" });
	const keep = (text) => {
		api.setToken(token.value = text.trim());
		toast(text ? "The token is kept in this browser." : "The token is forgotten.");
	};
	put(root, h("div.page", headline("Settings"),
		box("Access token", note("For a server with --token. It stays in this browser."),
			h("form.controls", { submit: (event) => {
				event.preventDefault();
				keep(token.value);
			} }, token, h("button.primary", "Keep"), button("quiet", "Forget", () => keep(""))))));
	return [];
}
