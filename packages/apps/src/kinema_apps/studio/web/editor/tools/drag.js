// @ts-check
/** Drawing drags freehand or point by point, moving their points, and pinning points down. */

import { distanceToSegment, drawn, follow, knotTimes } from "../model/path.js";
import { regionOf, withDrags } from "../model/movers.js";
import { dot, line } from "../view/shapes.js";
import { Tool } from "./tool.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {import("../view/stage.js").Touch} Touch */
/** @typedef {import("../model/motion.js").Drag} Drag */

/** How near a finger or a mouse must come to a point, in screen pixels. */
const NEAR = 10;
const NEAR_FINGER = 22;

/** The drag and point under a touch. @param {Tool} tool @param {Touch} touch @returns {{index: number, point: number} | null} */
export function pointUnder(tool, touch) {
  const near = touch.touch ? NEAR_FINGER : NEAR;
  const { drags } = tool.state.motion;
  for (let index = drags.length - 1; index >= 0; index--) {
    const distances = drags[index].points.map((point) => {
      const [x, y] = tool.stage.view.toScreen(point);
      return Math.hypot(x - touch.screen[0], y - touch.screen[1]);
    });
    const nearest = Math.min(...distances);
    if (nearest <= near) return { index, point: distances.lastIndexOf(nearest) };
  }
  return null;
}

/** The drag whose line is under a touch, and after which of its points. @param {Tool} tool @param {Touch} touch */
export function lineUnder(tool, touch) {
  const { drags } = tool.state.motion;
  for (let index = drags.length - 1; index >= 0; index--) {
    const drag = drags[index];
    if (drag.points.length < 2) continue;
    const at = follow({ ...drag, easing: "linear" });
    const knots = knotTimes(drag);
    const span = knots[knots.length - 1] - knots[0];
    for (let k = 0; k < 64; k++) {
      const times = [knots[0] + (k / 64) * span, knots[0] + ((k + 1) / 64) * span];
      const [a, b] = times.map((time) => tool.stage.view.toScreen(at(time)));
      if (distanceToSegment(touch.screen, a, b) <= 7) {
        const time = (times[0] + times[1]) / 2;
        const after = knots.findIndex((knot) => knot > time) - 1;
        return { index, after: Math.max(0, after), time };
      }
    }
  }
  return null;
}

/** Near the start's row or column with Shift, else where it is. @param {Point} point @param {Point} from @param {boolean} straight @returns {Point} */
function snapped(point, from, straight) {
  if (!straight) return point;
  const [dx, dy] = [point[0] - from[0], point[1] - from[1]];
  const angle = (Math.round(Math.atan2(dy, dx) / (Math.PI / 12)) * Math.PI) / 12;
  const way = Math.hypot(dx, dy);
  return [from[0] + way * Math.cos(angle), from[1] + way * Math.sin(angle)];
}

/** At a point of another drag, or at the middle of the picture, if it is as near as a few screen pixels.
 *
 * @param {Tool} tool @param {Point} point @param {number} but index of the drag being moved
 * @returns {Point}
 */
export function magnetic(tool, point, but) {
  const [width, height] = tool.state.motion.canvas;
  const targets = tool.state.motion.drags.flatMap((drag, index) => (index === but ? [] : drag.points));
  targets.push([(width - 1) / 2, (height - 1) / 2]);
  const near = tool.stage.reach(6);
  return targets.find(([x, y]) => Math.hypot(x - point[0], y - point[1]) <= near) ?? point;
}

/** @param {Point} point @returns {Point} tenths of pixels are enough */
export function tidy([x, y]) {
  return [Math.round(x * 10) / 10, Math.round(y * 10) / 10];
}

export class DragTool extends Tool {
  /** @type {{samples: {point: Point, at: number}[]} | null} */
  drawing = null;
  /** @type {{index: number, point: number, before: Drag, changed: boolean} | null} */
  moving = null;

  /** @param {Touch} touch */
  down(touch) {
    const { state } = this;
    const point = pointUnder(this, touch);
    if (point) {
      if (touch.alt) return state.removePoint(point.index, point.point);
      state.select({ kind: "drag", ...point });
      this.moving = { ...point, before: state.motion.drags[point.index], changed: false };
      return undefined;
    }
    const on = lineUnder(this, touch);
    if (on) {
      this.insert(on.index, on.after, on.time, touch.point);
      return undefined;
    }
    this.drawing = { samples: [{ point: touch.point, at: touch.at }] };
    return undefined;
  }

  /** @param {number} index @param {number} after @param {number} time @param {Point} point */
  insert(index, after, time, point) {
    const drag = this.state.motion.drags[index];
    const points = [...drag.points];
    points.splice(after + 1, 0, tidy(point));
    const times = [...knotTimes(drag)];
    times.splice(after + 1, 0, time);
    this.state.editDrag(index, { points, times }, "Inserted a point");
    this.state.select({ kind: "drag", index, point: after + 1 });
    this.moving = { index, point: after + 1, before: this.state.motion.drags[index], changed: true };
  }

  /** @param {Touch[]} touches */
  move(touches) {
    const last = touches[touches.length - 1];
    if (this.drawing) {
      this.drawing.samples.push(...touches.map(({ point, at }) => ({ point, at })));
      if (last.shift) {
        const first = this.drawing.samples[0];
        this.drawing.samples = [first, { point: snapped(last.point, first.point, true), at: last.at }];
      }
    } else if (this.moving) {
      const { index, point, before } = this.moving;
      const from = before.points[Math.max(0, point - 1)];
      const target = last.shift ? snapped(last.point, from, true) : magnetic(this, last.point, index);
      const points = before.points.map((each, k) => (k === point ? tidy(target) : each));
      this.moving.changed = true;
      this.state.editDrag(index, { points }, "Moved a point", `point ${index} ${point}`);
    }
  }

  /** @param {Touch} _touch */
  up(_touch) {
    const { drawing, state } = this;
    this.drawing = null;
    if (this.moving) state.history.merging = "";
    this.moving = null;
    if (!drawing) return;
    const made = drawn(drawing.samples, this.stage.reach(3));
    if (made.points.length === 1) return this.tapped(made.points[0]);
    this.add({ ...made, points: made.points.map(tidy) }, "Drew a drag");
    return undefined;
  }

  /** A tap goes on with the chosen drag, or begins one that the next tap ends. @param {Point} point */
  tapped(point) {
    const { state } = this;
    const chosen = state.selection;
    if (chosen?.kind === "drag" && chosen.point === state.motion.drags[chosen.index].points.length - 1) {
      const drag = state.motion.drags[chosen.index];
      const knots = knotTimes(drag);
      const times = drag.points.length > 1 && drag.times ? [...knots.map((knot) => (knot * drag.points.length) / (drag.points.length + 1)), 1] : null;
      state.editDrag(chosen.index, { points: [...drag.points, tidy(point)], times }, "Added a point");
      state.select({ kind: "drag", index: chosen.index, point: drag.points.length });
      return;
    }
    this.add({ points: [tidy(point)], times: null }, "Began a drag");
    state.say("A single point holds still. Tap on for the way it should go.");
  }

  /** A drag moves the region at its start. @param {{points: Point[], times: number[] | null}} made @param {string} what */
  add(made, what) {
    const drag = /** @type {Drag} */ ({ ...made, easing: "linear", region: "" });
    addDrag(this.state, drag, what, true);
  }

  cancel() {
    if (this.moving?.changed) this.state.undo();
    this.drawing = null;
    this.moving = null;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    if (!this.drawing) return;
    const points = this.drawing.samples.map((sample) => this.stage.view.toScreen(sample.point));
    context.lineWidth = 3;
    context.strokeStyle = "white";
    context.lineJoin = context.lineCap = "round";
    line(context, points);
    dot(context, points[0], 5, "white");
  }
}

/** Add a drag. A region moves by its handles or by drags: handles give way.
 *
 * @param {import("../model/state.js").EditorState} state @param {Drag} drag @param {string} what
 * @param {boolean} names whether it names the region at its start
 */
export function addDrag(state, drag, what, names) {
  const index = regionOf(state.motion, drag);
  const region = state.motion.regions[index];
  if (region?.transform.length) {
    state.change(withDrags(state.motion, index), "Wrote handles out as drags");
    state.say(`What the handles did to ${region.name} is drags now, beside this one.`);
  }
  state.addDrag({ ...drag, region: names && region ? region.name : "" }, what);
}

export class AnchorTool extends Tool {
  /** @type {DragTool | null} */
  #mover = null;

  /** @param {Touch} touch */
  down(touch) {
    if (pointUnder(this, touch)) {
      this.#mover = new DragTool(this.state, this.stage);
      this.#mover.down(touch);
      return;
    }
    addDrag(this.state, { points: [tidy(touch.point)], times: null, easing: "linear", region: "" }, "Pinned a point", false);
  }

  /** @param {Touch[]} touches */
  move(touches) {
    this.#mover?.move(touches);
  }

  /** @param {Touch} touch */
  up(touch) {
    this.#mover?.up(touch);
    this.#mover = null;
  }
}
