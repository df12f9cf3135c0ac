// @ts-check
/** Moving, turning and scaling a region by handles: each touch sets the keyframe of the time shown. */

import { placed, stateAt } from "../model/keyframes.js";
import { asKeyframes, moversOf, regionUnder } from "../model/movers.js";
import { MIN_STEP } from "../model/timing.js";
import { colourOf, css } from "../view/colours.js";
import { dot, line } from "../view/shapes.js";
import { Tool } from "./tool.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {import("../model/keyframes.js").Keyframe} Keyframe */
/** @typedef {import("../view/stage.js").Touch} Touch */
/** @typedef {"move" | "turn" | "scale" | "pivot"} Handle */
/** @typedef {{handle: Handle, from: Point, middle: Point, pivot: Point, state: Keyframe, changed: boolean}} Begun `middle` is where the pivot is shown */

const MOVED = "Moved a region by its handles";

export class TransformTool extends Tool {
  cursor = "move";
  /** @type {Begun | null} */
  begun = null;

  /** @param {import("../model/state.js").EditorState} state @param {import("../view/stage.js").Stage} stage */
  constructor(state, stage) {
    super(state, stage);
    // At the very beginning all is as in the photo; what is meant is where it should go.
    state.on(["tool", "selection"], () => {
      if (state.tool !== "transform" || !state.region) return;
      state.rest();
      if (state.frame === 0) state.seek(1);
    });
  }

  /** Where the handles are on the screen. @returns {{corners: Point[], turn: Point, pivot: Point} | null} */
  handles() {
    const { region, time } = this.state;
    const box = region?.mask.box;
    if (!region || !box) return null;
    const pivot = /** @type {Point} */ (region.pivot ?? region.mask.middle);
    const state = stateAt(region.transform, time);
    const { view } = this.stage;
    /** @param {Point} point */
    const shown = (point) => view.toScreen(placed(point, pivot, state));
    const { left, top, right, bottom } = box;
    const corners = /** @type {Point[]} */ ([[left, top], [right - 1, top], [right - 1, bottom - 1], [left, bottom - 1]]).map(shown);
    const middle = [(corners[0][0] + corners[1][0]) / 2, (corners[0][1] + corners[1][1]) / 2];
    const up = [corners[0][0] - corners[3][0], corners[0][1] - corners[3][1]];
    const long = Math.hypot(up[0], up[1]) || 1;
    const turn = /** @type {Point} */ ([middle[0] + (28 * up[0]) / long, middle[1] + (28 * up[1]) / long]);
    return { corners, turn, pivot: shown(pivot) };
  }

  /** @param {Touch} touch @returns {Handle | null} */
  handleUnder(touch) {
    const handles = this.handles();
    if (!handles) return null;
    const near = touch.touch ? 22 : 11;
    /** @param {Point} point */
    const under = ([x, y]) => Math.hypot(x - touch.screen[0], y - touch.screen[1]) <= near;
    if (under(handles.turn)) return "turn";
    if (handles.corners.some(under)) return "scale";
    if (under(handles.pivot)) return touch.shift ? "pivot" : "move";
    const xs = handles.corners.map((corner) => corner[0]);
    const ys = handles.corners.map((corner) => corner[1]);
    const [x, y] = touch.screen;
    const within = x >= Math.min(...xs) && x <= Math.max(...xs) && y >= Math.min(...ys) && y <= Math.max(...ys);
    return within ? "move" : null;
  }

  /** @param {Touch} touch */
  down(touch) {
    const { state } = this;
    let handle = this.handleUnder(touch);
    if (!handle) {
      const index = regionUnder(state.motion, touch.point);
      state.select(index >= 0 ? { kind: "region", index, point: -1 } : null);
      handle = index >= 0 ? "move" : null;
    }
    const region = state.region;
    if (!handle || !region || region.mask.isEmpty) return;
    const pivot = /** @type {Point} */ (region.pivot ?? region.mask.middle);
    const shown = stateAt(region.transform, state.time);
    this.begun = { handle, from: touch.point, middle: [pivot[0] + shown.dx, pivot[1] + shown.dy], pivot, state: shown, changed: false };
  }

  /** @param {Touch[]} touches */
  move(touches) {
    const { begun, state } = this;
    const chosen = state.selection;
    if (!begun || chosen?.kind !== "region") return;
    const touch = touches[touches.length - 1];
    const { index } = chosen;
    if (begun.handle === "pivot") {
      const pivot = /** @type {Point} */ (touch.point.map((value) => Math.round(value * 10) / 10));
      if (!state.motion.regions[index].transform.length) return state.say("A pivot belongs to a region that turns or scales: use its handles first.");
      begun.changed = true;
      return state.editRegion(index, { pivot }, "Moved a pivot", "pivot");
    }
    if (!begun.changed && !this.takeOver(begun, index)) return;
    const key = changed(begun, touch);
    state.editRegion(index, { transform: withKey(state.motion.regions[index].transform, key, state.time) }, MOVED, "transform");
  }

  /** Begin to move a region by its handles: one drag that moved it becomes keyframes.
   *
   * @param {Begun} begun @param {number} index @returns {boolean} false if several drags move it
   */
  takeOver(begun, index) {
    const { state } = this;
    const region = state.motion.regions[index];
    const movers = region.transform.length ? [] : moversOf(state.motion, index);
    if (movers.length > 1) {
      this.begun = null;
      state.say(`${movers.length} drags and pins move ${region.name}; remove all but one to use its handles.`);
      return false;
    }
    if (state.frame === 0) state.seek(1);
    if (movers.length) {
      const transform = asKeyframes(state.motion.drags[movers[0]]);
      const regions = state.motion.regions.map((each, k) => (k === index ? { ...each, transform } : each));
      state.change({ regions, drags: state.motion.drags.filter((_, k) => k !== movers[0]) }, MOVED, "transform");
      state.say(`The drag of ${region.name} is part of its keyframes now.`);
    }
    begun.state = stateAt(state.motion.regions[index].transform, state.time);
    begun.changed = true;
    return true;
  }

  up() {
    this.begun = null;
    this.state.history.merging = "";
  }

  cancel() {
    if (this.begun?.changed) this.state.undo();
    this.begun = null;
  }

  /** @param {CanvasRenderingContext2D} context */
  draw(context) {
    const handles = this.handles();
    const index = this.state.selection?.index ?? 0;
    if (!handles) return;
    context.lineWidth = 1.5;
    context.strokeStyle = css(colourOf(index));
    line(context, [...handles.corners, handles.corners[0]]);
    handles.corners.forEach((corner) => dot(context, corner, 5, "white"));
    dot(context, handles.turn, 6, css(colourOf(index)));
    dot(context, handles.pivot, 4, "black");
  }
}

/** @param {Begun} begun @param {Touch} touch @returns {Keyframe} */
function changed({ handle, from, state, middle }, touch) {
  /** @param {Point} point */
  const arm = ([x, y]) => [x - middle[0], y - middle[1]];
  const [one, other] = [arm(from), arm(touch.point)];
  if (handle === "turn") {
    const angle = ((Math.atan2(other[1], other[0]) - Math.atan2(one[1], one[0])) * 180) / Math.PI;
    const turned = state.turn + ((((angle + 180) % 360) + 360) % 360) - 180;
    return { ...state, turn: touch.shift ? Math.round(turned / 15) * 15 : Math.round(turned * 10) / 10 };
  }
  if (handle === "scale") {
    const factor = Math.hypot(other[0], other[1]) / Math.max(1, Math.hypot(one[0], one[1]));
    return { ...state, scale: Math.max(0.05, Math.round(state.scale * factor * 1000) / 1000) };
  }
  let [dx, dy] = [touch.point[0] - from[0], touch.point[1] - from[1]];
  if (touch.shift) [dx, dy] = Math.abs(dx) > Math.abs(dy) ? [dx, 0] : [0, dy];
  return { ...state, dx: Math.round((state.dx + dx) * 10) / 10, dy: Math.round((state.dy + dy) * 10) / 10 };
}

/** Keyframes with one at a time, in place of one that is there. @param {Keyframe[]} transform @param {Keyframe} key @param {number} time @returns {Keyframe[]} */
export function withKey(transform, key, time) {
  const at = Math.round(Math.max(time, MIN_STEP) * 1e4) / 1e4 || 1e-4;
  const before = transform.find((each) => Math.abs(each.time - at) < 5e-3);
  const others = transform.filter((each) => each !== before);
  return [...others, { ...key, time: before?.time ?? at, easing: before?.easing ?? "linear" }].sort((a, b) => a.time - b.time);
}
