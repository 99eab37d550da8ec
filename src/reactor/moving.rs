//! Moving a connection from one reactor to another: to the one that has its room, before it enters.
//! Its input moves with it: the request, or the message that names the room, is handled there as if
//! it had just arrived. TLS, unsent bytes and the counts of what it has used up move too. Nothing
//! of a room ever moves.

use mio::Interest;

use super::inbound::{Inbound, Share};
use super::mail::Letter;
use super::peer::{Flags, Peer};
use super::{Reactor, peer_id, peer_key_of, peer_token};
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::{Application, Errand, Message, PolledSession};
use crate::engine::Traveller;
use crate::wire::frame::Cursor;
use crate::wire::sid::Sid;

/// A connection on its way to another reactor.
pub(super) struct Moving {
    pub(super) peer: Peer,
    /// The message that is to be handled first.
    message: Option<Box<str>>,
    /// Bytes that were read after it and not handled.
    unread: Vec<u8>,
    /// How many of these bytes are the unmasked beginning of a message.
    assembled: usize,
    /// Unsent bytes to it.
    unsent: Vec<u8>,
    traveller: Traveller,
    /// If it is a session that requests carry: the rest of its state.
    session: Option<PolledSession>,
    /// If it is a request of such a session: which session. The session has moved before.
    follows: Option<Sid>,
}

/// The connections that leave at the end of the turn, and their destinations.
#[derive(Debug)]
pub(super) struct Departure {
    key: Key<Peer>,
    to: u32,
    message: Option<Box<str>>,
    follows: Option<Sid>,
}

impl<A: Application> Reactor<A> {
    /// Marks a connection to move to another reactor at the end of this turn. Nothing more of it is
    /// handled here.
    pub(super) fn move_on(&mut self, key: Key<Peer>, to: u32, message: Option<Message<'_>>) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.flags.waiting = true;
        let message = match message {
            Some(Message::Text(text)) => Some(text.into()),
            _ => None,
        };
        self.lists.departures.push(Departure { key, to, message, follows: None });
    }

    /// Moves the connections that belong elsewhere. All writes of this turn have been done by now.
    pub(super) fn see_off(&mut self) {
        let mut departures = std::mem::take(&mut self.lists.departures);
        for departure in departures.drain(..) {
            let (key, to) = (departure.key, departure.to);
            if self.stays(key) {
                continue;
            }
            let session = self.app.detach_session(peer_id(key), to);
            let followers = session.as_ref().map(|session| (session.sid, session.requests));
            self.send_off(departure, session);
            // Requests for a session follow it.
            let Some((sid, requests)) = followers else { continue };
            for request in requests.into_iter().flatten() {
                let (key, follows) = (peer_key_of(request), Some(sid));
                self.send_off(Departure { key, to, message: None, follows }, None);
            }
        }
        self.lists.departures = departures;
    }

    /// Whether a connection cannot move any more: its time may have run out meanwhile.
    fn stays(&mut self, key: Key<Peer>) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return true };
        let connection = &peer.connection;
        let may_go = connection.is_head() || connection.is_open() || connection.errand().is_some();
        if peer.flags.doomed || !may_go {
            peer.flags.waiting = false;
            peer.flags.resumed = true;
            self.mark_ready(key);
            return true;
        }
        false
    }

    fn send_off(&mut self, departure: Departure, session: Option<PolledSession>) {
        let Departure { key, to, message, follows } = departure;
        if self.stays(key) {
            return;
        }
        let traveller = self.app.detach(peer_id(key));
        let Some(mut peer) = self.peers.remove(key) else { return };
        self.deadlines.cancel(key.index());
        if let Some(transport) = &mut peer.transport {
            // It fails only if the descriptor is not registered, and then it causes no events.
            let _ = self.poll.registry().deregister(&mut transport.socket);
        }
        let (unread, assembled) = match peer.inbound.take() {
            Some(inbound) => inbound.take(&mut self.cut),
            None => (Vec::new(), 0),
        };
        let unsent = peer.outbound.take(&mut self.unsent);
        self.counters.moved += 1;
        log::debug!("connection {} goes to loop {to}", peer.number);
        let moving =
            Moving { peer, message, unread, assembled, unsent, traveller, session, follows };
        // Counted before it leaves, so that at every moment somebody knows of it.
        let (to, letter) = (to as usize, Letter::Moving(Box::new(moving)));
        let sent = match self.shared.ending.send_to(to) {
            true => self.mail.send(to, letter),
            false => Err(letter),
        };
        match sent {
            Ok(()) => self.shared.wake(to),
            Err(lost) => self.drop_letter(lost),
        }
    }

    /// Takes over a connection from another reactor.
    pub(super) fn take_in(&mut self, moving: Moving, now: Now) {
        let Moving { mut peer, message, unread, assembled, unsent, traveller, session, follows } =
            moving;
        // The flags for lists belong to the other reactor; the kernel reports again what there is
        // to be read.
        let Flags { shut, read_closed, .. } = peer.flags;
        peer.flags = Flags { shut, read_closed, resumed: true, ..Flags::default() };
        let at = Cursor::new(assembled, unread.len());
        let mut fits = true;
        if !unread.is_empty() {
            peer.inbound = Inbound::keep(&unread, &at, &mut self.cut, Share::ALL);
            fits &= peer.inbound.is_some();
        }
        if !unsent.is_empty() {
            fits &= peer.outbound.push(&[&unsent], usize::MAX, 0, &mut self.unsent).is_ok();
        }
        let registry = self.poll.registry();
        let key = self.peers.insert_with(|key| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            if let Some(transport) = &mut peer.transport {
                let token = peer_token(key);
                fits &= registry.register(&mut transport.socket, token, interest).is_ok();
            }
            peer
        });
        self.app.attach(peer_id(key), traveller, now);
        if let Some(session) = session {
            self.app.attach_session(peer_id(key), session);
        }
        if let Some(sid) = follows {
            fits &= self.follow(key, sid);
        }
        self.settle(key, now);
        if !fits {
            // Neither the system nor the pools have resources left for it.
            self.counters.starved += 1;
            self.lose(key, now);
            return;
        }
        if let Some(text) = &message
            && self.peers.get(key).is_some_and(|peer| peer.connection.speaks_socket_io())
        {
            self.hear_packet(key, text, now);
        } else if let Some(text) = &message {
            let message = Message::Text(text);
            self.counters.received += 1;
            self.app.receive(peer_id(key), message, now, &mut self.output.effects);
            self.apply(Some(key), Some(message), now);
            self.settle(key, now);
        }
        self.mark_ready(key);
    }

    /// A request has followed its session. Returns `false` if the session is not here.
    fn follow(&mut self, key: Key<Peer>, sid: Sid) -> bool {
        let errand = self.peers.get(key).and_then(|peer| peer.connection.errand());
        let session = errand.and_then(|errand| self.app.attach_request(sid, peer_id(key), errand));
        let Some(session) = session else { return false };
        let waits = self.peers.get(peer_key_of(session)).is_some_and(|peer| peer.flags.waiting);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.connection.rebind(session);
            peer.flags.waiting = waits && errand == Some(Errand::Bring);
        }
        self.mark_unsent(peer_key_of(session));
        true
    }
}
