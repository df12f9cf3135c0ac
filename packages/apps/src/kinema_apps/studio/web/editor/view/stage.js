// @ts-check
/** The picture with everything drawn over it, and the hands on it. */

import { follow } from "../model/path.js";
import { placed, stateAt } from "../model/keyframes.js";
import { frameAt } from "../model/camera.js";
import { motionTime } from "../model/timing.js";
import { isSeen } from "../model/tracks.js";
import { TOOLS } from "../tools/tools.js";
import { joined, within } from "./areas.js";
import { colourOf, css } from "./colours.js";
import { Overlays } from "./overlays.js";
import { arrow, dot, line, pin, quad } from "./shapes.js";
import { Viewport } from "./viewport.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {import("../tools/tool.js").Tool} Tool */
/** @typedef {import("../raster/mask.js").Box} Box */
/** @typedef {{point: Point, screen: Point, shift: boolean, alt: boolean, touch: boolean, at: number}} Touch */

export class Stage {
  #dirty = false;
  /** What is drawn anew with the next frame; null is all of it. @type {Box | null} */
  #area = null;
  /** Fingers and pens on the glass. @type {Map<number, Point>} */
  #down = new Map();
  #panning = false;
  #pinched = false;

  /** @param {HTMLCanvasElement} element @param {import("../model/state.js").EditorState} state */
  constructor(element, state) {
    this.element = element;
    this.state = state;
    this.context = /** @type {CanvasRenderingContext2D} */ (element.getContext("2d"));
    this.view = new Viewport();
    this.overlays = new Overlays();
    this.spaceHeld = false;
    /** @type {Record<string, Tool>} */
    this.tools = Object.fromEntries(Object.entries(TOOLS).map(([name, make]) => [name, make(state, this)]));
    state.on(["change", "selection", "tool", "time", "options", "frames"], () => this.redraw());
    state.on("photo", () => this.fit());
    state.on("tool", () => this.#cursor());
    new ResizeObserver(() => this.#resize()).observe(element);
    element.addEventListener("pointerdown", (event) => this.#pressed(event));
    element.addEventListener("pointermove", (event) => this.#moved(event));
    for (const kind of /** @type {const} */ (["pointerup", "pointercancel"])) {
      element.addEventListener(kind, (event) => this.#released(event));
    }
    element.addEventListener("wheel", (event) => this.#wheeled(event), { passive: false });
    element.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** @returns {Tool} */
  get tool() {
    return this.tools[this.state.tool] ?? this.tools.brush;
  }

  /** Whether a hand is on the picture. */
  get busy() {
    return this.#down.size > 0;
  }

  fit() {
    this.view.fit(this.state.motion.canvas);
    this.redraw();
  }

  /** Magnify about the middle of the window. @param {number} factor */
  zoom(factor) {
    this.view.zoom(factor, [this.view.width / 2, this.view.height / 2]);
    this.redraw();
  }

  /** How many canvas pixels a distance on the screen is. @param {number} pixels */
  reach(pixels) {
    return pixels / this.view.scale;
  }

  /** Draw with the next frame. @param {Box | null} area of the window; all of it unless given */
  redraw(area = null) {
    if (this.#dirty) {
      this.#area = this.#area && area && joined(this.#area, area);
      return;
    }
    this.#dirty = true;
    this.#area = area;
    requestAnimationFrame(() => {
      this.#dirty = false;
      this.#draw(this.#area);
    });
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.element;
    this.element.width = Math.max(1, Math.round(clientWidth * ratio));
    this.element.height = Math.max(1, Math.round(clientHeight * ratio));
    const [dx, dy] = [(clientWidth - this.view.width) / 2, (clientHeight - this.view.height) / 2];
    this.view.width = clientWidth;
    this.view.height = clientHeight;
    if (this.view.fitted) this.view.fit(this.state.motion.canvas);
    else this.view.pan(dx, dy);
    this.#draw(null);
  }

  #cursor() {
    this.element.style.cursor = this.spaceHeld ? "grab" : this.tool.cursor;
  }

  /** @param {boolean} held */
  holdSpace(held) {
    this.spaceHeld = held;
    this.#cursor();
  }

  /** @param {PointerEvent} event @param {DOMRect} box of the element @returns {Touch} */
  #touch(event, box = this.element.getBoundingClientRect()) {
    const screen = /** @type {Point} */ ([event.clientX - box.left, event.clientY - box.top]);
    return {
      point: this.view.toCanvas(screen),
      screen,
      shift: event.shiftKey,
      alt: event.altKey || event.button === 2 || event.buttons === 2 || event.buttons === 32,
      touch: event.pointerType === "touch",
      at: event.timeStamp,
    };
  }

  /** @param {PointerEvent} event */
  #pressed(event) {
    this.element.focus({ preventScroll: true });
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      // a pointer made by a script cannot be captured, and need not be
    }
    const touch = this.#touch(event);
    this.#down.set(event.pointerId, touch.screen);
    if (this.#down.size === 2) {
      // The second finger turns a stroke into a pinch.
      this.tool.cancel();
      this.#pinched = true;
      this.redraw();
      return;
    }
    if (this.#pinched) return;
    this.#panning = this.spaceHeld || event.button === 1;
    if (!this.#panning && this.state.photo) {
      // Under a hand the time must stand still.
      this.state.rest();
      this.tool.down(touch);
    }
    this.redraw();
  }

  /** @param {PointerEvent} event */
  #moved(event) {
    const box = this.element.getBoundingClientRect();
    const touch = this.#touch(event, box);
    const before = this.#down.get(event.pointerId);
    /** @type {Box | null} */
    let area = null;
    if (this.#down.size === 2 && before) {
      this.#pinch(event.pointerId, before, touch.screen);
    } else if (this.#panning && before) {
      this.view.pan(touch.screen[0] - before[0], touch.screen[1] - before[1]);
    } else if (before && !this.#pinched) {
      const all = event.getCoalescedEvents?.() ?? [];
      this.tool.move(all.length ? all.map((each) => this.#touch(each, box)) : [touch]);
      area = this.tool.stale();
    } else {
      this.tool.hover(touch);
      area = this.tool.stale();
    }
    if (before) this.#down.set(event.pointerId, touch.screen);
    this.redraw(area);
  }

  /** @param {number} id @param {Point} before @param {Point} now */
  #pinch(id, before, now) {
    const other = [...this.#down].find(([key]) => key !== id)?.[1];
    if (!other) return;
    const apart = (/** @type {Point} */ point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    this.view.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.view.zoom(apart(now) / Math.max(1, apart(before)), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  }

  /** @param {PointerEvent} event */
  #released(event) {
    this.#down.delete(event.pointerId);
    if (this.#pinched) this.#pinched = this.#down.size > 0;
    else if (this.#panning) this.#panning = false;
    else if (event.type === "pointercancel") this.tool.cancel();
    else if (this.state.photo) this.tool.up(this.#touch(event));
    this.redraw();
  }

  /** @param {WheelEvent} event */
  #wheeled(event) {
    event.preventDefault();
    const box = this.element.getBoundingClientRect();
    if (event.shiftKey) this.view.pan(-event.deltaY, 0);
    else this.view.zoom(Math.exp(-event.deltaY * 0.0015), [event.clientX - box.left, event.clientY - box.top]);
    this.redraw();
  }

  /** @param {Box | null} area of the window; null is all of it */
  #draw(area) {
    const { context, view } = this;
    const ratio = window.devicePixelRatio || 1;
    context.save();
    if (area) within(context, area, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    if (this.state.photo) this.#all(this.state.photo.bitmap);
    context.restore();
  }

  /** @param {ImageBitmap} photo */
  #all(photo) {
    const { context, state } = this;
    const frames = state.frames;
    const shown = frames.length && (state.time > 0 || state.playing) ? frames[Math.min(frames.length - 1, Math.round(state.time * (frames.length - 1)))] : photo;
    this.#picture(shown, 1);
    if (state.options.onion && frames.length) {
      for (const share of [0.33, 0.66, 1]) this.#picture(frames[Math.round(share * (frames.length - 1))], 0.25);
    }
    if (state.playing) return;
    if (state.options.masks) this.#masks();
    this.#tracks();
    state.motion.regions.forEach((_, index) => this.#transform(index));
    state.motion.drags.forEach((_, index) => this.#drag(index));
    this.#camera();
    this.tool.draw(context);
  }

  /** @param {ImageBitmap} bitmap @param {number} opacity */
  #picture(bitmap, opacity) {
    const { context, view } = this;
    const [width, height] = this.state.motion.canvas;
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = view.scale < 4;
    context.drawImage(bitmap, view.x, view.y, width * view.scale, height * view.scale);
    context.globalAlpha = 1;
  }

  #masks() {
    const { context, view, state } = this;
    const [width, height] = state.motion.canvas;
    const time = motionTime(state.time, state.motion.playback, state.motion.cycles);
    state.motion.regions.forEach((region, index) => {
      const overlay = this.tool.working(index)?.overlay ?? this.overlays.of(region, colourOf(index));
      const pivot = region.pivot ?? region.mask.middle;
      context.save();
      context.globalAlpha = state.region === region ? 0.5 : 0.3;
      if (state.time > 0) context.globalAlpha /= 2;
      if (region.transform.length && pivot) {
        const { dx, dy, turn, scale } = stateAt(region.transform, time);
        const [x, y] = view.toScreen([pivot[0] + dx, pivot[1] + dy]);
        const [px, py] = view.toScreen(pivot);
        context.translate(x, y);
        context.rotate((turn * Math.PI) / 180);
        context.scale(scale, scale);
        context.translate(-px, -py);
      }
      context.drawImage(overlay, view.x, view.y, width * view.scale, height * view.scale);
      context.restore();
    });
  }

  #tracks() {
    const { context, view } = this;
    const tracks = this.state.motion.tracks;
    if (!tracks) return;
    const count = tracks.points[0].length;
    const step = Math.max(1, Math.ceil(count / 1000));
    const now = Math.round(motionTime(this.state.time, this.state.motion.playback, this.state.motion.cycles) * (tracks.points.length - 1));
    for (let n = 0; n < count; n += step) {
      const colour = css(colourOf(n));
      const parts = tracks.points.map((row, t) => (isSeen(tracks, t, n) ? view.toScreen(row[n]) : null));
      for (const [width, stroke] of /** @type {[number, string][]} */ ([[2.5, "rgb(0 0 0 / 0.5)"], [1.25, colour]])) {
        context.lineWidth = width;
        context.strokeStyle = stroke;
        context.beginPath();
        parts.forEach((at, t) => at && (parts[t - 1] ? context.lineTo(...at) : context.moveTo(...at)));
        context.stroke();
      }
      const head = parts[now];
      if (head) dot(context, head, 2.5, colour);
    }
  }

  /** @param {number} index */
  #drag(index) {
    const { context, state, view } = this;
    const drag = state.motion.drags[index];
    const chosen = state.selection?.kind === "drag" && state.selection.index === index;
    const colour = css(colourOf(index + 1));
    const screen = drag.points.map((point) => view.toScreen(point));
    if (drag.points.length === 1) {
      pin(context, screen[0], colour, chosen);
      return;
    }
    const at = follow(drag);
    const way = Array.from({ length: 33 }, (_, k) => view.toScreen(at(k / 32)));
    for (const [width, stroke] of /** @type {[number, string][]} */ ([[chosen ? 7 : 5, "rgb(0 0 0 / 0.6)"], [chosen ? 4 : 2.5, colour]])) {
      context.lineWidth = width;
      context.strokeStyle = stroke;
      context.lineJoin = context.lineCap = "round";
      line(context, way);
    }
    arrow(context, way, colour);
    screen.forEach((point, k) => {
      const big = chosen && state.selection?.point === k;
      dot(context, point, big ? 7 : chosen ? 5 : k === 0 ? 4 : 0, k === 0 ? "white" : colour);
    });
    const now = view.toScreen(at(motionTime(state.time, state.motion.playback, state.motion.cycles)));
    if (state.time > 0) dot(context, now, 6, "white");
  }

  /** @param {number} index */
  #transform(index) {
    const { context, state, view } = this;
    const region = state.motion.regions[index];
    const middle = region.pivot ?? (region.transform.length ? region.mask.middle : null);
    if (!region.transform.length || !middle) return;
    context.lineWidth = 2;
    context.strokeStyle = css(colourOf(index), 0.9);
    context.setLineDash([6, 4]);
    line(context, Array.from({ length: 33 }, (_, k) => view.toScreen(placed(middle, middle, stateAt(region.transform, k / 32)))));
    context.setLineDash([]);
  }

  #camera() {
    const { context, state, view } = this;
    if (!state.motion.camera) return;
    const outlines = [0.25, 0.5, 0.75, 1].map((time) => frameAt(/** @type {any} */ (state.motion.camera), time, state.motion.canvas));
    outlines.forEach((outline, k) => outline && quad(context, outline.map((corner) => view.toScreen(corner)), `rgb(255 255 255 / ${0.15 + 0.1 * k})`, 1));
    const now = frameAt(state.motion.camera, motionTime(state.time, state.motion.playback, state.motion.cycles), state.motion.canvas);
    if (now) quad(context, now.map((corner) => view.toScreen(corner)), "rgb(255 210 63)", 2);
  }
}
