//! The ended sessions that no token may open again, and the revoked tokens, according to the log.
//! Each segment begins with them, so that a start has little to read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::base::time::WallTime;
use crate::message::record::{Revocation, Revoked};
use crate::message::{SessionId, TokenId, UserId};

/// As many as the engine remembers. Past it, the session whose tokens expire first is forgotten.
const SESSIONS_MAX: usize = 65_536;

/// How many are stored in one record.
const IN_A_PART: usize = 256;

/// The sessions, each with the time until which it stays closed.
#[derive(Debug, Default)]
pub struct Ended {
    until: BTreeMap<SessionId, WallTime>,
    by_time: BTreeSet<(WallTime, SessionId)>,
    revoked: BTreeMap<Revoked, WallTime>,
    /// The latest time that has certainly passed.
    passed: WallTime,
}

#[derive(Deserialize)]
struct Part(Vec<(String, i64)>);

impl Ended {
    /// Adds a session, or extends the time for which it stays closed.
    pub fn insert(&mut self, session: SessionId, until: WallTime) {
        if let Some(before) = self.until.insert(session, until) {
            self.by_time.remove(&(before, session));
        }
        self.by_time.insert((until, session));
        if self.until.len() > SESSIONS_MAX
            && let Some((_, session)) = self.by_time.pop_first()
        {
            self.until.remove(&session);
        }
    }

    /// Adds a revocation of this time. One that was over by then lifts the earlier one: that holds
    /// whatever the clock is like at the next start.
    pub fn revoke(&mut self, revocation: Revocation, time: WallTime) {
        if revocation.until <= time {
            self.revoked.remove(&revocation.what);
        } else {
            self.revoked.insert(revocation.what, revocation.until);
        }
    }

    /// All revocations.
    pub fn revocations(&self) -> impl Iterator<Item = Revocation> {
        self.revoked.iter().map(|(what, until)| Revocation { what: *what, until: *until })
    }

    /// Notes that this time has certainly passed. Nothing that is over later is forgotten: with a
    /// clock that is ahead, all would seem to be over.
    pub const fn note_passed(&mut self, time: WallTime) {
        self.passed = time;
    }

    /// Whether there is something that is certainly over.
    pub fn holds_what_is_over(&self) -> bool {
        let oldest = self.by_time.first().map(|(until, _)| until);
        oldest.into_iter().chain(self.revoked.values()).any(|until| *until <= self.passed)
    }

    /// Forgets sessions that may be opened again, and revocations that are over.
    pub fn forget_until(&mut self, now: WallTime) {
        let now = now.min(self.passed);
        self.revoked.retain(|_, until| *until > now);
        while let Some(&(until, session)) = self.by_time.first()
            && until <= now
        {
            self.by_time.pop_first();
            self.until.remove(&session);
        }
    }

    /// All sessions.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, WallTime)> {
        self.until.iter().map(|(session, until)| (*session, *until))
    }

    /// The plaintexts of the records that store all this; a single empty one if there is nothing.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let sessions = self.iter().map(|(session, until)| (text(&session.to_text()), until));
        let revoked = self.revoked.iter().map(|(what, until)| (revoked_text(*what), *until));
        let all: Vec<_> = sessions.chain(revoked).collect();
        let part = |entries: &[(String, WallTime)]| {
            let pairs =
                entries.iter().map(|(id, until)| format!("[\"{id}\",{}]", until.as_millis()));
            format!("[{}]", pairs.collect::<Vec<_>>().join(",")).into_bytes()
        };
        if all.is_empty() { vec![part(&[])] } else { all.chunks(IN_A_PART).map(part).collect() }
    }

    /// Adds the content of such a record. Returns whether it could be read.
    pub fn read_part(&mut self, secret: &[u8]) -> bool {
        let Ok(Part(pairs)) = serde_json::from_slice(secret) else { return false };
        for (id, until) in pairs {
            let until = WallTime::from_millis(until);
            if let Some(session) = SessionId::parse(&id) {
                self.insert(session, until);
            } else if let Some(what) = parse_revoked(&id) {
                self.revoked.insert(what, until);
            } else {
                return false;
            }
        }
        true
    }
}

fn text(id: &[u8]) -> String {
    String::from_utf8_lossy(id).into_owned()
}

/// A revocation's target as text: `user:`, `session:` or `token:`, and the id; for a token 16
/// hexadecimal digits.
pub fn revoked_text(what: Revoked) -> String {
    match what {
        Revoked::User(user) => format!("user:{}", text(&user.to_text())),
        Revoked::Session(session) => format!("session:{}", text(&session.to_text())),
        Revoked::Token(token) => format!("token:{:016x}", u64::from_be_bytes(token.to_hash())),
    }
}

/// Parses such a text.
pub fn parse_revoked(told: &str) -> Option<Revoked> {
    let (kind, id) = told.split_once(':')?;
    match kind {
        "user" => UserId::parse(id).map(Revoked::User),
        "session" => SessionId::parse(id).map(Revoked::Session),
        "token" => {
            let hash = u64::from_str_radix(id, 16).ok()?;
            Some(Revoked::Token(TokenId::from_hash(hash.to_be_bytes())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: usize) -> SessionId {
        SessionId::parse(&format!("00000000-0000-4000-8000-{number:012x}")).expect("an id")
    }

    #[test]
    fn parts_read_back() {
        let mut ended = Ended::default();
        for number in 0..IN_A_PART + 1 {
            ended.insert(session(number), WallTime::from_millis(number as i64 + 1));
        }
        let parts = ended.parts();
        assert_eq!(parts.len(), 2);
        let mut again = Ended::default();
        assert!(parts.iter().all(|part| again.read_part(part)));
        assert!(again.iter().eq(ended.iter()));
        let now = WallTime::from_millis(IN_A_PART as i64);
        again.forget_until(now);
        assert_eq!(again.iter().count(), IN_A_PART + 1, "the clock may be wrong");
        again.note_passed(now);
        again.forget_until(WallTime::from_millis(i64::MAX));
        assert_eq!(again.iter().count(), 1);
        assert_eq!(Ended::default().parts(), [b"[]".to_vec()]);
    }

    #[test]
    fn revocations_read_back_and_end() {
        let mut ended = Ended::default();
        let user = UserId::parse("00000000-0000-4000-8000-000000000007").expect("an id");
        let all = [
            Revoked::User(user),
            Revoked::Session(session(7)),
            Revoked::Token(TokenId::from_hash([0, 1, 2, 3, 4, 5, 6, 7])),
        ];
        for (index, what) in all.into_iter().enumerate() {
            let until = WallTime::from_millis(index as i64 + 1);
            ended.revoke(Revocation { what, until }, WallTime::default());
        }
        ended.insert(session(7), WallTime::from_millis(9));
        let mut again = Ended::default();
        assert!(ended.parts().iter().all(|part| again.read_part(part)));
        assert!(again.revocations().eq(ended.revocations()) && again.iter().eq(ended.iter()));
        again.note_passed(WallTime::from_millis(2));
        again.forget_until(WallTime::from_millis(2));
        assert_eq!(again.revocations().map(|one| one.what).collect::<Vec<_>>(), all[2..]);
        assert!(!again.read_part(b"[[\"nobody:1\",1]]"));
    }
}
