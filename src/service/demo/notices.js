// @ts-check
/** Problems and requests, each with what to do about it. */
import { setText } from './dom.js';
import { currentLanguage, inSentence, text } from './texts.js';

/** @typedef {import('./visit.js').Visit} Visit */
/**
 * @typedef {object} Notice
 * @property {string} key of its words
 * @property {string} [who]
 * @property {string} [code]
 * @property {string} [again] the words of the button
 * @property {() => void} [act] what the button does
 * @property {() => void} [dismiss] what the second button does, if there is one
 */

/**
 * @param {HTMLElement} box @param {Visit} visit
 * @param {(() => void) | null} playAloud if the browser blocks the sound: what a click does
 */
export function renderNotices(box, visit, playAloud) {
  const notices = [...wishes(visit), ...ofDevices(visit), ...ofCall(visit)];
  if (playAloud) notices.push({ key: 'problem.sound-blocked', again: 'problem.sound-blocked.again', act: playAloud });
  const wanted = JSON.stringify([currentLanguage(), notices]);
  if (box.dataset.shown === wanted) return; // or a screen reader would say it again
  box.dataset.shown = wanted;
  box.replaceChildren(...notices.map(noticeElement));
}

/** What the doctor has switched off, or asks the user to switch on. @param {Visit} visit @returns {Notice[]} */
function wishes(visit) {
  return [...visit.wishes].map(([kind, on]) => ({
    key: `wish.${kind}.${on ? 'on' : 'off'}`, again: `wish.${kind}.again`, act: () => visit.grant(kind), dismiss: () => visit.dismiss(kind),
  }));
}

/** @param {Visit} visit @returns {Notice[]} */
function ofDevices(visit) {
  const { media, screen } = visit;
  /** @type {Notice[]} */
  const notices = [];
  if (media.problem) {
    const act = media.problem === 'insecure' ? undefined : () => visit.openMedia();
    notices.push({ key: `problem.${media.problem}`, again: 'problem.media.again', act });
  } else if (visit.withoutMedia) {
    notices.push({ key: 'problem.without', again: 'problem.without.again', act: () => visit.openMedia() });
  }
  if (screen.failed) notices.push({ key: 'problem.screen', again: 'problem.media.again', act: () => visit.toggleScreen() });
  return notices;
}

/** @param {Visit} visit @returns {Notice[]} */
function ofCall({ call, known, disagreement }) {
  /** @type {Notice[]} */
  const notices = [];
  for (const [userId, peer] of call.peers) {
    if (peer.state === 'connected') continue;
    const who = inSentence(`the.${known.get(userId) ?? 'observer'}`);
    // One explains the other.
    const key = peer.turnRefused ? 'problem.turn-refused' : peer.iceFailures > 0 ? 'problem.ice-failed' : null;
    if (key) notices.push({ key, who, again: 'over.retry', act: () => call.retry() });
    if (disagreement?.userId === userId) notices.push({ key: 'problem.negotiation', who, code: disagreement.code });
  }
  return notices;
}

/** @param {Notice} notice */
function noticeElement({ key, who = '', code = '', again, act, dismiss }) {
  const box = document.createElement('div');
  box.className = 'notice';
  box.dataset.problem = key;
  box.innerHTML = '<svg aria-hidden="true"><use href="#icon-notice"/></svg><div><strong></strong><p></p></div>';
  setText(/** @type {HTMLElement} */ (box.querySelector('strong')), text(key, { who }));
  setText(/** @type {HTMLElement} */ (box.querySelector('p')), text(`${key}.text`, { who, code }));
  if (again && act) box.append(button(text(again), act));
  if (dismiss) box.append(button(text('notice.dismiss'), dismiss));
  return box;
}

/** @param {string} words @param {() => void} act */
function button(words, act) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'small';
  setText(made, words);
  made.onclick = act;
  return made;
}
