// @ts-check
/** The codes that reveal a man in the middle: one for each of the other participants. */
import { $ } from './dom.js';
import { nameOf } from './people.js';
import { text } from './texts.js';

/** @param {import('./visit.js').Visit} visit */
export function renderCodes(visit) {
  const connected = [...visit.call.peers].filter(([, peer]) => peer.state === 'connected');
  const none = globalThis.crypto?.subtle ? null : text('code.none');
  const rows = connected.map(([userId, { code }]) => ({ name: nameOf(visit, userId), code: code ?? none }))
    .filter((row) => row.code !== null);
  $('codes').hidden = rows.length === 0;
  const shown = JSON.stringify(rows);
  if ($('code-list').dataset.shown === shown) return;
  $('code-list').dataset.shown = shown;
  $('code-list').replaceChildren(...rows.flatMap(({ name, code }) => [element('dt', name), element('dd', code)]));
}

/** @param {'dt' | 'dd'} tag @param {string | null} words */
function element(tag, words) {
  return Object.assign(document.createElement(tag), { textContent: words });
}
