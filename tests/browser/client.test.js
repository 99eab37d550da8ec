/** The client's rules, with the test as the server and as the clock. */
import assert from 'node:assert/strict';
import { beforeEach, describe, mock, test } from 'node:test';
import { SignalingClient, SignalingError } from '../../src/service/demo/signaling-client.js';
import { FakeSocket } from './support/fake-socket.js';

const SESSION = '00000000-0000-4000-8000-000000000001';
const DOCTOR = '00000000-0000-4000-8000-00000000000d';
const PATIENT = '00000000-0000-4000-8000-00000000000e';
const SDP = { type: 'offer', sdp: 'v=0\r\n' };

describe('the signaling client', () => {
  let tokensAsked, states, seen;

  beforeEach(() => {
    FakeSocket.all = [];
    [tokensAsked, states, seen] = [[], [], []];
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(Math, 'random', () => 1); // the longest wait
  });

  const newClient = (options = {}) => {
    const client = new SignalingClient({
      url: 'https://signaling.example/ws', sessionId: SESSION, userId: DOCTOR, userType: 'doctor', WebSocket: FakeSocket,
      getToken: (why) => {
        tokensAsked.push(why);
        return `token${tokensAsked.length}`;
      },
      ...options,
    });
    client.addEventListener('state', ({ detail }) => states.push(detail));
    for (const type of ['offer', 'answer', 'ice-candidate', 'media-control']) {
      client.addEventListener(type, ({ detail }) => seen.push(detail));
    }
    return client;
  };

  /** Lets promises go on that wait for nothing but each other. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  const welcome = (resumed = false, stream = undefined) => ({
    type: 'room-joined', sessionId: SESSION, participants: [], resumed, heartbeatSeconds: 25, ...(stream && { stream }),
  });

  /** Plays the server up to `room-joined`. */
  const letIn = async (resumed, stream) => {
    await settle();
    FakeSocket.last.open();
    FakeSocket.last.say(welcome(resumed, stream));
    await settle();
    return FakeSocket.last;
  };

  const joinedClient = async (options) => {
    const client = newClient(options);
    client.connect();
    return { client, socket: await letIn() };
  };

  const pass = async (ms) => {
    mock.timers.tick(ms);
    await settle();
  };

  const settled = (promise) => promise.then(() => 'accepted', (problem) => problem.code);

  test('presents the token to the upgrade, joins, and is joined once the server says so', async () => {
    const client = newClient({ roomType: 'follow-up' });
    const connected = client.connect();
    const socket = await letIn();
    assert.equal(socket.url, 'wss://signaling.example/ws');
    assert.deepEqual(socket.protocols, ['autamedica.v1', 'bearer.token1']);
    const { id, ...join } = socket.sent[0];
    assert.deepEqual(join, {
      type: 'join-room', sessionId: SESSION, userId: DOCTOR, userType: 'doctor', roomType: 'follow-up', media: { audio: true, video: true },
    });
    assert.deepEqual(await connected, welcome());
    assert.deepEqual(states.map((change) => change.state), ['connecting', 'joined']);
  });

  test('shows all traffic, but no token and no TURN credential', async () => {
    const shown = [], told = [];
    const client = newClient();
    client.addEventListener('traffic', ({ detail }) => shown.push(detail));
    client.addEventListener('ice-servers', ({ detail }) => told.push(detail));
    client.connect();
    const socket = await letIn();
    socket.say({ type: 'token-expiring', exp: 1 });
    await settle();
    assert.equal(socket.of('refresh-token')[0].authToken, 'token2');
    const iceServers = [{ urls: ['stun:a'] }, { urls: ['turn:a'], username: '1:a', credential: 'the password' }];
    socket.say({ type: 'ice-servers', iceServers });
    assert.deepEqual(shown.map(({ direction, message }) => `${direction} ${message.type}`),
      ['out join-room', 'in room-joined', 'in token-expiring', 'out refresh-token', 'in ice-servers']);
    assert.doesNotMatch(JSON.stringify(shown), /token\d|the password/);
    assert.deepEqual(told, [{ type: 'ice-servers', iceServers }], 'the application has them');
  });

  test('fills in who speaks, and settles a message by its acknowledgement or its refusal', async () => {
    const { client, socket } = await joinedClient();
    const offered = client.sendOffer(PATIENT, SDP);
    const ended = client.endSession('done');
    const [offer] = socket.of('offer'), [end] = socket.of('end-session');
    assert.deepEqual(offer, { type: 'offer', id: offer.id, sessionId: SESSION, fromUserId: DOCTOR, toUserId: PATIENT, sdp: SDP });
    assert.deepEqual(end, { type: 'end-session', id: end.id, sessionId: SESSION, userId: DOCTOR, reason: 'done' });
    socket.say({ type: 'error', code: 'PEER_NOT_FOUND', message: 'nobody', id: offer.id });
    socket.say({ type: 'ack', id: end.id });
    assert.equal(await settled(offered), 'PEER_NOT_FOUND');
    assert.equal(await settled(ended), 'accepted');
  });

  test('says on return how many relayed messages it has received since it last came without resuming', async () => {
    const { socket } = await joinedClient();
    assert.equal('resume' in socket.of('join-room')[0], false, 'there is nothing to resume at first');
    for (const type of ['offer', 'answer', 'ice-candidate', 'media-control']) socket.say({ type, fromUserId: PATIENT });
    socket.say({ type: 'peer-joined', userId: PATIENT, userType: 'patient' }); // is not relayed and does not count
    socket.drop();
    await pass(1000);
    const second = await letIn(true);
    assert.deepEqual(second.of('join-room')[0].resume, { received: 4 });
    second.say({ type: 'answer', fromUserId: PATIENT });
    second.drop();
    await pass(2000);
    const third = await letIn(false);
    assert.deepEqual(third.of('join-room')[0].resume, { received: 5 }, 'counted on, since the second return resumed');
    third.say({ type: 'offer', fromUserId: PATIENT });
    third.drop();
    await pass(4000);
    await letIn(true);
    assert.deepEqual(FakeSocket.last.of('join-room')[0].resume, { received: 1 }, 'counted anew, since the third did not');
    assert.equal(FakeSocket.all.length, 4);
  });

  test('says which stream it has counted, where the server has told that', async () => {
    const client = newClient();
    client.connect();
    (await letIn(false, 41)).drop();
    await pass(1000);
    const second = await letIn(false, 42);
    assert.deepEqual(second.of('join-room')[0].resume, { received: 0, stream: 41 });
    second.say({ type: 'offer', fromUserId: PATIENT });
    second.drop();
    await pass(2000);
    const third = await letIn(true); // a server of before
    assert.deepEqual(third.of('join-room')[0].resume, { received: 1, stream: 42 });
    third.drop();
    await pass(4000);
    assert.deepEqual((await letIn(true)).of('join-room')[0].resume, { received: 1 });
  });

  test('after a resumed return sends again, in order, what was not acknowledged, and what was said meanwhile', async () => {
    const { client, socket } = await joinedClient();
    const sent = [client.sendOffer(PATIENT, SDP), client.sendCandidate(PATIENT, null), client.send('connection-state', { state: 'connected' })];
    socket.say({ type: 'ack', id: socket.of('offer')[0].id });
    socket.drop();
    sent.push(client.sendCandidate(PATIENT, { candidate: 'meanwhile' }));
    await pass(1000);
    const second = await letIn(true);
    const again = second.sent.filter((message) => message.type !== 'join-room');
    assert.deepEqual(again.map((message) => [message.type, message.candidate?.candidate ?? null]),
      [['ice-candidate', null], ['connection-state', null], ['ice-candidate', 'meanwhile']]);
    assert.equal(again[0].id, socket.of('ice-candidate')[0].id, 'under its old id, so that it is known for the same');
    for (const message of again) second.say({ type: 'ack', id: message.id });
    assert.deepEqual(await Promise.all(sent.map(settled)), Array(4).fill('accepted'));
  });

  test('after a return that resumed nothing reports what was under way as not delivered', async () => {
    const { client, socket } = await joinedClient();
    const sent = [client.sendOffer(PATIENT, SDP), client.send('connection-state', { state: 'connected' })];
    socket.drop();
    await pass(1000);
    const second = await letIn(false);
    assert.equal(second.of('offer').length, 0);
    assert.equal(await settled(sent[0]), 'NOT_DELIVERED');
    assert.equal(second.of('connection-state').length, 1, 'what is no negotiation still holds');
  });

  test('passes a message on once, though it was sent twice, and counts it twice', async () => {
    const { socket } = await joinedClient();
    const message = (number, instance = 'aaaaaaaa') => ({ type: 'ice-candidate', fromUserId: PATIENT, id: `${instance}.${number}` });
    for (const one of [message(1), message(2), message(1), message(2), message(3), message(1, 'bbbbbbbb')]) socket.say(one);
    assert.deepEqual(seen.map((one) => one.id), ['aaaaaaaa.1', 'aaaaaaaa.2', 'aaaaaaaa.3', 'bbbbbbbb.1']);
    socket.say({ type: 'offer', fromUserId: PATIENT, id: 7 });
    socket.say({ type: 'offer', fromUserId: PATIENT, id: 7 });
    assert.equal(seen.length, 6, 'ids of other software say nothing about repetition');
    socket.drop();
    await pass(1000);
    await letIn(true);
    assert.deepEqual(FakeSocket.last.of('join-room')[0].resume, { received: 8 });
  });

  test('waits twice as long after each failure, up to half a minute, and at least half of that', async () => {
    for (const [random, waits] of [[1, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]], [0, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]]]) {
      mock.method(Math, 'random', () => random);
      const client = newClient();
      client.connect();
      await settle();
      const planned = [];
      for (const wait of waits) {
        FakeSocket.last.drop();
        planned.push(states.at(-1).retryInMs);
        const attempts = FakeSocket.all.length;
        await pass(wait - 1);
        assert.equal(FakeSocket.all.length, attempts, 'not before its time');
        await pass(1);
        assert.equal(FakeSocket.all.length, attempts + 1);
      }
      assert.deepEqual(planned, waits);
      client.leave();
    }
  });

  test('is patient with a server that lets it in and drops it again, and quick after a good while', async () => {
    let { client, socket } = await joinedClient();
    for (const wait of [1000, 2000, 4000]) {
      socket.drop();
      assert.equal(states.at(-1).retryInMs, wait);
      await pass(wait);
      socket = await letIn();
    }
    await pass(10_000);
    socket.drop();
    assert.equal(states.at(-1).retryInMs, 1000);
    client.leave();
  });

  test('leaves a server alone for as long as it asks', async () => {
    const { socket } = await joinedClient();
    socket.say({ type: 'error', code: 'SERVER_SHUTDOWN', message: 'restarting', retryAfterMs: 5000 });
    socket.drop(1012);
    assert.equal(states.at(-1).problem.code, 'SERVER_SHUTDOWN');
    assert.equal(states.at(-1).retryInMs, 6000);
  });

  for (const code of [1000, 1001, 1006, 1011, 1012, 4408, 4413, 4429, 4480]) {
    test(`comes back after ${code}`, async () => {
      const { socket } = await joinedClient();
      socket.drop(code);
      assert.equal(states.at(-1).state, 'waiting');
      await pass(states.at(-1).retryInMs);
      assert.equal(FakeSocket.all.length, 2);
    });
  }

  for (const [closeCode, code] of [[4403, 'FORBIDDEN'], [4409, 'REPLACED'], [4410, 'SESSION_ENDED']]) {
    test(`stays away after ${closeCode}`, async () => {
      const { client, socket } = await joinedClient();
      const offered = client.sendOffer(PATIENT, SDP);
      socket.drop(closeCode);
      assert.deepEqual([states.at(-1).state, states.at(-1).problem.code], ['closed', code]);
      assert.equal(await settled(offered), code);
      await pass(600_000);
      assert.equal(FakeSocket.all.length, 1);
    });
  }

  for (const code of ['ROLE_TAKEN', 'ROOM_FULL', 'FORBIDDEN', 'BAD_MESSAGE']) {
    test(`gives up when the join is refused with ${code}, and can be told to try again`, async () => {
      const client = newClient();
      const connected = settled(client.connect());
      await settle();
      FakeSocket.last.open();
      FakeSocket.last.say({ type: 'error', code, message: 'no', id: FakeSocket.last.of('join-room')[0].id });
      assert.equal(await connected, code);
      assert.equal(FakeSocket.last.closedWith, 1000);
      await pass(600_000);
      assert.equal(FakeSocket.all.length, 1);
      const again = client.connect();
      await letIn();
      assert.equal((await again).type, 'room-joined');
    });
  }

  for (const code of ['AUDIT_UNAVAILABLE', 'RATE_LIMITED', 'INTERNAL']) {
    test(`tries on when the join is refused with ${code}`, async () => {
      newClient().connect();
      await settle();
      FakeSocket.last.open();
      FakeSocket.last.say({ type: 'error', code, message: 'not now', id: FakeSocket.last.of('join-room')[0].id });
      assert.equal(states.at(-1).state, 'waiting');
      assert.ok(code !== 'RATE_LIMITED' || states.at(-1).retryInMs >= 10_000);
    });
  }

  test('shows the token to `join-room` after a handshake that failed without a word, so that the server can say why', async () => {
    const client = newClient();
    const connected = settled(client.connect());
    await settle();
    FakeSocket.last.drop(1006);
    assert.equal(states.at(-1).problem.code, 'UNREACHABLE');
    await pass(1000);
    assert.deepEqual(FakeSocket.last.protocols, ['autamedica.v1']);
    for (const fresh of [false, true]) {
      assert.equal(tokensAsked.at(-1).fresh, fresh);
      FakeSocket.last.open();
      assert.equal(FakeSocket.last.of('join-room')[0].authToken, `token${tokensAsked.length}`);
      FakeSocket.last.say({ type: 'error', code: 'TOKEN_INVALID', message: 'no' });
      FakeSocket.last.drop(4401);
      await settle();
    }
    assert.equal(await connected, 'TOKEN_INVALID');
    assert.equal(FakeSocket.all.length, 3, 'a fresh token was tried once');
  });

  test('fetches a fresh token at once when its own has ended', async () => {
    const { socket } = await joinedClient();
    socket.say({ type: 'error', code: 'TOKEN_EXPIRED', message: 'over' });
    socket.drop(4401);
    await letIn(true);
    assert.deepEqual(tokensAsked, [{ fresh: false }, { fresh: true }]);
    assert.equal(states.at(-1).state, 'joined');
  });

  test('asks for a new token until it has one, when the old one is about to end', async () => {
    let down = false;
    const { socket } = await joinedClient({ getToken: () => {
      if (down) throw new Error('no network');
      return 'fresh';
    } });
    down = true;
    socket.say({ type: 'token-expiring', exp: 1 });
    await settle();
    await pass(1000);
    down = false;
    await pass(2000);
    assert.deepEqual(socket.of('refresh-token').map((message) => message.authToken), ['fresh']);
  });

  test('tries on when no token is to be had, unless that is final', async () => {
    let problem = new Error('no network');
    const client = newClient({ getToken: () => { throw problem; } });
    const connected = settled(client.connect());
    await settle();
    assert.deepEqual([states.at(-1).state, states.at(-1).problem.code], ['waiting', 'TOKEN_UNAVAILABLE']);
    problem = new SignalingError('LOGGED_OUT', 'log in first', { final: true });
    await pass(1000);
    assert.equal(await connected, 'LOGGED_OUT');
  });

  test('finds out that a connection is dead which does not say so', async () => {
    const { socket } = await joinedClient();
    await pass(25_000);
    assert.equal(socket.of('ping').length, 1);
    await pass(9_000);
    socket.say({ type: 'pong', serverTime: '' });
    await pass(20_000);
    assert.equal(socket.of('ping').length, 2);
    assert.equal(states.at(-1).state, 'joined');
    await pass(10_000);
    assert.deepEqual([states.at(-1).state, states.at(-1).problem.code], ['waiting', 'CONNECTION_LOST']);
  });

  test('pings as often as the server says', async () => {
    newClient().connect();
    await settle();
    FakeSocket.last.open();
    FakeSocket.last.say({ ...welcome(), heartbeatSeconds: 40 });
    await pass(39_999);
    assert.equal(FakeSocket.last.of('ping').length, 0);
    await pass(1);
    assert.equal(FakeSocket.last.of('ping').length, 1);
  });

  test('looks at the connection at once when the network returns, but not before the server wants it back', async () => {
    const listeners = {};
    globalThis.addEventListener = (type, listener) => { listeners[type] = listener; };
    globalThis.removeEventListener = (type) => { delete listeners[type]; };
    try {
      const { client, socket } = await joinedClient();
      listeners.online();
      assert.equal(socket.of('ping').length, 1);
      await pass(4_000);
      assert.equal(states.at(-1).state, 'waiting', 'it had died silently');
      listeners.online();
      await settle();
      assert.equal(FakeSocket.all.length, 2, 'instead of waiting on');
      const second = await letIn();
      second.say({ type: 'error', code: 'SERVER_SHUTDOWN', message: 'restarting', retryAfterMs: 5000 });
      second.drop(1012);
      listeners.online();
      await settle();
      assert.equal(FakeSocket.all.length, 2);
      client.check(); // somebody has pressed a button
      await settle();
      assert.equal(FakeSocket.all.length, 3);
      client.leave();
      assert.deepEqual(listeners, {});
    } finally {
      delete globalThis.addEventListener;
      delete globalThis.removeEventListener;
    }
  });

  test('gives up an attempt that gets no answer', async () => {
    newClient().connect();
    await settle();
    FakeSocket.last.open();
    await pass(15_000);
    assert.deepEqual([states.at(-1).state, states.at(-1).problem.code], ['waiting', 'TIMEOUT']);
  });

  test('tells the others with the join what is on, however often that changed meanwhile', async () => {
    const { client, socket } = await joinedClient();
    client.setMedia({ audio: false, video: true });
    assert.equal(socket.of('media-state').length, 1);
    socket.drop();
    client.setMedia({ audio: true, video: false, screen: true });
    await pass(1000);
    const second = await letIn(true);
    assert.deepEqual(second.of('join-room')[0].media, { audio: true, video: false });
    assert.deepEqual(second.of('media-state').map((message) => message.screen), [true], 'the screen fits in no join');
  });

  test('puts right what the server still has of a screen from before a reload', async () => {
    newClient().connect();
    await settle();
    FakeSocket.last.open();
    const self = { userId: DOCTOR, userType: 'doctor', connectionState: 'connected', audio: true, video: true, screen: true };
    FakeSocket.last.say({ ...welcome(), participants: [self] });
    assert.deepEqual(FakeSocket.last.of('media-state').map((message) => message.screen), [false]);
  });

  test('leaves for good: says so, closes, and does not come back', async () => {
    const { client, socket } = await joinedClient();
    const offered = client.sendOffer(PATIENT, SDP);
    client.leave();
    assert.deepEqual(socket.of('leave-room')[0], { type: 'leave-room', sessionId: SESSION, userId: DOCTOR });
    assert.equal(socket.closedWith, 1000);
    assert.deepEqual([states.at(-1).state, states.at(-1).problem], ['closed', null]);
    assert.equal(await settled(offered), 'LEFT');
    assert.equal(await settled(client.sendOffer(PATIENT, SDP)), 'NOT_CONNECTED');
    socket.drop();
    await pass(600_000);
    assert.equal(FakeSocket.all.length, 1);
  });

  test('can be left while it tries', async () => {
    const client = newClient();
    const connected = settled(client.connect());
    client.leave();
    assert.equal(await connected, 'LEFT');
    await pass(600_000);
    assert.equal(FakeSocket.all.length, 0);
  });

  test('sends nothing that the server would close the connection for', async () => {
    const { client, socket } = await joinedClient();
    assert.equal(await settled(client.sendOffer(PATIENT, { type: 'offer', sdp: 'ñ'.repeat(32_768) })), 'MESSAGE_TOO_LARGE');
    assert.equal(socket.of('offer').length, 0);
  });

  test('says nothing before it is let in', async () => {
    const client = newClient();
    client.connect();
    await settle();
    client.sendCandidate(PATIENT, null);
    FakeSocket.last.open();
    const state = client.send('connection-state', { state: 'new' });
    assert.deepEqual(FakeSocket.last.sent.map((message) => message.type), ['join-room']);
    FakeSocket.last.say(welcome());
    assert.deepEqual(FakeSocket.last.sent.map((message) => message.type), ['join-room', 'connection-state']);
    FakeSocket.last.say({ type: 'ack', id: FakeSocket.last.of('connection-state')[0].id });
    assert.equal(await settled(state), 'accepted');
  });

  test('does not send again what the server has closed the connection for', async () => {
    const { client, socket } = await joinedClient();
    const offered = client.sendOffer(PATIENT, SDP);
    socket.say({ type: 'error', code: 'MESSAGE_TOO_LARGE', message: 'too large here' });
    socket.drop(1009);
    assert.equal(await settled(offered), 'MESSAGE_TOO_LARGE');
    await pass(1000);
    assert.equal((await letIn(true)).of('offer').length, 0);
  });

  test('keeps a bounded number of messages for a server that does not answer', async () => {
    const { client, socket } = await joinedClient();
    socket.drop();
    const all = Array.from({ length: 257 }, () => client.sendCandidate(PATIENT, null));
    assert.equal(await settled(all.at(-1)), 'QUEUE_FULL');
  });

  /** The candidates that were sent, by their text. */
  const candidates = (socket) => socket.of('ice-candidate').map(({ candidate }) => candidate.candidate);
  const numbered = (count) => Array.from({ length: count }, (_, number) => `${number}`);
  const sendNumbered = (client, count) => numbered(count).map((candidate) => client.sendCandidate(PATIENT, { candidate }));

  test('sends what has piled up no faster than the server takes it, and in order', async () => {
    const { client, socket } = await joinedClient();
    socket.drop();
    const candidatesSent = sendNumbered(client, 200);
    const statesSent = Array.from({ length: 56 }, () => client.send('connection-state', { state: 'connected' }));
    await pass(1000);
    const second = await letIn(true);
    const left = { 'ice-candidate': 200, 'connection-state': 40 - 1 }; // the join has counted, too
    const most = { ...left }, perStep = { 'ice-candidate': 50 / 20, 'connection-state': 10 / 20 };
    let answered = 1;
    for (let step = 0; step < 20 * 20; step += 1) {
      for (; answered < second.sent.length; answered += 1) {
        const { type, id } = second.sent[answered];
        left[type] -= 1;
        assert.ok(left[type] >= 0, `too many of ${type}, in step ${step}`);
        second.say({ type: 'ack', id });
      }
      await pass(50);
      for (const type of Object.keys(left)) left[type] = Math.min(left[type] + perStep[type], most[type]);
    }
    assert.deepEqual(candidates(second), numbered(200));
    assert.deepEqual(await Promise.all([...candidatesSent, ...statesSent].map(settled)), Array(256).fill('accepted'));
  });

  test('lets what negotiates the call pass what waits because there is too much of it, but not the other way round', async () => {
    const { client, socket } = await joinedClient();
    const acknowledge = (from) => socket.sent.slice(from).forEach(({ id }) => socket.say({ type: 'ack', id }));
    const states = Array.from({ length: 100 }, () => client.send('connection-state', { state: 'connected' }));
    acknowledge(1);
    const sent = socket.sent.length;
    assert.ok(sent < 1 + 100, 'some wait');
    const offer = client.sendOffer(PATIENT, SDP);
    states.push(client.send('connection-state', { state: 'failed' }));
    sendNumbered(client, 2);
    assert.deepEqual(socket.sent.slice(sent).map(({ type }) => type), ['offer', 'ice-candidate', 'ice-candidate']);
    for (let answered = sent; answered < 1 + 101 + 3; answered += 1) {
      while (answered === socket.sent.length) await pass(250);
      acknowledge(answered);
    }
    assert.equal(await settled(offer), 'accepted');
    assert.deepEqual(await Promise.all(states.map(settled)), Array(101).fill('accepted'));
    assert.equal(socket.sent.at(-1).state, 'failed', 'among themselves they stay in order');
    const numbers = socket.sent.slice(1).map(({ id }) => Number(id.split('.')[1]));
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  });

  test('keeps few enough under way that none of them can end the connection', async () => {
    const { client, socket } = await joinedClient();
    sendNumbered(client, 100);
    await pass(20_000); // the network stands still
    const under = candidates(socket).length;
    assert.ok(under < 100, `${under} under way`);
    for (const { id } of socket.of('ice-candidate')) socket.say({ type: 'ack', id });
    assert.deepEqual(candidates(socket), numbered(100), 'the others follow');
  });

  test('sends again after a second what was refused for its rate, one by one from then on, in order', async () => {
    const { client, socket } = await joinedClient();
    const sent = sendNumbered(client, 5);
    const [first, ...refused] = socket.of('ice-candidate');
    socket.say({ type: 'ack', id: first.id });
    for (const { id } of refused) socket.say({ type: 'error', code: 'RATE_LIMITED', message: 'too many', id });
    sent.push(client.sendOffer(PATIENT, SDP));
    await pass(999);
    assert.equal(socket.sent.length, 1 + 5, 'not before its time');
    await pass(1);
    const again = () => socket.sent.slice(1 + 5);
    // The second one of these is refused once more.
    for (const [count, answer] of [[1, 'ack'], [2, 'error'], [3, 'ack'], [4, 'ack'], [5, 'ack'], [6, 'ack']]) {
      assert.equal(again().length, count, 'one at a time');
      socket.say({ type: answer, id: again().at(-1).id, ...(answer === 'error' && { code: 'RATE_LIMITED', message: 'too many' }) });
      if (answer === 'error') await pass(1000);
    }
    assert.deepEqual(again().map(({ candidate }) => candidate?.candidate ?? 'offer'), ['1', '2', '2', '3', '4', 'offer']);
    assert.deepEqual(await Promise.all(sent.map(settled)), Array(6).fill('accepted'));
    const numbers = socket.sent.slice(1).map(({ id }) => Number(id.split('.')[1]));
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), 'with new ids: a receiver takes lower ones for repeated ones');
    assert.equal(new Set(numbers).size, numbers.length);
  });

  test('after a return sends what may have arrived before what was refused', async () => {
    const { client, socket } = await joinedClient();
    const sent = sendNumbered(client, 3);
    const [refused, ...lost] = socket.of('ice-candidate');
    socket.say({ type: 'error', code: 'RATE_LIMITED', message: 'too many', id: refused.id });
    socket.drop();
    await pass(1000);
    const second = await letIn(true);
    for (let answered = 0; answered < 3; answered += 1) second.say({ type: 'ack', id: second.of('ice-candidate')[answered].id });
    assert.deepEqual(candidates(second), ['1', '2', '0']);
    assert.deepEqual(second.of('ice-candidate').slice(0, 2).map(({ id }) => id), lost.map(({ id }) => id));
    assert.deepEqual(await Promise.all(sent.map(settled)), Array(3).fill('accepted'));
  });

  test('after a return sends several at a time again', async () => {
    const { client, socket } = await joinedClient();
    sendNumbered(client, 1);
    const [{ id }] = socket.of('ice-candidate');
    socket.say({ type: 'error', code: 'RATE_LIMITED', message: 'too many', id });
    socket.drop();
    await pass(1000);
    const second = await letIn(true);
    sendNumbered(client, 4);
    assert.equal(second.of('ice-candidate').length, 5);
  });

  test('ends the session before it leaves, whatever else waits', async () => {
    const { client, socket } = await joinedClient();
    sendNumbered(client, 100);
    const ended = client.endSession('done');
    client.leave();
    const types = socket.sent.slice(-2).map(({ type }) => type);
    assert.deepEqual(types, ['end-session', 'leave-room']);
    assert.equal(await settled(ended), 'LEFT', 'nobody waits for the answer');
  });

  test('does not show a token again that was refused', async () => {
    const { socket } = await joinedClient();
    socket.say({ type: 'token-expiring', exp: 1 });
    await settle();
    const [{ id }] = socket.of('refresh-token');
    socket.say({ type: 'error', code: 'RATE_LIMITED', message: 'too many were not valid', id });
    await settle();
    await pass(1000);
    assert.deepEqual(socket.of('refresh-token').map(({ authToken }) => authToken), ['token2', 'token3']);
  });

  test('does not mind what it does not understand', async () => {
    const { client, socket } = await joinedClient();
    socket.onmessage({ data: 'nonsense' });
    socket.onmessage({ data: '[]' });
    socket.onmessage({ data: 'null' });
    let heard;
    client.addEventListener('something-new', ({ detail }) => { heard = detail.value; });
    socket.say({ type: 'something-new', value: 1 });
    assert.equal(heard, 1);
    assert.equal(client.state, 'joined');
  });
});
