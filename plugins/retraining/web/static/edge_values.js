// Writes the value of what stands at a chart's edge beside it, as the axis does not tell it there.

import { colour } from "./colours.js";

const LINE = 13;
const LINES = 3;

// A plugin of Chart.js: a point with `edge`, -1 below and 1 above, has its value in `said`.
export const edgeValues = {
  id: "edgeValues",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea } = chart;
    const taken = [];
    ctx.save();
    ctx.font = "12px system-ui, sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    for (const { edge, said, x, y } of edgePoints(chart)) {
      const text = `${edge < 0 ? "↓" : "↑"} ${said}`;
      const half = ctx.measureText(text).width / 2;
      const middle = Math.min(Math.max(x, chartArea.left + half), chartArea.right - half);
      // Neighbours stand above each other; of more than a few in one place the table tells.
      const line = [...Array(LINES).keys()].find((at) =>
        !taken.some((other) => other.edge === edge && other.line === at && Math.abs(other.middle - middle) < other.half + half + 4));
      if (line === undefined) continue;
      taken.push({ edge, line, middle, half });
      const level = y + edge * (17 + line * LINE);
      ctx.fillStyle = colour("ground", 0.85);
      ctx.fillRect(middle - half - 2, level - LINE / 2, 2 * half + 4, LINE);
      ctx.fillStyle = colour("text");
      ctx.fillText(text, middle, level);
    }
    ctx.restore();
  },
};

function edgePoints(chart) {
  return chart.data.datasets.flatMap((set, number) => {
    if (set.isRing || !chart.isDatasetVisible(number)) return [];
    return set.data.flatMap(({ edge, said }, at) => {
      if (!edge) return [];
      const { x, y } = chart.getDatasetMeta(number).data[at];
      return [{ edge, said, x, y }];
    });
  }).sort((a, b) => a.x - b.x);
}
