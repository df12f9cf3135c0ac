// @ts-check
/** Undo and redo: states are values, so that keeping one costs what differs. */

/** @template T */
export class History {
  /** @param {T} first @param {number} most states to keep */
  constructor(first, most = 200) {
    this.now = first;
    this.most = most;
    /** @type {{state: T, what: string}[]} */
    this.past = [];
    /** @type {{state: T, what: string}[]} */
    this.future = [];
    /** @type {string} */
    this.merging = "";
  }

  /** Take a new state. Of changes with the same ``merge`` in a row one step is kept, as of a slider.
   *
   * @param {T} state @param {string} what words for it @param {string} merge
   */
  push(state, what, merge = "") {
    if (!merge || merge !== this.merging) {
      this.past.push({ state: this.now, what });
      if (this.past.length > this.most) this.past.shift();
    }
    this.merging = merge;
    this.future = [];
    this.now = state;
  }

  /** @returns {string | null} what was undone */
  undo() {
    const step = this.past.pop();
    if (!step) return null;
    this.future.push({ state: this.now, what: step.what });
    this.now = step.state;
    this.merging = "";
    return step.what;
  }

  /** @returns {string | null} what was done again */
  redo() {
    const step = this.future.pop();
    if (!step) return null;
    this.past.push({ state: this.now, what: step.what });
    this.now = step.state;
    this.merging = "";
    return step.what;
  }
}
