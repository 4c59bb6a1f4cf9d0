// A small table that is brought up to date in place: rows keep their elements, so focus survives live data.

import { h, put, setText } from "./dom.js";

export class Table {
	constructor({ label, className = "", key, columns }) {
		Object.assign(this, { key, columns, rows: new Map() });
		this.body = h("tbody");
		this.element = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label },
			h("table", { class: `list ${className}`, "aria-label": label },
				h("thead", {}, h("tr", {}, columns.map((c) => h("th", { scope: "col", class: classes(c) }, c.title)))), this.body));
	}

	setRows(rows) {
		const seen = new Set(rows.map(this.key));
		for (const [id, { element }] of this.rows) if (!seen.has(id) && this.rows.delete(id)) element.remove();
		let next = this.body.firstChild;
		for (const row of rows) {
			const id = this.key(row);
			if (!this.rows.has(id)) this.rows.set(id, this.make(id));
			const entry = this.rows.get(id);
			this.update(entry, row);
			if (next === entry.element) next = next.nextSibling;
			else this.body.insertBefore(entry.element, next);
		}
	}

	make(id) {
		const cells = this.columns.map((c) => h(c.header ? "th" : "td", { class: classes(c), scope: c.header && "row" }));
		return { element: h("tr", { "data-id": id }, cells), cells, prints: [] };
	}

	update({ cells, prints }, row) {
		this.columns.forEach((column, i) => {
			if (column.text) return setText(cells[i], column.text(row));
			const print = column.print(row);
			if (prints[i] === print) return;
			prints[i] = print;
			put(cells[i], column.render(row));
		});
	}
}

function classes(column) {
	return [column.class, column.numeric && "n"].filter(Boolean).join(" ") || null;
}
