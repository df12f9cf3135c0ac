// Elements of the page, and how to make more.

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...inside) {
  const found = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") found.className = value;
    else found.setAttribute(key, value);
  }
  found.append(...inside);
  return found;
}

export function draw(tag, attributes = {}, ...inside) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...inside);
  return found;
}

// Names break where they have a dash, not within a word.
export const breakable = (text) => text.split(/(?<=[-[])/).flatMap((part) => [part, make("wbr")]);

export function options(select, values, first) {
  if (first) select.append(make("option", { value: "" }, first));
  for (const [value, text] of values) select.append(make("option", { value }, text));
}

// A table that scrolls by itself, and can be scrolled with the keyboard.
export function scrolling(label, table) {
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

export const heads = (names) => make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name)));
