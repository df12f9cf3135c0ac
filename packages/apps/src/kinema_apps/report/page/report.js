"use strict";
// All data is in the page; nothing is loaded.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const ROWS = 50;

function make(tag, attributes = {}, ...inside) {
  const found = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") found.className = value;
    else found.setAttribute(key, value);
  }
  found.append(...inside);
  return found;
}

function draw(tag, attributes = {}, ...inside) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...inside);
  return found;
}

function number(value) {
  if (value === null || value === undefined) return "n/a";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return value.toPrecision(3).replace(/^(-?\d+)\.?e\+\d+$/, () => String(Math.round(value)));
}

const p = (value) => (value < 0.001 ? "< 0.001" : value.toFixed(3));
const models = data.models.map((model) => model.name);
const metrics = new Map(data.numbers.map((each) => [each.name, each]));
const arrow = (better) => ({ less: " ↓", more: " ↑" })[better] ?? "";
const meaning = (better) => ({ less: "less is better", more: "more is better" })[better] ?? "";
// Names break where they have a dash, not within a word.
const breakable = (text) => text.split(/(?<=[-[])/).flatMap((part) => [part, make("wbr")]);
const titled = (each) => each.name + (each.unit ? ` (${each.unit})` : "") + arrow(each.better);
const colour = (model) => `c${models.indexOf(model) % 6}`;
const subsets = Object.keys(data.subsets);
const perVideo = data.numbers.filter((each) => data.scores[each.name]);

function options(select, values, first) {
  if (first) select.append(make("option", { value: "" }, first));
  for (const [value, text] of values) select.append(make("option", { value }, text));
}

// -- the head -------------------------------------------------------------------------------------

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

// -- means ----------------------------------------------------------------------------------------

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
  const top = make("tr", {}, make("th", { scope: "col" }, "Number"),
    ...models.map((model) => make("th", { scope: "col" }, model)));
  const region = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Means of ${subset}` },
    make("table", {}, make("thead", {}, top), body));
  return [make("h3", {}, `${subset} (${data.subsets[subset]} items)`), region];
}

function published() {
  if (!data.published.length) return [];
  const body = make("tbody");
  for (const row of data.published) {
    body.append(make("tr", {}, make("th", { scope: "row" }, row.metric), make("td", {}, row.method),
      make("td", {}, row.table), make("td", {}, number(row.value))));
  }
  const top = make("tr", {}, ...["Metric", "Method", "Table", "Published"].map((t) => make("th", { scope: "col" }, t)));
  return [make("h3", {}, "What the paper reports"),
    make("p", { class: "quiet" }, data.differs),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Published numbers" },
      make("table", {}, make("thead", {}, top), body))];
}

function showSummary() {
  const chosen = byId("subset").value;
  const shown = chosen ? [chosen] : subsets;
  byId("tables").replaceChildren(...shown.flatMap(summaryTable), ...published());
}

// -- pairs ----------------------------------------------------------------------------------------

function showPairs() {
  const pair = data.comparisons[byId("pair").value || 0];
  const subset = byId("subset").value;
  const names = ["Part", "Number", "Items", "Difference", "d", "Second better in", "p (bootstrap)", "p (sign)", "So"];
  const top = make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
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
  byId("pairs").replaceChildren(make("thead", {}, top), body);
}

// -- spread ---------------------------------------------------------------------------------------

const visible = () => {
  const subset = byId("subset").value;
  const text = byId("filter").value.trim().toLowerCase();
  return data.items.map((_, index) => index).filter((index) => {
    const [part, key] = data.items[index];
    return (!subset || part === subset) && (!text || key.toLowerCase().includes(text));
  });
};

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

function showSpread() {
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

// -- every item -----------------------------------------------------------------------------------

let sorting = { column: "item", down: false };
let rows = ROWS;

function showItems() {
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
  const head = (column, text) => {
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
  const top = make("tr", {}, head("item", "Item"), ...(several ? [make("th", { scope: "col" }, "Seed")] : []),
    ...models.map((model) => head(model, model)));
  const body = make("tbody");
  for (const index of shown.slice(0, rows)) {
    const [subset, key, seed] = data.items[index];
    const title = make("th", { scope: "row" });
    if (clipOf.has(index)) title.append(make("a", { href: `#clip-${index}` }, ...breakable(key)));
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

// -- clips ----------------------------------------------------------------------------------------

const clipOf = new Map(data.clips.map((clip) => [clip.index, clip]));
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const players = new Map();
let paused = still;

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = players.get(target);
    if (!player) continue;
    player.seen = isIntersecting;
    if (isIntersecting && !target.src) target.src = player.url ??= address(player.clip.data);
    playing(target, player);
  }
}, { rootMargin: "100px" });

function address(text) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}

function playing(video, player) {
  video.playbackRate = Number(byId("speed").value);
  if (player.seen && !paused) video.play().catch(() => {});
  else video.pause();
}

const line = (points) => `M${points.map(([x, y]) => `${x} ${y}`).join("L")}`;

function overlay(clip) {
  const svg = draw("svg", { viewBox: `-0.5 -0.5 ${clip.width} ${clip.height}`, "aria-hidden": "true" });
  const radius = clip.width / 70;
  const dots = [];
  for (const kind of ["drawn", "obtained"]) {
    for (const path of clip[kind]) {
      if (kind === "drawn") svg.append(draw("path", { class: "halo drawn", d: line(path) }));
      svg.append(draw("path", { class: kind, d: line(path) }));
    }
  }
  for (const kind of ["drawn", "obtained"]) {
    for (const path of clip[kind]) {
      const dot = draw("circle", { class: kind, r: radius, cx: path[0][0], cy: path[0][1] });
      dots.push([dot, path]);
      svg.append(dot);
    }
  }
  return [svg, dots];
}

function follow() {
  for (const [video, player] of players) {
    if (!player.seen) continue;
    const frame = Math.floor(video.currentTime * player.clip.fps + 1e-3);
    if (frame === player.frame) continue;
    player.frame = frame;
    for (const [dot, path] of player.dots) {
      const [x, y] = path[Math.min(frame, path.length - 1)];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    }
  }
  requestAnimationFrame(follow);
}

function figureOf(model, clip, score) {
  const stage = make("div", { class: "stage" });
  const each = metrics.get(byId("metric").value);
  const words = `${number(score)} ${score === null || score === undefined ? "" : each.unit}`;
  const caption = make("figcaption", {}, make("b", {}, model), ` ${words}`);
  if (!clip || clip.lack) {
    stage.append(make("p", { class: "lack" }, clip?.lack ?? "There is no video."));
    return make("figure", {}, stage, caption);
  }
  const video = make("video", { loop: "", playsinline: "", tabindex: "0", width: clip.width, height: clip.height,
    "aria-label": `Video of ${model}; Enter stops or plays it` });
  video.muted = true;
  const [svg, dots] = overlay(clip);
  stage.append(video, svg);
  players.set(video, { clip, dots, seen: false, frame: -1 });
  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  video.addEventListener("click", toggle);
  video.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  watcher.observe(video);
  return make("figure", {}, stage, caption);
}

function showClips() {
  for (const [video, player] of players) {
    watcher.unobserve(video);
    if (player.url) URL.revokeObjectURL(player.url);
  }
  players.clear();
  const name = byId("metric").value;
  const model = byId("clip-model").value || models[0];
  const scores = data.scores[name] ?? {};
  const better = metrics.get(name)?.better === "more" ? -1 : 1;
  const sign = byId("clip-order").value === "best" ? better : -better;
  const shown = visible().filter((index) => clipOf.has(index));
  shown.sort((a, b) => {
    const [first, second] = [scores[model]?.[a], scores[model]?.[b]];
    const [lacks, lacked] = [typeof first !== "number", typeof second !== "number"];
    return lacks || lacked ? lacks - lacked : sign * (first - second);
  });
  byId("cards").replaceChildren(...shown.map((index) => {
    const [subset, key, seed] = data.items[index];
    const clip = clipOf.get(index);
    const small = make("small", {}, ` ${subset}${data.seeds.length > 1 ? `, seed ${seed}` : ""}${clip.camera ? `, ${clip.camera}` : ""}`);
    return make("article", { class: "card", id: `clip-${index}`, tabindex: "-1" }, make("h3", {}, key, small),
      make("div", { class: "players" }, ...models.map((each) => figureOf(each, clip.videos[each], scores[each]?.[index]))));
  }));
  if (!shown.length) byId("cards").append(make("p", {}, "None of the clips in this page fits what is chosen above."));
}

function setPaused(value) {
  paused = value;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Play all" : "Pause all";
  for (const [video, player] of players) playing(video, player);
}

// -- the rest -------------------------------------------------------------------------------------

function showFaults() {
  const top = make("tr", {}, ...["Stage", "Part", "Item", "Model", "Metric", "Why"].map((text) => make("th", { scope: "col" }, text)));
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
showFaults();
showMeanings();
everything();
follow();

let later;
byId("filter").addEventListener("input", () => {
  clearTimeout(later);
  later = setTimeout(() => {
    rows = ROWS;
    showSpread();
    if (data.clips.length) showClips();
    showItems();
  }, 150);
});
byId("subset").addEventListener("change", () => { rows = ROWS; everything(); });
byId("metric").addEventListener("change", () => { showSpread(); showClips(); showItems(); });
byId("pair").addEventListener("change", showPairs);
byId("clip-model").addEventListener("change", showClips);
byId("clip-order").addEventListener("change", showClips);
byId("speed").addEventListener("change", () => players.forEach((player, video) => playing(video, player)));
byId("pause").addEventListener("click", () => setPaused(!paused));
for (const kind of ["drawn", "obtained"]) {
  byId(`show-${kind}`).addEventListener("change", (event) =>
    byId("cards").classList.toggle(`no-${kind}`, !event.target.checked));
}
byId("more").addEventListener("click", () => { rows += 4 * ROWS; showItems(); });
let wide = innerWidth;
addEventListener("resize", () => { if (innerWidth !== wide) { wide = innerWidth; showSpread(); } });
