// @ts-check
/** The participants, and what to call them. */
import { inSentence, text } from './texts.js';

/** @typedef {import('./signaling-client.js').UserType} UserType */
/** @typedef {import('./visit.js').Visit} Visit */

/** The visible participants, the doctor first. @param {Visit | null} visit */
export function counterparts(visit) {
  const others = [...(visit?.call.participants.values() ?? [])].filter((one) => one.userType !== 'observer');
  return others.sort((a, b) => a.userType.localeCompare(b.userType));
}

/** The role that the user is waiting for. @param {UserType} role the user's own */
export function counterpartName(role) {
  return inSentence(role === 'doctor' ? 'the.patient' : 'the.doctor');
}

/** What to call somebody. @param {Visit | null} visit @param {string} userId */
export function nameOf(visit, userId) {
  const own = visit?.client.userId;
  const userType = visit?.known.get(userId);
  if (userId === own) return text('you');
  if (!userType) return text('flow.others');
  const same = [...visit?.known ?? []].filter(([id, type]) => type === userType && id !== own).map(([id]) => id);
  return text(`role.${userType}`) + (same.length > 1 ? ` ${same.indexOf(userId) + 1}` : '');
}
