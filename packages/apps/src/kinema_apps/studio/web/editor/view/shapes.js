// @ts-check
/** Lines, dots and arrows, seen on light and dark. */

/** @typedef {import("../model/path.js").Point} Point */

/** @param {CanvasRenderingContext2D} context @param {Point[]} points */
export function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {Point} point @param {number} radius @param {string} fill */
export function dot(context, [x, y], radius, fill) {
  if (!radius) return;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {Point[]} points @param {string} stroke @param {number} width */
export function quad(context, points, stroke, width) {
  context.strokeStyle = stroke;
  context.lineWidth = width;
  line(context, [...points, points[0]]);
}

/** A pin that holds a point still. @param {CanvasRenderingContext2D} context @param {Point} point @param {string} colour @param {boolean} chosen */
export function pin(context, [x, y], colour, chosen) {
  dot(context, [x, y], chosen ? 9 : 7, colour);
  context.fillStyle = "white";
  context.fillRect(x - 3, y - 3, 6, 6);
}

/** @param {CanvasRenderingContext2D} context @param {Point[]} way @param {string} colour */
export function arrow(context, way, colour) {
  const [x, y] = way[way.length - 1];
  let k = way.length - 2;
  while (k > 0 && Math.hypot(x - way[k][0], y - way[k][1]) < 6) k--;
  const angle = Math.atan2(y - way[k][1], x - way[k][0]);
  context.beginPath();
  context.moveTo(x + 6 * Math.cos(angle), y + 6 * Math.sin(angle));
  for (const turn of [2.6, -2.6]) context.lineTo(x + 12 * Math.cos(angle + turn), y + 12 * Math.sin(angle + turn));
  context.closePath();
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = "rgb(0 0 0 / 0.75)";
  context.stroke();
}
