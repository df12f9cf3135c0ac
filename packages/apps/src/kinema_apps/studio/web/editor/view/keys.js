// @ts-check
/** What keys do while the editor has the focus. */

import { Mask } from "../raster/mask.js";
import { addDrag } from "../tools/drag.js";
import { TOOLBAR } from "../tools/tools.js";
import { button, make } from "./dom.js";

/** @typedef {import("../kinema-editor.js").KinemaEditor} KinemaEditor */

/** What the keys do, for people. @type {[string, string][]} */
const KEYS = [
  ...TOOLBAR.map(({ key, label }) => /** @type {[string, string]} */ ([key.toUpperCase(), label])),
  ["R", "A round region in the middle, as large as the brush"],
  ["N", "A drag from the middle of the chosen region, or of the picture"],
  [", and .", "The point before, the point after"],
  ["Arrows", "Move the chosen point or region; with Shift ten times as far"],
  ["Delete", "Remove what is chosen"],
  ["M", "Mirror"],
  ["Ctrl+C, Ctrl+V", "Copy, paste"],
  ["Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"],
  ["Alt", "Erase while brushing; remove a point of a drag"],
  ["Shift", "Straight, or in steps of 15°"],
  ["[ and ]", "A smaller brush, a larger one"],
  ["E", "Erase"],
  ["K", "Play"],
  ["O", "Onion skin"],
  ["+ - 0", "Look closer, from farther away, at all of it"],
  ["Space", "Hold it to move the picture"],
];

/** @param {ShadowRoot} root */
export function showKeys(root) {
  const rows = KEYS.map(([key, does]) => make("tr", {}, make("th", { scope: "row" }, key), make("td", {}, does)));
  const dialog = make("dialog", { "aria-label": "Keys" }, make("table", { class: "keys" }, ...rows), make("div", { class: "buttons" }, button("Close", () => dialog.close())));
  dialog.addEventListener("close", () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
}

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
    "+": () => stage.zoom(1.25),
    "-": () => stage.zoom(0.8),
    "?": () => showKeys(/** @type {ShadowRoot} */ (editor.shadowRoot)),
    n: () => newDrag(state),
    r: () => newRegion(state),
    ",": () => nextPoint(state, -1),
    ".": () => nextPoint(state, 1),
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

/** @param {import("../model/state.js").EditorState} state */
function newDrag(state) {
  const { region, motion } = state;
  const [x, y] = region?.mask.middle ?? [(motion.canvas[0] - 1) / 2, (motion.canvas[1] - 1) / 2];
  const way = Math.round(motion.canvas[0] / 10);
  addDrag(state, { points: [[x, y], [x + way, y]], times: null, easing: "linear", region: region?.name ?? "" }, "Made a drag", true);
  nextPoint(state, 1);
}

/** @param {import("../model/state.js").EditorState} state */
function newRegion(state) {
  const [width, height] = state.motion.canvas;
  const mask = new Mask(width, height);
  mask.stroke([[(width - 1) / 2, (height - 1) / 2]], state.options.size / 2, 1, false);
  state.addRegion(mask, "Made a round region");
}

/** @param {import("../model/state.js").EditorState} state @param {number} by */
function nextPoint(state, by) {
  const chosen = state.selection;
  if (chosen?.kind !== "drag" || !state.drag) return;
  const count = state.drag.points.length;
  const point = (Math.max(0, chosen.point) + by + count) % count;
  state.select({ ...chosen, point });
  state.say(`Point ${point + 1} of ${count}`);
}
