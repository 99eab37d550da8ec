//! Rate limits: computed here with fractions, while the server counts in nanoseconds.

use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::base::limits::Limit;
use autamedica_signaling::base::time::{Duration, Instant, Now};
use autamedica_signaling::engine::PeerId;
use autamedica_signaling::message::record::Event;

use super::super::promises::Promise;
use super::effects::kind;
use super::expected::Expected;
use super::{Book, Done, Key, Standing, key};

/// So many refusals within ten seconds are the end.
const REFUSED_MAX: usize = 100;

/// By so much two ways to reckon may differ.
const BLUR: f64 = 1e-3;

/// How much of a limit is used up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    count: f64,
    at: Instant,
}

/// Whether there is room for one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    None,
    /// By a hair's breadth: the server knows.
    Close,
}

impl Used {
    fn room(&mut self, rate: &Rate, now: Instant) -> Room {
        let seconds = now.since(self.at).as_micros() as f64 / 1e6;
        self.count = (self.count - seconds * rate.per_second as f64).max(0.0);
        self.at = now;
        let left = rate.burst as f64 - self.count - 1.0;
        match left {
            _ if rate.is_unlimited() || left > BLUR => Room::Enough,
            _ if left < -BLUR => Room::None,
            _ => Room::Close,
        }
    }
}

impl Book {
    /// Something is said; `refused`: the server has refused it for its number. Whether it was right.
    pub(super) fn meter(&mut self, from: Key, text: &str, refused: bool, now: Now) -> bool {
        let standing = self.standing(from);
        // What strangers may say is another matter.
        if matches!(standing, Standing::Gone | Standing::New | Standing::Anonymous) {
            return !refused;
        }
        // What is broken is no signal.
        let is_signal = matches!(kind(text), "offer" | "answer" | "ice-candidate")
            && !self.babble.contains_key(text);
        let rates = &self.settings.rates;
        let rate = if is_signal { rates.signal } else { rates.state };
        let Some(peer) = self.peers.get_mut(&from) else { return !refused };
        let used = &mut peer.used[usize::from(is_signal)];
        let room = used.room(&rate, now.instant);
        used.count += if refused { 0.0 } else { 1.0 };
        self.refused += u64::from(refused);
        match room {
            Room::Enough => !refused,
            Room::None => refused,
            Room::Close => true,
        }
    }

    /// A control frame came that nobody has asked for; `heard`: it was not one too many.
    pub fn pinged(&mut self, peer: PeerId, heard: bool, now: Now, done: &[Done<'_>]) {
        let (key, mut expected) = (key(peer), Expected::default());
        let right = self.meter(key, "", !heard, now);
        self.verdict.check(Promise::Answers, right, || {
            format!("that a ping was heard is {heard}, which is wrong")
        });
        if !heard {
            self.note_one_more(key, now, done, &mut expected);
        }
        self.carry_out(Some(key), now, done, &expected);
    }

    /// Something was refused for its number: with a hundred in ten seconds the connection ends, and
    /// its place in the room is kept.
    pub(super) fn note_one_more(
        &mut self,
        key: Key,
        now: Now,
        done: &[Done<'_>],
        expected: &mut Expected,
    ) {
        let ends = done.contains(&Done::Close { peer: key, code: 4429 });
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.refusals.push_back(now.instant);
        let within = |seconds| {
            let seconds = Duration::from_secs(seconds);
            peer.refusals.iter().filter(|at| now.instant.since(**at) <= seconds).count()
        };
        // The server counts in parts of two seconds.
        let right = if ends { within(12) >= REFUSED_MAX } else { within(10) < REFUSED_MAX };
        let count = within(10);
        self.verdict.check(Promise::Closing, right, || {
            format!("{count} were refused in ten seconds, and that this is the end is {ends}")
        });
        if ends {
            self.flooded += 1;
            let event = Event::Limit { name: Limit::Refused.name() };
            expected.record(Some(key), event, self.subject(key));
            expected.close(key, 4429);
            self.drop_connection(key, "disconnected", now, expected);
        }
    }
}
