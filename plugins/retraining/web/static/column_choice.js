// Which columns of a table are shown. A person's choice is kept in this browser, for each pipeline.

import { el } from "./elements.js";

export function columnChoice(name, changed) {
  const key = `model-quality columns ${name}`;
  // By column: what the person chose, where they chose.
  let chosen = new Map(read());
  let isOpen = false;

  function read() {
    try {
      const kept = JSON.parse(window.localStorage.getItem(key));
      return Array.isArray(kept) ? kept.filter((pair) => Array.isArray(pair)) : [];
    } catch {
      // A browser that keeps nothing, or kept something else.
      return [];
    }
  }

  function choose(found) {
    chosen = found;
    try {
      if (chosen.size) window.localStorage.setItem(key, JSON.stringify([...chosen]));
      else window.localStorage.removeItem(key);
    } catch {
      // It is forgotten with the page.
    }
    changed();
  }

  const isShown = (column) => Boolean(column.fixed) || (chosen.get(column.key) ?? Boolean(column.usual));

  function box(column) {
    return el("label", {},
      el("input", {
        type: "checkbox", "data-focus": `column ${column.key}`, checked: isShown(column), disabled: column.fixed,
        onchange: (event) => choose(new Map(chosen).set(column.key, event.target.checked)),
      }), ` ${column.label}`);
  }

  return {
    isMade: () => chosen.size > 0,
    shown: (columns) => columns.filter(isShown),
    control: (columns) => {
      const all = () => choose(new Map(columns.map(({ key: one }) => [one, true])));
      return el("details", { class: "columns", open: isOpen, ontoggle: (event) => { isOpen = event.target.open; } },
        el("summary", { class: "plain", "data-focus": "columns" }, `Columns: ${columns.filter(isShown).length} of ${columns.length}`),
        el("div", { class: "row", role: "group", "aria-label": "Columns that are shown" },
          columns.map(box),
          el("button", { type: "button", class: "plain", "data-focus": "columns all", onclick: all }, "All"),
          el("button", { type: "button", class: "plain", "data-focus": "columns usual", onclick: () => choose(new Map()) }, "The usual ones")));
    },
  };
}
