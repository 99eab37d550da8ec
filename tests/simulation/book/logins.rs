//! The credentials for TURN servers: each is sent once, bound to the token, and renewed before it
//! expires.

use std::collections::{BTreeMap, BTreeSet};

use autamedica_signaling::base::time::{Duration, Instant, Now};

use super::super::promises::Promise;
use super::super::transcript::short;
use super::effects::{field, kind};
use super::expected::Expected;
use super::{Book, Done, Key, Standing};

/// What was given out, and when the next is due to whom.
#[derive(Debug, Default)]
pub(super) struct Logins {
    ids: BTreeSet<String>,
    due: BTreeMap<Key, Instant>,
}

impl Book {
    /// Whoever is inside with a login that has used up three quarters of its life must be told the next.
    pub(super) fn renew_logins(&mut self, now: Now, expected: &mut Expected) {
        let due: Vec<(Key, Instant)> = self
            .logins
            .due
            .iter()
            .map(|(key, due)| (*key, *due))
            .filter(|(_, due)| *due <= now.instant)
            .collect();
        for (key, due) in due {
            self.logins.due.remove(&key);
            let Standing::Inside(who) = self.standing(key) else { continue };
            if self.place(who).and_then(|place| place.peer) == Some(key) {
                self.check_punctual(due, now.instant, || format!("the login of {key:?}"));
                expected.tell(vec![key], "ice-servers", 0);
            }
        }
    }

    /// The logins that were told: each another one, ending with the token or before it.
    pub(super) fn note_logins(&mut self, now: Now, done: &[Done<'_>]) {
        for one in done {
            if let Done::Send { to, text, relayed: false } = *one
                && matches!(kind(text), "room-joined" | "ice-servers")
            {
                self.note_login(to, text, now);
            }
        }
    }

    fn note_login(&mut self, to: Key, text: &str, now: Now) {
        let lifetime = Duration::from_secs(self.settings.turn_ttl_secs);
        let token = self.peers.get(&to).and_then(|peer| peer.token);
        let (Some(token), Some(username)) = (token, field(text, "username")) else {
            return self.verdict.broken(Promise::Admission, short(text));
        };
        let (own_end, token_end) = (now.wall.plus(lifetime), self.ends_at(&token));
        let end = own_end.min(token_end).as_secs();
        let (said, id) = username.split_once(':').unwrap_or_default();
        let right = said == end.to_string() && self.logins.ids.insert(id.to_owned());
        self.verdict.check(Promise::Admission, right, || {
            format!("{username} must end at {end}, and be told once")
        });
        if own_end < token_end {
            let quarter = lifetime.as_micros() / 4;
            self.logins.due.insert(to, now.instant + Duration::from_micros(quarter * 3));
        } else {
            self.logins.due.remove(&to);
        }
    }
}
