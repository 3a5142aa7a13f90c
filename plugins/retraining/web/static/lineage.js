// Where a version comes from and where it went: snapshot → jobs → report → decision → version → endpoint.

import { outerLink } from "./airflow_links.js";
import { approval, duration, el, number, whole } from "./elements.js";
import { verdict } from "./run_table.js";

// `run` is what data/run tells; the addresses are those of the run's view and of its pipeline's.
export function lineage(run, runAddress, pipelineAddress) {
  const nodes = [
    snapshotNode(run, runAddress),
    ...run.jobs.map((step) => jobNode(run, step, runAddress)),
    reportNode(run, runAddress),
    decisionNode(run, runAddress),
    versionNode(run, pipelineAddress),
    endpointNode(run, pipelineAddress),
  ];
  return el("ol", { class: "lineage", "aria-label": "Lineage" }, nodes.map(({ kind, label, more, isMissing }) =>
    el("li", {}, el("div", { class: `node${isMissing ? " missing" : ""}` },
      el("div", { class: "quiet" }, kind), el("div", {}, label), more ? el("div", { class: "quiet" }, more) : null))));
}

const link = (label, href) => el("a", { href }, label);

const missing = (kind, label) => ({ kind, label: el("span", { class: "quiet" }, label), isMissing: true });

function snapshotNode(run, runAddress) {
  if (!run.snapshot) return missing("snapshot", "not settled");
  const rows = run.rows.snapshot;
  return { kind: "snapshot", label: link(run.snapshot, `${runAddress}#fingerprint`), more: rows === undefined ? null : `${whole(rows)} rows` };
}

function jobNode(run, step, runAddress) {
  const job = run.steps.find((one) => one.task_id === step)?.job;
  const address = run.links.jobs[step];
  return {
    kind: job ? `${job.kind.toLowerCase()} job` : "job",
    label: address ? outerLink(step, address) : link(step, `${runAddress}#log-${step}`),
    more: job ? [job.status, duration(job.seconds)].filter(Boolean).join(", ") : "unknown",
  };
}

function reportNode(run, runAddress) {
  const { metric } = run;
  if (!metric && Object.keys(run.metrics).length === 0) return missing("report", "none is known");
  const said = metric && metric.value !== null ? `${metric.name} ${number(metric.value)}` : "its metrics";
  return { kind: "report", label: link(said, `${runAddress}#evaluation`), more: null };
}

function decisionNode(run, runAddress) {
  const isMade = ["pass", "reject", "undecidable"].includes(run.verdict);
  if (!isMade) return { ...missing("decision", verdict(run.verdict)) };
  const found = link("", `${runAddress}#decision`);
  found.append(verdict(run.verdict));
  return { kind: "decision", label: found, more: run.metric?.threshold === undefined || run.metric?.threshold === null ? null : `wanted ${run.metric.sign} ${run.metric.threshold}` };
}

function versionNode(run, pipelineAddress) {
  if (!run.version) return missing("version", "none registered");
  return { kind: "model version", label: link(`version ${run.version}`, `${pipelineAddress}#versions`), more: run.approval ? approval(run.approval) : "approval unknown" };
}

function endpointNode(run, pipelineAddress) {
  if (!run.serving) return missing("endpoint", "unknown");
  const { endpoint_name: name, status, number: serving } = run.serving;
  if (!status) return missing("endpoint", `${name} does not exist yet`);
  const label = run.links.endpoint ? outerLink(name, run.links.endpoint) : link(name, `${pipelineAddress}#versions`);
  if (run.is_serving) return { kind: "endpoint", label, more: `serves it now${run.serving.is_verified ? ", verified" : ", not verified"}` };
  const more = `${serving ? `serves version ${serving} now` : "serves no version of this registry"}`;
  return { kind: "endpoint", label, more, isMissing: true };
}
