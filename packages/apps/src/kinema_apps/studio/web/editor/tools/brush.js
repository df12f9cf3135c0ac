// @ts-check
/** Brushing regions: round brush, eraser, and a brush that stops at edges. */

import { Mask } from "../raster/mask.js";
import { smartStroke } from "../raster/select.js";
import { colourOf } from "../view/colours.js";
import { around, joined } from "../view/areas.js";
import { refresh, tint } from "../view/overlays.js";
import { Tool } from "./tool.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {import("../raster/mask.js").Box} Box */
/** @typedef {{index: number, fresh: boolean, mask: Mask, overlay: OffscreenCanvas, line: Point[], erase: boolean}} Begun */

export class Brush extends Tool {
  cursor = "none";
  /** @type {Begun | null} */
  begun = null;
  /** @type {Point | null} */
  over = null;
  /** What was brushed since it was drawn, of the canvas. @type {Box | null} */
  #brushed = null;
  /** Where the ring around the pointer was drawn. @type {Box | null} */
  #ring = null;

  get radius() {
    return this.state.options.size / 2;
  }

  /** @param {import("../view/stage.js").Touch} touch */
  down(touch) {
    const { state } = this;
    const erase = state.options.erase || touch.alt;
    const chosen = state.selection?.kind === "region" ? state.selection.index : -1;
    if (erase && chosen < 0) return state.say("Choose the region to erase from.");
    const fresh = chosen < 0;
    const index = fresh ? state.motion.regions.length : chosen;
    const mask = fresh ? new Mask(...state.motion.canvas) : state.motion.regions[index].mask.copy();
    this.begun = { index, fresh, mask, overlay: fresh ? new OffscreenCanvas(mask.width, mask.height) : tint(mask, colourOf(index)), line: [touch.point], erase };
    this.extend([touch.point]);
    return undefined;
  }

  /** @param {import("../view/stage.js").Touch[]} touches */
  move(touches) {
    this.over = touches[touches.length - 1].screen;
    if (this.begun) this.extend(touches.map((touch) => touch.point));
  }

  /** Go on to each of the points; what a point costs depends on the brush and its step alone. @param {Point[]} points */
  extend(points) {
    const { index, mask, overlay, line, erase } = /** @type {Begun} */ (this.begun);
    for (const point of points) {
      const box = mask.stroke([line[line.length - 1], point], this.radius, this.state.options.hardness, erase);
      refresh(overlay, mask, colourOf(index), box);
      this.#brushed = joined(this.#brushed, box);
      line.push(point);
    }
  }

  stale() {
    const { view } = this.stage;
    let area = joined(this.#ring, this.over && this.#around(this.over));
    if (this.#brushed) {
      const { left, top, right, bottom } = this.#brushed;
      const [[x, y], [across, down]] = [view.toScreen([left, top]), view.toScreen([right, bottom])];
      area = joined(area, { left: x - 2, top: y - 2, right: across + 2, bottom: down + 2 });
    }
    return area;
  }

  /** @param {Point} over */
  #around(over) {
    return around(over, Math.max(2, this.radius * this.stage.view.scale) + 3);
  }

  up() {
    const begun = this.begun;
    this.begun = null;
    if (begun) this.keep(begun);
  }

  /** @param {Begun} begun */
  keep({ fresh, erase, index, mask, overlay }) {
    this.stage.overlays.keep(mask, colourOf(index), overlay);
    const what = erase ? "Erased from a region" : "Brushed a region";
    if (fresh) this.state.addRegion(mask, what);
    else this.state.editRegion(index, { mask }, what);
  }

  cancel() {
    this.begun = null;
  }

  /** @param {import("../view/stage.js").Touch} touch */
  hover(touch) {
    this.over = touch.touch ? null : touch.screen;
  }

  /** @param {number} index */
  working(index) {
    return this.begun?.index === index ? this.begun : null;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const { begun, stage } = this;
    this.#brushed = null;
    this.#ring = this.over && this.#around(this.over);
    if (begun?.fresh) {
      const [width, height] = this.state.motion.canvas;
      context.globalAlpha = 0.55;
      context.drawImage(begun.overlay, stage.view.x, stage.view.y, width * stage.view.scale, height * stage.view.scale);
      context.globalAlpha = 1;
    }
    if (!this.over) return;
    for (const [width, colour] of /** @type {[number, string][]} */ ([[3, "rgb(0 0 0 / 0.6)"], [1.5, this.state.options.erase ? "#ff8a80" : "white"]])) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.arc(...this.over, Math.max(2, this.radius * stage.view.scale), 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

export class SmartBrush extends Brush {
  /** @param {Begun} begun */
  keep({ fresh, erase, index, line }) {
    const { motion, photo } = this.state;
    if (!photo) return;
    const before = fresh ? new Mask(...motion.canvas) : motion.regions[index].mask;
    const mask = before.joined(smartStroke(photo.pixels, line, this.radius), erase);
    const what = "Brushed a region along its edge";
    if (fresh) this.state.addRegion(mask, what);
    else this.state.editRegion(index, { mask }, what);
  }
}
