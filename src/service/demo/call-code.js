// @ts-check
/**
 * A number that both sides of a call can compute, and that nobody in between can make the same for both (RFC 8827 9.1).
 *
 * Media is encrypted for the certificates whose fingerprints the descriptions carry. Whoever controls the signaling could
 * put fingerprints of their own in, and sit in the middle; then each side computes the code from other fingerprints. So two
 * people who see or know each other compare it aloud.
 *
 * Twenty digits and not fewer: nobody commits to a certificate before seeing the other's, so that whoever is in the middle may
 * try as many as they can while the call is being set up. Digits, since they are read out in any language.
 */

/** Names what is hashed, so that it means nothing elsewhere. */
const CONTEXT = 'autamedica call code 1';
const DIGITS = 20;

/**
 * The code, in groups of four digits: the same on both sides, whichever offered. Null where a side shows no fingerprint,
 * and where the browser does not compute hashes: it does so for https and for this same computer (127.0.0.1) only.
 *
 * @param {string | undefined} localSdp `pc.currentLocalDescription.sdp`
 * @param {string | undefined} remoteSdp `pc.currentRemoteDescription.sdp`
 */
export async function callCode(localSdp, remoteSdp) {
  const sides = [localSdp, remoteSdp].map((sdp) => fingerprints(sdp ?? '').join('\n'));
  if (sides.includes('') || !globalThis.crypto?.subtle) return null;
  const text = [CONTEXT, ...sides.sort()].join('\n\n');
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const number = hash.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const digits = (number % 10n ** BigInt(DIGITS)).toString().padStart(DIGITS, '0');
  return digits.replace(/(\d{4})(?=\d)/g, '$1 ');
}

/** The different fingerprints of a description, in one way of writing and in order. @param {string} sdp */
function fingerprints(sdp) {
  const found = [...sdp.matchAll(/^a=fingerprint:(.*)$/gmi)];
  return [...new Set(found.map(([, value]) => value.trim().toUpperCase()))].sort();
}
