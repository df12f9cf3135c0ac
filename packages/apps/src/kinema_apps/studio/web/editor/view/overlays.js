// @ts-check
/** Regions as tinted pictures, kept as long as their mask is. */

/** @typedef {import("../raster/mask.js").Mask} Mask */

export class Overlays {
  /** @type {WeakMap<Mask, {key: string, canvas: OffscreenCanvas}>} */
  #kept = new WeakMap();

  /** @param {import("../model/motion.js").Region} region @param {[number, number, number]} colour @returns {OffscreenCanvas} */
  of(region, colour) {
    const key = keyOf(colour, region.grow);
    const kept = this.#kept.get(region.mask);
    if (kept?.key === key) return kept.canvas;
    const canvas = tint(region.mask.grown(region.grow), colour);
    this.#kept.set(region.mask, { key, canvas });
    return canvas;
  }

  /** Take the picture of a mask that was tinted as it came about. @param {Mask} mask @param {[number, number, number]} colour @param {OffscreenCanvas} canvas */
  keep(mask, colour, canvas) {
    this.#kept.set(mask, { key: keyOf(colour, 0), canvas });
  }
}

/** @param {[number, number, number]} colour @param {number} grow */
function keyOf(colour, grow) {
  return `${colour} ${grow}`;
}

/** @param {Mask} mask @param {[number, number, number]} colour @returns {OffscreenCanvas} */
export function tint(mask, colour) {
  const canvas = new OffscreenCanvas(mask.width, mask.height);
  refresh(canvas, mask, colour, { left: 0, top: 0, right: mask.width, bottom: mask.height });
  return canvas;
}

/** Draw a part of a mask again.
 *
 * @param {OffscreenCanvas} canvas @param {Mask} mask @param {[number, number, number]} colour
 * @param {import("../raster/mask.js").Box} box
 */
export function refresh(canvas, mask, colour, box) {
  if (box.right <= box.left || box.bottom <= box.top) return;
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.putImageData(mask.tinted(colour, 1, box), box.left, box.top);
}
