// @ts-check
/** The same work as a command, as Python, and as files. */

import { button, make } from "../editor/view/dom.js";

/** @param {string} text @returns {string} for a shell */
function quoted(text) {
  return /^[\w./:=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** @param {Record<string, any>} values @param {string} flag */
function settings(values, flag) {
  return Object.entries(values ?? {}).map(([key, value]) => `${flag} ${quoted(`${key}=${Array.isArray(value) ? value.join(",") : value}`)}`);
}

/** The command that makes the same video of photo.png and motion.json.
 *
 * @param {Record<string, any>} request of the service
 * @returns {string}
 */
export function asCommand(request) {
  const parts = ["kinema animate photo.png", "--motion motion.json", `--backbone ${request.backbone}`];
  if (request.size) parts.push(`--size ${request.size.join("x")}`);
  if (request.frames) parts.push(`--frames ${request.frames}`);
  if (request.fps) parts.push(`--fps ${request.fps}`);
  if (request.prompt) parts.push(`--prompt ${quoted(request.prompt)}`);
  if (request.negative_prompt != null) parts.push(`--negative-prompt ${quoted(request.negative_prompt)}`);
  parts.push(`--seed ${request.seed ?? 0}`, ...settings(request.sample, "--sample"), ...settings(request.options, "--set"));
  parts.push(`--out video.${request.forms?.[0] ?? "mp4"}`);
  return `${parts.join(" \\\n  ")}\n`;
}

/** @param {any} value @returns {string} as Python writes it */
export function pythonOf(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}: ${pythonOf(inner)}`).join(", ")}}`;
  return JSON.stringify(value);
}

/** @param {Record<string, any>} request @returns {string} */
export function asPython(request) {
  const filled = (/** @type {any} */ values) => values && Object.keys(values).length > 0;
  const session = [JSON.stringify(request.backbone), filled(request.options) && `options=${pythonOf(request.options)}`, filled(request.sample) && `sample=${pythonOf(request.sample)}`];
  const job = [
    '"photo.png"',
    "motion",
    request.prompt && `prompt=${pythonOf(request.prompt)}`,
    request.negative_prompt != null && `negative_prompt=${pythonOf(request.negative_prompt)}`,
    request.size && `size=(${request.size.join(", ")})`,
    request.frames && `frames=${request.frames}`,
    request.fps && `fps=${request.fps}`,
    `seed=${request.seed ?? 0}`,
  ];
  return [
    "import kinema",
    "",
    'motion = kinema.Motion.load("motion.json")',
    `with kinema.Session(${session.filter(Boolean).join(", ")}) as session:`,
    `    video = session.animate(${job.filter(Boolean).join(", ")})`,
    `    video.save("video.${request.forms?.[0] ?? "mp4"}")`,
    "",
  ].join("\n");
}

/** The request with the form that was chosen for it, so that it is the same wherever it is run.
 *
 * @param {Record<string, any>} request @param {any} result of the job, if it has one
 */
export function exactly(request, result) {
  return result ? { ...request, size: result.size, frames: result.frames, fps: result.fps } : request;
}

/** Show a text to copy.
 *
 * @param {string} title @param {string} content
 * @param {Record<string, () => Promise<Blob | null>>} files what the text names, to be saved
 */
export function showText(title, content, files = {}) {
  const pre = make("pre", { tabIndex: 0 }, content);
  const copy = button("Copy", async () => {
    await navigator.clipboard?.writeText(content);
    copy.textContent = "Copied";
  }, { class: "main" });
  const saves = Object.entries(files).map(([name, read]) =>
    button(`Save ${name}`, async () => {
      const blob = await read();
      if (blob) download(blob, name);
    }),
  );
  const dialog = make(
    "dialog",
    { "aria-label": title },
    make("h2", {}, title),
    saves.length > 0 && make("p", {}, "It reads these files from the folder that it is run in:"),
    saves.length > 0 && make("div", { class: "buttons" }, ...saves),
    pre,
    make("div", { class: "buttons" }, copy, button("Close", () => dialog.close())),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** @param {any} motion @returns {Blob} a Motion file */
export function motionFile(motion) {
  return new Blob([JSON.stringify(motion, null, 1)], { type: "application/json" });
}

/** Give a file to the person. @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
