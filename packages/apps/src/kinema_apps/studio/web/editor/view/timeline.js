// @ts-check
/** When what happens: a bar for each drag and each moving region, with a head that scrubs. */

import { knotTimes } from "../model/path.js";
import { MIN_STEP } from "../model/timing.js";
import { colourOf, css } from "./colours.js";
import { button, make } from "./dom.js";

/** @typedef {import("../model/state.js").EditorState} EditorState */

const GAP = 0.01;

export class Timeline {
  /** @param {HTMLElement} element @param {EditorState} state */
  constructor(element, state) {
    this.element = element;
    this.state = state;
    /** Set while a knot is pulled, so that its mark is not made anew under the finger. */
    this.pulling = false;
    this.play = button("Play", () => this.toggle(), { class: "play" }, "▶");
    this.scrub = make("input", { type: "range", min: "0", max: "1", step: "0.001", "aria-label": "Time", class: "scrub" });
    this.scrub.value = "0";
    this.clock = make("output", { class: "clock" });
    this.rows = make("div", { class: "rows", role: "list" });
    element.append(make("div", { class: "transport" }, this.play, this.scrub, this.clock), this.rows);
    this.scrub.addEventListener("input", () => {
      // Read before playing ends, which shows the time that was reached.
      const time = this.scrub.valueAsNumber;
      this.stop();
      state.seek(time);
    });
    state.on(["change", "selection"], () => this.#fill());
    state.on("time", () => this.#tick());
    this.#fill();
    this.#tick();
  }

  toggle() {
    if (this.state.playing) this.stop();
    else this.start();
  }

  /** @param {boolean} once to the end, and then back to the time that was shown */
  start(once = false) {
    const { state } = this;
    if (!state.frames.length) return state.say("There is nothing to play yet: draw a motion first.");
    if (!state.playing) state.home = state.time;
    state.playing = true;
    const length = state.motion.duration * 1000;
    const began = performance.now() - (once ? 0 : state.time * length);
    /** @param {number} now */
    const step = (now) => {
      if (!state.playing) return;
      const part = (now - began) / length;
      if (once && part >= 1) return state.rest();
      state.seek(part % 1);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    return undefined;
  }

  stop() {
    this.state.pause();
  }

  #tick() {
    const { state } = this;
    this.scrub.value = String(state.time);
    this.play.textContent = state.playing ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", state.playing ? "Pause" : "Play");
    this.clock.textContent = `${(state.time * state.motion.duration).toFixed(2)} s`;
    this.element.style.setProperty("--head", String(state.time));
  }

  #fill() {
    if (this.pulling) return;
    const { state } = this;
    const drags = state.motion.drags.map((drag, index) =>
      this.#row(`${drag.points.length > 1 ? "drag" : "pin"} ${index + 1}`, "drag", index, drag.points.length > 1 ? knotTimes(drag) : [], css(colourOf(index + 1))),
    );
    const regions = state.motion.regions.map((region, index) =>
      region.transform.length ? this.#row(region.name, "region", index, region.transform.map((key) => key.time), css(colourOf(index))) : null,
    );
    this.rows.replaceChildren(.../** @type {HTMLElement[]} */ ([...drags, ...regions].filter(Boolean)));
  }

  /** @param {string} label @param {"drag" | "region"} kind @param {number} index @param {number[]} times @param {string} colour */
  #row(label, kind, index, times, colour) {
    const { state } = this;
    const chosen = state.selection?.kind === kind && state.selection.index === index;
    const lane = make("div", { class: "lane", style: `--colour: ${colour}` });
    if (times.length) {
      const from = kind === "region" ? 0 : times[0];
      lane.append(make("div", { class: "bar", style: `left: ${100 * from}%; width: ${100 * (times[times.length - 1] - from)}%` }));
    }
    times.forEach((time, k) => lane.append(this.#knot(label, kind, index, k, time)));
    return make(
      "div",
      { class: chosen ? "track chosen" : "track", role: "listitem" },
      button(`Choose ${label}`, () => state.select({ kind, index, point: kind === "drag" ? 0 : -1 }), { class: "name" }, label),
      lane,
    );
  }

  /** @param {string} label @param {"drag" | "region"} kind @param {number} index @param {number} k @param {number} time */
  #knot(label, kind, index, k, time) {
    const mark = make("button", {
      type: "button",
      class: "knot",
      style: `left: ${100 * time}%`,
      role: "slider",
      "aria-label": `Time of point ${k + 1} of ${label}`,
      "aria-valuemin": "0",
      "aria-valuemax": "1",
      "aria-valuenow": time.toFixed(3),
    });
    /** @param {number} to */
    const move = (to) => {
      const shown = this.retime(kind, index, k, to);
      mark.style.left = `${100 * shown}%`;
      mark.setAttribute("aria-valuenow", shown.toFixed(3));
    };
    mark.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      mark.focus();
      mark.setPointerCapture(event.pointerId);
      this.pulling = true;
      this.state.select({ kind, index, point: kind === "drag" ? k : -1 });
    });
    mark.addEventListener("pointermove", (event) => {
      if (!mark.hasPointerCapture(event.pointerId)) return;
      const box = /** @type {HTMLElement} */ (mark.parentElement).getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    });
    const end = () => {
      this.pulling = false;
      this.state.history.merging = "";
      this.#fill();
    };
    mark.addEventListener("pointerup", end);
    mark.addEventListener("pointercancel", end);
    mark.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      this.pulling = true;
      move(Number(mark.getAttribute("aria-valuenow")) + step);
      this.pulling = false;
    });
    return mark;
  }

  /** Give a point or keyframe another time, between its neighbours.
   *
   * @param {"drag" | "region"} kind @param {number} index @param {number} k @param {number} time
   * @returns {number} the time it got
   */
  retime(kind, index, k, time) {
    const { state } = this;
    const merge = `time ${kind} ${index} ${k}`;
    if (kind === "drag") {
      const times = [...knotTimes(state.motion.drags[index])];
      times[k] = between(time, times[k - 1] ?? -GAP, times[k + 1] ?? 1 + GAP);
      state.editDrag(index, { times }, "Changed a time", merge);
      return times[k];
    }
    const transform = state.motion.regions[index].transform.map((key) => ({ ...key }));
    transform[k].time = between(time, Math.max(transform[k - 1]?.time ?? MIN_STEP, MIN_STEP), transform[k + 1]?.time ?? 1 + GAP);
    state.editRegion(index, { transform }, "Changed a time", merge);
    return transform[k].time;
  }
}

/** @param {number} time @param {number} before @param {number} after */
function between(time, before, after) {
  return Math.round(Math.min(Math.max(time, before + GAP, 0), after - GAP, 1) * 1e4) / 1e4;
}
