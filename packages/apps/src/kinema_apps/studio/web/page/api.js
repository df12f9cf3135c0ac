// @ts-check
/** Calls of the service, with the token that a person gave, if one is needed. */

/** @typedef {{id: string, state: string, backbone: string, created: string, step: number, steps: number, position: number | null, wait_seconds: number | null, cancelling: boolean, result: any, error: any}} Job */

const ROOT = new URL("../../", import.meta.url);
const KEPT = "kinema-token";
/** Which page this is, so that its own later preview ends its earlier. */
const PAGE = Math.random().toString(36).slice(2);

/** Set by the page: asks for a token, and gives null if the person gave up.
 * @type {() => Promise<string | null>} */
let ask = async () => null;

/** @param {() => Promise<string | null>} asked */
export function whenTokenIsNeeded(asked) {
  ask = asked;
}

/** @param {string} path below the server's address @param {RequestInit} [options] @returns {Promise<Response>} */
export async function call(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    headers.set("kinema-page", PAGE);
    const token = sessionStorage.getItem(KEPT);
    if (token) headers.set("authorization", `Bearer ${token}`);
    const response = await fetch(new URL(path.replace(/^\//, ""), ROOT), { ...options, headers });
    if (response.status !== 401) return response.ok ? response : refuse(response);
    const given = await ask();
    if (given === null) return refuse(response);
    sessionStorage.setItem(KEPT, given);
  }
}

/** @param {Response} response @returns {Promise<never>} */
async function refuse(response) {
  let words = `The server answered ${response.status}.`;
  try {
    words = (await response.json()).detail ?? words;
  } catch {
    // not every refusal has words
  }
  throw Object.assign(new Error(words), { status: response.status });
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<any>} */
export async function json(path, options) {
  return (await call(path, options)).json();
}

/** @param {string} path @returns {Promise<string>} an address of what lies there, for elements */
export async function address(path) {
  return URL.createObjectURL(await (await call(path)).blob());
}

/** A name that nobody else has; `randomUUID` is not there on a page that came without TLS. @returns {string} */
export function unique() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Create a job. @param {Blob} photo @param {Record<string, any>} request @returns {Promise<Job>} */
export function createJob(photo, request) {
  const form = new FormData();
  form.set("job", JSON.stringify(request));
  form.set("photo", photo, "photo.png");
  return json("v1/jobs", { method: "POST", body: form, headers: { "idempotency-key": unique() } });
}

/** Follow a job to its end. @param {string} id @param {(kind: string, data: any) => void} heard @param {AbortSignal} signal */
export async function follow(id, heard, signal) {
  const response = await call(`v1/jobs/${id}/events`, { signal });
  if (response.status === 204 || !response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = /** @type {string} */ (events.pop());
    for (const event of events) {
      const kind = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (kind && data) heard(kind, JSON.parse(data));
    }
  }
}
