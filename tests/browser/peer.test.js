/** The media connection by itself: two ends in one page, and between them a way on which messages wait until the test lets them go. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { launch, visit } from './support/browser.js';
import { startServer } from './support/server.js';

describe('a media connection', { timeout: 300_000 }, () => {
  let browser, server, page;

  before(async () => {
    [server, browser] = await Promise.all([startServer(), launch()]);
    page = await visit(browser, server.url);
  });
  after(() => Promise.all([browser?.close(), server?.stop()]));
  beforeEach(() => page.evaluate(connectTwo));

  test('comes about when an offer is said again before its answer has come', async () => {
    const { offers, troubles } = await page.evaluate(async () => {
      const { ends, offers, troubles, letGo, until } = window.pair;
      ends.doctor.negotiate();
      await until(() => offers.doctor.length >= 1);
      ends.doctor.restart(); // as after ten seconds without an answer
      await until(() => offers.doctor.length >= 2);
      letGo();
      await until(() => troubles.length > 0 || (ends.doctor.state === 'connected' && ends.patient.state === 'connected'));
      return { offers, troubles };
    });
    assert.deepEqual(troubles, []);
    assert.notEqual(offers.doctor[0].offerId, offers.doctor[1].offerId, 'so that each answer is known by its offer');
    for (const offer of offers.doctor) assert.deepEqual(sectionNames(offer), ['0', '1'], 'with the sections that it had');
  });

  test('carries the screens of both when they are offered at once, and one of the offers twice', async () => {
    const { offers, troubles } = await page.evaluate(async () => {
      const { ends, offers, answered, troubles, letGo, hold, share, until } = window.pair;
      letGo();
      ends.doctor.negotiate();
      await until(() => ends.doctor.state === 'connected' && ends.patient.state === 'connected');
      await until(() => answered.includes(offers.doctor.at(-1).offerId));
      hold();
      const before = offers.doctor.length;
      for (const name of ['doctor', 'patient']) share(name);
      await until(() => offers.doctor.length > before && offers.patient.length > 0);
      ends.doctor.restart();
      await until(() => offers.doctor.length > before + 1);
      letGo();
      await until(() => troubles.length > 0 || (ends.doctor.hasScreen && ends.patient.hasScreen));
      return { offers, troubles };
    });
    assert.deepEqual(troubles, []);
    assert.deepEqual(sectionNames(offers.doctor.at(-1)), ['0', '1', '2']);
  });
});

const sectionNames = ({ sdp }) => [...sdp.sdp.matchAll(/^a=mid:(\S+)/gm)].map(([, name]) => name);

/** Runs in the page: puts two ends into `window.pair`, and between them a way that holds everything back until `letGo()`. */
async function connectTwo() {
  const { Peer } = await import('/peer.js');
  const ends = {}, screens = {}, offers = { doctor: [], patient: [] }, answered = [], troubles = [];
  /** @type {(() => void)[] | null} */
  let held = [];
  for (const [name, other] of [['doctor', 'patient'], ['patient', 'doctor']]) {
    screens[name] = new MediaStream();
    const send = async (type, fields) => {
      const message = JSON.parse(JSON.stringify({ type, ...fields }));
      if (type === 'offer') offers[name].push(message);
      const pass = () => {
        if (type === 'answer') answered.push(message.offerId);
        ends[other].receive(message);
      };
      if (held) held.push(pass);
      else pass();
    };
    ends[name] = new Peer({
      userId: other, initiator: name === 'doctor', sends: true, receives: true, configuration: {}, send,
      stream: await navigator.mediaDevices.getUserMedia({ audio: true, video: true }), screen: screens[name],
    });
    ends[name].addEventListener('trouble', ({ detail }) => troubles.push(`${name}: ${detail}`));
  }
  window.pair = {
    ends, offers, troubles,
    /** The offers to which an answer was passed on. */
    answered,
    hold() { held = []; },
    letGo() {
      const waiting = held ?? [];
      held = null;
      for (const pass of waiting) pass();
    },
    share(name) {
      const canvas = document.createElement('canvas'), brush = canvas.getContext('2d');
      setInterval(() => brush.fillRect(Math.random() * 100, 0, 9, 9), 50);
      for (const track of canvas.captureStream(10).getTracks()) screens[name].addTrack(track);
      ends[name].tracksChanged();
    },
    async until(condition) {
      for (const begin = performance.now(); !condition();) {
        if (performance.now() - begin > 60_000) {
          throw new Error(`not so in time: ${condition}; ${ends.doctor.state}, ${ends.patient.state}; ${JSON.stringify(offers)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
