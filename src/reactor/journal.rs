//! The path of an entry to the audit log, and of its confirmation back: a client is told that it is
//! let in only once the entry is durable.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::peer::Peer;
use super::{Reactor, peer_key_of};
use crate::base::arena::Key;
use crate::base::redacted::Redacted;
use crate::base::time::{Duration, Instant, Now, WallTime};
use crate::connection::Application;
use crate::engine::{Note, Recording, Ticket};
use crate::message::record::{Event, Record};

/// A write-ahead log, as the reactor sees it. Nothing here may block.
pub trait Journal: Send {
    /// Takes an entry and gives it a number, larger than those before. It may be written from the
    /// next [`Journal::publish`] on. `None`: there is no room for it, or it was only counted.
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64>;

    /// The turn is over, and the entries taken must be written: now if something waits for them
    /// (`awaited`), otherwise within a moment. The writer wakes the reactor
    /// ([`super::Handle::wake`]) when the result of one of the next two methods has changed.
    fn publish(&mut self, awaited: bool);

    /// Up to which number everything is durable.
    fn durable(&self) -> u64;

    /// Whether it can be written at all.
    fn is_available(&self) -> bool;
}

/// One entry of the log.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The time of the event.
    pub time: WallTime,
    /// The number of the connection, as in the operational log; 0 for none.
    pub connection: u64,
    /// The address of the connection, if it is recorded.
    pub address: Option<Redacted<IpAddr>>,
    /// What happened.
    pub record: Record,
    /// The reason that a person gave: a JSON string.
    pub reason: Option<&'a str>,
}

/// How long a client waits for its record at most. A disk that takes longer is as bad as one that
/// cannot be written.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a session waits for its record while the log cannot be written. A full disk
/// has room kept for it; whatever becomes of that, the session ends.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The log, and what waits for it, in the order of the numbers.
#[derive(Default)]
pub(super) struct Records {
    journal: Option<Box<dyn Journal>>,
    waiting: VecDeque<Waiting>,
    /// The last state that the application was told.
    unavailable: bool,
    /// Whether something was taken since the last publication.
    taken: bool,
    /// Whether something waits for that.
    awaited: bool,
    /// The number of the last entry; `None` if it was not taken.
    last: Option<u64>,
}

struct Waiting {
    /// `None`: it found no room, and will never be durable.
    number: Option<u64>,
    since: Instant,
    ticket: Ticket,
    /// Nothing of this connection is handled meanwhile.
    peer: Option<Key<Peer>>,
    /// Whether a session ends; otherwise somebody enters.
    ends: bool,
}

impl Waiting {
    /// How long it waits at most. Whoever waits to be let in is refused as soon as the log cannot be
    /// written.
    const fn patience(&self, available: bool) -> Duration {
        match (available, self.ends) {
            (true, _) => RECORD_TIMEOUT,
            (false, true) => END_TIMEOUT,
            (false, false) => Duration::from_secs(0),
        }
    }
}

impl Records {
    pub(super) fn new(journal: Box<dyn Journal>) -> Self {
        Self { journal: Some(journal), ..Self::default() }
    }

    /// When the first one waiting will have waited too long.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let (front, journal) = (self.waiting.front()?, self.journal.as_ref()?);
        Some(front.since + front.patience(journal.is_available()))
    }

    /// Whether there is a log that cannot be written.
    pub(super) const fn is_unavailable(&self) -> bool {
        self.unavailable
    }

    /// How many are waiting.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes out the number of the last entry handed over, if it was taken.
    pub(super) fn take_last(&mut self) -> Option<u64> {
        self.last.take()
    }

    /// Notes that something waits for the entries handed over.
    pub(super) fn await_last(&mut self) {
        self.awaited = true;
    }

    /// Whether an entry is durable; `None` if that is not known yet.
    pub(super) fn is_durable(&self, number: u64) -> Option<bool> {
        let journal = self.journal.as_ref()?;
        let written = number <= journal.durable();
        (written || !journal.is_available()).then_some(written)
    }

    /// For the first one waiting: whether its record is durable, or will not be; `None` if that is
    /// not known yet.
    pub(super) fn answer(&self, now: Now) -> Option<bool> {
        let (front, journal) = (self.waiting.front()?, self.journal.as_ref()?);
        let Some(number) = front.number else { return Some(false) };
        if number <= journal.durable() {
            return Some(true);
        }
        let overdue = front.since + front.patience(journal.is_available()) <= now.instant;
        overdue.then_some(false)
    }
}

impl<A: Application> Reactor<A> {
    /// Hands over an entry. If the application waits for its record, the connection that it is about
    /// waits too.
    pub(super) fn note(&mut self, note: &Note, reason: Option<&str>, now: Now) {
        let Some(journal) = &mut self.records.journal else { return };
        let key = note.peer.map(peer_key_of);
        let peer = key.and_then(|key| self.peers.get_mut(key));
        let number = journal.take(&Entry {
            time: now.wall,
            connection: peer.as_ref().map_or(0, |peer| peer.number),
            address: note.address,
            record: note.record,
            reason,
        });
        self.records.taken = true;
        self.records.last = number;
        let Some(ticket) = note.ticket else { return };
        self.records.awaited = true;
        if let Some(peer) = peer {
            peer.flags.waiting = true;
        }
        let ends = !matches!(note.record.event, Event::Admission { .. });
        let waiting = Waiting { number, since: now.instant, ticket, peer: key, ends };
        self.records.waiting.push_back(waiting);
    }

    /// Lets the log write the entries taken.
    pub(super) fn publish(&mut self) {
        if std::mem::take(&mut self.records.taken)
            && let Some(journal) = &mut self.records.journal
        {
            journal.publish(std::mem::take(&mut self.records.awaited));
        }
    }

    /// Tells the application whether there is a log that can be written.
    pub(super) fn heed_journal(&mut self) {
        let unavailable =
            self.records.journal.as_ref().is_some_and(|journal| !journal.is_available());
        if unavailable != self.records.unavailable {
            self.records.unavailable = unavailable;
            self.app.set_recording(match unavailable {
                true => Recording::Unavailable,
                false => Recording::Available,
            });
        }
    }

    /// Continues with those whose record is durable, or will not be. Returns whether there
    /// is time left.
    pub(super) fn heed_records(&mut self, now: Now) -> bool {
        while let Some(written) = self.records.answer(now) {
            let Some(waiting) = self.records.waiting.pop_front() else { break };
            self.app.recorded(waiting.ticket, written, now, &mut self.output.effects);
            self.apply(None, None, now);
            if let Some(key) = waiting.peer {
                if !waiting.ends {
                    self.counters.joins.observe(now.instant.since(waiting.since), 1);
                }
                self.resume(key, now);
            }
            if !self.finish_newcomer(now) {
                return false;
            }
        }
        true
    }
}
