// What opens over the page: menus, dialogs that ask, and short messages at its foot.

import { button, h, put } from "./dom.js";

export const closeMenu = () => document.querySelector(".menu")?.hidePopover();

/** Opens a menu beside an element or a place. An item is `{text, action, checked, danger, disabled, stay}` or null: a line. */
export function openMenu(anchor, label, items, look = "") {
	closeMenu();
	const before = document.activeElement;
	const list = h(`div.menu${look}`, { role: "menu", label, tabindex: -1, popover: "auto", toggle: ({ newState }) => newState === "closed" && list.remove(),
		keydown: (event) => {
			const all = [...list.querySelectorAll("button:enabled")];
			const at = all.indexOf(document.activeElement);
			const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[event.key];
			event.stopPropagation();
			if (event.key === "Escape" || event.key === "Tab") close();
			else if (to !== undefined) all.at(to % all.length)?.focus();
			else return;
			event.preventDefault();
		} }, items.map((item) => {
		if (item === null) return h("hr");
		if (!item) return item;
		const { text, action, checked, danger, disabled, stay } = item;
		return button(danger && "danger", text, ({ currentTarget: self }) => {
			if (stay) self.ariaChecked = self.ariaChecked !== "true";
			else close();
			action();
		}, { disabled, tabindex: -1, role: checked === undefined ? "menuitem" : "menuitemcheckbox", "aria-checked": checked?.toString() });
	}));
	const close = () => {
		list.hidePopover();
		if (before?.isConnected) before.focus({ preventScroll: true });
	};
	document.body.append(list);
	list.showPopover();
	place(list, anchor);
	(list.querySelector("button:enabled") ?? list).focus({ preventScroll: true });
}

/** Puts what floats beside an element or a place, inside the window. */
export function place(list, anchor) {
	const at = anchor.getBoundingClientRect?.() ?? anchor;
	const { offsetWidth: width, offsetHeight: height } = list;
	const fit = (before, after, size, room) => Math.round(Math.max(8, Math.min(room - 8 - size, after + size > room - 8 ? before - size : after)));
	list.style.left = `${fit(at.right, at.left, width, innerWidth)}px`;
	list.style.top = `${fit(at.top - 4, at.bottom + 4, height, innerHeight)}px`;
}

/** Asks in a dialog; true when `yes` was pressed. `check()` may refuse by giving back a text. */
export function ask({ title, content, yes, danger = false, no = "Cancel", check = () => "" }) {
	return new Promise((resolve) => {
		const wrong = h("p.message", { role: "alert", hidden: true });
		const dialog = h("dialog.ask", { label: title, close: () => {
			dialog.remove();
			resolve(dialog.returnValue === "yes");
		} },
		h("form", { submit: (event) => {
			event.preventDefault();
			const refusal = check();
			wrong.hidden = !refusal;
			put(wrong, refusal);
			if (!refusal) dialog.close("yes");
		} }, h("h2", title), content, wrong,
		h("div.buttons.end", no && button("quiet", no, () => dialog.close("")),
			yes && h(danger ? "button.primary.danger" : "button.primary", yes))));
		document.body.append(dialog);
		dialog.showModal();
	});
}

const toasts = document.body.appendChild(h("div.toasts", { role: "status" }));

export function toast(text, { bad = false, action = null } = {}) {
	const leave = () => note.remove();
	const note = h(bad ? "p.toast.bad" : "p.toast", h("span", text),
		action && button("mini", action.text, () => {
			leave();
			action.run();
		}), button("mini", "×", leave, { label: "Close this message" }));
	toasts.append(note);
	while (toasts.childElementCount > 4) toasts.firstChild.remove();
	setTimeout(leave, bad || action ? 12000 : 5000);
}
