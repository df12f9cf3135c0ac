// @ts-check
/** Selecting by colour: what a click fills, and where a brush stops by itself. */

import { Mask } from "./mask.js";

/** @typedef {import("../model/path.js").Point} Point */

/** What hangs together with a point and has about its colour.
 *
 * @param {ImageData} photo @param {Point} start
 * @param {number} tolerance of each of the channels, 0 to 255
 * @returns {Mask}
 */
export function fillFrom(photo, start, tolerance) {
  const { width, height, data } = photo;
  const mask = new Mask(width, height);
  const first = Math.round(start[1]) * width + Math.round(start[0]);
  const colour = [data[4 * first], data[4 * first + 1], data[4 * first + 2]];
  /** @param {number} k */
  const alike = (k) =>
    Math.abs(data[4 * k] - colour[0]) <= tolerance &&
    Math.abs(data[4 * k + 1] - colour[1]) <= tolerance &&
    Math.abs(data[4 * k + 2] - colour[2]) <= tolerance;
  flood(mask, first, alike);
  return mask;
}

/** What a wide brush touches, only as far as the photo stays like what lies under its middle.
 *
 * The colours under the line's own pixels are the sample; a pixel within the brush belongs if it
 * hangs together with the line and lies within `strictness` deviations of one of up to four of them.
 *
 * @param {ImageData} photo @param {Point[]} line @param {number} radius pixels
 * @param {number} strictness about 2.5; smaller stops earlier
 * @returns {Mask}
 */
export function smartStroke(photo, line, radius, strictness = 2.5) {
  const { width, height, data } = photo;
  const reach = new Mask(width, height);
  reach.stroke(line, radius, 1, false);
  const core = new Mask(width, height);
  core.stroke(line, Math.max(1, radius / 3), 1, false);
  const samples = [];
  for (let k = 0; k < core.levels.length; k++) {
    if (core.levels[k] >= 128) samples.push([data[4 * k], data[4 * k + 1], data[4 * k + 2]]);
  }
  const groups = clusters(samples, 4);
  const mask = new Mask(width, height);
  /** @param {number} k */
  const belongs = (k) =>
    reach.levels[k] >= 128 &&
    (core.levels[k] >= 128 ||
      groups.some(({ mean, spread }) => {
        const far = Math.hypot(data[4 * k] - mean[0], data[4 * k + 1] - mean[1], data[4 * k + 2] - mean[2]);
        return far <= strictness * spread;
      }));
  for (let k = 0; k < core.levels.length; k++) {
    if (core.levels[k] >= 128 && mask.levels[k] === 0) flood(mask, k, belongs);
  }
  return mask.withoutHoles();
}

/** @param {Mask} mask grows in place @param {number} first @param {(k: number) => boolean} belongs */
function flood(mask, first, belongs) {
  const { width, height, levels } = mask;
  const open = [first];
  levels[first] = 255;
  /** @param {number} k */
  const visit = (k) => {
    if (levels[k] === 0 && belongs(k)) {
      levels[k] = 255;
      open.push(k);
    }
  };
  while (open.length) {
    const k = /** @type {number} */ (open.pop());
    const column = k % width;
    if (column > 0) visit(k - 1);
    if (column < width - 1) visit(k + 1);
    if (k >= width) visit(k - width);
    if (k < width * (height - 1)) visit(k + width);
  }
}

/** Groups of colours (k-means, first centres spread over the sorted brightness).
 *
 * @param {number[][]} samples @param {number} most
 * @returns {{mean: number[], spread: number}[]}
 */
function clusters(samples, most) {
  const bright = [...samples].sort((a, b) => a[0] + a[1] + a[2] - b[0] - b[1] - b[2]);
  const count = Math.min(most, bright.length);
  let means = Array.from({ length: count }, (_, k) => bright[Math.floor(((k + 0.5) * bright.length) / count)]);
  /** @type {number[][][]} */
  let groups = [];
  for (let round = 0; round < 6; round++) {
    groups = means.map(() => []);
    for (const sample of samples) groups[nearest(means, sample)].push(sample);
    means = means.map((mean, k) => (groups[k].length ? average(groups[k]) : mean));
  }
  return means
    .map((mean, k) => ({ mean, group: groups[k] }))
    .filter(({ group }) => group.length > 0)
    .map(({ mean, group }) => {
      const square = group.reduce((sum, sample) => sum + apart(sample, mean) ** 2, 0) / group.length;
      return { mean, spread: Math.max(8, Math.sqrt(square)) };
    });
}

/** @param {number[]} a @param {number[]} b */
function apart(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** @param {number[][]} means @param {number[]} sample */
function nearest(means, sample) {
  let best = 0;
  for (let k = 1; k < means.length; k++) if (apart(means[k], sample) < apart(means[best], sample)) best = k;
  return best;
}

/** @param {number[][]} samples */
function average(samples) {
  return [0, 1, 2].map((channel) => samples.reduce((sum, sample) => sum + sample[channel], 0) / samples.length);
}
