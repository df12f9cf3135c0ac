// @ts-check
/** The page: the editor with its live preview, rendering, the gallery, and annotation. */

import "../editor/kinema-editor.js";
import { button, choice, make } from "../editor/view/dom.js";
import { Annotate } from "./annotate.js";
import { json, whenTokenIsNeeded } from "./api.js";
import { download, motionFile } from "./export.js";
import { Gallery } from "./gallery.js";
import { Live } from "./live.js";
import { Render } from "./render.js";

/** @typedef {import("../editor/kinema-editor.js").KinemaEditor} KinemaEditor */

whenTokenIsNeeded(
  () =>
    new Promise((resolve) => {
      const input = make("input", { type: "password", autocomplete: "off", "aria-label": "Token" });
      const dialog = make("dialog", { "aria-label": "Token" }, make("p", {}, "This studio asks for a token."), input, make("div", { class: "buttons" }, button("Go on", () => dialog.close("go"), { class: "main" }), button("Cancel", () => dialog.close(""))));
      dialog.addEventListener("close", () => {
        dialog.remove();
        resolve(dialog.returnValue === "go" && input.value ? input.value : null);
      });
      document.body.append(dialog);
      dialog.showModal();
    }),
);

const editor = /** @type {KinemaEditor} */ (document.createElement("kinema-editor"));
const said = make("span", { class: "said", role: "status", "aria-live": "polite" });

/** @param {string} words @param {boolean} bad */
function say(words, bad = false) {
  said.textContent = words;
  said.classList.toggle("bad", bad);
}

/** @param {() => Promise<unknown>} work */
function trying(work) {
  return async () => {
    try {
      await work();
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
  };
}

async function saveMotion() {
  const name = (editor.state.photo?.name ?? "motion").replace(/\.\w+$/, "");
  download(motionFile(await editor.getMotion()), `${name}.motion.json`);
}

async function savePhoto() {
  const photo = await editor.getPhoto();
  if (photo) download(photo, "photo.png");
}

/** A file of any form as a Motion; a person is asked for the form where the file does not say. @param {File} file @returns {Promise<any>} */
async function imported(file) {
  const [width, height] = editor.state.motion.canvas;
  const query = new URLSearchParams({ name: file.name, width: String(width), height: String(height) });
  for (;;) {
    try {
      return await json(`v1/studio/import?${query}`, { method: "POST", body: file });
    } catch (error) {
      if (/** @type {any} */ (error).status !== 422 || query.has("format")) throw error;
      const { formats } = await json("v1/studio");
      const format = await askForForm(file.name, /** @type {Error} */ (error).message, formats);
      if (!format) return null;
      query.set("format", format);
    }
  }
}

/** @param {string} name @param {string} why @param {{name: string, summary: string}[]} formats @returns {Promise<string>} */
function askForForm(name, why, formats) {
  return new Promise((resolve) => {
    let chosen = formats[0].name;
    const choices = formats.map((form) => ({ value: form.name, label: `${form.name}: ${form.summary}` }));
    const dialog = make(
      "dialog",
      { "aria-label": "What is this file?" },
      make("h2", {}, `What is ${name}?`),
      make("p", {}, why),
      choice("Form", chosen, choices, (form) => (chosen = form)),
      make("div", { class: "buttons" }, button("Read it", () => dialog.close("go"), { class: "main" }), button("Cancel", () => dialog.close(""))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "go" ? chosen : "");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function importMotion() {
  const input = make("input", { type: "file" });
  input.addEventListener("change", trying(async () => {
    const file = input.files?.[0];
    if (!file) return;
    const document = await imported(file);
    if (!document) return;
    const layers = await editor.addMotion(document);
    say(`Imported ${file.name}: ${layers}.`);
  }));
  input.click();
}

/** Take the motion of a video: for the photo that is open, or for its own first frame. */
function observeVideo() {
  const input = make("input", { type: "file", accept: "video/*,.gif,.mkv,.webm" });
  input.addEventListener("change", trying(async () => {
    const file = input.files?.[0];
    if (!file) return;
    const { state } = editor;
    say(`Looking at ${file.name}…`);
    const { canvas, fps } = state.motion;
    const query = new URLSearchParams({ name: file.name, fps: String(fps) });
    if (state.photo) ["width", "height"].forEach((side, k) => query.set(side, String(canvas[k])));
    const seen = await json(`v1/studio/observe?${query}`, { method: "POST", body: file });
    if (!state.photo) {
      const bytes = Uint8Array.from(atob(seen.frame), (letter) => letter.charCodeAt(0));
      await editor.openPhoto(new Blob([bytes], { type: "image/png" }), { crop: false, name: file.name });
    }
    const duration = Math.max(0.25, Math.round(seen.seconds * 100) / 100);
    state.change({ tracks: seen.tracks, duration }, "Observed a video");
    say(`${seen.tracker} saw ${seen.tracks.points[0].length} points move over ${duration} s.`);
  }));
  input.click();
}

/** What becomes of a region that is part of something larger. */
const ATTACHED = [
  { value: "auto", label: "as it seems" },
  { value: "always", label: "stay attached" },
  { value: "never", label: "are cut out" },
];

async function begin() {
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const nav = /** @type {HTMLElement} */ (document.querySelector("nav"));
  const files = make(
    "div",
    { class: "scroll" },
    button("Render", () => show("Render"), { class: "main" }),
    button("Save motion", trying(saveMotion)),
    button("Open motion", trying(importMotion)),
    button("Save photo", trying(savePhoto)),
    button("Observe a video", observeVideo, { title: "Take the motion of a video as tracks" }),
  );
  const actions = make("div", { class: "actions" }, files, make("span", { class: "gap" }), said);
  const work = make("section", { class: "work" }, editor, actions);
  main.append(work);
  const live = new Live(editor, say);
  const offers = await json("v1/offers");
  const about = await json("v1/studio");
  const gallery = new Gallery(say, (request, photo) => void reopen(request, photo));
  const render = new Render(editor, offers, (job) => {
    gallery.add(job);
    show("Gallery");
  });
  main.append(render.element, gallery.element);
  const attached = choice("Regions", "auto", ATTACHED, (chosen) => {
    live.set({ attached: chosen });
    render.prefer({ attached: chosen });
  });
  files.append(attached);
  /** @type {Record<string, HTMLElement>} */
  const views = { Draw: work, Render: render.element, Gallery: gallery.element };
  const buttons = Object.keys(views).map((name) => button(name, () => show(name)));
  nav.append(...buttons);

  /** @param {string} name */
  function show(name) {
    for (const [each, view] of Object.entries(views)) view.hidden = each !== name;
    for (const each of buttons) each.setAttribute("aria-current", each.textContent === name ? "page" : "false");
  }

  /** @param {any} request @param {Blob} photo */
  async function reopen(request, photo) {
    await editor.openPhoto(photo, { crop: false });
    await editor.setMotion(request.motion);
    show("Draw");
  }

  show("Draw");
  if (about.annotation) {
    const annotate = new Annotate(editor);
    work.insertBefore(annotate.element, actions);
    work.classList.add("annotating");
    await annotate.next();
  }
  await gallery.load();
  Object.assign(window, { kinema: { editor, live, render, gallery } });
}

void trying(begin)();
