// What was decided about a run's data, and how far each column is from other nights'.

import { el, number } from "./elements.js";
import { scrollRegion } from "./scroll_region.js";

const NAMES = {
  stability_index: "stability index", kolmogorov_smirnov: "Kolmogorov–Smirnov", jensen_shannon: "Jensen–Shannon",
  median_change: "median moved by", null_share_increase: "more nulls",
};
const OF_TABLE = { row_ratio: "rows for each of its rows", duplicate_share_increase: "more repeated rows" };
const ROLES = ["baseline", "reference"];

export function dataDistances(data) {
  if (!data) return null;
  const roles = ROLES.filter((role) => data.columns.some((column) => Object.keys(column[role]).length));
  return el("section", { id: "data" },
    el("h2", {}, "Data"),
    el("p", {}, data.explanation),
    conditionTable("Conditions on data", data.conditions),
    ROLES.map((role) => el("p", { class: "quiet" }, other(role, data[role]))),
    roles.length ? distances(data, roles) : null,
    data.more ? el("p", { class: "quiet" }, `${data.more} more columns are in the record.`) : null);
}

export function conditionTable(label, conditions) {
  if (!conditions.length) return el("p", { class: "quiet" }, "No condition was judged.");
  const rows = conditions.map((condition) =>
    el("tr", {},
      el("td", { class: `verdict ${condition.holds ? "pass" : "reject"}` }, condition.holds ? "✓ true" : "✗ false"),
      el("td", {}, condition.explanation),
      el("td", {}, Object.entries(condition.operands).map(([name, value]) => el("div", {}, el("code", {}, `${name} = ${JSON.stringify(value)}`))))));
  return scrollRegion(label, el("table", {},
    el("thead", {}, el("tr", {}, ["Holds", "Condition", "Operands"].map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows)));
}

function other(role, told) {
  const version = told.version ? `version ${told.version}${told.snapshot ? ` of ${told.snapshot}` : ""}` : "none";
  const why = told.missing || told.why;
  const table = Object.entries(told.of_table).map(([name, value]) => `${OF_TABLE[name] ?? name} ${number(value, 3)}`);
  return `${role}: ${version}${why ? `, ${why}` : ""}${table.length ? ` — ${table.join(", ")}` : ""}`;
}

function distances(data, roles) {
  const measures = data.measures.filter((name) => data.columns.some((column) => roles.some((role) => name in column[role])));
  const cells = roles.flatMap((role) => measures.map((name) => [role, name]));
  return scrollRegion("Distances of columns", el("table", {},
    el("thead", {}, el("tr", {},
      el("th", { scope: "col" }, "Column"),
      cells.map(([role, name]) => el("th", { scope: "col", class: "number" }, `${NAMES[name] ?? name}, ${role}`)))),
    el("tbody", {}, data.columns.map((column) =>
      el("tr", {},
        el("td", { class: "key" }, column.name),
        cells.map(([role, name]) => el("td", { class: "number" }, number(column[role][name], 3))))))));
}
