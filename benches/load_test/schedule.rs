//! The schedule. It is made before the run, and never adapts to it: a client that waits for the
//! server before its next step would measure only how the server does while all is well.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::options::{Mode, Options};

/// Time for the last of the initial connections to set up its call.
const SETTLE_MICROS: u64 = 1_000_000;

/// A scheduled action, in the session with this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A call; the next one after this many microseconds.
    Begin(usize, Option<u64>),
    /// A message; the next one after this many microseconds.
    Trickle(usize, u64),
    /// A seat drops its connection.
    Cut(usize, usize),
    /// A seat reconnects.
    Return(usize, usize),
}

/// Times are microseconds since the start.
pub struct Schedule {
    heap: BinaryHeap<Reverse<(u64, Due)>>,
    pub measured_from: u64,
    pub measured_until: u64,
}

/// The measured part of the run.
pub fn window(options: &Options) -> (u64, u64) {
    let first = match options.mode {
        Mode::Trickle => options.sessions + options.idle_rooms(),
        Mode::Calls => options.idle_rooms(),
    };
    let from = micros(first as f64 / options.ramp).next_multiple_of(1_000_000) + SETTLE_MICROS;
    (from, from + options.duration.as_micros() as u64)
}

impl Schedule {
    /// The schedule for some of all rooms, the first of which talk. Their indices count from 0.
    pub fn new(options: &Options, rooms: &[usize]) -> Self {
        let (measured_from, measured_until) = window(options);
        let mut schedule = Self { heap: BinaryHeap::new(), measured_from, measured_until };
        let sessions = options.sessions as f64;
        for (index, &room) in rooms.iter().enumerate() {
            let number = room as f64;
            let come = micros(number / options.ramp);
            if room >= options.sessions {
                let idle = number - if options.mode == Mode::Calls { sessions } else { 0.0 };
                schedule.add(micros(idle / options.ramp), Due::Begin(index, None));
            } else if options.mode == Mode::Calls {
                let period = micros(sessions / options.rate());
                let first = measured_from + micros(number / options.rate());
                schedule.add(first, Due::Begin(index, Some(period)));
            } else {
                let period = micros(1.0 / options.rate());
                schedule.add(come, Due::Begin(index, None));
                let first = measured_from + micros(number / sessions / options.rate());
                schedule.add(first, Due::Trickle(index, period));
                schedule.cuts(options, index, room);
            }
        }
        schedule
    }

    pub fn add(&mut self, at: u64, due: Due) {
        self.heap.push(Reverse((at, due)));
    }

    /// The next action that is due. A repeating one is scheduled again.
    pub fn pop(&mut self, now: u64) -> Option<(u64, Due)> {
        let &Reverse((at, due)) = self.heap.peek()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        let again = match due {
            Due::Begin(_, period) => period,
            Due::Trickle(_, period) => Some(period),
            Due::Cut(..) | Due::Return(..) => None,
        };
        let next = again.map(|period| at + period).filter(|next| *next < self.measured_until);
        next.into_iter().for_each(|next| self.add(next, due));
        Some((at, due))
    }

    /// Nothing more is due from now on, except that absent participants return: messages may be in
    /// flight to them.
    pub fn stop(&mut self) {
        self.heap.retain(|Reverse((_, due))| matches!(due, Due::Return(..)));
    }

    pub fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Spreads the drops evenly over all participants, and over time.
    fn cuts(&mut self, options: &Options, index: usize, room: usize) {
        let (every, away) = (options.cut_every.as_micros() as u64, options.away.as_micros() as u64);
        for seat in 0..2 {
            let number = (2 * room + seat) as f64;
            if ((number + 1.0) * options.cut).floor() > (number * options.cut).floor() {
                let spread = (number * 0.618_034).fract();
                let mut at = self.measured_from + (every as f64 * spread) as u64;
                while at + away < self.measured_until {
                    self.add(at, Due::Cut(index, seat));
                    at += every;
                }
            }
        }
    }
}

fn micros(secs: f64) -> u64 {
    ((secs * 1e6) as u64).max(1)
}
