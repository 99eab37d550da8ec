//! The end of a peer. Its slot is freed at once; its socket is closed when there is time for it.

use super::entrance::Counted;
use super::{Reactor, peer_id};
use crate::connection::Application;

/// How many sockets may wait to be closed. They still count as connections.
const PARTING_MAX: usize = 1_024;

impl<A: Application> Reactor<A> {
    /// Frees the doomed peers. Called at the end of a turn, when nothing in it refers to them any
    /// more.
    pub(super) fn free_doomed(&mut self) {
        let mut doomed = std::mem::take(&mut self.lists.doomed);
        for key in doomed.drain(..) {
            let Some(mut peer) = self.peers.remove(key) else { continue };
            self.app.departed(peer_id(key));
            self.deadlines.cancel(key.index());
            if let Some(network) = peer.network {
                self.entrance.count_less(network, &mut peer.counted, Counted::default());
            }
            peer.outbound.clear(&mut self.unsent);
            if let Some(inbound) = peer.inbound.take() {
                inbound.give_back(&mut self.cut);
            }
            log::debug!("connection {} closed", peer.number);
            match peer.transport {
                Some(transport) => self.lists.parting.push_back(transport),
                None => self.entrance.leave(),
            }
        }
        self.lists.doomed = doomed;
    }

    /// Closes some sockets of freed peers. Closing one takes the system 10 to 20 µs. If a thousand
    /// peers leave together, closing all at once would delay those in a call.
    pub(super) fn close_sockets(&mut self) {
        if self.lists.parting.is_empty() {
            return;
        }
        // Newcomers must not arrive faster than others leave.
        let until = self.clock.instant() + self.newcomers_time;
        let is_full = |it: &Self| {
            it.lists.parting.len() > PARTING_MAX
                || it.entrance.present() >= it.options.connections_max
        };
        while self.close_socket() && (is_full(self) || self.clock.instant() < until) {}
    }

    /// Closes one socket. Returns `false` if there is none.
    pub(super) fn close_socket(&mut self) -> bool {
        let Some(mut transport) = self.lists.parting.pop_front() else { return false };
        transport.part(&mut self.counters.writes);
        // Nothing else refers to the descriptor, so closing it also deregisters it (epoll(7),
        // question 6).
        drop(transport);
        self.entrance.leave();
        if let Some(listener) = &mut self.listener {
            listener.resume();
        }
        true
    }
}
