// How evaluation's predictions lie: against the truth, and how far off.

import { axis, colour, onThemeChange } from "./colours.js";
import { el, number, whole } from "./elements.js";

export function predictionCharts(found) {
  const scatter = el("canvas", { role: "img", "aria-label": `Predicted against actual values of ${found.points.length} test rows` });
  const bars = el("canvas", { role: "img", "aria-label": `Residuals of ${found.rows} test rows, mean ${number(found.mean)}` });
  let charts = [];
  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = [new window.Chart(scatter, against(found)), new window.Chart(bars, residuals(found))];
  };
  onThemeChange(draw);
  // A canvas has no size before it is on the page.
  requestAnimationFrame(draw);
  const all = found.is_all ? `all ${whole(found.rows)} test rows` : `the first ${whole(found.rows)} test rows`;
  return el("div", {},
    el("div", { class: "plots" },
      el("figure", { class: "plot" }, el("div", { class: "chart" }, scatter)),
      el("figure", { class: "plot" }, el("div", { class: "chart" }, bars))),
    el("p", { class: "quiet" }, `Residuals are predicted - actual, of ${all}; their mean is ${number(found.mean, 3)}. ${whole(found.points.length)} of the rows are drawn on the left; on the dashed line a prediction is right.`));
}

function against(found) {
  const values = found.points.flat();
  const ends = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
  return {
    type: "scatter",
    data: {
      datasets: [
        { label: "test row", data: found.points.map(([x, y]) => ({ x, y })), pointRadius: 2, pointHoverRadius: 4, borderWidth: 0, pointBackgroundColor: colour("accent", 0.5) },
        { type: "line", label: "right", data: ends.map((end) => ({ x: end, y: end })), borderColor: colour("failed"), borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0 },
      ],
    },
    options: options(axis("actual", { type: "linear" }), axis("predicted")),
  };
}

function residuals(found) {
  const middle = (index) => (found.edges[index] + found.edges[index + 1]) / 2;
  const width = found.edges[1] - found.edges[0];
  return {
    type: "bar",
    data: { datasets: [{ label: "test rows", data: found.counts.map((y, index) => ({ x: middle(index), y })), barPercentage: 1, categoryPercentage: 1, backgroundColor: colour("accent") }] },
    options: {
      ...options(
        axis("residual", { type: "linear", offset: false, min: found.edges[0] - width, max: found.edges.at(-1) + width, ticks: { includeBounds: false, callback: (value) => Number(value.toPrecision(3)) } }),
        axis("test rows"),
      ),
    },
  };
}

function options(x, y) {
  return { animation: false, maintainAspectRatio: false, scales: { x, y }, plugins: { legend: { display: false } } };
}
