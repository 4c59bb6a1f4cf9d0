// Which columns the table shows: every parameter, metric and tag with a box, found by typing.

import { button, h, put } from "../dom.js";
import { openMenu } from "../menu.js";

const GROUPS = [["metrics.", "Metrics"], ["params.", "Parameters"], ["tags.", "Tags"], ["", "Run"]];

/** Opens the chooser beside a button. `change(edit)` is given what edits the layout. */
export function columnChooser(anchor, { every, columns, change }) {
  const shown = new Set(columns.map((column) => column.id));
  const rows = [...every.values()].filter(({ id }) => id !== "name" && id !== "select");
  const list = h("div", { class: "choices" });
  const find = h("input", { type: "search", placeholder: "Find a column", "aria-label": "Find a column",
    input: () => fill(), keydown: (event) => event.key !== "Escape" && event.stopPropagation() });

  const set = (ids, on) => {
    for (const id of ids) shown[on ? "add" : "delete"](id);
    change((layout) => {
      for (const id of ids) {
        const { usual } = every.get(id);
        layout.on = layout.on.filter((other) => other !== id);
        layout.off = layout.off.filter((other) => other !== id);
        if (on && !usual) layout.on.push(id);
        if (!on) layout.off.push(id);
      }
    });
  };
  const fill = () => {
    const wanted = find.value.toLowerCase();
    const found = rows.filter(({ id }) => id.toLowerCase().includes(wanted));
    put(list, GROUPS.map(([start, title]) => {
      const group = found.filter(({ id }) => (GROUPS.find(([s]) => id.startsWith(s)) ?? [])[0] === start);
      if (!group.length) return null;
      const ids = group.map(({ id }) => id);
      return h("fieldset", {}, h("legend", {}, title,
        button("mini", "all", () => (set(ids, true), fill()), { "aria-label": `Show all: ${title}` }),
        button("mini", "none", () => (set(ids, false), fill()), { "aria-label": `Show none: ${title}` })),
      group.map(({ id }) => {
        const box = h("input", { type: "checkbox", checked: shown.has(id), change: () => set([id], box.checked) });
        return h("label", {}, box, h("span", {}, start ? id.slice(start.length) : id));
      }));
    }), found.length ? null : h("p", {}, "No column's name holds that."));
  };
  const reset = button("mini", "Back to the usual columns", () => {
    change((layout) => Object.assign(layout, { on: [], off: [], order: [], pin: [], width: {} }));
    close();
  });
  fill();
  const close = openMenu(anchor, "Columns", [h("div", { class: "chooser" }, find, list, reset)]);
  find.focus();
}
