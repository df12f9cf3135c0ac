// The best and the worst items, with the clips of every model side by side.
import { data, metrics, models, visible } from "./data.js";
import { byId, make } from "./elements.js";
import { clipElements, dropPlayers } from "./players.js";
import { number } from "./words.js";

const clipOf = new Map(data.clips.map((clip) => [clip.index, clip]));

function figureOf(model, clip, score) {
  const stage = make("div", { class: "stage" });
  const each = metrics.get(byId("metric").value);
  const words = `${number(score)} ${score === null || score === undefined ? "" : each.unit}`;
  const caption = make("figcaption", {}, make("b", {}, model), ` ${words}`);
  if (!clip || clip.lack) {
    stage.append(make("p", { class: "lack" }, clip?.lack ?? "There is no video."));
    return make("figure", {}, stage, caption);
  }
  stage.append(...clipElements(model, clip));
  return make("figure", {}, stage, caption);
}

export function showClips() {
  dropPlayers();
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
