// @ts-check
/** Stepping through a folder of photos, each to become an item of a benchmark. */

import { button, choice, make } from "../editor/view/dom.js";
import { call, json, unique } from "./api.js";

const WHO = "kinema-annotator";
const GROUPS = [
  { value: "Fine_grained_control", label: "fine-grained: parts move" },
  { value: "object_control", label: "object-level: things move" },
];

export class Annotate {
  /** @param {import("../editor/kinema-editor.js").KinemaEditor} editor */
  constructor(editor) {
    this.editor = editor;
    // Of its own: a preview that comes meanwhile has its words elsewhere.
    this.told = make("span", { class: "said", role: "status" });
    this.photo = "";
    this.group = GROUPS[0].value;
    this.count = make("output", {});
    // Each browser is an annotator of its own.
    const kept = localStorage.getItem(WHO) ?? unique();
    localStorage.setItem(WHO, kept);
    this.who = kept;
    this.element = make(
      "div",
      { class: "actions", role: "group", "aria-label": "Annotation" },
      choice("Group", this.group, GROUPS, (group) => (this.group = group)),
      button("Save and next", () => void this.save(), { class: "main" }),
      button("Skip", () => void this.next(true)),
      this.count,
      this.told,
    );
  }

  /** @param {string} words @param {boolean} bad */
  say(words, bad = false) {
    this.told.textContent = words;
    this.told.classList.toggle("bad", bad);
  }

  /** @param {boolean} skip */
  async next(skip = false) {
    const query = new URLSearchParams({ annotator: this.who, ...(skip && this.photo ? { skip: this.photo } : {}) });
    const { photo } = await json(`v1/studio/annotation/next?${query}`, { method: "POST" });
    const { photos, done } = await json("v1/studio/annotation");
    this.count.textContent = `${done} of ${photos.length} done`;
    this.photo = photo ?? "";
    if (!photo) return this.say("All photos are done.");
    const response = await call(`v1/studio/annotation/photos/${encodeURIComponent(photo)}`);
    await this.editor.openPhoto(await response.blob(), { crop: false, name: photo });
    this.editor.state.reset();
    return this.say(photo);
  }

  async save() {
    if (!this.photo) return;
    const form = new FormData();
    const motion = await this.editor.getMotion();
    form.set("item", JSON.stringify({ photo: this.photo, group: this.group, motion }));
    form.set("frame", /** @type {Blob} */ (await this.editor.getPhoto()), "frame.png");
    try {
      const { item } = await json("v1/studio/annotation/items", { method: "POST", body: form });
      await this.next();
      this.say(`Saved ${item}.`);
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
    }
  }
}
