// @ts-check
/** From the canvas's pixels to the screen and back. */

/** @typedef {import("../model/path.js").Point} Point */

export class Viewport {
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.width = 1;
    this.height = 1;
    /** Whether all of the canvas is shown, until a person looks closer. */
    this.fitted = true;
  }

  /** Show all of a canvas, with a margin. @param {[number, number]} canvas @param {number} margin screen pixels */
  fit([width, height], margin = 16) {
    const room = [Math.max(1, this.width - 2 * margin), Math.max(1, this.height - 2 * margin)];
    this.scale = Math.min(room[0] / width, room[1] / height);
    this.x = (this.width - this.scale * width) / 2;
    this.y = (this.height - this.scale * height) / 2;
    this.fitted = true;
  }

  /** Pixel centres of the canvas lie at integers. @param {Point} point @returns {Point} */
  toScreen([x, y]) {
    return [this.x + (x + 0.5) * this.scale, this.y + (y + 0.5) * this.scale];
  }

  /** @param {Point} screen @returns {Point} */
  toCanvas([x, y]) {
    return [(x - this.x) / this.scale - 0.5, (y - this.y) / this.scale - 0.5];
  }

  /** Magnify about a place of the screen that stays where it is. @param {number} factor @param {Point} about */
  zoom(factor, about) {
    const scale = Math.min(40, Math.max(0.05, this.scale * factor));
    const share = scale / this.scale;
    this.x = about[0] - share * (about[0] - this.x);
    this.y = about[1] - share * (about[1] - this.y);
    this.scale = scale;
    this.fitted = false;
  }

  /** @param {number} dx @param {number} dy screen pixels */
  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
  }
}
