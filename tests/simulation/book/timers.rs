//! What happens with time: late joins, expired tokens, participants who do not return, rooms that
//! are over.

use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};

use super::super::ledger::Who;
use super::super::promises::Promise;
use super::expected::Expected;
use super::places::Room;
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
        if self.tokens_quiet_until <= now.wall {
            self.watch_tokens(now, done, &mut expected);
        }
        if self.rooms_quiet_until <= now.instant {
            self.give_up_absent(now, &mut expected);
            self.end_rooms(now, &mut expected);
            self.rooms_quiet_until = self.next_of_rooms();
        }
        self.renew_logins(now, &mut expected);
        self.carry_out(None, now, done, &expected);
        self.note_logins(now, done);
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
        let mut next = WallTime::from_millis(i64::MAX);
        for key in watched {
            let Some(peer) = self.peers.get(&key) else { continue };
            let (Some(token), warned) = (peer.token, peer.warned) else { continue };
            let ends_at = self.ends_at(&token);
            let notice_at = token.expires_at.minus(NOTICE);
            if now.wall >= ends_at {
                self.check_token_punctual(key, ends_at, now);
                expected.close(key, 4401);
                self.drop_connection(key, "token-expired", now, expected);
                // It still hears why, as who it was.
                self.watched.remove(&key);
            } else if now.wall >= notice_at && !warned {
                self.check_token_punctual(key, notice_at, now);
                expected.tell(vec![key], "token-expiring", 0);
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.warned = true;
                }
                next = next.min(ends_at);
            } else {
                next = next.min(if warned { ends_at } else { notice_at });
            }
        }
        self.tokens_quiet_until = next;
    }

    /// A token is seen to at once, unless the clock has jumped.
    fn check_token_punctual(&mut self, key: Key, due: WallTime, now: Now) {
        let late = Duration::from_millis((now.wall.as_millis() - due.as_millis()) as u64);
        let is_new = self.peers.get(&key).is_some_and(|peer| peer.token_since == now.instant);
        let jumped = now.instant.since(self.jumped_at) <= JUMP_UNNOTICED;
        if !is_new && !jumped && late > Duration::from_millis(1) {
            let due = now.instant.as_micros().saturating_sub(late.as_micros());
            let due = Instant::from_micros(due);
            self.check_punctual(due, now.instant, || format!("the token of {key:?}"));
        }
    }

    /// When the next place or room is due.
    fn next_of_rooms(&self) -> Instant {
        let grace = Duration::from_secs(self.settings.grace_secs);
        let away = |room: &Room| {
            let away = room.places.values().filter(|place| place.peer.is_none());
            away.map(|place| place.away_since + grace).min()
        };
        let due =
            |room: &Room| away(room).map_or(self.end_of(room), |due| due.min(self.end_of(room)));
        self.rooms.values().map(due).min().unwrap_or(Instant::from_micros(u64::MAX))
    }

    /// When a room is over, as things are.
    fn end_of(&self, room: &Room) -> Instant {
        if room.ending {
            return Instant::from_micros(u64::MAX);
        }
        let old = room.opened_at + Duration::from_secs(self.settings.room_age_secs);
        let empty = Duration::from_secs(self.settings.room_empty_secs);
        room.empty_since.map_or(old, |since| old.min(since + empty))
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
            let reason = self.place(who).map_or("", |place| place.absence);
            self.vacate(who, reason, now, expected);
        }
    }

    fn end_rooms(&mut self, now: Now, expected: &mut Expected) {
        let due = self.rooms.iter().map(|(number, room)| (*number, self.end_of(room)));
        let over: Vec<(u32, Instant)> = due.filter(|(_, due)| *due <= now.instant).collect();
        for (room, due) in over {
            self.check_punctual(due, now.instant, || format!("the end of room {room}"));
            let age = Duration::from_secs(self.settings.room_age_secs);
            let opened = self.rooms.get(&room).map(|room| room.opened_at);
            let is_old = opened.is_some_and(|opened| opened + age <= now.instant);
            let reason = if is_old { "age-limit" } else { "empty" };
            self.begin_to_end(room, None, Some(reason), now, expected);
        }
        let count = self.ended.len();
        self.verdict.check(Promise::Memory, count < 65_536, || format!("{count} ended sessions"));
    }
}
