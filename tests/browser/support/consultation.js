/** A doctor and a patient in a call, each with a browser's storage of their own. */
import { join, seesOthers, until, visit } from './browser.js';

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
  const totals = async () => (await page.evaluate(() => window.autamedica.stats())).peers;
  const first = await totals();
  return until(page, ({ peers }, { first, counters }) => peers.length > 0 && counters.every((counter) => (
    peers.every((peer, index) => peer[counter] >= (first[index]?.[counter] ?? 0) + 5))), { first, counters });
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
