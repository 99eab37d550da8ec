/** Sharing a screen in the middle of a call: negotiated anew, on both sides at once, and over a network that comes and goes. */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { join, launch, seesOthers, until, visit } from './support/browser.js';
import { comes, consult, goesOn, linkFor, messages } from './support/consultation.js';
import { startProxy } from './support/proxy.js';
import { startServer } from './support/server.js';

describe('a shared screen', { timeout: 900_000 }, () => {
  let browser, server, network;

  before(async () => { browser = await launch(); });
  after(() => browser?.close());
  beforeEach(async () => {
    server = await startServer({ env: { RECONNECT_GRACE: '600' } }); // longer than any machine takes for what happens meanwhile
    network = await startProxy(server.port);
  });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await network?.stop();
    await server?.stop();
  });

  const connectionOf = async (page) => (await page.evaluate(() => window.autamedica.stats())).peers[0].connection;
  /** How many media sections an offer or answer has. */
  const sections = ({ sdp }) => sdp.sdp.match(/m=(audio|video) /g).length;
  const assertClean = (...all) => all.forEach((page) => assert.deepEqual(page.complaints, []));

  test('is seen beside the camera, also when the connection to the server was cut and resumed before', async () => {
    const { doctor, patient } = await consult(browser, network.url);
    const before = await connectionOf(patient);
    network.cut();
    for (const page of [doctor, patient]) {
      await comes(page, 'room-joined', 2);
      assert.deepEqual((await messages(page, 'room-joined')).map((joined) => joined.resumed), [false, true]);
    }
    await doctor.click('text=Share screen');
    await patient.getByText('Screen of the doctor').waitFor();
    await doctor.getByText('You are sharing your screen').waitFor();
    await goesOn(patient, 'framesDecoded', 'screenFramesDecoded');
    await goesOn(doctor, 'framesDecoded');
    assert.equal(await connectionOf(patient), before, 'in the media connection that there was');
  });

  test('goes away when it is stopped, in the page or in the browser, and can be shared again', async () => {
    const { doctor, patient } = await consult(browser, server.url);
    await patient.evaluate(() => {
      const choose = navigator.mediaDevices.getDisplayMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getDisplayMedia = async (options) => (window.chosen = await choose(options));
    });
    for (const stop of [
      () => patient.click('text=Stop sharing'),
      () => patient.evaluate(() => { // what the browser's own button does
        const [track] = window.chosen.getTracks();
        track.stop();
        track.dispatchEvent(new Event('ended'));
      }),
    ]) {
      await patient.click('text=Share screen');
      await doctor.getByText('Screen of the patient').waitFor();
      await goesOn(doctor, 'framesDecoded', 'screenFramesDecoded');
      await stop();
      await doctor.getByText('Screen of the patient').waitFor({ state: 'hidden' });
      await patient.getByText('You are sharing your screen').waitFor({ state: 'hidden' });
      await goesOn(doctor, 'framesDecoded');
    }
    const offers = await messages(patient, 'offer', 'out');
    assert.deepEqual(offers.map(sections), offers.map(() => 3), 'one section serves for all times');
    assertClean(doctor, patient);
  });

  test('of both, offered in the same moment, arrives on both sides', async () => {
    const { doctor, patient } = await consult(browser, network.url);
    const before = await connectionOf(doctor);
    const offered = (await messages(doctor, 'offer', 'out')).length;
    network.hold();
    await Promise.all([doctor, patient].map((page) => page.click('text=Share screen')));
    await comes(doctor, 'offer', offered + 1, 'out');
    await comes(patient, 'offer', 1, 'out');
    assert.deepEqual(await messages(doctor, 'offer'), [], 'neither knows of the other’s offer');
    const [mine, theirs] = [(await messages(doctor, 'offer', 'out')).at(-1).offerId, (await messages(patient, 'offer', 'out'))[0].offerId];
    network.release();
    await Promise.all([doctor, patient].map((page) => goesOn(page, 'framesDecoded', 'screenFramesDecoded')));
    const answered = async (page) => (await messages(page, 'answer', 'out')).map((answer) => answer.offerId);
    assert.ok((await messages(doctor, 'offer')).some((offer) => offer.offerId === theirs), 'the patient’s offer did come');
    assert.ok(!(await answered(doctor)).includes(theirs), 'and was passed over');
    assert.ok((await answered(patient)).includes(mine), 'since the doctor’s counts');
    const answers = await messages(doctor, 'answer');
    assert.equal(sections(answers.at(-1)), 3, 'one section carries both screens');
    for (const tile of [doctor.getByText('Screen of the patient'), patient.getByText('Screen of the doctor')]) await tile.waitFor();
    assert.equal(await connectionOf(doctor), before);
    for (const page of [doctor, patient]) await page.click('text=Stop sharing');
    for (const tile of [doctor.getByText('Screen of the patient'), patient.getByText('Screen of the doctor')]) await tile.waitFor({ state: 'hidden' });
    await Promise.all([doctor, patient].map((page) => goesOn(page, 'framesDecoded')));
    assertClean(doctor, patient);
  });

  test('and everything else goes on when the network of one side was away for ten seconds', async () => {
    const { doctor, patient } = await consult(browser, server.url, { patientUrl: network.url });
    const before = await connectionOf(doctor);
    network.goAway();
    const away = pause(10_000);
    await patient.getByText('The connection to the server was lost').waitFor();
    await patient.getByText('The call goes on meanwhile.').waitFor();
    await doctor.locator('.tool', { hasText: 'Mute the patient' }).click();
    await doctor.click('text=Share screen');
    await patient.click('text=Share screen');
    const counted = new Set();
    while (counted.size < 3) { // it is a countdown
      const words = await patient.locator('#countdown').textContent();
      if (words) counted.add(/^Trying again in (\d+) s\.$/.exec(words)[1]);
      await pause(200);
    }
    await away;
    assert.ok(network.refused >= 2, 'it has tried by itself, in vain');
    network.comeBack();
    await comes(patient, 'room-joined', 2);
    assert.deepEqual((await messages(patient, 'room-joined')).map((joined) => joined.resumed), [false, true]);
    await patient.getByText('The doctor has muted you').waitFor();
    await Promise.all([doctor, patient].map((page) => goesOn(page, 'framesDecoded', 'screenFramesDecoded')));
    assert.equal(await connectionOf(doctor), before);
    for (const page of [doctor, patient]) {
      for (const type of ['offer', 'answer', 'media-control']) {
        const ids = (await messages(page, type)).map((message) => message.id);
        assert.equal(new Set(ids).size, ids.length, `no ${type} came twice`);
      }
    }
    assert.equal((await messages(patient, 'media-control')).length, 1);
    assert.ok((await messages(doctor, 'offer')).length >= 1, 'what was said meanwhile has come');
  });

  test('is seen by an observer who comes later, and forgotten when its owner reloads the page', async () => {
    const { doctor, patient } = await consult(browser, server.url);
    await doctor.click('text=Share screen');
    await patient.getByText('Screen of the doctor').waitFor();
    const observer = await visit(browser, await linkFor(doctor, 'observer'));
    await join(observer);
    await seesOthers(observer, 2);
    await observer.getByText('Screen of the doctor').waitFor();
    await until(observer, (stats) => stats.peers.some((peer) => peer.userType === 'doctor' && peer.screenFramesDecoded > 5));
    assert.equal(await observer.locator('#screen').isVisible(), false, 'an observer shows nothing');
    await doctor.reload();
    for (const page of [patient, observer]) await page.getByText('Screen of the doctor').waitFor({ state: 'hidden' });
    await Promise.all([seesOthers(patient), seesOthers(observer, 2)]);
    assertClean(doctor, patient, observer);
  });

  test('is not offered where the browser cannot share one', async () => {
    const phone = await browser.newContext({ locale: 'en' });
    await phone.addInitScript(() => { delete MediaDevices.prototype.getDisplayMedia; });
    const page = await phone.newPage();
    await page.goto(server.url);
    await join(page, 'doctor');
    await page.locator('#camera').waitFor();
    assert.equal(await page.locator('#screen').isVisible(), false);
  });

  test('is explained when it fails, and not when one has changed one’s mind', async () => {
    const doctor = await visit(browser, server.url);
    await join(doctor, 'doctor');
    const failWith = (name) => doctor.evaluate((name) => {
      navigator.mediaDevices.getDisplayMedia = () => Promise.reject(new DOMException('', name));
    }, name);
    await failWith('NotReadableError');
    await doctor.click('text=Share screen');
    await doctor.getByText('The screen could not be shared').waitFor();
    await failWith('NotAllowedError');
    await doctor.click('text=Share screen');
    await doctor.getByText('The screen could not be shared').waitFor({ state: 'hidden' });
    assertClean(doctor);
  });
});
