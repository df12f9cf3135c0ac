// @ts-check
/** What keys do while the editor has the focus. */

import { TOOLBAR } from "../tools/tools.js";

/** @typedef {import("../kinema-editor.js").KinemaEditor} KinemaEditor */

/** @param {KinemaEditor} editor */
export function onKeys(editor) {
  editor.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    if (target instanceof HTMLInputElement && !["range", "checkbox"].includes(target.type)) return;
    if (target instanceof HTMLSelectElement) return;
    if (pressed(editor, event, target)) event.preventDefault();
  });
  editor.addEventListener("keyup", (event) => {
    if (event.key === " ") editor.stage.holdSpace(false);
  });
}

/** @param {KinemaEditor} editor @param {KeyboardEvent} event @param {HTMLElement} target @returns {boolean} whether it meant something */
function pressed(editor, event, target) {
  const { state, stage } = editor;
  if (event.ctrlKey || event.metaKey) return withControl(editor, event);
  const tool = TOOLBAR.find((each) => each.key === event.key.toLowerCase());
  if (tool && !event.altKey) {
    state.use(tool.name);
    return true;
  }
  /** @type {Record<string, () => void>} */
  const keys = {
    Delete: () => state.removeSelected(),
    Backspace: () => state.removeSelected(),
    Escape: () => {
      stage.tool.cancel();
      state.select(null);
    },
    "[": () => state.set({ size: Math.max(2, state.options.size - 4) }),
    "]": () => state.set({ size: Math.min(200, state.options.size + 4) }),
    0: () => stage.fit(),
    "+": () => zoom(stage, 1.25),
    "-": () => zoom(stage, 0.8),
    e: () => state.set({ erase: !state.options.erase }),
    o: () => state.set({ onion: !state.options.onion }),
    m: () => state.mirrorSelected(),
    k: () => editor.timeline.toggle(),
  };
  if (target === editor.canvas) {
    keys[" "] = () => stage.holdSpace(true);
    for (const [key, dx, dy] of /** @type {[string, number, number][]} */ ([["ArrowLeft", -1, 0], ["ArrowRight", 1, 0], ["ArrowUp", 0, -1], ["ArrowDown", 0, 1]])) {
      keys[key] = () => nudge(state, dx * (event.shiftKey ? 10 : 1), dy * (event.shiftKey ? 10 : 1));
    }
  }
  const run = keys[event.key] ?? keys[event.key.toLowerCase()];
  run?.();
  return run !== undefined;
}

/** @param {KinemaEditor} editor @param {KeyboardEvent} event */
function withControl({ state }, event) {
  const key = event.key.toLowerCase();
  if (key === "z" && event.shiftKey) state.redo();
  else if (key === "z") state.undo();
  else if (key === "y") state.redo();
  else if (key === "c") state.copySelected();
  else if (key === "v" && state.copied) state.paste();
  else return false;
  return true;
}

/** @param {import("./stage.js").Stage} stage @param {number} factor */
function zoom(stage, factor) {
  stage.view.zoom(factor, [stage.view.width / 2, stage.view.height / 2]);
  stage.redraw();
}

/** Move the chosen point of a drag, or all of it. @param {import("../model/state.js").EditorState} state @param {number} dx @param {number} dy */
function nudge(state, dx, dy) {
  const chosen = state.selection;
  if (chosen?.kind === "drag") {
    const drag = state.motion.drags[chosen.index];
    const points = drag.points.map((point, k) => (k === chosen.point || chosen.point < 0 ? /** @type {[number, number]} */ ([point[0] + dx, point[1] + dy]) : point));
    state.editDrag(chosen.index, { points }, "Moved a point", `nudge ${chosen.index}`);
  } else if (chosen?.kind === "region") {
    const region = state.motion.regions[chosen.index];
    state.editRegion(chosen.index, { mask: region.mask.shifted(dx, dy) }, "Moved a region", `nudge region ${chosen.index}`);
  }
}
