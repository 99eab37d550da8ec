//! Who gives way when the server has as many connections as it may have. A network that has many of
//! the places with connections that have not said yet who they are could keep everybody else out:
//! without a token it costs nothing to hold them, until their time is over. So the oldest of these
//! gives its place to a newcomer from elsewhere.

use super::accept::turn_away;
use super::peer::Peer;
use super::turn::TURNED_AWAY_MAX;
use super::{Reactor, peer_id};
use crate::admission::door::Refusal;
use crate::admission::gate::Network;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::connection::Application;
use crate::message::problem::close;

/// The share of all places from which on a network crowds the server: one of so many. Fewer strangers
/// than this come and go by themselves.
const CROWD_SHARE: u64 = 8;

/// How many of those who are over the limit, and are let in to be told so, may be of a network that
/// crowds the server. For the others of its clients, those that were answered have to go, or they
/// are told at once, so that some are left for newcomers from elsewhere.
const TURNED_AWAY_OF_CROWD_MAX: usize = TURNED_AWAY_MAX / 2;

impl<A: Application> Reactor<A> {
    /// The network that crowds the server, if there is no place left and one does.
    pub(super) fn crowd(&self) -> Option<Network> {
        let max = self.options.connections_max;
        // Clients that cannot be told apart crowd together, and none of them is to blame.
        if self.entrance.connections() < max || !self.tells_networks_apart() {
            return None;
        }
        let (network, count) = self.entrance.most_unknown()?;
        (count.saturating_mul(CROWD_SHARE) >= max as u64).then_some(network)
    }

    /// Whether a connection of the network that crowds the server need not even say what it wants.
    pub(super) fn is_over_crowded(&self) -> bool {
        let max = self.options.connections_max.saturating_add(TURNED_AWAY_OF_CROWD_MAX);
        self.entrance.connections() >= max
    }

    /// Has the oldest connection of this network give up its place, if this loop has one that has
    /// not said who it is. Returns whether there is a place now.
    pub(super) fn take_place_from(&mut self, crowd: Network, now: Now) -> bool {
        // All have to be looked at, but only as often as somebody comes to a full server.
        let (mut oldest, mut without_place) = ([None; 2], 0);
        for (key, peer) in self.peers.iter() {
            let Some(has_place) = gives_way(peer, crowd) else { continue };
            without_place += usize::from(!has_place);
            let oldest = &mut oldest[usize::from(has_place)];
            if oldest.is_none_or(|(number, _)| peer.number < number) {
                *oldest = Some((peer.number, key));
            }
        }
        let places_taken = self.entrance.connections().saturating_sub(without_place);
        let there_is_one = places_taken < self.options.connections_max;
        let Some((_, key)) = oldest[usize::from(!there_is_one)] else { return false };
        self.hits.add(Limit::Connections);
        self.send_off_unknown(key, now);
        true
    }

    /// Closes the oldest connection of this network that was answered and does not leave. Returns
    /// whether there was one.
    pub(super) fn see_off_answered(&mut self, network: Network) -> bool {
        let was_answered =
            |peer: &Peer| !peer.connection.is_head() && gives_way(peer, network) == Some(false);
        let answered = self.peers.iter().filter(|(_, peer)| was_answered(peer));
        let Some((oldest, _)) = answered.min_by_key(|(_, peer)| peer.number) else { return false };
        self.doom(oldest);
        true
    }

    /// Closes a connection that has not said who it is: a request with `SERVER_FULL`, a WebSocket
    /// as if its time to join were over.
    fn send_off_unknown(&mut self, key: Key<Peer>, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if peer.connection.is_head() {
            // A TLS client would not understand a plain answer.
            if let Some(transport) = &mut peer.transport
                && self.options.edge.tls.is_none()
            {
                turn_away(&mut transport.socket, Refusal::Full, now);
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
    }
}

/// Whether this peer is of a network that crowds the server and has not said who it is; and then,
/// whether it has a place. Who was only let in to be told that there is none has no place, and
/// neither has who was answered and does not leave.
fn gives_way(peer: &Peer, crowd: Network) -> Option<bool> {
    let connection = &peer.connection;
    let has_place = match connection.arrival() {
        Some(arrival) => !arrival.full,
        None if connection.is_open() => true,
        None if peer.has_unsent() => return None,
        None => false,
    };
    let is_unknown = peer.counted.unknown && peer.network == Some(crowd);
    // Requests that carry a session, and those that have come from another loop, are not strangers.
    let is_known = connection.errand().is_some() || peer.flags.resumed || peer.flags.waiting;
    (is_unknown && !is_known && !peer.flags.doomed).then_some(has_place)
}
