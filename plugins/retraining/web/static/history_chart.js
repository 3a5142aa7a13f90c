// The pipeline's headline for each snapshot, with its interval and what the gate asks of it.

import { VERDICTS, axis, colour, onThemeChange } from "./colours.js";
import { apart, el, number } from "./elements.js";
import { namesIn, valueOf, wordOf } from "./metric_names.js";

const DAY = 86_400_000;
// Of a normal distribution: so many standard deviations to either side hold 95 %.
const WIDTH = 1.96;
// What a limit is called, and which side of it is out of bounds.
const LIMITS = {
  "≥": { said: "at least", shade: "start" },
  ">": { said: "above", shade: "start" },
  "≤": { said: "at most", shade: "end" },
  "<": { said: "below", shade: "end" },
  "=": { said: "exactly", shade: false },
};

export function historyChart(open) {
  const canvas = el("canvas", { tabindex: 0, role: "img", "aria-describedby": "chart-said" });
  const said = el("p", { id: "chart-said", class: "visually-hidden", "aria-live": "polite" });
  const element = el("div", {}, el("div", { class: "chart" }, canvas), said);
  let chart = null;
  let rows = [];
  let names = new Map();
  let chosen = -1;

  function draw() {
    const { datasets, title, floor, days } = plan(rows, names);
    chart?.destroy();
    canvas.setAttribute(
      "aria-label",
      `${title} of ${rows.length} runs by snapshot. Left and right arrows walk through the runs, Enter opens one.`,
    );
    chart = new window.Chart(canvas, {
      type: "scatter",
      data: { datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "nearest", intersect: true },
        scales: {
          x: axis("snapshot", {
            type: "linear",
            offset: false,
            grid: { color: colour("line"), offset: false },
            min: days.first - days.margin,
            max: days.last + days.margin,
            ticks: { callback: (value) => day(value), maxRotation: 40 },
            afterBuildTicks: (scale) => {
              scale.ticks = days.ticks.map((value) => ({ value }));
            },
          }),
          y: axis(title, {
            beginAtZero: false,
            grace: "4%",
            ticks: { callback: (value) => (value < floor ? "" : Number(value.toPrecision(4))) },
          }),
        },
        plugins: {
          legend: {
            labels: {
              usePointStyle: true,
              color: colour("text"),
              generateLabels: legend,
            },
          },
          tooltip: {
            filter: (item) => Boolean(item.raw.row),
            callbacks: {
              title: (items) => items[0]?.raw.row.snapshot ?? "",
              label: (item) => describe(item.raw.row, names),
            },
          },
        },
        onHover: (event, elements) => {
          canvas.style.cursor = elements.some(isRun) ? "pointer" : "default";
        },
        onClick: (event, elements) => {
          const found = elements.find(isRun);
          if (found) open(rowOf(found).run_id);
        },
      },
    });
  }

  const rowOf = (found) => chart.data.datasets[found.datasetIndex].data[found.index].row;
  const isRun = (found) => Boolean(rowOf(found));

  canvas.addEventListener("keydown", (event) => {
    const points = chart.data.datasets
      .flatMap((set, datasetIndex) => set.data.map((point, index) => ({ datasetIndex, index, point })))
      .filter(({ point, datasetIndex }) => point.row && !chart.data.datasets[datasetIndex].isRing)
      .sort((a, b) => a.point.x - b.point.x);
    if (points.length === 0) return;
    if (event.key === "Enter" && points[chosen]) {
      open(points[chosen].point.row.run_id);
      return;
    }
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -points.length, End: points.length };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const from = chosen < 0 && event.key === "ArrowLeft" ? points.length : chosen;
    chosen = Math.min(Math.max(from + moves[event.key], 0), points.length - 1);
    const active = [{ datasetIndex: points[chosen].datasetIndex, index: points[chosen].index }];
    chart.setActiveElements(active);
    chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
    chart.update("none");
    said.textContent = describe(points[chosen].point.row, names).join(", ");
  });
  onThemeChange(() => chart && draw());
  return {
    element,
    show: (found) => {
      rows = found.filter((row) => row.snapshot);
      names = namesIn(found);
      chosen = -1;
      draw();
    },
  };
}

// What a shape means, filled, whatever the first run of its kind looks like.
function legend(chart) {
  return chart.data.datasets
    .map((set, datasetIndex) => ({
      text: set.said ?? set.label,
      datasetIndex,
      pointStyle: set.pointStyle,
      strokeStyle: set.borderColor,
      fillStyle: set.backgroundColor,
      lineWidth: 2,
      lineDash: set.borderDash ?? [],
      fontColor: colour("text"),
      hidden: !chart.isDatasetVisible(datasetIndex),
    }))
    .filter((item) => !item.text.startsWith("("));
}

function plan(rows, names) {
  // What the newest run is judged by: a pipeline may have changed its mind.
  const headline = rows.find((row) => row.metric)?.metric;
  const path = headline?.path;
  const title = headline ? `${names.get(path)} (${headline.better} is better)` : "metric";
  const has = (row) => typeof valueOf(row, path) === "number";
  const isLimited = (row) => row.metric?.path === path && row.metric.threshold !== null;
  const limited = rows.filter(isLimited);
  const levels = [...rows.filter(has).map((row) => valueOf(row, path)), ...limited.map(({ metric }) => metric.threshold)];
  const low = Math.min(...levels, ...(levels.length ? [] : [0]));
  const high = Math.max(...levels, ...(levels.length ? [] : [1]));
  const gap = (high - low || 1) * 0.12;
  const seen = new Map();
  const at = (row) => {
    // Several runs of one snapshot stand side by side.
    const count = seen.get(row.snapshot) ?? 0;
    seen.set(row.snapshot, count + 1);
    return Date.parse(row.snapshot) + (count * DAY) / 6;
  };
  const points = [...rows]
    .reverse()
    .map((row) => ({ row, x: at(row), y: has(row) ? valueOf(row, path) : low - gap }));
  const datasets = Object.entries(VERDICTS).flatMap(([verdict, look]) => {
    const own = points.filter((point) => point.row.verdict === verdict);
    if (own.length === 0) return [];
    const tone = colour(verdict);
    const hollow = own.map((point) => (point.row.run_type === "backfill" ? colour("ground") : tone));
    return {
      label: look.label,
      data: own,
      pointStyle: look.shape,
      pointRadius: rows.length > 100 ? 4 : 6,
      pointHoverRadius: 9,
      borderColor: tone,
      borderWidth: 2,
      backgroundColor: tone,
      pointBackgroundColor: hollow,
      order: 1,
    };
  });
  if (rows.some((row) => row.run_type === "backfill")) {
    datasets.push({
      label: "hollow: backfilled", data: [], pointStyle: "circle", borderWidth: 2,
      borderColor: colour("quiet"), backgroundColor: colour("ground"),
    });
  }
  const serving = points.filter((point) => point.row.is_serving);
  if (serving.length) {
    datasets.push({
      label: "ring: serves now", data: serving, pointStyle: "circle", pointRadius: 12,
      pointHoverRadius: 14, borderWidth: 3, borderColor: colour("accent"),
      backgroundColor: "transparent", order: 0, isRing: true,
    });
  }
  const spread = points.filter(({ row }) => has(row) && row.metric?.path === path && row.metric.standard_deviation);
  datasets.push({
    type: "bar",
    label: "(interval)",
    data: spread.map(({ row, x }) => ({
      x,
      y: [
        row.metric.value - WIDTH * row.metric.standard_deviation,
        row.metric.value + WIDTH * row.metric.standard_deviation,
      ],
    })),
    barThickness: rows.length > 100 ? 1 : 2,
    grouped: false,
    backgroundColor: rows.length > 100 ? colour("quiet", 0.6) : colour("text"),
    // In front of few points, that they do not hide it; behind many, that it does not hide them.
    order: rows.length > 100 ? 2 : -1,
  });
  if (limited.length) {
    const { said, shade } = LIMITS[limited[0].metric.sign];
    datasets.push({
      type: "line",
      label: "threshold",
      said: `threshold: ${said}`,
      data: points
        .filter(({ row }) => isLimited(row))
        .sort((a, b) => a.x - b.x)
        .map(({ row, x }) => ({ x, y: row.metric.threshold })),
      stepped: "middle",
      borderColor: colour("failed"),
      // The side on which a model is not good enough.
      fill: shade,
      backgroundColor: colour("failed", 0.07),
      borderDash: [6, 4],
      borderWidth: 1.5,
      pointRadius: 0,
      pointHitRadius: 0,
      pointStyle: "line",
      order: 3,
    });
  }
  return { datasets, title, floor: low - gap / 2, days: dates(points.map((point) => point.x)) };
}

function dates(found) {
  const times = found.length ? found : [Date.now()];
  const first = Math.floor(Math.min(...times) / DAY) * DAY;
  const last = Math.ceil(Math.max(...times) / DAY) * DAY;
  const step = DAY * Math.max(Math.ceil((last - first) / DAY / 10), 1);
  const ticks = [];
  for (let tick = first; tick <= last; tick += step) ticks.push(tick);
  return { first, last, ticks, margin: Math.max((last - first) * 0.03, DAY / 2) };
}

const day = (time) => new Date(time).toISOString().slice(0, 10);

function describe(row, names) {
  const lines = [row.run_id, `${VERDICTS[row.verdict].label}${row.run_type === "backfill" ? ", backfilled" : ""}`];
  if (row.metric) {
    const { path, value, sign, threshold, standard_deviation: spread } = row.metric;
    const width = spread ? ` ± ${number(WIDTH * spread, 2)}` : "";
    const shown = value === null ? wordOf(row, path) ?? "unknown" : `${apart(value, threshold)}${width}`;
    lines.push(`${names.get(path)} ${shown}${threshold === null ? "" : `; wanted ${sign} ${threshold}`}`);
  } else if (row.explanation) {
    lines.push(row.explanation.slice(0, 120));
  }
  if (row.version) lines.push(`version ${row.version}${row.approval ? `, ${row.approval}` : ""}${row.is_serving ? ", serves now" : ""}`);
  return lines;
}
