/** Calls through the demo page: two people, two browsers' worth of storage, one server. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { join, launch, misnamed, seesOthers, until, visit } from './support/browser.js';
import { startProxy } from './support/proxy.js';
import { startServer } from './support/server.js';

describe('a call', { timeout: 900_000 }, () => {
  let browser, server, pages;

  before(async () => { browser = await launch(); });
  after(() => browser?.close());
  beforeEach(async () => {
    server = await startServer();
    pages = [];
  });
  afterEach(async () => {
    await Promise.all(pages.map((page) => page.context().close()));
    await server?.stop();
  });

  const open = async (url, options) => {
    const page = await visit(browser, url, options);
    pages.push(page);
    return page;
  };

  /** A doctor and a patient who see each other. */
  const consultation = async (options) => {
    const doctor = await open(server.url, options);
    await join(doctor, 'doctor');
    const patient = await open(await doctor.inputValue('#link-patient'), options);
    await join(patient);
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    return { doctor, patient };
  };

  /** The name of the media connection to the only other participant. */
  const connectionOf = async (page) => (await page.evaluate(() => window.autamedica.stats())).peers[0].connection;

  const assertClean = (...all) => all.forEach((page) => assert.deepEqual(page.complaints, []));

  test('connects a doctor and a patient, and again after either has reloaded', async () => {
    const { doctor, patient } = await consultation();
    await patient.getByText('Connected with the doctor.').waitFor();
    for (const [reloaded, other] of [[patient, doctor], [doctor, patient]]) {
      await reloaded.reload();
      await seesOthers(reloaded); // first the one that has nothing from before
      await seesOthers(other);
    }
    assertClean(doctor, patient);
  });

  test('survives the server: when it is killed and comes back, both are there again, and the picture never stopped', async () => {
    const { doctor, patient } = await consultation();
    await server.stop('SIGKILL');
    await Promise.all([doctor, patient].map((page) => page.getByText(/Trying again in \d+ s/).waitFor()));
    await doctor.getByText('The call goes on meanwhile.').waitFor();
    const connections = () => Promise.all([doctor, patient].map(connectionOf));
    const before = await connections();
    server = await startServer({ port: server.port });
    await Promise.all([doctor, patient].map((page) => until(page, (stats) => stats.state === 'joined')));
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    await doctor.locator('.flow-row.in .flow-type:text("answer")').nth(1).waitFor(); // they have negotiated anew
    assert.deepEqual(await connections(), before, 'the media connection is the one from before');
  });

  for (const type of ['offer', 'answer', 'ice-candidate']) {
    test(`loses nothing when all connections to the server break just as somebody is sent the first ${type}`, async () => {
      const network = await startProxy(server.port, { fatal: `"type":"${type}"` });
      try {
        const doctor = await open(network.url);
        await join(doctor, 'doctor');
        const patient = await open(await doctor.inputValue('#link-patient'));
        await join(patient);
        await Promise.all([seesOthers(doctor), seesOthers(patient)]);
        const rows = (page, type) => page.locator(`.flow-row:has(.flow-type:text("${type}")) pre`);
        for (const page of [doctor, patient]) {
          await rows(page, 'room-joined').nth(1).waitFor({ state: 'attached' });
          const joins = await rows(page, 'room-joined').allTextContents();
          assert.deepEqual(joins.map((text) => JSON.parse(text).resumed), [false, true], 'came back, and went on where it was');
          const offers = await rows(page, 'offer').allTextContents();
          const named = (name) => new Set(offers.map((text) => new RegExp(`"${name}": "(.*?)"`).exec(text)[1]));
          assert.equal(named('connection').size, 1, 'nobody had to connect anew');
          // The server cannot know whether the doctor has heard of the patient's coming, so it says so again.
          assert.ok(named('id').size <= 2, 'and there was one more offer at most');
        }
        assert.equal(network.cuts, 1);
      } finally {
        await network.stop();
      }
    });
  }

  test('shows both sides the same code, with what to do with it, and another one for another connection', async () => {
    const { doctor, patient } = await consultation();
    const codes = async (page) => {
      await page.locator('#code-list dd').first().waitFor();
      return page.locator('#code-list dd').allTextContents();
    };
    const [code] = await codes(doctor);
    assert.match(code, /^(\d{4} ){4}\d{4}$/);
    assert.deepEqual(await codes(patient), [code]);
    await doctor.getByText('Read the digits to each other.').waitFor();
    await patient.click('[data-language=es]');
    await patient.getByText('Léanse los números en voz alta.').waitFor();
    for (const page of [doctor, patient]) assert.deepEqual(await misnamed(page), [], 'what is seen on a button is in its name');
    assert.deepEqual(await codes(patient), [code], 'in any language');
    const observer = await open(await doctor.inputValue('#link-observer'));
    await join(observer);
    await seesOthers(observer, 2);
    await doctor.locator('#code-list dd').nth(1).waitFor();
    const [, ofObserver] = await codes(doctor);
    assert.notEqual(ofObserver, code);
    await observer.locator('#code-list dd').nth(1).waitFor();
    assert.ok((await codes(observer)).includes(ofObserver));
    await patient.reload(); // which makes a new certificate
    await until(doctor, ({ peers }, code) => peers.some((peer) => peer.userType === 'patient' && peer.code && peer.code !== code), code);
    const { peers } = await doctor.evaluate(() => window.autamedica.stats());
    const { code: after } = peers.find((peer) => peer.userType === 'patient');
    await until(patient, ({ peers }, code) => peers.some((peer) => peer.code === code), after);
    assertClean(doctor, patient, observer);
  });

  test('tells the other side when camera and microphone are off', async () => {
    const { doctor, patient } = await consultation();
    const tile = doctor.locator('.tile.main');
    await patient.click('#camera');
    await tile.getByText('Camera off').waitFor();
    await patient.click('#microphone');
    await tile.getByLabel('Microphone off').waitFor();
    await patient.click('#camera');
    await tile.getByText('Camera off').waitFor({ state: 'hidden' });
    await doctor.reload();
    await tile.getByLabel('Microphone off').waitFor(); // one who comes later learns it too
    assertClean(doctor, patient);
  });

  test('goes on when an access token ends: a fresh one is fetched in time', async () => {
    const doctor = await open(server.url);
    let tokens = 0;
    await doctor.route('**/development/token?*', (route) => {
      tokens += 1;
      return route.continue({ url: route.request().url() + (tokens === 1 ? '&expiresIn=61' : '') }); // the server warns 60 s before
    });
    await join(doctor, 'doctor');
    await doctor.locator('.flow-row.out .flow-type:text("refresh-token")').waitFor();
    await doctor.locator('label', { hasText: 'Show pings and acknowledgements' }).click();
    await doctor.locator('.flow-row:has(.flow-type:text("refresh-token")) ~ .flow-row .flow-type:text("ack")').first().waitFor();
    assert.equal((await doctor.evaluate(() => window.autamedica.stats())).state, 'joined');
    assert.equal(tokens, 2);
    assertClean(doctor);
  });

  test('ends when one hangs up, and can be joined again', async () => {
    const { doctor, patient } = await consultation();
    await patient.click('#hangup');
    await patient.getByText('You have left the consultation').waitFor();
    await doctor.getByText('You are in the room. Waiting for the patient.').waitFor();
    await patient.reload();
    await patient.getByText('You are invited to a consultation as patient.').waitFor();
    await join(patient);
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    await patient.click('#hangup');
    await patient.click('#again');
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    assertClean(doctor, patient);
  });

  test('lets observers see both, without being seen', async () => {
    const { doctor, patient } = await consultation();
    const observer = await open(await doctor.inputValue('#link-observer'));
    await join(observer);
    await seesOthers(observer, 2);
    await patient.getByText('1 observer is watching').waitFor();
    const { peers } = await observer.evaluate(() => window.autamedica.stats());
    assert.deepEqual(peers.map((peer) => [peer.userType, peer.framesSent]).sort(), [['doctor', 0], ['patient', 0]]);
    const second = await open(await doctor.inputValue('#link-observer'));
    await join(second);
    await seesOthers(second, 2);
    await doctor.getByText('2 observers are watching').waitFor();
    assertClean(doctor, patient, observer, second);
  });

  test('works for one who has come without a camera, and with it once it is switched on', async () => {
    const doctor = await open(server.url);
    await join(doctor, 'doctor');
    const patient = await open(await doctor.inputValue('#link-patient'));
    await patient.click('text=Join without camera and microphone');
    await patient.getByText('You have joined without camera and microphone').waitFor();
    await seesOthers(patient);
    assert.equal((await doctor.evaluate(() => window.autamedica.stats())).peers[0].framesDecoded, 0);
    await patient.click('text=Use camera and microphone');
    await seesOthers(doctor);
    assertClean(doctor, patient);
  });

  test('shows every message of the negotiation, and no token', async () => {
    const { doctor } = await consultation();
    const titles = await doctor.locator('.flow-row:not(.routine) .flow-type').allTextContents();
    const types = [...new Set(titles.map((title) => title.split(' ')[0]))];
    for (const type of ['join-room', 'room-joined', 'peer-joined', 'room-status', 'offer', 'ice-candidate', 'answer']) {
      assert.ok(types.includes(type), type);
    }
    await doctor.locator('summary', { hasText: 'Offer' }).click();
    await doctor.getByText('a=fingerprint:sha-256').first().waitFor();
    assert.doesNotMatch(await doctor.content(), /eyJ/, 'a JWT begins like this');
  });

  test('says so when the seat is taken, and offers to look on', async () => {
    const { doctor, patient } = await consultation();
    const another = await open(doctor.url());
    await join(another);
    await another.getByText('The doctor is already here').waitFor();
    await another.getByText('Join as observer').click();
    await seesOthers(another, 2);
    assertClean(doctor, patient, another);
  });

  test('says so when the same person goes on in another window', async () => {
    const { doctor, patient } = await consultation();
    for (const [first, other] of [[doctor, patient], [patient, doctor]]) {
      const before = await connectionOf(other);
      const second = await first.context().newPage();
      await second.goto(first.url());
      await join(second);
      await first.getByText('You continue in another window').waitFor();
      await seesOthers(second);
      await seesOthers(other);
      // Not every browser lets a connection go on with somebody else's key.
      assert.notEqual(await connectionOf(other), before, 'a new window has a new connection');
      await first.click('text=Continue here');
      await second.getByText('You continue in another window').waitFor();
      await seesOthers(first);
      await seesOthers(other);
    }
    assertClean(doctor, patient);
  });

  test('says so when the token is refused', async () => {
    const doctor = await open(server.url);
    const forged = 'eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVkIGJ5IHNvbWVib2R5IGVsc2Ugd2hvIGlzIG5vdA';
    await doctor.route('**/development/token?*', (route) => route.fulfill({ json: { token: forged } }));
    await join(doctor, 'doctor');
    await doctor.getByText('Your access was refused').waitFor();
  });

  test('says so when the server gives no tokens, or the link is cut short', async () => {
    const doctor = await open(server.url);
    await doctor.route('**/development/token?*', (route) => route.fulfill({ status: 404 }));
    await join(doctor, 'doctor');
    await doctor.getByText('No access token was given out').waitFor();
    const patient = await open(`${server.url}/#session=0190-&role=patient`);
    await patient.getByText('This link is incomplete').waitFor();
    assertClean(patient);
  });

  test('fits a phone, in Spanish, before, during and after the call', async () => {
    const phone = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, locale: 'es-AR', colorScheme: 'dark' };
    const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    const { doctor, patient } = await consultation(phone);
    await patient.getByText('Conexión establecida con el médico.').waitFor();
    const lobby = await open(server.url, phone);
    for (const page of [doctor, patient, lobby]) assert.equal(await overflow(page), 0);
    for (const page of [doctor, patient]) {
      for (const button of await page.locator('.controls button:visible').all()) {
        const box = await button.boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= 360, 'the controls are all to be seen');
        assert.ok(box.y + box.height <= 740 && box.height >= 44 && box.width >= 44, 'and within reach of a thumb');
      }
    }
    await doctor.click('text=Compartir pantalla');
    await patient.getByText('Pantalla del médico').waitFor();
    for (const page of [doctor, patient]) assert.equal(await overflow(page), 0);
    await server.stop('SIGKILL');
    await patient.getByText(/Nuevo intento en \d+ s/).waitFor();
    assert.equal(await overflow(patient), 0);
    await patient.click('#hangup');
    await patient.getByText('Ha salido de la consulta').waitFor();
    assert.equal(await overflow(patient), 0);
  });

  test('can be led by keyboard alone', async () => {
    const doctor = await open(server.url);
    await doctor.locator('input[value=doctor]').focus();
    await doctor.keyboard.press('ArrowDown');
    assert.equal(await doctor.isChecked('input[value=patient]'), true);
    await doctor.keyboard.press('Tab');
    await doctor.keyboard.press('Enter');
    await until(doctor, (stats) => stats.state === 'joined' && stats.role === 'patient');
    await doctor.locator('#microphone').focus();
    await doctor.keyboard.press('Enter');
    await doctor.locator('#microphone', { hasText: 'Unmute' }).waitFor();
    assertClean(doctor);
  });
});

for (const [trouble, without, words] of [
  ['there is no camera and no microphone', '--use-fake-device', 'No camera and no microphone found'],
  ['the browser does not allow them', '--use-fake-ui', 'Camera and microphone are not allowed'],
]) {
  test(`a call works one way when ${trouble}`, { timeout: 300_000 }, async () => {
    const [server, poor, rich] = await Promise.all([startServer(), launch({ without }), launch()]);
    try {
      const doctor = await visit(rich, server.url);
      await join(doctor, 'doctor');
      const patient = await visit(poor, await doctor.inputValue('#link-patient'));
      await join(patient);
      await patient.getByText(words).waitFor();
      await seesOthers(patient);
      assert.deepEqual(patient.complaints, []);
    } finally {
      await Promise.all([poor.close(), rich.close(), server.stop()]);
    }
  });
}
