// @ts-check
/** The page's elements. */

/** @template {HTMLElement} [E=HTMLElement] @param {string} id @returns {E} */
export const $ = (id) => /** @type {E} */ (document.getElementById(id));

/** Text that is set again is read out again, so only what has changed is set. @param {HTMLElement} element @param {string} words */
export function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
