//! What the reactors of a server send each other: connections, and requests for places.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::Reactor;
use super::entrance::Counted;
use super::moving::Moving;
use super::places::PlaceAskedFor;
use crate::base::time::Now;
use crate::connection::Application;

/// What one reactor sends to another.
pub(super) enum Letter {
    Moving(Box<Moving>),
    Place(PlaceAskedFor),
}

/// What the reactors of a server send each other.
pub(super) struct Mail {
    outboxes: Vec<Sender<Letter>>,
    inbox: Receiver<Letter>,
}

impl Mail {
    /// Mailboxes for `count` reactors, by number.
    pub(super) fn between(count: usize) -> Vec<Self> {
        let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
        let mail = |inbox| Self { outboxes: outboxes.clone(), inbox };
        inboxes.into_iter().map(mail).collect()
    }

    /// `Err`: that reactor has ended.
    pub(super) fn send(&self, to: usize, letter: Letter) -> Result<(), Letter> {
        match self.outboxes.get(to) {
            Some(outbox) => outbox.send(letter).map_err(|failed| failed.0),
            None => Err(letter),
        }
    }
}

impl<A: Application> Reactor<A> {
    /// Takes over connections from other reactors, and hears which places they ask for.
    pub(super) fn receive_letters(&mut self, now: Now) {
        while let Ok(letter) = self.mail.inbox.try_recv() {
            match letter {
                Letter::Moving(moving) => {
                    self.take_in(*moving, now);
                    self.shared.ending.received_by(self.index);
                }
                // Not before those in a call have been served.
                Letter::Place(place) => self.lists.asked_for.push(place),
            }
        }
    }

    /// The loop has ended: connections that arrived too late are no longer counted.
    pub(super) fn receive_last(&mut self) {
        while let Ok(letter) = self.mail.inbox.try_recv() {
            self.drop_letter(letter);
        }
    }

    /// There is no reactor left to receive it: that one has broken, or the time to stop is over.
    pub(super) fn drop_letter(&mut self, letter: Letter) {
        let mut moving = match letter {
            Letter::Moving(moving) => moving,
            Letter::Place(place) => return self.entrance.has_given_way(place.crowd),
        };
        let peer = &mut moving.peer;
        self.entrance.leave();
        if let Some(network) = peer.network {
            self.entrance.count_less(network, &mut peer.counted, Counted::default());
        }
        log::debug!("connection {} closed between two loops", peer.number);
    }
}
