/** The dashboard: queries the server once per second, and shows the answer. */
const $ = (id) => document.getElementById(id);
const PERIOD_MS = 1_000, PATIENCE_MS = 4_000, HISTORY_MS = 600_000, ROOMS_EVERY = 3;
const state = { samples: [], rooms: [], polls: 0, token: sessionStorage.getItem('admin-token') ?? '' };

const remembered = (name, known) => { const value = localStorage.getItem(name); return known.includes(value) ? value : undefined; };
let language = remembered('language', ['en', 'es']) ?? (navigator.language.toLowerCase().startsWith('es') ? 'es' : 'en');
let theme = remembered('theme', ['light', 'dark']) ?? 'auto';

function say(name, ...values) {
  const text = TEXTS[language][name] ?? name;
  return text.replace(/\{(\d)\}/g, (_, index) => values[index]);
}
const number = (value, digits = 0) => value.toLocaleString(language, { maximumFractionDigits: digits });
const rate = (value) => number(value, value < 10 ? 1 : 0);
const percent = (part) => part.toLocaleString(language, { style: 'percent', maximumFractionDigits: part > 0 && part < 0.1 ? 1 : 0 });
const clockTime = (ms) => new Date(ms).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = count > 0 ? Math.min(units.length - 1, Math.floor(Math.log2(count) / 10)) : 0;
  return `${number(count / 1024 ** power, power && count / 1024 ** power < 100 ? 1 : 0)} ${units[power]}`;
}

function seconds(value) {
  if (value === null) return '–';
  if (value === 0) return '0 s';
  if (value < 0.001) return `${number(value * 1e6)} µs`;
  if (value < 1) return `${number(value * 1e3, 1)} ms`;
  if (value < 120) return `${number(value, value < 10 ? 1 : 0)} s`;
  if (value < 7_200) return `${number(Math.round(value / 60))} min`;
  if (value < 172_800) return `${number(Math.round(value / 3_600))} h`;
  return say('days', number(Math.floor(value / 86_400)));
}

const charts = {
  messages: new Chart($('chart-messages'), $('legend-messages'), { series: [{ column: 4, name: 'seriesMessages' }], format: rate, filled: true }),
  latency: new Chart($('chart-latency'), $('legend-latency'), { series: [{ column: 6, name: 'seriesP50' }, { column: 7, name: 'seriesP95' }, { column: 8, name: 'seriesP99' }], format: seconds, logarithmic: true }),
  people: new Chart($('chart-people'), $('legend-people'), { series: [{ column: 1, name: 'seriesConnections' }, { column: 2, name: 'seriesActive' }, { column: 3, name: 'seriesWaiting' }], format: rate }),
  machine: new Chart($('chart-machine'), $('legend-machine'), { series: [{ column: 5, name: 'seriesErrors' }, { column: 9, name: 'seriesCpu' }], format: rate }),
};

/** Queries the server; `undefined` if it does not answer, or requires a token that this page does not have. */
async function ask(path, method = 'GET') {
  const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
  if (method === 'POST') headers['X-Admin-Action'] = 'dashboard';
  try {
    const response = await fetch(path, { method, headers, signal: AbortSignal.timeout(PATIENCE_MS), cache: 'no-store' });
    if (response.status === 401) { signIn(); return undefined; }
    return { ok: response.ok, body: await response.json() };
  } catch {
    return undefined;
  }
}

async function poll() {
  if (!$('sign-in').open) {
    const heard = await ask(`/api/overview?since=${state.samples.at(-1)?.[0] ?? 0}`);
    if (heard?.ok) {
      const { samples, ...overview } = heard.body;
      // After a restart of the server, the history begins again.
      if (state.overview && overview.startedAt !== state.overview.startedAt) state.samples = [];
      state.samples = [...state.samples, ...samples].filter(([at]) => at > overview.now - HISTORY_MS);
      Object.assign(state, { overview, heardAt: performance.now(), lost: false });
      if (state.polls++ % ROOMS_EVERY === 0) await pollRooms();
    } else if (!$('sign-in').open) {
      state.lost = true;
    }
    render();
  }
  setTimeout(poll, document.hidden ? 10 * PERIOD_MS : PERIOD_MS);
}

async function pollRooms() {
  const heard = await ask('/api/rooms?limit=50');
  if (heard?.ok) Object.assign(state, { rooms: heard.body.rooms, roomsTotal: heard.body.total });
}

/** The current problems, the worst first. */
function judge(overview, lost) {
  const { health, stats, bounds, audit } = overview, found = [];
  const add = (level, text) => found.push({ level, text });
  // While the server does not answer, earlier problems may no longer be true.
  if (lost) return { level: 'critical', reasons: [say('reasonUnreachable')] };
  for (const { loop, responding } of health.loops) if (!responding) add('critical', say('reasonStuck', loop));
  if (!health.audit) add('critical', say('reasonAudit'));
  if (!health.connections) add('critical', say('reasonFull'));
  if (health.draining) add('warning', say('reasonDraining'));
  for (const { name, used, limit } of bounds) {
    if (limit && used / limit >= 0.8 && !(name === 'connections' && !health.connections)) add('warning', say('reasonNear', say(`bound_${name}`), percent(used / limit)));
  }
  if (stats.errorRate > 0.05) add('warning', say('reasonErrors', percent(stats.errorRate)));
  if (audit.kept && health.audit && audit.lag > 2) add('warning', say('reasonLag', seconds(audit.lag)));
  if (audit.kept && audit.forecastDays !== null && audit.forecastDays < 30) add('warning', say('reasonDisk', number(audit.forecastDays)));
  const level = ['critical', 'warning'].find((level) => found.some((one) => one.level === level)) ?? 'ok';
  if (level === 'ok') add('ok', say('reasonOk'));
  return { level, reasons: found.map(({ text }) => text) };
}

/** Updates an element only if its content has changed, so that nothing is read out twice and no focus is lost. */
function put(place, key, make) {
  const now = JSON.stringify([language, key]);
  if (place.dataset.shown === now) return;
  place.dataset.shown = now;
  place.replaceChildren(...[make()].flat());
}

function render() {
  const { overview, lost } = state;
  document.body.classList.toggle('lost', Boolean(lost));
  const age = overview ? (performance.now() - state.heardAt) / 1_000 : undefined;
  $('freshness').dataset.state = !overview ? (lost ? 'stale' : 'waiting') : lost ? 'stale' : 'live';
  put($('age'), [overview ? 1 : 0, lost ? Math.round(age ?? 0) : 0, lost], () => !overview ? (lost ? say('reasonUnreachable') : say('waiting')) : lost ? say('ageAgo', seconds(Math.max(1, Math.round(age)))) : say('live'));
  if (!overview) {
    if (lost) $('health').dataset.state = 'critical';
    put($('health-title'), lost, () => say(lost ? 'healthCritical' : 'healthWaiting'));
    put($('health-reasons'), lost, () => (lost ? [el('li', {}, say('reasonUnreachable'))] : []));
    return;
  }
  renderHealth(overview, lost);
  renderTiles(overview);
  for (const chart of Object.values(charts)) chart.show(state.samples, overview.now);
  renderSessions(overview);
  renderBounds(overview);
  renderAudit(overview);
  renderCounts($('errors'), overview.errors, 'noErrors', ({ name }) => el('code', {}, name));
  renderCounts($('limits'), overview.limits, 'noLimits', ({ name }) => say(`l_${name}`));
  renderEvents(overview);
  renderRooms();
  if (document.activeElement !== $('log-level') && !$('confirm').open) $('log-level').value = overview.logLevel;
  put($('revocations'), overview.sessions.revocations, () => say('revocations', number(overview.sessions.revocations)));
}

function renderHealth(overview, lost) {
  const { level, reasons } = judge(overview, lost), { health } = overview;
  $('health').dataset.state = level;
  document.title = `${level === 'ok' ? '' : '⚠ '}${say(`health${level[0].toUpperCase()}${level.slice(1)}`)} · AutaMedica Signaling`;
  put($('health-title'), level, () => say(`health${level[0].toUpperCase()}${level.slice(1)}`));
  put($('health-reasons'), reasons, () => reasons.map((text) => el('li', {}, text)));
  put($('about'), [overview.version, Math.floor((overview.now - overview.startedAt) / 60_000), overview.now - overview.startedAt < 120_000 && overview.now], () => say('about', overview.version, seconds(Math.ceil((overview.now - overview.startedAt) / 1_000))));
  const letIn = health.audit && health.connections && !health.draining;
  const told = (good, yes, no) => (lost ? [false, 'unknown'] : [good, good ? yes : no]);
  const parts = [
    ['partLoop', told(health.alive, 'answers', 'stuck')],
    ['partAudit', overview.audit.kept || !health.audit ? told(health.audit, 'written', 'unwritten') : [true, 'notKept']],
    ['partDoor', told(letIn, 'letIn', 'refused')],
    ['partState', told(!health.draining, 'running', 'stopping')],
  ];
  put($('parts'), parts, () => parts.map(([name, [good, word]]) => el('div', { class: good ? '' : 'bad' }, el('dt', {}, say(name)), el('dd', {}, say(word)))));
}

function renderTiles({ stats, sessions, latency, bounds, traffic }) {
  const { limit } = bounds.find(({ name }) => name === 'connections');
  const relayed = latency.relay;
  const [time, unit] = relayed.p95 === null ? ['–', ''] : say('atMost', seconds(relayed.p95)).split(/ (?=[^ ]+$)/);
  const tiles = [
    ['connections', number(stats.activeConnections), '', say('ofLimit', number(limit))],
    ['sessions', number(stats.activeSessions), '', say('activeWaiting', number(sessions.active), number(sessions.waiting))],
    ['messages', rate(stats.messagesPerSecond), say('perSecond'), say('relayed', number(traffic.relayed))],
    ['latency', time, unit, say('latencyMore')],
    ['errorShare', percent(stats.errorRate), '', say('errorMore')],
    ['machine', number(stats.cpuUsage, stats.cpuUsage < 10 ? 1 : 0), '%', say('machineMore', bytes(stats.memoryUsage))],
  ];
  put($('tiles'), tiles, () => tiles.map(([name, value, unit, more]) => el('article', { class: 'tile', id: `tile-${name}` },
    el('h3', {}, say(name)), el('p', { class: 'value' }, value, unit ? el('span', { class: 'unit' }, unit) : ''), el('p', { class: 'more' }, more))));
}

function facts(rows) {
  return rows.flatMap(([name, value, className]) => [el('dt', { class: className?.startsWith('key') ? className : '' }, say(name)), el('dd', { class: className?.startsWith('key') ? '' : className }, value)]);
}

function renderSessions({ sessions, stats }) {
  put($('statuses'), [sessions, Math.round(stats.avgConnectionTime)], () => {
    const total = sessions.active + sessions.waiting;
    const stack = el('div', { class: 'stack', 'aria-hidden': 'true' });
    for (const [name, count] of [['active', sessions.active], ['waiting', sessions.waiting]]) {
      const part = el('i', { class: name });
      part.style.width = `${total ? (count / total) * 100 : 0}%`;
      stack.append(part);
    }
    return [stack, el('dl', { class: 'facts' }, ...facts([
      ['active', number(sessions.active), 'key-active'], ['waitingStatus', number(sessions.waiting), 'key-waiting'], ['endedTotal', number(sessions.ended)],
      ['participants', number(sessions.participants)], ['absent', number(sessions.absent)], ['average', seconds(stats.avgConnectionTime)],
    ]))];
  });
}

function bar(name, share, told, className) {
  const fill = el('i');
  fill.style.width = `${Math.min(100, share * 100)}%`;
  if (!share) fill.hidden = true;
  return el('li', { class: className }, el('div', { class: 'bar-head' }, el('span', {}, name), el('span', { class: 'n' }, told)), el('div', { class: 'bar', 'aria-hidden': 'true' }, fill));
}

function renderBounds({ bounds }) {
  const known = bounds.filter(({ limit }) => limit > 0).sort((a, b) => b.used / b.limit - a.used / a.limit);
  put($('bounds'), known, () => known.map(({ name, used, limit }) => {
    const share = used / limit, memory = ['cut', 'unsent', 'retained'].includes(name);
    const told = memory ? `${bytes(used)} / ${bytes(limit)}` : `${number(used)} / ${number(limit)}`;
    return bar(say(`bound_${name}`), share, `${share >= 0.8 ? '⚠ ' : ''}${told} · ${percent(share)}`, share >= 0.95 ? 'over' : share >= 0.8 ? 'near' : '');
  }));
}

function renderCounts(place, counts, none, name) {
  const top = [...counts].sort((a, b) => b.count - a.count).slice(0, 8), most = top[0]?.count;
  put(place, top, () => (top.length ? top.map((one) => bar(name(one), one.count / most, number(one.count))) : [el('li', { class: 'empty' }, '✓ ', say(none))]));
}

function renderAudit({ audit, health, now }) {
  const rows = !audit.kept ? [['auditState', say('notKept')]] : [
    ['auditState', say(health.audit ? 'written' : 'unwritten'), health.audit ? 'good-word' : 'bad-word'],
    ['auditQueued', number(audit.queued)], ['auditLag', seconds(audit.lag)], ['auditSynced', audit.syncedAt ? say('ago', seconds(Math.max(0, Math.round((now - audit.syncedAt) / 1_000)))) : '–'],
    ['auditSegment', number(audit.segment)], ['auditDropped', number(audit.dropped), audit.dropped ? 'bad-word' : ''],
    ...(audit.freeBytes === null ? [] : [['auditFree', bytes(audit.freeBytes)]]), ...(audit.forecastDays === null ? [] : [['auditForecast', say('days', number(audit.forecastDays))]]),
    ...(audit.checkpointsFailed ? [['auditCheckpoints', number(audit.checkpointsFailed), 'bad-word']] : []),
  ];
  put($('audit'), rows, () => facts(rows));
}

const SIGNS = { info: 'M12 11v6m0-10.4v.4M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0z', warning: 'M12 3 22 20H2zM12 10v4m0 3v.4', critical: 'M8 2h8l6 6v8l-6 6H8l-6-6V8zM8.5 8.5l7 7m0-7-7 7' };

function renderEvents({ events }) {
  put($('events'), events, () => (events.length ? events.map(({ at, severity, kind, detail, count }) => {
    const words = say(`event_${kind}`, kind === 'limit' ? say(`l_${detail}`) : say(`action_${detail}`));
    const sign = svg('svg', { viewBox: '0 0 24 24', role: 'img', 'aria-label': say(`severity_${severity}`) }, svg('path', { d: SIGNS[severity] }));
    return el('li', { class: severity }, sign, el('span', {}, words, count > 1 ? ` (${say('times', number(count))})` : ''), el('time', { datetime: new Date(at).toISOString() }, clockTime(at)));
  }) : [el('li', { class: 'empty' }, say('noEvents'))]));
}

function renderRooms() {
  const { rooms, roomsTotal = 0, overview } = state;
  put($('rooms-count'), [rooms.length, roomsTotal], () => (roomsTotal ? say('roomsShown', number(rooms.length), number(roomsTotal)) : ''));
  put($('rooms'), rooms, () => (rooms.length ? el('ul', { class: 'rooms' }, ...rooms.map(roomRow)) : el('p', { class: 'empty' }, say('noRooms'))));
  // Updated in place, so that no button loses the focus.
  for (const place of document.querySelectorAll('[data-since]')) place.textContent = say('since', seconds(Math.max(1, Math.ceil((overview.now - Number(place.dataset.since)) / 1_000))));
}

function roomRow({ session, status, roomType, createdAt, participants }) {
  const kind = say(roomType === 'emergency' ? 'type_emergency' : roomType);
  const people = participants.map(({ user, role, connectionState, emergency }) => {
    const who = `${say(role)} ${user}`, path = `/api/sessions/${session}/participants/${user}`;
    return el('div', { class: 'person' }, el('span', {}, say(role), ' ', el('code', {}, user), connectionState === 'reconnecting' ? ` · ${say('reconnecting')}` : '', emergency ? ` · ${say('emergency')}` : ''),
      el('button', { type: 'button', class: 'small', 'aria-label': `${say('remove')}: ${who}`, onclick: () => act({ title: 'removeTitle', text: say('removeText', who, session), yes: 'remove', path: () => `${path}/remove` }) }, say('remove')),
      el('button', { type: 'button', class: 'small', 'aria-label': `${say('revoke')}: ${who}`, onclick: () => act({ title: 'revokeTitle', text: say('revokeText', who, session), yes: 'revoke', duration: true, path: () => `${path}/revoke?seconds=${$('duration').value}` }) }, say('revoke')));
  });
  return el('li', { class: 'room' },
    el('div', { class: 'room-name' }, el('code', {}, session), el('span', { class: `chip ${status}` }, say(status === 'waiting' ? 'waitingStatus' : status)), el('span', { class: 'quiet' }, kind), el('span', { class: 'quiet', 'data-since': createdAt })),
    el('div', { class: 'people' }, ...people),
    el('button', { type: 'button', class: 'small', 'aria-label': `${say('endSession')}: ${session}`, onclick: () => act({ title: 'endTitle', text: say('endText', session), yes: 'endSession', path: () => `/api/sessions/${session}/end` }) }, say('endSession')));
}

/** Asks for confirmation, and then does it. */
async function act({ title, titleValue, text, yes, path, duration = false, byId = false }) {
  const dialog = $('confirm');
  $('confirm-title').textContent = say(title, titleValue);
  $('confirm-text').textContent = text;
  $('confirm-yes').textContent = say(yes);
  $('confirm-duration').hidden = !duration;
  $('confirm-revoke').hidden = !byId;
  $('revoke-id').required = byId;
  dialog.returnValue = 'no';
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener('close', closed, { once: true }));
  if (dialog.returnValue !== 'yes') return render();
  const heard = await ask(path(), 'POST');
  toast(!heard ? say('failed', say('reasonUnreachable')) : !heard.ok ? say('failed', heard.body.message) : say(heard.body.recorded ? 'done' : 'doneUnrecorded'));
  state.polls = 0;
}

function toast(text) {
  $('toast').textContent = text;
  clearTimeout(state.toast);
  state.toast = setTimeout(() => { $('toast').textContent = ''; }, 6_000);
}

function signIn() {
  const dialog = $('sign-in');
  if (dialog.open) return;
  $('sign-in-wrong').textContent = state.token ? say('signInWrong') : '';
  state.token = '';
  sessionStorage.removeItem('admin-token');
  dialog.showModal();
}

function translate() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll('[data-text]')) element.textContent = say(element.dataset.text);
  for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', say(element.dataset.label));
  for (const button of document.querySelectorAll('[data-language]')) button.setAttribute('aria-pressed', String(button.dataset.language === language));
  dress();
  render();
}

const prefersDark = matchMedia('(prefers-color-scheme: dark)');
function dress() {
  document.documentElement.dataset.theme = theme === 'auto' ? (prefersDark.matches ? 'dark' : 'light') : theme;
  const name = say(`theme${theme[0].toUpperCase()}${theme.slice(1)}`);
  $('theme-name').textContent = name;
  $('theme').setAttribute('aria-label', say('theme', name));
}

prefersDark.addEventListener('change', dress);
$('theme').addEventListener('click', () => {
  theme = { auto: 'dark', dark: 'light', light: 'auto' }[theme];
  localStorage.setItem('theme', theme);
  dress();
});
for (const button of document.querySelectorAll('[data-language]')) {
  button.addEventListener('click', () => { language = button.dataset.language; localStorage.setItem('language', language); translate(); });
}
$('log-level').addEventListener('change', () => {
  const level = $('log-level').value;
  act({ title: 'levelTitle', titleValue: level, text: say('levelText', state.overview?.logLevel ?? ''), yes: 'levelYes', path: () => `/api/log-level?level=${level}` });
});
$('drain').addEventListener('click', () => act({ title: 'drainTitle', text: say('drainText', number(state.overview?.stats.activeConnections ?? 0)), yes: 'drain', path: () => '/api/drain' }));
$('revoke').addEventListener('click', () => {
  $('revoke-id').value = '';
  act({ title: 'revokeIdTitle', text: say('revokeIdText'), yes: 'revoke', duration: true, byId: true, path: () => `/api/revocations?${$('revoke-kind').value}=${encodeURIComponent($('revoke-id').value.trim())}&seconds=${$('duration').value}` });
});
// Required fields are not required when cancelling.
for (const button of document.querySelectorAll('#confirm [value=no]')) button.formNoValidate = true;
$('sign-in').addEventListener('cancel', (event) => event.preventDefault());
$('sign-in').addEventListener('close', () => {
  state.token = $('token').value.trim();
  $('token').value = '';
  sessionStorage.setItem('admin-token', state.token);
  state.lost = false;
});
translate();
poll();
