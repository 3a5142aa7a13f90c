// The registry's versions, and what may be done with them.

import { approval, el, notices, number } from "./elements.js";
import { airflowLink } from "./airflow_links.js";
import { lineage } from "./lineage.js";
import { lastName } from "./metric_names.js";
import { scrollRegion } from "./scroll_region.js";
import { act, ask } from "./server.js";

const ROWS = 20;

export function versionsView(pipeline, runAddress, changed) {
  const table = el("div", {}, el("p", { class: "quiet" }, "Loading …"));
  const said = el("p", { role: "status" });
  const element = el("section", { id: "versions" }, el("h2", {}, "Versions in the model registry"), said, table);
  let offset = 0;
  let answer = null;
  // What the newest run is judged by: versions of long ago do not say it of themselves.
  let usual = null;

  async function load() {
    try {
      answer = await ask("data/versions", { dag_id: pipeline.dag_id, offset, limit: ROWS });
      show(answer);
    } catch (error) {
      table.replaceChildren(notices([error.message]));
    }
  }

  function show({ versions, total, serving, notices: sentences }) {
    const headline = versions.map((version) => version.metadata.headline).find(Boolean) ?? usual;
    const heads = [["Version"], ["Snapshot"], ...(headline ? [[lastName(headline), "number"]] : []), ["Registered"], ["Approval"], ["Who and why"], ["Lineage"], ["Actions"]];
    const turn = (label, to) => el("button", { type: "button", class: "plain", disabled: to < 0 || to >= total, onclick: () => { offset = to; load(); } }, label);
    table.replaceChildren(
      notices(sentences) ?? "",
      servingSentence(serving),
      versions.length
        ? scrollRegion("Versions",
            el("table", {},
              el("thead", {}, el("tr", {}, heads.map(([label, look]) => el("th", { scope: "col", class: look }, label)))),
              el("tbody", {}, versions.map((version) => row(version, serving, headline)))))
        : el("p", { class: "quiet" }, "No version is shown."),
      total > ROWS ? el("div", { class: "row" }, turn("Newer", offset - ROWS), `${offset + 1} to ${Math.min(offset + ROWS, total)} of ${total}`, turn("Older", offset + ROWS)) : "",
    );
  }

  function row(version, serving, headline) {
    const isServing = serving?.number === version.number;
    return el("tr", { class: isServing ? "chosen" : null },
      el("th", { scope: "row" }, version.number, isServing ? el("span", {}, " ", el("span", { class: "tag serving" }, "serves now")) : null),
      el("td", { class: "key" }, version.run_id ? el("a", { href: runAddress(version.run_id) }, version.snapshot) : version.snapshot),
      headline ? el("td", { class: "number" }, measure(version, headline)) : null,
      el("td", { class: "key" }, version.created.slice(0, 16).replace("T", " ")),
      el("td", { class: "key" }, approval(version.approval), version.status === "Completed" ? null : ` (${version.status})`),
      el("td", {}, ...whoAndWhy(version)),
      el("td", { class: "key" }, version.run_id ? lineageSwitch(version) : el("span", { class: "quiet" }, "unknown")),
      el("td", {}, el("div", { class: "row" }, buttons(version, serving, isServing))));
  }

  function whoAndWhy({ approval_reason: reason, metadata, objection }) {
    return [
      reason,
      metadata.against_gate ? el("div", {}, `Registered against the gate, by ${metadata.against_gate}`) : null,
      objection ? el("div", { class: "error" }, `Deployed only if it is asked for: ${objection}`) : null,
    ];
  }

  // In a row of its own, as wide as the table.
  function lineageSwitch(version) {
    const place = el("td", {}, el("p", { class: "quiet" }, "Loading …"));
    const below = el("tr", {}, place);
    const toggle = ({ target }) => {
      if (!target.open) return below.remove();
      const row = target.closest("tr");
      place.colSpan = row.cells.length;
      row.after(below);
      return loadLineage(place, version);
    };
    return el("details", { ontoggle: toggle }, el("summary", { "aria-label": `Lineage of version ${version.number}, in the next row` }, "show"));
  }

  async function loadLineage(place, version) {
    try {
      const run = await ask("data/run", { dag_id: pipeline.dag_id, run_id: version.run_id });
      place.replaceChildren(notices(run.notices) ?? "", lineage(run, runAddress(version.run_id), window.location.search));
    } catch (error) {
      place.replaceChildren(notices([error.message]));
    }
  }

  function buttons(version, serving, isServing) {
    const found = [];
    const button = (label, action, details, main) => found.push(el("button", { type: "button", class: `plain${main ? " main" : ""}`, onclick: () => confirm(label, action, version, details) }, label));
    if (pipeline.may_edit && version.approval !== "Approved") button("Approve", "approve", "It may be deployed then; the deployment DAG does that when it is the newest.", version.approval === "PendingManualApproval");
    if (pipeline.may_edit && version.approval !== "Rejected") button("Reject", "reject", isServing ? "It serves now: the next deployment puts another approved version in its place. Without one it goes on serving, and each deployment fails." : "It cannot be deployed then.");
    if (pipeline.may_deploy && version.approval === "Approved" && version.status === "Completed" && !isServing) {
      const isBack = serving?.number && version.number < serving.number;
      button(isBack ? "Roll back to this" : "Deploy", "deploy", `This starts ${pipeline.deployment_dag_id} with version ${version.number}: it deploys the version, sends it rows that evaluation has predicted, and flips back if it answers otherwise.`);
    }
    return found;
  }

  function confirm(label, action, version, details) {
    const comment = el("textarea", { rows: 3, maxlength: 500, required: true, id: "comment" });
    const error = el("p", { class: "error", role: "alert" });
    const go = el("button", { type: "button", class: "plain main" }, label);
    const dialog = el("dialog", { "aria-labelledby": "dialog-title" },
      el("h2", { id: "dialog-title" }, `${label}: version ${version.number} of snapshot ${version.snapshot}`),
      el("p", {}, details),
      el("label", { for: "comment" }, "Why? Your name and this comment are kept."),
      comment, error,
      el("div", { class: "row" }, go, el("button", { type: "button", class: "plain", onclick: () => dialog.close() }, "Cancel")));
    go.addEventListener("click", async () => {
      const wish = { version: version.number, comment: comment.value.trim() };
      if (!wish.comment) {
        error.textContent = "Say why.";
        comment.focus();
        return;
      }
      if (action !== "deploy") wish.seen = version.approval;
      go.disabled = true;
      try {
        report(action, version, await act(action, pipeline.dag_id, wish));
        dialog.close();
        await Promise.all([load(), changed()]);
      } catch (problem) {
        error.textContent = problem.message;
        go.disabled = false;
      }
    });
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    comment.focus();
  }

  function report(action, version, answer) {
    if (action !== "deploy") {
      said.replaceChildren(`Version ${version.number} is ${approval(answer.approval)} now.`);
      return;
    }
    said.replaceChildren(
      `The deployment of version ${version.number} has started: `,
      airflowLink(answer.run_id, "dags", answer.dag_id, "runs", answer.run_id),
      answer.is_paused ? ". The DAG is paused, so it waits until somebody unpauses it." : ".");
  }

  load();
  return {
    element,
    judgeBy: (path) => {
      if (!path || path === usual) return;
      usual = path;
      if (answer) show(answer);
    },
  };
}

// The registry has a metric by its short name, or where two would be called the same by its path.
function measure({ metadata }, headline) {
  const path = metadata.headline ?? headline;
  const told = metadata[path] ?? metadata[lastName(path)];
  if (told === undefined || !Number.isFinite(Number(told))) return "";
  return path === headline ? number(told) : `${lastName(path)} ${number(told)}`;
}

function servingSentence(serving) {
  if (!serving) return el("p", { id: "serving" }, "What serves now could not be read.");
  const { endpoint_name: name, status, number: version, is_verified: verified, approval: said } = serving;
  if (!status) return el("p", { id: "serving" }, `The endpoint ${name} does not exist yet: nothing serves.`);
  if (!version) {
    return el("p", { id: "serving" }, `The endpoint ${name} is ${status}; no version of this registry serves.`);
  }
  return el("p", { id: "serving" }, `The endpoint ${name} is ${status} with `, el("strong", {}, `version ${version}`), verified ? ", verified." : "; it is not verified.",
    said === "Approved" ? null : el("strong", {}, ` It serves though it is ${said}: approve or deploy another.`));
}
