// How the videos' numbers are spread: dots, quartiles, median and mean.
import { data, metrics, models, visible } from "./data.js";
import { byId, draw, make } from "./elements.js";
import { colour, number, titled } from "./words.js";

function quantile(sorted, share) {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

function ticks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(at);
  return found;
}

export function showSpread() {
  const each = metrics.get(byId("metric").value);
  if (!each) return;
  const shown = visible();
  const values = models.map((model) => shown.map((index) => data.scores[each.name][model]?.[index])
    .filter((value) => typeof value === "number"));
  const all = values.flat();
  if (!all.length) {
    byId("plot").replaceChildren(make("p", {}, "No item has this number."));
    return;
  }
  const narrow = innerWidth < 640;
  const width = narrow ? 360 : 960, left = narrow ? 8 : 150, row = narrow ? 74 : 58;
  const height = models.length * row + 34;
  const low = Math.min(...all), high = Math.max(...all);
  const x = (value) => left + 12 + ((width - left - 24) * (value - low)) / (high - low || 1);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label":
    `Spread of ${each.name}. ` + models.map((model, index) => values[index].length ?
      `${model}: median ${number(quantile([...values[index]].sort((a, b) => a - b), 0.5))}` : `${model}: none`).join("; ") });
  for (const at of ticks(low, high, narrow ? 4 : 9)) {
    svg.append(draw("line", { class: "grid", x1: x(at), x2: x(at), y1: 4, y2: height - 26 }),
      draw("text", { class: "axis", x: x(at), y: height - 12, "text-anchor": "middle" }, number(at)));
  }
  models.forEach((model, index) => {
    const sorted = [...values[index]].sort((a, b) => a - b);
    const middle = index * row + (narrow ? 46 : 30);
    svg.append(draw("text", narrow ? { x: left, y: middle - 24 } : { x: left - 6, y: middle + 4, "text-anchor": "end" },
      model.length > 22 ? `${model.slice(0, 21)}…` : model));
    sorted.forEach((value, order) => svg.append(draw("circle",
      { class: colour(model), cx: x(value), cy: middle + (((order * 7) % 11) - 5) * 2.4, r: 3.2 })));
    if (!sorted.length) return;
    const [q1, q2, q3] = [0.25, 0.5, 0.75].map((share) => x(quantile(sorted, share)));
    const mean = x(sorted.reduce((sum, value) => sum + value, 0) / sorted.length);
    svg.append(draw("rect", { class: "box", x: q1, y: middle - 16, width: Math.max(0, q3 - q1), height: 32 }),
      draw("line", { class: "median", x1: q2, x2: q2, y1: middle - 16, y2: middle + 16 }),
      draw("path", { class: "mean", d: `M${mean} ${middle - 6}l6 6-6 6-6-6z` }));
  });
  byId("plot").replaceChildren(make("h3", {}, titled(each)), svg);
}
