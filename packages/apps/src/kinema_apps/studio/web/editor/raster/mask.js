// @ts-check
/** A region's pixels: how much of each is covered, 0 to 255. */

import { chamfer } from "./distance.js";

/** @typedef {import("../model/path.js").Point} Point */
/** @typedef {{left: number, top: number, right: number, bottom: number}} Box right and bottom excluded */

export class Mask {
  /** @type {{count: number, x: number, y: number, box: Box | null} | null} */
  #counted = null;
  /** @type {Promise<string> | null} */
  #written = null;

  /** @param {number} width @param {number} height @param {Uint8Array} [levels] */
  constructor(width, height, levels) {
    this.width = width;
    this.height = height;
    this.levels = levels ?? new Uint8Array(width * height);
  }

  copy() {
    return new Mask(this.width, this.height, this.levels.slice());
  }

  /** @param {Point} point @returns {boolean} */
  has([x, y]) {
    const [column, row] = [Math.round(x), Math.round(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return false;
    return this.levels[row * this.width + column] >= 128;
  }

  /** @returns {boolean} */
  get isEmpty() {
    return this.#shape.count === 0;
  }

  /** Middle of the pixels inside, or null if there are none. @returns {Point | null} */
  get middle() {
    const { count, x, y } = this.#shape;
    return count ? [x / count, y / count] : null;
  }

  /** @returns {Box | null} */
  get box() {
    return this.#shape.box;
  }

  /** What each drawing asks for is counted once: a mask changes only under `stroke`. */
  get #shape() {
    if (this.#counted) return this.#counted;
    const box = { left: this.width, top: this.height, right: 0, bottom: 0 };
    let [count, x, y] = [0, 0, 0];
    this.forEachInside((column, row) => {
      count += 1;
      x += column;
      y += row;
      box.left = Math.min(box.left, column);
      box.top = Math.min(box.top, row);
      box.right = Math.max(box.right, column + 1);
      box.bottom = Math.max(box.bottom, row + 1);
    });
    this.#counted = { count, x, y, box: count ? box : null };
    return this.#counted;
  }

  /** @param {(column: number, row: number) => void} visit */
  forEachInside(visit) {
    for (let row = 0, k = 0; row < this.height; row++) {
      for (let column = 0; column < this.width; column++, k++) {
        if (this.levels[k] >= 128) visit(column, row);
      }
    }
  }

  /** Draw along a line with a round brush, in place.
   *
   * @param {Point[]} points @param {number} radius pixels
   * @param {number} hardness 1 is a hard edge, 0 one that fades from the middle on
   * @param {boolean} erase
   * @returns {Box} what may have changed
   */
  stroke(points, radius, hardness, erase) {
    this.#counted = this.#written = null;
    const whole = { left: this.width, top: this.height, right: 0, bottom: 0 };
    for (let k = Math.min(1, points.length - 1); k < points.length; k++) {
      const box = this.#segment(points[Math.max(0, k - 1)], points[k], radius, hardness, erase);
      whole.left = Math.min(whole.left, box.left);
      whole.top = Math.min(whole.top, box.top);
      whole.right = Math.max(whole.right, box.right);
      whole.bottom = Math.max(whole.bottom, box.bottom);
    }
    return whole;
  }

  /** @param {Point} a @param {Point} b @param {number} radius @param {number} hardness @param {boolean} erase @returns {Box} */
  #segment(a, b, radius, hardness, erase) {
    const box = {
      left: Math.max(0, Math.floor(Math.min(a[0], b[0]) - radius)),
      top: Math.max(0, Math.floor(Math.min(a[1], b[1]) - radius)),
      right: Math.min(this.width, Math.ceil(Math.max(a[0], b[0]) + radius) + 1),
      bottom: Math.min(this.height, Math.ceil(Math.max(a[1], b[1]) + radius) + 1),
    };
    const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
    const long = dx * dx + dy * dy;
    const fade = Math.max(radius * (1 - hardness), 1);
    const rim = radius + 0.5;
    // Nearer than this it is covered wholly; squares, since a pen sends points faster than roots are drawn.
    const [inner, outer] = [Math.max(0, rim - fade) ** 2, rim ** 2];
    const { levels } = this;
    for (let row = box.top; row < box.bottom; row++) {
      const py = row - a[1];
      for (let column = box.left, k = row * this.width + box.left; column < box.right; column++, k++) {
        const px = column - a[0];
        const t = long ? Math.min(1, Math.max(0, (px * dx + py * dy) / long)) : 0;
        const square = (px - t * dx) ** 2 + (py - t * dy) ** 2;
        if (square > outer) continue;
        const level = square <= inner ? 255 : Math.round(255 * Math.min(1, (rim - Math.sqrt(square)) / fade));
        if (erase) levels[k] = Math.min(levels[k], 255 - level);
        else if (level > levels[k]) levels[k] = level;
      }
    }
    return box;
  }

  /** This mask and a polygon, whose pixels have their centre inside (even-odd).
   *
   * @param {Point[]} polygon @param {boolean} erase
   */
  filled(polygon, erase = false) {
    const result = this.copy();
    for (let row = 0; row < this.height; row++) {
      const crossings = [];
      for (let k = 0; k < polygon.length; k++) {
        const [a, b] = [polygon[k], polygon[(k + 1) % polygon.length]];
        if (a[1] <= row !== b[1] <= row) crossings.push(a[0] + ((row - a[1]) / (b[1] - a[1])) * (b[0] - a[0]));
      }
      crossings.sort((one, other) => one - other);
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        const from = Math.max(0, Math.ceil(crossings[k]));
        const to = Math.min(this.width - 1, Math.floor(crossings[k + 1]));
        for (let column = from; column <= to; column++) result.levels[row * this.width + column] = erase ? 0 : 255;
      }
    }
    return result;
  }

  /** This mask and another. @param {Mask} other @param {boolean} erase */
  joined(other, erase = false) {
    const levels = this.levels.map((level, k) =>
      erase ? Math.min(level, 255 - other.levels[k]) : Math.max(level, other.levels[k]),
    );
    return new Mask(this.width, this.height, levels);
  }

  /** Without the holes that its outline encloses. */
  withoutHoles() {
    const { width, height } = this;
    const outside = new Uint8Array(width * height);
    /** @type {number[]} */
    const open = [];
    /** @param {number} k */
    const visit = (k) => {
      if (!outside[k] && this.levels[k] < 128) {
        outside[k] = 1;
        open.push(k);
      }
    };
    for (let column = 0; column < width; column++) [column, (height - 1) * width + column].forEach(visit);
    for (let row = 0; row < height; row++) [row * width, row * width + width - 1].forEach(visit);
    while (open.length) {
      const k = /** @type {number} */ (open.pop());
      const column = k % width;
      if (column > 0) visit(k - 1);
      if (column < width - 1) visit(k + 1);
      if (k >= width) visit(k - width);
      if (k < width * (height - 1)) visit(k + width);
    }
    return new Mask(width, height, this.levels.map((level, k) => (outside[k] ? level : Math.max(level, 255))));
  }

  /** Larger by so many pixels on all sides, or smaller. @param {number} pixels */
  grown(pixels) {
    if (!pixels) return this;
    const away = chamfer(this, pixels > 0);
    const levels = away.map((distance) => {
      const inside = pixels > 0 ? pixels + 0.5 - distance : distance + pixels - 0.5;
      return Math.round(255 * Math.min(1, Math.max(0, inside + 0.5)));
    });
    return new Mask(this.width, this.height, Uint8Array.from(levels));
  }

  /** Seen in a mirror, left to right. */
  mirrored() {
    const result = new Mask(this.width, this.height);
    for (let row = 0; row < this.height; row++) {
      const line = this.levels.subarray(row * this.width, (row + 1) * this.width);
      result.levels.set(line.slice().reverse(), row * this.width);
    }
    return result;
  }

  /** Moved by whole pixels; what leaves the canvas is lost. @param {number} dx @param {number} dy */
  shifted(dx, dy) {
    const result = new Mask(this.width, this.height);
    for (let row = 0; row < this.height; row++) {
      const from = row - dy;
      if (from < 0 || from >= this.height) continue;
      for (let column = Math.max(0, dx); column < Math.min(this.width, this.width + dx); column++) {
        result.levels[row * this.width + column] = this.levels[from * this.width + column - dx];
      }
    }
    return result;
  }

  /** Part of a photo as pixels of one colour, for drawing over it.
   *
   * @param {[number, number, number]} colour @param {number} opacity 0 to 1 @param {Box} box
   */
  tinted(colour, opacity, box) {
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const image = new ImageData(width, height);
    const { data } = image;
    const { levels } = this;
    for (let row = 0, at = 0; row < height; row++) {
      let k = (row + box.top) * this.width + box.left;
      for (let column = 0; column < width; column++, k++, at += 4) {
        data[at] = colour[0];
        data[at + 1] = colour[1];
        data[at + 2] = colour[2];
        data[at + 3] = levels[k] * opacity;
      }
    }
    return image;
  }

  /** Every change of a motion asks for all masks of it, so each is written once.
   *
   * @returns {Promise<string>} a grey PNG in base64
   */
  toBase64() {
    this.#written ??= this.#write();
    return this.#written;
  }

  /** @returns {Promise<string>} */
  async #write() {
    const canvas = new OffscreenCanvas(this.width, this.height);
    const image = new ImageData(this.width, this.height);
    for (let k = 0, at = 0; k < this.levels.length; k++, at += 4) {
      image.data[at] = image.data[at + 1] = image.data[at + 2] = this.levels[k];
      image.data[at + 3] = 255;
    }
    context(canvas).putImageData(image, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
    let text = "";
    for (let k = 0; k < bytes.length; k += 0x8000) text += String.fromCharCode(...bytes.subarray(k, k + 0x8000));
    return btoa(text);
  }

  /** @param {string} base64 of a PNG @returns {Promise<Mask>} */
  static async fromBase64(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return Mask.fromBlob(new Blob([bytes], { type: "image/png" }));
  }

  /** The brightness of a picture. @param {Blob} blob @returns {Promise<Mask>} */
  static async fromBlob(blob) {
    const bitmap = await createImageBitmap(blob);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    context(canvas).drawImage(bitmap, 0, 0);
    const { data, width, height } = context(canvas).getImageData(0, 0, bitmap.width, bitmap.height);
    const levels = new Uint8Array(width * height);
    for (let k = 0, at = 0; k < levels.length; k++, at += 4) {
      const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      levels[k] = Math.round((grey * data[at + 3]) / 255);
    }
    return new Mask(width, height, levels);
  }
}

/** @param {OffscreenCanvas} canvas */
function context(canvas) {
  return /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
}
