// @ts-check
/** A region moved, turned and scaled by plain numbers, as in `kinema.motion.transform`. */

import { EASINGS } from "./timing.js";

/** @typedef {import("./path.js").Point} Point */
/** @typedef {{time: number, dx: number, dy: number, turn: number, scale: number, easing: import("./timing.js").Easing}} Keyframe */

/** The photo itself. @type {Keyframe} */
export const REST = { time: 0, dx: 0, dy: 0, turn: 0, scale: 1, easing: "linear" };

/** How a region has moved at a time: linear between keyframes, each with its easing.
 *
 * @param {Keyframe[]} keyframes in order of time
 * @param {number} time in [0, 1]
 * @returns {Keyframe}
 */
export function stateAt(keyframes, time) {
  let before = REST;
  for (const after of keyframes) {
    if (time < after.time) {
      const share = EASINGS[after.easing]((time - before.time) / (after.time - before.time));
      /** @param {"dx" | "dy" | "turn" | "scale"} key */
      const between = (key) => before[key] + share * (after[key] - before[key]);
      return {
        time,
        dx: between("dx"),
        dy: between("dy"),
        turn: between("turn"),
        scale: between("scale"),
        easing: "linear",
      };
    }
    before = after;
  }
  return { ...before, time };
}

/** Where a point of the photo is in a state: pivot + (dx, dy) + scale R(turn) (p - pivot).
 *
 * @param {Point} point @param {Point} pivot @param {Keyframe} state
 * @returns {Point}
 */
export function placed([x, y], [px, py], state) {
  const angle = (state.turn * Math.PI) / 180;
  const [c, s] = [state.scale * Math.cos(angle), state.scale * Math.sin(angle)];
  return [
    px + state.dx + c * (x - px) - s * (y - py),
    py + state.dy + s * (x - px) + c * (y - py),
  ];
}

/** The drags that a transform stands for: of the pivot, and of a point a way beside it.
 *
 * @param {Keyframe[]} keyframes @param {Point} pivot @param {number} reach pixels
 * @param {string} region its name
 * @param {number} steps how finely the way is told
 * @returns {import("./motion.js").Drag[]}
 */
export function writtenOut(keyframes, pivot, reach, region, steps = 16) {
  const times = Array.from({ length: steps + 1 }, (_, k) => k / steps);
  const starts = /** @type {Point[]} */ ([pivot, [pivot[0] + reach, pivot[1]]]);
  return starts.map((start) => ({
    points: times.map((time) => placed(start, pivot, stateAt(keyframes, time))),
    times: null,
    easing: "linear",
    region,
  }));
}
