//! The part of a turn whose only system calls are writes: deadlines, peers that cannot keep up,
//! connections that are over. Simulations run this file unchanged.

use super::entrance::Counted;
use super::peer::Peer;
use super::{Reactor, peer_id};
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::{Application, Wait};
use crate::message::problem::close;
use crate::service::crowd::CROWD;

impl<A: Application> Reactor<A> {
    /// Called after all input was handled: does what is due, and then makes one write to each peer
    /// with unsent bytes.
    pub(super) fn wind_up(&mut self, now: Now) {
        self.pass_deadlines(now);
        self.take_over(now);
        // The writer begins while the rest of the turn goes on.
        self.publish();
        self.flush(now);
        self.publish();
    }

    /// One write to each peer with unsent bytes.
    pub(super) fn flush(&mut self, now: Now) {
        // If a peer breaks meanwhile, others are told, and their queues may be full.
        while !(self.lists.overrun.is_empty() && self.lists.dirty.is_empty()) {
            self.give_up_overrun(now);
            self.flush_dirty(now);
        }
    }

    fn pass_deadlines(&mut self, now: Now) {
        while let Some((index, queue)) = self.deadlines.take_due(now.instant) {
            let Some(key) = self.peers.key_at(index) else { continue };
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let [beat, pong] = [Wait::Heartbeat, Wait::Pong].map(|wait| wait as usize);
            let beats = queue == beat || queue == pong;
            // Its pongs may be among the unread input, and no peer is given up for input that we
            // have not read.
            let behind = beats && peer.take_behind();
            if (beats && peer.flags.waiting) || (behind && queue == pong) {
                // Nothing is read before a record is durable either.
                self.settle(key, now);
                continue;
            }
            if behind {
                peer.connection.excuse();
            }
            peer.connection.deadline_passed(peer_id(key), now, &mut self.app, &mut self.output);
            let over = peer.connection.is_ended();
            self.counters.pings += u64::from(queue == Wait::Heartbeat as usize);
            self.apply(Some(key), None, now);
            if over {
                self.doom(key);
            } else {
                self.settle(key, now);
            }
        }
        self.app.advance(now, &mut self.output.effects);
        self.apply(None, None, now);
    }

    /// Closes peers whose send queue was full. The application is told only now, as a new input.
    fn give_up_overrun(&mut self, now: Now) {
        while let Some(key) = self.lists.overrun.pop() {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            self.counters.overrun += 1;
            log::info!(target: CROWD, "connection {} cannot keep up", peer.number);
            self.app.overran(peer_id(key), now);
            let code = close::CANNOT_KEEP_UP;
            peer.connection.give_up(peer_id(key), code, now, &mut self.app, &mut self.output);
            self.apply(Some(key), None, now);
            self.settle(key, now);
        }
    }

    fn flush_dirty(&mut self, now: Now) {
        let mut dirty = std::mem::take(&mut self.lists.dirty);
        for key in dirty.drain(..) {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            peer.flags.dirty = false;
            if !peer.has_socket() {
                self.deliver(key, now);
                continue;
            }
            match peer.flush(&mut self.unsent, &mut self.counters.writes) {
                Ok(true) if peer.is_done() => self.doom(key),
                Ok(_) => {}
                Err(_) => self.lose(key, now),
            }
        }
        // Losing a peer may have made others dirty: they are next.
        if self.lists.dirty.is_empty() {
            self.lists.dirty = dirty;
        }
    }

    pub(super) fn mark_writable(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key)
            && peer.has_unsent()
            && !peer.flags.dirty
        {
            peer.flags.dirty = true;
            self.lists.dirty.push(key);
        }
    }

    pub(super) fn go_on(&mut self, key: Key<Peer>, now: Now) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.flags.ready = false;
            self.serve(key, now);
        }
    }

    /// Marks a peer to be freed at the end of the turn.
    pub(super) fn doom(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.flags.doomed
        {
            peer.flags.doomed = true;
            self.lists.doomed.push(key);
        }
    }

    /// Handles a broken socket.
    pub(super) fn lose(&mut self, key: Key<Peer>, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.connection.end(peer_id(key), now, &mut self.app, &mut self.output.effects);
        self.apply(None, None, now);
        self.doom(key);
    }

    /// Call this after anything that may have changed what the peer waits for.
    pub(super) fn settle(&mut self, key: Key<Peer>, now: Now) {
        let Some(mut peer) = self.peers.get_mut(key) else { return };
        if peer.counted.head || peer.counted.unknown {
            self.count_again(key);
            let Some(same) = self.peers.get_mut(key) else { return };
            peer = same;
        }
        let wait = peer.connection.waits_for() as usize;
        if self.deadlines.queue_of(key.index()) != Some(wait) {
            self.deadlines.arm(key.index(), wait, now.instant);
        }
        if peer.wants_flush() && !peer.flags.dirty {
            peer.flags.dirty = true;
            self.lists.dirty.push(key);
        }
        if peer.is_done() {
            self.doom(key);
        } else if !peer.has_socket() {
            self.say_last_words(key);
        }
    }

    /// What a peer counts for, which may be less than before.
    fn count_again(&mut self, key: Key<Peer>) {
        let Some(peer) = self.peers.get(key) else { return };
        let connection = &peer.connection;
        let unknown = match connection.session() {
            // A request is known if its session is.
            Some(session) => !self.is_known(session),
            // Who was refused, or is being closed, has still not said who it is.
            None => !connection.is_open() || self.app.is_stranger(peer_id(key)),
        };
        let now = Counted { head: connection.is_request(), unknown, ..peer.counted };
        if let Some(peer) = self.peers.get_mut(key)
            && let Some(network) = peer.network
        {
            self.entrance.count_less(network, &mut peer.counted, now);
        }
    }
}
