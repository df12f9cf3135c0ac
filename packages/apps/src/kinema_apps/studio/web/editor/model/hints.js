// @ts-check
/** What a person should know about a motion before rendering it, in words. */

import { placed, stateAt } from "./keyframes.js";
import { moversOf, nearest, reachOf, regionUnder } from "./movers.js";
import { follow } from "./path.js";
import { frameTimes, motionTime } from "./timing.js";

/** @typedef {import("./path.js").Point} Point */
/** @typedef {{kind: "drag" | "region" | "camera" | "motion", index: number, words: string}} Hint */

/** A step from frame to frame that few models follow: this share of the canvas's longer side. */
const FAST = 0.08;

/** @param {import("./motion.js").Motion} motion @returns {Hint[]} */
export function hints(motion) {
  const found = [...drags(motion), ...regions(motion), ...camera(motion)];
  const nothing = !motion.drags.length && !motion.camera && !motion.tracks && !motion.regions.some((region) => region.transform.length);
  if (nothing && motion.regions.length) {
    found.push({ kind: "motion", index: 0, words: "Nothing moves yet: draw a drag on a region, or move it with its handles." });
  }
  return found;
}

/** @param {import("./motion.js").Motion} motion @returns {Hint[]} */
function drags(motion) {
  const frames = Math.max(2, Math.round(motion.fps * motion.duration));
  const times = frameTimes(frames).map((time) => motionTime(time, motion.playback, motion.cycles));
  /** @type {Hint[]} */
  const found = [];
  motion.drags.forEach((drag, index) => {
    /** @param {string} words */
    const say = (words) => found.push({ kind: "drag", index, words });
    const at = follow(drag);
    const way = times.map(at);
    const fastest = fastestStep(way);
    if (fastest.pixels > FAST * Math.max(...motion.canvas)) {
      say(`Drag ${index + 1} is too fast for ${motion.fps} frames a second: ${fastest.pixels.toFixed(0)} pixels from frame ${fastest.frame} to ${fastest.frame + 1}. Shorten it, or give it more time.`);
    }
    const gone = way.findIndex((point) => !inside(point, motion.canvas));
    if (gone >= 0) say(`Drag ${index + 1} leaves the picture in frame ${gone + 1}.`);
    if (!motion.regions.length || drag.points.length === 1) return;
    if (drag.region) {
      const named = motion.regions.find((region) => region.name === drag.region);
      if (!named) say(`Drag ${index + 1} names the region ${drag.region}, which is gone.`);
      else if (!named.mask.has(drag.points[0])) say(`Drag ${index + 1} starts outside the region ${drag.region} that it moves.`);
      return;
    }
    if (regionUnder(motion, drag.points[0]) >= 0) return;
    const near = nearest(motion, drag.points[0]);
    if (near.pixels <= reachOf(motion.canvas)) {
      say(`Drag ${index + 1} starts ${near.pixels.toFixed(0)} pixels beside ${near.name} and is taken to move it.`);
    } else if (near.pixels < 0.15 * Math.max(...motion.canvas)) {
      say(`Drag ${index + 1} starts just outside ${near.name}: it moves what is around its start instead.`);
    } else {
      say(`Drag ${index + 1} is far from every region: it moves what is around its start.`);
    }
  });
  return found;
}

/** @param {import("./motion.js").Motion} motion @returns {Hint[]} */
function regions(motion) {
  /** @type {Hint[]} */
  const found = [];
  motion.regions.forEach((region, index) => {
    /** @param {string} words */
    const say = (words) => found.push({ kind: "region", index, words });
    if (region.mask.isEmpty) return say(`The region ${region.name} is empty: brush over what should move.`);
    if (region.transform.length) {
      const middle = /** @type {Point} */ (region.pivot ?? region.mask.middle);
      const last = placed(middle, middle, stateAt(region.transform, 1));
      if (!inside(last, motion.canvas)) say(`The region ${region.name} leaves the picture.`);
      const movers = moversOf(motion, index).map((number) => number + 1);
      if (movers.length) say(`The region ${region.name} moves by its handles, and drag ${movers.join(" and ")} would move it too: leave one of them out, or write the handles out as drags.`);
      return undefined;
    }
    if (!moversOf(motion, index).length && motion.drags.length && !motion.tracks) say(`No drag moves the region ${region.name}.`);
    return undefined;
  });
  return found;
}

/** @param {import("./motion.js").Motion} motion @returns {Hint[]} */
function camera(motion) {
  /** @type {Hint[]} */
  const found = [];
  for (const move of motion.camera?.moves ?? []) {
    const far = ["truck", "pedestal", "dolly"].includes(move.name) && Math.abs(move.amount) >= 1;
    if (far) found.push({ kind: "camera", index: 0, words: `${move.name} by ${move.amount} scene depths goes through the scene; 0.1 is a clear move.` });
  }
  return found;
}

/** @param {Point[]} way @returns {{pixels: number, frame: number}} */
function fastestStep(way) {
  let [pixels, frame] = [0, 0];
  for (let k = 1; k < way.length; k++) {
    const step = Math.hypot(way[k][0] - way[k - 1][0], way[k][1] - way[k - 1][1]);
    if (step > pixels) [pixels, frame] = [step, k];
  }
  return { pixels, frame };
}

/** @param {Point} point @param {[number, number]} canvas */
function inside([x, y], [width, height]) {
  return x >= -0.5 && y >= -0.5 && x <= width - 0.5 && y <= height - 0.5;
}
