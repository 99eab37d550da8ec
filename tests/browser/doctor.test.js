/** What only the doctor can do: mute, ask, and end the session for everyone. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { join, launch, seesOthers, visit } from './support/browser.js';
import { consult, linkFor } from './support/consultation.js';
import { startServer } from './support/server.js';

describe('the doctor', { timeout: 900_000 }, () => {
  let browser, server;

  before(async () => { browser = await launch(); });
  after(() => browser?.close());
  beforeEach(async () => { server = await startServer(); });
  afterEach(async () => {
    await Promise.all(browser.contexts().map((context) => context.close()));
    await server?.stop();
  });

  const assertClean = (...all) => all.forEach((page) => assert.deepEqual(page.complaints, []));

  test('mutes the patient, and can only ask for the microphone to be switched on again', async () => {
    const { doctor, patient } = await consult(browser, server.url);
    const tool = (words) => doctor.locator('.tile.main .tool', { hasText: words });
    const muted = doctor.locator('.tile.main').getByLabel('Microphone off');
    const microphone = patient.locator('#microphone');
    await tool('Mute the patient').click();
    await muted.waitFor();
    await patient.getByText('The doctor has muted you').waitFor();
    await patient.click('.notice >> text=Unmute');
    await tool('Mute the patient').waitFor();
    await patient.locator('.notice').waitFor({ state: 'detached' });

    await tool('Mute the patient').click();
    await tool('Ask to unmute').click();
    await tool('Asked').waitFor();
    await patient.getByText('The doctor asks you to switch your microphone on').waitFor();
    assert.equal(await microphone.textContent(), 'Unmute', 'it is still off');
    await patient.click('text=Not now');
    await patient.locator('.notice').waitFor({ state: 'detached' });
    assert.equal(await microphone.textContent(), 'Unmute', 'and stays so');
    await patient.reload();
    await seesOthers(patient);
    await muted.waitFor();
    assert.equal(await microphone.textContent(), 'Unmute', 'over a reload as well');

    await tool('Ask to unmute').click();
    await patient.getByText('The doctor asks you to switch your microphone on').waitFor();
    await patient.click('#microphone');
    await patient.locator('.notice').waitFor({ state: 'detached' });
    await muted.waitFor({ state: 'hidden' });
    assert.equal(await patient.locator('.tool:visible, #end:visible').count(), 0, 'a patient can do nothing of this');
    assertClean(doctor, patient);
  });

  test('can do the same to a camera with other software', async () => {
    const { doctor, patient } = await consult(browser, server.url, { patient: { locale: 'es' } });
    const { sessionId, userId } = await doctor.evaluate(() => window.autamedica.stats());
    const wish = (video) => doctor.evaluate(async ({ sessionId, userId, video }) => { // what another client of the doctor's would do
      const { SignalingClient } = await import('/signaling-client.js');
      const getToken = async () => (await (await fetch(`/development/token?${new URLSearchParams({ sessionId, userId, userType: 'doctor' })}`)).json()).token;
      const client = new SignalingClient({ sessionId, userId, userType: 'doctor', getToken });
      const { participants } = await client.connect();
      await client.controlMedia(participants.find((one) => one.userType === 'patient').userId, { video });
    }, { sessionId, userId, video });
    await wish(false);
    await patient.getByText('El médico ha apagado su cámara').waitFor();
    assert.equal(await patient.locator('#camera').textContent(), 'Encender cámara');
    await wish(true);
    await patient.getByText('El médico le pide que encienda su cámara').waitFor();
    assert.equal(await patient.locator('#camera').textContent(), 'Encender cámara');
    await patient.locator('.notice').getByText('Encender cámara').click();
    await patient.locator('.notice').waitFor({ state: 'detached' });
    assert.equal(await patient.locator('#camera').textContent(), 'Apagar cámara');
  });

  test('ends the session for everyone, once that is confirmed', async () => {
    const { doctor, patient } = await consult(browser, server.url, { patient: { locale: 'es-AR' } });
    const observer = await visit(browser, await linkFor(doctor, 'observer'));
    await join(observer);
    await seesOthers(observer, 2);
    assert.equal(await observer.locator('#end').isVisible(), false);

    const dialog = doctor.getByRole('dialog', { name: 'End the consultation for everyone?' });
    for (const change of [() => dialog.getByText('Go on with it').click(), () => doctor.keyboard.press('Escape')]) {
      await doctor.click('#end');
      await dialog.waitFor();
      await change();
      await dialog.waitFor({ state: 'hidden' });
    }
    await Promise.all([seesOthers(doctor), seesOthers(patient)]);
    await doctor.click('#end');
    await dialog.getByRole('button', { name: 'End for all' }).click();
    await doctor.getByText('You have ended the consultation').waitFor();
    await patient.getByText('El médico ha terminado la consulta').waitFor();
    await observer.getByText('The doctor has ended the consultation').waitFor();
    for (const page of [doctor, patient, observer]) assert.equal(await page.locator('#again').isVisible(), false, 'there is no way back');
    await patient.reload();
    await join(patient);
    await patient.getByText('La consulta ha terminado').waitFor();
    assertClean(doctor, patient, observer);
  });

  test('learns with everyone when the session has lasted as long as it may', async () => {
    const doctor = await visit(browser, server.url);
    await doctor.routeWebSocket('**/ws', (page) => {
      const server = page.connectToServer();
      server.onMessage((message) => {
        page.send(message);
        const { type, sessionId } = JSON.parse(message);
        if (type !== 'room-joined') return;
        page.send(JSON.stringify({ type: 'room-status', sessionId, status: 'ended', reason: 'age-limit' }));
        page.close({ code: 4410 });
      });
    });
    await join(doctor, 'doctor');
    await doctor.getByText('The consultation has reached its longest time').waitFor();
    assertClean(doctor);
  });
});
