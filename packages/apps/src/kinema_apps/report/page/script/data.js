// What the page shows. All of it is in the page; nothing is loaded.
import { byId } from "./elements.js";

export const data = JSON.parse(document.getElementById("data").textContent);
export const models = data.models.map((model) => model.name);
export const metrics = new Map(data.numbers.map((each) => [each.name, each]));
export const subsets = Object.keys(data.subsets);
export const perVideo = data.numbers.filter((each) => data.scores[each.name]);

// Places of the items that the fields at the top choose.
export const visible = () => {
  const subset = byId("subset").value;
  const text = byId("filter").value.trim().toLowerCase();
  return data.items.map((_, index) => index).filter((index) => {
    const [part, key] = data.items[index];
    return (!subset || part === subset) && (!text || key.toLowerCase().includes(text));
  });
};
