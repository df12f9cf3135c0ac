/** Make a video of what an editor holds.
 *
 * @param {HTMLElement} editor a `<kinema-editor>`
 * @param {string} service the address of a `kinema serve`
 * @returns {Promise<Blob>} an MP4
 */
export async function render(editor, service) {
  const form = new FormData();
  form.append("photo", await editor.getPhoto(), "photo.png");
  form.append("job", new Blob([JSON.stringify({ motion: await editor.getMotion() })]), "job.json");
  const answer = await fetch(`${service}/v1/jobs`, { method: "POST", body: form });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  const job = await answer.json();
  const events = new EventSource(`${service}/v1/jobs/${job.id}/events`);
  const end = await new Promise((resolve) => {
    for (const kind of ["succeeded", "failed", "cancelled"]) events.addEventListener(kind, resolve);
  });
  events.close();
  if (end.type !== "succeeded") throw new Error(JSON.parse(end.data).error?.message ?? end.type);
  return (await fetch(`${service}/v1/jobs/${job.id}/video.mp4`)).blob();
}
