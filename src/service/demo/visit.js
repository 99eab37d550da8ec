// @ts-check
/** One's own part in a consultation, from joining to leaving: the devices, the way to the server, the call. */
import { Call } from './call.js';
import { Media } from './media.js';
import { SignalingClient, SignalingError } from './signaling-client.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./signaling-client.js').StateChange} StateChange */

/**
 * Dispatches `change` when there is something new to show, `traffic` for each signaling message, and at last `over`, with
 * the problem that ended it, or null after `leave()`.
 */
export class Visit extends EventTarget {
  media = new Media();
  /** How the way to the server stands. @type {StateChange} */
  signaling = { state: 'idle', problem: null, attempt: 0, retryInMs: 0 };
  /** When the next attempt comes, in milliseconds since 1970. */
  retryAt = 0;
  /** Whether the browser is asking for permission. */
  asking = false;
  /** Everybody who has ever been in the room, with their role. @type {Map<string, UserType>} */
  known = new Map();
  /** A connection that could not be agreed on, and why. @type {{ userId: string, code: string } | null} */
  disagreement = null;
  #over = false;

  /** @param {{ sessionId: string, userId: string, role: UserType, withMedia: boolean }} options */
  constructor({ sessionId, userId, role, withMedia }) {
    super();
    this.role = role;
    this.known.set(userId, role);
    /** Whether one has chosen to come without camera and microphone. */
    this.withoutMedia = !withMedia && role !== 'observer';
    this.client = new SignalingClient({
      sessionId, userId, userType: role,
      getToken: () => developmentToken(sessionId, userId, role),
      media: { audio: withMedia, video: withMedia },
    });
    this.call = new Call(this.client, this.media.stream);
    this.client.addEventListener('traffic', (event) => this.#traffic(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener('state', (event) => this.#stateChanged(/** @type {CustomEvent} */ (event).detail));
    this.call.addEventListener('change', () => this.#changed());
    this.call.addEventListener('trouble', (event) => this.#trouble(/** @type {CustomEvent} */ (event).detail));
    this.media.addEventListener('change', () => this.#mediaChanged());
  }

  /** Opens the devices, then joins. */
  async join() {
    if (!this.withoutMedia && this.role !== 'observer') await this.openMedia();
    if (this.#over) return; // left while the browser asked
    this.client.connect().catch(() => {}); // `state` tells
  }

  /** Opens camera and microphone, or tries again. */
  async openMedia() {
    this.asking = true;
    this.#changed();
    await this.media.open();
    if (this.#over) return this.media.close();
    this.asking = false;
    this.withoutMedia = false;
    this.#changed();
  }

  /** Mutes or unmutes; opens what is not open. @param {'audio' | 'video'} kind */
  toggle(kind) {
    if (this.media.has(kind)) {
      this.media.toggle(kind);
    } else {
      this.openMedia();
    }
  }

  /** Hangs up. */
  leave() {
    this.client.leave();
    this.#end(null);
  }

  #mediaChanged() {
    const { media, client } = this;
    this.call.tracksChanged();
    client.setMedia({ audio: media.isOn('audio'), video: media.isOn('video') });
    this.#changed();
  }

  /** @param {StateChange} change */
  #stateChanged(change) {
    this.signaling = change;
    this.retryAt = Date.now() + change.retryInMs;
    if (change.state === 'closed') return this.#end(change.problem);
    this.#changed();
  }

  /** @param {import('./signaling-client.js').Traffic} traffic */
  #traffic(traffic) {
    const { message } = traffic;
    for (const one of [message, ...(message.participants ?? [])]) {
      if (one.userId && one.userType) this.known.set(one.userId, one.userType);
    }
    this.dispatchEvent(new CustomEvent('traffic', { detail: traffic }));
  }

  /** @param {{ userId: string, problem: any }} trouble */
  #trouble({ userId, problem }) {
    this.disagreement = { userId, code: problem.code ?? problem.name };
    this.#changed();
  }

  /** @param {SignalingError | null} problem */
  #end(problem) {
    if (this.#over) return;
    this.#over = true;
    this.call.close();
    this.media.close();
    this.dispatchEvent(new CustomEvent('over', { detail: problem }));
  }

  #changed() {
    if (!this.#over) this.dispatchEvent(new CustomEvent('change'));
  }
}

/** Only the development server gives tokens to whoever asks. @param {string} sessionId @param {string} userId @param {UserType} userType */
async function developmentToken(sessionId, userId, userType) {
  const query = new URLSearchParams({ sessionId, userId, userType });
  let response;
  try {
    response = await fetch(`/development/token?${query}`, { cache: 'no-store' });
  } catch (cause) {
    throw new SignalingError('UNREACHABLE', 'the server cannot be reached', { cause });
  }
  if (response.status === 429 || response.status === 503) throw new SignalingError('RATE_LIMITED');
  if (!response.ok) throw new SignalingError('TOKEN_REFUSED', `HTTP ${response.status}`, { final: true });
  return (await response.json()).token;
}
