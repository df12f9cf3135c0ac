// Looping clips that play while they are seen, and what was drawn and obtained on top of them.
import { byId, draw, make } from "./elements.js";

export const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const players = new Map();
let paused = still;

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const player = players.get(target);
    if (!player) continue;
    player.seen = isIntersecting;
    if (isIntersecting && !target.src) target.src = player.url ??= address(player.clip.data);
    playing(target, player);
  }
}, { rootMargin: "100px" });

function address(text) {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
}

function playing(video, player) {
  video.playbackRate = Number(byId("speed").value);
  if (player.seen && !paused) video.play().catch(() => {});
  else video.pause();
}

const line = (points) => `M${points.map(([x, y]) => `${x} ${y}`).join("L")}`;

function overlay(clip) {
  const svg = draw("svg", { viewBox: `-0.5 -0.5 ${clip.width} ${clip.height}`, "aria-hidden": "true" });
  const radius = clip.width / 70;
  const dots = [];
  for (const kind of ["drawn", "obtained"]) {
    for (const path of clip[kind]) {
      if (kind === "drawn") svg.append(draw("path", { class: "halo drawn", d: line(path) }));
      svg.append(draw("path", { class: kind, d: line(path) }));
    }
  }
  for (const kind of ["drawn", "obtained"]) {
    for (const path of clip[kind]) {
      const dot = draw("circle", { class: kind, r: radius, cx: path[0][0], cy: path[0][1] });
      dots.push([dot, path]);
      svg.append(dot);
    }
  }
  return [svg, dots];
}

export function follow() {
  for (const [video, player] of players) {
    if (!player.seen) continue;
    const frame = Math.floor(video.currentTime * player.clip.fps + 1e-3);
    if (frame === player.frame) continue;
    player.frame = frame;
    for (const [dot, path] of player.dots) {
      const [x, y] = path[Math.min(frame, path.length - 1)];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
    }
  }
  requestAnimationFrame(follow);
}

// The video of a model, and the paths on it.
export function clipElements(model, clip) {
  const video = make("video", { loop: "", playsinline: "", tabindex: "0", width: clip.width, height: clip.height,
    "aria-label": `Video of ${model}; Enter stops or plays it` });
  video.muted = true;
  const [svg, dots] = overlay(clip);
  players.set(video, { clip, dots, seen: false, frame: -1 });
  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  video.addEventListener("click", toggle);
  video.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    toggle();
  });
  watcher.observe(video);
  return [video, svg];
}

export function dropPlayers() {
  for (const [video, player] of players) {
    watcher.unobserve(video);
    if (player.url) URL.revokeObjectURL(player.url);
  }
  players.clear();
}

export function playAll() {
  for (const [video, player] of players) playing(video, player);
}

export function togglePaused() {
  setPaused(!paused);
}

export function setPaused(value) {
  paused = value;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Play all" : "Pause all";
  playAll();
}
