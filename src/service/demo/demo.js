// @ts-check
/** The page: what is to be seen, and what the buttons do. */
import { Call } from './call.js';
import { Flow } from './flow.js';
import { Media } from './media.js';
import { SignalingClient, SignalingError } from './signaling-client.js';
import { Stage } from './stage.js';
import { currentLanguage, hasText, inSentence, preferredLanguage, setLanguage, text } from './texts.js';
import * as visits from './visits.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./signaling-client.js').StateChange} StateChange */
/** @typedef {import('./stage.js').Tile} Tile */
/** @typedef {{ tone: 'busy' | 'good' | 'warn' | 'bad', words: string, detail?: string }} Status */

/** @template {HTMLElement} [E=HTMLElement] @param {string} id @returns {E} */
const $ = (id) => /** @type {E} */ (document.getElementById(id));

const media = new Media();
const stage = new Stage($('stage'));
const flow = new Flow($('flow'), nameOf);

/** What the address asks for. */
let link = visits.readLink();
/** @type {'lobby' | 'room' | 'over'} */
let screen = 'lobby';
/** The call while there is one. @type {{ role: UserType, client: SignalingClient, call: Call } | null} */
let visit = null;
/** @type {StateChange | null} */
let signaling = null;
/** Why there is no call any more; null where one has hung up. @type {SignalingError | null} */
let ending = null;
let asking = false;
let withoutMedia = false;
let soundBlocked = false;
let retryAt = 0;
/** @type {{ userId: string, code: string } | null} A connection that could not be agreed on. */
let disagreement = null;
/** @type {Map<string, UserType>} Everybody who has ever been in the room. */
const known = new Map();

// --- the way in and out ---------------------------------------------------------------------------------------------

/** @param {UserType} role @param {boolean} withMedia */
async function join(role, withMedia) {
  const sessionId = link.sessionId;
  link = { ...link, role };
  visits.remember({ sessionId, role, withMedia });
  known.clear();
  flow.clear();
  ending = null;
  withoutMedia = !withMedia && role !== 'observer';
  show('room');
  if (withMedia && role !== 'observer') await openMedia();
  if (screen !== 'room') return; // hung up while the browser asked
  const userId = visits.identity(sessionId, role);
  known.set(userId, role);
  const client = new SignalingClient({
    sessionId, userId, userType: role,
    getToken: () => developmentToken(sessionId, userId, role),
    media: { audio: media.isOn('audio'), video: media.isOn('video') },
  });
  const call = new Call(client, media.stream);
  visit = { role, client, call };
  client.addEventListener('traffic', (event) => trafficSeen(/** @type {CustomEvent} */ (event).detail));
  client.addEventListener('state', (event) => stateChanged(client, /** @type {CustomEvent} */ (event).detail));
  call.addEventListener('change', render);
  call.addEventListener('trouble', (event) => {
    const { participant, problem } = /** @type {CustomEvent} */ (event).detail;
    if (participant) disagreement = { userId: participant.userId, code: problem.code ?? problem.name };
    render();
  });
  client.connect().catch(() => {}); // `state` tells
}

async function openMedia() {
  asking = true;
  render();
  await media.open();
  asking = false;
  withoutMedia = false;
  visit?.call.tracksChanged();
  tellMedia();
  render();
}

/** Only the development server gives tokens to whoever asks. @param {string} sessionId @param {string} userId @param {UserType} userType */
async function developmentToken(sessionId, userId, userType) {
  const query = new URLSearchParams({ sessionId, userId, userType });
  let response;
  try {
    response = await fetch(`/development/token?${query}`, { cache: 'no-store' });
  } catch (cause) {
    throw new SignalingError('UNREACHABLE', 'the server cannot be reached', { cause });
  }
  if (response.status === 429 || response.status === 503) throw new SignalingError('RATE_LIMITED');
  if (!response.ok) throw new SignalingError('TOKEN_REFUSED', `HTTP ${response.status}`, { final: true });
  return (await response.json()).token;
}

/** @param {SignalingClient} client @param {StateChange} change */
function stateChanged(client, change) {
  if (client !== visit?.client) return;
  signaling = change;
  retryAt = Date.now() + change.retryInMs;
  if (change.state === 'closed') {
    ending = change.problem;
    endVisit();
  }
  render();
}

function endVisit() {
  visit?.call.close();
  visit = null;
  signaling = null;
  disagreement = null;
  soundBlocked = false;
  media.close();
  visits.forget();
  show('over');
}

function hangUp() {
  if (visit) {
    visit.client.leave(); // which ends in `stateChanged`
  } else {
    endVisit();
  }
}

/** @param {import('./signaling-client.js').Traffic} traffic */
function trafficSeen(traffic) {
  const { message } = traffic;
  for (const one of [message, ...(message.participants ?? [])]) {
    if (one.userId && one.userType) known.set(one.userId, one.userType);
  }
  flow.add(traffic);
}

function tellMedia() {
  if (signaling?.state !== 'joined') return;
  visit?.client.sendMedia({ audio: media.isOn('audio'), video: media.isOn('video') });
}

// --- what is to be seen ---------------------------------------------------------------------------------------------

/** @param {'lobby' | 'room' | 'over'} next */
function show(next) {
  screen = next;
  for (const id of ['lobby', 'room', 'over']) $(id).hidden = id !== next;
  render();
  $(next).querySelector('h1')?.focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

function render() {
  document.documentElement.lang = currentLanguage();
  document.title = text('page.title');
  for (const element of document.querySelectorAll('[data-text]')) {
    element.textContent = text(/** @type {HTMLElement} */ (element).dataset.text ?? '');
  }
  for (const element of document.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', text(/** @type {HTMLElement} */ (element).dataset.label ?? ''));
  }
  for (const button of document.querySelectorAll('[data-language]')) {
    button.setAttribute('aria-pressed', String(/** @type {HTMLElement} */ (button).dataset.language === currentLanguage()));
  }
  if (screen === 'lobby') renderLobby();
  if (screen === 'room') renderRoom();
  if (screen === 'over') renderOver();
}

function renderLobby() {
  const role = chosenRole();
  $('invited').hidden = !link.role;
  if (link.role) setText($('invited'), text('lobby.invited', { role: inSentence(`role.${link.role}`).toLocaleLowerCase() }));
  $('hint').hidden = Boolean(link.role);
  const [withMedia, without] = /** @type {NodeListOf<HTMLElement>} */ ($('join').querySelectorAll('button'));
  setText(withMedia, text(role === 'observer' ? 'lobby.join.observer' : 'lobby.join'));
  without.hidden = role === 'observer';
  setText($('permission'), text(role === 'observer' ? 'lobby.permission.observer' : 'lobby.permission'));
}

function renderRoom() {
  const role = visit?.role ?? link.role ?? 'doctor';
  const { tone, words, detail = '' } = status(role);
  $('status').dataset.tone = tone;
  setText($('status-words'), words);
  setText($('status-detail'), detail);
  $('retry-now').hidden = signaling?.state !== 'waiting';
  renderCountdown();
  renderNotices();
  stage.render(tiles(role));
  renderWatching(role);
  renderControls(role);
  renderLinks(role);
}

function renderCountdown() {
  const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
  setText($('countdown'), signaling?.state === 'waiting' ? text('status.retry.in', { seconds }) : '');
}

function renderOver() {
  const code = ending?.code;
  const key = code === undefined ? 'over.left' : problemKey(code, 'problem.other');
  const who = inSentence(`the.${link.role ?? 'doctor'}`);
  setText($('over-title'), text(key, { who }));
  setText($('over-text'), text(`${key}.text`, { code: `${code}${ending?.message && ending.message !== code ? `: ${ending.message}` : ''}` }));
  const again = code === undefined ? 'over.rejoin' : code === 'REPLACED' ? 'over.takeback' : 'over.retry';
  setText($('again'), text(again));
  $('again').hidden = code === 'SESSION_ENDED' || code === 'bad-link';
  $('observe').hidden = code !== 'ROLE_TAKEN';
}

/** @param {UserType} role @returns {Status} */
function status(role) {
  if (asking) return { tone: 'busy', words: text('status.permission') };
  const others = counterparts(role);
  const main = others[0];
  const state = main ? visit?.call.peers.get(main.userId)?.state : undefined;
  if (signaling?.state === 'waiting') {
    const why = problemKey(signaling.problem?.code, 'problem.CONNECTION_LOST');
    const detail = state === 'connected' ? text('status.reconnecting.call') : text(`${why}.text`);
    return { tone: 'warn', words: `${text(why)}.`, detail };
  }
  if (signaling?.state !== 'joined') return { tone: 'busy', words: text('status.connecting') };
  if (!main) {
    const words = role === 'observer' ? text('status.waiting.observer') : text('status.waiting', { who: counterpartName(role) });
    return { tone: 'busy', words };
  }
  const who = others.map((one) => inSentence(`the.${one.userType}`)).join(currentLanguage() === 'es' ? ' y ' : ' and ');
  if (state === 'connected') return { tone: 'good', words: text('status.connected', { who }), detail: text('status.connected.detail') };
  if (main.connectionState === 'reconnecting') return { tone: 'warn', words: text('status.away', { who }) };
  if (state === 'disconnected') return { tone: 'warn', words: text('status.interrupted', { who }) };
  if (state === 'failed') return { tone: 'bad', words: text('status.failed', { who }) };
  return { tone: 'busy', words: text('status.negotiating', { who }) };
}

/** @param {UserType} role @returns {Tile[]} */
function tiles(role) {
  const others = counterparts(role).map(otherTile);
  if (others.length === 0) others.push(waitingTile(role));
  return role === 'observer' ? others : [...others, ownTile(role)];
}

/** @param {import('./call.js').Participant} participant @returns {Tile} */
function otherTile({ userId, userType, audio, video, connectionState }) {
  const peer = visit?.call.peers.get(userId);
  const state = peer?.state ?? 'new';
  const connected = state === 'connected';
  const words = state === 'failed' ? 'tile.failed' : state === 'disconnected' || connectionState === 'reconnecting' ? 'tile.interrupted'
    : !connected ? 'tile.connecting' : video === false ? 'tile.camera.off' : 'tile.nopicture';
  return {
    id: userId, name: nameOf(userId), size: 'main', icon: userType, stream: peer?.stream,
    picture: connected && video !== false && Boolean(peer?.hasPicture),
    words: text(words), calm: words === 'tile.connecting', microphoneOff: connected && audio === false,
  };
}

/** @param {UserType} role @returns {Tile} */
function waitingTile(role) {
  const waiting = { id: 'waiting', name: '', size: /** @type {'main'} */ ('main'), picture: false, calm: true };
  if (role === 'observer') return { ...waiting, icon: 'observer', words: text('tile.waiting.observer') };
  const other = role === 'doctor' ? 'patient' : 'doctor';
  return {
    ...waiting, icon: other,
    words: `${text('tile.waiting', { who: counterpartName(role) })}. ${text('tile.waiting.hint')}`,
    action: { label: copied === other ? text('invite.copied') : text('invite.copy.for', { who: counterpartName(role) }), act: () => copyLink(other) },
  };
}

/** @param {UserType} role @returns {Tile} */
function ownTile(role) {
  return {
    id: 'own', name: text('you'), size: 'corner', icon: role, stream: media.stream, own: true, picture: media.isOn('video'),
    words: text(media.has('video') ? 'tile.camera.off' : 'tile.nopicture'), microphoneOff: !media.isOn('audio'),
  };
}

/** Who looks on is never a secret. @param {UserType} role */
function renderWatching(role) {
  const count = [...(visit?.call.participants.values() ?? [])].filter((one) => one.userType === 'observer').length;
  const words = count === 0 || role === 'observer' ? '' : text(count === 1 ? 'watching.one' : 'watching.many', { count });
  setText($('watching'), words);
}

/** What went wrong, each with what to do about it. */
function renderNotices() {
  /** @type {{ key: string, who?: string, code?: string, again?: string, act?: () => void }[]} */
  const notices = [];
  if (media.problem) {
    notices.push({ key: `problem.${media.problem}`, again: media.problem === 'insecure' ? undefined : 'problem.media.again', act: openMedia });
  } else if (withoutMedia) {
    notices.push({ key: 'problem.without', again: 'problem.without.again', act: openMedia });
  }
  for (const [userId, peer] of visit?.call.peers ?? []) {
    const who = inSentence(`the.${known.get(userId) ?? 'observer'}`);
    if (peer.state === 'connected') {
      if (disagreement?.userId === userId) disagreement = null;
    } else if (peer.iceFailures > 0) {
      notices.push({ key: 'problem.ice-failed', who, again: 'over.retry', act: () => visit?.call.retry() });
    }
    if (disagreement?.userId === userId) notices.push({ key: 'problem.negotiation', who, code: disagreement.code });
  }
  if (soundBlocked) notices.push({ key: 'problem.sound-blocked', again: 'problem.sound-blocked.again', act: playAloud });
  const wanted = JSON.stringify([currentLanguage(), notices]);
  if ($('notices').dataset.shown === wanted) return; // or a screen reader would say it again
  $('notices').dataset.shown = wanted;
  $('notices').replaceChildren(...notices.map(noticeElement));
}

/** @param {{ key: string, who?: string, code?: string, again?: string, act?: () => void }} notice */
function noticeElement({ key, who = '', code = '', again, act }) {
  const box = document.createElement('div');
  box.className = 'notice';
  box.dataset.problem = key;
  box.innerHTML = '<svg aria-hidden="true"><use href="#icon-notice"/></svg><div><strong></strong><p></p></div>';
  setText(/** @type {HTMLElement} */ (box.querySelector('strong')), text(key, { who }));
  setText(/** @type {HTMLElement} */ (box.querySelector('p')), text(`${key}.text`, { who, code }));
  if (again && act) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'small';
    setText(button, text(again));
    button.onclick = act;
    box.append(button);
  }
  return box;
}

/** @param {UserType} role */
function renderControls(role) {
  for (const [id, kind, on, off] of /** @type {const} */ ([
    ['microphone', 'audio', 'control.mute', 'control.unmute'],
    ['camera', 'video', 'control.camera.off', 'control.camera.on'],
  ])) {
    const button = /** @type {HTMLButtonElement} */ ($(id));
    const isOn = media.isOn(kind);
    button.hidden = role === 'observer';
    button.disabled = asking;
    button.classList.toggle('off', !isOn);
    button.querySelector('use')?.setAttribute('href', `#icon-${id}${isOn ? '' : '-off'}`);
    setText(/** @type {HTMLElement} */ (button.querySelector('span')), text(isOn ? on : off));
  }
  setText(/** @type {HTMLElement} */ ($('hangup').querySelector('span')), text(role === 'observer' ? 'control.leave' : 'control.hangup'));
}

/** @type {UserType | null} Whose link has just been copied. */
let copied = null;

/** @param {UserType} role */
function renderLinks(role) {
  const taken = [role, ...counterparts(role).map((one) => one.userType)];
  const wanted = /** @type {UserType[]} */ (['doctor', 'patient', 'observer']).filter((one) => one === 'observer' || !taken.includes(one));
  const shown = JSON.stringify([currentLanguage(), wanted, copied, link.sessionId]);
  if ($('links').dataset.shown === shown) return;
  $('links').dataset.shown = shown;
  const focused = document.activeElement?.id;
  $('links').replaceChildren(...wanted.map((one) => {
    const who = inSentence(`the.${one}`);
    const row = document.createElement('div');
    row.className = 'link';
    row.innerHTML = '<label></label><input readonly><button type="button" class="small"></button>';
    const [label, input, button] = /** @type {[HTMLLabelElement, HTMLInputElement, HTMLButtonElement]} */ ([...row.children]);
    setText(label, text('invite.link', { who }));
    label.htmlFor = input.id = `link-${one}`;
    input.value = visits.linkFor(link.sessionId, one);
    input.onfocus = () => input.select();
    button.id = `copy-${one}`;
    setText(button, text(copied === one ? 'invite.copied' : 'invite.copy'));
    button.setAttribute('aria-label', copied === one ? text('invite.copied') : text('invite.copy.for', { who }));
    button.onclick = () => copyLink(one);
    return row;
  }));
  if (focused?.startsWith('copy-')) $(focused)?.focus();
}

/** @param {UserType} role */
async function copyLink(role) {
  try {
    await navigator.clipboard.writeText(visits.linkFor(link.sessionId, role));
    copied = role;
    setTimeout(() => {
      copied = null;
      render();
    }, 2000);
    render();
  } catch {
    $(`link-${role}`)?.focus(); // selects it, to be copied by hand
  }
}

// --- small parts ----------------------------------------------------------------------------------------------------

/** Those whom this role sees, the doctor first. @param {UserType} role */
function counterparts(role) {
  const others = [...(visit?.call.participants.values() ?? [])].filter((one) => one.userType !== 'observer');
  return others.sort((a, b) => a.userType.localeCompare(b.userType)).filter((one) => role !== 'observer' || visit?.call.peers.has(one.userId));
}

/** @param {UserType} role */
function counterpartName(role) {
  return inSentence(role === 'doctor' ? 'the.patient' : 'the.doctor');
}

/** What to call somebody. @param {string} userId */
function nameOf(userId) {
  const userType = known.get(userId);
  if (userId === visit?.client.userId) return text('you');
  if (!userType) return text('flow.others');
  const same = [...known].filter(([id, type]) => type === userType && id !== visit?.client.userId);
  return same.length < 2 ? text(`role.${userType}`) : `${text(`role.${userType}`)} ${same.findIndex(([id]) => id === userId) + 1}`;
}

/** The words for an error code. @param {string | undefined} code @param {string} otherwise */
function problemKey(code, otherwise) {
  const same = { TOKEN_EXPIRED: 'TOKEN_INVALID', UNAUTHORIZED: 'TOKEN_INVALID', TOKEN_UNAVAILABLE: 'UNREACHABLE', TIMEOUT: 'UNREACHABLE',
    SERVER_FULL: 'RATE_LIMITED', HEARTBEAT_TIMEOUT: 'CONNECTION_LOST', TOO_SLOW: 'CONNECTION_LOST', INTERNAL: 'CONNECTION_LOST' };
  const key = `problem.${/** @type {Record<string, string>} */ (same)[code ?? ''] ?? code}`;
  return hasText(key) ? key : otherwise;
}

function playAloud() {
  soundBlocked = false;
  stage.unmute();
  render();
}

/** Text that is set again is read out again, so only what has changed is set. @param {HTMLElement} element @param {string} words */
function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

/** @returns {UserType} */
function chosenRole() {
  return /** @type {UserType} */ (new FormData(/** @type {HTMLFormElement} */ ($('join'))).get('role') ?? 'doctor');
}

// --- the start ------------------------------------------------------------------------------------------------------

$('join').addEventListener('submit', (event) => {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement | null} */ (/** @type {SubmitEvent} */ (event).submitter);
  join(chosenRole(), button?.value !== 'nothing');
});
$('join').addEventListener('change', render);
$('hangup').addEventListener('click', hangUp);
$('retry-now').addEventListener('click', () => visit?.client.check());
$('again').addEventListener('click', () => join(link.role ?? 'doctor', !withoutMedia));
$('observe').addEventListener('click', () => join('observer', false));
$('new').addEventListener('click', () => location.assign(location.pathname));
$('routine').addEventListener('change', (event) => flow.showRoutine(/** @type {HTMLInputElement} */ (event.target).checked));
for (const [id, kind] of /** @type {const} */ ([['microphone', 'audio'], ['camera', 'video']])) {
  $(id).addEventListener('click', () => {
    if (!media.has(kind)) return openMedia();
    media.toggle(kind);
    tellMedia();
  });
}
for (const button of document.querySelectorAll('[data-language]')) {
  button.addEventListener('click', () => {
    setLanguage(/** @type {any} */ (button).dataset.language);
    flow.render();
    render();
  });
}
media.addEventListener('change', () => {
  visit?.call.tracksChanged();
  render();
});
stage.addEventListener('sound-blocked', () => {
  soundBlocked = true;
  render();
});
addEventListener('hashchange', () => location.reload());
setInterval(renderCountdown, 250);

/** For tests and for the curious: how the call is doing. */
Object.defineProperty(window, 'autamedica', { value: Object.freeze({
  stats: async () => ({
    screen, state: signaling?.state ?? 'idle', role: visit?.role, sessionId: link.sessionId, userId: visit?.client.userId,
    peers: await visit?.call.stats() ?? [],
  }),
}) });

setLanguage(preferredLanguage());
if (link.broken) {
  ending = new SignalingError('bad-link');
  show('over');
} else {
  if (link.role) /** @type {HTMLInputElement} */ ($('join').querySelector(`[value=${link.role}]`)).checked = true;
  const interrupted = visits.interrupted(link);
  if (interrupted) join(interrupted.role, interrupted.withMedia); // reloaded in the middle of a call
  else show('lobby');
}
