// @ts-check
/** The Motion that is edited, and how it is read from and written to a `kinema.motion/1` file. */

import { Mask } from "../raster/mask.js";

/** @typedef {import("./path.js").Point} Point */
/** @typedef {import("./keyframes.js").Keyframe} Keyframe */
/** @typedef {import("./timing.js").Easing} Easing */
/** @typedef {{points: Point[], times: number[] | null, easing: Easing, region: string}} Drag */
/**
 * @typedef {object} Region
 * @property {string} name unique and not empty while it is edited
 * @property {Mask} mask
 * @property {number} grow canvas pixels
 * @property {Keyframe[]} transform
 * @property {Point | null} pivot
 * @property {boolean} scaling
 * @property {boolean | null} attached null leaves it to what renders
 * @property {number} appears
 * @property {number | null} vanishes
 */
/** @typedef {{points: Point[][], visible: boolean[][]}} Tracks points are (T, N, 2) */
/** @typedef {{name: string, amount: number, easing: Easing}} Move */
/**
 * @typedef {object} Camera
 * @property {Move[]} [moves]
 * @property {number[][][]} [world_to_camera]
 * @property {number[][]} [intrinsics]
 * @property {number[]} [clock]
 */
/**
 * @typedef {object} Motion
 * @property {[number, number]} canvas (width, height) in pixels
 * @property {Drag[]} drags
 * @property {Region[]} regions later ones on top
 * @property {Tracks | null} tracks
 * @property {Camera | null} camera
 * @property {number} fps
 * @property {number} duration seconds
 * @property {import("./timing.js").Playback} playback
 * @property {number} cycles
 */

export const FORMAT = "kinema.motion/1";

/** A motion in which nothing moves.
 *
 * @param {[number, number]} canvas
 * @returns {Motion}
 */
export function emptyMotion(canvas) {
  return {
    canvas,
    drags: [],
    regions: [],
    tracks: null,
    camera: null,
    fps: 8,
    duration: 2,
    playback: "once",
    cycles: 1,
  };
}

/** The motion as a plain `kinema.motion/1` object; masks are embedded as PNG.
 *
 * @param {Motion} motion
 * @returns {Promise<Record<string, any>>}
 */
export async function writeMotion(motion) {
  const regions = await Promise.all(
    motion.regions.map(async (region) =>
      lean({
        name: region.name,
        png: await region.mask.toBase64(),
        grow: region.grow || undefined,
        transform: region.transform.length ? region.transform : undefined,
        pivot: region.transform.length ? (region.pivot ?? undefined) : undefined,
        scaling: region.scaling || undefined,
        attached: region.attached ?? undefined,
        appears: region.appears || undefined,
        vanishes: region.vanishes ?? undefined,
      }),
    ),
  );
  return lean({
    format: FORMAT,
    canvas: motion.canvas,
    drags: motion.drags.map((drag) =>
      lean({
        points: drag.points,
        times: drag.times ?? undefined,
        easing: drag.easing === "linear" ? undefined : drag.easing,
        region: drag.region || undefined,
      }),
    ),
    regions,
    tracks: motion.tracks ?? undefined,
    camera: motion.camera ?? undefined,
    fps: motion.fps,
    duration: motion.duration,
    playback: motion.playback === "once" ? undefined : motion.playback,
    cycles: motion.cycles === 1 ? undefined : motion.cycles,
  });
}

/** @param {Record<string, any>} record */
function lean(record) {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

/** Read a `kinema.motion/1` object.
 *
 * @param {any} document
 * @returns {Promise<Motion>}
 * @throws {Error} it is no such object, or a region's mask is a file beside it
 */
export async function readMotion(document) {
  if (!document || document.format !== FORMAT) {
    throw new Error(`A Motion file says "format": "${FORMAT}"; this one says ${JSON.stringify(document?.format)}.`);
  }
  const canvas = /** @type {[number, number]} */ (document.canvas);
  if (!Array.isArray(canvas) || canvas.length !== 2 || !canvas.every((side) => Number.isInteger(side) && side > 0)) {
    throw new Error(`A Motion's canvas is [width, height] in pixels, got ${JSON.stringify(canvas)}.`);
  }
  if (canvas[0] * canvas[1] > 100e6) throw new Error(`A canvas of ${canvas.join("x")} is larger than any photo may be.`);
  const empty = emptyMotion(canvas);
  const names = new Set();
  const regions = [];
  for (const [number, given] of (document.regions ?? []).entries()) {
    const region = await readRegion(given, number, canvas);
    while (names.has(region.name)) region.name += "'";
    names.add(region.name);
    regions.push(region);
  }
  return {
    ...empty,
    drags: (document.drags ?? []).map(readDrag),
    regions,
    tracks: document.tracks
      ? { points: document.tracks.points, visible: document.tracks.visible ?? [] }
      : null,
    camera: document.camera ?? null,
    fps: document.fps ?? empty.fps,
    duration: document.duration ?? empty.duration,
    playback: document.playback ?? empty.playback,
    cycles: document.cycles ?? empty.cycles,
  };
}

/** @param {any} drag @param {number} number @returns {Drag} */
function readDrag(drag, number) {
  const points = drag?.points;
  const fits =
    Array.isArray(points) &&
    points.length > 0 &&
    points.every((point) => Array.isArray(point) && point.length === 2 && point.every(Number.isFinite));
  if (!fits) throw new Error(`drags[${number}] has no points (x, y): ${JSON.stringify(points)?.slice(0, 80)}.`);
  return { points, times: drag.times ?? null, easing: drag.easing ?? "linear", region: drag.region ?? "" };
}

/** @param {any} region @param {number} number @param {[number, number]} canvas @returns {Promise<Region>} */
async function readRegion(region, number, canvas) {
  /** @type {Mask} */
  let mask;
  if (region.png) {
    mask = await Mask.fromBase64(region.png);
    if (mask.width !== canvas[0] || mask.height !== canvas[1]) {
      throw new Error(`regions[${number}] is ${mask.width}x${mask.height}, but the canvas is ${canvas.join("x")}.`);
    }
  } else if (region.polygon) {
    mask = new Mask(...canvas).filled(region.polygon);
  } else if (region.brush) {
    mask = new Mask(...canvas);
    mask.stroke(region.brush, region.radius, 1, false);
  } else {
    throw new Error(
      `regions[${number}] names the mask file ${JSON.stringify(region.mask)}, which a browser cannot reach. ` +
        "Embed it: kinema motion convert FILE --embed.",
    );
  }
  return {
    name: region.name || `region ${number + 1}`,
    mask,
    grow: region.grow ?? 0,
    transform: (region.transform ?? [])
      .map((/** @type {any} */ each) => ({ time: 1, dx: 0, dy: 0, turn: 0, scale: 1, easing: "linear", ...each }))
      .sort((/** @type {Keyframe} */ a, /** @type {Keyframe} */ b) => a.time - b.time),
    pivot: region.pivot ?? null,
    scaling: region.scaling ?? false,
    attached: region.attached ?? null,
    appears: region.appears ?? 0,
    vanishes: region.vanishes ?? null,
  };
}
