// @ts-check
/** Options of the tool, the list of what there is, and what is chosen, in numbers. */

import { MOVES } from "../model/camera.js";
import { hints } from "../model/hints.js";
import { withDrags } from "../model/movers.js";
import { knotTimes } from "../model/path.js";
import { EASINGS, PLAYBACKS } from "../model/timing.js";
import { asDrags, kept, moving } from "../model/tracks.js";
import { TOOLBAR } from "../tools/tools.js";
import { colourOf, css } from "./colours.js";
import { button, check, choice, make, number, slider, text } from "./dom.js";

/** @typedef {import("../model/state.js").EditorState} EditorState */

const EASING_NAMES = Object.keys(EASINGS);

/** What becomes of a region's outline where it is part of something larger. */
const ATTACHED = [
  { value: "null", label: "as said for all" },
  { value: "true", label: "stays attached" },
  { value: "false", label: "is cut out" },
];

export class Panel {
  #later = 0;

  /** @param {HTMLElement} element @param {EditorState} state */
  constructor(element, state) {
    this.state = state;
    /** @type {Record<string, HTMLElement>} */
    this.parts = {};
    for (const name of ["tool", "list", "chosen", "camera", "clip", "hints"]) {
      this.parts[name] = make("section", { class: name });
      element.append(this.parts[name]);
    }
    this.parts.hints.setAttribute("role", "status");
    this.parts.hints.setAttribute("aria-label", "Hints");
    state.on(["tool", "options"], () => this.#tool());
    state.on("selection", () => this.#all());
    state.on("change", () => this.#all());
    this.#tool();
    this.#all();
  }

  #all() {
    // What a person types in stays under the hand while it changes the motion.
    const root = /** @type {ShadowRoot} */ (this.parts.list.getRootNode());
    const active = root.activeElement instanceof HTMLInputElement ? root.activeElement : null;
    for (const [name, fill] of /** @type {[string, () => void][]} */ ([
      ["list", () => this.#list()],
      ["chosen", () => this.#chosen()],
      ["camera", () => this.#camera()],
      ["clip", () => this.#clip()],
    ])) {
      if (!(active?.type === "range" && this.parts[name].contains(active))) fill();
    }
    // After the frame in which the stroke ends: they count pixels.
    window.clearTimeout(this.#later);
    this.#later = window.setTimeout(() => this.#hints());
  }

  #tool() {
    const { state } = this;
    const shown = TOOLBAR.find((tool) => tool.name === state.tool);
    const brushes = ["brush", "smart"].includes(state.tool);
    const selects = brushes || ["lasso", "fill"].includes(state.tool);
    this.parts.tool.replaceChildren(
      make("p", { class: "tells" }, shown?.tells ?? ""),
      ...[
        brushes && slider("Size", state.options.size, { min: 2, max: 200, step: 1 }, (size) => state.set({ size }), " px"),
        state.tool === "brush" && slider("Hardness", state.options.hardness, { min: 0, max: 1, step: 0.05 }, (hardness) => state.set({ hardness })),
        state.tool === "fill" && slider("Tolerance", state.options.tolerance, { min: 1, max: 128, step: 1 }, (tolerance) => state.set({ tolerance })),
        selects && check("Erase", state.options.erase, (erase) => state.set({ erase })),
      ].filter((each) => each !== false),
    );
  }

  #list() {
    const { state } = this;
    const regions = state.motion.regions.map((region, index) => this.#item("region", index, region.name, css(colourOf(index)))).reverse();
    const drags = state.motion.drags.map((drag, index) =>
      this.#item("drag", index, drag.points.length === 1 ? `pin ${index + 1}` : `drag ${index + 1}`, css(colourOf(index + 1))),
    );
    this.parts.list.replaceChildren(
      make("h2", {}, "Regions"),
      regions.length ? make("ul", { "aria-label": "Regions, topmost first" }, ...regions) : make("p", { class: "none" }, "None yet: brush over what should move."),
      make("div", { class: "buttons" }, button("New region", () => state.select(null), { class: "small" }), state.copied && button(`Paste the ${state.copied.kind}`, () => state.paste(), { class: "small" })),
      make("h2", {}, "Drags and pins"),
      drags.length ? make("ul", { "aria-label": "Drags and pins" }, ...drags) : make("p", { class: "none" }, "None yet: draw where it should go."),
    );
  }

  /** @param {"region" | "drag"} kind @param {number} index @param {string} label @param {string} colour */
  #item(kind, index, label, colour) {
    const { state } = this;
    const chosen = state.selection?.kind === kind && state.selection.index === index;
    return make(
      "li",
      { class: chosen ? "chosen" : "" },
      make("i", { style: `background: ${colour}`, "aria-hidden": "true" }),
      button(`Choose ${label}`, () => state.select({ kind, index, point: kind === "drag" ? 0 : -1 }), { class: "name", "aria-pressed": String(chosen) }, label),
      kind === "region" && button(`Raise ${label}`, () => state.reorder(index, 1), { class: "small" }, "↑"),
      kind === "region" && button(`Lower ${label}`, () => state.reorder(index, -1), { class: "small" }, "↓"),
      button(`Remove ${label}`, () => { state.select({ kind, index, point: -1 }); state.removeSelected(); }, { class: "small" }, "×"),
    );
  }

  #chosen() {
    const { state } = this;
    if (state.drag) this.parts.chosen.replaceChildren(...this.#dragParts());
    else if (state.region) this.parts.chosen.replaceChildren(...this.#regionParts());
    else this.parts.chosen.replaceChildren();
  }

  #dragParts() {
    const { state } = this;
    const drag = /** @type {import("../model/motion.js").Drag} */ (state.drag);
    const chosen = /** @type {import("../model/state.js").Selection} */ (state.selection);
    const { index } = chosen;
    const names = [{ value: "", label: "the one under its start" }, ...state.motion.regions.map((region) => ({ value: region.name, label: region.name }))];
    const parts = [
      make("h2", {}, drag.points.length === 1 ? `Pin ${index + 1}` : `Drag ${index + 1}`),
      choice("Moves", drag.region, names, (region) => state.editDrag(index, { region }, "Chose what a drag moves")),
    ];
    if (drag.points.length > 1) {
      const knots = knotTimes(drag);
      parts.push(
        choice("Easing", drag.easing, EASING_NAMES, (easing) => state.editDrag(index, { easing: /** @type {any} */ (easing) }, "Chose an easing")),
        number("Starts at", knots[0], { min: 0, max: 0.99, step: 0.01 }, (start) => this.#span(index, start, knots[knots.length - 1])),
        number("Ends at", knots[knots.length - 1], { min: 0.01, max: 1, step: 0.01 }, (end) => this.#span(index, knots[0], end)),
        make(
          "div",
          { class: "buttons" },
          button("Hold here", () => this.#hold(index, Math.max(0, chosen.point)), { title: "Rest at the chosen point for a while" }),
          button("Even speed", () => this.#even(index), {}),
          button("There and back", () => this.#back(index), {}),
          button("Reverse", () => state.editDrag(index, { points: [...drag.points].reverse(), times: drag.times ? drag.times.map((time) => 1 - time).reverse() : null }, "Reversed a drag"), {}),
        ),
      );
    }
    parts.push(this.#common());
    return parts;
  }

  /** @param {number} index @param {number} start @param {number} end */
  #span(index, start, end) {
    if (end - start < 0.01) return this.state.say("A drag ends after it starts.");
    const knots = knotTimes(this.state.motion.drags[index]);
    const [first, last] = [knots[0], knots[knots.length - 1]];
    const times = knots.map((knot) => start + ((knot - first) / (last - first)) * (end - start));
    return this.state.editDrag(index, { times }, "Changed when a drag moves");
  }

  /** @param {number} index @param {number} point */
  #hold(index, point) {
    const drag = this.state.motion.drags[index];
    const knots = knotTimes(drag);
    // The ways before and after make room for a rest of a fifth of the clip.
    const times = knots.flatMap((knot, k) => (k < point ? [0.8 * knot] : k === point ? [0.8 * knot, 0.8 * knot + 0.2] : [0.8 * knot + 0.2]));
    const points = drag.points.flatMap((each, k) => (k === point ? [each, each] : [each]));
    this.state.editDrag(index, { points, times }, "Held a drag");
  }

  /** @param {number} index */
  #even(index) {
    const { points } = this.state.motion.drags[index];
    const lengths = [0];
    for (let k = 1; k < points.length; k++) lengths.push(lengths[k - 1] + Math.max(1e-3, Math.hypot(points[k][0] - points[k - 1][0], points[k][1] - points[k - 1][1])));
    const whole = lengths[lengths.length - 1];
    this.state.editDrag(index, { times: lengths.map((length) => length / whole) }, "Made a drag's speed even");
  }

  /** @param {number} index */
  #back(index) {
    const drag = this.state.motion.drags[index];
    const knots = knotTimes(drag).map((knot) => knot / 2);
    const points = [...drag.points, ...[...drag.points].reverse().slice(1)];
    const times = [...knots, ...[...knots].reverse().slice(1).map((knot) => 1 - knot)];
    this.state.editDrag(index, { points, times }, "Sent a drag back again");
  }

  #regionParts() {
    const { state } = this;
    const region = /** @type {import("../model/motion.js").Region} */ (state.region);
    const { index } = /** @type {import("../model/state.js").Selection} */ (state.selection);
    /** @param {Partial<import("../model/motion.js").Region>} parts @param {string} what @param {string} merge */
    const edit = (parts, what, merge = "") => state.editRegion(index, parts, what, merge);
    /** @type {HTMLElement[]} */
    const parts = [
      make("h2", {}, region.name),
      text("Name", region.name, (name) => this.#rename(index, name)),
      slider("Grow", region.grow, { min: -30, max: 30, step: 0.5 }, (grow) => edit({ grow }, "Grew or shrank a region", "grow"), " px"),
      number("Appears at", region.appears, { min: 0, max: 0.99, step: 0.01 }, (appears) => edit({ appears }, "Changed when a region appears")),
      number("Vanishes at", region.vanishes ?? 1, { min: 0.01, max: 1, step: 0.01 }, (vanishes) => edit({ vanishes: vanishes >= 1 ? null : vanishes }, "Changed when a region vanishes")),
      choice("Outline", String(region.attached), ATTACHED, (value) => edit({ attached: value === "null" ? null : value === "true" }, "Attached a region or cut it out")),
      check("Drags may scale it", region.scaling, (scaling) => edit({ scaling }, "Changed how drags move a region")),
      make(
        "div",
        { class: "buttons" },
        button("Fill holes", () => edit({ mask: region.mask.withoutHoles() }, "Filled the holes of a region")),
        button("Invert", () => edit({ mask: inverted(region.mask) }, "Inverted a region")),
      ),
    ];
    region.transform.forEach((key, k) => {
      /** @param {Partial<import("../model/keyframes.js").Keyframe>} change @param {string} merge */
      const set = (change, merge) => edit({ transform: region.transform.map((each, i) => (i === k ? { ...each, ...change } : each)) }, "Changed a keyframe", `key ${k} ${merge}`);
      parts.push(
        make(
          "fieldset",
          {},
          make("legend", {}, `At ${key.time.toFixed(2)}`),
          number("x", key.dx, { step: 1 }, (dx) => set({ dx }, "dx")),
          number("y", key.dy, { step: 1 }, (dy) => set({ dy }, "dy")),
          number("Turn °", key.turn, { step: 1 }, (turn) => set({ turn }, "turn")),
          number("Scale ×", key.scale, { min: 0.01, step: 0.05 }, (scale) => set({ scale }, "scale")),
          choice("Easing", key.easing, EASING_NAMES, (easing) => set({ easing: /** @type {any} */ (easing) }, "easing")),
          button("Remove this keyframe", () => edit({ transform: region.transform.filter((_, i) => i !== k), pivot: region.transform.length > 1 ? region.pivot : null }, "Removed a keyframe"), { class: "small" }),
        ),
      );
    });
    if (region.transform.length) parts.push(make("div", { class: "buttons" }, button("Write out as drags", () => state.change(withDrags(state.motion, index), "Wrote a transform out as drags"))));
    parts.push(this.#common());
    return parts;
  }

  /** @param {number} index @param {string} name */
  #rename(index, name) {
    const { state } = this;
    if (!name || state.motion.regions.some((region, k) => k !== index && region.name === name)) {
      state.say(name ? `There is a region ${name} already.` : "A region needs a name.");
      this.#chosen();
      return;
    }
    state.editRegion(index, { name }, "Renamed a region");
  }

  #common() {
    const { state } = this;
    return make(
      "div",
      { class: "buttons" },
      button("Copy", () => state.copySelected(), { title: "Copy (Ctrl+C)" }),
      button("Mirror", () => state.mirrorSelected(), { title: "Mirror (M)" }),
      button("Remove", () => state.removeSelected(), { title: "Remove (Delete)" }),
    );
  }

  #camera() {
    const { state } = this;
    const camera = state.motion.camera;
    const parts = [make("summary", {}, state.motion.tracks ? "Camera and tracks" : "Camera")];
    if (camera?.world_to_camera) {
      parts.push(make("p", {}, `A path of ${camera.world_to_camera.length} poses.`));
    } else {
      for (const move of MOVES) {
        const amount = camera?.moves?.find((each) => each.name === move.name)?.amount ?? move.rest;
        const limits = { min: move.least, max: move.most, step: move.step };
        const label = move.name[0].toUpperCase() + move.name.slice(1);
        const made = slider(label, amount, limits, (value) => this.#move(move.name, value, move.rest), move.unit === "°" ? "°" : ` ${move.unit}`);
        made.title = move.tells;
        parts.push(made);
      }
      const easing = camera?.moves?.[0]?.easing ?? "linear";
      if (camera?.moves) {
        parts.push(choice("Easing", easing, EASING_NAMES, (name) => state.change({ camera: { moves: camera.moves?.map((move) => ({ ...move, easing: /** @type {any} */ (name) })) } }, "Chose the camera's easing")));
      }
    }
    if (camera) parts.push(button("Remove the camera", () => state.change({ camera: null }, "Removed the camera"), { class: "small" }));
    if (state.motion.tracks) parts.push(...this.#trackParts(state.motion.tracks));
    const open = this.parts.camera.querySelector("details")?.open || camera !== null || state.motion.tracks !== null;
    this.parts.camera.replaceChildren(make("details", { open }, ...parts));
  }

  /** @param {import("../model/motion.js").Tracks} tracks */
  #trackParts(tracks) {
    const { state } = this;
    const region = state.region ?? state.motion.regions.at(-1);
    /** @param {import("../model/motion.js").Tracks | null} left @param {string} what */
    const keep = (left, what) => {
      if (!left) return state.say("None of the tracks would be left.");
      state.change({ tracks: left }, what);
      return state.say(`${left.points[0].length} of ${tracks.points[0].length} tracks are kept.`);
    };
    const asThey = () => {
      const { drags, of } = asDrags(tracks);
      state.change({ tracks: null, drags: [...state.motion.drags, ...drags] }, "Turned tracks into drags");
      state.say(`Of ${of} tracks ${drags.length} became drags.`);
    };
    return [
      make("p", {}, `Tracks of ${tracks.points[0].length} points over ${tracks.points.length} frames.`),
      make(
        "div",
        { class: "buttons" },
        button("Keep what moves", () => keep(moving(tracks, state.motion.canvas), "Kept the tracks that move")),
        region && button(`Keep those on ${region.name}`, () => keep(kept(tracks, (n) => region.mask.has(tracks.points[0][n])), "Kept the tracks of a region")),
        button("Keep every second", () => keep(kept(tracks, (n) => n % 2 === 0), "Thinned the tracks out")),
        button("Edit as drags", asThey),
        button("Remove the tracks", () => state.change({ tracks: null }, "Removed the tracks")),
      ),
    ];
  }

  /** @param {string} name @param {number} amount @param {number} rest */
  #move(name, amount, rest) {
    const moves = this.state.motion.camera?.moves ?? [];
    const easing = moves[0]?.easing ?? "linear";
    const others = moves.filter((move) => move.name !== name);
    const order = MOVES.map((move) => /** @type {string} */ (move.name));
    const made = Math.abs(amount - rest) < 1e-9 ? others : [...others, { name, amount, easing }].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    this.state.change({ camera: made.length ? { moves: made } : null }, "Moved the camera", `camera ${name}`);
  }

  #clip() {
    const { state } = this;
    const { motion } = state;
    this.parts.clip.replaceChildren(
      make("h2", {}, "Clip"),
      number("Seconds", motion.duration, { min: 0.25, max: 60, step: 0.25 }, (duration) => state.change({ duration }, "Changed the duration")),
      number("Frames a second", motion.fps, { min: 1, max: 60, step: 1 }, (fps) => state.change({ fps }, "Changed the frame rate")),
      choice("Playback", motion.playback, PLAYBACKS, (playback) => state.change({ playback: /** @type {any} */ (playback), cycles: playback === "once" ? 1 : motion.cycles }, "Chose the playback")),
      motion.playback === "once" ? "" : number("Rounds", motion.cycles, { min: 1, max: 20, step: 1 }, (cycles) => state.change({ cycles: Math.round(cycles) }, "Changed the rounds")),
      check("Onion skin", state.options.onion, (onion) => state.set({ onion })),
      check("Show regions", state.options.masks, (masks) => state.set({ masks })),
    );
  }

  #hints() {
    const found = hints(this.state.motion);
    this.parts.hints.replaceChildren(...found.slice(0, 6).map((hint) => make("p", {}, hint.words)));
    this.parts.hints.hidden = found.length === 0;
  }
}

/** @param {import("../raster/mask.js").Mask} mask */
function inverted(mask) {
  const made = mask.copy();
  made.levels = made.levels.map((level) => 255 - level);
  return made;
}
