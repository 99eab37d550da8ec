// @ts-check
/** The current status, in a sentence. */
import { counterpartName, counterparts } from './people.js';
import { currentLanguage, hasText, inSentence, text } from './texts.js';

/** @typedef {import('./visit.js').Visit} Visit */
/** @typedef {{ tone: 'busy' | 'good' | 'warn' | 'bad', words: string, detail?: string }} Status */

/** @param {Visit} visit @returns {Status} */
export function status(visit) {
  const { role, asking, signaling, call } = visit;
  if (asking) return { tone: 'busy', words: text('status.permission') };
  const others = counterparts(visit);
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

/** The words for an error code. @param {string | undefined} code @param {string} otherwise */
export function problemKey(code, otherwise) {
  const same = { TOKEN_EXPIRED: 'TOKEN_INVALID', UNAUTHORIZED: 'TOKEN_INVALID', TOKEN_UNAVAILABLE: 'UNREACHABLE', TIMEOUT: 'UNREACHABLE',
    SERVER_FULL: 'RATE_LIMITED', HEARTBEAT_TIMEOUT: 'CONNECTION_LOST', TOO_SLOW: 'CONNECTION_LOST', INTERNAL: 'CONNECTION_LOST' };
  const key = `problem.${/** @type {Record<string, string>} */ (same)[code ?? ''] ?? code}`;
  return hasText(key) ? key : otherwise;
}
