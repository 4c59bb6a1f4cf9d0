// A table of many rows and columns: only cells near the window are elements. Columns are sorted by (several with Shift), dragged,
// resized and given a menu; rows are moved through and chosen with keys. It knows nothing of what rows are.

import { add, h, put, setText } from "./dom.js";

const ROW = 36;
const SPARE = 6;

/** Columns: as in table.js, with `width`, and `pinned` for those that stay at the left. */
export class Grid {
  /** `on`: sort(list), move(id, before), resize(id, width), columnMenu(id, anchor), rowMenu(row, anchor), open(row),
   * select(ids, on), point(row or null), key(event, row). `look(row)` gives a row's classes, `chosen(row)` whether it
   * is selected. */
  constructor({ label, key, look = () => "", chosen = () => false, on }) {
    Object.assign(this, { key, look, chosen, on });
    this.columns = [];
    this.rows = [];
    this.top = []; // rows that stay at the top
    this.sort = [];
    this.made = new Map(); // row id -> {element, cells, prints}
    this.live = []; // the indices of the columns that have cells
    this.active = null;
    this.cols = h("colgroup");
    this.head = h("tr");
    this.stay = h("tbody", { class: "stay" });
    this.body = h("tbody", { class: "rows" });
    [this.above, this.below] = [0, 1].map(() => h("tr"));
    this.table = h("table", { class: "list grid", role: "grid", tabindex: "0", "aria-label": label,
      "aria-multiselectable": "true", keydown: (event) => this.keydown(event) },
    this.cols, h("thead", {}, this.head), this.stay, this.pad(this.above), this.body, this.pad(this.below));
    this.element = h("div", { class: "scroller", scroll: () => this.later() }, this.table);
    this.watch = new ResizeObserver(() => this.later());
    this.watch.observe(this.element);
    this.body.addEventListener("contextmenu", (event) => this.context(event));
    this.stay.addEventListener("contextmenu", (event) => this.context(event));
  }

  pad(row) {
    return h("tbody", { class: "pad", role: "presentation", "aria-hidden": "true" }, row);
  }

  destroy() {
    this.watch.disconnect();
    cancelAnimationFrame(this.frame);
  }

  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  // --- columns

  setColumns(columns, sort) {
    this.sort = sort;
    const print = JSON.stringify(columns.map((c) => [c.id, c.title, c.pinned, c.mark]));
    this.columns = columns;
    if (print !== this.print) {
      this.print = print;
      this.forget();
      put(this.head, columns.map((column, i) => this.header(column, i)), h("th", { class: "fill", role: "presentation" }));
      put(this.cols, columns.map(() => h("col")), h("col"));
      this.table.setAttribute("aria-colcount", String(columns.length));
    }
    this.fit();
    for (const th of this.head.children) {
      const at = sort.findIndex((s) => s.replace(/^-/, "") === th.dataset.column);
      if (at < 0) th.removeAttribute("aria-sort");
      else th.setAttribute("aria-sort", sort[at].startsWith("-") ? "descending" : "ascending");
      const rank = th.querySelector(".arrow");
      if (rank) rank.dataset.rank = at >= 0 && sort.length > 1 ? at + 1 : "";
    }
  }

  forget() {
    for (const { element } of this.made.values()) element.remove();
    this.made.clear();
  }

  /** Gives every column its width and every pinned one its place. */
  fit() {
    let left = 0;
    this.columns.forEach((column, i) => {
      this.cols.children[i].style.width = `${column.width}px`;
      if (column.pinned) this.table.style.setProperty(`--left-${i}`, `${left}px`);
      if (column.pinned) left += column.width;
    });
    this.table.style.minWidth = `${this.columns.reduce((sum, c) => sum + c.width, 0)}px`;
    this.across();
  }

  /** Finds the columns in sight; when others came, all cells are made anew. Gaps are cells that span the rest. */
  across() {
    const { scrollLeft, clientWidth } = this.element;
    const [from, to] = [scrollLeft - 260, scrollLeft + clientWidth + 260];
    const seen = [];
    let [x, stuck] = [0, 0];
    this.columns.forEach((column, i) => {
      if (column.pinned) stuck += column.width;
      if (column.pinned || (x + column.width > from + stuck && x < to)) seen.push(i);
      x += column.width;
    });
    const held = this.live.length && this.live.at(-1) < this.columns.length;
    const inSight = seen.filter((i) => this.edges(i, scrollLeft, clientWidth));
    if (held && this.columnsOf === this.print && inSight.every((i) => this.live.includes(i))) return;
    this.live = seen;
    this.columnsOf = this.print;
    this.forget();
  }

  /** Whether a column is really in the window. */
  edges(i, left, width) {
    let x = 0;
    for (let k = 0; k < i; k += 1) x += this.columns[k].width;
    return this.columns[i].pinned || (x + this.columns[i].width > left && x < left + width);
  }

  header(column, i) {
    const th = h("th", { scope: "col", class: classes(column), title: column.hint, "data-column": column.id,
      "aria-colindex": i + 1 });
    if (column.pinned) th.style.left = `var(--left-${i})`;
    if (!column.value) return add(th, column.head ?? h("span", {}, column.title));
    const title = h("button", { type: "button", class: "title",
      click: (event) => this.dragged || this.sortBy(column, event.shiftKey) },
    h("span", {}, column.title), column.mark ? h("small", { "aria-hidden": "true" }, column.mark) : null,
    h("span", { class: "arrow", "aria-hidden": "true" }));
    const more = h("button", { type: "button", class: "more", "aria-label": `Column ${column.title}`,
      "aria-haspopup": "menu", click: () => this.on.columnMenu(column.id, more) }, "⋮");
    const grip = h("span", { class: "grip", "aria-hidden": "true",
      dblclick: () => this.on.resize(column.id, this.natural(i)) });
    th.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      this.on.columnMenu(column.id, more);
    });
    this.resizable(grip, column);
    this.movable(title, column);
    return add(th, title, more, grip);
  }

  /** The first click sorts numbers from the largest, words from A, the second turns round; with Shift beside others. */
  sortBy(column, also) {
    const up = column.id;
    const order = column.numeric ? [`-${up}`, up] : [up, `-${up}`];
    const now = this.sort.find((s) => s === up || s === `-${up}`);
    const next = now === order[0] ? order[1] : now && also ? null : order[0];
    const kept = also ? this.sort.filter((s) => s !== now) : [];
    const at = this.sort.indexOf(now);
    if (next) kept.splice(also && now ? at : kept.length, 0, next);
    this.on.sort(kept);
  }

  natural(i) {
    const cells = [...this.made.values()].map((entry) => entry.cells[this.live.indexOf(i)]).filter(Boolean);
    const range = document.createRange();
    const wide = (element) => {
      range.selectNodeContents(element);
      return range.getBoundingClientRect().width;
    };
    return Math.ceil(Math.max(wide(this.head.children[i].firstChild) + 14, ...cells.map(wide)) + 26);
  }

  resizable(grip, column) {
    let from = null;
    grip.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      grip.setPointerCapture(event.pointerId);
      from = { x: event.clientX, width: column.width };
    });
    grip.addEventListener("pointermove", (event) => {
      if (!from) return;
      column.width = Math.max(48, Math.round(from.width + event.clientX - from.x));
      const now = this.columns.find((c) => c.id === column.id);
      now.width = column.width;
      this.fit();
    });
    grip.addEventListener("lostpointercapture", () => {
      if (from && from.width !== column.width) this.on.resize(column.id, column.width);
      from = null;
    });
  }

  movable(title, column) {
    let start = null;
    let target = null;
    const mark = (th) => {
      if (target !== th) target?.classList.remove("drop");
      target = th;
      target?.classList.add("drop");
    };
    title.addEventListener("pointerdown", (event) => {
      this.dragged = false;
      if (event.button !== 0 || event.pointerType === "touch") return;
      start = { x: event.clientX };
      title.setPointerCapture(event.pointerId);
    });
    title.addEventListener("pointermove", (event) => {
      if (!start || (!this.dragged && Math.abs(event.clientX - start.x) < 6)) return;
      this.dragged = true;
      title.classList.add("moving");
      mark([...this.head.children].find((th) => {
        const { left, width } = th.getBoundingClientRect();
        return th !== title.parentElement && event.clientX < left + width / 2 && event.clientX > left - width;
      }) ?? null);
    });
    const end = (event) => {
      if (start && this.dragged && event.type === "pointerup") this.on.move(column.id, target?.dataset.column ?? null);
      start = null;
      mark(null);
      title.classList.remove("moving");
    };
    title.addEventListener("pointerup", end);
    title.addEventListener("pointercancel", end);
  }

  // --- rows

  setRows(rows, top = []) {
    this.rows = rows;
    this.top = top;
    this.table.setAttribute("aria-rowcount", String(rows.length + top.length + 1));
    this.paint();
  }

  paint() {
    this.across();
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.min(this.rows.length, Math.floor(scrollTop / ROW)) - SPARE);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    const shown = this.rows.slice(first, last);
    this.above.style.height = `${first * ROW}px`;
    this.below.style.height = `${Math.max(0, this.rows.length - last) * ROW}px`;
    const wanted = new Set([...this.top, ...shown].map(this.key));
    const free = [];
    for (const [id, entry] of this.made) {
      if (wanted.has(id)) continue;
      this.made.delete(id);
      free.push(entry);
    }
    this.lay(this.stay, this.top, free, 0);
    this.lay(this.body, shown, free, first + this.top.length);
    for (const { element } of free) element.remove();
  }

  lay(body, rows, free, index) {
    let before = null;
    rows.forEach((row, i) => {
      const id = this.key(row);
      let entry = this.made.get(id);
      if (!entry) {
        entry = free.shift() ?? this.make();
        entry.id = id;
        entry.element.dataset.id = id;
        entry.element.id = `row-${id}`;
        this.made.set(id, entry);
      }
      this.update(entry, row, index + i + 2);
      const place = before ? before.nextSibling : body.firstChild;
      if (place !== entry.element) body.insertBefore(entry.element, place);
      before = entry.element;
      entry.element.style.setProperty("--top", body === this.stay ? `${(i + 1) * ROW}px` : "");
    });
  }

  make() {
    const parts = [];
    let next = 0;
    const gap = (until) => until > next && parts.push(h("td", { colspan: until - next, role: "presentation" }));
    const cells = this.live.map((i) => {
      const column = this.columns[i];
      const cell = h(column.header ? "th" : "td", { class: classes(column), scope: column.header ? "row" : null,
        "aria-colindex": i + 1 });
      if (column.pinned) cell.style.left = `var(--left-${i})`;
      gap(i);
      parts.push(cell);
      next = i + 1;
      return cell;
    });
    gap(this.columns.length + 1);
    const entry = { id: null, cells, prints: [] };
    const row = () => this.find(entry.id);
    entry.element = h("tr", { pointerenter: () => this.on.point(row()), pointerleave: () => this.on.point(null),
      pointerdown: (event) => event.target.closest("a, button, input") || this.activate(entry.id) },
    parts);
    return entry;
  }

  update(entry, row, index) {
    const { element, cells, prints } = entry;
    const chosen = this.chosen(row);
    const look = `${this.look(row)}${chosen ? " chosen" : ""}${entry.id === this.active ? " active" : ""}${entry.id === this.lit ? " lit" : ""}`;
    if (element.className !== look) element.className = look;
    if (entry.index !== index) element.setAttribute("aria-rowindex", String(entry.index = index));
    if (entry.chosen !== chosen) element.setAttribute("aria-selected", String(entry.chosen = chosen));
    this.live.forEach((at, i) => {
      const column = this.columns[at];
      const cell = cells[i];
      const print = column.print ? column.print(row) : column.text(row);
      if (prints[i] === print) return;
      prints[i] = print;
      if (column.render) put(cell, column.render(row));
      else setText(cell, print);
      if (column.clip) cell.title = print;
    });
  }

  find(id) {
    return this.rows.find((row) => this.key(row) === id) ?? this.top.find((row) => this.key(row) === id);
  }

  /** Marks one row, as the charts do with its line. */
  light(id) {
    this.lit = id;
    for (const [key, { element }] of this.made) element.classList.toggle("lit", key === id);
  }

  // --- keys

  activate(id) {
    this.active = id;
    this.table.setAttribute("aria-activedescendant", id ? `row-${id}` : "");
    for (const [key, { element }] of this.made) element.classList.toggle("active", key === id);
  }

  /** Goes so many rows on; with `extend`, what lies between is selected. */
  go(by, extend = false) {
    const all = [...this.top, ...this.rows];
    if (!all.length) return;
    const at = all.findIndex((row) => this.key(row) === this.active);
    const to = Math.max(0, Math.min(all.length - 1, at < 0 && Math.abs(by) === 1 ? 0 : at + by));
    if (extend) this.on.select(all.slice(Math.min(Math.max(at, 0), to), Math.max(at, to) + 1).map(this.key), true);
    const i = to - this.top.length;
    const above = ROW * (1 + this.top.length); // what sticks at the top covers this much
    const { scrollTop, clientHeight } = this.element;
    if (i >= 0) {
      const y = i * ROW;
      if (y < scrollTop) this.element.scrollTop = y;
      else if (y + ROW + above > scrollTop + clientHeight) this.element.scrollTop = y + ROW + above - clientHeight + 2;
    }
    this.paint();
    this.activate(this.key(all[to]));
  }

  context(event) {
    const id = event.target.closest("tr")?.dataset.id;
    if (!id) return;
    event.preventDefault();
    this.activate(id);
    this.on.rowMenu(this.find(id), { x: event.clientX, y: event.clientY });
  }

  keydown(event) {
    if (event.target !== this.table || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
    const by = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: page, PageUp: -page, Home: -1e9, End: 1e9 }[event.key];
    const row = this.active && this.find(this.active);
    if (by) this.go(by, event.shiftKey);
    else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      this.element.scrollLeft += event.key === "ArrowRight" ? 80 : -80;
    } else if (!row) return;
    else if (event.key === "Enter") this.on.open(row);
    else if (event.key === " ") this.on.select([this.active], !this.chosen(row));
    else if (event.key === "ContextMenu" || event.key === "F10" || event.key === "m") {
      this.on.rowMenu(row, this.made.get(this.active)?.cells[0] ?? this.element);
    } else if (!this.on.key(event, row)) return;
    event.preventDefault();
    event.stopPropagation();
  }
}

function classes(column) {
  return [column.class, column.numeric ? "n" : "", column.pinned ? "sticky" : ""].filter(Boolean).join(" ") || null;
}
