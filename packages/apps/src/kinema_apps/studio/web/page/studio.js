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

async function importMotion() {
  const input = make("input", { type: "file" });
  input.addEventListener("change", trying(async () => {
    const file = input.files?.[0];
    if (!file) return;
    const [width, height] = editor.state.motion.canvas;
    const query = new URLSearchParams({ name: file.name, width: String(width), height: String(height) });
    const document = await json(`v1/studio/import?${query}`, { method: "POST", body: file });
    await editor.setMotion(document);
    say(`Imported ${file.name}.`);
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
  const actions = make(
    "div",
    { class: "actions" },
    button("Render", () => show("Render"), { class: "main" }),
    button("Save motion", trying(saveMotion)),
    button("Open motion", trying(importMotion)),
    button("Save photo", trying(savePhoto)),
    make("span", { class: "gap" }),
    said,
  );
  const work = make("section", { class: "work" }, editor, actions);
  main.append(work);
  const live = new Live(editor, say);
  actions.insertBefore(choice("Regions", "auto", ATTACHED, (attached) => live.set({ attached })), actions.querySelector(".gap"));
  const offers = await json("v1/offers");
  const about = await json("v1/studio");
  const gallery = new Gallery(say, (request, photo) => void reopen(request, photo));
  const render = new Render(editor, offers, (job) => {
    gallery.add(job);
    show("Gallery");
  });
  main.append(render.element, gallery.element);
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
    const annotate = new Annotate(editor, say);
    work.insertBefore(annotate.element, actions);
    work.classList.add("annotating");
    await annotate.next();
  }
  await gallery.load();
  Object.assign(window, { kinema: { editor, live, render, gallery } });
}

void trying(begin)();
