// @ts-check
/** Parts of the window that are to be drawn anew. */

/** @typedef {import("../raster/mask.js").Box} Box */
/** @typedef {import("../model/path.js").Point} Point */

/** The least box around two. @param {Box | null} one @param {Box | null} other @returns {Box | null} */
export function joined(one, other) {
  if (!one || !other) return one ?? other;
  return {
    left: Math.min(one.left, other.left),
    top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right),
    bottom: Math.max(one.bottom, other.bottom),
  };
}

/** @param {Point} middle @param {number} reach @returns {Box} */
export function around([x, y], reach) {
  return { left: x - reach, top: y - reach, right: x + reach, bottom: y + reach };
}

/** Draw nothing outside an area, whose sides are moved outward to whole pixels of the screen.
 *
 * @param {CanvasRenderingContext2D} context @param {Box} box of the window @param {number} ratio screen pixels to one of the window
 */
export function within(context, { left, top, right, bottom }, ratio) {
  const [x, y] = [Math.floor(left * ratio), Math.floor(top * ratio)];
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.beginPath();
  context.rect(x, y, Math.ceil(right * ratio) - x, Math.ceil(bottom * ratio) - y);
  context.clip();
}
