// Every item's numbers, sorted by any column.
import { data, metrics, models, subsets, visible } from "./data.js";
import { breakable, byId, make } from "./elements.js";
import { number, titled } from "./words.js";

const ROWS = 50;
const clipped = new Set(data.clips.map((clip) => clip.index));

let sorting = { column: "item", down: false };
let rows = ROWS;

export function showItems() {
  const name = byId("metric").value;
  const shown = visible();
  const scores = data.scores[name] ?? {};
  const value = (index, column) => (column === "item" ? index : scores[column]?.[index]);
  shown.sort((a, b) => {
    const [first, second] = [value(a, sorting.column), value(b, sorting.column)];
    const [lacks, lacked] = [typeof first !== "number", typeof second !== "number"];
    if (lacks || lacked) return lacks - lacked;
    return (sorting.down ? second - first : first - second) || a - b;
  });
  const sorter = (column, text) => {
    const cell = make("th", { scope: "col" });
    if (sorting.column === column) cell.setAttribute("aria-sort", sorting.down ? "descending" : "ascending");
    const button = make("button", { type: "button" }, text);
    button.addEventListener("click", () => {
      sorting = { column, down: sorting.column === column && !sorting.down };
      showItems();
      [...byId("scores").querySelectorAll("thead button")].find((each) => each.textContent === text)?.focus();
    });
    cell.append(button);
    return cell;
  };
  const several = data.seeds.length > 1;
  const top = make("tr", {}, sorter("item", "Item"), ...(several ? [make("th", { scope: "col" }, "Seed")] : []),
    ...models.map((model) => sorter(model, model)));
  const body = make("tbody");
  for (const index of shown.slice(0, rows)) {
    const [subset, key, seed] = data.items[index];
    const title = make("th", { scope: "row" });
    if (clipped.has(index)) title.append(make("a", { href: `#clip-${index}` }, ...breakable(key)));
    else title.append(...breakable(key));
    if (subsets.length > 1) title.append(make("small", {}, subset));
    body.append(make("tr", {}, title, ...(several ? [make("td", {}, seed)] : []),
      ...models.map((model) => make("td", {}, number(scores[model]?.[index])))));
  }
  byId("scores").replaceChildren(make("thead", {}, top), body);
  const each = metrics.get(name);
  byId("found").textContent = `${Math.min(rows, shown.length)} of ${shown.length} videos per model, ` +
    `${each ? titled(each) : name}. Names that are links have clips above.`;
  byId("more").hidden = shown.length <= rows;
}

// As many rows as at the start, after the choice of items has changed.
export function fewItems() {
  rows = ROWS;
}

export function moreItems() {
  rows += 4 * ROWS;
  showItems();
}
