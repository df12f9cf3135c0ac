// @ts-check
/** The tools by name. */

import { Brush, SmartBrush } from "./brush.js";
import { AnchorTool, DragTool } from "./drag.js";
import { Fill, Lasso } from "./select.js";
import { TransformTool } from "./transform.js";

/** @typedef {import("../model/state.js").EditorState} EditorState */
/** @typedef {import("../view/stage.js").Stage} Stage */

/** @type {Record<string, (state: EditorState, stage: Stage) => import("./tool.js").Tool>} */
export const TOOLS = {
  brush: (state, stage) => new Brush(state, stage),
  smart: (state, stage) => new SmartBrush(state, stage),
  lasso: (state, stage) => new Lasso(state, stage),
  fill: (state, stage) => new Fill(state, stage),
  drag: (state, stage) => new DragTool(state, stage),
  anchor: (state, stage) => new AnchorTool(state, stage),
  transform: (state, stage) => new TransformTool(state, stage),
};

/** What the toolbar shows: name, key, label, what to do with it. */
export const TOOLBAR = /** @type {const} */ ([
  { name: "brush", key: "b", label: "Brush", tells: "Brush over what should move. Alt erases." },
  { name: "smart", key: "s", label: "Smart edge", tells: "Brush roughly; it stops where the colours change." },
  { name: "lasso", key: "l", label: "Lasso", tells: "Draw around what should move." },
  { name: "fill", key: "f", label: "Fill", tells: "Click on a surface of one colour." },
  { name: "drag", key: "d", label: "Drag", tells: "Draw where a point goes. Shift draws straight; click on a line for a new point, Alt-click removes one." },
  { name: "anchor", key: "a", label: "Pin", tells: "Click on what must hold still." },
  { name: "transform", key: "t", label: "Move, turn, scale", tells: "Pull a region by its handles; the time shown gets a keyframe." },
]);
