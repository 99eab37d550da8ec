/** The doctors' and patients' apps of old, as their description has them connect, and a plain client beside them. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { io as current } from 'socket.io-client';
import { io as pinned } from 'socket.io-client-4.7.2';
import { WebSocket } from 'ws';
import { JWT_SECRET } from './server.js';

/** The client as it is now, and the one that the original pins. */
export const CLIENTS = { current, '4.7.2': pinned };

const PATIENCE_MS = 20_000;

/** What a browser describes, cut down to what the server looks at. */
export const SDP = 'v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 '
  + `${Array.from({ length: 32 }, (_, i) => (i + 16).toString(16).toUpperCase()).join(':')}\r\n`
  + 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\n';

/** @param {object} claims beside the usual ones */
export function token(claims, secret = JWT_SECRET) {
  const now = Math.floor(Date.now() / 1000);
  const all = { permissions: ['room:*'], iat: now, exp: now + 3600, ...claims };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(all)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A doctor and a patient whom no other test knows, each with everything that their messages say. */
export function persons() {
  const [sessionId, doctorId, patientId] = Array.from({ length: 3 }, () => crypto.randomUUID());
  const person = (role, userId, other) => (
    { role, sessionId, userId, other, token: token({ userId, userType: role, sessionId }) });
  return [person('doctor', doctorId, patientId), person('patient', patientId, doctorId)];
}

/** What was heard, in order, and a way to wait for more of it. */
class Heard {
  all = [];
  #waiting = [];

  hear(event, payload) {
    this.all.push([event, payload]);
    this.#waiting.splice(0).forEach((wake) => wake());
  }

  /** The payloads of an event so far. */
  of(event) { return this.all.filter(([name]) => name === event).map(([, payload]) => payload); }

  /** Waits for the `count`th of an event. */
  async next(event, count = 1) {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.of(event).length < count) {
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`no ${event} among ${this.all.map(([name]) => name)} in time`);
      const late = new AbortController();
      await Promise.race([
        new Promise((wake) => this.#waiting.push(wake)),
        pause(left, undefined, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
    }
    return this.of(event)[count - 1];
  }
}

/** An app as it was written for the original server. */
export class App {
  heard = new Heard();

  constructor(io, url, who, options = {}) {
    this.who = who;
    const { token: activeToken, sessionId: activeSessionId } = who;
    // As the description has it, but for the address.
    const signalingSocket = io(url, {
      auth: {
        token: activeToken,
        sessionId: activeSessionId
      },
      ...options,
    });
    this.socket = signalingSocket;
    for (const event of ['connect', 'disconnect', 'connect_error']) {
      signalingSocket.on(event, (detail) => this.heard.hear(event, detail));
    }
    signalingSocket.onAny((event, payload) => this.heard.hear(event, payload));
  }

  get transport() { return this.socket.io.engine?.transport?.name; }

  join(extra = {}) {
    const { sessionId, userId, role, token: authToken } = this.who;
    this.socket.emit('join-room', { sessionId, userId, userType: role, authToken, ...extra });
    return this.heard.next('room-joined');
  }

  addressed() {
    const { sessionId, userId: fromUserId, other: toUserId } = this.who;
    return { sessionId, fromUserId, toUserId };
  }

  send(event, content) {
    this.socket.emit(event, { ...this.addressed(), ...content });
  }

  /** Emits and waits for the callback. */
  ask(event, payload) { return this.socket.timeout(PATIENCE_MS).emitWithAck(event, payload); }

  close() { this.socket.disconnect(); }
}

/** Somebody who speaks the plain protocol. */
export class Plain {
  heard = new Heard();

  constructor(url, who) {
    this.who = who;
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, ['autamedica.v1', `bearer.${who.token}`]);
    this.socket.on('message', (bytes) => {
      const message = JSON.parse(String(bytes));
      this.texts.push(String(bytes));
      this.heard.hear(message.type, message);
    });
    this.socket.on('close', (code) => this.heard.hear('disconnect', code));
    this.opened = once(this.socket, 'open');
  }

  texts = [];

  async join(extra = {}) {
    await this.opened;
    const { sessionId, userId, role } = this.who;
    this.say({ type: 'join-room', sessionId, userId, userType: role, ...extra });
    return this.heard.next('room-joined');
  }

  addressed() {
    const { sessionId, userId: fromUserId, other: toUserId } = this.who;
    return { sessionId, fromUserId, toUserId };
  }

  send(event, content) { this.say({ type: event, ...this.addressed(), ...content }); }

  say(message) { this.socket.send(JSON.stringify(message)); }

  close() { this.socket.terminate(); }
}
