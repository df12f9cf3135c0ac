// @ts-check
/** Rendering on any backbone of the server. */

import { button, choice, make, number, text } from "../editor/view/dom.js";
import { createJob } from "./api.js";
import { asCommand, asPython, motionFile, showText } from "./export.js";
import { SchemaForm } from "./schema-form.js";

export class Render {
  /** @param {import("../editor/kinema-editor.js").KinemaEditor} editor @param {any} offers @param {(job: any) => void} made */
  constructor(editor, offers, made) {
    this.editor = editor;
    this.offers = offers;
    this.made = made;
    /** @type {{backbone: string, size: string, frames: number | null, fps: number | null, seed: number, prompt: string, negative: string, forms: Set<string>}} */
    this.asked = { backbone: "", size: "", frames: null, fps: null, seed: 0, prompt: "", negative: "", forms: new Set(["mp4"]) };
    /** Options that were chosen while drawing. @type {Record<string, string>} */
    this.preferred = {};
    this.said = make("p", { class: "said", role: "status" });
    this.body = make("div", {});
    this.element = make("section", { class: "render", hidden: true }, this.body, this.said);
    const first = offers.backbones.find((/** @type {any} */ each) => each.default) ?? offers.backbones[0];
    this.choose(first.name);
  }

  get backbone() {
    return this.offers.backbones.find((/** @type {any} */ each) => each.name === this.asked.backbone);
  }

  /** @param {string} name */
  choose(name) {
    this.asked.backbone = name;
    const { backbone, asked } = this;
    this.options = new SchemaForm(backbone.options);
    this.sample = new SchemaForm(backbone.sample);
    this.prefer(this.preferred);
    const native = backbone.native;
    const sizes = [{ value: "", label: native ? `native: near ${native.size.join("x")}` : "as the photo" }, { value: "canvas", label: "as the photo" }];
    const reads = backbone.reads.includes("prompt") || backbone.reads.includes("text");
    this.body.replaceChildren(
      choice("Backbone", name, this.offers.backbones.map((/** @type {any} */ each) => ({ value: each.name, label: each.name })), (chosen) => this.choose(chosen)),
      make("p", { class: "none" }, `${backbone.summary} ${backbone.licences.length ? `Weights: ${backbone.licences.join(", ")}.` : ""}`),
      choice("Size", asked.size, sizes, (size) => (asked.size = size)),
      number("Frames", asked.frames ?? native?.frames ?? 16, { min: 2, max: this.offers.limits.frames, step: 1 }, (frames) => (asked.frames = Math.round(frames))),
      number("Frames a second", asked.fps ?? native?.fps ?? 8, { min: 1, max: 60, step: 1 }, (fps) => (asked.fps = fps)),
      number("Seed", asked.seed, { min: 0, max: 2 ** 53, step: 1 }, (seed) => (asked.seed = Math.round(seed))),
      reads ? text("Prompt", asked.prompt, (prompt) => (asked.prompt = prompt)) : "",
      reads ? text("Negative prompt", asked.negative, (prompt) => (asked.negative = prompt)) : "",
      make("fieldset", {}, make("legend", {}, "Files"), ...this.offers.forms.map((/** @type {string} */ form) => this.#form(form))),
      make("details", {}, make("summary", {}, "Sampling"), this.sample.element),
      make("details", {}, make("summary", {}, `Options of ${name}`), this.options.element),
      make(
        "div",
        { class: "buttons" },
        button("Render", () => void this.run(), { class: "main" }),
        button("Copy as command", () => void this.#text("Copy as command", asCommand)),
        button("Copy as Python", () => void this.#text("Copy as Python", asPython)),
      ),
    );
  }

  /** What was chosen while drawing is what is rendered, where the backbone has such an option. @param {Record<string, string>} options */
  prefer(options) {
    Object.assign(this.preferred, options);
    for (const [name, value] of Object.entries(this.preferred)) this.options?.set(name, value);
  }

  /** @param {string} form */
  #form(form) {
    const box = make("input", { type: "checkbox", checked: this.asked.forms.has(form) });
    box.addEventListener("change", () => (box.checked ? this.asked.forms.add(form) : this.asked.forms.delete(form)));
    return make("label", {}, box, ` ${form} `);
  }

  /** What the service is asked for. @returns {Promise<Record<string, any>>} */
  async request() {
    const { asked } = this;
    const motion = await this.editor.getMotion();
    return {
      motion,
      backbone: asked.backbone,
      ...(asked.size === "canvas" ? { size: motion.canvas } : {}),
      ...(asked.frames === null ? {} : { frames: asked.frames }),
      ...(asked.fps === null ? {} : { fps: asked.fps }),
      ...(asked.prompt ? { prompt: asked.prompt } : {}),
      ...(asked.negative ? { negative_prompt: asked.negative } : {}),
      seed: asked.seed,
      sample: this.sample?.values ?? {},
      options: this.options?.values ?? {},
      forms: asked.forms.size ? [...asked.forms] : ["mp4"],
    };
  }

  /** @param {string} title @param {(request: any) => string} written */
  async #text(title, written) {
    const request = await this.request();
    showText(title, written(request), {
      "photo.png": () => this.editor.getPhoto(),
      "motion.json": async () => motionFile(request.motion),
    });
  }

  async run() {
    const photo = await this.editor.getPhoto();
    if (!photo) return this.say("Open a photo first.", true);
    this.say("Sending…");
    try {
      const job = await createJob(photo, await this.request());
      this.say("");
      this.made(job);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
    }
    return undefined;
  }

  /** @param {string} words @param {boolean} bad */
  say(words, bad = false) {
    this.said.textContent = words;
    this.said.classList.toggle("bad", bad);
  }
}
