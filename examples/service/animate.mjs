import { readFile, writeFile } from "node:fs/promises"; // in a page: a File of an <input>

const url = process.env.KINEMA_URL ?? "http://127.0.0.1:8765";
const motion = { format: "kinema.motion/1", canvas: [640, 427], drags: [{ points: [[200, 150], [260, 130]] }] };
const form = new FormData();
form.append("photo", new Blob([await readFile("photo.jpg")]), "photo.jpg");
form.append("job", new Blob([JSON.stringify({ motion })], { type: "application/json" }), "job.json");
const job = await (await fetch(`${url}/v1/jobs`, { method: "POST", body: form })).json();
const events = (await fetch(`${url}/v1/jobs/${job.id}/events`)).body.pipeThrough(new TextDecoderStream());
for await (const text of events) console.log(text); // until the job is over
const video = await fetch(`${url}/v1/jobs/${job.id}/video.mp4`);
await writeFile("out.mp4", Buffer.from(await video.arrayBuffer()));
