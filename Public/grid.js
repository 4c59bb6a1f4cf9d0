// A table of many rows and columns: only cells near the window are elements, and a transform puts each row in its place, so
// that scrolling lays out and paints only the rows that come. It knows nothing of what rows are.

import { add, button, fill, h, put, setText, settled } from "./dom.js";

const ROW = 36;
const SPARE = 10;

export class Grid {
	/**
	 * Columns: `{id, title, width, pinned, numeric, value(row), text(row)}`; for what is no text, `print(row, moving)`, which changes
	 * with it, and `render(row)`, or `cell(now)`, made once: [content, show(row)]; `now()` is the row in it.
	 */
	constructor({ label, key, look, chosen, on }) {
		Object.assign(this, { key, look, chosen, on, columns: [], rows: [], top: [], sort: [], live: [], active: null, y: 0, left: 0 });
		this.made = new Map(); // row id -> {id, row, element, cells, prints}
		this.head = h("tr", { role: "row" });
		[this.stay, this.body] = ["stay", "rows"].map((name) => h("tbody", { class: name, role: "rowgroup", contextmenu: (e) => this.context(e) }));
		this.table = h("table.list.grid", { role: "grid", tabindex: 0, label,
			"aria-multiselectable": "true", keydown: (e) => this.keydown(e) }, h("thead", { role: "rowgroup" }, this.head), this.stay, this.body);
		this.element = h("div.scroller", { scroll: () => this.scrolled() }, this.table);
		this.settle = settled(150, () => this.paint());
		this.watch = new ResizeObserver(() => {
			this.fit();
			this.later();
		});
		this.watch.observe(this.element);
	}

	destroy() {
		this.watch.disconnect();
		this.settle.stop();
		cancelAnimationFrame(this.frame);
	}

	scrolled() {
		const { scrollTop, scrollLeft } = this.element;
		// Each cell that sticks is a layer, which every frame pays for: only while it has to.
		this.element.classList.toggle("aside", scrollLeft > 0);
		if (scrollLeft !== this.left || Math.abs(scrollTop - this.y) >= ROW) this.paint(true);
		this.settle();
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
			put(this.head, columns.map((column, i) => this.header(column, i)));
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
		const { style } = this.table;
		const widths = this.columns.map(({ width: own, pinned, elastic }, i) => {
			const width = own + (elastic ? spare : 0);
			if (pinned) style.setProperty(`--left-${i}`, `${left}px`);
			if (pinned) left += width;
			return width;
		});
		style.setProperty("--columns", `${widths.join("px ")}px`);
		style.minWidth = `${widths.reduce((sum, width) => sum + width, 0)}px`;
	}

	/** Chooses the columns near the window; says whether they changed. */
	across() {
		const { scrollLeft, clientWidth } = this.element;
		const near = (margin) => {
			let x = 0;
			return this.columns.flatMap(({ width, pinned }, i) => {
				x += width;
				return pinned || (x > scrollLeft - margin && x - width < scrollLeft + clientWidth + margin) ? [i] : [];
			});
		};
		if (this.live.length && near(0).every((i) => this.live.includes(i))) return false;
		this.live = near(260);
		for (const { element } of this.made.values()) element.remove();
		this.made.clear();
		return true;
	}

	header(column, i) {
		const th = place(h("th", { role: "columnheader", class: classes(column), title: column.hint, "data-column": column.id }), column, i);
		if (!column.value) return add(th, column.head ?? column.title);
		const title = button("title", [h("span", column.title), column.mark && h("small", { "aria-hidden": "true" }, column.mark), h("span.arrow")],
			(e) => this.dragged || this.sortBy(column, e.shiftKey));
		const open = (e) => {
			e.preventDefault();
			this.on.columnMenu(column.id, more);
		};
		const more = button("more", "⋮", open, { label: `Column ${column.title}`, "aria-haspopup": "menu" });
		const grip = h("span.grip");
		fill(th, { contextmenu: open });
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

	/** Brings the rows near the window up to date; `moving`: only those that come, in any order. */
	paint(moving) {
		if (this.across()) moving = false;
		const { scrollTop, scrollLeft, clientHeight } = this.element;
		const count = this.rows.length;
		// In motion only rows ahead are made, and none at a leap; those behind are left as they are.
		const by = moving ? scrollTop - this.y : 0;
		const spare = Math.abs(by) > clientHeight ? 0 : SPARE;
		const first = Math.max(0, Math.min(count, Math.floor(scrollTop / ROW)) - (by > 0 ? 0 : spare));
		const shown = this.rows.slice(first, Math.ceil((scrollTop + clientHeight) / ROW) + (by < 0 ? 0 : spare));
		[this.y, this.left] = [scrollTop, scrollLeft];
		const wanted = new Set([...this.top, ...shown].map(this.key));
		const free = [];
		for (const [id, entry] of this.made) if (!wanted.has(id) && this.made.delete(id)) free.push(entry);
		this.body.style.height = `${count * ROW}px`;
		if (!moving) this.lay(this.stay, this.top, free, 0);
		this.lay(this.body, shown, free, first, moving);
		for (const entry of free) {
			if (moving) this.made.set(entry.id, entry);
			else entry.element.remove();
		}
	}

	lay(body, rows, free, from, moving) {
		const before = body === this.stay ? 2 : 2 + this.top.length;
		let next = body.firstChild;
		rows.forEach((row, i) => {
			const id = this.key(row);
			const known = this.made.get(id);
			if (known && moving) return;
			const entry = known ?? Object.assign(free.pop() ?? this.make(), { id });
			const { element } = entry;
			entry.row = row;
			this.made.set(id, entry);
			this.update(entry, row, before + from + i, moving);
			const place = body === this.stay ? "" : `translateY(${(from + i) * ROW}px)`;
			if (element.style.transform !== place) element.style.transform = place;
			if (moving && element.parentNode === body) return;
			if (next === element) next = element.nextSibling;
			else body.insertBefore(element, moving ? null : next);
		});
	}

	make() {
		const entry = { prints: [], shows: [] };
		const cells = entry.cells = this.live.map((i) => {
			const column = this.columns[i];
			const [content, show] = column.cell?.(() => entry.row) ?? [];
			entry.shows.push(show);
			return place(h(column.header ? "th" : "td", { class: classes(column), role: column.header ? "rowheader" : "gridcell",
				"aria-colindex": i + 1 }, content), column, i);
		});
		entry.element = h("tr", { role: "row", pointerenter: () => this.on.point(entry.row), pointerleave: () => this.on.point(null),
			pointerdown: (e) => e.target.closest("a, button") || this.activate(entry.id) }, cells);
		return entry;
	}

	update({ id, element, cells, prints, shows }, row, index, moving) {
		const chosen = this.chosen(row);
		const look = [this.look(row), chosen && "chosen", id === this.active && "active", id === this.lit && "lit"].filter(Boolean).join(" ");
		if (element.dataset.id !== id) element.id = `row-${(element.dataset.id = id)}`;
		fill(element, { class: look, "aria-rowindex": index, "aria-selected": String(chosen) });
		this.live.forEach((at, i) => {
			const column = this.columns[at];
			const print = (column.print ?? column.text)?.(row, moving);
			if (print && prints[i] === print) return;
			prints[i] = print;
			if (shows[i]) shows[i](row);
			else if (column.render) put(cells[i], column.render(row));
			else setText(cells[i], print);
			if (column.clip) fill(cells[i], { title: print });
		});
	}

	find(id) {
		return [...this.top, ...this.rows].find((row) => this.key(row) === id);
	}

	light(id) {
		if (id === this.lit) return;
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
	cell.style.gridColumn = i + 1;
	if (column.pinned) cell.style.setProperty("--left", `var(--left-${i})`);
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
