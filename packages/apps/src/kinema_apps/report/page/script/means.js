// Means of every number and model, with their intervals.
import { data, models, subsets } from "./data.js";
import { breakable, byId, draw, heads, make, scrolling } from "./elements.js";
import { meaning, number, titled } from "./words.js";

function best(rows, better) {
  const there = rows.filter((row) => row && row.value !== null);
  if (better === "neither" || there.length < 2) return null;
  const sign = better === "less" ? 1 : -1;
  const sorted = [...there].sort((a, b) => sign * (a.value - b.value));
  const edge = better === "less" ? "high" : "low";
  const other = better === "less" ? "low" : "high";
  const apart = sorted.slice(1).every((row) => sign * (row[other] - sorted[0][edge]) > 0);
  return apart ? sorted[0] : null;
}

function whisker(row, low, high) {
  const span = high - low || 1;
  const x = (value) => 4 + (92 * (value - low)) / span;
  return draw("svg", { class: "whisker", viewBox: "0 0 100 10", "aria-hidden": "true", preserveAspectRatio: "none" },
    draw("line", { x1: x(row.low), x2: x(row.high), y1: 5, y2: 5 }),
    draw("circle", { cx: x(row.value), cy: 5, r: 3.5 }));
}

function meanCell(row, winner, low, high) {
  if (!row || row.value === null) return make("td", {}, "n/a", make("small", {}, row?.reason ?? ""));
  const cell = make("td", {}, make("b", {}, number(row.value)));
  if (row === winner) cell.append(make("span", { class: "best" }, "best"));
  const missing = row.missing ? `, ${row.missing} missing` : "";
  cell.append(make("small", {}, `${number(row.low)} to ${number(row.high)}`), whisker(row, low, high),
    make("small", {}, `N = ${row.count}${missing}`));
  return cell;
}

function summaryTable(subset) {
  const rows = data.summary.filter((row) => row.subset === subset);
  const body = make("tbody");
  for (const each of data.numbers) {
    const found = models.map((model) => rows.find((r) => r.model === model && r.metric === each.name));
    if (found.every((row) => !row)) continue;
    const there = found.filter((row) => row && row.value !== null);
    const low = Math.min(...there.map((row) => row.low));
    const high = Math.max(...there.map((row) => row.high));
    const winner = best(found, each.better);
    const title = make("th", { scope: "row" }, ...breakable(titled(each)));
    if (each.better !== "neither") title.append(make("small", {}, meaning(each.better)));
    if (each.stands_in_for) {
      title.append(make("small", {}, `stands in for ${each.stands_in_for}; not comparable with it`));
    }
    body.append(make("tr", {}, title, ...found.map((row) => meanCell(row, winner, low, high))));
  }
  const table = make("table", {}, make("thead", {}, heads(["Number", ...models])), body);
  return [make("h3", {}, `${subset} (${data.subsets[subset]} items)`), scrolling(`Means of ${subset}`, table)];
}

export function showSummary() {
  const chosen = byId("subset").value;
  const shown = chosen ? [chosen] : subsets;
  byId("tables").replaceChildren(...shown.flatMap(summaryTable));
}
