// @ts-check
/** The page: what it shows, and what the buttons do. */
import { renderCodes } from './codes.js';
import { $, setText } from './dom.js';
import { Flow } from './flow.js';
import { Invite } from './invite.js';
import * as links from './link.js';
import { renderNotices } from './notices.js';
import { nameOf } from './people.js';
import { canShareScreen } from './screen.js';
import { SignalingError } from './signaling-client.js';
import { Stage } from './stage.js';
import { problemKey, status } from './status.js';
import { currentLanguage, inSentence, preferredLanguage, setLanguage, text } from './texts.js';
import { tiles } from './tiles.js';
import { Visit } from './visit.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */

const stage = new Stage($('stage'));
const flow = new Flow($('flow'), (userId) => nameOf(visit, userId));

/** What the address asks for. */
let link = links.readLink();
const invite = new Invite(link.sessionId);
/** @type {'lobby' | 'room' | 'over'} */
let screen = 'lobby';
/** @type {Visit | null} */
let visit = null;
/** Why the last visit is over; null after hanging up. @type {SignalingError | null} */
let ending = null;
/** Why the room has ended, if that is the reason. @type {Visit['roomEnded']} */
let roomEnded = null;
let soundBlocked = false;

/** @param {UserType} role @param {boolean} withMedia @param {('audio' | 'video')[]} [off] */
function join(role, withMedia, off = []) {
  const { sessionId } = link;
  link = { ...link, role };
  const remember = () => {
    if (visit === mine) links.remember({ sessionId, role, withMedia: !mine.withoutMedia, off: mine.media.switchedOff });
  };
  flow.clear();
  const mine = new Visit({ sessionId, userId: links.identity(sessionId, role), role, withMedia, off });
  visit = mine;
  remember();
  mine.media.addEventListener('change', remember);
  mine.addEventListener('change', render);
  mine.addEventListener('traffic', (event) => flow.add(/** @type {CustomEvent} */ (event).detail));
  mine.addEventListener('over', (event) => {
    ending = /** @type {CustomEvent} */ (event).detail;
    roomEnded = mine.roomEnded;
    /** @type {HTMLDialogElement} */ ($('confirm')).close();
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

// --- display --------------------------------------------------------------------------------------------------------

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
  renderNotices($('notices'), visit, soundBlocked ? playAloud : null);
  stage.render(tiles(visit, invite));
  renderCodes(visit);
  renderWatching(visit);
  renderControls(visit);
  invite.render(visit);
}

function renderCountdown() {
  const seconds = Math.max(1, Math.ceil(((visit?.retryAt ?? 0) - Date.now()) / 1000));
  setText($('countdown'), visit?.signaling.state === 'waiting' ? text('status.retry.in', { seconds }) : '');
}

function renderOver() {
  const code = ending?.code;
  const key = code === undefined ? 'over.left' : roomEnded ? endedKey(roomEnded) : problemKey(code, 'problem.other');
  const who = inSentence(`the.${link.role ?? 'doctor'}`);
  setText($('over-title'), text(key, { who }));
  setText($('over-text'), text(`${key}.text`, { code: `${code}${ending?.message && ending.message !== code ? `: ${ending.message}` : ''}` }));
  setText($('again'), text(code === undefined ? 'over.rejoin' : code === 'REPLACED' ? 'over.takeback' : 'over.retry'));
  $('again').hidden = code === 'SESSION_ENDED' || code === 'bad-link';
  $('observe').hidden = code !== 'ROLE_TAKEN';
}

/** @param {NonNullable<Visit['roomEnded']>} ended */
function endedKey({ reason }) {
  if (reason === 'age-limit') return 'over.ended.age';
  return link.role === 'doctor' ? 'over.ended.own' : 'over.ended';
}

/** Observers are always shown. @param {Visit} visit */
function renderWatching({ role, call }) {
  const count = [...call.participants.values()].filter((one) => one.userType === 'observer').length;
  const words = count === 0 || role === 'observer' ? '' : text(count === 1 ? 'watching.one' : 'watching.many', { count });
  setText($('watching'), words);
}

/** @param {Visit} visit */
function renderControls({ role, media, screen: shared, asking, signaling }) {
  for (const [id, isOn, on, off] of /** @type {const} */ ([
    ['microphone', media.isOn('audio'), 'control.mute', 'control.unmute'],
    ['camera', media.isOn('video'), 'control.camera.off', 'control.camera.on'],
    ['screen', !shared.isShared, 'control.screen.share', 'control.screen.stop'],
  ])) {
    const button = /** @type {HTMLButtonElement} */ ($(id));
    button.hidden = role === 'observer' || (id === 'screen' && !canShareScreen());
    button.disabled = asking;
    button.classList.toggle('off', !isOn);
    button.querySelector('use')?.setAttribute('href', `#icon-${id}${isOn ? '' : '-off'}`);
    setText(/** @type {HTMLElement} */ (button.querySelector('span')), text(isOn ? on : off));
  }
  setText($('sharing'), shared.isShared ? text('sharing') : '');
  $('end').hidden = role !== 'doctor';
  /** @type {HTMLButtonElement} */ ($('end')).disabled = signaling.state !== 'joined';
  setText(/** @type {HTMLElement} */ ($('hangup').querySelector('span')), text(role === 'observer' ? 'control.leave' : 'control.hangup'));
}

// --- helpers --------------------------------------------------------------------------------------------------------

function playAloud() {
  soundBlocked = false;
  stage.unmute();
  render();
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
$('screen').addEventListener('click', () => visit?.toggleScreen());
$('end').addEventListener('click', () => /** @type {HTMLDialogElement} */ ($('confirm')).showModal());
$('confirm').addEventListener('close', () => {
  const dialog = /** @type {HTMLDialogElement} */ ($('confirm'));
  if (dialog.returnValue === 'end') visit?.client.endSession();
  dialog.returnValue = '';
});
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
invite.addEventListener('change', render);
stage.addEventListener('sound-blocked', () => {
  soundBlocked = true;
  render();
});
addEventListener('hashchange', () => location.reload());
setInterval(renderCountdown, 250);

/** For tests and for the curious: the state of the call. */
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
  if (interrupted) join(interrupted.role, interrupted.withMedia, interrupted.off); // reloaded in the middle of a call
  else show('lobby');
}
