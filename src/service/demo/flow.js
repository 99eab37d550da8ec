// @ts-check
/**
 * The signaling messages as a readable sequence: who told whom what, and when. Each opens to its full text.
 *
 * Three lanes: you, the server, the others. A relayed message crosses all three, which is what a signaling server is for.
 */
import { currentLanguage, hasText, inSentence, text } from './texts.js';

/** @typedef {import('./signaling-client.js').Traffic} Traffic */
/** @typedef {{ traffic: Traffic[], key: string, row: HTMLElement }} Entry one row; several messages if they repeat each other */

export class Flow {
  /** @type {HTMLElement} */ #list;
  /** @type {(userId: string) => string} */ #nameOf;
  /** @type {Entry[]} */ #entries = [];

  /** @param {HTMLElement} list an `ol` in a box that scrolls @param {(userId: string) => string} nameOf what to call a participant */
  constructor(list, nameOf) {
    this.#list = list;
    this.#nameOf = nameOf;
  }

  /** @param {Traffic} traffic */
  add(traffic) {
    const { direction, message } = traffic;
    const key = `${direction} ${message.type} ${message.toUserId ?? message.fromUserId ?? ''}`;
    const swarm = message.type === 'ice-candidate' ? this.#candidates(key) : undefined;
    this.#scrollAlong(() => {
      if (swarm) {
        swarm.traffic.push(traffic);
        this.#fill(swarm);
      } else {
        this.#append({ traffic: [traffic], key, row: element('li') });
      }
    });
  }

  clear() {
    this.#entries = [];
    this.#list.replaceChildren();
  }

  /** Whether to show pings and acknowledgements too. @param {boolean} show */
  showRoutine(show) { this.#scrollAlong(() => this.#list.classList.toggle('with-routine', show)); }

  /** Renders everything again: after a change of language, or when the names of people are known. */
  render() {
    for (const entry of this.#entries) this.#fill(entry);
  }

  /** @param {Entry} entry */
  #append(entry) {
    this.#entries.push(entry);
    this.#fill(entry);
    this.#list.append(entry.row);
    if (this.#entries.length > ROWS_MAX) this.#entries.shift()?.row.remove();
  }

  /** The row that another candidate belongs to: many candidates arrive from both sides at once. @param {string} key */
  #candidates(key) {
    for (const entry of this.#entries.toReversed()) {
      const { type } = entry.traffic[0].message;
      if (entry.key === key) return entry;
      if (type !== 'ice-candidate' && !ROUTINE.has(type)) return undefined;
    }
  }

  /** Keeps a list that is scrolled to its end at its end. @param {() => void} change */
  #scrollAlong(change) {
    const box = /** @type {HTMLElement} */ (this.#list.parentElement);
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    change();
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  /** Renders the row of an entry. @param {Entry} entry */
  #fill(entry) {
    const { direction, message, at } = entry.traffic[0];
    const relayed = RELAYED.has(message.type);
    const other = relayed ? this.#nameOf(direction === 'out' ? message.toUserId : message.fromUserId) : inSentence('flow.server');
    const route = text(`flow.${direction}`, { other: other.toLocaleLowerCase() });
    entry.row.className = ['flow-row', direction, relayed ? 'relayed' : 'direct', ROUTINE.has(message.type) && 'routine',
      message.type === 'error' && 'refused'].filter(Boolean).join(' ');
    if (!entry.row.firstChild) entry.row.append(emptyRow());
    const key = `message.${message.type}.text`;
    const parts = {
      '.flow-title': this.#title(message),
      '.flow-type': message.type + (entry.traffic.length > 1 ? ` ×${entry.traffic.length}` : ''),
      '.flow-time': clock(at),
      '.flow-route': route,
      '.flow-explained': `${route}. ${hasText(key) ? text(key) : ''}`,
      'pre': entry.traffic.map((one) => readable(one.message)).join('\n'),
    };
    for (const [part, words] of Object.entries(parts)) {
      /** @type {HTMLElement} */ (entry.row.querySelector(part)).textContent = words;
    }
  }

  /** @param {Record<string, any>} message */
  #title(message) {
    const key = `message.${message.type}`;
    if (!hasText(key)) return message.type;
    const name = message.userId ? this.#nameOf(message.userId) : inSentence('flow.others');
    return text(key, { name, code: message.code });
  }
}

function emptyRow() {
  const details = element('details'), summary = element('summary'), lanes = element('span', 'flow-lanes'), body = element('pre');
  lanes.setAttribute('aria-hidden', 'true');
  lanes.append(element('span', 'flow-arrow'));
  body.tabIndex = 0; // it may scroll
  summary.append(element('span', 'flow-title'), element('code', 'flow-type'), element('time', 'flow-time'),
    element('span', 'flow-route visually-hidden'), lanes);
  details.append(summary, element('p', 'flow-explained'), body);
  return details;
}

/** The message as indented JSON, an SDP inside it line by line. @param {Record<string, any>} message */
function readable(message) {
  return JSON.stringify(message, null, 2).replaceAll('\\r\\n', '\n    ');
}

/** @param {Date} at */
function clock(at) {
  const time = at.toLocaleTimeString(currentLanguage(), { hour12: false });
  return `${time}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name @param {string} [className]
 */
function element(name, className = '') {
  const made = document.createElement(name);
  if (className) made.className = className;
  return made;
}

const RELAYED = new Set(['offer', 'answer', 'ice-candidate', 'media-control']);
const ROUTINE = new Set(['ping', 'pong', 'ack']);
const ROWS_MAX = 300;
