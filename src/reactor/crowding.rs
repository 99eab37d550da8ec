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
/// crowds the server. The others of its clients are told at once, so that some are left for
/// newcomers from elsewhere.
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
        let mut oldest = None;
        let mut over = 0;
        for (key, peer) in self.peers.iter() {
            let Some(has_place) = gives_way(peer, crowd) else { continue };
            over += usize::from(!has_place);
            let order = (!has_place, peer.number);
            if oldest.is_none_or(|(first, _)| order < first) {
                oldest = Some((order, key));
            }
        }
        let Some(((is_over, _), oldest)) = oldest else { return false };
        // Those who were only let in to be told that the server is full take nobody's place.
        if is_over
            && self.entrance.connections().saturating_sub(over) >= self.options.connections_max
        {
            return false;
        }
        self.hits.add(Limit::Connections);
        self.send_off_unknown(oldest, now);
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
        } else {
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
/// whether it has a place, or was only let in to be told that there is none.
fn gives_way(peer: &Peer, crowd: Network) -> Option<bool> {
    let connection = &peer.connection;
    let has_place = match connection.arrival() {
        Some(arrival) => !arrival.full,
        None if connection.is_open() => true,
        None => return None,
    };
    // Requests that carry a session are not strangers, although their sockets are new.
    let is_errand = connection.errand().is_some();
    let is_unknown = peer.counted.unknown && peer.network == Some(crowd);
    (is_unknown && !is_errand && !peer.flags.doomed).then_some(has_place)
}
