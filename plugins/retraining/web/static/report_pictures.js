// What a classifier's report tells: how well it knows each label, how it learnt, where it errs most.

import { axis, colour, onThemeChange } from "./colours.js";
import { el, number } from "./elements.js";
import { scrollRegion } from "./scroll_region.js";

const MEASURES = ["precision", "recall", "f1"];
const COLOURS = ["accent", "pass", "quiet"];

export function reportPictures({ class_metrics: classes, learning_curves: curves, worst_errors: errors }) {
  const canvases = [];
  if (classes) canvases.push([bars(classes), `Precision, recall and f1 of ${classes.map(said).join("; ")}`]);
  for (const [what, some] of curves ? Object.entries(byWhat(curves)) : []) {
    canvases.push([lines(some), `Learning curves of ${what}: ${Object.entries(some).map(([name, values]) => `${name} ends at ${number(values.at(-1), 3)}`).join(", ")}`]);
  }
  return [canvases.length ? figures(canvases) : null, errors ? table(errors) : null].filter(Boolean);
}

const said = (one) => `${one.label}: ${MEASURES.map((name) => number(one[name].value, 3) || "none").join(", ")}`;

// Losses and accuracies have scales of their own.
function byWhat(curves) {
  const found = {};
  for (const [name, values] of Object.entries(curves)) (found[name.split("_").at(-1)] ??= {})[name] = values;
  return found;
}

function figures(canvases) {
  const drawn = canvases.map(([plan, label]) => [el("canvas", { role: "img", "aria-label": label }), plan]);
  let charts = [];
  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = drawn.map(([canvas, plan]) => new window.Chart(canvas, plan()));
  };
  onThemeChange(draw);
  // A canvas has no size before it is on the page.
  requestAnimationFrame(draw);
  return el("div", { class: "plots" }, drawn.map(([canvas]) => el("figure", { class: "plot" }, el("div", { class: "chart" }, canvas))));
}

const options = (x, y, labels) => ({ animation: false, maintainAspectRatio: false, scales: { x, y }, plugins: { legend: { labels: { color: colour("text") } }, tooltip: { callbacks: labels ? { label: labels } : {} } } });

const bars = (classes) => () => ({
  type: "bar",
  data: {
    labels: classes.map(({ label }) => label || "(empty)"),
    datasets: MEASURES.map((name, at) => ({ label: name, data: classes.map((one) => one[name].value), backgroundColor: colour(COLOURS[at], 0.8) })),
  },
  options: options(axis("label"), axis("", { min: 0, max: 1 }), ({ dataset, dataIndex }) => {
    const { value, standard_deviation: deviation } = classes[dataIndex][dataset.label];
    return `${dataset.label} ${number(value, 3)}${deviation === null ? "" : ` ± ${number(deviation, 2)}`}`;
  }),
});

const lines = (curves) => () => ({
  type: "line",
  data: {
    labels: Object.values(curves)[0].map((_, at) => at + 1),
    datasets: Object.entries(curves).map(([name, data], at) => ({ label: name.replaceAll("_", " "), data, borderColor: colour(COLOURS[at % COLOURS.length]), backgroundColor: colour(COLOURS[at % COLOURS.length]), borderDash: at % 2 ? [6, 4] : [], pointRadius: 3 })),
  },
  options: options(axis("epoch"), axis("")),
});

function table(errors) {
  const head = (content) => el("th", { scope: "col" }, content);
  return el("details", { class: "errors" },
    el("summary", {}, `Mistakes that the model was surest of: ${errors.length}`),
    scrollRegion("Worst errors",
      el("table", {},
        el("thead", {}, el("tr", {}, ["text", "actual", "predicted", "probability"].map(head))),
        el("tbody", {}, errors.map((error) => el("tr", {},
          el("td", { class: "wrapped", dir: "auto" }, error.text || "(empty)"), el("td", {}, error.actual), el("td", {}, error.predicted),
          el("td", { class: "number" }, number(error.probability, 3))))))));
}
