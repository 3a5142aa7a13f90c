// A pipeline's history: chart, table, versions.

import { differenceChart } from "./champion_view.js";
import { el, notices } from "./elements.js";
import { historyChart } from "./history_chart.js";
import { pipelineChooser } from "./pipeline_chooser.js";
import { runTable } from "./run_table.js";
import { ask } from "./server.js";
import { versionsView } from "./versions_view.js";

// The first answer is small, so that something is there at once; the rest follows.
const FIRST = 50;
const MORE = 100;
const MOST = 1_000;

export function overview(pipeline, pipelines, addressOf) {
  const runAddress = (runId) => addressOf({ dag_id: pipeline.dag_id, run_id: runId });
  const said = el("div");
  const count = el("span", { class: "quiet" }, "Loading …");
  const chart = historyChart((runId) => window.location.assign(runAddress(runId)));
  const difference = differenceChart();
  const table = runTable(pipeline.dag_id, runAddress, (first, second) => addressOf({ dag_id: pipeline.dag_id, run_id: first, beside: second }));
  const versions = versionsView(pipeline, runAddress, load);
  const element = el("div", {},
    el("div", { class: "head" }, el("h1", {}, "Model quality: ", pipeline.name), pipelineChooser(pipeline, pipelines, addressOf)),
    said,
    el("p", {}, count),
    chart.element,
    el("p", { class: "quiet" }, "Bars: the metric ± 1.96 standard deviations (95 %). Runs without a value stand at the lower edge; a value far from all others stands at an edge, too, with an arrow and its number. Click a run to see why."),
    difference.element,
    el("h2", {}, "Runs"),
    table.element,
    versions.element);

  async function load() {
    const rows = new Map();
    const sentences = [];
    let total = Infinity;
    let limit = FIRST;
    for (let offset = 0; offset < Math.min(total, MOST); ) {
      let answer;
      try {
        answer = await ask("data/runs", { dag_id: pipeline.dag_id, offset, limit });
      } catch (error) {
        sentences.push(error.message);
        break;
      }
      total = answer.total;
      for (const row of answer.rows) rows.set(row.run_id, row);
      sentences.push(...answer.notices);
      const isFirst = offset === 0;
      offset += limit;
      limit = MORE;
      if (isFirst || offset >= Math.min(total, MOST)) show();
      // Silence now would be silence for the rest, too: each page would cost seconds.
      if (answer.notices.length) break;
    }
    show();

    function show() {
      const found = [...rows.values()];
      said.replaceChildren(notices(sentences) ?? "");
      count.textContent = total === Infinity ? "No run could be read."
        : total === 0 ? "There is no run yet."
        : found.length < total ? `The newest ${found.length} of ${total} runs.` : `${total} runs.`;
      chart.show(found);
      difference.show(found);
      table.show(found);
      versions.judgeBy(found.find((row) => row.metric)?.metric.path);
    }
  }

  // The chart needs to be on the page to know its size.
  queueMicrotask(load);
  return element;
}
