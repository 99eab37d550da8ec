//! What is done with the bytes that were read: frames become messages, messages effects, and
//! effects bytes in the queues of others. Writing is in `settle`.

use super::outbound::Full;
use super::peer::Peer;
use super::{Reactor, peer_id, peer_key_of};
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::{Application, Message, Progress};
use crate::engine::{Effect, Payload, PeerId};
use crate::wire::frame::{CloseCode, Cursor};

impl<A: Application> Reactor<A> {
    /// Frames to texts to effects, one after the other.
    pub(super) fn process(&mut self, key: Key<Peer>, bytes: &mut [u8], at: &mut Cursor, now: Now) {
        if self.peers.get(key).is_some_and(|peer| peer.connection.is_head()) {
            self.see_room(key);
        }
        loop {
            let Some(peer) = self.peers.get_mut(key).filter(|peer| !peer.flags.waiting) else {
                return;
            };
            let me = peer_id(key);
            let (app, output) = (&mut self.app, &mut self.output);
            match peer.connection.receive(me, bytes, at, now, app, output) {
                Progress::More => return,
                Progress::Handled(message) => {
                    self.counters.received += u64::from(message.is_some());
                    self.ahead = at.unread().len();
                    self.apply(Some(key), message, now);
                    self.ahead = 0;
                }
                Progress::Rewritten => self.apply_rewritten(key, now),
                Progress::Packet { session, packet } => self.bring(key, session, packet, now),
                Progress::TakeOver { session } => return self.begin_take_over(key, session),
                Progress::Elsewhere(to, message) => return self.move_on(key, to, message),
            }
        }
    }

    /// Carries out the effects of a message that had to be rewritten.
    pub(super) fn apply_rewritten(&mut self, key: Key<Peer>, now: Now) {
        self.counters.received += 1;
        let text = std::mem::take(&mut self.output.rewritten);
        self.apply(Some(key), Some(Message::Text(&text)), now);
        self.output.rewritten = text;
    }

    /// Carries out the output of a call: first the bytes for the peer itself, then the effects in
    /// order.
    pub(super) fn apply(
        &mut self,
        from: Option<Key<Peer>>,
        received: Option<Message<'_>>,
        now: Now,
    ) {
        // Lists that are moved out and back again cost a relay a tenth of its time.
        if let Some(message) = received
            && let Some(to) = self.output.only_relay()
        {
            self.output.effects.clear();
            self.relay(to, message);
            return;
        }
        let mut reply = std::mem::take(&mut self.output.reply);
        let mut effects = std::mem::take(&mut self.output.effects);
        let order = self.output.order.take();
        if let Some(key) = from.filter(|_| !reply.is_empty()) {
            // Final bytes always find room; pongs to a peer that does not read them do not.
            let goes_on = self.peers.get(key).is_some_and(|peer| peer.connection.is_open());
            let limit = if goes_on { self.options.send_queue_bytes_max } else { usize::MAX };
            self.push(key, &[&reply], limit);
        }
        for effect in effects.iter() {
            match effect {
                Effect::Send { to, payload: Payload::Received } => {
                    received.into_iter().for_each(|message| self.relay(to, message));
                }
                Effect::Send { to, payload } => {
                    self.send(peer_key_of(to), false, effects.text(payload, &[]));
                }
                Effect::Ping { peer } => self.ping(peer_key_of(peer), now),
                Effect::Hold { peer } => self.hold(peer_key_of(peer)),
                Effect::Resume { peer } => self.resume(peer_key_of(peer), now),
                Effect::Close { peer, code } => self.close(peer_key_of(peer), code, now),
            }
        }
        for note in effects.notes() {
            self.note(&note, effects.reason(&note), now);
        }
        reply.clear();
        effects.clear();
        (self.output.reply, self.output.effects) = (reply, effects);
        if let Some(order) = order {
            self.carry_out(order, from, now);
        }
    }

    /// Handles nothing that a peer has sent, until it is resumed.
    fn hold(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.flags.waiting = true;
        }
    }

    /// Goes on with a peer that was held, after those who stay in a call.
    pub(super) fn resume(&mut self, key: Key<Peer>, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.flags.waiting = false;
        peer.flags.resumed = true;
        self.settle(key, now);
        self.queue_newcomer(key);
        self.resume_body(key);
    }

    /// Relays a message.
    fn relay(&mut self, to: PeerId, message: Message<'_>) {
        let queued = self.send(peer_key_of(to), message.is_binary(), message.as_bytes());
        self.counters.relayed += u64::from(queued);
    }

    /// Sends a message. Returns `true` if it was queued.
    fn send(&mut self, key: Key<Peer>, binary: bool, payload: &[u8]) -> bool {
        let Some(peer) = self.peers.get(key) else { return false };
        let limit = self.options.send_queue_bytes_max;
        let queued = if peer.connection.speaks_socket_io() {
            let framed = peer.connection.frame(binary, payload);
            framed.is_some_and(|framed| self.push(key, &framed.parts(), limit))
        } else {
            // Skips the many parts that are empty here.
            let header = peer.connection.header(binary, payload.len());
            header.is_some_and(|header| self.push(key, &[header.as_bytes(), payload], limit))
        };
        self.counters.sent += u64::from(queued);
        queued
    }

    fn ping(&mut self, key: Key<Peer>, now: Now) {
        let mark = self.app.ping_mark(peer_id(key));
        let ping = self.peers.get_mut(key).and_then(|peer| peer.connection.ping(mark));
        if let Some(ping) = ping {
            self.counters.pings += 1;
            self.push(key, &[&ping], self.options.send_queue_bytes_max);
            self.settle(key, now);
        }
    }

    fn close(&mut self, key: Key<Peer>, code: CloseCode, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let mut frame = Vec::new();
        peer.connection.close(code, &mut frame);
        if !frame.is_empty() {
            self.push(key, &[&frame], usize::MAX);
        }
        self.settle(key, now);
    }

    /// Queues bytes for a peer, or marks it to be given up at the end of the turn. Without a limit
    /// (`usize::MAX`) these are its final bytes.
    pub(super) fn push(&mut self, key: Key<Peer>, parts: &[&[u8]], limit: usize) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        if peer.flags.overrun && limit < usize::MAX {
            return false; // A smaller message must not pass the one that found no room.
        }
        let mut pushed = peer.outbound.push(parts, limit, self.ahead, &mut self.unsent);
        if pushed.is_err() {
            // Much can be sent in one turn: what the socket accepts now makes room. If the socket
            // is broken, the flush at the end of the turn finds that out too.
            let _ = peer.write_out(&mut self.unsent, &mut self.counters.writes);
            pushed = peer.outbound.push(parts, limit, 0, &mut self.unsent);
        }
        if pushed.is_err() && peer.outbound.is_empty() {
            // No block is left, since others do not read. A peer that does read must not be closed
            // for that.
            pushed = peer.write_at_once(parts, &mut self.counters.writes).map_err(|_| Full);
        }
        if pushed.is_err() && !peer.flags.overrun {
            peer.flags.overrun = true;
            self.lists.overrun.push(key);
        }
        if !peer.flags.dirty {
            peer.flags.dirty = true;
            self.lists.dirty.push(key);
        }
        pushed.is_ok()
    }
}
