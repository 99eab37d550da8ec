/** What the other tests wait with: it must wait, and must give up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/browser.js';

/** A page whose numbers count how often they were asked for. */
function countingPage() {
  let asked = 0;
  return { evaluate: async () => ({ asked: ++asked }) };
}

test('waiting for a page’s numbers lasts until they are so', async () => {
  const page = countingPage();
  await until(page, ({ asked }, wanted) => asked === wanted, 3);
  assert.equal((await page.evaluate()).asked, 4);
});

test('waiting for what never comes fails, and says what the numbers were', async () => {
  await assert.rejects(until(countingPage(), () => false, null, 10), /"asked":/);
});
