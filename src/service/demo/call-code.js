// @ts-check
/**
 * A number that both sides of a call can compute, and that nobody in between can make the same for both (RFC 8827 9.1).
 *
 * Media is encrypted for the certificates whose fingerprints are in the descriptions. An attacker who controls the
 * signaling could replace the fingerprints and act as a man in the middle. But then each side computes the code from
 * different fingerprints. So two people who see or know each other compare the code aloud.
 *
 * It has twenty digits: nobody commits to a certificate before seeing the other's, so an attacker may try as many as
 * possible while the call is being set up. Digits can be read out in any language.
 */

/** Names the purpose of the hash, so that it is useless for any other. */
const CONTEXT = 'autamedica call code 1';
const DIGITS = 20;

/**
 * The code, in groups of four digits: the same on both sides, whichever offered. Null if a side has no fingerprint, or
 * if the browser does not compute hashes: it does so only for https and for this same computer (127.0.0.1).
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

/** The distinct fingerprints of a description, normalised and sorted. @param {string} sdp */
function fingerprints(sdp) {
  const found = [...sdp.matchAll(/^a=fingerprint:(.*)$/gmi)];
  return [...new Set(found.map(([, value]) => value.trim().toUpperCase()))].sort();
}
