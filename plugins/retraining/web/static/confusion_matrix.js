// How often which label was taken for which: counts that a shade repeats, never the shade alone.

import { el, whole } from "./elements.js";
import { scrollRegion } from "./scroll_region.js";

export function confusionMatrix({ labels, others, counts }) {
  const names = labels.map((label) => label || "(empty)");
  if (others) names.push(`others (${others} labels)`);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const columns = names.map((_, at) => sum(counts.map((row) => row[at])));
  const isRight = (row, at) => row === at && row < labels.length;
  const right = sum(labels.map((_, at) => counts[at][at]));
  const all = sum(columns);
  const head = (scope, content) => el("th", { scope, class: scope === "col" ? "number" : null }, content);
  const share = (part, total) => el("td", { class: "number quiet" }, total ? `${Math.round((100 * part) / total)} %` : "");
  // Labels that are counted together may have been taken for each other.
  const agreed = others ? el("td") : share(right, all);

  function cell(count, row, at) {
    const look = isRight(row, at) ? " right" : count ? "" : " quiet";
    const found = el("td", { class: `number${look}` }, whole(count));
    // By the share of the row, as labels are seldom equally frequent.
    found.style.setProperty("--share", count / (sum(counts[row]) || 1));
    return found;
  }

  return el("figure", { class: "matrix" },
    scrollRegion("Confusion matrix",
      el("table", {},
        el("thead", {},
          el("tr", {}, head("col", "actual ↓ predicted →"), names.map((name) => head("col", name)), head("col", "found"))),
        el("tbody", {},
          counts.map((row, number) => el("tr", {}, head("row", names[number]), row.map((count, at) => cell(count, number, at)),
            number < labels.length ? share(row[number], sum(row)) : el("td"))),
          el("tr", {}, head("row", "right"), names.map((_, at) => (at < labels.length ? share(counts[at][at], columns[at]) : el("td"))),
            agreed)))),
    el("figcaption", { class: "quiet" }, "Each row counts the test rows that have its label, by the label that was predicted for them; framed where the two agree. Found: the share of a label's rows that were predicted as it. Right: the share of the rows predicted as a label that have it."));
}
