// @ts-check
/**
 * The part of `WebSocket` that the signaling client needs, over Socket.IO: for trying out what the apps of the original
 * do. The page comes without a Socket.IO client. If you serve one at `/socket.io/socket.io.esm.min.js` beside it, the page
 * uses it with `?transport=socket.io` (and `&by=polling` for no WebSocket at all).
 */

/** The codes of errors that end a connection, and the corresponding close codes. @type {Record<string, number>} */
const CLOSE_CODES = {
  TOKEN_INVALID: 4401, TOKEN_EXPIRED: 4401, REPLACED: 4409, SESSION_ENDED: 4410, RATE_LIMITED: 4429, SERVER_SHUTDOWN: 1012,
};

/** The class to connect with, or `undefined` for the browser's own. */
export async function chosenTransport() {
  const query = new URLSearchParams(location.search);
  if (query.get('transport') !== 'socket.io') return undefined;
  const client = '/socket.io/socket.io.esm.min.js';
  const { io } = await import(client);
  const transports = query.get('by') === 'polling' ? ['polling'] : undefined;
  return class {
    /** @type {any} */ onopen;
    /** @type {any} */ onmessage;
    /** @type {any} */ onclose;
    /** @type {any} */ onerror;
    #code = 1006;

    /** @param {string | URL} _url @param {string[]} protocols */
    constructor(_url, protocols) {
      const token = protocols.find((one) => one.startsWith('bearer.'))?.slice('bearer.'.length);
      const socket = this.socket = io(location.origin, {
        auth: { token }, forceNew: true, reconnection: false, ...(transports && { transports }),
      });
      socket.on('connect', () => this.onopen({}));
      socket.on('connect_error', (/** @type {any} */ error) => this.onclose({ code: CLOSE_CODES[error.data?.code] ?? 1006 }));
      socket.onAny((/** @type {string} */ event, /** @type {any} */ payload) => {
        if (event === 'error') this.#code = CLOSE_CODES[payload.code] ?? this.#code;
        if (event === 'room-status' && payload.status === 'ended') this.#code = 4410;
        this.onmessage({ data: JSON.stringify(payload) });
      });
      socket.on('disconnect', () => this.onclose({ code: this.#code }));
    }

    /** @param {string} text */
    send(text) {
      const { type, ...payload } = JSON.parse(text);
      this.socket.emit(type, payload);
    }

    close() { this.socket.disconnect(); }
  };
}
