//! Who gives way when the server has as many connections as it may have. Those who have not said
//! yet who they are could keep everybody else out: without a token it costs nothing to hold a place,
//! until its time is over. So the oldest of the network that has most of them gives its place to a
//! newcomer of a network that has far fewer. Simulations run this file unchanged.

use super::entrance::Counted;
use super::peer::Peer;
use super::{Reactor, TURNED_AWAY_MAX, peer_id, peer_key_of};
use crate::admission::door::Refusal;
use crate::admission::gate::Network;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::connection::Application;
use crate::engine::PeerId;
use crate::message::problem::close;

/// How many of those who are over the limit, and are let in to be told so, may be of networks that
/// nobody gives way to. For others of them, those that were answered have to go, or they are told
/// at once, so that there is always room for a newcomer that somebody gives way to.
const TURNED_AWAY_OF_CROWD_MAX: usize = TURNED_AWAY_MAX / 2;

impl<A: Application> Reactor<A> {
    /// The network of which one gives way to one more connection of `newcomer`, if there is no place
    /// left and strangers crowd the server.
    pub(super) fn give_way_to(&self, newcomer: Network) -> Option<Network> {
        let places = self.options.connections_max;
        // Clients that cannot be told apart crowd together, and none of them is to blame.
        if self.entrance.connections() < places || !self.tells_networks_apart() {
            return None;
        }
        self.entrance.give_way_to(newcomer, places)
    }

    /// Whether strangers crowd the server so much that whoever nobody gives way to need not even say
    /// what it wants.
    pub(super) fn is_over_crowded(&self) -> bool {
        let places = self.options.connections_max;
        let is_full =
            self.entrance.connections() >= places.saturating_add(TURNED_AWAY_OF_CROWD_MAX);
        is_full && self.tells_networks_apart() && self.entrance.is_crowded(places)
    }

    /// Tells a connection whose request arrives whether there is room for a session beside it.
    pub(super) fn see_room(&mut self, key: Key<Peer>) {
        let Some(network) = self.peers.get(key).map(|peer| peer.network) else { return };
        let has_room = self.entrance.connections() < self.options.connections_max
            || network.is_some_and(|network| self.give_way_to(network).is_some());
        if let Some(peer) = self.peers.get_mut(key) {
            peer.connection.see_room(has_room);
        }
    }

    /// Has one of this network give up its place: the oldest here that has not said who it is, or
    /// one at another loop, which is asked to, while the newcomer is let in. Returns whether there
    /// is a place now.
    pub(super) fn take_place_from(&mut self, crowd: Network, now: Now) -> bool {
        self.take_place_here(crowd, now) || self.ask_others_for_place(crowd)
    }

    /// The same, of those here.
    pub(super) fn take_place_here(&mut self, crowd: Network, now: Now) -> bool {
        // All have to be looked at, but only as often as somebody comes to a full server.
        let (mut oldest, mut answered, mut without_place) = ([None; 2], None, 0);
        for (key, peer) in self.peers.iter() {
            let Some(has_place) = self.gives_way(peer, crowd) else { continue };
            without_place += usize::from(!has_place);
            let oldest = &mut oldest[usize::from(has_place)];
            if oldest.is_none_or(|(number, _)| peer.number < number) {
                *oldest = Some((peer.number, key));
            }
            let makes_room = !has_place && !peer.counted.over;
            if makes_room && answered.is_none_or(|(number, _)| peer.number < number) {
                answered = Some((peer.number, key));
            }
        }
        let places_taken = self.entrance.connections().saturating_sub(without_place);
        let there_is_one = places_taken < self.options.connections_max;
        // If none has a place, there may be one that was answered and still takes room.
        let Some((_, key)) = oldest[usize::from(!there_is_one)].or(answered) else { return false };
        self.hits.add(Limit::Connections);
        self.send_off_unknown(key, now);
        true
    }

    /// Closes the oldest connection of this network that was answered and does not leave. Returns
    /// whether there was one.
    pub(super) fn see_off_answered(&mut self, network: Network) -> bool {
        let was_answered = |peer: &Peer| {
            !peer.connection.is_head() && self.gives_way(peer, network) == Some(false)
        };
        let answered = self.peers.iter().filter(|(_, peer)| was_answered(peer));
        let Some((oldest, _)) = answered.min_by_key(|(_, peer)| peer.number) else { return false };
        self.doom(oldest);
        true
    }

    /// Closes a connection that has not said who it is: a request with `SERVER_FULL`, a WebSocket
    /// as if its time to join were over.
    fn send_off_unknown(&mut self, key: Key<Peer>, now: Now) {
        let speaks_tls = self.speaks_tls();
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.connection.is_head() {
            // A TLS client would not understand a plain answer.
            if !speaks_tls && peer.turn_away(Refusal::Full, now) {
                self.output.effects.count_error(Refusal::Full.code());
            }
        } else if peer.connection.is_open() {
            let (app, output) = (&mut self.app, &mut self.output);
            peer.connection.give_up(peer_id(key), close::JOIN_TIMEOUT, now, app, output);
            self.apply(Some(key), None, now);
            if let Some(peer) = self.peers.get_mut(key) {
                // Its close frame, if there is room for it. Nobody waits for the answer.
                let _ = peer.flush(&mut self.unsent, &mut self.counters.writes);
            }
        }
        self.doom(key);
        // Others who come in this turn find it gone.
        if let Some(peer) = self.peers.get_mut(key)
            && let Some(network) = peer.network
        {
            let now = Counted { unknown: false, ..peer.counted };
            self.entrance.count_less(network, &mut peer.counted, now);
        }
    }

    /// Whether this peer is of a network that crowds the server and has not said who it is; and then,
    /// whether it has a place. Who was only let in to be told that there is none has no place, and
    /// neither has who was answered and does not leave.
    fn gives_way(&self, peer: &Peer, crowd: Network) -> Option<bool> {
        let connection = &peer.connection;
        let has_place = match connection.arrival() {
            Some(arrival) => !arrival.full,
            None if connection.is_open() || connection.session().is_some() => true,
            None if peer.has_unsent() => return None,
            None => false,
        };
        let is_unknown = peer.counted.unknown && peer.network == Some(crowd);
        // Those that have come from another loop are not strangers.
        let is_known = peer.flags.resumed
            || peer.flags.waiting
            || connection.session().is_some_and(|session| self.is_known(session));
        (is_unknown && !is_known && !peer.flags.doomed).then_some(has_place)
    }

    /// Whether a session that requests carry is there, and has said who it is. Its requests learn of
    /// that only with their answer.
    pub(super) fn is_known(&self, session: PeerId) -> bool {
        let peer = self.peers.get(peer_key_of(session));
        peer.is_some_and(|peer| peer.connection.is_open()) && !self.app.is_stranger(session)
    }
}
