// All pipelines, each in one line: its last night, the verdict, what serves and since when.

import { el, notices } from "./elements.js";
import { pipelineChooser } from "./pipeline_chooser.js";
import { headline, verdict } from "./run_table.js";
import { scrollRegion } from "./scroll_region.js";
import { ask } from "./server.js";

const HEADS = ["Pipeline", "Last night", "Verdict", "Headline", "Serves now", "Since (UTC)"];

export function startPage(pipelines, addressOf) {
  const place = el("div", {}, el("p", { class: "quiet" }, "Loading …"));
  const ofDag = (item) => addressOf({ dag_id: item.dag_id });

  async function load() {
    try {
      const { states, notices: sentences } = await ask("data/start");
      const found = new Map(states.map((state) => [state.dag_id, state]));
      place.replaceChildren(notices(sentences) ?? "",
        scrollRegion("Last nights", el("table", {},
          el("thead", {}, el("tr", {}, HEADS.map((label) => el("th", { scope: "col" }, label)))),
          el("tbody", {}, pipelines.map((item) => row(item, found.get(item.dag_id)))))));
    } catch (error) {
      place.replaceChildren(notices([error.message]),
        el("ul", {}, pipelines.map((item) => el("li", {}, el("a", { href: ofDag(item) }, item.name)))));
    }
  }

  function row(item, state) {
    return el("tr", {},
      el("th", { scope: "row", class: "key" }, el("a", { href: ofDag(item) }, item.name)),
      ...(state?.night ? night(item, state.night) : [el("td", { class: "quiet", colspan: 3 }, "no run yet")]),
      el("td", { class: "key" }, serves(state?.serving)),
      el("td", { class: "key" }, state?.serving?.number ? moment(state.since) ?? "unknown" : ""));
  }

  function night(item, run) {
    const address = addressOf({ dag_id: item.dag_id, run_id: run.run_id });
    return [
      el("td", { class: "key" },
        el("a", { href: address }, run.snapshot ?? moment(run.run_after)),
        // A scheduled night is what one expects.
        run.run_type === "scheduled" ? null : el("span", {}, " ", el("span", { class: "tag" }, run.run_type))),
      el("td", { class: "key" }, verdict(run.verdict)),
      el("td", { class: "key" }, headline(run)),
    ];
  }

  load();
  return el("div", {},
    el("div", { class: "head" }, el("h1", {}, "Model quality"), pipelineChooser(null, pipelines, addressOf)),
    el("p", { class: "quiet" }, pipelines.length === 1 ? "1 pipeline." : `${pipelines.length} pipelines.`),
    place);
}

function serves(serving) {
  if (!serving) return "unknown";
  if (!serving.status) return "nothing: no endpoint yet";
  if (!serving.number) return `no version of this registry (${serving.status})`;
  const doubts = [
    serving.is_verified ? null : "not verified",
    serving.approval === "Approved" ? null : `though it is ${serving.approval}`,
    serving.status === "InService" ? null : serving.status,
  ].filter(Boolean);
  return el("span", {}, el("strong", {}, `version ${serving.number}`), doubts.length ? `, ${doubts.join(", ")}` : ", verified");
}

const moment = (time) => (time ? new Date(time).toISOString().slice(0, 16).replace("T", " ") : null);
