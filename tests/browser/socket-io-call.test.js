/** Calls between two Chromium pages that signal over Socket.IO, and between such a page and a plain one; and a page of another origin. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { join, launch, seesOthers, visit } from './support/browser.js';
import { serveBundle } from './support/bundle.js';
import { persons } from './support/apps.js';
import { startServer } from './support/server.js';

describe('a call over Socket.IO', { timeout: 600_000 }, () => {
  let browser, server;
  before(async () => {
    browser = await launch();
    server = await startServer({ env: { THREADS: '2' } });
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const open = async (url) => {
    const page = await visit({
      newContext: async (options) => {
        const context = await browser.newContext(options);
        await serveBundle(context);
        return context;
      },
    }, url);
    return page;
  };
  const withQuery = (url, query) => {
    const changed = new URL(url);
    changed.search = query;
    return changed.href;
  };

  const SOCKET_IO = '?transport=socket.io', POLLING = '?transport=socket.io&by=polling', PLAIN = '';
  for (const [what, doctorQuery, patientQuery] of [
    ['both over Socket.IO', SOCKET_IO, SOCKET_IO],
    ['both by polling', POLLING, POLLING],
    ['the doctor over Socket.IO, the patient plain', SOCKET_IO, PLAIN],
    ['the doctor plain, the patient over Socket.IO', PLAIN, SOCKET_IO],
  ]) {
    test(what, async () => {
      const doctor = await open(withQuery(server.url, doctorQuery));
      await join(doctor, 'doctor');
      const patient = await open(withQuery(await doctor.inputValue('#link-patient'), patientQuery));
      await join(patient);
      await Promise.all([seesOthers(doctor), seesOthers(patient)]);
      assert.deepEqual([doctor.complaints, patient.complaints], [[], []]);
      await Promise.all([doctor, patient].map((page) => page.context().close()));
    });
  }

  test('a page of another origin comes in with credentials, by both ways', async () => {
    const pages = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>app</title>'));
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const origin = `http://127.0.0.1:${pages.address().port}`;
    const strict = await startServer({ env: { CORS_ORIGIN: origin } });
    const context = await browser.newContext();
    await serveBundle(context);
    const page = await context.newPage();
    await page.goto(origin);
    for (const transports of [['polling'], ['polling', 'websocket'], ['websocket']]) {
      const [{ token, sessionId }] = persons();
      const way = await page.evaluate(async ({ url, auth, transports }) => {
        const client = '/socket.io/socket.io.esm.min.js';
        const { io } = await import(client);
        const socket = io(url, { auth, transports, withCredentials: true, extraHeaders: { 'x-app': 'doctors' }, forceNew: true });
        await new Promise((connected, failed) => {
          socket.on('connect', connected);
          socket.on('connect_error', failed);
        });
        const engine = socket.io.engine;
        if (transports.length > 1 && engine.transport.name === 'polling') await new Promise((done) => engine.once('upgrade', done));
        const { ok } = await socket.emitWithAck('ping', {});
        socket.disconnect();
        return [ok, engine.transport.name];
      }, { url: strict.url, auth: { token, sessionId }, transports });
      assert.deepEqual(way, [true, transports.at(-1)]);
    }
    await context.close();
    await strict.stop();
    pages.close();
  });
});
