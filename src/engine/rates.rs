//! The rate limits of a connection, by kind of message.

use crate::base::bucket::{Bucket, Rate};
use crate::base::limits::Limit;
use crate::base::time::Instant;
use crate::message::problem::{Excess, Problem};
use crate::message::request::{Relay, RelayKind, Request};

/// What a connection may say in a second, and at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// `offer`, `answer`, `ice-candidate`.
    pub signal: Rate,
    /// Every other message, what is no message at all, and control frames that nobody has asked for.
    pub state: Rate,
    /// Everything that is said by somebody who has shown no token yet.
    pub stranger: Rate,
}

impl Rates {
    /// The ordinary limits of a server.
    pub const ORDINARY: Self = Self {
        signal: Rate { per_second: 50, burst: 200 },
        state: Rate { per_second: 10, burst: 40 },
        stranger: Rate { per_second: 2, burst: 10 },
    };

    /// No limits.
    pub const UNLIMITED: Self =
        Self { signal: Rate::UNLIMITED, state: Rate::UNLIMITED, stranger: Rate::UNLIMITED };
}

/// So many refused messages within ten seconds end a connection.
const REFUSED_MAX: u32 = 100;

/// They are counted in parts of so many microseconds: the present one, and those of the ten seconds before.
const PART_MICROS: u64 = 2_000_000;
const PARTS: usize = 10_000_000 / PART_MICROS as usize + 1;

/// Of which kind something is that a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Signal,
    State,
}

impl Class {
    /// The kind of a message. What is wrong is like any other message, whatever it was meant to be.
    pub(super) fn of(request: &Result<Request<'_>, Problem>) -> Self {
        match request {
            Ok(Request::Relay(Relay { kind: RelayKind::MediaControl, .. })) => Self::State,
            Ok(Request::Relay(_)) => Self::Signal,
            _ => Self::State,
        }
    }
}

/// The meters of all connections, by their index.
#[derive(Debug, Default)]
pub(super) struct Meters {
    table: Vec<Meter>,
}

/// What one connection may still say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    signal: Bucket,
    state: Bucket,
    refused: Refusals,
}

/// How many messages were refused lately. Each counts for ten seconds at least, so that there is no moment from which on one
/// may begin anew, and for twelve at most.
#[derive(Clone, Copy, Debug, Default)]
struct Refusals {
    /// The present part, by a clock that goes round.
    part: u16,
    /// How many in it, and in those before.
    counts: [u8; PARTS],
}

impl Meters {
    /// An empty table, made for so many connections.
    pub(super) fn with_capacity(connections: usize) -> Self {
        Self { table: Vec::with_capacity(connections) }
    }

    /// The connection at `index` is a new one.
    pub(super) fn reset(&mut self, index: u32) {
        let index = index as usize;
        if index >= self.table.len() {
            self.table.resize(index + 1, Meter::default());
        }
        self.table[index] = Meter::default();
    }

    /// What the connection at `index` may still say.
    pub(super) fn get(&self, index: u32) -> Meter {
        self.table.get(index as usize).copied().unwrap_or_default()
    }

    /// The connection at `index` has said something elsewhere.
    pub(super) fn put(&mut self, index: u32, meter: Meter) {
        if let Some(entry) = self.table.get_mut(index as usize) {
            *entry = meter;
        }
    }

    /// Whether the connection at `index` may say something of this kind now; else the limit that it has hit last.
    pub(super) fn take(
        &mut self,
        index: u32,
        class: Class,
        is_stranger: bool,
        rates: &Rates,
        now: Instant,
    ) -> Result<(), (Limit, Problem)> {
        let Some(meter) = self.table.get_mut(index as usize) else { return Ok(()) };
        let (bucket, rate, limit) = match class {
            _ if is_stranger => (&mut meter.state, &rates.stranger, Limit::StrangerRate),
            Class::Signal => (&mut meter.signal, &rates.signal, Limit::SignalRate),
            Class::State => (&mut meter.state, &rates.state, Limit::StateRate),
        };
        if bucket.take(1, rate, now) {
            return Ok(());
        }
        Err(meter.refused.one_more(limit, Excess::Messages, now))
    }

    /// The connection at `index` is refused something for another limit of its messages: that one, or the one that ends it.
    pub(super) fn refuse(
        &mut self,
        index: u32,
        (limit, excess): (Limit, Excess),
        now: Instant,
    ) -> (Limit, Problem) {
        match self.table.get_mut(index as usize) {
            Some(meter) => meter.refused.one_more(limit, excess, now),
            None => (limit, Problem::RateLimited(excess)),
        }
    }
}

impl Refusals {
    /// Counts one more for this limit: that, or the limit of them.
    fn one_more(&mut self, limit: Limit, excess: Excess, now: Instant) -> (Limit, Problem) {
        match self.add(now) {
            true => (Limit::Refused, Problem::RateLimited(Excess::Attempts)),
            false => (limit, Problem::RateLimited(excess)),
        }
    }

    /// Counts one more; whether they are too many.
    fn add(&mut self, now: Instant) -> bool {
        let part = (now.as_micros() / PART_MICROS) as u16;
        let passed = usize::from(part.wrapping_sub(self.part)).min(PARTS);
        self.counts.rotate_right(passed % PARTS);
        self.counts[..passed].fill(0);
        self.part = part;
        self.counts[0] = self.counts[0].saturating_add(1);
        self.sum() >= REFUSED_MAX
    }

    fn sum(&self) -> u32 {
        self.counts.iter().copied().map(u32::from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    const RATES: Rates = Rates {
        signal: Rate { per_second: 5, burst: 3 },
        state: Rate { per_second: 1, burst: 2 },
        stranger: Rate { per_second: 1, burst: 1 },
    };

    fn at(millis: u64) -> Instant {
        Instant::default() + Duration::from_millis(millis)
    }

    /// Says something as often as told; how often that was obeyed.
    fn say(meters: &mut Meters, class: Class, times: usize, now: Instant) -> usize {
        (0..times).filter(|_| meters.take(0, class, false, &RATES, now).is_ok()).count()
    }

    fn meters() -> Meters {
        let mut meters = Meters::default();
        meters.reset(0);
        meters
    }

    #[test]
    fn each_kind_has_its_own_limit() {
        let mut meters = meters();
        assert_eq!(say(&mut meters, Class::Signal, 4, at(0)), 3);
        assert_eq!(say(&mut meters, Class::State, 3, at(0)), 2);
        assert_eq!(say(&mut meters, Class::Signal, 4, at(200)), 1);
        assert_eq!(say(&mut meters, Class::State, 3, at(999)), 0);
        assert_eq!(say(&mut meters, Class::State, 3, at(1_000)), 1);
    }

    #[test]
    fn who_has_shown_no_token_may_say_little_and_what_was_said_counts_on() {
        let mut meters = meters();
        for (class, expected) in [(Class::Signal, Ok(())), (Class::State, Err(Limit::StrangerRate))]
        {
            let said = meters.take(0, class, true, &RATES, at(0)).map_err(|(limit, _)| limit);
            assert_eq!(said, expected);
        }
        assert_eq!(say(&mut meters, Class::State, 3, at(0)), 1, "of two, one is gone");
    }

    #[test]
    fn a_hundred_refusals_within_ten_seconds_are_the_end_and_ninety_nine_are_not() {
        let attempts = |meters: &mut Meters, times: usize, now: Instant| {
            let mut ends = 0;
            for _ in 0..times {
                let said = meters.take(0, Class::State, true, &RATES, now);
                ends += usize::from(said.is_err_and(|(limit, _)| limit == Limit::Refused));
            }
            ends
        };
        let mut meters = meters();
        assert!(meters.take(0, Class::State, true, &RATES, at(0)).is_ok());
        assert_eq!(attempts(&mut meters, 99, at(0)), 0);
        assert_eq!(attempts(&mut meters, 1, at(999)), 1, "the hundredth");
        meters.reset(0);
        assert_eq!(attempts(&mut meters, 100, at(0)), 0, "the first of them was obeyed");
        assert_eq!(attempts(&mut meters, 100, at(12_000)), 0, "they count no longer");
        assert_eq!(attempts(&mut meters, 1, at(12_001)), 1);
    }

    #[test]
    fn however_refusals_are_spread_a_hundred_within_ten_seconds_are_found_and_fewer_within_twelve_are_not()
     {
        let mut dice = 1_u64;
        for round in 0..200 {
            let mut refusals = Refusals::default();
            let (mut now, mut times) = (round * 777, Vec::new());
            loop {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // Bursts, pauses, and about as many as are just allowed.
                now += match dice >> 60 {
                    0 => (dice >> 40) % 9_000,
                    1..8 => 0,
                    _ => (dice >> 40) % (80 + round),
                };
                times.push(now);
                let within = |millis| times.iter().filter(|time| **time + millis > now).count();
                let is_end = refusals.add(at(now));
                assert!(is_end || within(10_000) < 100, "{times:?}");
                assert!(!is_end || within(12_000) >= 100, "{times:?}");
                if is_end || times.len() == 2_000 {
                    break;
                }
            }
        }
    }

    #[test]
    fn the_clock_of_refusals_may_go_round_and_back() {
        let mut meters = meters();
        let round = (1 << 16) * PART_MICROS / 1_000 - 1;
        for now in [round, round + 5_000, 0, u64::MAX / 1_000, round] {
            say(&mut meters, Class::State, 70, at(now));
            assert!(meters.table[0].refused.sum() >= 70 - 2);
        }
    }

    #[test]
    fn what_everybody_pays_for_is_small() {
        assert_eq!(size_of::<Meter>(), 24);
    }
}
