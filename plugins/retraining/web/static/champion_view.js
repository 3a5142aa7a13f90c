// Candidate beside champion on the same rows: the numbers, the parts of the rows, and all nights.

import { axis, colour, onThemeChange } from "./colours.js";
import { el, number, whole } from "./elements.js";
import { scrollRegion } from "./scroll_region.js";

const SEEN = {
  true: "The champion was trained on none of these rows",
  false: "The champion may have been trained on some of these rows",
  unknown: "Whether the champion was trained on some of these rows is not known",
};
const last = (path) => path.split(".").at(-1);
const shown = (value) => (value > 0 ? "+" : "") + number(value, 3);

export function championSection(run) {
  const told = run.comparison;
  if (!told) return null;
  const paths = Object.keys(told.differences);
  return el("section", { id: "champion" },
    el("h2", {}, "Against the champion"),
    el("p", {}, sentence(told)),
    paths.length ? table(told) : null,
    paths.length ? el("p", { class: "quiet" }, `${SEEN[String(told.unseen)] ?? SEEN.unknown}: ${told.unseen_reason}.`) : null,
    told.parts.length ? parts(told, run) : null);
}

function sentence({ outcome, reason, version, rows, win_rate: wins }) {
  if (outcome === "none") return "There was no champion to be compared with.";
  const who = version || "a version that is not named";
  if (outcome !== "scored") return `The champion, ${who}, could not be scored: ${outcome.replaceAll("_", " ")}${reason ? `: ${reason}` : ""}`;
  return `Both predicted the same ${whole(rows)} rows; the candidate is nearer in ${wins === null ? "an unknown share" : `${number(100 * wins, 3)} %`} of them. The champion is ${who}.`;
}

function table({ differences }) {
  const head = ["Metric", "Candidate", "Champion", "Difference", "95 % interval", "Better in"];
  return scrollRegion("Against the champion", el("table", {},
    el("thead", {}, el("tr", {}, head.map((label, at) => el("th", { scope: "col", class: at ? "number" : null }, label)))),
    el("tbody", {}, Object.entries(differences).map(([path, one]) => el("tr", {},
      el("td", {}, last(path)),
      el("td", { class: "number" }, number(one.candidate)),
      el("td", { class: "number" }, number(one.champion)),
      el("td", { class: "number" }, shown(one.value)),
      el("td", { class: "number" }, `${shown(one.low)} to ${shown(one.high)}`),
      el("td", { class: "number" }, `${number(100 * one.better_share, 3)} % of draws`))))));
}

function parts(told, run) {
  const path = Object.hasOwn(told.differences, run.metric?.path) ? run.metric.path : Object.keys(told.differences)[0];
  const some = told.parts.filter((part) => Object.hasOwn(part.differences, path));
  if (some.length === 0) return null;
  const said = some.map((part) => `${part.column} ${part.name}: ${shown(part.differences[path].value)}`).join("; ");
  return figure(`Difference of ${last(path)} by parts of the rows: ${said}`, () => ({
    type: "bar",
    data: {
      labels: some.map((part) => `${part.column}: ${part.name} (${whole(part.rows)})`),
      datasets: [
        { label: `${last(path)}: candidate − champion`, data: some.map((part) => part.differences[path].value), backgroundColor: colour("accent", 0.8) },
        { label: "95 % interval", data: some.map((part) => [part.differences[path].low, part.differences[path].high]), backgroundColor: colour("text"), barThickness: 2, grouped: false, order: -1 },
      ],
    },
    options: { ...options(axis(`${last(path)}: candidate − champion`), axis("", { ticks: { autoSkip: false } })), indexAxis: "y" },
  }));
}

// The difference over the nights; nothing of a pipeline whose reports tell of no champion.
export function differenceChart() {
  const element = el("div");
  return {
    element,
    show: (rows) => {
      const path = rows.find((row) => row.champion)?.champion.path;
      const some = rows.filter((row) => row.champion?.path === path && row.snapshot).reverse();
      if (!path || some.length === 0) return element.replaceChildren();
      const data = (value) => some.map((row) => value(row.champion));
      element.replaceChildren(
        el("h2", {}, `${last(path)}: candidate − champion`),
        figure(`Difference of ${last(path)} of ${some.length} runs to the champion on the same rows`, () => ({
          type: "bar",
          data: {
            labels: some.map((row) => row.snapshot),
            datasets: [
              { type: "line", label: "candidate − champion", data: data((one) => one.value), borderColor: colour("accent"), backgroundColor: colour("accent"), pointRadius: 4, showLine: false, order: 0 },
              { label: "95 % interval", data: data((one) => [one.low, one.high]), backgroundColor: colour("text"), barThickness: 2, order: 1 },
            ],
          },
          options: options(axis("snapshot"), axis("")),
        })));
    },
  };
}

const options = (x, y) => ({ animation: false, maintainAspectRatio: false, scales: { x, y }, plugins: { legend: { labels: { color: colour("text") } } } });

function figure(label, plan) {
  const canvas = el("canvas", { role: "img", "aria-label": label });
  let chart = null;
  const draw = () => {
    if (!canvas.isConnected) return;
    chart?.destroy();
    chart = new window.Chart(canvas, plan());
  };
  onThemeChange(draw);
  // A canvas has no size before it is on the page.
  requestAnimationFrame(draw);
  return el("div", { class: "chart" }, canvas);
}
