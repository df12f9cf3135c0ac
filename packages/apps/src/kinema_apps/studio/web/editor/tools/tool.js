// @ts-check
/** What a hand does on the picture. */

/** @typedef {import("../view/stage.js").Touch} Touch */

export class Tool {
  cursor = "crosshair";

  /** @param {import("../model/state.js").EditorState} state @param {import("../view/stage.js").Stage} stage */
  constructor(state, stage) {
    this.state = state;
    this.stage = stage;
  }

  /** @param {Touch} _touch */
  down(_touch) {}

  /** @param {Touch[]} _touches since the last call */
  move(_touches) {}

  /** @param {Touch} _touch */
  up(_touch) {}

  /** Without a finger or button down. @param {Touch} _touch */
  hover(_touch) {}

  /** Forget what was begun. */
  cancel() {}

  /** Which part of the window has to be drawn anew since it was drawn; null is all of it.
   *
   * @returns {import("../raster/mask.js").Box | null}
   */
  stale() {
    return null;
  }

  /** What a region looks like while it is being changed.
   *
   * @param {number} _index @returns {{overlay: OffscreenCanvas} | null}
   */
  working(_index) {
    return null;
  }

  /** @param {CanvasRenderingContext2D} _context in screen pixels */
  draw(_context) {}
}
