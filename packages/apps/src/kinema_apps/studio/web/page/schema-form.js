// @ts-check
/** A form of a JSON Schema: one row for each property; what is left as it is, is not sent. */

import { make } from "../editor/view/dom.js";

/** @param {string} name */
function words(name) {
  return name.replaceAll("_", " ");
}

export class SchemaForm {
  /** @type {Map<string, () => any>} */
  #changed = new Map();
  /** @type {Map<string, {control: HTMLInputElement | HTMLSelectElement, read: () => any}>} */
  #fields = new Map();

  /** @param {any} schema @param {() => void} [heard] */
  constructor(schema, heard = () => {}) {
    const rows = Object.entries(schema?.properties ?? {}).map(([name, told]) => this.#row(name, told, heard));
    this.element = make("div", { class: "schema" }, ...(rows.length ? rows : [make("p", { class: "none" }, "No options.")]));
  }

  /** What a person changed. @returns {Record<string, any>} */
  get values() {
    return Object.fromEntries([...this.#changed].map(([name, read]) => [name, read()]).filter(([, value]) => value !== undefined));
  }

  /** Choose a value as a person would; a name that is none of the form's is passed over. @param {string} name @param {string} value */
  set(name, value) {
    const field = this.#fields.get(name);
    if (!field) return;
    field.control.value = value;
    this.#changed.set(name, field.read);
  }

  /** @param {string} name @param {any} told @param {() => void} heard */
  #row(name, told, heard) {
    const { control, read } = field(told);
    this.#fields.set(name, { control, read });
    control.addEventListener("change", () => {
      this.#changed.set(name, read);
      heard();
    });
    return make("label", { class: "row" }, make("span", {}, words(name)), control, make("p", { class: "about" }, told.description ?? ""));
  }
}

/** @param {any} told @returns {{control: HTMLInputElement | HTMLSelectElement, read: () => any}} */
function field(told) {
  const kinds = told.anyOf ?? [told];
  const some = kinds.find((/** @type {any} */ kind) => kind.type !== "null") ?? told;
  const empty = kinds.length > 1 ? null : undefined;
  if (some.enum) {
    const select = make("select", {}, ...some.enum.map((/** @type {any} */ value) => make("option", { value: String(value), selected: value === told.default }, String(value))));
    return { control: select, read: () => some.enum.find((/** @type {any} */ value) => String(value) === select.value) };
  }
  if (some.type === "boolean") {
    const box = make("input", { type: "checkbox", checked: told.default === true });
    return { control: box, read: () => box.checked };
  }
  if (some.type === "integer" || some.type === "number") {
    const input = make("input", { type: "number", step: some.type === "integer" ? "1" : "any" });
    if (some.minimum !== undefined) input.min = String(some.minimum);
    if (some.maximum !== undefined) input.max = String(some.maximum);
    if (typeof told.default === "number") input.value = String(told.default);
    return { control: input, read: () => (Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : empty) };
  }
  const input = make("input", { type: "text", placeholder: "numbers, separated by commas" });
  if (Array.isArray(told.default)) input.value = told.default.join(", ");
  return { control: input, read: () => (input.value.trim() ? input.value.split(",").map(Number) : empty) };
}
