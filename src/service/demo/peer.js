// @ts-check
/**
 * The media connection to one other participant: an `RTCPeerConnection` with perfect negotiation, ICE restarts, and a
 * new start when the other side has one.
 *
 * Of each pair one side is the initiator: it makes the first offer and wins when both offer at once (it is the impolite
 * one). Everything that changes the connection goes through one queue, so no step meets another one half done.
 *
 * Offers, answers and candidates carry two fields of our own, which the server forwards untouched: `connection` names the
 * sender's `RTCPeerConnection`, so that one who has reloaded the page is told from one who renegotiates; `offerId` ties an
 * answer to its offer. Other software that leaves them out is served too.
 *
 * The first video section of a connection is for the camera, the second, made once a side shares its screen, for that.
 *
 * @typedef {'offer' | 'answer' | 'ice-candidate'} Kind
 * @typedef {'audio' | 'video' | 'screen'} Content of one media section: microphone, camera, screen
 *
 * @typedef {object} PeerOptions
 * @property {string} userId Who is at the other end.
 * @property {boolean} initiator Whether this side offers first and wins a tie.
 * @property {boolean} sends Whether the other side is to see and hear us.
 * @property {boolean} receives Whether we are to see and hear the other side.
 * @property {MediaStream} stream Our own camera and microphone, as far as there are any.
 * @property {MediaStream} screen Our own screen, while we share it.
 * @property {RTCConfiguration} configuration
 * @property {(kind: Kind, fields: Record<string, any>) => Promise<void>} send Hands a message to the signaling server.
 */

import { callCode } from './call-code.js';

/** Dispatches `change` whenever something that can be seen of it changed, and `trouble` (with an Error) when a step failed. */
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
  /** What arrives of the other side's camera and microphone. */
  stream = new MediaStream();
  /** What arrives of the other side's screen. */
  screen = new MediaStream();

  /** @param {PeerOptions} options */
  constructor(options) {
    super();
    this.#options = options;
  }

  /** The connection's state in the words of `RTCPeerConnection.connectionState`. */
  get state() { return this.#pc?.connectionState ?? 'new'; }

  /** How often in a row no way through the network was found. */
  get iceFailures() { return this.#iceFailures; }

  /** Whether a TURN server has refused our credentials, since we got them. */
  get turnRefused() { return this.#turnRefused; }

  /** The name of the present connection: another one after a new start. */
  get connection() { return this.#connection; }

  /** Whether a picture arrives (a black one too: a camera that is switched off sends black). */
  get hasPicture() { return this.stream.getVideoTracks().some((track) => !track.muted); }

  /** Whether a picture of the other side's screen arrives. */
  get hasScreen() { return this.screen.getVideoTracks().some((track) => !track.muted); }

  /** What both sides compare to be sure of each other; null before they are connected. */
  get code() { return this.#code; }

  /** The browser's statistics. */
  async stats() { return this.#pc?.getStats(); }

  /** Negotiates from wherever things stand. A connection that works goes on working meanwhile. */
  negotiate() {
    this.#enqueue(async () => {
      if (!this.#options.initiator) return; // the other side does
      const broken = ['failed', 'closed'].includes(this.state);
      const unanswered = this.#remoteConnection === undefined && this.#pc?.signalingState === 'have-local-offer';
      if (!this.#pc || broken || (this.#remoteConnection === undefined && !unanswered)) {
        this.#open();
      } else if (unanswered) {
        // The first offer has not arrived, or its answer is on its way: it is as good as another one.
      } else if (this.state !== 'connected') {
        this.#pc.restartIce();
      }
      await this.#offerAgain();
    });
  }

  /** Looks for a way through the network again. */
  restart() {
    this.#enqueue(async () => {
      this.#pc?.restartIce();
      await this.#offerAgain();
    });
  }

  /** Takes in an `offer`, `answer` or `ice-candidate` of the other side. @param {Record<string, any>} message */
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

  /** Fresh TURN credentials, say. A connection that lacked them looks for its way again. @param {RTCConfiguration} configuration */
  setConfiguration(configuration) {
    this.#options.configuration = configuration;
    this.#pc?.setConfiguration(configuration);
    const lacking = this.#turnRefused || this.#iceFailures > 0;
    this.#turnRefused = false;
    if (lacking && this.state !== 'connected') this.restart();
  }

  /** The other one has gone. */
  close() {
    this.#closed = true;
    this.#closeConnection();
  }

  // --- negotiation --------------------------------------------------------------------------------------------------

  /** Offers, unless an exchange is under way; the browser asks again after that one where there is still need. */
  async #offer() {
    const pc = this.#pc;
    if (!pc || pc.signalingState !== 'stable') return;
    await pc.setLocalDescription();
    this.#sendOffer(pc);
  }

  /**
   * Offers, or says again what we have offered and what has no answer yet; what is still missing after that one, an ICE restart
   * say, the browser asks for. Taken back an offer must not be: the other side may have answered it a moment ago, and after a
   * rollback browsers give a new section another `mid`, which a side that knows the first refuses for ever.
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

  /** An offer that has reached the server, or was refused by it, is answered in time or made again, more slowly each time. */
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
   * Takes our own offer back: we are the polite side. What only that offer had goes too, since the other side's offer may
   * bring the same section; what is still missing after it is added again.
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
      // The other side has reloaded: our old connection would not get through to its new one.
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

  /** @param {string | undefined} connection as the other side names its own */
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

  /** What one section is to carry. @param {Content} what */
  #plan(what) {
    const { sends, receives } = this.#options;
    const stream = what === 'screen' ? this.#options.screen : this.#options.stream;
    const kind = what === 'audio' ? 'audio' : 'video';
    const track = sends ? stream.getTracks().find((one) => one.kind === kind) ?? null : null;
    const direction = /** @type {RTCRtpTransceiverDirection} */ (
      track ? (receives ? 'sendrecv' : 'sendonly') : (receives ? 'recvonly' : 'inactive'));
    return { track, direction, streams: [stream] };
  }

  /** The section that carries it, where there is one. @param {Content} what */
  #section(what) {
    const kind = what === 'audio' ? 'audio' : 'video';
    const sections = (this.#pc?.getTransceivers() ?? []).filter((one) => (
      one.receiver.track.kind === kind && one.direction !== 'stopped' && one.currentDirection !== 'stopped'));
    return sections[what === 'screen' ? 1 : 0];
  }

  /** Gives every section what it is to carry. What changes a direction or adds a section makes the browser ask for an offer. */
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

  // --- the way through the network ----------------------------------------------------------------------------------

  /** @param {number} errorCode of STUN, or 701 where there was no answer @param {RTCPeerConnection} pc */
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
      // One side first, so that the two do not restart against each other; the second in case the first cannot.
      const pauseMs = Math.min(1000 * 2 ** this.#iceFailures, 30_000);
      this.#iceFailures += 1;
      this.#restartTimer = setTimeout(() => this.restart(), initiator ? pauseMs / 2 : pauseMs + 4000);
    } else if (pc.connectionState === 'disconnected') {
      this.#restartTimer = setTimeout(() => this.restart(), initiator ? 3000 : 8000);
    }
    this.#changed();
  }

  /** Anew with each exchange: another certificate comes with a description or not at all. @param {RTCPeerConnection} pc */
  async #computeCode(pc) {
    if (pc.signalingState !== 'stable') return;
    const code = await callCode(pc.currentLocalDescription?.sdp, pc.currentRemoteDescription?.sdp);
    if (pc !== this.#pc || code === this.#code) return;
    this.#code = code;
    this.#changed();
  }

  // --- small parts --------------------------------------------------------------------------------------------------

  /** @param {Kind} kind @param {Record<string, any>} fields @param {RTCPeerConnection} pc the connection it speaks for */
  #send(kind, fields, pc) {
    if (pc !== this.#pc) return;
    const sent = this.#options.send(kind, { ...fields, connection: this.#connection });
    const expect = () => {
      if (kind === 'offer' && pc === this.#pc) this.#expectAnswer();
    };
    sent.then(expect, (problem) => {
      // What follows these mends them: a new negotiation, or `peer-left`.
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
