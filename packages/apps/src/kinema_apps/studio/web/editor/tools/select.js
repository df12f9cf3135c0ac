// @ts-check
/** Regions by lasso and by filling what has one colour. */

import { Mask } from "../raster/mask.js";
import { fillFrom } from "../raster/select.js";
import { line } from "../view/shapes.js";
import { Tool } from "./tool.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {import("../view/stage.js").Touch} Touch */

/** Join a mask to the chosen region, or make it a region.
 *
 * @param {import("../model/state.js").EditorState} state @param {Mask} mask @param {boolean} erase @param {string} what
 */
function take(state, mask, erase, what) {
  const chosen = state.selection?.kind === "region" ? state.selection.index : -1;
  if (chosen >= 0) state.editRegion(chosen, { mask: state.motion.regions[chosen].mask.joined(mask, erase) }, what);
  else if (erase) state.say("Choose the region to erase from.");
  else state.addRegion(mask, what);
}

export class Lasso extends Tool {
  /** @type {{points: Point[], erase: boolean} | null} */
  begun = null;

  /** @param {Touch} touch */
  down(touch) {
    this.begun = { points: [touch.point], erase: this.state.options.erase || touch.alt };
  }

  /** @param {Touch[]} touches */
  move(touches) {
    this.begun?.points.push(...touches.map((touch) => touch.point));
  }

  up() {
    const begun = this.begun;
    this.begun = null;
    if (!begun || begun.points.length < 3) return;
    take(this.state, new Mask(...this.state.motion.canvas).filled(begun.points), begun.erase, begun.erase ? "Cut out with the lasso" : "Selected with the lasso");
  }

  cancel() {
    this.begun = null;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    if (!this.begun) return;
    const points = this.begun.points.map((point) => this.stage.view.toScreen(point));
    context.lineWidth = 1.5;
    context.setLineDash([5, 4]);
    context.strokeStyle = "white";
    line(context, [...points, points[0]]);
    context.setLineDash([]);
  }
}

export class Fill extends Tool {
  cursor = "cell";

  /** @param {Touch} touch */
  down(touch) {
    const { state } = this;
    const [x, y] = touch.point.map(Math.round);
    const [width, height] = state.motion.canvas;
    if (!state.photo || x < 0 || y < 0 || x >= width || y >= height) return;
    const erase = state.options.erase || touch.alt;
    const mask = fillFrom(state.photo.pixels, touch.point, state.options.tolerance).withoutHoles();
    take(state, mask, erase, erase ? "Erased by colour" : "Filled by colour");
  }
}
