// @ts-check
/** `<kinema-editor>`: say what in a photo should move, and how, and get a Motion.
 *
 * Events: `kinema-photo` (detail: {width, height, name}), and `kinema-motion` shortly after every
 * change (detail: the Motion as a plain `kinema.motion/1` object).
 */

import { readMotion, writeMotion } from "./model/motion.js";
import { EditorState } from "./model/state.js";
import { TOOLBAR } from "./tools/tools.js";
import { askForCrop, cropped, whole } from "./view/crop.js";
import { button, make } from "./view/dom.js";
import { icon } from "./view/icons.js";
import { onKeys, showKeys } from "./view/keys.js";
import { Panel } from "./view/panel.js";
import { Stage } from "./view/stage.js";
import { STYLE } from "./view/style.js";
import { Timeline } from "./view/timeline.js";

/** How long after the last change a Motion is told, in milliseconds. */
const QUIET = 60;

export class KinemaEditor extends HTMLElement {
  #told = 0;

  constructor() {
    super();
    this.state = new EditorState();
    /** When the motion changed last, of `performance.now()`. */
    this.changedAt = 0;
    /** The change that the last `kinema-motion` told of. */
    this.toldAt = 0;
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.canvas = make("canvas", { tabIndex: 0, role: "application", "aria-label": "Picture: draw on it with the chosen tool" });
    this.welcome = this.#welcome();
    this.stageBox = make("div", { class: "stage" }, this.canvas, this.welcome);
    this.top = make("div", { class: "top", role: "toolbar", "aria-label": "Editor" });
    const tools = make("div", { class: "tools", role: "toolbar", "aria-label": "Tools" });
    const panel = make("div", { class: "panel", role: "region", "aria-label": "Options", tabIndex: 0 });
    const time = make("div", { class: "time", role: "region", "aria-label": "Timeline", tabIndex: 0 });
    root.append(this.top, tools, this.stageBox, panel, time);
    this.stage = new Stage(this.canvas, this.state);
    this.timeline = new Timeline(time, this.state);
    this.panel = new Panel(panel, this.state);
    this.#tools(tools);
    this.#actions();
    this.#receivers();
    onKeys(this);
    this.state.on("change", () => this.#changed());
    this.state.on("photo", () => {
      this.welcome.hidden = true;
    });
  }

  connectedCallback() {
    const source = this.getAttribute("src");
    if (source && !this.state.photo) void this.openPhoto(source, { crop: false });
  }

  /** Show a photo; the motion begins anew if the photo has another size.
   *
   * @param {Blob | string} source a picture, or an address of one
   * @param {{crop?: boolean, name?: string}} options whether a person may choose a part
   * @returns {Promise<boolean>} false if the person gave up
   * @throws {Error} it is no picture that the browser reads
   */
  async openPhoto(source, { crop = true, name = "" } = {}) {
    const blob = typeof source === "string" ? await (await fetch(source)).blob() : source;
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    } catch {
      throw new Error(`This is no picture that the browser reads (${blob.type || "unknown type"}).`);
    }
    const part = crop ? await askForCrop(/** @type {ShadowRoot} */ (this.shadowRoot), bitmap) : whole(bitmap);
    if (!part) return false;
    const used = await cropped(bitmap, part);
    const canvas = new OffscreenCanvas(used.width, used.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    context.drawImage(used, 0, 0);
    const pixels = context.getImageData(0, 0, used.width, used.height);
    const called = name || (blob instanceof File ? blob.name : "photo");
    this.state.setPhoto({ bitmap: used, pixels, name: called });
    this.dispatchEvent(new CustomEvent("kinema-photo", { detail: { width: used.width, height: used.height, name: called }, bubbles: true, composed: true }));
    return true;
  }

  /** The photo as it is used: cropped, turned upright. @returns {Promise<Blob | null>} a PNG */
  async getPhoto() {
    const photo = this.state.photo;
    if (!photo) return null;
    const canvas = new OffscreenCanvas(photo.bitmap.width, photo.bitmap.height);
    /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(photo.bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
  }

  /** @returns {Promise<Record<string, any>>} the Motion as a plain object */
  getMotion() {
    return writeMotion(this.state.motion);
  }

  /** Take a Motion to edit; it may be undone.
   *
   * @param {any} document a `kinema.motion/1` object
   * @throws {Error} it is none, or of another canvas than the photo
   */
  async setMotion(document) {
    const motion = await readMotion(document);
    const photo = this.state.photo?.bitmap;
    if (photo && (photo.width !== motion.canvas[0] || photo.height !== motion.canvas[1])) {
      throw new Error(`The motion is for a canvas of ${motion.canvas.join("x")}, but the photo is ${photo.width}x${photo.height}.`);
    }
    this.state.replace(motion);
    this.stage.fit();
  }

  /** Take what a Motion says: all of it, or its camera or tracks beside what is drawn if it has nothing else.
   *
   * @param {any} document a `kinema.motion/1` object
   * @returns {Promise<string>} what was taken, in words
   * @throws {Error} as `setMotion`
   */
  async addMotion(document) {
    const { drags, regions, camera, tracks } = this.state.motion;
    const empty = !drags.length && !regions.length && !camera && !tracks;
    const given = await readMotion(document);
    const layer = !given.drags.length && !given.regions.length && (given.camera || given.tracks);
    if (empty || !layer || given.canvas.join() !== this.state.motion.canvas.join()) {
      await this.setMotion(document);
      return "all of it";
    }
    const parts = { ...(given.camera ? { camera: given.camera } : {}), ...(given.tracks ? { tracks: given.tracks } : {}) };
    const names = Object.keys(parts).join(" and ");
    this.state.change(parts, `Took the ${names} of a file`);
    return `its ${names}, beside what is drawn`;
  }

  /** Rendered frames to play in place of the photo; an empty list takes them away. @param {ImageBitmap[]} frames */
  setFrames(frames) {
    // Nothing in place of nothing: a stroke that is under way is not drawn anew as a whole.
    if (!frames.length && !this.state.frames.length) return;
    this.state.frames = frames;
    this.state.tell("frames");
  }

  /** Add a button of the page's own to the bar at the top. @param {...Node} nodes */
  addActions(...nodes) {
    this.top.insertBefore(make("span", {}, ...nodes), this.top.querySelector(".gap"));
  }

  #changed() {
    this.changedAt = performance.now();
    window.clearTimeout(this.#told);
    this.#told = window.setTimeout(async () => {
      const changed = this.changedAt;
      const detail = await this.getMotion();
      this.toldAt = changed;
      this.dispatchEvent(new CustomEvent("kinema-motion", { detail, bubbles: true, composed: true }));
    }, QUIET);
  }

  /** @param {HTMLElement} tools */
  #tools(tools) {
    const buttons = TOOLBAR.map(({ name, key, label }) =>
      button(`${label} (${key.toUpperCase()})`, () => this.state.use(name), { "data-tool": name }, icon(name)),
    );
    const show = () => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each.dataset.tool === this.state.tool)));
    tools.append(...buttons);
    this.state.on("tool", show);
    show();
  }

  #actions() {
    const { state } = this;
    const undo = button("Undo (Ctrl+Z)", () => state.undo(), {}, "↶");
    const redo = button("Redo (Ctrl+Shift+Z)", () => state.redo(), {}, "↷");
    const said = make("span", { class: "said", role: "status", "aria-live": "polite" });
    this.top.append(
      button("Open a photo", () => this.pick("image/*"), {}, "Open photo"),
      undo,
      redo,
      button("Fit the picture into the window (0)", () => this.stage.fit(), { class: "wide" }, "Fit"),
      button("Look closer (+)", () => this.stage.zoom(1.25), { class: "wide" }, "+"),
      button("Look from farther away (-)", () => this.stage.zoom(0.8), { class: "wide" }, "−"),
      button("Keys (?)", () => showKeys(/** @type {ShadowRoot} */ (this.shadowRoot)), { class: "wide" }, "?"),
      make("span", { class: "gap" }),
      said,
    );
    const show = () => {
      undo.disabled = state.history.past.length === 0;
      redo.disabled = state.history.future.length === 0;
    };
    state.on("change", show);
    state.on("said", (event) => {
      said.textContent = String(event.detail);
      said.title = String(event.detail);
    });
    show();
  }

  #welcome() {
    return make(
      "div",
      { class: "welcome" },
      make("h1", {}, "What should move?"),
      make("p", {}, "Drop a photo here, paste one, or choose one. Then brush over what should move, and draw where it should go."),
      make("div", { class: "buttons" }, button("Choose a photo", () => this.pick("image/*")), button("Take a photo", () => this.pick("image/*", "environment"))),
    );
  }

  /** Let a person choose a photo. @param {string} accept @param {string} [capture] a phone's camera */
  pick(accept, capture) {
    const input = make("input", { type: "file", accept, capture });
    input.addEventListener("change", () => input.files?.[0] && this.take(input.files[0]));
    input.click();
  }

  /** @param {Blob} file a photo, or a Motion file */
  async take(file) {
    try {
      const named = file instanceof File ? file.name : "";
      if (named.endsWith(".json") || file.type === "application/json") await this.setMotion(JSON.parse(await file.text()));
      else await this.openPhoto(file);
    } catch (error) {
      this.state.say(error instanceof Error ? error.message : String(error));
    }
  }

  #receivers() {
    const { stageBox } = this;
    stageBox.addEventListener("dragover", (event) => {
      event.preventDefault();
      stageBox.classList.add("dropping");
    });
    stageBox.addEventListener("dragleave", () => stageBox.classList.remove("dropping"));
    stageBox.addEventListener("drop", (event) => {
      event.preventDefault();
      stageBox.classList.remove("dropping");
      const file = event.dataTransfer?.files[0];
      if (file) void this.take(file);
    });
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
      if (file && this.isConnected) void this.take(file);
    });
  }
}

customElements.define("kinema-editor", KinemaEditor);
