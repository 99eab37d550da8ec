//! What waits for its record, and how it continues.

use autamedica_signaling::base::time::{Duration, Instant, Now};
use autamedica_signaling::engine::Ticket;
use autamedica_signaling::message::record::Event;

use super::super::promises::Promise;
use super::admission::{Bearer, Joining};
use super::effects::{kind, plain};
use super::expected::Expected;
use super::records::subject;
use super::requests::Outcome;
use super::{Book, Done, Key, Standing};

/// Something that goes on once its record is durable.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    /// Which note it is.
    pub(super) note: usize,
    pub(super) since: Instant,
    pub(super) awaited: Awaited,
}

/// What goes on.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    /// Somebody enters a room.
    Join(Key),
    /// A session ends; the messages that asked for it, in order.
    End { room: u32, by: Vec<(Key, String)> },
}

/// Somebody who may enter, and what it said.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) bearer: Bearer,
    pub(super) text: String,
}

/// How long anybody waits at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of a session waits while nothing can be written.
const END_PATIENCE: Duration = Duration::from_secs(1);

impl Book {
    /// What became of a record; the server went on with what had waited for it.
    pub fn recorded(&mut self, ticket: Ticket, written: bool, now: Now, done: &[Done<'_>]) {
        let at = self.waiting.iter().position(|waiting| waiting.ticket == ticket);
        // After its good-bye nobody is there for whom it could go on.
        let Some(at) = at else { return self.carry_out(None, now, done, &Expected::default()) };
        let waiting = self.waiting.remove(at);
        let durable = self.disk.is_durable(waiting.note) == Some(true);
        let right = if written { durable } else { !durable && self.is_hopeless(&waiting, now) };
        self.verdict.check(Promise::Waiting, right, || {
            format!("of {waiting:?} was said {written}; that it is durable is {durable}")
        });
        match waiting.awaited {
            Awaited::Join(key) => self.go_on_joining(key, written, now, done),
            Awaited::End { room, by } => self.go_on_ending(room, by, now, done),
        }
    }

    /// After a turn: nobody waits who need not, unless another turn follows at once, and nobody for too long.
    pub fn check_waiting(&mut self, now: Now, is_over: bool) {
        let durable = |waiting: &&Waiting| self.disk.is_durable(waiting.note) == Some(true);
        let forgotten = self.waiting.iter().find(durable).filter(|_| is_over).cloned();
        self.verdict.check(Promise::Waiting, forgotten.is_none(), || {
            format!("{forgotten:?} waits though its record is durable")
        });
        if let Some(since) = self.waiting.iter().map(|waiting| waiting.since).min() {
            self.check_punctual(since + PATIENCE, now.instant, || {
                "whoever waits for a record".to_owned()
            });
        }
    }

    /// Whether no record is to be expected any more.
    pub(super) fn is_hopeless(&self, waiting: &Waiting, now: Now) -> bool {
        let patience = match (self.disk.is_available(), &waiting.awaited) {
            (true, _) => PATIENCE,
            (false, Awaited::End { .. }) => END_PATIENCE,
            (false, Awaited::Join(_)) => Duration::default(),
        };
        self.disk.is_durable(waiting.note).is_none() || waiting.since + patience <= now.instant
    }

    /// What waits for the record of a session's end.
    pub(super) fn waits_for_end(&self, of: u32) -> Option<&Waiting> {
        let is =
            |waiting: &&Waiting| matches!(waiting.awaited, Awaited::End { room, .. } if room == of);
        self.waiting.iter().find(is)
    }

    /// Who is about to enter over a connection.
    pub(super) fn candidate(&self, key: Key) -> Option<Bearer> {
        Some(self.peers.get(&key)?.candidate.as_ref()?.bearer)
    }

    /// Somebody may enter and waits.
    pub(super) fn let_wait(&mut self, key: Key, bearer: Bearer, text: &str) {
        self.set_standing(key, Standing::Joining);
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.candidate = Some(Candidate { bearer, text: text.to_owned() });
        }
    }

    /// Somebody who waits is gone: it was never there.
    pub(super) fn withdraw(&mut self, key: Key, code: &'static str, expected: &mut Expected) {
        let candidate = self.peers.get_mut(&key).and_then(|peer| peer.candidate.take());
        if let Some(Candidate { bearer, .. }) = candidate {
            let subject = subject(bearer.who, bearer.token.role);
            expected.record(Some(key), Event::Withdrawal { code }, subject);
        }
    }

    fn go_on_joining(&mut self, key: Key, written: bool, now: Now, done: &[Done<'_>]) {
        let mut expected = Expected::default();
        let candidate = self.peers.get_mut(&key).and_then(|peer| peer.candidate.take());
        let Some(Candidate { bearer, text }) = candidate else {
            return self.carry_out(None, now, done, &expected);
        };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.since = now.instant;
            let standing =
                if peer.token.is_some() { Standing::Granted } else { Standing::Anonymous };
            self.set_standing(key, standing);
        }
        let outcome = match self.find_way_in(bearer, now) {
            _ if !written => Outcome::Refused("AUDIT_UNAVAILABLE"),
            Joining::Refused(code) => Outcome::Refused(code),
            Joining::Admitted(bearer) => Outcome::Joined(bearer),
            Joining::Returns(bearer) => self.returned(bearer, &text, done),
        };
        if let Outcome::Refused(code) = outcome {
            let subject = subject(bearer.who, bearer.token.role);
            expected.record(Some(key), Event::Withdrawal { code }, subject);
        }
        self.check_answer(key, &text, &outcome, done, &mut expected);
        self.bring_about(key, &text, &outcome, now, &mut expected);
        self.carry_out(Some(key), now, done, &expected);
        self.note_logins(now, done);
    }

    /// A session is about to end, and somebody asks for it again.
    pub(super) fn wait_too(&mut self, of: u32, from: Key, text: &str) {
        for waiting in &mut self.waiting {
            match &mut waiting.awaited {
                Awaited::End { room, by } if *room == of => by.push((from, text.to_owned())),
                _ => {}
            }
        }
    }

    fn go_on_ending(&mut self, room: u32, by: Vec<(Key, String)>, now: Now, done: &[Done<'_>]) {
        let mut expected = Expected::default();
        let is_inside = |key: &Key| matches!(self.standing(*key), Standing::Inside(_));
        let asked = by.iter().filter(|(key, _)| is_inside(key));
        let wanted: Vec<_> =
            asked.filter_map(|(key, text)| Some((*key, plain(text, "id")?))).collect();
        let acks: Vec<_> = done.iter().filter_map(acknowledged).collect();
        self.verdict.check(Promise::Answers, acks == wanted, || {
            format!("of those who ended room {room}, {wanted:?} had to be told, not {acks:?}")
        });
        self.end(room, &mut expected);
        self.carry_out(None, now, done, &expected);
    }
}

/// To whom an acknowledgement went, and the `id` in it.
fn acknowledged<'a>(done: &Done<'a>) -> Option<(Key, &'a str)> {
    match *done {
        Done::Send { to, text, .. } if kind(text) == "ack" => Some((to, plain(text, "id")?)),
        _ => None,
    }
}
