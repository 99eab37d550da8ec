/** A `WebSocket` without a network: the test plays the server. */
export class FakeSocket {
  /** All that were opened, in order. */
  static all = [];
  static get last() { return FakeSocket.all.at(-1); }

  sent = [];
  closedWith = null;

  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    FakeSocket.all.push(this);
  }

  // What the client does.
  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) { this.closedWith = code; }

  // What the server does.
  open() { this.onopen({}); }
  say(message) { this.onmessage({ data: JSON.stringify(message) }); }
  drop(code = 1006) { this.onclose({ code }); }

  /** What was sent under a type. */
  of(type) { return this.sent.filter((message) => message.type === type); }
}
