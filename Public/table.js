// A table that is brought up to date in place: rows keep their elements, so focus and scrolling survive live data.

import { add, h, put, setText } from "./dom.js";

/**
 * Columns: `{id, title, hint, numeric, class, value(row), text(row) | render(row), print(row)}`. `value` is what is
 * sorted by; `text` is shown as it is; `render` makes nodes and is asked again when `print` changes.
 */
export class Table {
  constructor({ label, className = "", key, sort = "", sorted = () => {}, pointed = () => {}, rowClass = () => "" }) {
    Object.assign(this, { key, sort, sorted, pointed, rowClass });
    this.columns = [];
    this.rows = new Map();
    this.head = h("tr");
    this.body = h("tbody");
    this.table = h("table", { class: `list ${className}`.trim(), "aria-label": label },
      h("thead", {}, this.head), this.body);
    this.element = h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label }, this.table);
  }

  setColumns(columns) {
    const print = columns.map((column) => column.id).join("\n");
    if (print === this.print) return;
    this.print = print;
    this.columns = columns;
    this.body.replaceChildren();
    this.rows.clear();
    put(this.head, columns.map((column) => this.header(column)));
  }

  header(column) {
    const arrow = h("span", { class: "arrow", "aria-hidden": "true" });
    const title = column.value
      ? h("button", { type: "button", click: () => this.sortBy(column) }, column.title, arrow)
      : h("span", {}, column.title);
    const properties = { scope: "col", class: classes(column), title: column.hint, "data-column": column.id };
    return h("th", properties, title);
  }

  /** First click: numbers from their best known end (largest first), words from A; then the other way round. */
  sortBy(column) {
    const up = column.id;
    const down = `-${column.id}`;
    const first = column.numeric ? down : up;
    this.sort = this.sort === first ? (first === up ? down : up) : first;
    this.sorted(this.sort);
    this.setRows(this.given);
  }

  setRows(given) {
    this.given = given;
    const rows = this.order(given);
    const seen = new Set();
    let before = null;
    for (const row of rows) {
      const id = this.key(row);
      seen.add(id);
      let entry = this.rows.get(id);
      if (!entry) this.rows.set(id, (entry = this.addRow(id)));
      this.update(entry, row);
      const place = before ? before.nextSibling : this.body.firstChild;
      if (place !== entry.element) this.body.insertBefore(entry.element, place);
      before = entry.element;
    }
    for (const [id, entry] of this.rows) {
      if (seen.has(id)) continue;
      entry.element.remove();
      this.rows.delete(id);
    }
    this.mark();
  }

  addRow(id) {
    const cells = this.columns.map((column) => {
      const properties = { class: classes(column), scope: column.header ? "row" : null };
      return h(column.header ? "th" : "td", properties);
    });
    const pointing = { pointerenter: () => this.pointed(id), pointerleave: () => this.pointed(null) };
    const element = h("tr", { "data-id": id, ...pointing }, cells);
    return { element, cells, prints: [] };
  }

  update(entry, row) {
    const look = this.rowClass(row);
    if (entry.element.className !== look) entry.element.className = look;
    this.columns.forEach((column, i) => {
      const cell = entry.cells[i];
      if (column.text) return setText(cell, column.text(row));
      const print = column.print(row);
      if (entry.prints[i] === print) return;
      entry.prints[i] = print;
      cell.replaceChildren();
      add(cell, column.render(row));
    });
  }

  order(rows) {
    const down = this.sort.startsWith("-");
    const column = this.columns.find((c) => c.id === (down ? this.sort.slice(1) : this.sort));
    if (!column?.value) return rows;
    const sign = down ? -1 : 1;
    return rows.map((row) => [column.value(row), row]).sort(([a], [b]) => compare(a, b, sign)).map(([, row]) => row);
  }

  mark() {
    const down = this.sort.startsWith("-");
    const id = down ? this.sort.slice(1) : this.sort;
    for (const th of this.head.children) {
      const sorted = th.dataset.column === id;
      if (sorted) th.setAttribute("aria-sort", down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
  }

  /** Marks one row, as the charts do with its line. */
  light(id) {
    for (const [key, entry] of this.rows) entry.element.classList.toggle("lit", key === id);
  }
}

/** What is missing or not a number comes last, whichever way one sorts. */
function compare(a, b, sign) {
  const none = (v) => v === null || v === undefined || v === "" || Number.isNaN(v);
  if (none(a) || none(b)) return Number(none(a)) - Number(none(b));
  if (typeof a === "number" && typeof b === "number") return sign * (a - b);
  return sign * String(a).localeCompare(String(b), "en", { numeric: true });
}

function classes(column) {
  return [column.class, column.numeric ? "n" : ""].filter(Boolean).join(" ") || null;
}
