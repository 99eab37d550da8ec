// @ts-check
/**
 * A client of the AutaMedica signaling server: one ES module without dependencies, for browsers and for Node.
 *
 * It joins a room and stays in it: it reconnects with jittered exponential backoff, resumes without losing or repeating
 * a message, sends no faster than the server takes it, renews the token when the server asks for it, and detects a dead
 * connection. The media is the application's responsibility; this class only transports the messages by which two browsers
 * set it up.
 *
 *     const client = new SignalingClient({ url, getToken, sessionId, userId, userType: 'doctor' });
 *     client.addEventListener('peer-joined', ({ detail }) => call(detail.userId));
 *     client.addEventListener('offer', ({ detail }) => answer(detail.fromUserId, detail.sdp));
 *     await client.connect();
 *     await client.sendOffer(patientId, peerConnection.localDescription);
 *
 * Events are `CustomEvent`s. Each message of the server is dispatched as an event that is named by its `type` and has the
 * message as its `detail` (`room-joined`, `peer-joined`, `offer`, ...). Two more come from the client itself:
 *  - `state`, with a {@link StateChange}: whenever {@link SignalingClient#state} changes or a new attempt is planned;
 *  - `traffic`, with a {@link Traffic}: every message in either direction, tokens and TURN credentials blanked out, for logs and
 *    debugging.
 *
 * When `room-joined` says `resumed: false`, both sides have lost the messages in flight: negotiate again with every
 * participant (the doctor offers). With `resumed: true` nothing was lost and there is nothing to do.
 *
 * @typedef {'doctor' | 'patient' | 'observer'} UserType
 *
 * @typedef {object} Options
 * @property {(why: { fresh: boolean }) => string | Promise<string>} getToken Called for each connection and when the
 *   token is about to expire. With `fresh`, the last token was refused or expires soon, so a cached one must not be used.
 *   If it throws, the attempt has failed; an error with a true `final` ends the client instead.
 * @property {string} sessionId As in the token.
 * @property {string} userId As in the token.
 * @property {UserType} userType As in the token.
 * @property {string | URL} [url] `wss://host/ws`; by default `/ws` on the page's own host.
 * @property {'consultation' | 'emergency' | 'follow-up'} [roomType] Only a doctor's value is used.
 * @property {string} [reason] Why a doctor enters a session that the token does not name (emergency access).
 * @property {{ audio: boolean, video: boolean }} [media] Which media are on at the start; default both.
 * @property {number} [retryFirstMs] The longest wait before the first new attempt; default 1,000.
 * @property {number} [retryMaxMs] The longest wait before any attempt; default 30,000.
 * @property {any} [WebSocket] The class to use instead of the global one.
 *
 * @typedef {'idle' | 'connecting' | 'joined' | 'waiting' | 'closed'} State
 *   `idle`: before `connect()`. `connecting`: an attempt runs. `joined`: in the room. `waiting`: until the next attempt.
 *   `closed`: after `leave()` or a problem that a new attempt would not solve.
 *
 * @typedef {object} StateChange
 * @property {State} state
 * @property {SignalingError | null} problem Why it is `waiting` or `closed`; null after `leave()`.
 * @property {number} attempt How many attempts have failed in a row.
 * @property {number} retryInMs When `waiting`: until the next attempt.
 *
 * @typedef {{ direction: 'in' | 'out', message: Record<string, any>, at: Date }} Traffic
 *
 * @typedef {{ order: number, message: Record<string, any>, settle: (problem?: SignalingError) => void }} Entry
 *   A message that the server has not acknowledged. Its `id` is empty where the server cannot have accepted it.
 */

/** A problem, with the server's error code or one of the client's own (listed in the documentation). */
export class SignalingError extends Error {
  /**
   * @param {string} code For example `ROLE_TAKEN`.
   * @param {string} [message] For people, in English.
   * @param {{ retryAfterMs?: number, final?: boolean, cause?: unknown }} [more]
   */
  constructor(code, message = code, more = {}) {
    super(message, { cause: more.cause });
    this.name = 'SignalingError';
    /** The server's error code, or the client's. */
    this.code = code;
    /** The minimum time that the server asks to wait before a new attempt. */
    this.retryAfterMs = more.retryAfterMs ?? 0;
    /** Whether an automatic new attempt would be of no use. */
    this.final = more.final ?? false;
  }
}

/** One participant's connection to one room. */
export class SignalingClient extends EventTarget {
  /** @type {Options} */ #options;
  /** @type {State} */ #state = 'idle';
  /** @type {any} */ #socket = null;
  /** Counts attempts and endings. Late events of an older attempt find it changed and are ignored. */
  #turn = 0;
  #opened = false;
  /** @type {SignalingError | null} The error message that explains the close that follows it. */ #said = null;
  /** @type {{ promise: Promise<any>, resolve: Function, reject: Function } | null} */ #joining = null;
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */ #timers = new Map();
  #failures = 0;
  #mustWait = false;
  #tokenRefused = false;
  #tokenInJoin = false;
  /** A part of the ids of this object's messages, so that a receiver recognises a repeated one. */
  #instance = randomHex(8);
  #lastId = 0;
  #joinId = '';
  /** @type {Entry[]} Without an answer yet, in the order in which they were sent. */ #underWay = [];
  /** @type {Entry[]} To be sent, in order. */ #waiting = [];
  #lastOrder = 0;
  /** How many messages of each rate may be sent now. */ #allowed = { ...BURST };
  /** Whether the server has refused a message for its rate: then they go one by one, so that none passes another. */
  #careful = false;
  /** @type {number | null} Relayed messages since the last `room-joined` that resumed nothing. */ #received = null;
  /** @type {number | null} The number of the stream that these belong to. */ #stream = null;
  /** @type {Map<string, { instance: string, number: number }>} The last message id of each sender. */ #lastFrom = new Map();
  /** @type {{ audio: boolean, video: boolean, screen: boolean }} */ #media;
  #heartbeatMs = 25_000;
  #lookAgain = () => {
    if (globalThis.document?.visibilityState !== 'hidden' && !this.#mustWait) this.check();
  };

  /** @param {Options} options */
  constructor(options) {
    super();
    this.#options = options;
    this.#media = { audio: true, video: true, screen: false, ...options.media };
  }

  /** The state of the client. */
  get state() { return this.#state; }
  /** The room's id. */
  get sessionId() { return this.#options.sessionId; }
  /** The user's own id. */
  get userId() { return this.#options.userId; }
  /** The user's own role. */
  get userType() { return this.#options.userType; }

  /**
   * Connects, joins, and stays joined until `leave()`. Resolves with the first `room-joined`; while the server cannot
   * be reached it keeps trying. Rejects with a {@link SignalingError} once further attempts are of no use, or on `leave()`.
   * @returns {Promise<Record<string, any>>}
   */
  connect() {
    if (this.#joining && this.#state !== 'closed') return this.#joining.promise;
    this.#joining = deferred();
    this.#joining.promise.catch(() => {}); // `state` says the same to those who do not wait for it
    this.#received = null;
    this.#failures = 0;
    this.#tokenRefused = false;
    globalThis.addEventListener?.('online', this.#lookAgain);
    globalThis.document?.addEventListener('visibilitychange', this.#lookAgain);
    this.#attempt();
    return this.#joining.promise;
  }

  /** Leaves the room for good: the others see `peer-left` at once, and the seat is free. */
  leave() {
    if (this.#state === 'idle' || this.#state === 'closed') return;
    if (this.#state === 'joined') {
      // Whoever ends the session and leaves at once means both.
      for (const { message } of this.#waiting.filter((entry) => entry.message.type === 'end-session')) {
        message.id ||= this.#nextId();
        this.#write(message);
      }
      this.#write({ type: 'leave-room', sessionId: this.sessionId, userId: this.userId });
    }
    this.#finish(null);
  }

  /**
   * Sends one message. The session and the user's own id are filled in. Resolves when the server has accepted it (for a
   * message to a participant: has queued it for them). Rejects with the server's `error`, or with `NOT_DELIVERED` if it
   * was in flight when the connection was lost for good. While there is no connection, and while there is too much for the
   * server's limits, the message waits in a queue. A message whose acknowledgement was lost is sent again with the same id,
   * which this class recognises on the other side. The promise may be ignored.
   * @param {string} type
   * @param {Record<string, any>} [fields]
   * @returns {Promise<void>}
   */
  send(type, fields = {}) {
    const message = { type, id: '', ...this.#identity(type), ...fields };
    const { promise, resolve, reject } = deferred();
    promise.catch(() => {});
    if (this.#state === 'idle' || this.#state === 'closed') {
      reject(new SignalingError('NOT_CONNECTED', 'connect() first'));
    } else if (byteLength(JSON.stringify(message)) + ID_BYTES_MAX > MESSAGE_BYTES_MAX) {
      reject(new SignalingError('MESSAGE_TOO_LARGE', `a message has at most ${MESSAGE_BYTES_MAX} bytes`));
    } else if (this.#underWay.length + this.#waiting.length >= OUTBOX_MAX) {
      reject(new SignalingError('QUEUE_FULL', `${OUTBOX_MAX} messages wait for the server already`));
    } else {
      this.#waiting.push({ order: ++this.#lastOrder, message, settle: (problem) => (problem ? reject(problem) : resolve()) });
      this.#sendWaiting();
    }
    return promise;
  }

  /** @param {string} toUserId @param {RTCSessionDescriptionInit} sdp @param {Record<string, any>} [more] further fields */
  sendOffer(toUserId, sdp, more) { return this.send('offer', { ...more, toUserId, sdp: plainDescription(sdp) }); }

  /** @param {string} toUserId @param {RTCSessionDescriptionInit} sdp @param {Record<string, any>} [more] further fields */
  sendAnswer(toUserId, sdp, more) { return this.send('answer', { ...more, toUserId, sdp: plainDescription(sdp) }); }

  /**
   * @param {string} toUserId
   * @param {RTCIceCandidateInit | RTCIceCandidate | null} candidate null at the end of the candidates
   * @param {Record<string, any>} [more] further fields
   */
  sendCandidate(toUserId, candidate, more) { return this.send('ice-candidate', { ...more, toUserId, candidate }); }

  /** Tells the others which of the user's media are on, now or with the next join. @param {{ audio: boolean, video: boolean, screen?: boolean }} media */
  async setMedia({ audio, video, screen = false }) {
    const before = this.#media;
    this.#media = { audio, video, screen };
    const changed = before.audio !== audio || before.video !== video || before.screen !== screen;
    if (changed && this.#state === 'joined') await this.send('media-state', this.#media);
  }

  /** Asks a participant to switch media on or off (doctors only). @param {string} toUserId @param {{ audio?: boolean, video?: boolean }} what */
  controlMedia(toUserId, what) { return this.send('media-control', { ...what, toUserId }); }

  /** Ends the session for everyone (doctors only). @param {string} [reason] */
  endSession(reason) { return this.send('end-session', reason === undefined ? {} : { reason }); }

  /** Checks now whether the connection is alive, or makes the next attempt now. Called automatically when the network returns. */
  check() {
    if (this.#state === 'waiting') {
      this.#attempt();
    } else if (this.#state === 'joined') {
      this.#beat(PONG_QUICK_MS);
    }
  }

  // --- one attempt, from token to room-joined -----------------------------------------------------------------------

  async #attempt() {
    const turn = ++this.#turn;
    this.#cancelTimers();
    this.#mustWait = false;
    this.#opened = false;
    this.#said = null;
    this.#changeState('connecting');
    this.#after('attempt', ATTEMPT_MS, () => this.#lost(new SignalingError('TIMEOUT', 'the server did not answer in time')));
    let token;
    try {
      token = await this.#options.getToken({ fresh: this.#tokenRefused });
    } catch (cause) {
      if (turn !== this.#turn) return;
      const problem = cause instanceof SignalingError ? cause
        : new SignalingError('TOKEN_UNAVAILABLE', 'no token to join with', { cause, final: Boolean(/** @type {any} */ (cause)?.final) });
      return this.#lost(problem);
    }
    if (turn === this.#turn) this.#open(turn, token);
  }

  /** @param {number} turn @param {string} token */
  #open(turn, token) {
    // To a browser, a handshake that the server refuses looks like no server at all. So after a failed one the token
    // travels in `join-room` instead, where a refusal can be read.
    const inJoin = this.#tokenInJoin;
    const protocols = inJoin ? [PROTOCOL] : [PROTOCOL, `bearer.${token}`];
    const Socket = this.#options.WebSocket ?? globalThis.WebSocket;
    let socket;
    try {
      socket = this.#socket = new Socket(webSocketUrl(this.#options.url), protocols);
    } catch (cause) {
      return this.#lost(new SignalingError('BAD_OPTIONS', `cannot connect: ${cause}`, { cause, final: true }));
    }
    socket.onopen = () => {
      if (turn !== this.#turn) return;
      this.#opened = true;
      this.#join(inJoin ? token : null);
    };
    socket.onmessage = (/** @type {any} */ event) => {
      if (turn === this.#turn) this.#receive(event.data);
    };
    socket.onclose = (/** @type {any} */ event) => {
      if (turn !== this.#turn) return;
      if (!this.#opened) this.#tokenInJoin = !inJoin;
      this.#lost(this.#whyClosed(event.code));
    };
    socket.onerror = () => {}; // `onclose` follows, and knows more
  }

  /** @param {string | null} token */
  #join(token) {
    const { roomType, reason } = this.#options;
    this.#joinId = this.#nextId();
    this.#write({
      type: 'join-room', id: this.#joinId, ...this.#identity('join-room'), userType: this.userType,
      ...(token !== null && { authToken: token }),
      ...(roomType && { roomType }),
      ...(reason && { reason }),
      media: { audio: this.#media.audio, video: this.#media.video },
      ...(this.#received !== null && { resume: { received: this.#received, ...(this.#stream !== null && { stream: this.#stream }) } }),
    });
  }

  /** @param {Record<string, any>} joined */
  #joined(joined) {
    const resumed = joined.resumed === true;
    this.#cancelTimers();
    this.#tokenRefused = false;
    this.#tokenInJoin = false;
    this.#heartbeatMs = (joined.heartbeatSeconds ?? 25) * 1000;
    this.#after('beat', this.#heartbeatMs, () => this.#beat(PONG_MS));
    // A client that drops again at once waits longer each time.
    this.#after('settled', SETTLED_MS, () => { this.#failures = 0; });
    this.#stream = joined.stream ?? null; // a server of before says nothing of it
    if (!resumed) {
      this.#received = 0;
      this.#lastFrom.clear();
    }
    this.#allowed = { ...BURST }; // the server counts anew for each connection
    this.#careful = false;
    for (const entry of this.#takeOutbox()) {
      const { type } = entry.message;
      if (type === 'media-state') {
        entry.settle(); // the join has said what is on now
      } else if (type === 'refresh-token' || (RELAYED.has(type) && !resumed)) {
        entry.settle(new SignalingError('NOT_DELIVERED', 'the connection was lost for good: negotiate anew'));
      } else {
        this.#waiting.push(entry);
      }
    }
    this.#changeState('joined');
    this.#sendWaiting();
    // `join-room` cannot carry this: the server may still have the value from before a reload.
    const known = joined.participants?.find((/** @type {any} */ one) => one.userId === this.userId.toLowerCase());
    if ((known?.screen ?? false) !== this.#media.screen) this.send('media-state', this.#media);
  }

  // --- sending ------------------------------------------------------------------------------------------------------

  /** Sends what waits, as far as the server takes it now. */
  #sendWaiting() {
    const underWayMax = this.#careful ? 1 : UNDER_WAY_MAX;
    while (this.#state === 'joined' && !this.#timers.has('pause') && this.#waiting.length > 0 && this.#underWay.length < underWayMax) {
      if (!this.#timers.has('allow')) this.#after('allow', ALLOW_MS, () => this.#allowMore());
      const next = this.#next();
      if (next < 0) return;
      const [entry] = this.#waiting.splice(next, 1);
      this.#allowed[rateOf(entry.message)] -= 1;
      entry.message.id ||= this.#nextId();
      this.#underWay.push(entry);
      this.#write(entry.message);
    }
  }

  /**
   * Which of the waiting messages the server takes now: the first, or, if there is too much of its kind, the first of the
   * other kind, so that no offer waits behind what many participants report of themselves. Nothing passes a message that
   * has its id: a receiver takes lower ids for repeated ones.
   */
  #next() {
    const isTaken = (/** @type {Entry} */ { message }) => this.#allowed[rateOf(message)] > 0;
    return this.#waiting[0].message.id && !isTaken(this.#waiting[0]) ? -1 : this.#waiting.findIndex(isTaken);
  }

  #allowMore() {
    const signal = Math.min(this.#allowed.signal + ALLOWED_MORE.signal, BURST.signal);
    const other = Math.min(this.#allowed.other + ALLOWED_MORE.other, BURST.other);
    this.#allowed = { signal, other };
    if (signal < BURST.signal || other < BURST.other) this.#after('allow', ALLOW_MS, () => this.#allowMore());
    this.#sendWaiting();
  }

  /** The server has refused a message for its rate. It goes again after a pause, before what was said after it. @param {Entry} entry */
  #sendLater(entry) {
    this.#careful = true;
    entry.message.id = ''; // whoever has got a later one would take it for a repeated one
    this.#waiting.push(entry);
    // For the same reason, what may have arrived under its id goes first.
    this.#waiting.sort((a, b) => Number(!a.message.id) - Number(!b.message.id) || a.order - b.order);
    this.#after('pause', PAUSE_MS, () => this.#sendWaiting());
  }

  /** Empties the outbox: everything without an answer, in the order in which it is to be sent again. */
  #takeOutbox() { return [...this.#underWay.splice(0), ...this.#waiting.splice(0)]; }

  // --- messages of the server ---------------------------------------------------------------------------------------

  /** @param {unknown} data */
  #receive(data) {
    const message = parseMessage(data);
    if (!message) return;
    this.#cancel('pong');
    this.#emit('traffic', { direction: 'in', message: withoutSecrets(message), at: new Date() });
    const turn = this.#turn;
    switch (message.type) {
      case 'ack': this.#settle(message.id); break;
      case 'error': this.#refused(message); break;
      case 'room-joined': this.#joined(message); break;
      case 'token-expiring': this.#refresh(turn); break;
      case 'peer-left': this.#lastFrom.delete(message.userId); break;
    }
    if (RELAYED.has(message.type)) {
      this.#received = (this.#received ?? 0) + 1; // also the repeated: the server has sent both
      if (this.#isRepeated(message)) return;
    }
    this.#emit(message.type, message);
    if (message.type === 'room-joined') this.#joining?.resolve(message);
  }

  /** @param {Record<string, any>} message an `error` */
  #refused(message) {
    const problem = new SignalingError(String(message.code), message.message, { retryAfterMs: message.retryAfterMs });
    if (message.id === undefined) {
      this.#said = problem;
    } else if (message.id === this.#joinId) {
      // Perhaps too many tokens from this network were refused, including this one: ask for a new one.
      if (problem.code === 'RATE_LIMITED') this.#tokenRefused = true;
      this.#lost(problem);
    } else {
      this.#settle(message.id, problem);
    }
  }

  /** @param {unknown} id @param {SignalingError} [problem] */
  #settle(id, problem) {
    const index = this.#underWay.findIndex((entry) => entry.message.id === id);
    if (index < 0) return;
    const [entry] = this.#underWay.splice(index, 1);
    // A refused token must not be shown again: `#refresh` asks for another.
    if (problem?.code === 'RATE_LIMITED' && entry.message.type !== 'refresh-token') this.#sendLater(entry);
    else entry.settle(problem);
    this.#sendWaiting();
  }

  /** @param {Record<string, any>} message */
  #isRepeated(message) {
    const [, instance, digits] = /^([0-9a-f]+)\.(\d+)$/.exec(String(message.id)) ?? [];
    if (instance === undefined) return false;
    const number = Number(digits);
    const last = this.#lastFrom.get(message.fromUserId);
    if (last?.instance === instance && number <= last.number) return true;
    this.#lastFrom.set(message.fromUserId, { instance, number });
    return false;
  }

  /** Answers `token-expiring`; keeps trying while the connection lasts. @param {number} turn @param {number} [failures] */
  async #refresh(turn, failures = 0) {
    try {
      const authToken = await this.#options.getToken({ fresh: true });
      if (turn === this.#turn) await this.send('refresh-token', { authToken });
    } catch {
      if (turn !== this.#turn) return;
      this.#after('refresh', this.#backoff(failures), () => this.#refresh(turn, failures + 1));
    }
  }

  // --- losing the connection ----------------------------------------------------------------------------------------

  /** @param {number} code of the close event */
  #whyClosed(code) {
    if (!this.#opened) return new SignalingError('UNREACHABLE', 'the server cannot be reached, or refuses the connection');
    if (this.#said && CLOSED_WITH.get(this.#said.code) === code) return this.#said;
    for (const [reason, closeCode] of CLOSED_WITH) {
      if (closeCode === code) return new SignalingError(reason, `the server closed the connection (${code})`);
    }
    return new SignalingError('CONNECTION_LOST', `the connection was lost (${code})`);
  }

  /** The attempt or the connection is over. Makes another attempt if that can help. @param {SignalingError} problem */
  #lost(problem) {
    this.#abandonSocket();
    if (problem.code === 'MESSAGE_TOO_LARGE') this.#rejectOutbox(problem); // or it would be sent again, for ever
    if (TOKEN_REFUSED.has(problem.code) && !this.#tokenRefused) {
      this.#tokenRefused = true;
      this.#attempt();
    } else if (!problem.final && WORTH_RETRYING.has(problem.code)) {
      this.#retryLater(problem);
    } else {
      this.#finish(problem);
    }
  }

  /** @param {SignalingError} problem */
  #retryLater(problem) {
    const leastMs = problem.retryAfterMs || (problem.code === 'RATE_LIMITED' ? RATE_LIMITED_MS : 0);
    const retryInMs = Math.round(leastMs + this.#backoff(this.#failures));
    this.#mustWait = leastMs > 0;
    this.#failures += 1;
    this.#after('retry', retryInMs, () => this.#attempt());
    this.#changeState('waiting', problem, retryInMs);
  }

  /** Exponential backoff with jitter: between half and the whole of a bound that doubles. @param {number} failures */
  #backoff(failures) {
    const { retryFirstMs = 1000, retryMaxMs = 30_000 } = this.#options;
    const boundMs = Math.min(retryMaxMs, retryFirstMs * 2 ** Math.min(failures, 30));
    return boundMs * (0.5 + Math.random() / 2);
  }

  /** @param {SignalingError | null} problem */
  #finish(problem) {
    this.#abandonSocket();
    globalThis.removeEventListener?.('online', this.#lookAgain);
    globalThis.document?.removeEventListener('visibilitychange', this.#lookAgain);
    const reason = problem ?? new SignalingError('LEFT', 'leave() was called');
    this.#rejectOutbox(reason);
    this.#changeState('closed', problem);
    this.#joining?.reject(reason);
  }

  /** @param {SignalingError} problem */
  #rejectOutbox(problem) {
    for (const entry of this.#takeOutbox()) entry.settle(problem);
  }

  #abandonSocket() {
    this.#turn += 1;
    this.#cancelTimers();
    this.#socket?.close(1000);
    this.#socket = null;
  }

  // --- helpers ------------------------------------------------------------------------------------------------------

  /** A browser hides the WebSocket's own pings, so a `ping` message detects a connection that has died silently. @param {number} pongMs */
  #beat(pongMs) {
    this.#after('beat', this.#heartbeatMs, () => this.#beat(PONG_MS));
    this.#after('pong', pongMs, () => this.#lost(new SignalingError('CONNECTION_LOST', 'the server does not answer')));
    this.#write({ type: 'ping' });
  }

  /** @param {Record<string, any>} message */
  #write(message) {
    this.#socket?.send(JSON.stringify(message));
    this.#emit('traffic', { direction: 'out', message: withoutSecrets(message), at: new Date() });
  }

  #nextId() { return `${this.#instance}.${++this.#lastId}`; }

  /** @param {string} type */
  #identity(type) {
    if (type === 'ping' || type === 'refresh-token') return {};
    return { sessionId: this.sessionId, [RELAYED.has(type) ? 'fromUserId' : 'userId']: this.userId };
  }

  /** @param {State} state @param {SignalingError | null} [problem] */
  #changeState(state, problem = null, retryInMs = 0) {
    this.#state = state;
    this.#emit('state', { state, problem, attempt: this.#failures, retryInMs });
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }

  /** @param {string} name @param {number} ms @param {() => void} action */
  #after(name, ms, action) {
    this.#cancel(name);
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }

  /** @param {string} name */
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  #cancelTimers() { for (const name of this.#timers.keys()) this.#cancel(name); }
}

const PROTOCOL = 'autamedica.v1';
const RELAYED = new Set(['offer', 'answer', 'ice-candidate', 'media-control']);
const SIGNALS = new Set(['offer', 'answer', 'ice-candidate']);
/** The server counts these apart from all others. @param {Record<string, any>} message @returns {'signal' | 'other'} */
const rateOf = (message) => (SIGNALS.has(message.type) ? 'signal' : 'other');
const MESSAGE_BYTES_MAX = 65_536;
const ID_BYTES_MAX = 25; // eight digits, a dot, and the largest whole number
const OUTBOX_MAX = 256;
/** What is sent at once: three quarters of what the server takes (200, and 40), which counts pings and the join as well. */
const BURST = { signal: 150, other: 30 };
/** And then, each time: 40 and 8 per second. The server takes 50 and 10. */
const ALLOWED_MORE = { signal: 10, other: 2 };
const ALLOW_MS = 250;
/** So few may arrive all at once behind a network that stood still. A hundred refused ones would end the connection. */
const UNDER_WAY_MAX = 64;
/** After a message that was refused for its rate. */
const PAUSE_MS = 1_000;
/** For the token, the handshake and the join together. */
const ATTEMPT_MS = 15_000;
const PONG_MS = 10_000;
/** After a sign that the network has changed. */
const PONG_QUICK_MS = 4_000;
/** After this long in the room, the connection counts as good again. */
const SETTLED_MS = 10_000;
const RATE_LIMITED_MS = 10_000;

/** Error codes, and the close code that comes with them; the client's own names if the server sends no error. */
const CLOSED_WITH = new Map(Object.entries({
  MESSAGE_TOO_LARGE: 1009, INTERNAL: 1011, SERVER_SHUTDOWN: 1012, TOKEN_INVALID: 4401, TOKEN_EXPIRED: 4401, UNAUTHORIZED: 4401,
  FORBIDDEN: 4403, JOIN_TIMEOUT: 4408, REPLACED: 4409, SESSION_ENDED: 4410, TOO_SLOW: 4413, RATE_LIMITED: 4429, HEARTBEAT_TIMEOUT: 4480,
}));
const TOKEN_REFUSED = new Set(['TOKEN_INVALID', 'TOKEN_EXPIRED', 'UNAUTHORIZED']);
const WORTH_RETRYING = new Set([
  'UNREACHABLE', 'CONNECTION_LOST', 'TIMEOUT', 'TOKEN_UNAVAILABLE', 'JOIN_TIMEOUT', 'HEARTBEAT_TIMEOUT', 'TOO_SLOW',
  'MESSAGE_TOO_LARGE', 'RATE_LIMITED', 'SERVER_FULL', 'SERVER_SHUTDOWN', 'AUDIT_UNAVAILABLE', 'INTERNAL',
]);

/** @param {unknown} data @returns {Record<string, any> | null} */
function parseMessage(data) {
  try {
    const message = JSON.parse(String(data));
    return typeof message?.type === 'string' ? message : null;
  } catch {
    return null;
  }
}

/** A message as it may be logged. @param {Record<string, any>} message @returns {Record<string, any>} */
function withoutSecrets(message) {
  const { authToken, iceServers } = message;
  if (authToken !== undefined) return { ...message, authToken: '(hidden)' };
  if (!Array.isArray(iceServers)) return message;
  return { ...message, iceServers: iceServers.map((server) => (server?.credential ? { ...server, credential: '(hidden)' } : server)) };
}

/** @param {string | URL | undefined} url */
function webSocketUrl(url) {
  const absolute = new URL(url ?? '/ws', globalThis.location?.href);
  absolute.protocol = absolute.protocol.replace('http', 'ws');
  return absolute.href;
}

/** The fields of an `RTCSessionDescription`, without any others that an application's object may have. @param {RTCSessionDescriptionInit} sdp */
function plainDescription({ type, sdp }) {
  return { type, sdp };
}

/** @param {string} text */
function byteLength(text) {
  return new TextEncoder().encode(text).length;
}

/** @param {number} digits */
function randomHex(digits) {
  const bytes = crypto.getRandomValues(new Uint8Array(digits / 2));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @returns {{ promise: Promise<any>, resolve: (value?: any) => void, reject: (problem: unknown) => void }} */
function deferred() {
  /** @type {any} */ const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
}
