// The pipeline's headline for each snapshot, with its interval and what the gate asks of it.

import { rangeOf } from "./chart_range.js";
import { VERDICTS, axis, colour, onThemeChange } from "./colours.js";
import { edgeValues } from "./edge_values.js";
import { apart, el, number } from "./elements.js";
import { namesIn, valueOf, wordOf } from "./metric_names.js";

const DAY = 86_400_000;
// A run that waits in vain for its data stands where it was due.
const dayOf = (row) => row.snapshot ?? row.run_after.slice(0, 10);
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
    const { datasets, title, levels, days } = plan(rows, names);
    chart?.destroy();
    canvas.setAttribute(
      "aria-label",
      `${title} of ${rows.length} runs by snapshot. Left and right arrows walk through the runs, Enter opens one.`,
    );
    chart = new window.Chart(canvas, {
      type: "scatter",
      data: { datasets },
      plugins: [edgeValues],
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
            min: levels.min,
            max: levels.max,
            ticks: { includeBounds: false, callback: (value) => Number(value.toPrecision(4)) },
            // What stands at an edge has no place on the axis.
            afterBuildTicks: (scale) => {
              scale.ticks = scale.ticks.filter(({ value }) => value >= levels.floor && value <= levels.ceiling);
            },
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
              title: (items) => (items.length ? dayOf(items[0].raw.row) : ""),
              label: (item) => describe(item.raw, names),
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
    said.textContent = describe(points[chosen].point, names).join(", ");
  });
  onThemeChange(() => chart && draw());
  return {
    element,
    show: (found) => {
      rows = found;
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
  const isSpread = (row) => has(row) && row.metric?.path === path && Boolean(row.metric.standard_deviation);
  const interval = ({ metric: { value, standard_deviation: spread } }) => [value - WIDTH * spread, value + WIDTH * spread];
  const values = rows.filter(has).map((row) => valueOf(row, path));
  const limits = limited.map(({ metric }) => metric.threshold);
  const near = rangeOf(values, limits);
  const edgeOf = (row) => (valueOf(row, path) < near.low ? -1 : valueOf(row, path) > near.high ? 1 : 0);
  const { low, high } = rangeOf(values, limits, rows.filter((row) => isSpread(row) && edgeOf(row) === 0).flatMap(interval));
  const gap = (high - low || Math.abs(high) || 1) * 0.12;
  const seen = new Map();
  const at = (row) => {
    // Several runs of one snapshot stand side by side.
    const count = seen.get(dayOf(row)) ?? 0;
    seen.set(dayOf(row), count + 1);
    return Date.parse(dayOf(row)) + (count * DAY) / 6;
  };
  const points = [...rows]
    .reverse()
    .map((row) => {
      const edge = has(row) ? edgeOf(row) : -1;
      const y = edge < 0 ? low - gap : edge > 0 ? high + gap : valueOf(row, path);
      return { row, x: at(row), y, edge: has(row) ? edge : 0, said: edge && has(row) ? number(valueOf(row, path)) : "" };
    });
  const isBelow = points.some(({ y }) => y < low);
  const isAbove = points.some(({ y }) => y > high);
  const levels = {
    min: low - gap * (isBelow ? 1.6 : 0.5),
    max: high + gap * (isAbove ? 1.6 : 0.5),
    floor: low - gap / 2,
    ceiling: high + gap / 2,
  };
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
  // What served then, on the same rows.
  const beside = points.filter(({ row }) => row.champion?.path === path && row.champion.champion >= levels.floor && row.champion.champion <= levels.ceiling);
  if (beside.length) {
    datasets.push({
      label: "the champion on the same rows", data: beside.map(({ row, x }) => ({ x, y: row.champion.champion })),
      pointStyle: "line", pointRadius: 8, pointHitRadius: 0, borderWidth: 2,
      borderColor: colour("quiet"), backgroundColor: colour("quiet"), order: 2,
    });
  }
  const spread = points.filter(({ row, edge }) => isSpread(row) && edge === 0);
  datasets.push({
    type: "bar",
    label: "(interval)",
    data: spread.map(({ row, x }) => ({ x, y: interval(row) })),
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
        .map(({ row, x }) => ({ x, y: Math.min(Math.max(row.metric.threshold, levels.min), levels.max) })),
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
  return { datasets, title, levels, days: dates(points.map((point) => point.x)) };
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

function describe({ row, edge }, names) {
  const lines = [row.run_id, `${VERDICTS[row.verdict].label}${row.run_type === "backfill" ? ", backfilled" : ""}`];
  if (!row.snapshot) lines.push(`no snapshot is settled; it was due on ${dayOf(row)}`);
  if (row.metric) {
    const { path, value, sign, threshold, standard_deviation: spread } = row.metric;
    const width = spread ? ` ± ${number(WIDTH * spread, 2)}` : "";
    const shown = value === null ? wordOf(row, path) ?? "unknown" : `${apart(value, threshold)}${width}`;
    lines.push(`${names.get(path)} ${shown}${threshold === null ? "" : `; wanted ${sign} ${threshold}`}`);
  } else if (row.explanation) {
    lines.push(row.explanation.slice(0, 120));
  }
  if (edge) lines.push(`far from the others: it stands at the ${edge < 0 ? "lower" : "upper"} edge`);
  if (row.version) lines.push(`version ${row.version}${row.approval ? `, ${row.approval}` : ""}${row.is_serving ? ", serves now" : ""}`);
  return lines;
}
