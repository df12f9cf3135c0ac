// @ts-check
/** Distances to the edge of a mask, in one sweep there and one back. */

const STRAIGHT = 1;
const DIAGONAL = Math.SQRT2;

/** How far each pixel is from the nearest one inside, or, within the mask, from the nearest outside.
 *
 * Weights 1 and sqrt 2 (chamfer distance, Borgefors 1986): at most 8 % too long.
 *
 * @param {{width: number, height: number, levels: Uint8Array}} mask
 * @param {boolean} toInside whether distances outside the mask are asked for
 * @returns {Float32Array} pixels, 0 where it is already there
 */
export function chamfer(mask, toInside) {
  const { width, height, levels } = mask;
  const far = Float32Array.from(levels, (level) => (level >= 128 === toInside ? 0 : 1e9));
  for (let row = 0, k = 0; row < height; row++) {
    for (let column = 0; column < width; column++, k++) {
      if (column > 0) far[k] = Math.min(far[k], far[k - 1] + STRAIGHT);
      if (row === 0) continue;
      far[k] = Math.min(far[k], far[k - width] + STRAIGHT);
      if (column > 0) far[k] = Math.min(far[k], far[k - width - 1] + DIAGONAL);
      if (column < width - 1) far[k] = Math.min(far[k], far[k - width + 1] + DIAGONAL);
    }
  }
  for (let row = height - 1, k = width * height - 1; row >= 0; row--) {
    for (let column = width - 1; column >= 0; column--, k--) {
      if (column < width - 1) far[k] = Math.min(far[k], far[k + 1] + STRAIGHT);
      if (row === height - 1) continue;
      far[k] = Math.min(far[k], far[k + width] + STRAIGHT);
      if (column < width - 1) far[k] = Math.min(far[k], far[k + width + 1] + DIAGONAL);
      if (column > 0) far[k] = Math.min(far[k], far[k + width - 1] + DIAGONAL);
    }
  }
  return far;
}
