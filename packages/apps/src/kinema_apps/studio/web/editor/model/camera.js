// @ts-check
/** What the camera sees at a time: the same moves and signs as `kinema_conditions.camera`. */

import { EASINGS } from "./timing.js";

/** @typedef {import("./path.js").Point} Point */
/** @typedef {number[][]} Rows of a 3x4 pose, world to camera; x right, y down, z forward */

/** The named moves, with what a slider may reach and what a positive amount does. */
export const MOVES = /** @type {const} */ ([
  { name: "pan", unit: "°", least: -30, most: 30, step: 0.5, rest: 0, tells: "turn right" },
  { name: "tilt", unit: "°", least: -30, most: 30, step: 0.5, rest: 0, tells: "turn up" },
  { name: "roll", unit: "°", least: -45, most: 45, step: 0.5, rest: 0, tells: "turn clockwise" },
  { name: "truck", unit: "depths", least: -0.4, most: 0.4, step: 0.01, rest: 0, tells: "go right" },
  { name: "pedestal", unit: "depths", least: -0.4, most: 0.4, step: 0.01, rest: 0, tells: "go up" },
  { name: "dolly", unit: "depths", least: -0.4, most: 0.4, step: 0.01, rest: 0, tells: "go forward" },
  { name: "zoom", unit: "×", least: 0.5, most: 2, step: 0.01, rest: 1, tells: "magnify" },
  { name: "orbit", unit: "°", least: -30, most: 30, step: 0.5, rest: 0, tells: "circle right around the middle" },
]);

/** Default focal length: 582.69 px at width 512, as MotionPro publishes. */
const FOCAL_SHARE = 582.69 / 512;

/** Axis and sign of what the world does when the camera moves.
 * @type {Record<string, [number, number]>} */
const SHIFTS = { truck: [0, -1], pedestal: [1, 1], dolly: [2, -1] };
/** @type {Record<string, [number, number]>} */
const TURNS = { tilt: [0, -1], pan: [1, -1], roll: [2, -1], orbit: [1, 1] };

const STILL = [
  [1, 0, 0, 0],
  [0, 1, 0, 0],
  [0, 0, 1, 0],
];

/** The pose and the magnification at a time, with the scene's middle at depth 1.
 *
 * @param {import("./motion.js").Camera} camera
 * @param {number} time in [0, 1]
 * @returns {{pose: Rows, zoom: number}}
 */
export function cameraAt(camera, time) {
  if (camera.world_to_camera) return { pose: poseBetween(camera.world_to_camera, time), zoom: 1 };
  /** @type {Rows} */
  let pose = STILL;
  let zoom = 1;
  for (const move of camera.moves ?? []) {
    const progress = EASINGS[move.easing ?? "linear"](time);
    if (move.name === "zoom") zoom *= Math.exp(progress * Math.log(move.amount));
    else pose = composed(moved(move, progress), pose);
  }
  return { pose, zoom };
}

/** @param {import("./motion.js").Move} move @param {number} progress @returns {Rows} */
function moved(move, progress) {
  if (move.name in SHIFTS) {
    const [axis, sign] = SHIFTS[move.name];
    return STILL.map((row, k) => [row[0], row[1], row[2], k === axis ? sign * progress * move.amount : 0]);
  }
  const [axis, sign] = TURNS[move.name];
  const angle = (sign * progress * move.amount * Math.PI) / 180;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const turns = [
    [[1, 0, 0], [0, c, -s], [0, s, c]],
    [[c, 0, s], [0, 1, 0], [-s, 0, c]],
    [[c, -s, 0], [s, c, 0], [0, 0, 1]],
  ];
  const turn = turns[axis];
  // An orbit keeps the scene's middle, (0, 0, 1), where it is.
  return turn.map((row, k) => [...row, move.name === "orbit" ? (k === 2 ? 1 : 0) - row[2] : 0]);
}

/** One pose after another. @param {Rows} after @param {Rows} before @returns {Rows} */
function composed(after, before) {
  return after.map((row) =>
    [0, 1, 2, 3].map(
      (column) =>
        row[0] * before[0][column] + row[1] * before[1][column] + row[2] * before[2][column] + (column === 3 ? row[3] : 0),
    ),
  );
}

/** @param {Rows[]} poses @param {number} time @returns {Rows} */
function poseBetween(poses, time) {
  const at = time * (poses.length - 1);
  const [one, other] = [poses[Math.floor(at)], poses[Math.min(poses.length - 1, Math.ceil(at))]];
  const share = at - Math.floor(at);
  // Near enough for an outline: neighbouring poses hardly differ in their turn.
  return one.slice(0, 3).map((row, i) => row.map((value, k) => value + share * (other[i][k] - value)));
}

/** Where the corners of the picture at a time lie in the photo, on a wall at the scene's depth.
 *
 * @param {import("./motion.js").Camera} camera @param {number} time @param {[number, number]} canvas
 * @returns {Point[] | null} four corners, null where the camera does not see the wall
 */
export function frameAt(camera, time, [width, height]) {
  const focal = camera.intrinsics?.[0]?.[0] ?? FOCAL_SHARE * width;
  const { pose, zoom } = cameraAt(camera, time);
  const depth = camera.world_to_camera ? spread(camera.world_to_camera) : 1;
  const [cx, cy] = [(width - 1) / 2, (height - 1) / 2];
  const corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]];
  const found = corners.map(([x, y]) => {
    const ray = [(x - cx) / (focal * zoom), (y - cy) / (focal * zoom), 1];
    /** From camera to world: R^T (ray s - t). @param {number} k @param {number} s */
    const world = (k, s) =>
      pose[0][k] * (s * ray[0] - pose[0][3]) + pose[1][k] * (s * ray[1] - pose[1][3]) + pose[2][k] * (s * ray[2] - pose[2][3]);
    const toward = world(2, 1) - world(2, 0);
    const s = (depth - world(2, 0)) / toward;
    if (!(s > 0)) return null;
    return /** @type {Point} */ ([cx + (focal * world(0, s)) / depth, cy + (focal * world(1, s)) / depth]);
  });
  return found.every((corner) => corner !== null) ? /** @type {Point[]} */ (found) : null;
}

/** A depth at which the path of poses in unknown units is seen well: ten times its way. @param {Rows[]} poses */
function spread(poses) {
  const last = poses[poses.length - 1];
  const way = Math.hypot(last[0][3] - poses[0][0][3], last[1][3] - poses[0][1][3], last[2][3] - poses[0][2][3]);
  return Math.max(10 * way, 1e-3);
}
