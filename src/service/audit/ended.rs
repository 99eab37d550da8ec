//! The ended sessions that no token may open again, as far as the log knows of them. Each segment begins with them, so that a
//! start has little to read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::base::time::WallTime;
use crate::message::SessionId;

/// As many as the engine remembers. Past it the one whose tokens end first is forgotten.
const SESSIONS_MAX: usize = 65_536;

/// How many stand in one record.
const IN_A_PART: usize = 256;

/// The sessions, each with the moment up to which it stays closed.
#[derive(Debug, Default)]
pub struct Ended {
    until: BTreeMap<SessionId, WallTime>,
    by_time: BTreeSet<(WallTime, SessionId)>,
}

#[derive(Deserialize)]
struct Part(Vec<(String, i64)>);

impl Ended {
    /// Adds a session, or lets it stay closed for longer.
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

    /// Forgets those that may be opened again.
    pub fn forget_until(&mut self, now: WallTime) {
        while let Some(&(until, session)) = self.by_time.first()
            && until <= now
        {
            self.by_time.pop_first();
            self.until.remove(&session);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, WallTime)> {
        self.until.iter().map(|(session, until)| (*session, *until))
    }

    /// As what is sealed in records of the log; one, empty, where there is no session.
    pub fn parts(&self) -> Vec<Vec<u8>> {
        let all: Vec<_> = self.iter().collect();
        let part = |sessions: &[(SessionId, WallTime)]| {
            let pairs = sessions.iter().map(|(session, until)| {
                let id = session.to_text();
                format!("[\"{}\",{}]", String::from_utf8_lossy(&id), until.as_millis())
            });
            format!("[{}]", pairs.collect::<Vec<_>>().join(",")).into_bytes()
        };
        if all.is_empty() { vec![part(&[])] } else { all.chunks(IN_A_PART).map(part).collect() }
    }

    /// Adds what stands in such a record; whether it could be read.
    pub fn read_part(&mut self, secret: &[u8]) -> bool {
        let Ok(Part(pairs)) = serde_json::from_slice(secret) else { return false };
        for (session, until) in pairs {
            let Some(session) = SessionId::parse(&session) else { return false };
            self.insert(session, WallTime::from_millis(until));
        }
        true
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
        again.forget_until(WallTime::from_millis(IN_A_PART as i64));
        assert_eq!(again.iter().count(), 1);
        assert_eq!(Ended::default().parts(), [b"[]".to_vec()]);
    }
}
