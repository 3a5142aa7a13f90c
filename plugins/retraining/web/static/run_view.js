// One run: what was decided and why, how its predictions lie, what it was made of.

import { airflowLink, outerLink } from "./airflow_links.js";
import { championSection } from "./champion_view.js";
import { conditionTable, dataDistances } from "./data_distances.js";
import { apart, approval, duration, el, notices, number, whole } from "./elements.js";
import { lineage } from "./lineage.js";
import { namesIn, valueOf, wordOf } from "./metric_names.js";
import { predictionCharts } from "./prediction_charts.js";
import { verdict } from "./run_table.js";
import { scrollRegion } from "./scroll_region.js";
import { ask } from "./server.js";

// What identifies a run's data, code, images and policy, by its name in the record.
export const FINGERPRINT = {
  snapshot_uri: "data", data_fingerprint: "data's fingerprint", code_uri: "code", code_sha256: "code's SHA-256",
  image_uri: "image", training_image_uri: "training image", inference_image_uri: "inference image", policy_sha256: "gate's policy",
};

export async function runView(pipeline, runId, overviewAddress) {
  const run = await ask("data/run", { dag_id: pipeline.dag_id, run_id: runId });
  const plots = el("div", {}, el("p", { class: "quiet" }, "Loading …"));
  loadPlots(plots, pipeline, run);
  return el("div", {},
    el("div", { class: "head" },
      el("h1", {}, `Snapshot ${run.snapshot ?? "not settled yet"}`),
      el("a", { href: overviewAddress }, "All runs")),
    el("div", { class: "row" },
      verdict(run.verdict),
      el("span", { class: "tag" }, run.run_type),
      el("span", { class: "tag" }, `run ${run.state}`),
      run.version ? el("a", { class: `tag${run.is_serving ? " serving" : ""}`, href: `${overviewAddress}#versions` }, `version ${run.version}${run.approval ? `, ${approval(run.approval)}` : ""}${run.is_serving ? ", serves now" : ""}`) : null,
      airflowLink("Run in Airflow", "dags", pipeline.dag_id, "runs", run.run_id)),
    notices(run.notices),
    el("p", { class: "sentence" }, sentence(run)),
    servesNow(run),
    el("section", { id: "lineage" }, el("h2", {}, "Lineage"), lineage(run, window.location.search, overviewAddress)),
    decision(run),
    championSection(run),
    dataDistances(run.data),
    el("section", { id: "evaluation" }, el("h2", {}, "Evaluation"), metrics(run), plots),
    steps(pipeline, run),
    fingerprint(run));
}

function sentence(run) {
  const metric = comparison(run);
  if (run.verdict === "pass") {
    return `${metric ?? "All conditions hold"}: ${run.version ? `registered as version ${run.version}.` : `not registered${failure(run) ?? " yet."}`}`;
  }
  const registered = run.version ? `version ${run.version} is in the registry all the same; see who and why there.` : null;
  if (run.verdict === "reject") return `${metric ?? run.explanation}: ${registered ?? "not registered."}`;
  if (run.verdict === "undecidable") return `${run.explanation}. ${registered ? `But ${registered}` : "Nothing was registered."}`;
  if (run.verdict === "failed") return `The run failed before the gate decided${failure(run) ?? ". See its steps below."}`;
  if (run.verdict === "running") return "The run goes on; the gate has not decided yet.";
  if (run.verdict === "none") return "The run ended well, but left no decision record.";
  return `What was decided is not known: ${run.explanation}`;
}

// Why, by the first task that said so, in its first line; the steps have the rest.
function failure(run) {
  const step = run.steps.find((one) => one.failure);
  return step ? `: ${step.task_id}: ${step.failure.split("\n")[0]}` : null;
}

const HOLDS = {
  "≥": (value, limit) => value >= limit,
  ">": (value, limit) => value > limit,
  "≤": (value, limit) => value <= limit,
  "<": (value, limit) => value < limit,
  "=": (value, limit) => value === limit,
};

// The headline beside its limit, unless the verdict came about by something else.
function comparison({ verdict, metric }) {
  if (!metric || metric.value === null || metric.threshold === null) return null;
  const { name, value, sign, threshold } = metric;
  const holds = HOLDS[sign](value, threshold);
  if (holds !== (verdict === "pass")) return null;
  return `${name} ${apart(value, threshold)} ${holds ? "is" : "is not"} ${sign} ${threshold}`;
}

function servesNow(run) {
  if (!run.serving) return null;
  const { endpoint_name: name, number: version } = run.serving;
  return el("p", { class: "quiet" }, version ? `Version ${version} serves now on ${name}.` : `No version serves on ${name}.`);
}

function decision(run) {
  return el("section", { id: "decision" },
    el("h2", {}, "Decision"),
    run.explanation && run.verdict !== "unknown" ? el("p", {}, run.explanation) : null,
    conditionTable("Conditions", run.conditions));
}

function metrics(run) {
  const found = [...namesIn([run])].flatMap(([path, name]) => {
    const word = wordOf(run, path);
    const value = valueOf(run, path);
    return word ? [`${name}: ${word}`] : value === undefined ? [] : [`${name} ${number(value, 5)}`];
  });
  const rows = Object.entries(run.rows).map(([name, count]) => `${name} ${whole(count)}`);
  const parameters = Object.entries(run.parameters).map(([name, value]) => `${name} ${value}`);
  if (found.length === 0) return null;
  return el("p", {}, found.join(" · "), rows.length ? el("span", { class: "quiet" }, ` — rows: ${rows.join(", ")}`) : null,
    parameters.length ? el("span", { class: "quiet" }, ` — parameters: ${parameters.join(", ")}`) : null);
}

async function loadPlots(place, pipeline, run) {
  try {
    const answer = await ask("data/predictions", { dag_id: pipeline.dag_id, run_id: run.run_id });
    place.replaceChildren(
      notices(answer.notices) ?? "",
      answer.found ? predictionCharts(answer.found) : el("p", { class: "quiet" }, "There are no predictions to draw."));
  } catch (error) {
    place.replaceChildren(notices([error.message]));
  }
}

function steps(pipeline, run) {
  const jobs = run.steps.map((step) => step.job).filter(Boolean);
  const total = jobs.length && jobs.every((job) => job.cost !== null) ? jobs.reduce((sum, job) => sum + job.cost, 0) : null;
  return el("section", { id: "steps" },
    el("h2", {}, "Steps"),
    scrollRegion("Steps", el("table", {},
      el("thead", {}, el("tr", {}, ["Task", "State", "Task took", "Job took", "Estimated cost", "Job"].map((label, index) => el("th", { scope: "col", class: index > 1 && index < 5 ? "number" : null }, label)))),
      el("tbody", {}, run.steps.map((step) => stepRow(pipeline, run, step))))),
    jobs.length === 0 ? null : total === null
      ? el("p", { class: "quiet" }, "No cost is estimated: the setting RETRAINING_INSTANCE_PRICES has no price for these instances.")
      : el("p", { class: "quiet" }, `The jobs cost about $${total.toFixed(4)}: seconds × instances × the price that is set.`));
}

function stepRow(pipeline, run, step) {
  const job = step.job;
  return el("tr", {},
    el("td", { class: "key" }, airflowLink(step.task_id, "dags", pipeline.dag_id, "runs", run.run_id, "tasks", step.task_id)),
    el("td", { class: step.failure ? null : "key" }, step.state ?? "not started", step.failure ? el("pre", { tabindex: 0, class: "failure" }, step.failure) : null),
    el("td", { class: "number" }, duration(step.seconds)),
    el("td", { class: "number" }, duration(job?.seconds)),
    el("td", { class: "number" }, job ? (job.cost === null ? "unknown" : `$${job.cost.toFixed(4)}`) : ""),
    el("td", {}, job ? jobCell(pipeline, run, step) : ""));
}

function jobCell(pipeline, run, step) {
  const text = el("div", {}, "Loading …");
  const log = el("details", {
    id: `log-${step.task_id}`,
    ontoggle: () => log.open && loadLog(text, pipeline, run, step),
  }, el("summary", {}, "log"), text);
  const { jobs, logs } = run.links;
  const name = el("code", {}, step.job.name);
  return el("div", {},
    jobs[step.task_id] ? outerLink(step.job.name, jobs[step.task_id]) : name,
    el("span", { class: "quiet" }, ` ${step.job.status}, ${step.job.instances} × ${step.job.instance_type}`),
    logs[step.task_id] ? el("div", {}, outerLink("log in the console", logs[step.task_id])) : null,
    log);
}

async function loadLog(place, pipeline, run, step) {
  if (place.dataset.loaded) return;
  place.dataset.loaded = "yes";
  try {
    const { streams, notices: sentences } = await ask("data/log", { dag_id: pipeline.dag_id, run_id: run.run_id, task_id: step.task_id });
    place.replaceChildren(
      notices(sentences) ?? "",
      ...streams.map(({ stream, text }) => el("div", {}, streams.length > 1 ? el("p", { class: "quiet" }, stream) : null, el("pre", { tabindex: 0 }, text))),
      streams.length || sentences.length ? "" : "It has no log.");
  } catch (error) {
    place.replaceChildren(notices([error.message]));
  }
}

function fingerprint(run) {
  const entries = Object.entries(run.fingerprint).filter(([, value]) => value);
  if (run.arn) entries.push(["model package", run.arn]);
  if (run.run_uri) entries.push(["run's folder", run.run_uri]);
  return el("section", { id: "fingerprint" },
    el("h2", {}, "Fingerprint"),
    el("dl", {}, entries.flatMap(([name, value]) => [el("dt", {}, FINGERPRINT[name] ?? name), el("dd", {}, el("code", {}, value))])),
    run.links.endpoint ? el("p", {}, outerLink("Endpoint in the console", run.links.endpoint)) : null);
}
