// Leads from a pipeline to any other, and to all of them.

import { el } from "./elements.js";

export function pipelineChooser(pipeline, pipelines, addressOf) {
  const go = ({ target }) => window.location.assign(addressOf(target.value ? { dag_id: target.value } : {}));
  return el("label", {}, "Pipeline ",
    el("select", { onchange: go },
      el("option", { value: "", selected: !pipeline }, "all"),
      pipelines.map((item) => el("option", { value: item.dag_id, selected: item === pipeline }, item.name))));
}
