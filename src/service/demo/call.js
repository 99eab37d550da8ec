// @ts-check
/**
 * A call in a room: its participants, and a media connection to each of them.
 *
 * A doctor and a patient see each other; an observer sees both and is seen by nobody. In each pair the one with the
 * higher role offers: the doctor to everyone, as the server's `polite` says, and the patient to observers.
 *
 * @typedef {import('./signaling-client.js').SignalingClient} SignalingClient
 * @typedef {import('./signaling-client.js').UserType} UserType
 *
 * @typedef {object} Participant
 * @property {string} userId
 * @property {UserType} userType
 * @property {string} connectionState `connected`, `reconnecting`, ...
 * @property {boolean} audio Whether they have their microphone on.
 * @property {boolean} video Whether they have their camera on.
 * @property {boolean} screen Whether they share their screen.
 * @property {boolean} [gone] Unknown to the server, but the media still flows.
 *
 * @typedef {{ stream: MediaStream, screen: MediaStream }} Own our camera and microphone, and our screen; their tracks come and go
 */
import { Peer } from './peer.js';

/**
 * Dispatches `change` when there is something new to show, and `trouble` with `{ userId, problem }`. Reports the state of
 * the media connections to the server.
 */
export class Call extends EventTarget {
  /** @type {SignalingClient} */ #client;
  /** @type {Own} */ #own;
  /** @type {RTCConfiguration} */ #configuration = {};
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */ #farewells = new Map();
  #listening = new AbortController();
  #reported = 'new';
  /** Everybody else in the room. @type {Map<string, Participant>} */
  participants = new Map();
  /** The existing media connections. @type {Map<string, Peer>} */
  peers = new Map();

  /** @param {SignalingClient} client @param {Own} own */
  constructor(client, own) {
    super();
    this.#client = client;
    this.#own = own;
    this.#listen('room-joined', (message) => this.#roomJoined(message));
    this.#listen('peer-joined', (message) => this.#peerJoined(message));
    this.#listen('peer-left', (message) => this.#remove(message.userId));
    this.#listen('peer-state', (message) => this.#peerState(message));
    this.#listen('ice-servers', (message) => this.#configure(message));
    for (const type of ['offer', 'answer', 'ice-candidate']) {
      this.#listen(type, (message) => this.peers.get(message.fromUserId)?.receive(message));
    }
  }

  /** Call after tracks of our own have come or gone. */
  tracksChanged() {
    for (const peer of this.peers.values()) peer.tracksChanged();
  }

  /** Restarts every connection that does not work. */
  retry() {
    for (const peer of this.peers.values()) {
      if (peer.state !== 'connected') peer.restart();
    }
  }

  /** Hangs up. */
  close() {
    this.#listening.abort();
    for (const userId of [...this.participants.keys()]) this.#remove(userId);
  }

  /** Statistics of the media connections. */
  async stats() {
    return Promise.all([...this.peers].map(async ([userId, peer]) => {
      const totals = { framesDecoded: 0, screenFramesDecoded: 0, framesSent: 0, audioPacketsReceived: 0 };
      const ofScreen = new Set(peer.screen.getTracks().map((track) => track.id));
      const reports = await peer.stats();
      for (const report of reports?.values() ?? []) {
        if (report.type === 'inbound-rtp' && report.kind === 'video') {
          totals[ofScreen.has(report.trackIdentifier) ? 'screenFramesDecoded' : 'framesDecoded'] += report.framesDecoded ?? 0;
        }
        if (report.type === 'inbound-rtp' && report.kind === 'audio') totals.audioPacketsReceived += report.packetsReceived ?? 0;
        if (report.type === 'outbound-rtp' && report.kind === 'video') totals.framesSent += report.framesSent ?? 0;
      }
      const { state, connection, code } = peer;
      return { userId, userType: this.participants.get(userId)?.userType, state, connection, code, route: routeOf(reports), ...totals };
    }));
  }

  // --- messages of the server ---------------------------------------------------------------------------------------

  /** @param {Record<string, any>} joined */
  #roomJoined(joined) {
    this.#configure(joined);
    const others = joined.participants.filter((/** @type {Participant} */ one) => one.userId !== this.#client.userId);
    const present = new Set(others.map((/** @type {Participant} */ one) => one.userId));
    for (const userId of [...this.participants.keys()]) {
      if (!present.has(userId)) this.#missing(userId, joined.resumed);
    }
    for (const participant of others) this.#welcome(participant, !joined.resumed);
    this.#reported = 'new'; // as the server has it for whoever joins
    this.#changed();
  }

  /** @param {Record<string, any>} message */
  #peerJoined({ userId, userType, audio = true, video = true, screen = false }) {
    this.#welcome({ userId, userType, connectionState: 'connected', audio, video, screen }, true);
    this.#changed();
  }

  /** @param {Record<string, any>} message */
  #peerState({ userId, connectionState, audio, video, screen, resumed }) {
    const participant = this.participants.get(userId);
    if (!participant) return;
    Object.assign(participant, { connectionState, audio, video, screen });
    if (resumed === false) this.peers.get(userId)?.negotiate();
    this.#changed();
  }

  /** @param {Participant} participant @param {boolean} anew whether messages in flight between us were lost */
  #welcome(participant, anew) {
    const { userId, userType } = participant;
    clearTimeout(this.#farewells.get(userId));
    const known = this.peers.get(userId);
    this.participants.set(userId, { ...participant, gone: false });
    if (!known && !(userType === 'observer' && this.#client.userType === 'observer')) {
      this.#connect(userId, userType).negotiate();
    } else if (anew) {
      known?.negotiate();
    }
  }

  /**
   * The server does not list somebody whom we know. After a restart of the server they may just not be back yet, and a
   * running call goes on.
   * @param {string} userId @param {boolean} resumed
   */
  #missing(userId, resumed) {
    const participant = this.participants.get(userId);
    if (!participant) return;
    if (resumed || this.peers.get(userId)?.state !== 'connected') return this.#remove(userId);
    participant.gone = true;
    clearTimeout(this.#farewells.get(userId));
    this.#farewells.set(userId, setTimeout(() => this.#remove(userId), FAREWELL_MS));
  }

  /** @param {string} userId */
  #remove(userId) {
    clearTimeout(this.#farewells.get(userId));
    this.#farewells.delete(userId);
    this.peers.get(userId)?.close();
    this.peers.delete(userId);
    if (this.participants.delete(userId)) this.#changed();
  }

  /** Reports the state when it changes: that of the worst connection if there are several. */
  #report() {
    const states = new Set([...this.peers.values()].map((peer) => peer.state));
    const state = ['failed', 'disconnected', 'connecting', 'new', 'connected'].find((one) => states.has(/** @type {any} */ (one)));
    if (state === undefined || state === this.#reported || this.#client.state !== 'joined') return;
    this.#reported = state;
    this.#client.send('connection-state', { state, ...(state === 'failed' && { errorCode: 'ICE_FAILED' }) });
  }

  // --- helpers ------------------------------------------------------------------------------------------------------

  /** @param {string} userId @param {UserType} userType */
  #connect(userId, userType) {
    const peer = new Peer({
      userId,
      initiator: this.#offersTo(userId, userType),
      sends: this.#client.userType !== 'observer',
      receives: userType !== 'observer',
      ...this.#own,
      configuration: this.#configuration,
      send: (kind, fields) => this.#client.send(kind, { toUserId: userId, ...fields }),
    });
    peer.addEventListener('change', () => {
      this.#report();
      this.#changed();
    });
    peer.addEventListener('trouble', (event) => {
      const problem = /** @type {CustomEvent} */ (event).detail;
      this.dispatchEvent(new CustomEvent('trouble', { detail: { userId, problem } }));
    });
    this.peers.set(userId, peer);
    return peer;
  }

  /** @param {string} userId @param {UserType} userType */
  #offersTo(userId, userType) {
    const mine = RANK[this.#client.userType], theirs = RANK[userType];
    return mine === theirs ? this.#client.userId < userId : mine < theirs;
  }

  /** `ice-servers` does not contain the policy, which stays the same. @param {Record<string, any>} message */
  #configure({ iceServers = [], iceTransportPolicy = this.#configuration.iceTransportPolicy ?? 'all' }) {
    this.#configuration = { iceServers, iceTransportPolicy };
    for (const peer of this.peers.values()) peer.setConfiguration(this.#configuration);
  }

  /** @param {string} type @param {(message: Record<string, any>) => void} handler */
  #listen(type, handler) {
    const { signal } = this.#listening;
    this.#client.addEventListener(type, (event) => handler(/** @type {CustomEvent} */ (event).detail), { signal });
  }

  #changed() { this.dispatchEvent(new CustomEvent('change')); }
}

/** The path of the media from here: `host`, `srflx` or `relay`, then the transport. @param {RTCStatsReport | undefined} reports */
function routeOf(reports) {
  const all = [...(reports?.values() ?? [])];
  const transport = all.find((report) => report.type === 'transport' && report.selectedCandidatePairId);
  const local = reports?.get(reports.get(transport?.selectedCandidatePairId)?.localCandidateId);
  return local ? `${local.candidateType} ${local.relayProtocol ?? local.protocol}` : null;
}

/** @type {Record<UserType, number>} */
const RANK = { doctor: 0, patient: 1, observer: 2 };
/** How long to wait for a participant whom a restarted server does not know. Clients make their first attempts within this time. */
const FAREWELL_MS = 30_000;
