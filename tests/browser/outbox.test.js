/** What piles up in the client while there is no network arrives, within the limits of a real server. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { persons } from './support/apps.js';
import { launch, visit } from './support/browser.js';
import { startProxy } from './support/proxy.js';
import { startServer } from './support/server.js';

describe('what a client of a real server says without a network', { timeout: 120_000 }, () => {
  /** A page with a client in it that is joined; it keeps the candidates that it gets. */
  const joined = async (browser, url, person) => {
    const page = await visit(browser, url);
    await page.evaluate(async ({ token, sessionId, userId, role }) => {
      const { SignalingClient } = await import('/signaling-client.js');
      const client = new SignalingClient({ getToken: () => token, sessionId, userId, userType: role, retryFirstMs: 200, retryMaxMs: 200 });
      const got = [], refused = [];
      client.addEventListener('ice-candidate', ({ detail }) => got.push(detail.candidate.candidate));
      client.addEventListener('error', ({ detail }) => refused.push(detail.code));
      Object.assign(window, { client, got, refused });
      await client.connect();
    }, person);
    return page;
  };

  /** The doctor says all of that while the network is away. What became of it, and what the patient got. */
  const sayOffline = async (env, candidates, states) => {
    const server = await startServer({ env });
    const [network, browser] = await Promise.all([startProxy(server.port), launch()]);
    try {
      const [doctorWho, patientWho] = persons();
      const doctor = await joined(browser, network.url, doctorWho);
      const patient = await joined(browser, server.url, patientWho);
      network.goAway();
      await doctor.waitForFunction(() => window.client.state !== 'joined');
      await doctor.evaluate(({ toUserId, candidates, states }) => {
        const { client } = window;
        const sent = Array.from({ length: candidates }, (_, number) => client.sendCandidate(toUserId, { candidate: `${number}` }));
        for (let number = 0; number < states; number += 1) sent.push(client.send('connection-state', { state: 'connected' }));
        window.outcome = Promise.all(sent.map((one) => one.then(() => 'accepted', (problem) => problem.code)));
      }, { toUserId: patientWho.userId, candidates, states });
      network.comeBack();
      const outcome = await doctor.evaluate(() => window.outcome);
      await patient.waitForFunction((count) => window.got.length >= count, candidates);
      return { outcome: [...new Set(outcome)], got: await patient.evaluate(() => window.got), refused: await doctor.evaluate(() => window.refused) };
    } finally {
      await Promise.all([browser.close(), network.stop()]);
      await server.stop();
    }
  };

  const numbers = (count) => Array.from({ length: count }, (_, number) => `${number}`);

  test('is all accepted, and arrives once and in order, though it is more than the server takes at once', async () => {
    const { outcome, got, refused } = await sayOffline({}, 250, 0);
    assert.deepEqual({ outcome, refused }, { outcome: ['accepted'], refused: [] });
    assert.deepEqual(got, numbers(250));
  });

  test('is all accepted where it is of the kind that the server takes least of', async () => {
    const { outcome, refused } = await sayOffline({}, 0, 60);
    assert.deepEqual({ outcome, refused }, { outcome: ['accepted'], refused: [] });
  });

  test('arrives once also where an operator allows less than the client thinks', async () => {
    const { outcome, got, refused } = await sayOffline({ SIGNAL_RATE: '20', SIGNAL_BURST: '30' }, 80, 0);
    assert.ok(refused.length > 0 && refused.every((code) => code === 'RATE_LIMITED'), refused.join());
    assert.deepEqual(outcome, ['accepted']);
    assert.deepEqual(got.toSorted((a, b) => a - b), numbers(80));
  });
});
