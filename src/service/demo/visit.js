// @ts-check
/** The user's own part in a consultation, from joining to leaving: the devices, the signaling connection, the call. */
import { Call } from './call.js';
import { Media } from './media.js';
import { Screen } from './screen.js';
import { SignalingClient, SignalingError } from './signaling-client.js';
import { chosenTransport } from './socket-io.js';

const WebSocket = await chosenTransport();

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./signaling-client.js').StateChange} StateChange */

/**
 * Dispatches `change` when there is something new to show, `traffic` for each signaling message, and at last `over`, with
 * the problem that ended it, or null after `leave()`.
 */
export class Visit extends EventTarget {
  media = new Media();
  screen = new Screen();
  /** The state of the signaling connection. @type {StateChange} */
  signaling = { state: 'idle', problem: null, attempt: 0, retryInMs: 0 };
  /** When the next attempt comes, in milliseconds since 1970. */
  retryAt = 0;
  /** Whether the browser is asking for permission. */
  asking = false;
  /** Everybody who has ever been in the room, with their role. @type {Map<string, UserType>} */
  known = new Map();
  /**
   * The doctor's requests about our devices, until we have answered: true to switch a device on, which only we do; false
   * if it has been switched off.
   * @type {Map<'audio' | 'video', boolean>}
   */
  wishes = new Map();
  /** The participants whom we, as the doctor, have just asked to switch the microphone on. @type {Set<string>} */
  asked = new Set();
  /** Why the room has ended, once it has. @type {{ reason: string | undefined } | null} */
  roomEnded = null;
  /** A media connection whose negotiation failed, and why. @type {{ userId: string, code: string } | null} */
  disagreement = null;
  #over = false;

  /**
   * @param {{ sessionId: string, userId: string, role: UserType, withMedia: boolean, off?: ('audio' | 'video')[] }} options
   *   `off`: the devices that are off at first
   */
  constructor({ sessionId, userId, role, withMedia, off = [] }) {
    super();
    this.media.startOff(off);
    this.role = role;
    this.known.set(userId, role);
    /** Whether the user has chosen to join without camera and microphone. */
    this.withoutMedia = !withMedia && role !== 'observer';
    this.client = new SignalingClient({
      sessionId, userId, userType: role,
      WebSocket,
      retryMaxMs: 8_000, // somebody sits and waits for it
      getToken: () => developmentToken(sessionId, userId, role),
      media: { audio: withMedia && !off.includes('audio'), video: withMedia && !off.includes('video') },
    });
    this.call = new Call(this.client, { stream: this.media.stream, screen: this.screen.stream });
    this.client.addEventListener('traffic', (event) => this.#traffic(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener('state', (event) => this.#stateChanged(/** @type {CustomEvent} */ (event).detail));
    this.call.addEventListener('change', () => this.#changed());
    this.call.addEventListener('trouble', (event) => this.#trouble(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener('media-control', (event) => this.#control(/** @type {CustomEvent} */ (event).detail));
    this.client.addEventListener('room-status', (event) => {
      const { status, reason } = /** @type {CustomEvent} */ (event).detail;
      if (status === 'ended') this.roomEnded = { reason };
    });
    this.media.addEventListener('change', () => this.#mediaChanged());
    this.screen.addEventListener('change', () => this.#mediaChanged());
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

  /** Mutes or unmutes a device; opens it if it is not open. @param {'audio' | 'video'} kind */
  toggle(kind) {
    if (this.media.has(kind)) {
      this.media.toggle(kind);
    } else {
      this.openMedia();
    }
  }

  /** Shares the screen, or stops it. */
  async toggleScreen() {
    if (this.screen.isShared) return this.screen.stop();
    await this.screen.start();
    if (this.#over) this.screen.stop();
  }

  /** As the doctor: switches somebody's microphone off, or asks for it to be switched on. @param {string} userId @param {boolean} on */
  controlMicrophone(userId, on) {
    this.client.controlMedia(userId, { audio: on });
    if (!on) return;
    this.asked.add(userId);
    setTimeout(() => {
      this.asked.delete(userId);
      this.#changed();
    }, 4000);
    this.#changed();
  }

  /** Does what the doctor asked for. @param {'audio' | 'video'} kind */
  grant(kind) {
    this.wishes.delete(kind);
    this.toggle(kind);
  }

  /** Dismisses the doctor's request. @param {'audio' | 'video'} kind */
  dismiss(kind) {
    this.wishes.delete(kind);
    this.#changed();
  }

  /** Hangs up. */
  leave() {
    this.client.leave();
    this.#end(null);
  }

  #mediaChanged() {
    const { media, client, screen } = this;
    this.call.tracksChanged();
    client.setMedia({ audio: media.isOn('audio'), video: media.isOn('video'), screen: screen.isShared });
    for (const kind of this.wishes.keys()) {
      if (media.isOn(kind)) this.wishes.delete(kind);
    }
    this.#changed();
  }

  /**
   * The doctor may switch a device off. Switching one on stays our own decision: nobody may be seen or heard without
   * knowing it.
   * @param {Record<string, any>} message
   */
  #control(message) {
    if (this.role === 'observer' || this.known.get(message.fromUserId) !== 'doctor') return;
    for (const kind of /** @type {const} */ (['audio', 'video'])) {
      const wanted = message[kind], isOn = this.media.isOn(kind);
      if (typeof wanted !== 'boolean') continue;
      if (wanted === isOn) this.wishes.delete(kind); // as it is already
      else this.wishes.set(kind, wanted);
      if (isOn && !wanted) this.media.toggle(kind);
    }
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
    this.screen.stop();
    this.dispatchEvent(new CustomEvent('over', { detail: problem }));
  }

  #changed() {
    if (!this.#over) this.dispatchEvent(new CustomEvent('change'));
  }
}

/** Only the development server gives tokens to anybody. @param {string} sessionId @param {string} userId @param {UserType} userType */
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
