// @ts-check
/** Jobs as cards: progress with rough pictures, the video, and what can be done with it. */

import { button, make } from "../editor/view/dom.js";
import { address, call, createJob, follow, json } from "./api.js";
import { asCommand, asPython, download, exactly, motionFile, showText } from "./export.js";

const OVER = ["succeeded", "failed", "cancelled"];

export class Gallery {
  /** @type {Map<string, Card>} */
  #cards = new Map();
  /** @type {Set<string>} */
  #compared = new Set();

  /** @param {(words: string, bad?: boolean) => void} say @param {(request: any, photo: Blob) => void} reopened */
  constructor(say, reopened) {
    this.say = say;
    this.reopened = reopened;
    this.cards = make("div", { class: "cards" });
    this.compare = button("Compare", () => this.#compare(), { disabled: true });
    this.none = make("p", { class: "none" }, "Nothing rendered yet.");
    this.element = make("section", { class: "gallery", hidden: true }, make("div", { class: "buttons" }, this.compare), this.none, this.cards);
  }

  async load() {
    for (const job of (await json("v1/jobs?limit=100")).jobs.reverse()) this.add(job);
  }

  /** @param {import("./api.js").Job} job */
  add(job) {
    this.none.hidden = true;
    const card = new Card(this, job);
    this.#cards.set(job.id, card);
    this.cards.prepend(card.element);
  }

  /** @param {string} id */
  remove(id) {
    this.#cards.get(id)?.close();
    this.#cards.delete(id);
    this.choose(id, false);
    this.none.hidden = this.#cards.size > 0;
  }

  /** @param {string} id @param {boolean} chosen */
  choose(id, chosen) {
    if (chosen) this.#compared.add(id);
    else this.#compared.delete(id);
    this.compare.disabled = this.#compared.size < 2;
    const words = this.#compared.size < 2 ? "Compare: choose two or more" : `Compare ${this.#compared.size}`;
    this.compare.textContent = words;
    this.compare.title = words;
    this.compare.setAttribute("aria-label", words);
  }

  /** @param {string} id */
  isChosen(id) {
    return this.#compared.has(id);
  }

  #compare() {
    const videos = [...this.#compared].map((id) => this.#cards.get(id)).filter((card) => card?.video);
    const shown = videos.map((card) => make("video", { src: /** @type {Card} */ (card).video, loop: true, muted: true, playsInline: true }));
    const together = () => shown.forEach((video) => { video.currentTime = 0; video.play().catch(() => {}); });
    const scrub = make("input", { type: "range", min: "0", max: "1", step: "0.01", "aria-label": "Time", style: "width: 100%" });
    scrub.addEventListener("input", () => shown.forEach((video) => { video.pause(); video.currentTime = scrub.valueAsNumber * (video.duration || 0); }));
    const dialog = make(
      "dialog",
      { "aria-label": "Side by side" },
      make("div", { class: "pair" }, ...shown.map((video, k) => make("figure", {}, video, make("figcaption", {}, /** @type {Card} */ (videos[k]).title)))),
      scrub,
      make("div", { class: "buttons" }, button("Play together", together, { class: "main" }), button("Close", () => dialog.close())),
    );
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    together();
  }

  /** @param {Promise<any>} work */
  async trying(work) {
    try {
      return await work;
    } catch (error) {
      this.say(error instanceof Error ? error.message : String(error), true);
      return undefined;
    }
  }
}

class Card {
  #ends = new AbortController();

  /** @param {Gallery} gallery @param {import("./api.js").Job} job */
  constructor(gallery, job) {
    this.gallery = gallery;
    this.job = job;
    this.video = "";
    this.picture = make("div", { class: "picture" });
    this.about = make("div", { class: "about" });
    this.element = make("article", { class: "card", "aria-label": this.title }, this.picture, this.about);
    this.#fill();
    if (OVER.includes(job.state)) void this.#result();
    else void this.#follow();
  }

  get title() {
    return `${this.job.backbone}, ${new Date(this.job.created).toLocaleTimeString()}`;
  }

  close() {
    this.#ends.abort();
    this.element.remove();
    if (this.video) URL.revokeObjectURL(this.video);
  }

  async #follow() {
    const path = `v1/jobs/${this.job.id}`;
    try {
      await follow(
        this.job.id,
        (kind, data) => {
          if (kind === "started") this.job.state = "running";
          if (data.steps) Object.assign(this.job, { state: "running", step: data.step, steps: data.steps });
          if (data.picture) void this.#rough(data.picture);
          this.#fill();
        },
        this.#ends.signal,
      );
    } catch (error) {
      if (this.#ends.signal.aborted) return;
      this.gallery.say(error instanceof Error ? error.message : String(error), true);
    }
    const now = await this.gallery.trying(json(path));
    if (!now) return;
    this.job = now;
    if (OVER.includes(now.state)) await this.#result();
    else setTimeout(() => void this.#follow(), 1000);
  }

  /** @param {string} path */
  async #rough(path) {
    const source = await this.gallery.trying(address(path));
    if (source && !this.video) this.picture.replaceChildren(make("img", { src: source, alt: "Rough picture of the unfinished video" }));
  }

  async #result() {
    const { job } = this;
    this.#fill();
    const form = job.result && ["mp4", "webm"].find((each) => each in job.result.videos);
    if (form) {
      this.video = (await this.gallery.trying(address(job.result.videos[form]))) ?? "";
      const video = make("video", { src: this.video, loop: true, muted: true, autoplay: true, playsInline: true, controls: true });
      this.picture.replaceChildren(video);
    } else if (job.result) {
      const source = await this.gallery.trying(address(Object.values(job.result.videos)[0]));
      this.picture.replaceChildren(make("img", { src: source, alt: "The video" }));
    } else if (job.state === "failed" || job.state === "cancelled") {
      this.picture.replaceChildren(make("span", { class: "none" }, job.state));
    }
  }

  #fill() {
    const { job, gallery } = this;
    const path = `v1/jobs/${job.id}`;
    /** @type {HTMLElement[]} */
    const parts = [make("h2", {}, this.title, make("span", { class: "none" }, job.state))];
    if (job.state === "queued") parts.push(make("p", {}, job.position ? `${job.position} before it` : "Next"));
    if (job.state === "running") parts.push(make("progress", { max: Math.max(1, job.steps), value: job.step, "aria-label": "Progress" }));
    if (job.error) parts.push(make("p", { class: "bad" }, job.error.message));
    for (const note of job.result?.notes ?? []) parts.push(make("p", { class: "none" }, note));
    const over = OVER.includes(job.state);
    const buttons = [];
    if (!over) buttons.push(button("Cancel", () => void gallery.trying(call(`${path}/cancel`, { method: "POST" }))));
    for (const [form, place] of Object.entries(job.result?.videos ?? {})) {
      buttons.push(button(`Download ${form}`, async () => download(await (await call(/** @type {string} */ (place))).blob(), `kinema-${job.id.slice(0, 8)}.${form}`), {}, form.toUpperCase()));
    }
    if (job.result) buttons.push(button("Manifest", async () => showText("Manifest", JSON.stringify(await json(`${path}/manifest`), null, 2))));
    buttons.push(
      button("Rerun", () => void this.#again()),
      button("Edit", () => void this.#reopen()),
      button("Command", () => void this.#text("Copy as command", asCommand)),
      button("Python", () => void this.#text("Copy as Python", asPython)),
    );
    if (over) buttons.push(button("Delete", async () => { if (await gallery.trying(call(path, { method: "DELETE" }))) gallery.remove(job.id); }));
    parts.push(make("div", { class: "buttons" }, ...buttons));
    if (job.result) {
      const box = make("input", { type: "checkbox", checked: gallery.isChosen(job.id) });
      box.addEventListener("change", () => gallery.choose(job.id, box.checked));
      parts.push(make("label", {}, box, " compare"));
    }
    this.about.replaceChildren(...parts);
  }

  /** @returns {Promise<{request: any, photo: Blob}>} */
  async #asked() {
    const path = `v1/jobs/${this.job.id}`;
    const [request, photo] = await Promise.all([json(`${path}/request`), call(`${path}/photo`).then((response) => response.blob())]);
    return { request, photo };
  }

  /** @param {string} title @param {(request: any) => string} written */
  async #text(title, written) {
    const asked = await this.gallery.trying(this.#asked());
    if (!asked) return;
    const { request, photo } = asked;
    showText(title, written(exactly(request, this.job.result)), {
      "photo.png": async () => photo,
      "motion.json": async () => motionFile(request.motion),
    });
  }

  async #again() {
    const asked = await this.gallery.trying(this.#asked());
    if (!asked) return;
    const job = await this.gallery.trying(createJob(asked.photo, asked.request));
    if (job) this.gallery.add(job);
  }

  async #reopen() {
    const asked = await this.gallery.trying(this.#asked());
    if (asked) this.gallery.reopened(asked.request, asked.photo);
  }
}
