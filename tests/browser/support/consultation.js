/** A doctor and a patient in a call, each with a browser's storage of their own. */
import { join, seesOthers, stats, until, visit } from './browser.js';

/**
 * Opens both and waits until they see each other. `patientUrl` is another way to the same server; `doctor` and `patient` are
 * options of their browser contexts.
 */
export async function consult(browser, url, { patientUrl = url, doctor: doctorOptions, patient: patientOptions } = {}) {
  const doctor = await visit(browser, url, doctorOptions);
  await join(doctor, 'doctor');
  const patient = await visit(browser, await linkFor(doctor, 'patient', patientUrl), patientOptions);
  await join(patient);
  await Promise.all([seesOthers(doctor), seesOthers(patient)]);
  return { doctor, patient };
}

/** The link that the page gives out, leading through `url`. */
export async function linkFor(page, role, url) {
  const link = await page.inputValue(`#link-${role}`);
  return url ? new URL(new URL(link).hash, url).href : link;
}

/** Waits until five more of each (`framesDecoded`, `screenFramesDecoded`) have come in from everyone. */
export async function goesOn(page, ...counters) {
  const first = (await stats(page)).peers;
  const begin = (userId, counter) => first.find((peer) => peer.userId === userId)?.[counter] ?? 0;
  await until(page, ({ peers }) => peers.length > 0 && peers.every((peer) => (
    counters.every((counter) => peer[counter] >= begin(peer.userId, counter) + 5))));
}

/** The messages of a type that the page shows, in order, as they went over the wire. `direction` is `in` or `out`. */
export async function messages(page, type, direction = 'in') {
  const texts = await rows(page, type, direction).locator('pre').allTextContents();
  return texts.map((text) => JSON.parse(text.replaceAll('\n    ', '')));
}

/** Waits until the page shows so many messages of a type. */
export function comes(page, type, count, direction = 'in') {
  return rows(page, type, direction).nth(count - 1).waitFor({ state: 'attached' });
}

function rows(page, type, direction) {
  return page.locator(`.flow-row.${direction}:has(.flow-type:text-is("${type}"))`);
}
