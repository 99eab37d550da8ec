//! Two people and their call. It is told what they receive and when, and returns what they do next.
//! It has no socket and no clock.

use std::collections::{BTreeSet, VecDeque};

use serde::Deserialize;

use super::options::Mode;
use super::people::{self, Person, Resume, Saying};
use super::stats::{Stats, record};

/// Candidates of each of the two.
const CANDIDATES: u64 = 10;

/// Relayed messages that each of the two receives in a set-up: a description and the candidates.
const SET_UP: u64 = CANDIDATES + 1;

/// An action of a participant.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    Connect(usize),
    Say(usize, String),
    /// Drops the connection, and reconnects.
    Cut(usize),
    /// Closes the connection at once.
    Abandon(usize),
}

/// A message of the server, with the fields that matter here.
#[derive(Debug, Default, Deserialize)]
pub struct Heard<'a> {
    #[serde(rename = "type")]
    pub kind: &'a str,
    pub number: Option<u64>,
    pub due: Option<u64>,
    pub resumed: Option<bool>,
    pub stream: Option<u64>,
    pub code: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Nobody,
    SettingUp,
    Talking,
    Leaving,
}

pub struct Session {
    seats: [Seat; 2],
    mode: Mode,
    /// Whether they are silent.
    is_idle: bool,
    phase: Phase,
    /// When the call was due.
    begun: u64,
    /// The due times of further calls that fell within a call.
    backlog: VecDeque<u64>,
    /// Single messages sent so far.
    said: usize,
}

struct Seat {
    person: Person,
    is_inside: bool,
    inside_since: u64,
    connect_since: u64,
    /// How many relayed messages it has received, in the server's count for a resume.
    received: u64,
    stream: Option<u64>,
    has_been_inside: bool,
    /// The expected number of the next message to this participant, and earlier numbers that are
    /// still missing.
    expected: u64,
    missing: BTreeSet<u64>,
    /// The number of its next message.
    next: u64,
    /// The due times of messages that could not be sent yet.
    waiting: VecDeque<u64>,
}

/// The current time, and the statistics.
pub struct Moment<'a> {
    pub now: u64,
    /// What was due before is not measured.
    pub measured_from: u64,
    pub stats: &'a mut Stats,
    pub actions: &'a mut Vec<Action>,
}

impl Session {
    pub fn new(mode: Mode, is_idle: bool) -> Self {
        let seats = people::couple().map(Seat::new);
        let (phase, backlog) = (Phase::Nobody, VecDeque::new());
        Self { seats, mode, is_idle, phase, begun: 0, backlog, said: 0 }
    }

    pub fn person(&self, seat: usize) -> &Person {
        &self.seats[seat].person
    }

    /// The `join-room` that this participant would send now.
    pub fn join(&self, seat: usize) -> String {
        let seat = &self.seats[seat];
        let resume = Resume { received: seat.received, stream: seat.stream };
        people::join(&seat.person, seat.has_been_inside.then_some(resume))
    }

    pub fn is_inside(&self, seat: usize) -> bool {
        self.seats[seat].is_inside
    }

    /// A call is due.
    pub fn begin(&mut self, due: u64, moment: &mut Moment<'_>) {
        moment.stats.counts.due += u64::from(!self.is_idle);
        if self.phase == Phase::Nobody {
            self.set_up(due, moment);
        } else {
            self.backlog.push_back(due);
        }
    }

    /// A single message is due.
    pub fn trickle(&mut self, due: u64, moment: &mut Moment<'_>) {
        moment.stats.counts.due += 1;
        let seat = self.said % 2;
        self.said += 1;
        if self.phase == Phase::Talking && self.seats[seat].is_inside {
            record(&mut moment.stats.late, moment.now.saturating_sub(due));
            self.say(seat, Saying::Candidate, due, moment);
        } else {
            self.seats[seat].waiting.push_back(due);
        }
    }

    /// Drops a participant's connection, if it is connected.
    pub fn cut(&mut self, seat: usize, moment: &mut Moment<'_>) -> bool {
        let is_there = self.phase == Phase::Talking && self.seats[seat].is_inside;
        if is_there {
            self.seats[seat].is_inside = false;
            moment.stats.counts.cuts += 1;
            moment.actions.push(Action::Cut(seat));
        }
        is_there
    }

    /// Connects or reconnects.
    pub fn connect(&mut self, seat: usize, moment: &mut Moment<'_>) {
        self.seats[seat].connect_since = moment.now;
        moment.actions.push(Action::Connect(seat));
    }

    /// The connection has ended. Returns whether the participant must reconnect.
    pub fn ended(&mut self, seat: usize, why: &str, moment: &mut Moment<'_>) -> bool {
        self.seats[seat].is_inside = false;
        if self.phase == Phase::Leaving {
            if self.seats.iter().all(|seat| !seat.is_inside) {
                self.next_call(moment);
            }
            return false;
        }
        if self.phase == Phase::Nobody {
            return false;
        }
        moment.stats.error(why);
        if self.mode == Mode::Trickle || self.is_idle {
            return true;
        }
        moment.stats.counts.undone += 1;
        moment.actions.push(Action::Abandon(1 - seat));
        self.next_call(moment);
        false
    }

    pub fn heard(&mut self, seat: usize, heard: &Heard<'_>, moment: &mut Moment<'_>) {
        match heard.kind {
            "room-joined" => self.joined(seat, heard, moment),
            "offer" | "answer" | "ice-candidate" => {
                self.relayed(seat, heard, moment);
                if heard.kind == "offer" {
                    self.introduce(seat, Saying::Answer, moment);
                }
                let is_set_up = self.seats.iter().all(|seat| seat.expected >= SET_UP);
                if self.phase == Phase::SettingUp && is_set_up {
                    self.is_set_up(moment);
                }
            }
            "error" => moment.stats.error(heard.code.unwrap_or("error without a code")),
            _ => {}
        }
    }

    /// The number of messages in flight, and of those that are due and were not sent.
    pub fn open(&self) -> (u64, u64) {
        let [doctor, patient] = &self.seats;
        let on_their_way = doctor.missing_of(patient.next) + patient.missing_of(doctor.next);
        let unsaid = doctor.waiting.len() + patient.waiting.len() + self.backlog.len();
        let is_busy = matches!(self.phase, Phase::SettingUp | Phase::Leaving);
        (on_their_way, unsaid as u64 + u64::from(is_busy))
    }

    fn set_up(&mut self, due: u64, moment: &mut Moment<'_>) {
        (self.phase, self.begun) = (Phase::SettingUp, due);
        record(&mut moment.stats.late, moment.now.saturating_sub(due));
        for seat in 0..2 {
            // Each call starts afresh: nothing is resumed from the previous one.
            let waiting = std::mem::take(&mut self.seats[seat].waiting);
            self.seats[seat] = Seat { waiting, ..Seat::new(self.seats[seat].person) };
            self.connect(seat, moment);
        }
    }

    fn joined(&mut self, seat: usize, heard: &Heard<'_>, moment: &mut Moment<'_>) {
        let place = &mut self.seats[seat];
        record(&mut moment.stats.join, moment.now - place.connect_since);
        (place.is_inside, place.inside_since) = (true, moment.now);
        place.stream = heard.stream.or(place.stream);
        if place.has_been_inside {
            if heard.resumed == Some(true) {
                moment.stats.counts.resumed += 1;
            } else {
                moment.stats.counts.not_resumed += 1;
                place.received = 0;
            }
        }
        place.has_been_inside = true;
        let are_both = self.seats.iter().all(|seat| seat.is_inside);
        match self.phase {
            Phase::SettingUp if are_both && self.is_idle => self.phase = Phase::Talking,
            Phase::SettingUp if are_both && self.seats[0].next == 0 => {
                self.introduce(0, Saying::Offer, moment);
            }
            Phase::Talking => self.say_waiting(seat, moment),
            _ => {}
        }
    }

    fn relayed(&mut self, seat: usize, heard: &Heard<'_>, moment: &mut Moment<'_>) {
        let since = self.seats[seat].inside_since.max(self.seats[1 - seat].inside_since);
        let place = &mut self.seats[seat];
        place.received += 1;
        let (Some(number), Some(due)) = (heard.number, heard.due) else {
            return moment.stats.error("a message that nobody has sent");
        };
        let counts = &mut moment.stats.counts;
        if number < place.expected {
            if !place.missing.remove(&number) {
                counts.duplicated += 1;
                return;
            }
            counts.reordered += 1;
        } else {
            place.missing.extend(place.expected..number);
            place.expected = number + 1;
        }
        counts.received += 1;
        let delay = moment.now.saturating_sub(due);
        if due < since {
            record(&mut moment.stats.delay_cut, delay);
        } else if due >= moment.measured_from {
            record(&mut moment.stats.delay, delay);
        }
    }

    /// Sends a description and its candidates.
    fn introduce(&mut self, seat: usize, saying: Saying, moment: &mut Moment<'_>) {
        self.say(seat, saying, moment.now, moment);
        (0..CANDIDATES).for_each(|_| self.say(seat, Saying::Candidate, moment.now, moment));
    }

    fn say(&mut self, seat: usize, saying: Saying, due: u64, moment: &mut Moment<'_>) {
        let (from, to) = (self.seats[seat].person, self.seats[1 - seat].person);
        let text = people::say(saying, [&from, &to], self.seats[seat].next, due);
        self.seats[seat].next += 1;
        moment.stats.counts.sent += 1;
        moment.actions.push(Action::Say(seat, text));
    }

    fn say_waiting(&mut self, seat: usize, moment: &mut Moment<'_>) {
        while let Some(due) = self.seats[seat].waiting.pop_front() {
            self.say(seat, Saying::Candidate, due, moment);
        }
    }

    fn is_set_up(&mut self, moment: &mut Moment<'_>) {
        moment.stats.counts.calls += 1;
        record(&mut moment.stats.set_up, moment.now.saturating_sub(self.begun));
        if self.mode == Mode::Trickle {
            self.phase = Phase::Talking;
            (0..2).for_each(|seat| self.say_waiting(seat, moment));
            return;
        }
        self.phase = Phase::Leaving;
        for (seat, Seat { person, .. }) in self.seats.iter().enumerate() {
            moment.actions.push(Action::Say(seat, person.leave()));
        }
    }

    fn next_call(&mut self, moment: &mut Moment<'_>) {
        self.phase = Phase::Nobody;
        if let Some(due) = self.backlog.pop_front() {
            self.set_up(due, moment);
        }
    }
}

impl Seat {
    fn new(person: Person) -> Self {
        Self {
            person,
            is_inside: false,
            inside_since: 0,
            connect_since: 0,
            received: 0,
            stream: None,
            has_been_inside: false,
            expected: 0,
            missing: BTreeSet::new(),
            next: 0,
            waiting: VecDeque::new(),
        }
    }

    /// How many of the sent messages have not arrived.
    fn missing_of(&self, sent: u64) -> u64 {
        sent - self.expected.min(sent) + self.missing.len() as u64
    }
}
