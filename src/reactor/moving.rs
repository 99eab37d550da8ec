//! From one reactor to another: a connection goes to the one that has its room, before it enters.
//!
//! What it has sent goes with it: the request, or the message that says where it wants to, is handled there as if it had just
//! come. So do TLS and what is unsent, and the counts of what it has used up. Nothing of a room ever moves.

use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Interest;

use super::inbound::Inbound;
use super::peer::{Flags, Peer};
use super::{Reactor, peer_id, peer_token};
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::{Application, Message};
use crate::engine::Traveller;
use crate::wire::frame::Cursor;

/// A connection on its way.
pub(super) struct Moving {
    peer: Peer,
    /// The message that is to be handled first.
    message: Option<Box<str>>,
    /// What was read behind it and not handled.
    unread: Vec<u8>,
    /// How many of these bytes are the unmasked beginning of a message.
    assembled: usize,
    /// What was to be sent to it.
    unsent: Vec<u8>,
    traveller: Traveller,
}

/// Who is to go at the end of the turn, and where to.
#[derive(Debug)]
pub(super) struct Departure {
    key: Key<Peer>,
    to: u32,
    message: Option<Box<str>>,
}

/// What the reactors of a server send each other.
pub(super) struct Mail {
    outboxes: Vec<Sender<Box<Moving>>>,
    inbox: Receiver<Box<Moving>>,
}

impl Mail {
    /// For so many reactors, by their numbers.
    pub(super) fn between(count: usize) -> Vec<Self> {
        let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..count).map(|_| channel()).unzip();
        let mail = |inbox| Self { outboxes: outboxes.clone(), inbox };
        inboxes.into_iter().map(mail).collect()
    }

    /// `Err`: that reactor has ended.
    fn send(&self, to: u32, moving: Box<Moving>) -> Result<(), Box<Moving>> {
        match self.outboxes.get(to as usize) {
            Some(outbox) => outbox.send(moving).map_err(|failed| failed.0),
            None => Err(moving),
        }
    }
}

impl<A: Application> Reactor<A> {
    /// Has a connection go to another reactor at the end of this turn. Nothing more of it is handled here.
    pub(super) fn move_on(&mut self, key: Key<Peer>, to: u32, message: Option<Message<'_>>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.flags.waiting = true;
        let message = match message {
            Some(Message::Text(text)) => Some(text.into()),
            _ => None,
        };
        self.lists.departures.push(Departure { key, to, message });
    }

    /// Sends those away who belong elsewhere. Everything that was to be written this turn has been.
    pub(super) fn see_off(&mut self) {
        let mut departures = std::mem::take(&mut self.lists.departures);
        for Departure { key, to, message } in departures.drain(..) {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            // Its time may have run out meanwhile.
            if peer.flags.doomed || !(peer.connection.is_head() || peer.connection.is_open()) {
                peer.flags.waiting = false;
                self.mark_ready(key);
                continue;
            }
            let traveller = self.app.detach(peer_id(key));
            let Some(mut peer) = self.peers.remove(key) else { continue };
            self.deadlines.cancel(key.index());
            // It fails only where the descriptor is not there, and then there is nothing to be heard of it.
            let _ = self.poll.registry().deregister(&mut peer.transport.socket);
            let (unread, assembled) = match peer.inbound.take() {
                Some(inbound) => inbound.take(&mut self.cut),
                None => (Vec::new(), 0),
            };
            let unsent = peer.outbound.take(&mut self.unsent);
            self.counters.moved += 1;
            log::debug!("connection {} goes to loop {to}", peer.number);
            let moving = Moving { peer, message, unread, assembled, unsent, traveller };
            match self.mail.send(to, Box::new(moving)) {
                Ok(()) => self.shared.wake(to as usize),
                Err(mut lost) => self.drop_moving(&mut lost.peer),
            }
        }
        self.lists.departures = departures;
    }

    /// Takes in those who come from other reactors.
    pub(super) fn receive_moved(&mut self, now: Now) {
        while let Ok(mut moving) = self.mail.inbox.try_recv() {
            if self.stopping.is_some() {
                self.drop_moving(&mut moving.peer);
            } else {
                self.take_in(*moving, now);
            }
        }
    }

    /// There is nobody left to take it in: the server stops.
    fn drop_moving(&mut self, peer: &mut Peer) {
        self.entrance.leave();
        peer.head.take().into_iter().for_each(|network| self.entrance.pass(network));
        log::debug!("connection {} closed between two loops", peer.number);
    }

    fn take_in(&mut self, moving: Moving, now: Now) {
        let Moving { mut peer, message, unread, assembled, unsent, traveller } = moving;
        // What may be in which list is of the other reactor; the kernel tells again what there is to be read.
        let Flags { shut, read_closed, .. } = peer.flags;
        peer.flags = Flags { shut, read_closed, resumed: true, ..Flags::default() };
        let at = Cursor::new(assembled, unread.len());
        let mut fits = true;
        if !unread.is_empty() {
            peer.inbound = Inbound::keep(&unread, &at, &mut self.cut, usize::MAX);
            fits &= peer.inbound.is_some();
        }
        if !unsent.is_empty() {
            fits &= peer.outbound.push([&unsent, &[]], usize::MAX, &mut self.unsent).is_ok();
        }
        let registry = self.poll.registry();
        let key = self.peers.insert_with(|key| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            fits &=
                registry.register(&mut peer.transport.socket, peer_token(key), interest).is_ok();
            peer
        });
        self.app.attach(peer_id(key), traveller, now);
        self.settle(key, now);
        if !fits {
            // Neither the system nor the pools have anything left for it.
            self.counters.starved += 1;
            self.lose(key, now);
            return;
        }
        if let Some(text) = &message {
            let message = Message::Text(text);
            self.counters.received += 1;
            self.app.receive(peer_id(key), message, now, &mut self.output.effects);
            self.apply(Some(key), Some(message), now);
            self.settle(key, now);
        }
        self.mark_ready(key);
    }
}
