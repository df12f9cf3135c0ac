// @ts-check
/** What an editor holds: a photo, a motion with its history, what is chosen, and the time shown. */

import { History } from "./history.js";
import { emptyMotion } from "./motion.js";

/** @typedef {import("./motion.js").Motion} Motion */
/** @typedef {import("./motion.js").Region} Region */
/** @typedef {import("./motion.js").Drag} Drag */
/** @typedef {{kind: "drag", index: number, point: number} | {kind: "region", index: number, point: number}} Selection */
/** @typedef {"change" | "selection" | "tool" | "time" | "photo" | "options" | "frames" | "said"} Kind */
/** @typedef {{bitmap: ImageBitmap, pixels: ImageData, name: string}} Photo */

export class EditorState extends EventTarget {
  constructor() {
    super();
    /** @type {History<Motion>} */
    this.history = new History(emptyMotion([512, 320]));
    /** @type {Photo | null} */
    this.photo = null;
    /** @type {Selection | null} */
    this.selection = null;
    this.tool = "brush";
    this.time = 0;
    this.playing = false;
    /** The time that was shown before it played. */
    this.home = 0;
    /** Rendered frames of the motion as it is, or none. @type {ImageBitmap[]} */
    this.frames = [];
    this.options = { size: 24, hardness: 1, erase: false, tolerance: 28, onion: false, masks: true };
    /** @type {{kind: "drag" | "region", value: any} | null} */
    this.copied = null;
  }

  /** @returns {Motion} */
  get motion() {
    return this.history.now;
  }

  /** @param {Kind} kind @param {unknown} [detail] */
  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  /** @param {Kind | Kind[]} kinds @param {(event: CustomEvent) => void} heard */
  on(kinds, heard) {
    for (const kind of [kinds].flat()) this.addEventListener(kind, /** @type {EventListener} */ (heard));
  }

  /** Take a changed motion. @param {Partial<Motion>} parts @param {string} what @param {string} merge */
  change(parts, what, merge = "") {
    this.history.push({ ...this.motion, ...parts }, what, merge);
    this.#keepSelection();
    this.tell("change", { what });
  }

  /** Begin again with another motion. @param {Motion} motion */
  replace(motion, what = "Opened a motion") {
    this.history.push(motion, what);
    this.selection = null;
    this.tell("change", { what });
    this.tell("selection");
  }

  /** @param {Photo} photo the canvas becomes as large as it is, and the motion is emptied if it was another */
  setPhoto(photo) {
    this.photo = photo;
    const size = /** @type {[number, number]} */ ([photo.bitmap.width, photo.bitmap.height]);
    if (size.join() !== this.motion.canvas.join()) {
      this.history = new History(emptyMotion(size));
      this.selection = null;
    }
    this.frames = [];
    this.tell("photo");
    this.tell("change", { what: "Opened a photo" });
  }

  /** Empty the motion, for another photo of perhaps the same size. */
  reset() {
    this.history = new History(emptyMotion(this.motion.canvas));
    this.frames = [];
    this.select(null);
    this.seek(0);
    this.tell("change", { what: "Began anew" });
  }

  undo() {
    this.#step(this.history.undo(), "Undone");
  }

  redo() {
    this.#step(this.history.redo(), "Done again");
  }

  /** @param {string | null} what @param {string} words */
  #step(what, words) {
    if (what === null) return;
    this.#keepSelection();
    this.tell("change", { what });
    this.tell("selection");
    this.say(`${words}: ${what}`);
  }

  /** @param {string} words for the status line and screen readers */
  say(words) {
    this.tell("said", words);
  }

  /** @param {Selection | null} selection */
  select(selection) {
    this.selection = selection;
    this.tell("selection");
  }

  /** @param {string} tool */
  use(tool) {
    this.tool = tool;
    this.tell("tool");
  }

  /** @param {Partial<EditorState["options"]>} options */
  set(options) {
    Object.assign(this.options, options);
    this.tell("options");
  }

  pause() {
    this.playing = false;
    this.tell("time");
  }

  /** End playing, and show what was shown before: what a hand comes to. */
  rest() {
    if (!this.playing) return;
    this.playing = false;
    this.seek(this.home);
  }

  /** @param {number} time in [0, 1] */
  seek(time) {
    this.time = Math.min(1, Math.max(0, time));
    this.tell("time");
  }

  #keepSelection() {
    const chosen = this.selection;
    if (!chosen) return;
    const list = chosen.kind === "drag" ? this.motion.drags : this.motion.regions;
    if (chosen.index >= list.length) this.select(null);
  }

  /** @returns {Drag | null} */
  get drag() {
    return this.selection?.kind === "drag" ? (this.motion.drags[this.selection.index] ?? null) : null;
  }

  /** @returns {Region | null} */
  get region() {
    return this.selection?.kind === "region" ? (this.motion.regions[this.selection.index] ?? null) : null;
  }

  /** @param {number} index @param {Partial<Drag>} parts @param {string} what @param {string} merge */
  editDrag(index, parts, what, merge = "") {
    const drags = this.motion.drags.map((drag, k) => (k === index ? { ...drag, ...parts } : drag));
    this.change({ drags }, what, merge);
  }

  /** @param {number} index @param {Partial<Region>} parts @param {string} what @param {string} merge */
  editRegion(index, parts, what, merge = "") {
    const before = this.motion.regions[index];
    const regions = this.motion.regions.map((region, k) => (k === index ? { ...region, ...parts } : region));
    const renamed = parts.name !== undefined && parts.name !== before.name;
    const drags = renamed
      ? this.motion.drags.map((drag) => (drag.region === before.name ? { ...drag, region: /** @type {string} */ (parts.name) } : drag))
      : this.motion.drags;
    this.change({ regions, drags }, what, merge);
  }

  /** @param {Drag} drag @param {string} what */
  addDrag(drag, what = "Drew a drag") {
    this.change({ drags: [...this.motion.drags, drag] }, what);
    this.select({ kind: "drag", index: this.motion.drags.length - 1, point: 0 });
  }

  /** @param {import("../raster/mask.js").Mask} mask @param {string} what @param {Partial<Region>} parts */
  addRegion(mask, what, parts = {}) {
    const region = { name: this.freeName(), mask, grow: 0, transform: [], pivot: null, scaling: false, attached: null, appears: 0, vanishes: null, ...parts };
    this.change({ regions: [...this.motion.regions, region] }, what);
    this.select({ kind: "region", index: this.motion.regions.length - 1, point: -1 });
  }

  /** @returns {string} a name that no region has */
  freeName() {
    const taken = new Set(this.motion.regions.map((region) => region.name));
    let number = this.motion.regions.length + 1;
    while (taken.has(`region ${number}`)) number += 1;
    return `region ${number}`;
  }

  removeSelected() {
    const chosen = this.selection;
    if (!chosen) return;
    if (chosen.kind === "drag") {
      const drag = this.motion.drags[chosen.index];
      if (chosen.point > 0 && drag.points.length > 2) return this.removePoint(chosen.index, chosen.point);
      this.change({ drags: this.motion.drags.filter((_, k) => k !== chosen.index) }, "Removed a drag");
    } else {
      this.change({ regions: this.motion.regions.filter((_, k) => k !== chosen.index) }, "Removed a region");
    }
    this.select(null);
  }

  /** @param {number} index @param {number} point */
  removePoint(index, point) {
    const drag = this.motion.drags[index];
    const points = drag.points.filter((_, k) => k !== point);
    const times = drag.times?.filter((_, k) => k !== point) ?? null;
    this.editDrag(index, { points, times: points.length > 1 ? times : null }, "Removed a point");
    this.select({ kind: "drag", index, point: Math.min(point, points.length - 1) });
  }

  copySelected() {
    if (this.drag) this.copied = { kind: "drag", value: this.drag };
    else if (this.region) this.copied = { kind: "region", value: this.region };
    if (!this.copied) return;
    this.tell("selection");
    this.say(`Copied the ${this.copied.kind}.`);
  }

  paste() {
    if (!this.copied) return;
    const shift = Math.round(Math.max(...this.motion.canvas) / 40);
    if (this.copied.kind === "drag") {
      const points = this.copied.value.points.map((/** @type {[number, number]} */ [x, y]) => [x + shift, y + shift]);
      this.addDrag({ ...this.copied.value, points, region: "" }, "Pasted a drag");
    } else {
      const region = this.copied.value;
      this.addRegion(region.mask.shifted(shift, shift), "Pasted a region", { ...region, name: this.freeName(), mask: region.mask.shifted(shift, shift) });
    }
  }

  /** Mirror what is chosen, left to right: a drag's way about its start, a region's in the picture. */
  mirrorSelected() {
    const chosen = this.selection;
    if (!chosen) return;
    if (this.drag) {
      const [first] = this.drag.points[0];
      const points = this.drag.points.map(([x, y]) => /** @type {[number, number]} */ ([2 * first - x, y]));
      this.editDrag(chosen.index, { points }, "Mirrored a drag");
    } else if (this.region) {
      const region = this.region;
      const width = this.motion.canvas[0];
      const transform = region.transform.map((key) => ({ ...key, dx: -key.dx, turn: -key.turn }));
      const pivot = region.pivot ? /** @type {[number, number]} */ ([width - 1 - region.pivot[0], region.pivot[1]]) : null;
      this.editRegion(chosen.index, { mask: region.mask.mirrored(), transform, pivot }, "Mirrored a region");
    }
  }

  /** Move a region in the order. @param {number} index @param {number} by */
  reorder(index, by) {
    const regions = [...this.motion.regions];
    const target = index + by;
    if (target < 0 || target >= regions.length) return;
    regions.splice(target, 0, ...regions.splice(index, 1));
    this.change({ regions }, "Changed the order of regions");
    this.select({ kind: "region", index: target, point: -1 });
  }

  /** The frame that is shown. @returns {number} */
  get frame() {
    return Math.round(this.time * (this.frameCount - 1));
  }

  /** @returns {number} at least 2 */
  get frameCount() {
    return Math.max(2, Math.round(this.motion.fps * this.motion.duration));
  }
}
