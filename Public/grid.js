// A table of many rows and columns: only cells near the window are elements. It knows nothing of what rows are.

import { add, fill, h, put, setText } from "./dom.js";

const ROW = 36;
const SPARE = 10;

export class Grid {
	/** Columns: `{id, title, width, pinned, numeric, value(row), text(row) | print(row) and render(row)}`. */
	constructor({ label, key, look, chosen, on }) {
		Object.assign(this, { key, look, chosen, on, columns: [], rows: [], top: [], shown: [0, 0, 0], sort: [], live: [], active: null });
		this.made = new Map(); // row id -> {element, cells, prints}
		this.cols = h("colgroup");
		this.head = h("tr");
		[this.stay, this.body] = ["stay", "rows"].map((name) => h("tbody", { class: name, contextmenu: (e) => this.context(e) }));
		[this.above, this.below] = [0, 1].map(() => h("tr"));
		const pad = (row) => h("tbody.pad", { role: "presentation" }, row);
		this.table = h("table.list.grid", { role: "grid", tabindex: "0", label,
			"aria-multiselectable": "true", keydown: (e) => this.keydown(e) },
		this.cols, h("thead", this.head), this.stay, pad(this.above), this.body, pad(this.below));
		this.element = h("div.scroller", { scroll: () => this.scrolled() }, this.table);
		this.watch = new ResizeObserver(() => {
			this.fit();
			this.later();
		});
		this.watch.observe(this.element);
	}

	destroy() {
		this.watch.disconnect();
		cancelAnimationFrame(this.frame);
	}

	scrolled() {
		const { scrollTop: y, scrollLeft, clientHeight } = this.element;
		const [first, last, left] = this.shown;
		if (scrollLeft !== left || y < first * ROW || y + clientHeight > last * ROW) this.later();
	}

	later() {
		this.frame ||= requestAnimationFrame(() => {
			this.frame = 0;
			this.paint();
		});
	}

	setColumns(columns, sort) {
		const print = JSON.stringify(columns.map((c) => [c.id, c.title, c.pinned, c.mark]));
		Object.assign(this, { columns, sort });
		if (print !== this.print) {
			this.print = print;
			this.live = [];
			put(this.head, columns.map((column, i) => this.header(column, i)), h("th", { role: "presentation" }));
			put(this.cols, columns.map(() => h("col")), h("col"));
		}
		this.fit();
		columns.forEach(({ id, value }, i) => {
			const th = this.head.children[i];
			const at = sort.findIndex((s) => s.replace(/^-/, "") === id);
			th.ariaSort = at < 0 ? null : sort[at][0] === "-" ? "descending" : "ascending";
			if (value) th.querySelector(".arrow").dataset.rank = at >= 0 && sort.length > 1 ? at + 1 : "";
		});
	}

	/** Room that is too narrow for one more column goes to the elastic one, so that none is cut off. */
	fit() {
		const room = this.element.clientWidth;
		let [left, all, spare] = [0, 0, 0];
		for (const { width } of this.columns) if ((all += width) <= room) spare = room - all;
		if (all <= room) spare = 0;
		all = 0;
		this.columns.forEach(({ width: own, pinned, elastic }, i) => {
			const width = own + (elastic ? spare : 0);
			this.cols.children[i].style.width = `${width}px`;
			if (pinned) this.table.style.setProperty(`--left-${i}`, `${left}px`);
			if (pinned) left += width;
			all += width;
		});
		this.table.style.minWidth = `${all}px`;
	}

	across() {
		const { scrollLeft, clientWidth } = this.element;
		const near = (margin) => {
			let x = 0;
			return this.columns.flatMap(({ width, pinned }, i) => {
				x += width;
				return pinned || (x > scrollLeft - margin && x - width < scrollLeft + clientWidth + margin) ? [i] : [];
			});
		};
		if (this.live.length && near(0).every((i) => this.live.includes(i))) return;
		this.live = near(260);
		for (const { element } of this.made.values()) element.remove();
		this.made.clear();
	}

	header(column, i) {
		const th = place(h("th", { scope: "col", class: classes(column), title: column.hint, "data-column": column.id }), column, i);
		if (!column.value) return add(th, column.head ?? column.title);
		const title = h("button", { type: "button", class: "title",
			click: (e) => this.dragged || this.sortBy(column, e.shiftKey) },
		h("span", column.title), column.mark && h("small", { "aria-hidden": "true" }, column.mark), h("span.arrow"));
		const more = h("button", { type: "button", class: "more", label: `Column ${column.title}`,
			"aria-haspopup": "menu", click: () => this.on.columnMenu(column.id, more) }, "⋮");
		const grip = h("span.grip");
		th.addEventListener("contextmenu", (e) => {
			e.preventDefault();
			this.on.columnMenu(column.id, more);
		});
		const now = () => this.columns.find((c) => c.id === column.id);
		drag(grip, () => now().width, (dx, width) => {
			now().width = Math.max(48, Math.round(width + dx));
			this.fit();
		}, () => this.on.resize(column.id, now().width));
		let target = null;
		drag(title, () => (this.dragged = false), (dx, _, x) => {
			if (!this.dragged && Math.abs(dx) < 6) return;
			this.dragged = true;
			target?.classList.remove("drop");
			target = [...this.head.children].find((other) => {
				const { left, width } = other.getBoundingClientRect();
				return other !== th && x < left + width / 2 && x > left - width;
			}) ?? null;
			target?.classList.add("drop");
		}, () => {
			target?.classList.remove("drop");
			if (this.dragged) this.on.move(column.id, target?.dataset.column ?? null);
		});
		return add(th, title, more, grip);
	}

	sortBy({ id, numeric }, also) {
		const order = numeric ? [`-${id}`, id] : [id, `-${id}`];
		const at = this.sort.findIndex((s) => order.includes(s));
		const next = this.sort[at] === order[0] ? order[1] : order[0];
		const list = [...this.sort];
		list.splice(at < 0 ? list.length : at, 1, next);
		this.on.sort(also ? list : [next]);
	}

	setRows(rows, top = []) {
		Object.assign(this, { rows, top });
		this.table.ariaRowCount = rows.length + top.length + 1;
		this.paint();
	}

	paint() {
		this.across();
		const { scrollTop, scrollLeft, clientHeight } = this.element;
		const count = this.rows.length;
		const first = Math.max(0, Math.min(count, Math.floor(scrollTop / ROW)) - SPARE);
		const last = Math.min(count, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
		const shown = this.rows.slice(first, last);
		this.shown = [first, last, scrollLeft];
		this.above.style.height = `${first * ROW}px`;
		this.below.style.height = `${(count - last) * ROW}px`;
		const wanted = new Set([...this.top, ...shown].map(this.key));
		const free = [];
		for (const [id, entry] of this.made) if (!wanted.has(id) && this.made.delete(id)) free.push(entry);
		this.lay(this.stay, this.top, free, 2);
		this.lay(this.body, shown, free, first + this.top.length + 2);
		for (const { element } of free) element.remove();
	}

	lay(body, rows, free, index) {
		let next = body.firstChild;
		rows.forEach((row, i) => {
			const id = this.key(row);
			const entry = this.made.get(id) ?? Object.assign(free.shift() ?? this.make(), { id });
			const { element } = entry;
			this.made.set(id, entry);
			this.update(entry, row, index + i);
			if (next === element) next = element.nextSibling;
			else body.insertBefore(element, next);
			element.style.setProperty("--top", body === this.stay ? `${(i + 1) * ROW}px` : "");
		});
	}

	make() {
		const parts = [];
		let next = 0;
		const gap = (until) => until > next && parts.push(h("td", { colspan: until - next, role: "presentation" }));
		const cells = this.live.map((i) => {
			const column = this.columns[i];
			gap(i);
			next = i + 1;
			parts.push(place(h(column.header ? "th" : "td", { class: classes(column), scope: column.header && "row",
				"aria-colindex": next }), column, i));
			return parts.at(-1);
		});
		gap(this.columns.length + 1);
		const entry = { cells, prints: [] };
		entry.element = h("tr", { pointerenter: () => this.on.point(this.find(entry.id)), pointerleave: () => this.on.point(null),
			pointerdown: (e) => e.target.closest("a, button") || this.activate(entry.id) }, parts);
		return entry;
	}

	update({ id, element, cells, prints }, row, index) {
		const chosen = this.chosen(row);
		const look = [this.look(row), chosen && "chosen", id === this.active && "active", id === this.lit && "lit"].filter(Boolean).join(" ");
		if (element.className !== look) element.className = look;
		if (element.dataset.id !== id) element.id = `row-${(element.dataset.id = id)}`;
		element.ariaRowIndex = index;
		element.ariaSelected = chosen;
		this.live.forEach((at, i) => {
			const column = this.columns[at];
			const print = (column.print ?? column.text)(row);
			if (prints[i] === print) return;
			prints[i] = print;
			if (column.render) put(cells[i], column.render(row));
			else setText(cells[i], print);
			if (column.clip) cells[i].title = print;
		});
	}

	find(id) {
		return [...this.top, ...this.rows].find((row) => this.key(row) === id);
	}

	light(id) {
		this.lit = id;
		this.later();
	}

	activate(id) {
		this.active = id;
		this.table.setAttribute("aria-activedescendant", `row-${id}`);
		this.later();
	}

	go(by, extend) {
		const all = [...this.top, ...this.rows];
		if (!all.length) return;
		const at = all.findIndex((row) => this.key(row) === this.active);
		const to = Math.max(0, Math.min(all.length - 1, at < 0 && Math.abs(by) === 1 ? 0 : at + by));
		if (extend) this.on.select(all.slice(Math.min(Math.max(at, 0), to), Math.max(at, to) + 1).map(this.key), true);
		const y = (to - this.top.length) * ROW;
		const { scrollTop, clientHeight } = this.element;
		const room = clientHeight - ROW * (2 + this.top.length); // what sticks at the top covers the rest
		if (y >= 0) this.element.scrollTop = Math.min(y, Math.max(scrollTop, y - room + 2));
		this.activate(this.key(all[to]));
		this.paint();
	}

	context(event) {
		const { id } = event.target.closest("tr").dataset;
		event.preventDefault();
		this.activate(id);
		this.on.rowMenu(this.find(id), new DOMRect(event.clientX, event.clientY));
	}

	keydown(event) {
		if (event.target !== this.table || event.ctrlKey || event.metaKey || event.altKey) return;
		const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
		const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
		const sideways = { ArrowRight: 80, ArrowLeft: -80 }[event.key];
		const row = this.find(this.active);
		if (by) this.go(by, event.shiftKey);
		else if (sideways) this.element.scrollLeft += sideways;
		else if (!row) return;
		else if (event.key === "Enter") this.on.open(row);
		else if (event.key === " ") this.on.select([this.active], !this.chosen(row));
		else if (event.key === "ContextMenu" || event.key === "m") this.on.rowMenu(row, this.made.get(this.active)?.element ?? this.element);
		else if (!this.on.key(event, row)) return;
		event.preventDefault();
		event.stopPropagation();
	}
}

function place(cell, column, i) {
	if (column.pinned) cell.style.left = `var(--left-${i})`;
	return cell;
}

const classes = (column) => [column.class, column.numeric && "n", column.pinned && "sticky"].filter(Boolean).join(" ") || null;

/** Follows a held mouse: what `start()` gives, `move(dx, started, x, y)` is given. */
export function drag(element, start, move, end) {
	let from = null;
	fill(element, {
		pointerdown: ({ button, pointerType, pointerId, clientX: x }) => {
			if (button !== 0 || pointerType === "touch") return;
			from = { x, started: start() };
			element.setPointerCapture(pointerId);
		},
		pointermove: ({ clientX: x, clientY: y }) => from && move(x - from.x, from.started, x, y),
		pointerup: () => {
			if (from) end();
			from = null;
		},
		pointercancel: () => (from = null),
	});
}
