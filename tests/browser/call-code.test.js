/** The code that two people compare: the same on both sides, unless somebody is in the middle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callCode } from '../../src/service/demo/call-code.js';

const fingerprint = (byte) => `a=fingerprint:sha-256 ${Array(32).fill(byte).join(':')}\r\n`;
const sdp = (...bytes) => `v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n${bytes.map(fingerprint).join('a=mid:0\r\n')}a=setup:actpass\r\n`;
const [DOCTOR, PATIENT, MIDDLE] = ['4A', '5B', '6C'];

test('both sides have the same code, of digits in groups', async () => {
  const code = await callCode(sdp(DOCTOR), sdp(PATIENT));
  assert.match(code, /^(\d{4} ){4}\d{4}$/);
  assert.equal(await callCode(sdp(PATIENT), sdp(DOCTOR)), code);
  assert.equal(await callCode(sdp(DOCTOR, DOCTOR), sdp('5b')), code, 'however often and in whatever letters it is written');
  assert.equal(await callCode(sdp(DOCTOR, PATIENT), sdp(MIDDLE)), await callCode(sdp(MIDDLE), sdp(PATIENT, DOCTOR)));
});

test('one who puts fingerprints of their own in changes the code of either side, and not to the same', async () => {
  const honest = await callCode(sdp(DOCTOR), sdp(PATIENT));
  const ofDoctor = await callCode(sdp(DOCTOR), sdp(MIDDLE));
  const ofPatient = await callCode(sdp(PATIENT), sdp(MIDDLE));
  assert.equal(new Set([honest, ofDoctor, ofPatient]).size, 3);
  for (const added of [sdp(PATIENT, MIDDLE), sdp(PATIENT) + fingerprint(MIDDLE).replace('\r\n', ' \t\r\n'), sdp(PATIENT) + fingerprint(MIDDLE).toUpperCase().replace('A=', 'a=')]) {
    assert.notEqual(await callCode(sdp(DOCTOR), added), honest, 'also beside the right one');
  }
  // What belongs to the one side is not taken for the other's.
  assert.notEqual(await callCode(sdp(DOCTOR, PATIENT), sdp(MIDDLE)), await callCode(sdp(DOCTOR), sdp(PATIENT, MIDDLE)));
});

test('there is no code without a fingerprint, or where the browser computes no hashes', async (context) => {
  assert.equal(await callCode(sdp(DOCTOR), 'v=0\r\n'), null);
  assert.equal(await callCode(undefined, sdp(DOCTOR)), null);
  context.mock.getter(globalThis, 'crypto', () => ({})); // as on http:// elsewhere than on this computer
  assert.equal(await callCode(sdp(DOCTOR), sdp(PATIENT)), null);
});
