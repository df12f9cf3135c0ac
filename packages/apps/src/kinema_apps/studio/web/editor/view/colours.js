// @ts-check
/** Colours of regions and drags: apart for most colour-blind eyes (Okabe and Ito 2008). */

/** @type {[number, number, number][]} */
export const PALETTE = [
  [0, 158, 115],
  [230, 159, 0],
  [86, 180, 233],
  [204, 121, 167],
  [240, 228, 66],
  [213, 94, 0],
  [0, 114, 178],
];

/** @param {number} index */
export function colourOf(index) {
  return PALETTE[index % PALETTE.length];
}

/** @param {[number, number, number]} colour @param {number} opacity */
export function css([red, green, blue], opacity = 1) {
  return `rgb(${red} ${green} ${blue} / ${opacity})`;
}
