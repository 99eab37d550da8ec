// @ts-check
/**
 * The consultation and the role: read from the URL, and stored so that a reload comes back as the same person.
 *
 * A link names the session and a role in its fragment, which browsers do not send to servers; it never holds a token.
 *
 * @typedef {import('./signaling-client.js').UserType} UserType
 * @typedef {{ sessionId: string, role: UserType | null, broken: boolean }} Link
 * @typedef {{ sessionId: string, role: UserType, withMedia: boolean, off?: ('audio' | 'video')[] }} Plan a visit in progress;
 *   `off`: the devices that are switched off, which a reload must not switch on
 */

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ROLES = ['doctor', 'patient', 'observer'];

/** What the URL asks for; a new session if it names none. @returns {Link} */
export function readLink() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const sessionId = fragment.get('session'), role = fragment.get('role');
  if (sessionId === null && role === null) return { sessionId: randomUuid(), role: null, broken: false };
  const broken = !UUID.test(sessionId ?? '') || (role !== null && !ROLES.includes(role));
  return { sessionId: sessionId ?? '', role: /** @type {UserType | null} */ (broken ? null : role), broken };
}

/** @param {string} sessionId @param {UserType} role */
export function linkFor(sessionId, role) {
  return `${location.origin}${location.pathname}#session=${sessionId}&role=${role}`;
}

/**
 * The id of the person with this role here. For an observer it belongs to the tab; for doctor and patient it belongs to
 * the browser, so that they can come back to their place after closing the window.
 * @param {string} sessionId @param {UserType} role
 */
export function identity(sessionId, role) {
  const stores = role === 'observer' ? ['sessionStorage'] : ['sessionStorage', 'localStorage'];
  const stored = stores.map((store) => read(store, `autamedica.${role}`)).find((one) => one?.sessionId === sessionId);
  const userId = UUID.test(stored?.userId) ? stored.userId : randomUuid();
  for (const store of stores) write(store, `autamedica.${role}`, { sessionId, userId });
  return userId;
}

/** From now on a reload rejoins by itself. @param {Plan} plan */
export function remember(plan) {
  history.replaceState(null, '', linkFor(plan.sessionId, plan.role));
  write('sessionStorage', 'autamedica.visit', plan);
}

/** The visit was left for good. */
export function forget() {
  write('sessionStorage', 'autamedica.visit', null);
}

/** The visit that a reload has interrupted. @param {Link} link @returns {Plan | null} */
export function interrupted(link) {
  const plan = read('sessionStorage', 'autamedica.visit');
  return plan && plan.sessionId === link.sessionId && plan.role === link.role ? plan : null;
}

// A browser may forbid storage. Then a reload is a new person.

/** @param {string} store @param {string} key @returns {any} */
function read(store, key) {
  try {
    return JSON.parse(/** @type {any} */ (window)[store].getItem(key) ?? 'null');
  } catch {
    return null;
  }
}

/** @param {string} store @param {string} key @param {unknown} value */
function write(store, key, value) {
  try {
    /** @type {any} */ (window)[store].setItem(key, JSON.stringify(value));
  } catch {
    // as above
  }
}

/** Version 4 (RFC 9562 5.4). `crypto.randomUUID` exists in secure contexts only. */
function randomUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
