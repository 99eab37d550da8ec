// @ts-check
/** The page: what is to be seen, and what the buttons do. */
import { Flow } from './flow.js';
import * as links from './link.js';
import { SignalingError } from './signaling-client.js';
import { Stage } from './stage.js';
import { currentLanguage, hasText, inSentence, preferredLanguage, setLanguage, text } from './texts.js';
import { Visit } from './visit.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./stage.js').Tile} Tile */
/** @typedef {{ tone: 'busy' | 'good' | 'warn' | 'bad', words: string, detail?: string }} Status */
/** @typedef {{ key: string, who?: string, code?: string, again?: string, act?: () => void }} Notice */

/** @template {HTMLElement} [E=HTMLElement] @param {string} id @returns {E} */
const $ = (id) => /** @type {E} */ (document.getElementById(id));

const stage = new Stage($('stage'));
const flow = new Flow($('flow'), nameOf);

/** What the address asks for. */
let link = links.readLink();
/** @type {'lobby' | 'room' | 'over'} */
let screen = 'lobby';
/** @type {Visit | null} */
let visit = null;
/** Why the last visit is over; null where one has hung up. @type {SignalingError | null} */
let ending = null;
let soundBlocked = false;
/** @type {UserType | null} Whose link has just been copied. */
let copied = null;

/** @param {UserType} role @param {boolean} withMedia */
function join(role, withMedia) {
  const { sessionId } = link;
  link = { ...link, role };
  links.remember({ sessionId, role, withMedia });
  flow.clear();
  const mine = new Visit({ sessionId, userId: links.identity(sessionId, role), role, withMedia });
  visit = mine;
  mine.addEventListener('change', render);
  mine.addEventListener('traffic', (event) => flow.add(/** @type {CustomEvent} */ (event).detail));
  mine.addEventListener('over', (event) => {
    ending = /** @type {CustomEvent} */ (event).detail;
    again = () => join(role, !mine.withoutMedia);
    visit = null;
    soundBlocked = false;
    links.forget();
    show('over');
  });
  show('room');
  mine.join();
}

/** What the button after a visit does. */
let again = () => show('lobby');

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
  if (screen === 'room' && visit) renderRoom(visit);
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

/** @param {Visit} visit */
function renderRoom(visit) {
  const { tone, words, detail = '' } = status(visit);
  $('status').dataset.tone = tone;
  setText($('status-words'), words);
  setText($('status-detail'), detail);
  $('retry-now').hidden = visit.signaling.state !== 'waiting';
  renderCountdown();
  renderNotices(visit);
  stage.render(tiles(visit));
  renderWatching(visit);
  renderControls(visit);
  renderLinks(visit);
}

function renderCountdown() {
  const seconds = Math.max(1, Math.ceil(((visit?.retryAt ?? 0) - Date.now()) / 1000));
  setText($('countdown'), visit?.signaling.state === 'waiting' ? text('status.retry.in', { seconds }) : '');
}

function renderOver() {
  const code = ending?.code;
  const key = code === undefined ? 'over.left' : problemKey(code, 'problem.other');
  const who = inSentence(`the.${link.role ?? 'doctor'}`);
  setText($('over-title'), text(key, { who }));
  setText($('over-text'), text(`${key}.text`, { code: `${code}${ending?.message && ending.message !== code ? `: ${ending.message}` : ''}` }));
  setText($('again'), text(code === undefined ? 'over.rejoin' : code === 'REPLACED' ? 'over.takeback' : 'over.retry'));
  $('again').hidden = code === 'SESSION_ENDED' || code === 'bad-link';
  $('observe').hidden = code !== 'ROLE_TAKEN';
}

/** @param {Visit} visit @returns {Status} */
function status({ role, asking, signaling, call }) {
  if (asking) return { tone: 'busy', words: text('status.permission') };
  const others = counterparts();
  const main = others[0];
  const state = main && call.peers.get(main.userId)?.state;
  if (signaling.state === 'waiting') {
    const why = problemKey(signaling.problem?.code, 'problem.CONNECTION_LOST');
    const detail = state === 'connected' ? text('status.reconnecting.call') : text(`${why}.text`);
    return { tone: 'warn', words: `${text(why)}.`, detail };
  }
  if (signaling.state !== 'joined') return { tone: 'busy', words: text('status.connecting') };
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

/** @param {Visit} visit @returns {Tile[]} */
function tiles({ role, media }) {
  const others = counterparts().map(otherTile);
  if (others.length === 0) others.push(waitingTile(role));
  return role === 'observer' ? others : [...others, ownTile(role, media)];
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

/** @param {UserType} role @param {Visit['media']} media @returns {Tile} */
function ownTile(role, media) {
  return {
    id: 'own', name: text('you'), size: 'corner', icon: role, stream: media.stream, own: true, picture: media.isOn('video'),
    words: text(media.has('video') ? 'tile.camera.off' : 'tile.nopicture'), microphoneOff: !media.isOn('audio'),
  };
}

/** Who looks on is never a secret. @param {Visit} visit */
function renderWatching({ role, call }) {
  const count = [...call.participants.values()].filter((one) => one.userType === 'observer').length;
  const words = count === 0 || role === 'observer' ? '' : text(count === 1 ? 'watching.one' : 'watching.many', { count });
  setText($('watching'), words);
}

/** What went wrong, each with what to do about it. @param {Visit} visit */
function renderNotices(visit) {
  const { media, call } = visit;
  /** @type {Notice[]} */
  const notices = [];
  if (media.problem) {
    const act = media.problem === 'insecure' ? undefined : () => visit.openMedia();
    notices.push({ key: `problem.${media.problem}`, again: 'problem.media.again', act });
  } else if (visit.withoutMedia) {
    notices.push({ key: 'problem.without', again: 'problem.without.again', act: () => visit.openMedia() });
  }
  for (const [userId, peer] of call.peers) {
    if (peer.state === 'connected') continue;
    const who = inSentence(`the.${visit.known.get(userId) ?? 'observer'}`);
    if (peer.iceFailures > 0) notices.push({ key: 'problem.ice-failed', who, again: 'over.retry', act: () => call.retry() });
    if (visit.disagreement?.userId === userId) notices.push({ key: 'problem.negotiation', who, code: visit.disagreement.code });
  }
  if (soundBlocked) notices.push({ key: 'problem.sound-blocked', again: 'problem.sound-blocked.again', act: playAloud });
  const wanted = JSON.stringify([currentLanguage(), notices]);
  if ($('notices').dataset.shown === wanted) return; // or a screen reader would say it again
  $('notices').dataset.shown = wanted;
  $('notices').replaceChildren(...notices.map(noticeElement));
}

/** @param {Notice} notice */
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

/** @param {Visit} visit */
function renderControls({ role, media, asking }) {
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

/** @param {Visit} visit */
function renderLinks({ role }) {
  const taken = [role, ...counterparts().map((one) => one.userType)];
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
    input.value = links.linkFor(link.sessionId, one);
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
    await navigator.clipboard.writeText(links.linkFor(link.sessionId, role));
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

/** Those whom one sees, the doctor first. */
function counterparts() {
  const others = [...(visit?.call.participants.values() ?? [])].filter((one) => one.userType !== 'observer');
  return others.sort((a, b) => a.userType.localeCompare(b.userType));
}

/** @param {UserType} role */
function counterpartName(role) {
  return inSentence(role === 'doctor' ? 'the.patient' : 'the.doctor');
}

/** What to call somebody. @param {string} userId */
function nameOf(userId) {
  const own = visit?.client.userId;
  const userType = visit?.known.get(userId);
  if (userId === own) return text('you');
  if (!userType) return text('flow.others');
  const same = [...visit?.known ?? []].filter(([id, type]) => type === userType && id !== own).map(([id]) => id);
  return text(`role.${userType}`) + (same.length > 1 ? ` ${same.indexOf(userId) + 1}` : '');
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
$('hangup').addEventListener('click', () => visit?.leave());
$('microphone').addEventListener('click', () => visit?.toggle('audio'));
$('camera').addEventListener('click', () => visit?.toggle('video'));
$('retry-now').addEventListener('click', () => visit?.client.check());
$('again').addEventListener('click', () => again());
$('observe').addEventListener('click', () => join('observer', false));
$('new').addEventListener('click', () => location.assign(location.pathname));
$('routine').addEventListener('change', (event) => flow.showRoutine(/** @type {HTMLInputElement} */ (event.target).checked));
for (const button of document.querySelectorAll('[data-language]')) {
  button.addEventListener('click', () => {
    setLanguage(/** @type {any} */ (button).dataset.language);
    flow.render();
    render();
  });
}
stage.addEventListener('sound-blocked', () => {
  soundBlocked = true;
  render();
});
addEventListener('hashchange', () => location.reload());
setInterval(renderCountdown, 250);

/** For tests and for the curious: how the call is doing. */
Object.defineProperty(window, 'autamedica', { value: Object.freeze({
  stats: async () => ({
    screen, state: visit?.signaling.state ?? 'idle', role: visit?.role, sessionId: link.sessionId, userId: visit?.client.userId,
    peers: await visit?.call.stats() ?? [],
  }),
}) });

setLanguage(preferredLanguage());
if (link.broken) {
  ending = new SignalingError('bad-link');
  show('over');
} else {
  if (link.role) /** @type {HTMLInputElement} */ ($('join').querySelector(`[value=${link.role}]`)).checked = true;
  const interrupted = links.interrupted(link);
  if (interrupted) join(interrupted.role, interrupted.withMedia); // reloaded in the middle of a call
  else show('lobby');
}
