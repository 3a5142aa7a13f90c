// Two runs of a pipeline side by side: first what differs, then what is the same.

import { apart, approval, duration, el, notices, number, whole } from "./elements.js";
import { metricNames, valueOf, wordOf } from "./metric_names.js";
import { predictionCharts, scalesOf } from "./prediction_charts.js";
import { FINGERPRINT } from "./run_view.js";
import { verdict } from "./run_table.js";
import { scrollRegion } from "./scroll_region.js";
import { ask } from "./server.js";

export async function compareView(pipeline, runIds, addressOf) {
  const ofDag = (more) => addressOf({ dag_id: pipeline.dag_id, ...more });
  const runs = await Promise.all(runIds.map((runId) => ask("data/run", { dag_id: pipeline.dag_id, run_id: runId })));
  const rows = rowsOf(runs);
  const differing = rows.filter((row) => !row.isSame);
  const same = rows.filter((row) => row.isSame);
  const plots = runs.map(() => el("div", {}, el("p", { class: "quiet" }, "Loading …")));
  loadPlots(plots, pipeline, runs);
  return el("div", {},
    el("div", { class: "head" },
      el("h1", {}, "Two runs side by side: ", pipeline.name),
      el("span", { class: "row" },
        el("a", { href: ofDag({ run_id: runIds[1], beside: runIds[0] }) }, "Swap"),
        el("a", { href: ofDag({}) }, "All runs"))),
    notices(runs.flatMap((run) => run.notices)),
    el("section", { id: "differs" },
      el("h2", {}, `What differs (${differing.length})`),
      differing.length ? scrollRegion("What differs", table(runs, differing, ofDag)) : el("p", { class: "quiet" }, "Nothing that is recorded.")),
    el("section", { id: "plots" },
      el("h2", {}, "Predictions, on the same scales"),
      el("div", { class: "beside" }, runs.map((run, at) => el("div", {}, el("h3", {}, nameOf(run)), plots[at])))),
    el("section", { id: "same" },
      el("h2", {}, `What is the same (${same.length})`),
      same.length ? scrollRegion("What is the same", table(runs, same, ofDag)) : el("p", { class: "quiet" }, "Nothing that is recorded.")));
}

const nameOf = (run) => `Snapshot ${run.snapshot ?? "not settled"}, ${run.run_type}`;

function table(runs, rows, ofDag) {
  const hasChange = rows.some((row) => row.change);
  return el("table", { class: "compared" },
    el("thead", {}, el("tr", {},
      el("th", { scope: "col", colspan: 2 }, "What"),
      runs.map((run) => el("th", { scope: "col" },
        el("a", { href: ofDag({ run_id: run.run_id }) }, nameOf(run)), el("div", { class: "quiet run" }, run.run_id))),
      hasChange ? el("th", { scope: "col", class: "number" }, "Change") : null)),
    el("tbody", {}, rows.map((row, at) => el("tr", {},
      el("td", { class: "quiet key" }, rows[at - 1]?.group === row.group ? "" : row.group),
      el("th", { scope: "row" }, row.name),
      row.cells.map((cell) => el("td", { class: row.isCode ? "code" : null }, shown(cell, row.isCode))),
      hasChange ? el("td", { class: "number" }, row.change) : null))));
}

function shown(cell, isCode) {
  if (cell === null || cell === undefined || cell === "") return el("span", { class: "quiet" }, "–");
  return isCode ? el("code", {}, cell) : cell;
}

// In the order of what one wants to know first.
function rowsOf(runs) {
  const line = (group, name, values, show = (value) => value, more = {}) => ({
    group, name, cells: values.map((value, at) => (value === null || value === undefined ? null : show(value, at))),
    isSame: JSON.stringify(values[0] ?? null) === JSON.stringify(values[1] ?? null), ...more,
  });
  const each = (group, told, show, more) => keysOf(told).map((name) => line(group, name, told.map((one) => own(one, name)), show, more));
  const jobs = runs.map((run) => Object.fromEntries(run.steps.filter((step) => step.job).map((step) => [step.task_id, step.job])));
  const found = [
    line("Verdict", "verdict", runs.map((run) => run.verdict), verdict),
    ...each("Verdict", runs.map(conditionsOf)),
    ...metrics(runs, line),
    ...each("Parameters", runs.map((run) => run.parameters), (value) => (typeof value === "string" ? value : JSON.stringify(value))),
    line("Data", "snapshot", runs.map((run) => run.snapshot)),
    ...each("Data", runs.map((run) => Object.fromEntries(Object.entries(run.rows).map(([name, count]) => [`rows: ${name}`, count]))), whole),
    ...fingerprints(runs, line),
    line("Version", "version", runs.map((run) => run.version)),
    line("Version", "approval", runs.map((run) => run.approval), approval),
    line("Version", "serves now", runs.map((run) => run.is_serving), (serves) => (serves ? "yes" : "no")),
    line("Time and cost", "run", runs.map((run) => run.seconds), duration),
    ...keysOf(jobs).map((step) => line("Time and cost", step, jobs.map((one) => own(one, step) ?? null), timeOf)),
  ];
  return found.filter((row) => row.cells.some((cell) => cell !== null && cell !== ""));
}

const own = (told, name) => (Object.hasOwn(told, name) ? told[name] : undefined);

const keysOf = (told) => [...new Set(told.flatMap((one) => Object.keys(one)))];

const timeOf = (job) => `${duration(job.seconds)}${job.cost === null ? "" : `, $${job.cost.toFixed(4)}`} on ${job.instances} × ${job.instance_type}`;

function conditionsOf(run) {
  const found = run.conditions.map((one, at) => [`condition ${at + 1}`, `${one.holds ? "✓" : "✗"} ${one.explanation}`]);
  return Object.fromEntries(found.length ? found : [["why", run.explanation]]);
}

function metrics(runs, line) {
  const headlines = runs.flatMap((run) => (run.metric ? [run.metric.path] : []));
  const names = metricNames([...headlines, ...runs.flatMap((run) => [...Object.keys(run.metrics), ...Object.keys(run.unusable)])]);
  return [...names].map(([path, name]) => {
    const values = runs.map((run) => wordOf(run, path) ?? valueOf(run, path));
    const show = (value, at) => (typeof value === "string" ? value : apart(value, values[1 - at], 5));
    return line("Metrics", name, values, show, { change: changeOf(runs, path, values) });
  });
}

// From the left run to the right one; better or worse only where the pipeline says which is which.
function changeOf(runs, path, [from, to]) {
  if (typeof from !== "number" || typeof to !== "number" || from === to) return null;
  const ways = new Set(runs.filter((run) => run.metric?.path === path).map((run) => run.metric.better));
  const isBetter = ways.has("higher") === to > from;
  const word = ways.size === 1 ? el("span", { class: `verdict ${isBetter ? "pass" : "reject"}` }, isBetter ? " better" : " worse") : null;
  return el("span", {}, `${to > from ? "+" : "−"}${number(Math.abs(to - from), 3)}`, word);
}

function fingerprints(runs, line) {
  const told = runs.map((run) => run.fingerprint);
  return keysOf(told).map((key) => {
    const group = key.startsWith("code") ? "Code" : key.endsWith("image_uri") ? "Images" : key.startsWith("policy") ? "Gate" : "Data";
    return line(group, FINGERPRINT[key] ?? key, told.map((one) => own(one, key) || null), (value) => value, { isCode: true });
  }).sort((a, b) => ORDER.indexOf(a.group) - ORDER.indexOf(b.group));
}

const ORDER = ["Data", "Code", "Images", "Gate"];

async function loadPlots(places, pipeline, runs) {
  const answers = await Promise.allSettled(runs.map((run) => ask("data/predictions", { dag_id: pipeline.dag_id, run_id: run.run_id })));
  const scales = scalesOf(answers.flatMap(({ value }) => (value?.found ? [value.found] : [])));
  answers.forEach(({ value, reason }, at) => {
    places[at].replaceChildren(
      notices(value ? value.notices : [reason.message]) ?? "",
      value?.found ? predictionCharts(value.found, scales) : el("p", { class: "quiet" }, "There are no predictions to draw."));
  });
}
