// @ts-check
/** Which part of a photo to use. */

import { button, choice, make } from "./dom.js";

/** @typedef {{x: number, y: number, width: number, height: number}} Rect */

/** Sides longer than this are scaled down; video models see less. */
export const LONGEST = 1536;

const ASPECTS = [
  { value: "", label: "as the photo" },
  { value: "1.6", label: "8:5 (512x320)" },
  { value: "1.7777778", label: "16:9" },
  { value: "1", label: "square" },
  { value: "0.625", label: "5:8 upright" },
  { value: "0.5625", label: "9:16 upright" },
];

/** Ask a person for a part of a photo.
 *
 * @param {HTMLElement | ShadowRoot} root where the dialog is put
 * @param {ImageBitmap} bitmap
 * @returns {Promise<Rect | null>} in pixels of the photo; null if it was given up
 */
export function askForCrop(root, bitmap) {
  const shown = Math.min(1, 640 / Math.max(bitmap.width, bitmap.height));
  const canvas = make("canvas", { width: Math.round(bitmap.width * shown), height: Math.round(bitmap.height * shown), tabIndex: 0, "aria-label": "Part of the photo to use; arrow keys move it" });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  let aspect = 0;
  /** @type {Rect} */
  let rect = whole(bitmap);
  const size = make("output", {});
  const draw = () => {
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    context.fillStyle = "rgb(0 0 0 / 0.55)";
    const [x, y, w, h] = [rect.x * shown, rect.y * shown, rect.width * shown, rect.height * shown];
    context.fillRect(0, 0, canvas.width, y);
    context.fillRect(0, y + h, canvas.width, canvas.height - y - h);
    context.fillRect(0, y, x, h);
    context.fillRect(x + w, y, canvas.width - x - w, h);
    context.strokeStyle = "white";
    context.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
    size.textContent = `${Math.round(rect.width)} x ${Math.round(rect.height)} pixels`;
  };
  /** @param {Rect} next */
  const set = (next) => {
    rect = kept(next, bitmap);
    draw();
  };
  /** @type {{x: number, y: number, rect: Rect, fresh: boolean} | null} */
  let begun = null;
  /** @param {PointerEvent} event */
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * bitmap.width, y: ((event.clientY - box.top) / box.height) * bitmap.height };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const { x, y } = at(event);
    const inside = x >= rect.x && y >= rect.y && x <= rect.x + rect.width && y <= rect.y + rect.height;
    const all = rect.width >= bitmap.width && rect.height >= bitmap.height;
    begun = { x, y, rect, fresh: !inside || all };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!begun) return;
    const { x, y } = at(event);
    if (!begun.fresh) return set({ ...begun.rect, x: begun.rect.x + x - begun.x, y: begun.rect.y + y - begun.y });
    const width = Math.max(16, Math.abs(x - begun.x));
    const height = aspect ? width / aspect : Math.max(16, Math.abs(y - begun.y));
    return set({ x: x < begun.x ? begun.x - width : begun.x, y: y < begun.y ? begun.y - height : begun.y, width, height });
  });
  canvas.addEventListener("pointerup", () => (begun = null));
  canvas.addEventListener("keydown", (event) => {
    const step = bitmap.width / 50;
    const [dx, dy] = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    set({ ...rect, x: rect.x + dx, y: rect.y + dy });
  });
  return new Promise((resolve) => {
    const dialog = make(
      "dialog",
      { "aria-label": "Choose the part of the photo" },
      make("p", {}, "Pull a frame over the part to use, or take all of it."),
      canvas,
      choice("Shape", "", ASPECTS, (value) => {
        aspect = Number(value);
        set(aspect ? largest(bitmap, aspect) : whole(bitmap));
      }),
      size,
      make("div", { class: "buttons" }, button("Use it", () => dialog.close("use"), { class: "use" }), button("Cancel", () => dialog.close(""))),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "use" ? rect : null);
    });
    root.append(dialog);
    draw();
    dialog.showModal();
  });
}

/** A part of a bitmap, not larger than it should be. @param {ImageBitmap} bitmap @param {Rect} rect @returns {Promise<ImageBitmap>} */
export function cropped(bitmap, rect) {
  const scale = Math.min(1, LONGEST / Math.max(rect.width, rect.height));
  const options = { resizeWidth: Math.max(1, Math.round(rect.width * scale)), resizeHeight: Math.max(1, Math.round(rect.height * scale)), resizeQuality: /** @type {const} */ ("high") };
  return createImageBitmap(bitmap, Math.round(rect.x), Math.round(rect.y), Math.round(rect.width), Math.round(rect.height), options);
}

/** @param {ImageBitmap} bitmap @returns {Rect} */
export function whole(bitmap) {
  return { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
}

/** @param {ImageBitmap} bitmap @param {number} aspect @returns {Rect} */
function largest(bitmap, aspect) {
  const width = Math.min(bitmap.width, bitmap.height * aspect);
  const height = width / aspect;
  return { x: (bitmap.width - width) / 2, y: (bitmap.height - height) / 2, width, height };
}

/** @param {Rect} rect @param {ImageBitmap} bitmap @returns {Rect} */
function kept(rect, bitmap) {
  let { width, height } = rect;
  const shrink = Math.min(1, bitmap.width / width, bitmap.height / height);
  width *= shrink;
  height *= shrink;
  return { width, height, x: Math.min(Math.max(0, rect.x), bitmap.width - width), y: Math.min(Math.max(0, rect.y), bitmap.height - height) };
}
