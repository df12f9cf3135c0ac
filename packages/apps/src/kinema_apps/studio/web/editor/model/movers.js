// @ts-check
/** Which region a drag moves: the rules of `kinema.motion.Motion.moved_layers`. */

import { writtenOut } from "./keyframes.js";
import { follow, knotTimes, simplify } from "./path.js";

/** @typedef {import("./path.js").Point} Point */
/** @typedef {import("./motion.js").Motion} Motion */
/** @typedef {import("./keyframes.js").Keyframe} Keyframe */

/** How far beside a region a drag still takes hold of it: 1.25 % of the shorter side, 4 px at least.
 * The rule of `kinema.motion.region.beside`. @param {[number, number]} canvas */
export function reachOf(canvas) {
  return Math.max(4, 0.0125 * Math.min(...canvas));
}

/** The topmost region under a point, or -1. @param {Motion} motion @param {Point} point */
export function regionUnder(motion, point) {
  for (let index = motion.regions.length - 1; index >= 0; index--) {
    if (motion.regions[index].mask.has(point)) return index;
  }
  return -1;
}

/** The region nearest to a point that lies in none. @param {Motion} motion @param {Point} point */
export function nearest(motion, point) {
  let best = { pixels: Infinity, name: "", index: -1 };
  motion.regions.forEach((region, index) => {
    let square = Infinity;
    region.mask.forEachInside((column, row) => {
      square = Math.min(square, (column - point[0]) ** 2 + (row - point[1]) ** 2);
    });
    if (Math.sqrt(square) < best.pixels) best = { pixels: Math.sqrt(square), name: region.name, index };
  });
  return best;
}

/** The region that a drag moves: the named one, or the one at its start; -1 is none.
 *
 * @param {Motion} motion @param {import("./motion.js").Drag} drag
 */
export function regionOf(motion, drag) {
  if (drag.region) return motion.regions.findIndex((region) => region.name === drag.region);
  const under = regionUnder(motion, drag.points[0]);
  if (under >= 0) return under;
  const near = nearest(motion, drag.points[0]);
  return near.pixels <= reachOf(motion.canvas) ? near.index : -1;
}

/** Indices of the drags and pins that move a region. @param {Motion} motion @param {number} index */
export function moversOf(motion, index) {
  return motion.drags.flatMap((drag, number) => (regionOf(motion, drag) === index ? [number] : []));
}

/** A drag as the keyframes of a region that shifts as it does. @param {import("./motion.js").Drag} drag @returns {Keyframe[]} */
export function asKeyframes(drag) {
  const at = follow(drag);
  const times = [...new Set([...knotTimes(drag), ...Array.from({ length: 33 }, (_, k) => k / 32)])].sort((a, b) => a - b);
  const way = times.map(at);
  const kept = simplify(way, 0.75);
  return kept
    .filter((k) => times[k] > 0)
    .map((k) => ({ time: times[k], dx: way[k][0] - way[0][0], dy: way[k][1] - way[0][1], turn: 0, scale: 1, easing: "linear" }));
}

/** The motion with a region's keyframes written out as drags. @param {Motion} motion @param {number} index @returns {Motion} */
export function withDrags(motion, index) {
  const region = motion.regions[index];
  const { box, middle } = region.mask;
  const pivot = region.pivot ?? middle;
  if (!box || !pivot) return motion;
  const made = writtenOut(region.transform, pivot, Math.max(4, (box.right - box.left) / 4), region.name);
  const scales = region.transform.some((key) => key.scale !== 1);
  const regions = motion.regions.map((each, k) => (k === index ? { ...each, transform: [], pivot: null, scaling: each.scaling || scales } : each));
  return { ...motion, regions, drags: [...motion.drags, ...made] };
}
