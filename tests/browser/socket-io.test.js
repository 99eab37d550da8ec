/** The apps of old, with the clients of Socket.IO that they have, against this server. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { App, CLIENTS, Plain, SDP, persons, token } from './support/apps.js';
import { startProxy } from './support/proxy.js';
import { startServer } from './support/server.js';

const WAYS = {
  'as it does by default': {},
  'by WebSocket': { transports: ['websocket'] },
  'by polling': { transports: ['polling'] },
};

const CANDIDATE = { candidate: 'candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host', sdpMid: '0', sdpMLineIndex: 0 };

describe('the apps of old', () => {
  let server;
  const open = [];
  const client = (io, who, options) => {
    const app = new App(io, server.url, who, { forceNew: true, ...options });
    open.push(app);
    return app;
  };
  const plain = (who) => {
    const one = new Plain(server.url, who);
    open.push(one);
    return one;
  };

  // Several loops: a session that polls goes from one to another while requests of it are under way.
  before(async () => { server = await startServer({ env: { THREADS: '3' } }); });
  afterEach(() => open.splice(0).forEach((one) => one.close()));
  after(() => server.stop());

  for (const [version, io] of Object.entries(CLIENTS)) {
    for (const [way, options] of Object.entries(WAYS)) {
      describe(`with client ${version}, ${way}`, () => {
        const pair = () => persons().map((who) => client(io, who, options));
        const call = async () => {
          const [doctor, patient] = pair();
          await doctor.join();
          await patient.join();
          return [doctor, patient];
        };

        test('doctor can create session room', async () => {
          const [doctor] = pair();
          const joined = await doctor.join();
          assert.equal(joined.sessionId, doctor.who.sessionId);
          assert.deepEqual(joined.participants.map(({ userId }) => userId), [doctor.who.userId]);
          assert.equal(joined.room.status, 'waiting');
        });

        test('patient can join existing session', async () => {
          const [doctor, patient] = await call();
          const [joined] = patient.heard.of('room-joined');
          assert.deepEqual(joined.participants.map(({ userId }) => userId).sort(), [doctor.who.userId, patient.who.userId].sort());
          const newcomer = await doctor.heard.next('peer-joined');
          assert.deepEqual([newcomer.userId, newcomer.userType, newcomer.sessionId], [patient.who.userId, 'patient', doctor.who.sessionId]);
          const { sessionId, userId } = patient.who;
          patient.socket.emit('leave-room', { sessionId, userId });
          assert.equal((await doctor.heard.next('peer-left')).userId, userId);
          assert.equal(await patient.heard.next('disconnect'), 'io server disconnect');
        });

        test('SDP offer/answer exchange works', async () => {
          const [doctor, patient] = await call();
          doctor.send('offer', { sdp: { type: 'offer', sdp: SDP } });
          const offer = await patient.heard.next('offer');
          assert.deepEqual(offer, { type: 'offer', ...doctor.addressed(), sdp: { type: 'offer', sdp: SDP } });
          patient.send('answer', { sdp: { type: 'answer', sdp: SDP.replace('actpass', 'active') } });
          const answer = await doctor.heard.next('answer');
          assert.deepEqual(answer.sdp, { type: 'answer', sdp: SDP.replace('actpass', 'active') });
        });

        test('ICE candidates are relayed properly', async () => {
          const [doctor, patient] = await call();
          const candidates = Array.from({ length: 20 }, (_, i) => ({ ...CANDIDATE, usernameFragment: `u${i}` }));
          for (const candidate of candidates) {
            doctor.send('ice-candidate', { candidate });
            patient.send('ice-candidate', { candidate });
          }
          for (const side of [doctor, patient]) {
            await side.heard.next('ice-candidate', candidates.length);
            assert.deepEqual(side.heard.of('ice-candidate').map(({ candidate }) => candidate), candidates);
          }
        });

        test('unauthorized users are rejected', async () => {
          const [who] = persons();
          for (const [code, auth] of [
            ['UNAUTHORIZED', { ...who, token: undefined }],
            ['TOKEN_INVALID', { ...who, token: token(who, 'another secret of thirty-two bytes') }],
            ['TOKEN_EXPIRED', { ...who, token: token({ ...who, userType: 'doctor', iat: 1_600_000_000, exp: 1_600_000_100 }) }],
            ['FORBIDDEN', { ...who, sessionId: crypto.randomUUID() }],
            ['BAD_MESSAGE', { ...who, sessionId: 'mine' }],
          ]) {
            const app = client(io, auth, options);
            const error = await app.heard.next('connect_error');
            assert.equal(error.data?.code, code, `${error}`);
            assert.ok(error.message.length > 10);
            assert.equal(app.socket.active, false, 'it does not try again');
            assert.equal(app.heard.of('connect').length, 0);
          }
          // Within the room too.
          const [doctor, patient] = await call();
          doctor.socket.emit('offer', { ...doctor.addressed(), fromUserId: patient.who.userId, sdp: { type: 'offer', sdp: SDP } });
          const refused = await doctor.heard.next('error');
          assert.equal(refused.code, 'FORBIDDEN');
          assert.equal(typeof refused.message, 'string');
          assert.equal(patient.heard.of('offer').length, 0);
        });

        test('a callback gets ok, or the error', async () => {
          const [doctor, patient] = pair();
          const { sessionId, userId } = doctor.who;
          assert.deepEqual(await doctor.ask('join-room', { sessionId, userId, userType: 'doctor' }), { ok: true });
          const sdp = { type: 'offer', sdp: SDP };
          const nobody = await doctor.ask('offer', { ...doctor.addressed(), sdp });
          assert.deepEqual([nobody.ok, nobody.code, typeof nobody.message], [false, 'PEER_NOT_FOUND', 'string']);
          await patient.join();
          assert.deepEqual(await doctor.ask('offer', { ...doctor.addressed(), sdp }), { ok: true });
          assert.equal((await doctor.ask('nonsense', {})).code, 'UNKNOWN_TYPE');
          assert.equal((await doctor.ask('offer', { ...doctor.addressed(), type: 'answer', sdp })).code, 'BAD_MESSAGE');
          assert.equal((await doctor.ask('offer', 'text')).code, 'BAD_MESSAGE');
          assert.equal(doctor.heard.of('error').length, 0, 'the callback has it');
        });

        test('another namespace is refused, and binary data too', async () => {
          const [who] = persons();
          const other = io(`${server.url}/admin`, { auth: who, forceNew: true, ...options });
          const error = await new Promise((failed) => other.on('connect_error', failed));
          assert.equal(error.message, 'Invalid namespace');
          other.close();
          const app = client(io, who, options);
          await app.heard.next('connect');
          app.socket.emit('offer', { sdp: new Uint8Array(3) });
          assert.equal((await app.heard.next('error')).code, 'BAD_MESSAGE');
          assert.equal(await app.heard.next('disconnect'), 'io server disconnect');
        });

        test('whoever comes again takes its place over, and goes on where it was', async () => {
          const [doctor, patient] = await call();
          // The network fails; the client comes again by itself.
          patient.socket.io.engine.close();
          await doctor.heard.next('peer-state');
          assert.equal(doctor.heard.of('peer-state')[0].connectionState, 'reconnecting');
          doctor.send('offer', { sdp: { type: 'offer', sdp: SDP } });
          await patient.heard.next('connect', 2);
          const { sessionId, userId } = patient.who;
          patient.socket.emit('join-room', { sessionId, userId, userType: 'patient', resume: { received: 0 } });
          const joined = await patient.heard.next('room-joined', 2);
          assert.equal(joined.resumed, true);
          assert.equal((await patient.heard.next('offer')).sdp.sdp, SDP);
          // From elsewhere, as an app does that knows nothing of resuming.
          const elsewhere = client(io, patient.who, options);
          const again = await elsewhere.join();
          assert.equal(again.resumed, false);
          assert.equal((await patient.heard.next('error')).code, 'REPLACED');
          assert.equal(await patient.heard.next('disconnect', 2), 'io server disconnect');
        });

        for (const [one, other] of [[App, Plain], [Plain, App]]) {
          test(`a doctor (${one.name}) and a patient (${other.name}) call each other`, async () => {
            const make = (kind, who) => (kind === App ? client(io, who, options) : plain(who));
            const [doctor, patient] = persons().map((who, seat) => make([one, other][seat], who));
            await doctor.join();
            await patient.join();
            for (const [from, to] of [[doctor, patient], [patient, doctor]]) {
              const sdp = { type: 'offer', sdp: SDP, of: 'ünïcode \u{1f600} \u001e "]}' };
              from.send('offer', { sdp });
              const offer = await to.heard.next('offer');
              assert.deepEqual(offer, { type: 'offer', ...from.addressed(), sdp });
              from.send('ice-candidate', { candidate: CANDIDATE });
              assert.deepEqual((await to.heard.next('ice-candidate')).candidate, CANDIDATE);
            }
          });
        }
      });
    }
  }

  for (const [version, io] of Object.entries(CLIENTS)) {
    for (const [moment, options, proxied] of [
      ['with the answer to the first request', {}, { fatal: '0{"sid"' }],
      ['with the answer to who it is', {}, { fatal: '40{"sid"' }],
      ['between the probe and the take-over', {}, { fatal: '3probe' }],
      ['in the middle of what it brings', { transports: ['polling'] }, { fatalRequest: 'join-room' }],
      ['in the middle of a request', { transports: ['polling'] }, { fatalRequest: 'POST /socket.io/' }],
      ['with the welcome', { transports: ['polling'] }, { fatal: 'room-joined' }],
      ['with the welcome, by whatever way', {}, { fatal: 'room-joined' }],
      ['with the first offer', { transports: ['polling'] }, { fatal: '"offer"' }],
      ['with the first offer, by WebSocket', { transports: ['websocket'] }, { fatal: '"offer"' }],
    ]) {
      test(`${version}: cut off ${moment}, the app comes again and the call goes on`, async () => {
        const proxy = await startProxy(server.port, proxied);
        const [doctorWho, patientWho] = persons();
        const patient = new App(io, proxy.url, patientWho, { forceNew: true, ...options });
        open.push(patient);
        // As apps do: whenever connected, into the room.
        const { sessionId, userId } = patientWho;
        patient.socket.on('connect', () => patient.socket.emit('join-room', { sessionId, userId, userType: 'patient' }));
        const doctor = plain(doctorWho);
        await doctor.join();
        await patient.heard.next('room-joined');
        // Until it has arrived: what was cut off is not sent again where the app does not say what it has.
        while (patient.heard.of('offer').length === 0) {
          doctor.send('offer', { sdp: { type: 'offer', sdp: SDP } });
          await Promise.race([patient.heard.next('offer'), new Promise((later) => setTimeout(later, 500).unref())]);
        }
        assert.equal(proxy.cuts, 1);
        patient.close();
        await proxy.stop();
      });
    }

    test(`${version}: an idle app notices a cut while it waits, and comes back`, async () => {
      const proxy = await startProxy(server.port);
      const [who] = persons();
      const app = new App(io, proxy.url, who, { forceNew: true, transports: ['polling'] });
      open.push(app);
      await app.join();
      // Between two requests there is nothing to cut.
      while (app.heard.of('disconnect').length === 0) {
        proxy.cut();
        await new Promise((later) => setTimeout(later, 20));
      }
      await app.heard.next('connect', 2);
      app.socket.emit('join-room', { sessionId: who.sessionId, userId: who.userId, userType: 'doctor', resume: { received: 0 } });
      assert.equal((await app.heard.next('room-joined', 2)).resumed, true);
      app.close();
      await proxy.stop();
    });
  }
});
