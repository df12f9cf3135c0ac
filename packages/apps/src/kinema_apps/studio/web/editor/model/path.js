// @ts-check
/** Where a drag is at a time. The same numbers as `Drag.at` of kinema. */

import { EASINGS } from "./timing.js";

/** @typedef {[number, number]} Point (x, y) in canvas pixels */

/** Slopes of the shape-preserving cubic of Fritsch and Carlson (1980) at its knots.
 *
 * @param {number[]} x strictly increasing
 * @param {number[]} y
 * @returns {number[]}
 */
export function pchipSlopes(x, y) {
  const steps = x.slice(1).map((value, k) => value - x[k]);
  const rises = steps.map((step, k) => (y[k + 1] - y[k]) / step);
  if (x.length === 2) return [rises[0], rises[0]];
  const inner = rises.slice(1).map((after, k) => {
    const before = rises[k];
    if (before * after <= 0) return 0;
    const left = 2 * steps[k + 1] + steps[k];
    const right = steps[k + 1] + 2 * steps[k];
    return (left + right) / (left / before + right / after);
  });
  const last = steps.length - 1;
  return [
    edgeSlope(steps[0], steps[1], rises[0], rises[1]),
    ...inner,
    edgeSlope(steps[last], steps[last - 1], rises[last], rises[last - 1]),
  ];
}

/** @param {number} near @param {number} far @param {number} rise @param {number} next */
function edgeSlope(near, far, rise, next) {
  const slope = ((2 * near + far) * rise - near * next) / (near + far);
  if (Math.sign(slope) !== Math.sign(rise)) return 0;
  if (Math.sign(rise) !== Math.sign(next) && Math.abs(slope) > 3 * Math.abs(rise)) return 3 * rise;
  return slope;
}

/** When each point of a drag is reached.
 *
 * @param {{points: Point[], times: number[] | null}} drag
 * @returns {number[]}
 */
export function knotTimes(drag) {
  if (drag.times) return drag.times;
  const last = Math.max(1, drag.points.length - 1);
  return drag.points.map((_, k) => k / last);
}

/** A function that tells where a drag is at a time in [0, 1] of the motion.
 *
 * @param {{points: Point[], times: number[] | null, easing: import("./timing.js").Easing}} drag
 * @returns {(time: number) => Point}
 */
export function follow(drag) {
  const { points } = drag;
  if (points.length === 1) return () => points[0];
  const knots = knotTimes(drag);
  const ease = EASINGS[drag.easing];
  const axes = [0, 1].map((axis) => {
    const values = points.map((point) => point[axis]);
    return { values, slopes: pchipSlopes(knots, values) };
  });
  return (time) => {
    const clock = Math.min(Math.max(ease(time), knots[0]), knots[knots.length - 1]);
    let k = knots.findIndex((knot, index) => index > 0 && clock <= knot) - 1;
    if (k < 0) k = 0;
    const step = knots[k + 1] - knots[k];
    const t = (clock - knots[k]) / step;
    const [x, y] = axes.map(({ values, slopes }) => {
      const t2 = t * t;
      const t3 = t2 * t;
      return (
        (2 * t3 - 3 * t2 + 1) * values[k] +
        (t3 - 2 * t2 + t) * step * slopes[k] +
        (3 * t2 - 2 * t3) * values[k + 1] +
        (t3 - t2) * step * slopes[k + 1]
      );
    });
    return [x, y];
  };
}

/** Fewer points of about the same line (Ramer 1972, Douglas and Peucker 1973).
 *
 * @param {Point[]} points
 * @param {number} tolerance pixels
 * @returns {number[]} indices of the points that stay, first and last always
 */
export function simplify(points, tolerance) {
  const keep = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = /** @type {[number, number]} */ (open.pop());
    let farthest = -1;
    let most = tolerance;
    for (let k = from + 1; k < to; k++) {
      const away = distanceToSegment(points[k], points[from], points[to]);
      if (away > most) [most, farthest] = [away, k];
    }
    if (farthest < 0) continue;
    keep.add(farthest);
    open.push([from, farthest], [farthest, to]);
  }
  return [...keep].sort((a, b) => a - b);
}

/** @param {Point} p @param {Point} a @param {Point} b @returns {number} pixels */
export function distanceToSegment(p, a, b) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const long = dx * dx + dy * dy;
  const along = long ? ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / long : 0;
  const t = Math.min(1, Math.max(0, along));
  return Math.hypot(p[0] - a[0] - t * dx, p[1] - a[1] - t * dy);
}

/** A line drawn by hand, as a drag: few points, each at the time the hand was there.
 *
 * @param {{point: Point, at: number}[]} samples in milliseconds of any clock
 * @param {number} tolerance pixels
 * @returns {{points: Point[], times: number[] | null}}
 */
export function drawn(samples, tolerance) {
  /** @type {{point: Point, at: number}[]} */
  const moving = [];
  for (const sample of samples) {
    const before = moving[moving.length - 1];
    if (!before || Math.hypot(sample.point[0] - before.point[0], sample.point[1] - before.point[1]) > 0.5) {
      moving.push(sample);
    }
  }
  const points = moving.map((sample) => sample.point);
  if (points.length < 2) return { points: points.slice(0, 1), times: null };
  const kept = simplify(points, tolerance);
  const lengths = [0];
  for (let k = 1; k < points.length; k++) {
    const [a, b] = [points[k - 1], points[k]];
    lengths.push(lengths[k - 1] + Math.hypot(b[0] - a[0], b[1] - a[1]));
  }
  const whole = lengths[lengths.length - 1];
  // By way, not by the clock of the hand: hands hesitate where nobody wants a pause.
  const times = kept.map((k) => lengths[k] / whole);
  return { points: kept.map((k) => points[k]), times: kept.length > 2 ? times : null };
}
