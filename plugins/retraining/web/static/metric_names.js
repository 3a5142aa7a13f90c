// What metrics are called where there is little room: the rule of `names` in gate/report.py, told
// again for a page that learns its rows bit by bit.

const STEP = /\.?([^.[\]'"\s]+)|\[(\d+)\]|\[(['"])([^\n]*?)\3\]/g;

// The last name of a path, which may lead to a leaf or to its value: `b` of `a.b` and of `a.b.value`.
export function lastName(path) {
  const steps = [...path.matchAll(STEP)].map(([whole, name, , , key]) => name || key || whole);
  if (steps.length > 1 && steps.at(-1) === "value") steps.pop();
  // An index alone says nothing.
  const last = steps.findLastIndex((step) => !step.startsWith("["));
  return steps.slice(Math.max(last, 0)).join("") || path;
}

// Two that would have the same name keep their paths.
export function metricNames(paths) {
  const kept = [...new Set(paths)];
  const count = new Map();
  for (const name of kept.map(lastName)) count.set(name, (count.get(name) ?? 0) + 1);
  return new Map(kept.map((path) => [path, count.get(lastName(path)) > 1 ? path : lastName(path)]));
}

// The names of all metrics that rows have, by path, those that a gate judges by first.
export function namesIn(rows) {
  return metricNames([
    ...rows.flatMap((row) => (row.metric ? [row.metric.path] : [])),
    ...rows.flatMap((row) => [...Object.keys(row.metrics), ...Object.keys(row.unusable)]),
  ]);
}

// A report may call a metric `constructor`, which every object has.
export const valueOf = (row, path) => (Object.hasOwn(row.metrics, path) ? row.metrics[path] : undefined);

export const wordOf = (row, path) => (Object.hasOwn(row.unusable, path) ? row.unusable[path] : undefined);
