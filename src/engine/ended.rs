//! Sessions that have ended and must stay ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::{Duration, WallTime};
use crate::message::SessionId;

/// How long an ended session is remembered at least, for tokens that nobody has presented yet.
const REMEMBERED_AT_LEAST: Duration = Duration::from_secs(24 * 3_600);

/// How many sessions are remembered (about 6 MB). Past it, the session whose tokens expire first is
/// forgotten.
const SESSIONS_MAX: usize = 65_536;

/// Until when a session that ends now is remembered: until every token seen for it has expired, and
/// for a while for tokens that were not seen.
pub(super) fn closed_until(tokens_end_at: WallTime, now: WallTime) -> WallTime {
    tokens_end_at.max(now.plus(REMEMBERED_AT_LEAST))
}

/// The sessions that ended, each for as long as a token for it could still be valid.
#[derive(Debug, Default)]
pub(super) struct EndedSessions {
    until: BTreeMap<SessionId, WallTime>,
    by_time: BTreeSet<(WallTime, SessionId)>,
}

impl EndedSessions {
    /// Remembers a session.
    pub(super) fn insert(&mut self, session: SessionId, until: WallTime, now: WallTime) {
        self.forget_until(now);
        self.extend(session, until);
        while self.until.len() > SESSIONS_MAX {
            let Some((_, session)) = self.by_time.pop_first() else { return };
            self.until.remove(&session);
        }
    }

    /// Whether a session has ended. If so, it is remembered at least until the presented token
    /// expires.
    pub(super) fn contains(&mut self, session: SessionId, token_ends_at: WallTime) -> bool {
        let ended = self.until.contains_key(&session);
        if ended {
            self.extend(session, token_ends_at);
        }
        ended
    }

    /// How many sessions are remembered.
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }

    fn extend(&mut self, session: SessionId, until: WallTime) {
        let before = self.until.get(&session).copied();
        let until = before.map_or(until, |before| before.max(until));
        if let Some(before) = before {
            self.by_time.remove(&(before, session));
        }
        self.until.insert(session, until);
        self.by_time.insert((until, session));
    }

    fn forget_until(&mut self, now: WallTime) {
        while let Some(&(until, session)) = self.by_time.first() {
            if until > now {
                return;
            }
            self.by_time.pop_first();
            self.until.remove(&session);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DAY: i64 = 24 * 3_600;

    fn session(number: u128) -> SessionId {
        SessionId::new(Uuid::from_u128(number))
    }

    fn at(secs: i64) -> WallTime {
        WallTime::from_secs(secs)
    }

    #[test]
    fn remembered_until_the_last_known_token_has_ended() {
        let mut ended = EndedSessions::default();
        ended.insert(session(1), closed_until(at(3 * DAY), at(0)), at(0));
        assert!(ended.contains(session(1), at(4 * DAY)), "and this token is known now");
        ended.insert(session(2), closed_until(at(0), at(4 * DAY - 1)), at(4 * DAY - 1));
        assert!(ended.contains(session(1), at(0)));
        ended.insert(session(3), closed_until(at(0), at(4 * DAY)), at(4 * DAY));
        assert!(!ended.contains(session(1), at(0)));
        assert_eq!(ended.len(), 2);
    }

    #[test]
    fn memory_is_bounded() {
        let mut ended = EndedSessions::default();
        for number in 0..SESSIONS_MAX as u128 + 10 {
            ended.insert(session(number), at(DAY + 1 + number as i64), at(0));
        }
        assert_eq!((ended.len(), ended.by_time.len()), (SESSIONS_MAX, SESSIONS_MAX));
        assert!(!ended.contains(session(0), at(0)), "the first to end was forgotten");
    }
}
