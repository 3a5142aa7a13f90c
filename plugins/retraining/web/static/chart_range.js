// Which part of its values a chart shows: one that is far from the others must not squeeze them.

// Of what the bulk and the limit take up together, so much to either side has its place, too.
const REACH = 1;
// John Tukey's: values further from the middle half than so many times its width are odd.
const FENCE = 1.5;
// Values that are all the same have no width.
const LEAST_WIDTH = 0.05;

// `values` are what is drawn, `limits` what was asked of each, and `ends` those of the intervals
// of the values. All are finite.
export function rangeOf(values, limits, ends = []) {
  const known = values.length ? values : limits;
  if (known.length === 0) return { low: 0, high: 1 };
  const [first, middle, third] = [0.25, 0.5, 0.75].map((share) => quantile(known, share));
  const fence = FENCE * (third - first);
  const bulk = known.filter((value) => value >= first - fence && value <= third + fence);
  // The usual limit: one that was set once for a try squeezes, too.
  const core = [...bulk, ...(limits.length ? [sorted(limits)[Math.floor(limits.length / 2)]] : [])];
  const [low, high] = [lowest(core), highest(core)];
  const reach = REACH * Math.max(high - low, LEAST_WIDTH * Math.abs(middle)) || Infinity;
  const near = [...known, ...limits].filter((value) => value >= low - reach && value <= high + reach);
  const kept = [...near, ...ends.map((end) => Math.min(Math.max(end, low - reach), high + reach))];
  return { low: lowest(kept), high: highest(kept) };
}

function quantile(values, share) {
  const order = sorted(values);
  const at = (order.length - 1) * share;
  const [below, above] = [order[Math.floor(at)], order[Math.ceil(at)]];
  return below + (above - below) * (at % 1);
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const lowest = (values) => values.reduce((a, b) => Math.min(a, b));
const highest = (values) => values.reduce((a, b) => Math.max(a, b));
