// Two models, item by item.
import { data, metrics } from "./data.js";
import { breakable, byId, heads, make } from "./elements.js";
import { number, p } from "./words.js";

export function showPairs() {
  const pair = data.comparisons[byId("pair").value || 0];
  const subset = byId("subset").value;
  const names = ["Part", "Number", "Items", "Difference", "d", "Second better in", "p (bootstrap)", "p (sign)", "So"];
  const body = make("tbody");
  for (const row of pair.rows) {
    if (subset && row.subset !== subset) continue;
    const unit = metrics.get(row.metric)?.unit ?? "";
    const verdict = { a: `${pair.a} is better`, b: `${pair.b} is better`, differs: "they differ" }[row.verdict] ?? "not told apart";
    body.append(make("tr", {}, make("td", {}, row.subset), make("td", { class: "name" }, ...breakable(row.metric)), make("td", {}, row.count),
      make("td", {}, `${number(row.difference)} ${unit}`, make("small", {}, row.low === null ? "too few items for an interval" : `${number(row.low)} to ${number(row.high)}`)),
      make("td", {}, row.standardised === null ? "∞" : row.standardised.toFixed(2)),
      make("td", {}, row.better_in === null ? "n/a" : `${row.better_in} of ${row.count}`),
      make("td", {}, p(row.p_bootstrap)), make("td", {}, p(row.p_sign)),
      make("td", { class: `name ${{ a: "worse", b: "better" }[row.verdict] ?? ""}` }, verdict)));
  }
  byId("pairs").replaceChildren(make("thead", {}, heads(names)), body);
}
