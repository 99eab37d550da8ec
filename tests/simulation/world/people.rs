//! People: what they want, and what they know.

use std::collections::BTreeSet;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::{Duration, WallTime};

use super::super::book::Token;
use super::super::ledger::Who;
use super::super::link::Micros;
use super::super::names;
use super::super::plan::{Person, SECOND};
use super::super::random::Random;
use super::tabs::Memory;
use super::{Event, Phase, World};

/// How long a client waits at most before it tries again.
pub const BACKOFF_MAX: Micros = 32 * SECOND;

/// A person in a run.
#[derive(Debug)]
pub struct Individual {
    /// What was planned.
    pub plan: Person,
    /// The person's own chance.
    pub random: Random,
    /// Whether the person wants to be in the room.
    pub wants_in: bool,
    /// The tab that counts.
    pub tab: Option<usize>,
    /// Whether that tab is in the room.
    pub joined: bool,
    /// All tabs that are open.
    pub tabs: Vec<usize>,
    /// How many relayed messages were received since the last `room-joined` that did not resume.
    pub received: u64,
    /// What that one called the stream.
    pub stream: Option<u64>,
    /// Whether there ever was one, so that there is something to resume.
    pub has_joined: bool,
    /// Who is in the room, as far as the person knows.
    pub view: BTreeSet<u32>,
    /// Reads nothing up to then.
    pub slow_until: Micros,
    /// Does nothing up to then.
    pub asleep_until: Micros,
    /// Letters that have no answer, with their ids: sent again where nothing else was lost.
    pub unanswered: Vec<(u64, usize)>,
    /// Another attempt is on its way.
    pub retrying: bool,
    /// How many attempts failed since the last success.
    pub failures: u32,
    /// The id of the next message.
    pub next_id: u64,
}

impl Individual {
    /// A person who has not come yet.
    pub fn new(seed: u64, plan: &Person) -> Self {
        Self {
            plan: plan.clone(),
            random: Random::new(seed, &[4, u64::from(plan.number)]),
            wants_in: false,
            tab: None,
            tabs: Vec::new(),
            joined: false,
            received: 0,
            stream: None,
            has_joined: false,
            view: BTreeSet::new(),
            slow_until: 0,
            asleep_until: 0,
            unanswered: Vec::new(),
            retrying: false,
            failures: 0,
            next_id: 1,
        }
    }

    /// The room and the user.
    pub fn who(&self) -> Who {
        (self.plan.room, self.plan.user)
    }

    /// As transcripts name the person.
    pub fn name(&self) -> String {
        let Person { role, number, room, .. } = self.plan;
        format!("{}-{number} of room {room}", role.as_str())
    }

    /// A number for the next message.
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }
}

impl World {
    /// A fresh token for a person. When all is calm, the clocks of issuer and server are the same.
    pub(super) fn mint(&mut self, person: usize) -> String {
        let Person { skew_secs, old_secret, .. } = self.people[person].plan;
        let millis = if self.phase == Phase::Trouble {
            self.true_millis() + skew_secs * 1_000
        } else {
            self.server_now().wall.as_millis()
        };
        let (ticket, token) = self.ticket(person, millis);
        let text = mint(&self.secrets[usize::from(old_secret)], &ticket);
        self.server.app.book.note_token(text.clone(), token);
        text
    }

    /// A token for a person that somebody else has signed.
    pub(super) fn forge(&mut self, person: usize) -> String {
        mint(&self.secrets[2], &self.ticket(person, self.true_millis()).0)
    }

    fn ticket(&self, person: usize, millis: i64) -> (Ticket<'static>, Token) {
        let individual = &self.people[person];
        let Person { home, user, role, permissions, .. } = individual.plan;
        let lifetime =
            if self.phase == Phase::Trouble { individual.plan.token_secs } else { 3_600 };
        let issued_at = WallTime::from_secs(millis.div_euclid(1_000));
        let expires_at = issued_at.plus(Duration::from_secs(lifetime));
        let ticket = Ticket {
            user: names::user_id(user),
            role,
            session: names::session_id(home),
            permissions,
            room_type: None,
            issued_at,
            lifetime: Duration::from_secs(lifetime),
            issuer: None,
            audience: None,
            id: None,
        };
        (ticket, Token { who: (home, user), role, permissions, issued_at, expires_at })
    }

    /// The person is in no tab any more; tries again where that makes sense.
    pub(super) fn come_back_later(&mut self, person: usize) {
        let individual = &mut self.people[person];
        if !individual.wants_in || individual.retrying {
            return;
        }
        individual.retrying = true;
        // As the protocol's document advises: 1, 2, 4, up to 32 seconds, from half of it on.
        let bound = (SECOND << individual.failures.min(5)).min(BACKOFF_MAX);
        individual.failures += 1;
        let wait = bound / 2 + individual.random.below(bound / 2);
        self.after(wait, Event::Retries(person));
    }

    /// Another attempt.
    pub(super) fn retry(&mut self, person: usize) {
        let individual = &mut self.people[person];
        individual.retrying = false;
        if individual.asleep_until > self.now {
            individual.retrying = true;
            let until = individual.asleep_until;
            return self.at(until, Event::Retries(person));
        }
        if individual.wants_in && individual.tab.is_none() && !self.settled {
            self.connect(person, Memory::Right);
        }
    }

    /// A person reads again, and finds out what happened meanwhile.
    pub(super) fn wake(&mut self, person: usize) {
        for tab in self.people[person].tabs.clone() {
            self.read_tab(tab);
        }
    }
}
