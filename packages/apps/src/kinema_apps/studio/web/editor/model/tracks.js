// @ts-check
/** Tracks that a file or a tracker gave: which of them to keep, and as drags. */

import { simplify } from "./path.js";

/** @typedef {import("./motion.js").Tracks} Tracks */

/** A point that goes less far than this share of the canvas's longer side is taken to rest. */
const STILL = 0.01;

/** Tracks that become drags at most: more could not be told apart. */
const MOST_DRAGS = 40;

/** Whether a track is seen at a frame. @param {Tracks} tracks @param {number} t @param {number} n */
export function isSeen(tracks, t, n) {
  return tracks.visible.length === 0 || tracks.visible[t][n];
}

/** Those that a test lets pass; null if none is left.
 *
 * @param {Tracks} tracks @param {(n: number) => boolean} keeps
 * @returns {Tracks | null}
 */
export function kept(tracks, keeps) {
  const numbers = [...tracks.points[0].keys()].filter(keeps);
  if (!numbers.length) return null;
  return {
    points: tracks.points.map((row) => numbers.map((n) => row[n])),
    visible: tracks.visible.map((row) => numbers.map((n) => row[n])),
  };
}

/** How far a track goes from its start at most, where it is seen. @param {Tracks} tracks @param {number} n */
export function reach(tracks, n) {
  const [x, y] = tracks.points[0][n];
  return Math.max(0, ...tracks.points.map((row, t) => (isSeen(tracks, t, n) ? Math.hypot(row[n][0] - x, row[n][1] - y) : 0)));
}

/** @param {Tracks} tracks @param {[number, number]} canvas */
export function moving(tracks, canvas) {
  return kept(tracks, (n) => reach(tracks, n) > STILL * Math.max(...canvas));
}

/** Each as a drag of few points, as far as it is seen; at most forty of them.
 *
 * @param {Tracks} tracks
 * @returns {{drags: import("./motion.js").Drag[], of: number}}
 */
export function asDrags(tracks) {
  const [frames, count] = [tracks.points.length, tracks.points[0].length];
  const step = Math.max(1, Math.ceil(count / MOST_DRAGS));
  /** @type {import("./motion.js").Drag[]} */
  const drags = [];
  for (let n = 0; n < count; n += step) {
    const seen = tracks.points.map((_, t) => t).filter((t) => isSeen(tracks, t, n));
    if (seen[0] !== 0) continue;
    const points = seen.map((t) => tracks.points[t][n]);
    const few = simplify(points, 0.75);
    const times = few.map((k) => seen[k] / (frames - 1));
    drags.push({ points: few.map((k) => points[k]), times: few.length > 1 ? times : null, easing: "linear", region: "" });
  }
  return { drags, of: count };
}
