// The page: its head, its end, and what happens when a field changes.
import { showClips } from "./clips.js";
import { data, models, perVideo, subsets } from "./data.js";
import { byId, heads, make, options } from "./elements.js";
import { fewItems, moreItems, showItems } from "./items.js";
import { showSummary } from "./means.js";
import { showPairs } from "./pairs.js";
import { follow, playAll, setPaused, still, togglePaused } from "./players.js";
import { showPublished } from "./published.js";
import { showSpread } from "./spread.js";
import { meaning } from "./words.js";

function head() {
  const items = new Set(data.items.map(([subset, key]) => `${subset}/${key}`)).size;
  const parts = [
    `${items} items of ${data.benchmark}`,
    `${data.seeds.length} seed${data.seeds.length > 1 ? "s" : ""} each`,
    `${models.length} model${models.length > 1 ? "s" : ""}: ${models.join(", ")}`,
  ];
  byId("about").textContent = `${parts.join("; ")}.`;
  for (const text of data.notes) {
    document.querySelector("header").append(make("p", { class: "note" }, text));
  }
  for (const section of document.querySelectorAll("main > section:not([hidden])")) {
    const title = section.querySelector("h2").textContent;
    document.querySelector("nav").append(make("a", { href: `#${section.id}` }, title));
  }
}

function showFaults() {
  const top = heads(["Stage", "Part", "Item", "Model", "Metric", "Why"]);
  const body = make("tbody", {}, ...data.faults.map((fault) => make("tr", {}, make("td", {}, fault.stage),
    make("td", {}, fault.subset), make("td", {}, fault.item),
    make("td", {}, fault.model + (fault.seed === null ? "" : `, seed ${fault.seed}`)),
    make("td", {}, fault.metric), make("td", { class: "words" }, fault.reason))));
  byId("failed").replaceChildren(make("thead", {}, top), body);
}

function showMeanings() {
  for (const each of data.metrics) {
    const words = [each.summary, meaning(each.better) && `${meaning(each.better)[0].toUpperCase()}${meaning(each.better).slice(1)}.`];
    if (each.published) words.push(`It is ${each.published} as published.`);
    if (each.stands_in_for) words.push(`It stands in for ${each.stands_in_for}, and cannot be compared with its published numbers.`);
    words.push(`From ${each.distribution} ${each.version}.`);
    byId("meanings").append(make("dt", {}, each.name), make("dd", {}, words.filter(Boolean).join(" ")));
  }
}

function everything() {
  showSummary();
  if (data.comparisons.length) showPairs();
  showSpread();
  if (data.clips.length) showClips();
  showItems();
}

byId("published").hidden = !data.published.length;
byId("paired").hidden = !data.comparisons.length;
byId("clips").hidden = !data.clips.length;
byId("faults").hidden = !data.faults.length;
byId("chosen").textContent = data.chosen;
options(byId("subset"), subsets.map((name) => [name, name]), subsets.length > 1 ? "all" : "");
options(byId("metric"), perVideo.map((each) => [each.name, each.name]));
options(byId("pair"), data.comparisons.map((pair, index) => [index, `${pair.a} and ${pair.b}`]));
options(byId("clip-model"), models.map((name) => [name, name]));
if (data.primary) byId("metric").value = data.primary;
setPaused(still);
head();
showPublished();
showFaults();
showMeanings();
everything();
follow();

let later;
byId("filter").addEventListener("input", () => {
  clearTimeout(later);
  later = setTimeout(() => {
    fewItems();
    showSpread();
    if (data.clips.length) showClips();
    showItems();
  }, 150);
});
byId("subset").addEventListener("change", () => { fewItems(); everything(); });
byId("metric").addEventListener("change", () => { showSpread(); showClips(); showItems(); });
byId("pair").addEventListener("change", showPairs);
byId("clip-model").addEventListener("change", showClips);
byId("clip-order").addEventListener("change", showClips);
byId("speed").addEventListener("change", playAll);
byId("pause").addEventListener("click", togglePaused);
for (const kind of ["drawn", "obtained"]) {
  byId(`show-${kind}`).addEventListener("change", (event) =>
    byId("cards").classList.toggle(`no-${kind}`, !event.target.checked));
}
byId("more").addEventListener("click", moreItems);
let wide = innerWidth;
addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; showSpread(); } });
