// @ts-check
/** What the stage shows: the others, their screens, and the user. */
import { counterpartName, counterparts, nameOf } from './people.js';
import { inSentence, text } from './texts.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./stage.js').Tile} Tile */
/** @typedef {import('./visit.js').Visit} Visit */

/** @param {Visit} visit @param {import('./invite.js').Invite} invite @returns {Tile[]} */
export function tiles(visit, invite) {
  const { role } = visit;
  const others = counterparts(visit);
  const shown = others.map((one) => otherTile(visit, one));
  if (others.length === 0) shown.push(waitingTile(role, invite));
  if (role !== 'observer') shown.push(ownTile(visit));
  return [...others.filter((one) => one.screen).map((one) => screenTile(visit, one)), ...shown];
}

/** @param {Visit} visit @param {import('./call.js').Participant} participant @returns {Tile} */
function otherTile(visit, participant) {
  const { userId, userType, audio, video, connectionState } = participant;
  const peer = visit.call.peers.get(userId);
  const state = peer?.state ?? 'new';
  const connected = state === 'connected';
  const words = state === 'failed' ? 'tile.failed' : state === 'disconnected' || connectionState === 'reconnecting' ? 'tile.interrupted'
    : !connected ? 'tile.connecting' : video === false ? 'tile.camera.off' : 'tile.nopicture';
  return {
    id: userId, name: nameOf(visit, userId), size: 'main', icon: userType, stream: peer?.stream,
    picture: connected && video !== false && Boolean(peer?.hasPicture),
    words: text(words), calm: words === 'tile.connecting', microphoneOff: connected && audio === false,
    tool: connected && visit.role === 'doctor' && userType === 'patient' ? microphoneTool(visit, participant) : undefined,
  };
}

/** What the doctor can do about the patient's microphone. @param {Visit} visit @param {import('./call.js').Participant} patient */
function microphoneTool(visit, { userId, audio }) {
  const who = inSentence('the.patient');
  const words = audio ? 'tool.mute' : visit.asked.has(userId) ? 'tool.asked' : 'tool.unmute';
  return { label: text(words, { who }), icon: audio ? 'microphone-off' : 'microphone', act: () => visit.controlMicrophone(userId, !audio) };
}

/** @param {Visit} visit @param {import('./call.js').Participant} participant @returns {Tile} */
function screenTile(visit, { userId, userType }) {
  const peer = visit.call.peers.get(userId);
  return {
    id: `${userId} screen`, name: text('tile.screen', { who: inSentence(`the.${userType}`) }), size: 'screen', icon: 'screen',
    stream: peer?.screen, picture: peer?.state === 'connected' && peer.hasScreen, words: text('tile.connecting'), calm: true,
  };
}

/** @param {UserType} role @param {import('./invite.js').Invite} invite @returns {Tile} */
function waitingTile(role, invite) {
  const waiting = { id: 'waiting', name: '', size: /** @type {'main'} */ ('main'), picture: false, calm: true };
  if (role === 'observer') return { ...waiting, icon: 'observer', words: text('tile.waiting.observer') };
  const other = role === 'doctor' ? 'patient' : 'doctor';
  return {
    ...waiting, icon: other,
    words: `${text('tile.waiting', { who: counterpartName(role) })}. ${text('tile.waiting.hint')}`,
    action: {
      label: invite.copied === other ? text('invite.copied') : text('invite.copy.for', { who: counterpartName(role) }),
      act: () => invite.copy(other),
    },
  };
}

/** @param {Visit} visit @returns {Tile} */
function ownTile({ role, media }) {
  return {
    id: 'own', name: text('you'), size: 'corner', icon: role, stream: media.stream, own: true, picture: media.isOn('video'),
    words: text(media.has('video') ? 'tile.camera.off' : 'tile.nopicture'), microphoneOff: !media.isOn('audio'),
  };
}
