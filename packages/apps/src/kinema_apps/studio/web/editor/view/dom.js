// @ts-check
/** Elements made in one line; text is always text, never markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/** @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} attributes names with `on` before an event take a function
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    // Through the object model, which a strict Content-Security-Policy allows.
    if (name === "style") element.style.cssText = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(.../** @type {(Node | string)[]} */ (children.filter((child) => child !== null && child !== undefined && child !== false)));
  return element;
}

/** A labelled row with a control. @param {string} label @param {HTMLElement} control @param {...Child} after */
export function row(label, control, ...after) {
  return make("label", { class: "row" }, make("span", {}, label), control, ...after);
}

/** @param {string} label what it does, for ears @param {() => void} run @param {Record<string, any>} more @param {...Child} children */
export function button(label, run, more = {}, ...children) {
  return make("button", { type: "button", title: label, "aria-label": label, onclick: run, ...more }, ...(children.length ? children : [label]));
}

/** @param {string} label @param {number} value @param {{min?: number, max?: number, step?: number}} limits @param {(value: number) => void} changed */
export function number(label, value, limits, changed) {
  const input = make("input", { type: "number", value: String(tidy(value)), ...texts(limits) });
  input.addEventListener("change", () => Number.isFinite(input.valueAsNumber) && changed(clamped(input.valueAsNumber, limits)));
  return row(label, input);
}

/** @param {string} label @param {number} value @param {{min: number, max: number, step: number}} limits @param {(value: number) => void} changed @param {string} unit */
export function slider(label, value, limits, changed, unit = "") {
  const shown = make("output", {}, `${tidy(value)}${unit}`);
  const input = make("input", { type: "range", ...texts(limits), "aria-label": label });
  input.value = String(value);
  input.addEventListener("input", () => {
    shown.textContent = `${tidy(input.valueAsNumber)}${unit}`;
    changed(input.valueAsNumber);
  });
  return row(label, input, shown);
}

/** @param {string} label @param {string} value @param {readonly (string | {value: string, label: string})[]} choices @param {(value: string) => void} changed */
export function choice(label, value, choices, changed) {
  const options = choices.map((each) => (typeof each === "string" ? { value: each, label: each } : each));
  const select = make("select", {}, ...options.map((each) => make("option", { value: each.value, selected: each.value === value }, each.label)));
  select.addEventListener("change", () => changed(select.value));
  return row(label, select);
}

/** @param {string} label @param {boolean} value @param {(value: boolean) => void} changed */
export function check(label, value, changed) {
  const input = make("input", { type: "checkbox", checked: value });
  input.addEventListener("change", () => changed(input.checked));
  return make("label", { class: "row check" }, input, make("span", {}, label));
}

/** @param {string} label @param {string} value @param {(value: string) => void} changed */
export function text(label, value, changed) {
  const input = make("input", { type: "text", maxLength: 200 });
  input.value = value;
  input.addEventListener("change", () => changed(input.value.trim()));
  return row(label, input);
}

/** @param {Record<string, number | undefined>} limits */
function texts(limits) {
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, String(value)]));
}

/** @param {number} value @param {{min?: number, max?: number}} limits */
function clamped(value, { min = -Infinity, max = Infinity }) {
  return Math.min(max, Math.max(min, value));
}

/** @param {number} value */
function tidy(value) {
  return Math.round(value * 1000) / 1000;
}
