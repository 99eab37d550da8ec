//! After the faults: everybody gets to where they want to be, letters arrive, everybody leaves, and
//! nothing is left.

use std::collections::BTreeSet;

use autamedica_signaling::base::time::Instant;
use autamedica_signaling::message::Role;

use super::super::ledger::Who;
use super::super::link::Micros;
use super::super::plan::{Ending, SECOND};
use super::super::promises::Promise;
use super::people::BACKOFF_MAX;
use super::tabs::ATTEMPT_MAX;
use super::{Event, Phase, World};

/// How long a client of Socket.IO may take to answer a ping.
const PONG_SECS: u64 = 20;

impl World {
    /// The next phase begins.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.server.app.transcript.line(|| format!("--- {phase:?}"));
        self.phase = phase;
        match phase {
            Phase::Trouble => {}
            Phase::Calm => self.calm_down(),
            Phase::Farewell => {
                self.check_recovery();
                self.say_farewell();
                let empty = self.plan.settings.room_empty_secs * SECOND;
                let wait = self.until_forgotten() + empty + 20 * SECOND;
                self.after(wait, Event::Phase(Phase::Night));
            }
            Phase::Night => {
                self.check_emptiness();
                self.events.clear();
                self.turn_at = None;
            }
        }
    }

    /// After how long a connection that is dead is out of its room, whatever its state is.
    fn until_forgotten(&self) -> Micros {
        let settings = &self.plan.settings;
        let timeouts = settings.join_timeout_secs + settings.head_timeout_secs;
        (4 * settings.heartbeat_secs + PONG_SECS + timeouts + settings.grace_secs + 10) * SECOND
    }

    fn calm_down(&mut self) {
        self.stalled_until = self.now;
        if self.stopped {
            self.start_anew();
        }
        self.links.iter().for_each(|link| link.borrow_mut().spare());
        self.spare_disk();
        if self.random.chance(50) {
            // Somebody sets the server's clock.
            self.wall_offset = 0;
            self.server.app.book.note_jump(Instant::from_micros(self.now));
        }
        for person in 0..self.people.len() {
            self.people[person].slow_until = self.now;
            self.people[person].asleep_until = self.now;
            self.wake(person);
            if self.people[person].plan.rival {
                self.leave(person);
            }
            if self.people[person].joined {
                self.refresh(person);
            }
            let individual = &self.people[person];
            if individual.wants_in && individual.tab.is_none() {
                self.at(self.now, Event::Retries(person));
            }
        }
        // Whoever was turned away for the last time just before that comes again after the longest wait, and once more
        // where that attempt is lost.
        let calm = self.until_forgotten() + 2 * (BACKOFF_MAX + ATTEMPT_MAX);
        self.after(calm, Event::Probe);
        self.after(calm + 30 * SECOND, Event::Phase(Phase::Farewell));
    }

    /// Everybody writes to everybody. From then on nobody comes any more.
    pub(super) fn probe(&mut self) {
        self.settled = true;
        for person in 0..self.people.len() {
            let me = self.people[person].plan.user;
            for user in self.people[person].view.clone() {
                if user != me {
                    self.send_letter(person, "ice-candidate", user, 0);
                }
            }
            if let Some(tab) = self.people[person].tab {
                self.pump(tab);
            }
        }
    }

    fn check_recovery(&mut self) {
        let scarce = self.plan.settings.are_scarce();
        let rooms: BTreeSet<u32> = self.people.iter().map(|one| one.plan.room).collect();
        for room in rooms {
            if !scarce && !self.server.app.book.has_ended(room) {
                self.check_all_are_in(room);
            }
            self.check_views(room);
        }
        for person in 0..self.people.len() {
            self.check_letters(person);
        }
        let retained = self.server.app.app().engine().retained_chunks();
        let book = &mut self.server.app.book;
        let idle = book.away_count() == 0;
        book.verdict.check(Promise::Emptiness, retained == 0 || !idle, || {
            format!("everything has arrived and nobody is away; {retained} chunks are retained")
        });
    }

    /// Everybody who wants in and may is in.
    fn check_all_are_in(&mut self, room: u32) {
        let may = |permissions: &[&str]| {
            permissions.iter().any(|one| matches!(*one, "room:*" | "room:join"))
        };
        let emergency_access = self.plan.settings.emergency_access;
        let wanting = self.people.iter().filter(|one| {
            let entitled = emergency_access || !one.plan.comes_in_an_emergency();
            one.plan.room == room && one.wants_in && entitled && may(one.plan.permissions)
        });
        let others_max = self.plan.settings.participants_max - 2;
        let (others, seated): (Vec<_>, Vec<_>) = wanting
            .partition(|one| one.plan.role == Role::Observer || one.plan.comes_in_an_emergency());
        let outside = seated.iter().find(|one| !one.joined).map(|one| one.name());
        let watching = others.iter().filter(|one| one.joined).count();
        let expected = others.len().min(others_max);
        let verdict = &mut self.server.app.book.verdict;
        verdict.check(Promise::Recovery, outside.is_none(), || format!("{outside:?} is not in"));
        verdict.check(Promise::Recovery, watching == expected, || {
            format!("{watching} without a seat in room {room}, not {expected}")
        });
    }

    /// Everybody in a room knows just who is in it.
    fn check_views(&mut self, room: u32) {
        let users = self.server.app.book.users_in(room);
        for individual in self.people.iter().filter(|one| one.plan.room == room && one.joined) {
            let (name, view) = (individual.name(), &individual.view);
            self.server.app.book.verdict.check(Promise::Recovery, *view == users, || {
                format!("{name} knows of {view:?}, not {users:?}")
            });
        }
    }

    /// Whatever was accepted for a person is there, and whatever the person wrote is there or was reported.
    fn check_letters(&mut self, person: usize) {
        let individual = &self.people[person];
        if !individual.joined {
            return;
        }
        let (who, name, received) = (individual.who(), individual.name(), individual.received);
        let unanswered = individual.tab.and_then(|tab| self.tabs[tab].asked.keys().next().copied());
        // Who is still trying to come back will get it then.
        let away: BTreeSet<Who> = self
            .people
            .iter()
            .filter(|one| one.wants_in && !one.joined)
            .map(|one| one.who())
            .collect();
        let book = &mut self.server.app.book;
        if let Some(stream) = book.stream_of_user(who) {
            let accepted = book.ledger.stream(stream).letters.len();
            book.verdict.check(Promise::Delivery, received == accepted as u64, || {
                format!("{accepted} letters were accepted for {name}, who has {received}")
            });
        }
        let lost = book.ledger.lost_from(who).find(|(_, to)| !away.contains(to));
        book.verdict.check(Promise::Delivery, lost.is_none(), || {
            format!("letter {lost:?} of {name} was acknowledged, and is neither there nor reported")
        });
        book.verdict.check(Promise::Answers, unanswered.is_none(), || {
            format!("{name} has no answer to message {unanswered:?}")
        });
    }

    /// Everybody goes, in different ways; or the server does.
    fn say_farewell(&mut self) {
        if self.plan.ending == Ending::Shutdown {
            self.stop(true);
        }
        for person in 0..self.people.len() {
            self.people[person].wants_in = false;
            if self.plan.ending == Ending::Shutdown {
                continue;
            }
            match self.people[person].random.below(4) {
                0 => self.leave(person),
                1 => self.close_page(person),
                way => {
                    for tab in self.people[person].tabs.clone() {
                        self.drop_tab(tab, way == 2);
                    }
                }
            }
        }
    }

    fn check_emptiness(&mut self) {
        let engine = self.server.app.app().engine();
        let (rooms, deadline) = (engine.room_count(), engine.next_deadline(self.server_now()));
        let (peers, lent) = (self.server.peer_count(), self.server.lent_bytes().iter().sum());
        let retained = engine.retained_chunks();
        let open = self.tabs.iter().position(|tab| tab.stage != super::tabs::Stage::Closed);
        let verdict = &mut self.server.app.book.verdict;
        verdict.check(Promise::Emptiness, [rooms, peers, lent, retained] == [0; 4], || {
            format!(
                "everybody has gone, and there are {rooms} rooms, {peers} connections, {lent} bytes \
                 in blocks and {retained} chunks of letters"
            )
        });
        verdict.check(Promise::Emptiness, deadline.is_none(), || {
            format!("everybody has gone, and something is due at {deadline:?}")
        });
        verdict.check(Promise::Closing, open.is_none(), || {
            format!("everybody has gone, and tab {open:?} is open")
        });
    }
}
