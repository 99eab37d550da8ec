// @ts-check
/** The video tiles: one for each visible person, and the user's own small one in the corner. */
import { setText } from './dom.js';
import { text } from './texts.js';

/**
 * @typedef {object} Tile
 * @property {string} id
 * @property {string} name
 * @property {'main' | 'corner' | 'screen'} size
 * @property {string} icon the id of a symbol, shown if there is no video
 * @property {MediaStream} [stream]
 * @property {boolean} [own] the user's own video: muted and mirrored
 * @property {boolean} picture whether to show the stream's video
 * @property {string} words the text if there is no video
 * @property {boolean} [calm] the text is about something that takes a while
 * @property {boolean} [microphoneOff]
 * @property {{ label: string, act: () => void }} [action]
 * @property {{ label: string, icon: string, act: () => void }} [tool] a button in the corner
 */

/** Dispatches `sound-blocked` if the browser plays no sound before a click. */
export class Stage extends EventTarget {
  /** @type {HTMLElement} */ #box;
  /** @type {Map<string, HTMLElement>} */ #shown = new Map();

  /** @param {HTMLElement} box */
  constructor(box) {
    super();
    this.#box = box;
  }

  /** Shows exactly these tiles. @param {Tile[]} tiles */
  render(tiles) {
    for (const [id, figure] of this.#shown) {
      if (tiles.some((tile) => tile.id === id)) continue;
      figure.remove();
      this.#shown.delete(id);
    }
    for (const tile of tiles) this.#fill(this.#figure(tile.id), tile);
    const count = (/** @type {Tile['size']} */ size) => String(tiles.filter((tile) => tile.size === size).length);
    this.#box.dataset.tiles = count('main');
    this.#box.dataset.screens = count('screen');
  }

  /** Call after a click: the browser then plays sound. */
  unmute() {
    for (const video of this.#box.querySelectorAll('video')) {
      video.muted = video.dataset.own === 'true';
      video.play().catch(() => {});
    }
  }

  /** @param {string} id */
  #figure(id) {
    const known = this.#shown.get(id);
    if (known) return known;
    const figure = /** @type {HTMLElement} */ (TEMPLATE.content.firstElementChild?.cloneNode(true));
    this.#shown.set(id, figure);
    this.#box.append(figure);
    return figure;
  }

  /** @param {HTMLElement} figure @param {Tile} tile */
  #fill(figure, tile) {
    figure.className = `tile ${tile.size}${tile.own ? ' own' : ''}${tile.picture ? ' picture' : ''}${tile.calm ? ' calm' : ''}`;
    this.#play(/** @type {HTMLVideoElement} */ (figure.querySelector('video')), tile);
    part(figure, '.cover use').setAttribute('href', `#icon-${tile.icon}`);
    part(figure, '.cover p').textContent = tile.words;
    const button = /** @type {HTMLButtonElement} */ (part(figure, '.cover button'));
    button.hidden = !tile.action;
    button.textContent = tile.action?.label ?? '';
    button.onclick = tile.action?.act ?? null;
    const tool = /** @type {HTMLButtonElement} */ (part(figure, '.tool'));
    tool.hidden = !tile.tool;
    part(tool, 'use').setAttribute('href', `#icon-${tile.tool?.icon}`);
    setText(part(tool, 'span'), tile.tool?.label ?? '');
    tool.onclick = tile.tool?.act ?? null;
    const caption = part(figure, 'figcaption');
    caption.hidden = tile.name === '';
    part(caption, 'span').textContent = tile.name;
    const muted = part(caption, 'svg');
    muted.classList.toggle('gone', !tile.microphoneOff);
    muted.setAttribute('aria-label', text('tile.microphone.off'));
  }

  /** @param {HTMLVideoElement} video @param {Tile} tile */
  #play(video, { stream, own = false, name }) {
    video.setAttribute('aria-label', name);
    if (video.srcObject === (stream ?? null)) return;
    video.dataset.own = String(own);
    video.muted = own;
    video.srcObject = stream ?? null;
    if (!stream || own) return;
    // A browser may refuse to play sound before a click, for example after a reload.
    stream.addEventListener('addtrack', () => this.#start(video));
    this.#start(video);
  }

  /** @param {HTMLVideoElement} video */
  #start(video) {
    video.play().catch((problem) => {
      if (problem.name !== 'NotAllowedError') return;
      video.muted = true;
      video.play().catch(() => {});
      this.dispatchEvent(new CustomEvent('sound-blocked'));
    });
  }
}

const TEMPLATE = document.createElement('template');
TEMPLATE.innerHTML = `
  <figure>
    <video playsinline autoplay></video>
    <div class="cover"><svg aria-hidden="true"><use/></svg><p></p><button type="button" class="small"></button></div>
    <button type="button" class="tool"><svg aria-hidden="true"><use/></svg><span role="status"></span></button>
    <figcaption><span></span><svg role="img"><use href="#icon-microphone-off"/></svg></figcaption>
  </figure>`.trim();

/** @param {Element} within @param {string} selector */
function part(within, selector) {
  return /** @type {HTMLElement} */ (within.querySelector(selector));
}
