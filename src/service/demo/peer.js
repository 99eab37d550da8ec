// @ts-check
/**
 * The media connection to one other participant: an `RTCPeerConnection` with perfect negotiation and ICE restarts, which
 * is replaced when the other side replaces its own.
 *
 * In each pair one side is the initiator: it makes the first offer and wins when both offer at once (it is the impolite
 * one). All changes to the connection go through one queue, so no step meets another one half done.
 *
 * Offers, answers and candidates carry two fields of our own, which the server forwards untouched: `connection` names the
 * sender's `RTCPeerConnection`, which distinguishes a reload of the page from a renegotiation; `offerId` ties an answer to
 * its offer. Other software that leaves them out is supported too.
 *
 * The first video section of a connection is for the camera. The second one is for a shared screen, and is added when a
 * side begins to share.
 *
 * @typedef {'offer' | 'answer' | 'ice-candidate'} Kind
 * @typedef {'audio' | 'video' | 'screen'} Content of one media section: microphone, camera, screen
 *
 * @typedef {object} PeerOptions
 * @property {string} userId The participant at the other end.
 * @property {boolean} initiator Whether this side offers first and wins a tie.
 * @property {boolean} sends Whether the other side can see and hear us.
 * @property {boolean} receives Whether we can see and hear the other side.
 * @property {MediaStream} stream Our own camera and microphone, as far as there are any.
 * @property {MediaStream} screen Our own screen, while we share it.
 * @property {RTCConfiguration} configuration
 * @property {(kind: Kind, fields: Record<string, any>) => Promise<void>} send Sends a message to the signaling server.
 */

import { callCode } from './call-code.js';

/** Dispatches `change` when its visible state has changed, and `trouble` (with an Error) when a step has failed. */
export class Peer extends EventTarget {
  /** @type {PeerOptions} */ #options;
  /** @type {RTCPeerConnection | null} */ #pc = null;
  #queue = Promise.resolve();
  #closed = false;
  #connection = '';
  #offers = 0;
  /** @type {string | undefined} */ #remoteConnection;
  #ignoringOffer = false;
  #iceFailures = 0;
  #unanswered = 0;
  /** @type {string | null} */ #code = null;
  #turnRefused = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #restartTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */ #answerTimer;
  /** The media received from the other side's camera and microphone. */
  stream = new MediaStream();
  /** The media received from the other side's screen. */
  screen = new MediaStream();

  /** @param {PeerOptions} options */
  constructor(options) {
    super();
    this.#options = options;
  }

  /** The connection's state, a value of `RTCPeerConnection.connectionState`. */
  get state() { return this.#pc?.connectionState ?? 'new'; }

  /** How many times in a row no path through the network was found. */
  get iceFailures() { return this.#iceFailures; }

  /** Whether a TURN server has refused our present credentials. */
  get turnRefused() { return this.#turnRefused; }

  /** The name of the present connection; a replacement gets another one. */
  get connection() { return this.#connection; }

  /** Whether video is received (including black: a camera that is switched off sends black). */
  get hasPicture() { return this.stream.getVideoTracks().some((track) => !track.muted); }

  /** Whether video of the other side's screen is received. */
  get hasScreen() { return this.screen.getVideoTracks().some((track) => !track.muted); }

  /** The code that both sides compare to be sure of each other; null before they are connected. */
  get code() { return this.#code; }

  /** The browser's statistics. */
  async stats() { return this.#pc?.getStats(); }

  /** Negotiates from the present state. A working connection keeps working meanwhile. */
  negotiate() {
    this.#enqueue(async () => {
      if (!this.#options.initiator) return; // the other side does
      const broken = ['failed', 'closed'].includes(this.state);
      const unanswered = this.#remoteConnection === undefined && this.#pc?.signalingState === 'have-local-offer';
      if (!this.#pc || broken || (this.#remoteConnection === undefined && !unanswered)) {
        this.#open();
      } else if (unanswered) {
        // The first offer has not arrived, or its answer is in flight: it is as good as another one.
      } else if (this.state !== 'connected') {
        this.#pc.restartIce();
      }
      await this.#offerAgain();
    });
  }

  /** Looks for a path through the network again (ICE restart). */
  restart() {
    this.#enqueue(async () => {
      this.#pc?.restartIce();
      await this.#offerAgain();
    });
  }

  /** Handles an `offer`, `answer` or `ice-candidate` from the other side. @param {Record<string, any>} message */
  receive(message) {
    this.#enqueue(() => {
      switch (message.type) {
        case 'offer': return this.#receiveOffer(message);
        case 'answer': return this.#receiveAnswer(message);
        default: return this.#receiveCandidate(message);
      }
    });
  }

  /** Call after tracks of our own have come or gone. */
  tracksChanged() { this.#enqueue(() => this.#attachTracks()); }

  /**
   * Sets a new configuration, for example with fresh TURN credentials. A connection that lacked them looks for a path
   * again.
   * @param {RTCConfiguration} configuration
   */
  setConfiguration(configuration) {
    this.#options.configuration = configuration;
    this.#pc?.setConfiguration(configuration);
    const lacking = this.#turnRefused || this.#iceFailures > 0;
    this.#turnRefused = false;
    if (lacking && this.state !== 'connected') this.restart();
  }

  /** The other participant has gone. */
  close() {
    this.#closed = true;
    this.#closeConnection();
  }

  // --- negotiation --------------------------------------------------------------------------------------------------

  /** Offers, unless an exchange is in progress; the browser asks again after that one if there is still need. */
  async #offer() {
    const pc = this.#pc;
    if (!pc || pc.signalingState !== 'stable') return;
    await pc.setLocalDescription();
    this.#sendOffer(pc);
  }

  /**
   * Offers, or repeats our offer that has no answer yet. If something is still missing after that, such as an ICE restart,
   * the browser asks for it. The offer must not be rolled back: the other side may just have answered it, and after a
   * rollback browsers give a new section another `mid`, which a side that knows the first one refuses for ever.
   */
  async #offerAgain() {
    if (this.#pc?.signalingState === 'have-local-offer') this.#sendOffer(this.#pc);
    else await this.#offer();
  }

  /** @param {RTCPeerConnection} pc */
  #sendOffer(pc) {
    this.#offers += 1;
    this.#send('offer', { sdp: pc.localDescription, offerId: this.#offerId() }, pc);
  }

  /**
   * If an offer is not answered in time, it is made again, with a longer wait each time. Call this once the server has
   * accepted or refused the offer.
   */
  #expectAnswer() {
    const offerId = this.#offerId();
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => {
      if (this.#pc?.signalingState !== 'have-local-offer' || offerId !== this.#offerId()) return;
      this.#unanswered += 1;
      this.restart();
    }, 10_000 * 2 ** Math.min(this.#unanswered, 4));
  }

  /** @param {Record<string, any>} message */
  async #receiveOffer({ sdp, connection, offerId }) {
    if (this.#isNewConnection(connection)) this.#closeConnection();
    const pc = this.#pc ?? this.#open();
    this.#ignoringOffer = this.#options.initiator && pc.signalingState !== 'stable';
    if (this.#ignoringOffer) return;
    if (pc.signalingState === 'have-local-offer') await this.#yield(pc);
    await pc.setRemoteDescription(sdp);
    this.#remoteConnection = connection;
    await this.#attachTracks();
    await pc.setLocalDescription();
    this.#send('answer', { sdp: pc.localDescription, offerId }, pc);
  }

  /**
   * Rolls our own offer back: we are the polite side. Sections that only that offer had are removed too, because the other
   * side's offer may bring the same sections. What is still missing afterwards is added again.
   * @param {RTCPeerConnection} pc
   */
  async #yield(pc) {
    await pc.setLocalDescription({ type: 'rollback' });
    for (const transceiver of pc.getTransceivers()) {
      if (transceiver.mid === null) transceiver.stop();
    }
  }

  /** @param {Record<string, any>} message */
  async #receiveAnswer({ sdp, connection, offerId }) {
    const pc = this.#pc;
    if (pc?.signalingState !== 'have-local-offer') return;
    if (offerId !== undefined && offerId !== this.#offerId()) return; // we have said it again since: the answer to that one comes too
    if (this.#isNewConnection(connection)) {
      // The other side has reloaded: our old connection cannot connect to its new one.
      this.#open();
      return this.#offer();
    }
    await pc.setRemoteDescription(sdp);
    this.#remoteConnection = connection;
    this.#unanswered = 0;
  }

  /** @param {Record<string, any>} message */
  async #receiveCandidate({ candidate, connection }) {
    if (!this.#pc?.remoteDescription || this.#isNewConnection(connection)) return; // of an exchange we have dropped
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (problem) {
      if (!this.#ignoringOffer) throw problem;
    }
  }

  /** @param {string | undefined} connection the name of the other side's connection */
  #isNewConnection(connection) {
    return connection !== undefined && this.#remoteConnection !== undefined && connection !== this.#remoteConnection;
  }

  /** Replaces the connection by a fresh one. */
  #open() {
    this.#closeConnection();
    const pc = new RTCPeerConnection(this.#options.configuration);
    this.#pc = pc;
    this.#connection = Math.random().toString(36).slice(2, 10);
    this.#offers = 0;
    pc.ontrack = ({ track, transceiver }) => {
      this.#addTrack(track, transceiver === this.#section('screen') ? this.screen : this.stream);
    };
    pc.onicecandidate = ({ candidate }) => this.#send('ice-candidate', { candidate: candidate?.toJSON() ?? null }, pc);
    pc.onicecandidateerror = ({ errorCode }) => this.#candidateFailed(errorCode, pc);
    pc.onnegotiationneeded = () => this.#enqueue(() => (pc === this.#pc ? this.#offer() : undefined));
    pc.onconnectionstatechange = () => this.#connectionStateChanged(pc);
    pc.onsignalingstatechange = () => this.#computeCode(pc);
    if (this.#options.initiator) {
      for (const what of /** @type {const} */ (['audio', 'video', 'screen'])) {
        const { track, direction, streams } = this.#plan(what);
        if (track || what !== 'screen') pc.addTransceiver(track ?? what, { direction, streams });
      }
    }
    return pc;
  }

  #closeConnection() {
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#answerTimer);
    this.#pc?.close();
    this.#pc = null;
    this.#remoteConnection = undefined;
    this.#code = null;
    for (const stream of [this.stream, this.screen]) {
      for (const track of stream.getTracks()) stream.removeTrack(track);
    }
  }

  // --- tracks -------------------------------------------------------------------------------------------------------

  /** The track that a section must carry. @param {Content} what */
  #plan(what) {
    const { sends, receives } = this.#options;
    const stream = what === 'screen' ? this.#options.screen : this.#options.stream;
    const kind = what === 'audio' ? 'audio' : 'video';
    const track = sends ? stream.getTracks().find((one) => one.kind === kind) ?? null : null;
    const direction = /** @type {RTCRtpTransceiverDirection} */ (
      track ? (receives ? 'sendrecv' : 'sendonly') : (receives ? 'recvonly' : 'inactive'));
    return { track, direction, streams: [stream] };
  }

  /** The section that carries it, if there is one. @param {Content} what */
  #section(what) {
    const kind = what === 'audio' ? 'audio' : 'video';
    const sections = (this.#pc?.getTransceivers() ?? []).filter((one) => (
      one.receiver.track.kind === kind && one.direction !== 'stopped' && one.currentDirection !== 'stopped'));
    return sections[what === 'screen' ? 1 : 0];
  }

  /** Gives every section its track. A changed direction or a new section makes the browser ask for an offer. */
  async #attachTracks() {
    for (const what of /** @type {const} */ (['audio', 'video', 'screen'])) {
      const { track, direction, streams } = this.#plan(what);
      const section = this.#section(what);
      if (section) {
        if (section.direction !== direction) section.direction = direction;
        section.sender.setStreams(...streams);
        await section.sender.replaceTrack(track);
      } else if (track && what === 'screen') {
        this.#pc?.addTransceiver(track, { direction, streams });
      }
    }
  }

  /** @param {MediaStreamTrack} track @param {MediaStream} stream */
  #addTrack(track, stream) {
    if (!stream.getTracks().includes(track)) {
      stream.addTrack(track);
      for (const change of ['mute', 'unmute', 'ended']) track.addEventListener(change, () => this.#changed());
    }
    this.#changed();
  }

  // --- the path through the network ---------------------------------------------------------------------------------

  /** @param {number} errorCode of STUN, or 701 if there was no answer @param {RTCPeerConnection} pc */
  #candidateFailed(errorCode, pc) {
    if (pc !== this.#pc || errorCode !== 401 || this.#turnRefused) return;
    this.#turnRefused = true;
    this.#changed();
  }

  /** @param {RTCPeerConnection} pc */
  #connectionStateChanged(pc) {
    if (pc !== this.#pc) return;
    clearTimeout(this.#restartTimer);
    const { initiator } = this.#options;
    if (pc.connectionState === 'connected') {
      this.#iceFailures = 0;
    } else if (pc.connectionState === 'failed') {
      // One side goes first, so that the two do not restart at the same time; the other one later, in case the first cannot.
      const pauseMs = Math.min(1000 * 2 ** this.#iceFailures, 30_000);
      this.#iceFailures += 1;
      this.#restartTimer = setTimeout(() => this.restart(), initiator ? pauseMs / 2 : pauseMs + 4000);
    } else if (pc.connectionState === 'disconnected') {
      this.#restartTimer = setTimeout(() => this.restart(), initiator ? 3000 : 8000);
    }
    this.#changed();
  }

  /** Computed again with each exchange: another certificate can only come with a description. @param {RTCPeerConnection} pc */
  async #computeCode(pc) {
    if (pc.signalingState !== 'stable') return;
    const code = await callCode(pc.currentLocalDescription?.sdp, pc.currentRemoteDescription?.sdp);
    if (pc !== this.#pc || code === this.#code) return;
    this.#code = code;
    this.#changed();
  }

  // --- helpers ------------------------------------------------------------------------------------------------------

  /** @param {Kind} kind @param {Record<string, any>} fields @param {RTCPeerConnection} pc the connection that it is about */
  #send(kind, fields, pc) {
    if (pc !== this.#pc) return;
    const sent = this.#options.send(kind, { ...fields, connection: this.#connection });
    const expect = () => {
      if (kind === 'offer' && pc === this.#pc) this.#expectAnswer();
    };
    sent.then(expect, (problem) => {
      // These are repaired by what follows: a new negotiation, or `peer-left`.
      if (this.#closed || ['NOT_DELIVERED', 'PEER_NOT_FOUND', 'LEFT'].includes(problem.code)) return;
      if (['RATE_LIMITED', 'PEER_UNREACHABLE'].includes(problem.code)) return expect();
      this.#trouble(problem);
    });
  }

  #offerId() { return `${this.#connection}.${this.#offers}`; }

  /** @param {() => Promise<void> | void} step */
  #enqueue(step) {
    this.#queue = this.#queue.then(() => (this.#closed ? undefined : step())).catch((problem) => {
      if (!this.#closed) this.#trouble(problem);
    });
  }

  /** @param {Error} problem */
  #trouble(problem) { this.dispatchEvent(new CustomEvent('trouble', { detail: problem })); }

  #changed() {
    if (!this.#closed) this.dispatchEvent(new CustomEvent('change'));
  }
}
