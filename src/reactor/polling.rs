//! Socket.IO sessions without a socket of their own: requests bring their messages and fetch what
//! is sent to them, until a WebSocket takes over.

use super::peer::Peer;
use super::{Reactor, peer_id, peer_key_of};
use crate::admission::gate::Network;
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::{Application, Connection, Order, Progress};
use crate::engine::PeerId;
use crate::wire::engine_io::SEPARATOR;

impl<A: Application> Reactor<A> {
    /// Carries out an order that only the owner of all connections can. `from`: the request that it
    /// results from.
    pub(super) fn carry_out(&mut self, order: Order, from: Option<Key<Peer>>, now: Now) {
        match order {
            Order::Open => self.open_session(from, now),
            Order::Deliver(session) => {
                let key = peer_key_of(session);
                self.say_last_words(key);
                self.mark_unsent(key);
            }
            Order::Bring(session) => {
                // The byte rate applies to the client, however many requests it uses.
                let session = self.peers.get(peer_key_of(session));
                let state = session.map(|peer| (peer.bytes, peer.flags.waiting));
                let request = from.and_then(|key| self.peers.get_mut(key));
                if let (Some((bytes, waiting)), Some(request)) = (state, request) {
                    (request.bytes, request.flags.waiting) = (bytes, waiting);
                }
            }
            Order::Nudge(session) => {
                let key = peer_key_of(session);
                let waits = self.app.waiting_poll(session).is_some();
                let idle = self.peers.get(key).filter(|peer| peer.outbound.is_empty());
                if let Some(nudge) = idle.filter(|_| waits).map(|peer| peer.connection.nudge()) {
                    self.push(key, &[nudge], usize::MAX);
                }
                self.mark_unsent(key);
            }
            Order::End(session, code) => {
                let key = peer_key_of(session);
                let Some(peer) = self.peers.get_mut(key) else { return };
                let (app, output) = (&mut self.app, &mut self.output);
                peer.connection.give_up(session, code, now, app, output);
                self.apply(Some(key), None, now);
                self.settle(key, now);
            }
        }
    }

    /// A session that closes and has nothing else to send tells the waiting request that it is
    /// over, if there is one. A client that has not been admitted is told no reason, but it is told
    /// of the end.
    pub(super) fn say_last_words(&mut self, key: Key<Peer>) {
        let idle = self.peers.get(key).filter(|peer| peer.outbound.is_empty());
        if let Some(words) = idle.and_then(|peer| peer.connection.last_words())
            && self.app.waiting_poll(peer_id(key)).is_some()
        {
            self.push(key, &[words], usize::MAX);
        }
    }

    /// Opens a session, which counts as a connection of its own. In logs it has the number of the
    /// request.
    fn open_session(&mut self, from: Option<Key<Peer>>, now: Now) {
        let request = from.and_then(|key| self.peers.get(key));
        let number = request.map_or(0, |request| request.number);
        let network = request.and_then(|request| request.network);
        if !self.entrance.add_place(self.options.connections_max)
            && !self.take_place_for_session(network, now)
        {
            // Another loop opened a session at the same moment. The client finds no session, and
            // asks for another one.
            return;
        }
        network.into_iter().for_each(|network| self.entrance.add_unknown(network));
        let session = Peer::without_socket(Connection::polled(), network, number);
        let key = self.peers.insert(session);
        self.app.session_begun(peer_id(key), now, &mut self.output.effects);
        self.apply(None, None, now);
        self.settle(key, now);
    }

    /// Makes place for a session of this network in a full server that strangers crowd.
    fn take_place_for_session(&mut self, network: Option<Network>, now: Now) -> bool {
        let crowd = network.and_then(|network| self.give_way_to(network));
        crowd.is_some_and(|crowd| self.take_place_from(crowd, now))
            && self.entrance.add_place(usize::MAX)
    }

    /// A request has brought a packet for a session.
    pub(super) fn bring(&mut self, from: Key<Peer>, session: PeerId, packet: &str, now: Now) {
        let key = peer_key_of(session);
        if let Some(peer) = self.peers.get_mut(key) {
            peer.bytes.spend(packet.len() as u64 + 1, &self.options.bytes_rate, now.instant);
            self.hear_packet(key, packet, now);
        }
        let session = self.peers.get(key);
        let (goes_on, waits) =
            session.map_or((false, false), |peer| (peer.connection.is_open(), peer.flags.waiting));
        if let Some(request) = self.peers.get_mut(from) {
            // The rest is handled when the session continues.
            request.flags.waiting = waits;
            if !goes_on {
                request.connection.bring_no_more();
            }
        }
    }

    /// Handles one packet of a Socket.IO client.
    pub(super) fn hear_packet(&mut self, key: Key<Peer>, packet: &str, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let (app, output) = (&mut self.app, &mut self.output);
        match peer.connection.receive_packet(peer_id(key), packet, now, app, output) {
            Progress::Handled(message) => {
                self.counters.received += u64::from(message.is_some());
                self.apply(Some(key), message, now);
            }
            Progress::Rewritten => self.apply_rewritten(key, now),
            Progress::Elsewhere(to, message) => self.move_on(key, to, message),
            Progress::More | Progress::Packet { .. } | Progress::TakeOver { .. } => {}
        }
        self.settle(key, now);
    }

    /// The session at `key` continues, and so does the request that brings something for it.
    pub(super) fn resume_body(&mut self, key: Key<Peer>) {
        let Some(request) = self.app.bringing_post(peer_id(key)).map(peer_key_of) else { return };
        if let Some(peer) = self.peers.get_mut(request).filter(|peer| peer.flags.waiting) {
            peer.flags.waiting = false;
            peer.flags.resumed = true;
            self.mark_ready(request);
        }
    }

    /// Sends the queued bytes of a session through its waiting request, if there is one.
    pub(super) fn deliver(&mut self, key: Key<Peer>, now: Now) {
        let session = peer_id(key);
        let request = self.app.waiting_poll(session);
        let Some(request) = request.map(peer_key_of) else { return };
        let waits = |peer: &&mut Peer| peer.connection.waits_for_session(session);
        if self.peers.get_mut(request).filter(waits).is_none() {
            return;
        }
        let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.has_socket()) else { return };
        let mut body = peer.outbound.take(&mut self.unsent);
        if body.is_empty() {
            return;
        }
        // There is no separator after the last packet of a body.
        body.pop_if(|last| *last == SEPARATOR as u8);
        peer.connection.delivered(&body);
        let mut reply = Vec::new();
        self.app.answer_poll(session, &body, now, &mut reply);
        if let Some(peer) = self.peers.get_mut(request) {
            peer.connection.answered(&mut reply);
            self.push(request, &[&reply], usize::MAX);
            self.settle(request, now);
        }
        self.settle(key, now);
    }

    /// A WebSocket takes a session over. Further input from it is handled at the end of the turn.
    pub(super) fn begin_take_over(&mut self, key: Key<Peer>, session: PeerId) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.flags.waiting = true;
            self.lists.takeovers.push((key, session));
        }
    }

    /// Gives sessions the sockets that take them over.
    pub(super) fn take_over(&mut self, now: Now) {
        while let Some((from, session)) = self.lists.takeovers.pop() {
            let to = peer_key_of(session);
            // Also a session that is closing: its final message may still have to be sent.
            let is_there = self.peers.get(to).is_some_and(|peer| {
                !peer.connection.is_ended() && !peer.has_socket() && !peer.flags.doomed
            });
            let mut frames = Vec::new();
            let socket = self.peers.get_mut(from).filter(|_| is_there).and_then(|peer| {
                // Bytes already queued for the socket are sent first.
                frames = peer.outbound.take(&mut self.unsent);
                peer.give_socket()
            });
            let (Some(socket), Some(peer)) = (socket, self.peers.get_mut(to)) else {
                // The session has ended meanwhile.
                self.lose(from, now);
                continue;
            };
            let unsent = peer.outbound.take(&mut self.unsent);
            peer.connection.move_to_web_socket(&unsent, &mut frames);
            peer.take_socket(socket);
            self.app.session_moved(session);
            let registered = self.register_again(to);
            if !frames.is_empty() {
                self.push(to, &[&frames], usize::MAX);
            }
            self.lose(from, now);
            match registered {
                Ok(()) => {
                    self.settle(to, now);
                    self.mark_ready(to);
                }
                Err(_) => self.lose(to, now),
            }
        }
    }

    pub(super) fn mark_unsent(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.outbound.is_empty()
            && !peer.flags.dirty
        {
            peer.flags.dirty = true;
            self.lists.dirty.push(key);
        }
    }
}
