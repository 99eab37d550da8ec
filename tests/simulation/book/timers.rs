//! What time does: who joins too late, whose token ends, who does not come back, which room is over.

use autamedica_signaling::base::time::{Duration, Instant, Now};

use super::super::ledger::Who;
use super::super::promises::Promise;
use super::expected::Expected;
use super::{Book, Done, Key, Standing};

/// How long before its end a token is spoken of.
const NOTICE: Duration = Duration::from_secs(60);

/// How long a jump of the wall clock may go unnoticed.
const JUMP_UNNOTICED: Duration = Duration::from_secs(15);

impl Book {
    /// What was due has been done.
    pub fn advanced(&mut self, now: Now, done: &[Done<'_>]) {
        let mut expected = Expected::default();
        self.close_late_joiners(now, &mut expected);
        self.watch_tokens(now, done, &mut expected);
        self.give_up_absent(now, &mut expected);
        self.end_rooms(now, &mut expected);
        self.carry_out(None, done, &expected);
    }

    fn close_late_joiners(&mut self, now: Now, expected: &mut Expected) {
        let timeout = Duration::from_secs(self.settings.join_timeout_secs);
        let due = |key: &Key| self.peers.get(key).map(|peer| (*key, peer.since + timeout));
        let late: Vec<(Key, Instant)> =
            self.anonymous.iter().filter_map(due).filter(|(_, due)| *due <= now.instant).collect();
        for (key, due) in late {
            self.check_punctual(due, now.instant, || format!("the join timeout of {key:?}"));
            expected.close(key, 4408);
            self.set_standing(key, Standing::Gone);
        }
    }

    fn watch_tokens(&mut self, now: Now, done: &[Done<'_>], expected: &mut Expected) {
        let mut watched: Vec<Key> = self.watched.iter().copied().collect();
        // Where several end at once, nothing says which is first.
        let order = |key: &Key| {
            done.iter().position(|done| matches!(done, Done::Close { peer, .. } if peer == key))
        };
        if done.len() > 1 {
            watched.sort_by_key(|key| order(key).unwrap_or(usize::MAX));
        }
        for key in watched {
            let Some(peer) = self.peers.get(&key) else { continue };
            let (Some(token), warned) = (peer.token, peer.warned) else { continue };
            let ends_at = self.ends_at(&token);
            let notice_at = token.expires_at.minus(NOTICE);
            let due = if now.wall >= ends_at { ends_at } else { notice_at };
            if now.wall < due || warned && now.wall < ends_at {
                continue;
            }
            let late = Duration::from_millis((now.wall.as_millis() - due.as_millis()) as u64);
            let unnoticed = now.instant.since(self.jumped_at) <= JUMP_UNNOTICED
                || peer.token_since == now.instant
                || late <= Duration::from_millis(1);
            if !unnoticed {
                let due = now.instant.as_micros().saturating_sub(late.as_micros());
                let due = Instant::from_micros(due);
                self.check_punctual(due, now.instant, || format!("the token of {key:?}"));
            }
            if now.wall < ends_at {
                expected.tell(vec![key], "token-expiring", 0);
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.warned = true;
                }
            } else {
                expected.close(key, 4401);
                self.drop_connection(key, "token-expired", now, expected);
                // It still hears why, as who it was.
                self.watched.remove(&key);
            }
        }
    }

    fn give_up_absent(&mut self, now: Now, expected: &mut Expected) {
        let grace = Duration::from_secs(self.settings.grace_secs);
        let mut late: Vec<(Instant, Who)> = Vec::new();
        for (room, entry) in &self.rooms {
            let away = entry.places.iter().filter(|(_, place)| place.peer.is_none());
            let due = away.map(|(user, place)| (place.away_since + grace, (*room, *user)));
            late.extend(due.filter(|(due, _)| *due <= now.instant));
        }
        late.sort_unstable();
        for (due, who) in late {
            self.check_punctual(due, now.instant, || format!("the end of the grace of {who:?}"));
            self.vacate(who, now, expected);
        }
    }

    fn end_rooms(&mut self, now: Now, expected: &mut Expected) {
        let age = Duration::from_secs(self.settings.room_age_secs);
        let empty = Duration::from_secs(self.settings.room_empty_secs);
        let over: Vec<(u32, Instant)> = self
            .rooms
            .iter()
            .map(|(number, room)| {
                let old = room.opened_at + age;
                (*number, room.empty_since.map_or(old, |since| old.min(since + empty)))
            })
            .filter(|(_, due)| *due <= now.instant)
            .collect();
        for (room, due) in over {
            self.check_punctual(due, now.instant, || format!("the end of room {room}"));
            self.end(room, expected);
        }
        let count = self.ended.len();
        self.verdict.check(Promise::Memory, count < 65_536, || format!("{count} ended sessions"));
    }
}
