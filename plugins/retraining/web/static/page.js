// Which view the address asks for: all pipelines, one DAG, one run or two.

import { followTheme } from "./colours.js";
import { compareView } from "./compare_view.js";
import { el, notices } from "./elements.js";
import { overview } from "./overview.js";
import { runView } from "./run_view.js";
import { address, ask } from "./server.js";
import { startPage } from "./start_page.js";

const page = document.getElementById("page");
const asked = new URLSearchParams(window.location.search);
const addressOf = (parameters) => address("./", parameters);

async function view() {
  const pipelines = await ask("data/pipelines");
  const dagId = asked.get("dag_id");
  if (!dagId && pipelines.length) return startPage(pipelines, addressOf);
  const pipeline = pipelines.find((item) => [item.dag_id, item.deployment_dag_id].includes(dagId));
  if (!pipeline) {
    return el("div", {}, el("h1", {}, "Model quality"),
      el("p", { class: "quiet" }, dagId
        ? `There is nothing to show here: ${dagId} trains and deploys no model.`
        : "There is nothing to show: no DAG that you may see has the tag “retraining” and that of a pipeline."));
  }
  const runId = dagId === pipeline.dag_id ? asked.get("run_id") : null;
  const beside = runId ? asked.get("beside") : null;
  if (beside) return compareView(pipeline, [runId, beside], addressOf);
  return runId
    ? runView(pipeline, runId, addressOf({ dag_id: pipeline.dag_id }))
    : overview(pipeline, pipelines, addressOf);
}

followTheme();
try {
  page.replaceChildren(await view());
} catch (error) {
  page.replaceChildren(el("h1", {}, "Model quality"), notices([error.message]));
}
page.setAttribute("aria-busy", "false");
reveal();
window.addEventListener("hashchange", reveal);

function reveal() {
  const target = document.getElementById(window.location.hash.slice(1));
  if (!target) return;
  if (target.matches("details")) target.open = true;
  target.scrollIntoView();
}
