/** A real Chromium with a made-up camera, and pages that report whatever a page should not do. */
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--use-fake-device-for-media-stream=fps=10', '--use-fake-ui-for-media-stream',
  // Without a network there would be no candidates.
  '--allow-loopback-in-peer-connection',
];

/** No step of a test takes longer, on the slowest machine. */
const PATIENCE_MS = 60_000;

/** @param {{ without?: string }} [options] `without`: leaves out the arguments that begin so */
export function launch({ without } = {}) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ARGUMENTS.filter((argument) => !without || !argument.startsWith(without)),
  });
}

/** Opens `url` as a person of one's own: a context with own storage. */
export async function visit(browser, url, options = {}) {
  const context = await browser.newContext({ locale: 'en', viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(url).origin && protocol !== 'data:') complaints.push(`request to ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(url).host) complaints.push(`connection to ${socket.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener('unhandledrejection', (event) => console.error(`unhandled: ${event.reason?.stack ?? event.reason}`));
    addEventListener('securitypolicyviolation', (event) => console.error(`against the policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(url);
  /** What a page should not have done. */
  page.complaints = complaints;
  return page;
}

/** Joins with whatever the page offers first. */
export async function join(page, role) {
  if (role) await page.check(`input[value=${role}]`);
  await page.click('#join .primary');
}

/** The page's own numbers: how the call is doing. */
export function stats(page) {
  return page.evaluate(() => window.autamedica.stats());
}

/**
 * Waits until the page's own numbers satisfy `condition`, which is called here, with them and `argument`. Playwright's
 * `waitForFunction` would not do: it takes the promise of an asynchronous function for the truth, and so waits for nothing.
 */
export async function until(page, condition, argument, patienceMs = PATIENCE_MS) {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const numbers = await stats(page);
    if (condition(numbers, argument)) return;
    if (performance.now() > deadline) throw new Error(`not so in time: ${condition}\n${JSON.stringify(numbers)}`);
    await pause(50);
  }
}

/** Waits until pictures come in, and go on coming, from `count` others. */
export function seesOthers(page, count = 1) {
  return page.evaluate(async ({ count, patienceMs }) => {
    const begin = performance.now(), first = new Map();
    for (;;) {
      const { peers } = await window.autamedica.stats();
      for (const { userId, framesDecoded } of peers) {
        if (framesDecoded < (first.get(userId) ?? Infinity)) first.set(userId, framesDecoded); // a new connection counts anew
      }
      const growing = peers.filter((peer) => peer.state === 'connected' && peer.framesDecoded >= first.get(peer.userId) + 5);
      if (growing.length >= count) return;
      if (performance.now() - begin > patienceMs) throw new Error(`no picture of ${count}: ${JSON.stringify(peers)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }, { count, patienceMs: PATIENCE_MS });
}

/**
 * The buttons and links whose accessible name lacks the text that is seen on them, so that somebody who speaks to the
 * computer could not name them by what they see (WCAG 2.5.3).
 */
export function misnamed(page) {
  return page.evaluate(() => {
    const words = (text) => ` ${text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, ' ').trim()} `;
    return [...document.querySelectorAll('button[aria-label], a[aria-label], summary[aria-label]')]
      .filter((element) => element.checkVisibility() && element.innerText.trim() !== '')
      .map((element) => [element.innerText.trim(), element.getAttribute('aria-label')])
      .filter(([seen, name]) => !words(name).includes(words(seen)));
  });
}
