/** The code in docs/javascript.md does what the document says: it is taken from there, word for word, and run. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile, copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { launch, visit } from './support/browser.js';
import { JWT_SECRET, startServer } from './support/server.js';

const DOCUMENT = new URL('../../docs/javascript.md', import.meta.url);
const CLIENT = new URL('../../src/service/demo/signaling-client.js', import.meta.url);

describe('docs/javascript.md', { timeout: 300_000 }, () => {
  let server, browser, snippets, directory;
  const sessionId = randomUUID();
  const people = { doctor: randomUUID(), patient: randomUUID(), observer: randomUUID() };

  before(async () => {
    const text = await readFile(DOCUMENT, 'utf8');
    snippets = Object.fromEntries([...text.matchAll(/```js (\w+)\n(.*?)```/gs)].map(([, name, code]) => [name, code]));
    directory = await mkdtemp(join(tmpdir(), 'autamedica-docs-'));
    [server, browser] = await Promise.all([startServer({ env: { RECONNECT_GRACE: '2' } }), launch()]);
  });
  after(() => Promise.all([browser?.close(), server?.stop(), rm(directory, { recursive: true, force: true })]));

  /** A token made by the document's own code. */
  const token = async (userType) => {
    const file = join(directory, 'backend.mjs');
    await writeFile(file, `${snippets.backend}\nexport { mintToken };`);
    const { mintToken } = await import(file);
    return mintToken({ secret: JWT_SECRET, userId: people[userType], userType, sessionId });
  };

  /** Runs a piece of code in a page that has what the document presupposes. */
  const run = async (name, userType) => {
    const page = await visit(browser, server.url);
    const given = { sessionId, userId: people[userType], userType, token: await token(userType), signalingUrl: `${server.url}/ws`.replace('http', 'ws') };
    const code = snippets[name].replace(/^import (\{.*?\}) from ('.*?');/m, 'const $1 = await import($2);');
    await page.evaluate(`(async () => {
      const { sessionId, userId, userType, token, signalingUrl } = ${JSON.stringify(given)};
      const fetchToken = async () => token;
      const localStream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      const remoteVideo = document.body.appendChild(document.createElement('video'));
      Object.assign(remoteVideo, { id: 'remote', autoplay: true, muted: true });
      ${code}
    })()`);
    return page;
  };

  const showsPicture = (page) => page.waitForFunction(() => document.querySelector('#remote').videoWidth > 0, null, { timeout: 60_000, polling: 100 });

  test('its client example and its plain example make a call with each other, watched from Node', async () => {
    await copyFile(CLIENT, join(directory, 'signaling-client.js'));
    await writeFile(join(directory, 'package.json'), '{"type":"module"}');
    await writeFile(join(directory, 'watch.js'), snippets.node);
    const hasWebSocket = typeof WebSocket === 'function';
    const watcher = spawn(process.execPath, [...(hasWebSocket ? [] : ['--experimental-websocket']), join(directory, 'watch.js')], {
      env: { SIGNALING_URL: `${server.url}/ws`, TOKEN: await token('observer'), SESSION_ID: sessionId, USER_ID: people.observer },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface({ input: watcher.stdout })[Symbol.asyncIterator]();
      const nextLine = async () => (await lines.next()).value;
      assert.equal(await nextLine(), '1 in the room');
      const doctor = await run('client', 'doctor');
      assert.equal(await nextLine(), 'doctor has joined');
      const patient = await run('plain', 'patient');
      assert.equal(await nextLine(), 'patient has joined');
      assert.equal(await nextLine(), 'the room is active');
      await Promise.all([showsPicture(doctor), showsPicture(patient)]);
      assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
      await patient.close();
      assert.match(await nextLine(), /^somebody has left: /);
    } finally {
      watcher.kill();
    }
  });

  test('its client example makes a call on both sides, also after one has come back', async () => {
    const doctor = await run('client', 'doctor');
    let patient = await run('client', 'patient');
    await Promise.all([showsPicture(doctor), showsPicture(patient)]);
    await patient.close();
    patient = await run('client', 'patient');
    await showsPicture(patient);
    assert.deepEqual([...doctor.complaints, ...patient.complaints], []);
  });
});
