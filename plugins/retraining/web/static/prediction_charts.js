// How evaluation's predictions lie: against the truth, how far off, and which label for which.

import { axis, colour, onThemeChange } from "./colours.js";
import { confusionMatrix } from "./confusion_matrix.js";
import { el, number, whole } from "./elements.js";
import { reportPictures } from "./report_pictures.js";

const RIGHT = "predicted_against_actual";
const RESIDUALS = "residuals";

export function predictionCharts(found, scales = scalesOf([found])) {
  const parts = [];
  if (found.points) parts.push(numbers(found, scales));
  if (found.matrix) parts.push(el("p", {}, `Of ${rowsOf(found)}:`), confusionMatrix(found.matrix));
  if (found.pictures) parts.push(...reportPictures(found.pictures));
  return parts.length ? el("div", {}, parts) : el("p", { class: "quiet" }, "The pipeline has no plots of its predictions.");
}

const rowsOf = (found) => `${found.is_all ? "all" : "the first"} ${whole(found.rows)} test rows`;

// The ends of the axes on which several runs' predictions can be held against each other.
export function scalesOf(several) {
  const some = several.filter((found) => found.points);
  return {
    values: ends(some.flatMap((found) => found.points.flat())),
    residuals: ends(some.flatMap(({ edges }) => [2 * edges[0] - edges[1], edges.at(-1) + edges[1] - edges[0]])),
    counts: ends(some.flatMap(({ counts }) => counts)),
  };
}

const ends = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];

function numbers(found, scales) {
  const scatter = el("canvas", { role: "img", "aria-label": `Predicted against actual values of ${found.points.length} test rows` });
  const bars = el("canvas", { role: "img", "aria-label": `Residuals of ${found.rows} test rows, mean ${number(found.mean)}` });
  const drawn = [[RIGHT, scatter, against], [RESIDUALS, bars, residuals]].filter(([name]) => found.plots.includes(name));
  let charts = [];
  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = drawn.map(([, canvas, plan]) => new window.Chart(canvas, plan(found, scales)));
  };
  onThemeChange(draw);
  // A canvas has no size before it is on the page.
  requestAnimationFrame(draw);
  const said = {
    [RESIDUALS]: `Residuals are predicted - actual, of ${rowsOf(found)}; their mean is ${number(found.mean, 3)}.`,
    [RIGHT]: `${whole(found.points.length)} of the rows are drawn against their actual values; on the dashed line a prediction is right.`,
  };
  return el("div", {},
    el("div", { class: "plots" },
      drawn.map(([, canvas]) => el("figure", { class: "plot" }, el("div", { class: "chart" }, canvas)))),
    el("p", { class: "quiet" }, Object.entries(said).filter(([name]) => found.plots.includes(name)).map(([, sentence]) => sentence).join(" ")));
}

function against(found, { values }) {
  const [suggestedMin, suggestedMax] = values;
  return {
    type: "scatter",
    data: {
      datasets: [
        { label: "test row", data: found.points.map(([x, y]) => ({ x, y })), pointRadius: 2, pointHoverRadius: 4, borderWidth: 0, pointBackgroundColor: colour("accent", 0.5) },
        { type: "line", label: "right", data: values.map((end) => ({ x: end, y: end })), borderColor: colour("failed"), borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0 },
      ],
    },
    options: options(axis("actual", { type: "linear", suggestedMin, suggestedMax }), axis("predicted", { suggestedMin, suggestedMax })),
  };
}

function residuals(found, scales) {
  const middle = (index) => (found.edges[index] + found.edges[index + 1]) / 2;
  const [min, max] = scales.residuals;
  return {
    type: "bar",
    data: { datasets: [{ label: "test rows", data: found.counts.map((y, index) => ({ x: middle(index), y })), barPercentage: 1, categoryPercentage: 1, backgroundColor: colour("accent") }] },
    options: {
      ...options(
        axis("residual", { type: "linear", offset: false, min, max, ticks: { includeBounds: false, callback: (value) => Number(value.toPrecision(3)) } }),
        axis("test rows", { suggestedMax: scales.counts[1] }),
      ),
    },
  };
}

function options(x, y) {
  return { animation: false, maintainAspectRatio: false, scales: { x, y }, plugins: { legend: { display: false } } };
}
