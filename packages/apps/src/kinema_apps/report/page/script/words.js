// Numbers and names in words.
import { models } from "./data.js";

export function number(value) {
  if (value === null || value === undefined) return "n/a";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2);
  return value.toPrecision(3).replace(/^(-?\d+)\.?e\+\d+$/, () => String(Math.round(value)));
}

export const p = (value) => (value < 0.001 ? "< 0.001" : value.toFixed(3));
const arrow = (better) => ({ less: " ↓", more: " ↑" })[better] ?? "";
export const meaning = (better) => ({ less: "less is better", more: "more is better" })[better] ?? "";
export const titled = (each) => each.name + (each.unit ? ` (${each.unit})` : "") + arrow(each.better);
export const colour = (model) => `c${models.indexOf(model) % 6}`;
