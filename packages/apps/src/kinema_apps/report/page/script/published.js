// What papers report, and what was found here.
import { data } from "./data.js";
import { breakable, byId, heads, make, scrolling } from "./elements.js";
import { number } from "./words.js";

const companions = new Map(data.metrics.filter((each) => each.stands_in_for).map((each) => [each.name, each.stands_in_for]));

function here(rows) {
  if (!rows.length) return make("td", {}, make("small", {}, "not evaluated"));
  const cell = make("td", { class: "name" });
  for (const row of rows) {
    const subset = row.subset && data.subsets[row.subset] && rows.length > 1 ? `${row.subset}: ` : "";
    const interval = row.value === null ? row.reason : `${number(row.low)} to ${number(row.high)}, N = ${row.count}`;
    cell.append(make("b", {}, subset + number(row.value)), make("small", {}, interval), make("small", {}, ...breakable(row.metric)));
    if (companions.has(row.offer)) cell.append(make("small", { class: "worse" }, `not ${companions.get(row.offer)}`));
  }
  return cell;
}

function publishedTable(table) {
  const body = make("tbody");
  for (const method of new Set(table.rows.map((row) => row.method))) {
    const line = make("tr", {}, make("th", { scope: "row" }, ...breakable(method)));
    for (const metric of table.metrics) {
      const row = table.rows.find((each) => each.method === method && each.metric === metric);
      line.append(make("td", {}, row.published === null ? "–" : String(row.published)), here(row.here));
    }
    body.append(line);
  }
  const names = table.metrics.flatMap((metric) => [`${metric}, paper`, "here"]);
  return [make("h3", {}, table.source),
    scrolling(table.source, make("table", {}, make("thead", {}, heads(["Method", ...names])), body)),
    make("ul", { class: "quiet" }, ...table.differs.map((words) => make("li", {}, words)))];
}

export function showPublished() {
  byId("papers").replaceChildren(...data.published.flatMap(publishedTable));
}
