// The table behind the chart: sorted, filtered, in pages, and as a file.

import { VERDICTS } from "./colours.js";
import { columnChoice } from "./column_choice.js";
import { apart, approval, duration, el, number, whole } from "./elements.js";
import { namesIn, valueOf, wordOf } from "./metric_names.js";
import { scrollRegion } from "./scroll_region.js";
import { address, ask } from "./server.js";

const ROWS = 25;
// So many metrics there is room for at once, those that a gate judges by first.
const METRICS = 4;

export function runTable(dagId, runAddress, pairAddress) {
  const element = el("div");
  const choice = columnChoice(dagId, draw);
  const state = { rows: [], key: "snapshot", down: true, hidden: new Set(), page: 0, jobs: {}, pair: [], spared: 0 };

  function columns() {
    const metrics = [...namesIn(state.rows)];
    // A run has its steps in the order in which they started; the one with the most has it for all.
    const steps = [...new Set([...state.rows].sort((a, b) => b.jobs.length - a.jobs.length).flatMap((row) => row.jobs))];
    return [
      { key: "snapshot", label: "Snapshot", fixed: true, value: (row) => row.snapshot, show: (row) => runLink(row, row.snapshot ?? "not settled") },
      { key: "verdict", label: "Verdict", usual: true, value: (row) => row.verdict, show: (row) => [verdict(row.verdict), fault(row)] },
      { key: "run_id", label: "Run", usual: true, value: (row) => row.run_after, show: (row) => el("span", { title: row.run_id }, row.run_type === "backfill" ? "backfill" : row.run_type, " ", el("span", { class: "quiet" }, row.run_after.slice(0, 16).replace("T", " "))) },
      ...metrics.map(([path, name], at) => ({ key: `metric ${name}`, label: name, number: true, usual: at < METRICS, value: (row) => valueOf(row, path), show: (row) => metric(row, path) })),
      { key: "rows", label: "Rows", number: true, usual: true, value: (row) => row.rows.snapshot, show: (row) => whole(row.rows.snapshot) },
      { key: "version", label: "Version", number: true, usual: true, value: (row) => row.version, show: (row) => row.version ?? "" },
      { key: "approval", label: "Approval", usual: true, value: (row) => row.approval, show: (row) => approval(row.approval) ?? (row.version ? "unknown" : "") },
      { key: "serving", label: "Deployed", usual: true, value: (row) => (row.is_serving ? 1 : 0), show: (row) => (row.is_serving ? el("span", { class: "tag serving" }, "serves now") : row.is_serving === null && row.version ? "unknown" : "") },
      { key: "seconds", label: "Whole run", number: true, usual: true, value: (row) => row.seconds, show: (row) => duration(row.seconds) },
      ...steps.map((step) => ({ key: `step ${step}`, label: step, number: true, lazy: true, plain: true, value: (row) => job(row, step)?.seconds, show: (row) => stepCell(row, step) })),
    ];
  }

  // What there is no room for, the least important first: metrics but the first, rows, seconds.
  function withoutSpared(all) {
    const least = [...all.filter((column) => column.key.startsWith("metric ")).slice(1).reverse(), ...all.filter(({ key }) => ["rows", "seconds"].includes(key))];
    const spared = least.filter((column) => column.usual).slice(0, state.spared);
    return all.map((column) => (spared.includes(column) ? { ...column, usual: false } : column));
  }

  // Whoever has chosen columns has them all, and is told where there are more.
  function fit() {
    const region = element.querySelector(".scroll");
    if (region.scrollWidth <= region.clientWidth || choice.isMade() || state.spared > METRICS) return;
    state.spared += 1;
    draw();
  }

  function refit() {
    if (window.innerWidth === state.width) return;
    Object.assign(state, { width: window.innerWidth, spared: 0 });
    draw();
  }

  // The run's own page says all of it.
  const fault = ({ fault: said }) => (said ? el("div", {}, el("span", { class: "tag", title: said }, "partly unreadable")) : null);
  const job = (row, step) => state.jobs[row.run_id]?.[step];
  const runLink = (row, label) => el("a", { href: runAddress(row.run_id) }, label);

  function pairBox(row) {
    const isChosen = state.pair.includes(row);
    const change = (event) => {
      state.pair = event.target.checked ? [...state.pair, row] : state.pair.filter((one) => one !== row);
      draw();
    };
    return el("input", { type: "checkbox", "data-focus": `pair ${row.run_id}`, "aria-label": `Compare ${row.run_id}`, checked: isChosen, disabled: !isChosen && state.pair.length === 2, onchange: change });
  }

  // The earlier snapshot on the left, whichever was chosen first.
  function pairLink() {
    if (state.pair.length < 2) return el("span", { class: "quiet" }, state.pair.length ? "Choose a second run to compare with." : "Choose two runs to compare them.");
    const [first, second] = [...state.pair].sort((a, b) => `${a.snapshot} ${a.run_after}`.localeCompare(`${b.snapshot} ${b.run_after}`));
    return el("a", { class: "plain main", href: pairAddress(first.run_id, second.run_id) }, `Compare ${first.snapshot ?? first.run_id} with ${second.snapshot ?? second.run_id}`);
  }

  function metric(row, path) {
    const word = wordOf(row, path);
    return word ? el("span", { class: "quiet" }, word) : number(valueOf(row, path));
  }

  function stepCell(row, step) {
    if (!row.jobs.includes(step)) return "";
    const found = job(row, step);
    if (!found) return state.jobs[row.run_id] ? "unknown" : "…";
    const cost = found.cost === null ? null : el("span", { class: "quiet" }, ` $${found.cost.toFixed(4)}`);
    return el("span", {}, duration(found.seconds), cost);
  }

  function visible() {
    const { value } = columns().find((column) => column.key === state.key) ?? columns()[0];
    const missing = (found) => found === null || found === undefined || found === "";
    const compare = (a, b) => {
      const [left, right] = [value(a), value(b)];
      if (missing(left) || missing(right)) return missing(left) - missing(right);
      const order = typeof left === "number" ? left - right : String(left).localeCompare(String(right));
      return state.down ? -order : order;
    };
    return state.rows.filter((row) => !state.hidden.has(row.verdict)).sort(compare);
  }

  function draw() {
    const focused = document.activeElement?.dataset?.focus;
    const scrolled = element.querySelector(".scroll")?.scrollLeft ?? 0;
    const rows = visible();
    const pages = Math.max(Math.ceil(rows.length / ROWS), 1);
    state.page = Math.min(state.page, pages - 1);
    const shown = rows.slice(state.page * ROWS, (state.page + 1) * ROWS);
    const all = withoutSpared(columns());
    const chosen = [{ key: "pair", label: "Compare", plain: true, show: pairBox }, ...choice.shown(all)];
    element.replaceChildren(
      filters(rows.length),
      el("div", { class: "row" }, choice.control(all), pairLink()),
      scrollRegion("Runs",
        el("table", {},
          el("thead", {}, el("tr", {}, chosen.map(header))),
          el("tbody", {}, shown.map((row) =>
            el("tr", {}, chosen.map((column) => el("td", { class: column.number ? "number" : "key" }, column.show(row)))))),
        ),
      ),
      pager(pages),
      ...costNote(shown),
    );
    element.querySelector(".scroll").scrollLeft = scrolled;
    if (focused) element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    if (chosen.some((column) => column.lazy)) loadJobs(shown);
    fit();
  }

  function header(column) {
    const isSorted = column.key === state.key;
    const sort = () => {
      state.down = isSorted ? !state.down : Boolean(column.number);
      state.key = column.key;
      draw();
    };
    return el("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": isSorted ? (state.down ? "descending" : "ascending") : null },
      column.plain ? column.label : el("button", { type: "button", "data-focus": `sort ${column.key}`, onclick: sort }, column.label, isSorted ? (state.down ? " ↓" : " ↑") : ""));
  }

  function filters(count) {
    const counts = Map.groupBy ? Map.groupBy(state.rows, (row) => row.verdict) : new Map();
    const boxes = Object.entries(VERDICTS)
      .filter(([name]) => state.rows.some((row) => row.verdict === name))
      .map(([name]) =>
        el("label", {},
          el("input", {
            type: "checkbox", "data-focus": `filter ${name}`, checked: !state.hidden.has(name),
            onchange: (event) => {
              state.hidden[event.target.checked ? "delete" : "add"](name);
              state.page = 0;
              draw();
            },
          }), " ", verdict(name), ` ${counts.get(name)?.length ?? ""}`));
    const wanted = Object.keys(VERDICTS).filter((name) => !state.hidden.has(name));
    const file = address("runs.csv", { dag_id: dagId, verdict: state.hidden.size ? wanted : [] });
    return el("div", { class: "row" }, boxes,
      el("span", { class: "quiet" }, `${count} of ${state.rows.length} runs`),
      el("a", { class: "plain", href: file, download: "" }, "Download CSV"));
  }

  function pager(pages) {
    if (pages === 1) return el("span");
    const turn = (label, to) => el("button", { type: "button", class: "plain", "data-focus": `page ${label}`, disabled: to < 0 || to >= pages, onclick: () => { state.page = to; draw(); } }, label);
    return el("div", { class: "row" }, turn("Newer", state.page - 1), `page ${state.page + 1} of ${pages}`, turn("Older", state.page + 1));
  }

  function costNote(shown) {
    const found = shown.flatMap((row) => Object.values(state.jobs[row.run_id] ?? {}));
    const types = [...new Set(found.filter((one) => one.cost === null).map((one) => one.instance_type))].filter(Boolean);
    if (types.length === 0) return [];
    return [el("p", { class: "quiet" }, `No cost is estimated: the setting RETRAINING_INSTANCE_PRICES has no price for ${types.join(", ")}.`)];
  }

  async function loadJobs(shown) {
    const wanted = shown.filter((row) => row.jobs.length && !(row.run_id in state.jobs)).map((row) => row.run_id);
    if (wanted.length === 0) return;
    for (const runId of wanted) state.jobs[runId] = undefined;
    let found = {};
    try {
      found = (await ask("data/jobs", { dag_id: dagId, run_id: wanted })).runs;
    } catch {
      // The cells say that it is unknown.
    }
    for (const runId of wanted) state.jobs[runId] = found[runId] ?? {};
    draw();
  }

  window.addEventListener("resize", refit);
  return {
    element,
    show: (rows) => {
      state.rows = rows;
      const pair = state.pair.map(({ run_id: one }) => one);
      state.pair = rows.filter((row) => pair.includes(row.run_id));
      draw();
    },
  };
}

export function verdict(name) {
  const look = VERDICTS[name];
  return el("span", { class: `verdict ${name}` }, el("span", { "aria-hidden": "true" }, `${look.sign} `), look.label);
}

// What the pipeline is shown by, beside what was asked of it.
export function headline({ metric, explanation }) {
  if (!metric) return el("span", { class: "quiet" }, explanation.slice(0, 80));
  const { name, value, sign, threshold } = metric;
  const limit = threshold === null ? null : el("span", { class: "quiet" }, ` wanted ${sign} ${threshold}`);
  return el("span", {}, `${name} ${value === null ? "unknown" : apart(value, threshold)}`, limit);
}
