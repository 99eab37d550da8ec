/** The operator's dashboard against a real server: empty, busy, failing, guarded, small, in Spanish and in the dark. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, misnamed, visit } from './support/browser.js';
import { startServer } from './support/server.js';

const ADMIN = { ADMIN_ADDR: '127.0.0.1:0' };
let browser, server;
const scratch = [];

before(async () => {
  browser = await launch();
  server = await startServer({ env: ADMIN });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await Promise.all(scratch.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Keeps a picture where somebody wants to look at it: SCREENSHOTS names the folder. */
async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: true });
}

const open = (options, url = server.adminUrl) => visit(browser, `${url}/`, options);
const state = (page, wanted) => page.waitForSelector(`#health[data-state=${wanted}]`);

/** So many consultations, in which offers pass; they last as long as the page. */
async function consultations(count, everyMs) {
  const page = await visit(browser, `${server.url}/`);
  await page.evaluate(async ({ count, everyMs }) => {
    const sdp = `v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 ${Array(32).fill('4A').join(':')}\r\n`
      + 'm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=sendrecv\r\n';
    const enter = async (query) => {
      const ticket = await (await fetch(`/development/token?${query}`)).json();
      const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/ws`, ['autamedica.v1', `bearer.${ticket.token}`]);
      await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
      const joined = new Promise((done) => { socket.onmessage = ({ data }) => { if (JSON.parse(data).type === 'room-joined') done(); }; });
      socket.send(JSON.stringify({ type: 'join-room', sessionId: ticket.sessionId, userId: ticket.userId, userType: ticket.userType }));
      await joined;
      return { socket, ...ticket };
    };
    window.heard = [];
    for (let index = 0; index < count; index++) {
      const doctor = await enter('userType=doctor');
      if (index % 4 === 3) continue;
      const patient = await enter(`userType=patient&sessionId=${doctor.sessionId}`);
      patient.socket.addEventListener('close', ({ code }) => window.heard.push(code));
      setInterval(() => doctor.socket.send(JSON.stringify({
        type: 'offer', sessionId: doctor.sessionId, fromUserId: doctor.userId, toUserId: patient.userId, sdp: { type: 'offer', sdp },
      })), everyMs);
    }
  }, { count, everyMs });
  return page;
}

test('a server at rest is well at a glance, in the dark and in Spanish', async () => {
  const page = await open();
  await state(page, 'ok');
  assert.equal(await page.textContent('#health-title'), 'All is well');
  assert.equal(await page.textContent('#freshness'), 'Live');
  assert.equal(await page.textContent('#tile-connections .value'), '0');
  assert.match(await page.textContent('#audit'), /is written/);
  assert.match(await page.textContent('#events'), /The server started/);
  assert.equal(await page.getAttribute('.health-words', 'aria-live'), 'polite');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'light');
  await picture(page, 'empty');

  assert.deepEqual(await misnamed(page), []);
  await page.click('[data-language=es]');
  assert.equal(await page.textContent('#health-title'), 'Todo va bien');
  assert.deepEqual(await misnamed(page), []);
  assert.equal(await page.getAttribute('html', 'lang'), 'es');
  await page.click('#theme');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  await page.reload();
  await state(page, 'ok');
  assert.equal(await page.textContent('#health-title'), 'Todo va bien', 'both are remembered');
  assert.equal(await page.getAttribute('html', 'data-theme'), 'dark');
  assert.deepEqual(page.complaints, []);
  await page.context().close();

  const spanish = await open({ locale: 'es-AR', colorScheme: 'dark' });
  await state(spanish, 'ok');
  assert.equal(await spanish.textContent('#health-title'), 'Todo va bien', 'the browser says so');
  assert.equal(await spanish.getAttribute('html', 'data-theme'), 'dark');
  assert.deepEqual(spanish.complaints, []);
  await spanish.context().close();
});

test('what goes on is shown, and what an operator does there is done', async () => {
  const calls = await consultations(8, 100);
  const page = await open();
  await page.waitForFunction(() => document.querySelector('#tile-connections .value')?.textContent === '14');
  await page.waitForFunction(() => Number(document.querySelector('#tile-messages .value')?.firstChild.textContent) > 10);
  await page.waitForFunction(() => document.querySelectorAll('#chart-latency .curve').length === 3 && document.querySelector('#chart-latency .curve').getAttribute('d').length > 20);
  assert.match(await page.textContent('#tile-sessions .more'), /6 active, 2 waiting/);
  assert.match(await page.getAttribute('#chart-messages', 'aria-label'), /^Messages: \d/);
  assert.equal(await page.locator('.room').count(), 8);
  assert.deepEqual(await misnamed(page), []);
  const text = await page.textContent('#rooms');
  assert.doesNotMatch(text, /[0-9a-f]{8}-[0-9a-f]{4}/, 'no ids, only pseudonyms');
  if (process.env.SCREENSHOTS) await page.waitForTimeout(Number(process.env.BUSY_MS ?? 8_000));
  await picture(page, 'busy');
  await page.setViewportSize({ width: 1920, height: 1080 });
  await picture(page, 'wall');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.click('[data-language=es]');
  await picture(page, 'busy-dark-es');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.click('[data-language=en]');

  // By keyboard alone, with a way back.
  const end = page.locator('.room:has(.chip.active) > button').first();
  await end.focus();
  await page.keyboard.press('Enter');
  assert.match(await page.textContent('#confirm-title'), /End this session/);
  await picture(page, 'confirm');
  await page.keyboard.press('Escape');
  await page.waitForSelector('#confirm', { state: 'hidden' });
  assert.deepEqual(await calls.evaluate(() => window.heard), []);
  await end.click();
  await page.click('#confirm-yes');
  await page.waitForFunction(() => document.querySelector('#toast').textContent === 'Done, and recorded.');
  await calls.waitForFunction(() => window.heard.includes(4410));
  await page.waitForFunction(() => document.querySelectorAll('.room').length === 7);
  await page.waitForFunction(() => document.querySelector('#events').textContent.includes('session ended'));

  await page.click('.person:has-text("Patient") button:has-text("Remove")');
  await page.click('#confirm-yes');
  await calls.waitForFunction(() => window.heard.includes(4403));
  await page.waitForFunction(() => document.querySelectorAll('.person').length === 11);
  await page.click('.person:has-text("Patient") button:has-text("Revoke")');
  await page.selectOption('#duration', '3600');
  await page.click('#confirm-yes');
  await calls.waitForFunction(() => window.heard.filter((code) => code === 4403).length === 2);
  await page.waitForFunction(() => document.querySelector('#revocations').textContent === '1 in force.');
  await page.selectOption('#log-level', 'warn');
  await page.click('#confirm-yes');
  await page.waitForFunction(() => document.querySelector('#events').textContent.includes('log level set'));
  assert.deepEqual(page.complaints, []);
  await Promise.all([page, calls].map((one) => one.context().close()));
});

test('a phone needs no sideways scrolling, and every button can be hit', async () => {
  const calls = await consultations(4, 200);
  const page = await open({ viewport: { width: 360, height: 740 }, hasTouch: true });
  await page.waitForSelector('.room');
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `${wide} px wide`);
  await picture(page, 'phone');
  const small = await page.locator('button:visible').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height).filter((height) => height < 31));
  assert.deepEqual(small, []);
  assert.deepEqual(page.complaints, []);
  await Promise.all([page, calls].map((one) => one.context().close()));
});

test('a log that cannot be written is told in words, and so is a server that is gone', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'autamedica-'));
  scratch.push(folder);
  const env = { ...ADMIN, AUDIT_DIR: join(folder, 'audit') };
  const first = await startServer({ env });
  await first.stop();
  // As on a full disk: no file takes a byte.
  const failing = await startServer({ env, before: "trap '' XFSZ && ulimit -f 0" });
  const page = await open({}, failing.adminUrl);
  await state(page, 'critical');
  assert.equal(await page.textContent('#health-title'), 'Action needed');
  assert.match(await page.textContent('#health-reasons'), /audit log cannot be written: nobody new is let in/);
  assert.match(await page.textContent('#parts'), /cannot be written.*refused/);
  await picture(page, 'failing');
  assert.deepEqual(page.complaints, []);
  await failing.stop('SIGKILL');
  await page.waitForSelector('#freshness[data-state=stale]');
  await page.waitForFunction(() => /No answer\. Data is \d+ s old/.test(document.querySelector('#age').textContent));
  assert.match(await page.textContent('#health-reasons'), /does not answer this page/);
  await picture(page, 'gone');
  await page.context().close();
});

test('where there is a token the page asks for it, and forgets it with the tab', async () => {
  const token = 'what only the administrator can know here';
  const guarded = await startServer({ env: { ...ADMIN, ADMIN_TOKEN: token } });
  const page = await open({}, guarded.adminUrl);
  await page.waitForSelector('#sign-in[open]');
  await picture(page, 'sign-in');
  await page.fill('#token', 'not this one');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#sign-in-wrong').textContent === 'This is not the token.');
  await page.fill('#token', token);
  await page.keyboard.press('Enter');
  await state(page, 'ok');
  await page.reload();
  await state(page, 'ok');
  assert.equal(await page.evaluate(() => Object.values(localStorage).join()), '');
  const other = await page.context().newPage();
  await other.goto(`${guarded.adminUrl}/`);
  await other.waitForSelector('#sign-in[open]');
  // Chromium itself tells of each 401.
  assert.deepEqual(page.complaints.filter((complaint) => !complaint.includes('401')), []);
  await page.context().close();
  await guarded.stop();
});
