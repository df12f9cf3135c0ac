// @ts-check
/** Pictures of the tools, in 24 units. */

/** @type {Record<string, string[]>} */
const PATHS = {
  brush: ["M4 20c3 0 4-1 4-3a2 2 0 0 1 4 0c0 2-2 4-5 4", "M11 14 20 4"],
  smart: ["M4 20c3 0 4-1 4-3a2 2 0 0 1 4 0c0 2-2 4-5 4", "M12 14 19 6", "M15 19h6M18 16v6"],
  lasso: ["M12 5c5 0 8 2 8 5s-3 5-8 5-8-2-8-5 3-5 8-5z", "M8 14c-1 2 0 3 1 4s0 3-2 3"],
  fill: ["M5 12 12 5l7 7-7 7z", "M5 12h14", "M20 16c1 2 1 3 0 4-1-1-1-2 0-4z"],
  drag: ["M4 18C8 18 8 7 18 7", "M14 3l5 4-5 4"],
  anchor: ["M12 3a4 4 0 0 1 4 4c0 3-4 7-4 14 0-7-4-11-4-14a4 4 0 0 1 4-4z"],
  transform: ["M6 6h12v12H6z", "M3 3h3v3M21 3h-3v3M3 21h3v-3M21 21h-3v-3"],
};

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const shape of PATHS[name] ?? []) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}
