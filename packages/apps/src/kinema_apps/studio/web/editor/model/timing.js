// @ts-check
/** Time inside a clip: 0 is the photo, 1 the last frame. The same curves as `kinema.motion.timing`. */

/** @typedef {"linear" | "ease-in" | "ease-out" | "ease-in-out" | "gentle"} Easing */
/** @typedef {"once" | "loop" | "ping-pong"} Playback */

/** @type {Record<Easing, (time: number) => number>} */
export const EASINGS = {
  linear: (t) => t,
  "ease-in": (t) => t * t,
  "ease-out": (t) => t * (2 - t),
  "ease-in-out": (t) => t * t * (3 - 2 * t),
  gentle: (t) => t * t * t * (10 + t * (6 * t - 15)),
};

/** @type {Playback[]} */
export const PLAYBACKS = ["once", "loop", "ping-pong"];

/** Two points of a drag, or two keyframes, are at least this part of the clip apart. */
export const MIN_STEP = 1e-6;

/** Which time of the motion a time of the clip shows, both in [0, 1].
 *
 * @param {number} time @param {Playback} playback @param {number} cycles
 */
export function motionTime(time, playback, cycles) {
  if (playback === "once") return time;
  const part = (cycles * time) % 1;
  return playback === "loop" ? part : 1 - Math.abs(1 - 2 * part);
}

/** Times of the frames of a clip, evenly from 0 to 1.
 *
 * @param {number} frames at least 2
 * @returns {number[]}
 */
export function frameTimes(frames) {
  return Array.from({ length: frames }, (_, frame) => frame / (frames - 1));
}
