// @ts-check
/** The page's elements. */

/** @template {HTMLElement} [E=HTMLElement] @param {string} id @returns {E} */
export const $ = (id) => /** @type {E} */ (document.getElementById(id));

/** Sets a text if it has changed: a screen reader would read an unchanged one again. @param {HTMLElement} element @param {string} words */
export function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
