// @ts-check
/** The links for participants who have not joined yet. */
import { $, setText } from './dom.js';
import { linkFor } from './link.js';
import { counterparts } from './people.js';
import { currentLanguage, inSentence, text } from './texts.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */

/** Dispatches `change`. */
export class Invite extends EventTarget {
  /** The role whose link has just been copied. @type {UserType | null} */
  copied = null;
  #sessionId;

  /** @param {string} sessionId */
  constructor(sessionId) {
    super();
    this.#sessionId = sessionId;
  }

  /** @param {import('./visit.js').Visit} visit */
  render(visit) {
    const { role } = visit;
    const taken = [role, ...counterparts(visit).map((one) => one.userType)];
    const wanted = /** @type {UserType[]} */ (['doctor', 'patient', 'observer']).filter((one) => one === 'observer' || !taken.includes(one));
    const shown = JSON.stringify([currentLanguage(), wanted, this.copied]);
    if ($('links').dataset.shown === shown) return;
    $('links').dataset.shown = shown;
    const focused = document.activeElement?.id;
    $('links').replaceChildren(...wanted.map((one) => this.#row(one)));
    if (focused?.startsWith('copy-')) $(focused)?.focus();
  }

  /** @param {UserType} role */
  async copy(role) {
    try {
      await navigator.clipboard.writeText(linkFor(this.#sessionId, role));
      this.#show(role);
      setTimeout(() => this.#show(null), 2000);
    } catch {
      $(`link-${role}`)?.focus(); // selects it, to be copied by hand
    }
  }

  /** @param {UserType | null} copied */
  #show(copied) {
    this.copied = copied;
    this.dispatchEvent(new CustomEvent('change'));
  }

  /** @param {UserType} role */
  #row(role) {
    const who = inSentence(`the.${role}`), copied = this.copied === role;
    const row = document.createElement('div');
    row.className = 'link';
    row.innerHTML = '<label></label><input readonly><button type="button" class="small"></button>';
    const [label, input, button] = /** @type {[HTMLLabelElement, HTMLInputElement, HTMLButtonElement]} */ ([...row.children]);
    setText(label, text('invite.link', { who }));
    label.htmlFor = input.id = `link-${role}`;
    input.value = linkFor(this.#sessionId, role);
    input.onfocus = () => input.select();
    button.id = `copy-${role}`;
    setText(button, text(copied ? 'invite.copied' : 'invite.copy'));
    button.setAttribute('aria-label', copied ? text('invite.copied') : text('invite.copy.for', { who }));
    button.onclick = () => this.copy(role);
    return row;
  }
}
