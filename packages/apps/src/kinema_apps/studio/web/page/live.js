// @ts-check
/** The motion as it is, rendered by the server's `preview` after every stroke. */

import { call, json } from "./api.js";

/** A preview that is no larger is made at once, without a rough one before. */
const SMALL = 256;

export class Live {
  #asked = 0;
  /** @type {AbortController | null} */
  #underway = null;
  /** Its name on the server. @type {Promise<string>} */
  #photo = Promise.resolve("");

  /** @param {import("../editor/kinema-editor.js").KinemaEditor} editor @param {(words: string, bad?: boolean) => void} say */
  constructor(editor, say) {
    this.editor = editor;
    this.say = say;
    /** Options of the preview backbone. @type {Record<string, any>} */
    this.options = {};
    /** The change whose sharp preview is shown, as `changedAt` of the editor. */
    this.shownAt = 0;
    editor.addEventListener("kinema-photo", () => {
      this.#asked += 1;
      this.#underway?.abort();
      // Sent before the first stroke: the server gets ready while a person looks at it.
      this.#photo = this.#send();
      this.#photo.catch(() => {});
    });
    editor.addEventListener("kinema-motion", (event) => void this.show(/** @type {CustomEvent} */ (event).detail));
  }

  /** Preview with other options. @param {Record<string, any>} options */
  set(options) {
    Object.assign(this.options, options);
    this.editor.changedAt = this.editor.toldAt = performance.now();
    void this.editor.getMotion().then((motion) => this.show(motion));
  }

  /** @param {any} motion */
  async show(motion) {
    const moves = motion.drags.length || motion.camera || motion.tracks || motion.regions.some((/** @type {any} */ region) => region.transform || region.appears || region.vanishes !== undefined);
    const number = ++this.#asked;
    this.#underway?.abort();
    if (!moves || !this.editor.state.photo) {
      this.editor.setFrames([]);
      return;
    }
    this.#underway = new AbortController();
    const { signal } = this.#underway;
    const changed = this.editor.toldAt;
    try {
      // A small one first: it is there in less than half the time.
      const passes = Math.max(...motion.canvas) > SMALL ? [true, false] : [false];
      for (const rough of passes) {
        const frames = await this.#render(motion, rough, signal);
        if (number !== this.#asked || !frames) return;
        const seconds = (performance.now() - changed) / 1000;
        this.editor.setFrames(frames);
        if (!rough) this.shownAt = changed;
        if (rough === passes[0]) this.say(`Preview in ${seconds.toFixed(1)} s`);
        this.editor.dispatchEvent(new CustomEvent("kinema-preview", { detail: { seconds, frames: frames.length, rough } }));
        const { state, stage, timeline } = this.editor;
        // Handles are pulled at a time that stands still.
        if (!state.playing && !stage.busy) timeline.start(state.tool === "transform");
      }
    } catch (error) {
      if (number !== this.#asked || (error instanceof DOMException && error.name === "AbortError")) return;
      this.editor.setFrames([]);
      this.say(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** @param {any} motion @param {boolean} rough @param {AbortSignal} signal @returns {Promise<ImageBitmap[] | null>} */
  async #render(motion, rough, signal) {
    for (let tries = 0; ; tries++) {
      const photo = await this.#photo.catch(() => (this.#photo = this.#send()));
      try {
        const body = JSON.stringify({ photo, motion, options: this.options, rough });
        const response = await call("v1/studio/preview", { method: "POST", body, signal });
        return response.status === 204 ? null : await unpacked(await response.arrayBuffer());
      } catch (error) {
        // The server keeps a few photos only.
        if (/** @type {any} */ (error).status !== 404 || tries) throw error;
        this.#photo = this.#send();
      }
    }
  }

  /** @returns {Promise<string>} */
  async #send() {
    const body = await this.editor.getPhoto();
    return (await json("v1/studio/photos", { method: "POST", body })).photo;
  }
}

/** Frames of files that each lie after their length. @param {ArrayBuffer} buffer @returns {Promise<ImageBitmap[]>} */
function unpacked(buffer) {
  const view = new DataView(buffer);
  const frames = [];
  for (let at = 0; at < buffer.byteLength; ) {
    const length = view.getUint32(at, true);
    frames.push(createImageBitmap(new Blob([new Uint8Array(buffer, at + 4, length)], { type: "image/jpeg" })));
    at += 4 + length;
  }
  return Promise.all(frames);
}
