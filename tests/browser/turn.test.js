/** Calls that find no direct way: everything through a real TURN server, with the credentials that the server mints. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { join, launch, seesOthers, until, visit } from './support/browser.js';
import { comes, consult, goesOn, linkFor, messages } from './support/consultation.js';
import { TURN_SECRET, credential, startCoturn } from './support/coturn.js';
import { startServer } from './support/server.js';

describe('a call through TURN', { timeout: 900_000 }, () => {
  let browser, coturn, server, pages;

  before(async () => { [browser, coturn] = await Promise.all([launch(), startCoturn()]); });
  after(() => Promise.all([browser?.close(), coturn?.stop()]));
  beforeEach(() => { pages = []; });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
    await server?.stop();
  });

  /** A server that lets media pass through coturn only. */
  const start = async (transport, env) => {
    const TURN_SERVER_URL = `turn:127.0.0.1:${coturn.port}?transport=${transport}`;
    server = await startServer({ env: { ICE_POLICY: 'relay', TURN_SERVER_URL, ...env } });
  };

  const open = async (url, role) => {
    const page = await visit(browser, url);
    pages.push(page);
    await join(page, role);
    return page;
  };

  /** A doctor and a patient, who may or may not get through to each other. */
  const two = async () => {
    const doctor = await open(server.url, 'doctor');
    const patient = await open(await linkFor(doctor, 'patient'));
    return [doctor, patient];
  };

  for (const transport of ['udp', 'tcp']) {
    test(`shows both to each other over ${transport}, and nothing goes another way`, async () => {
      await start(transport, { TURN_SECRET });
      const { doctor, patient } = await consult(browser, server.url);
      pages.push(doctor, patient);
      await Promise.all([doctor, patient].map((page) => goesOn(page, 'framesDecoded')));
      for (const page of pages) {
        await until(page, ({ peers }) => peers[0].route === `relay ${transport}`);
        const [joined] = await messages(page, 'room-joined');
        assert.equal(joined.iceTransportPolicy, 'relay');
        const [{ urls, username, credential }] = joined.iceServers;
        assert.deepEqual([urls, credential], [[`turn:127.0.0.1:${coturn.port}?transport=${transport}`], '(hidden)']);
        assert.match(username, /^\d{10}:[\w-]{20}$/);
        const candidates = await page.locator('.flow-row pre', { hasText: '"candidate": "candidate:' }).allTextContents();
        const types = candidates.flatMap((text) => text.match(/(?<= typ )\w+/g));
        assert.deepEqual([...new Set(types)], ['relay']);
        assert.deepEqual(page.complaints, []);
      }
    });
  }

  for (const [what, env] of [
    ['forged', { TURN_SECRET: 'a secret that coturn has never heard of, long enough' }],
    ['expired', fixed(credential(Math.floor(Date.now() / 1000) - 60))],
  ]) {
    test(`says in words that the credential was refused, where it is ${what}`, async () => {
      await start('udp', env);
      const [doctor, patient] = await two();
      await Promise.all([doctor, patient].map((page) => page.getByText('The TURN server refused the credential').waitFor()));
      await doctor.click('[data-language=es]');
      await doctor.getByText('El servidor TURN rechazó la credencial').waitFor();
      for (const page of [doctor, patient]) {
        const { peers } = await page.evaluate(() => window.autamedica.stats());
        assert.deepEqual([peers[0].framesDecoded, peers[0].route], [0, null]);
      }
    });
  }

  test('begins in a tab that was open for longer than its first credentials lasted', async () => {
    await start('udp', { TURN_SECRET, TURN_TTL: '12' });
    const doctor = await open(server.url, 'doctor');
    await comes(doctor, 'room-joined', 1);
    await comes(doctor, 'ice-servers', 2);
    const [{ iceServers: [{ username }] }] = await messages(doctor, 'room-joined');
    await doctor.waitForFunction((end) => Date.now() / 1000 > end, parseInt(username, 10), { polling: 100 });
    const patient = await open(await linkFor(doctor, 'patient'));
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    await until(doctor, ({ peers }) => peers[0].route === 'relay udp');
    // And goes on when those that it began with have ended too.
    const [latest] = (await messages(doctor, 'ice-servers')).slice(-1);
    await doctor.waitForFunction((end) => Date.now() / 1000 > end, parseInt(latest.iceServers[0].username, 10), { polling: 100 });
    await Promise.all([doctor, patient].map((page) => goesOn(page, 'framesDecoded')));
    const usernames = (await messages(doctor, 'ice-servers')).map(({ iceServers: [one] }) => one.username);
    assert.equal(new Set([username, ...usernames]).size, usernames.length + 1, 'each is another one');
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  });

  test('finds its way once good credentials come', async () => {
    await start('udp', { TURN_SECRET, TURN_TTL: '60' });
    const doctor = await visit(browser, server.url);
    pages.push(doctor);
    // What the first message brings is spoilt on the way; what comes with a fresh token is not.
    await doctor.addInitScript(spoilFirstCredential);
    await doctor.reload();
    await doctor.route('**/development/token?*', (route) => route.continue({ url: `${route.request().url()}&expiresIn=70` }));
    await join(doctor, 'doctor');
    const patient = await open(await linkFor(doctor, 'patient'));
    await doctor.getByText('The TURN server refused the credential').waitFor();
    await comes(doctor, 'ice-servers', 1);
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    await doctor.getByText('The TURN server refused the credential').waitFor({ state: 'detached' });
  });
});

/** The settings of a server that gives everybody the same credentials. */
function fixed({ username, password }) {
  return { TURN_USERNAME: username, TURN_CREDENTIAL: password };
}

/** In the page: the credential of the first `room-joined` is another one than the server sent. */
function spoilFirstCredential() {
  const parse = JSON.parse;
  let spoilt = false;
  JSON.parse = (text, ...more) => {
    const value = parse(text, ...more);
    if (!spoilt && value?.type === 'room-joined') {
      spoilt = true;
      for (const server of value.iceServers) server.credential = 'spoilt';
    }
    return value;
  };
}
