//! What is read from whom, how much of it, and when: peers in calls first, each up to its share of
//! the turn and its rate. What was read is handled in `handling`.

use std::ops::RangeInclusive;

use super::inbound::{Inbound, Share};
use super::peer::{Filled, Peer};
use super::{Reactor, peer_id};
use crate::admission::door::Refusal;
use crate::base::arena::Key;
use crate::base::bucket::Rate;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Now};
use crate::connection::Application;
use crate::service::crowd::CROWD;
use crate::wire::frame::{CloseCode, Cursor};

/// How many bytes of all peers are handled per turn, so that nobody waits long for the next; and
/// how many of one peer, at least (an ordinary offer fits) and at most.
const TURN_BYTES: usize = 512 * 1024;
const PEER_BYTES: RangeInclusive<usize> = 8 * 1024..=128 * 1024;

/// How much of a partial message is copied to the shared buffer with each read that continues it.
const MOVED_MAX: usize = 4 * 1024;

/// How long a peer that has sent too much is not read: long enough to make the next read worth a
/// turn, and short enough that nobody notices.
const REST: Duration = Duration::from_millis(50);

/// The least that is read from a peer that has sent too much.
const READ_BYTES_MIN: u64 = 1_024;

/// How many bytes a peer that is not in a room may send at once: enough for its request, its
/// `join-room` and what follows at once, all within TLS. Everybody can have as many connections as
/// they like, one after the other, and each begins with its burst; joins are limited.
const NEWCOMER_BURST_MAX: u64 = 64 * 1024;

impl<A: Application> Reactor<A> {
    /// Divides a turn among this many peers.
    pub(super) fn share_turn(&mut self, peers: usize) {
        let share = TURN_BYTES / peers.max(1);
        self.peer_bytes = share.clamp(*PEER_BYTES.start(), *PEER_BYTES.end());
    }

    /// Reads what a peer has sent and handles it, up to its share of the turn.
    pub(super) fn serve(&mut self, key: Key<Peer>, now: Now) {
        let Some(peer) = self.peers.get(key) else { return };
        let comes_or_goes = peer.is_handshaking() || peer.flags.end_announced;
        if comes_or_goes || self.app.is_newcomer(peer_id(key)) {
            self.queue_newcomer(key);
        } else {
            self.serve_now(key, now);
        }
    }

    /// Continues with peers whose rest is over.
    pub(super) fn wake_rested(&mut self, now: Now) {
        while let Some(&(until, key)) = self.lists.resting.front()
            && until <= now.instant
        {
            self.lists.resting.pop_front();
            if let Some(peer) = self.peers.get_mut(key) {
                peer.flags.resting = false;
                self.serve(key, now);
            }
        }
    }

    pub(super) fn serve_now(&mut self, key: Key<Peer>, now: Now) {
        let rate = self.bytes_rate_of(key);
        let Some(allowed) = self.allow(key, &rate, now) else { return };
        let mut shared = std::mem::take(&mut self.read_buffer);
        let mut budget = allowed;
        while self.serve_once(key, &mut shared, &mut budget, now) {}
        self.read_buffer = shared;
        if let Some(peer) = self.peers.get_mut(key) {
            let read = (allowed - budget) as u64;
            peer.bytes.spend(read, &rate, now.instant);
        }
        self.settle(key, now);
    }

    fn bytes_rate_of(&self, key: Key<Peer>) -> Rate {
        let Rate { per_second, burst } = self.options.bytes_rate;
        let is_newcomer = self.app.is_newcomer(peer_id(key));
        let burst = if is_newcomer { burst.min(NEWCOMER_BURST_MAX) } else { burst };
        Rate { per_second, burst }
    }

    /// How much may be read from a peer in this turn. `None`: it has sent so much that it is not
    /// read for a while. What it sends meanwhile stays in the system's buffers, and in the end TCP
    /// flow control stops it; nothing is lost.
    fn allow(&mut self, key: Key<Peer>, rate: &Rate, now: Now) -> Option<usize> {
        let peer = self.peers.get_mut(key).filter(|peer| !peer.flags.resting)?;
        let allowed = peer.bytes.available(rate, now.instant);
        if allowed >= READ_BYTES_MIN.min(rate.burst) {
            return Some(self.peer_bytes.min(usize::try_from(allowed).unwrap_or(usize::MAX)));
        }
        (peer.flags.resting, peer.flags.rested) = (true, true);
        self.hits.add(Limit::BytesRate);
        self.lists.resting.push_back((now.instant + REST, key));
        None
    }

    /// Does one read and handles all of it. Returns `true` if there may be more to read.
    fn serve_once(
        &mut self,
        key: Key<Peer>,
        shared: &mut [u8],
        budget: &mut usize,
        now: Now,
    ) -> bool {
        let share = self.share_of_cut(key);
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.may_be_served()) else {
            return false;
        };
        let resumed = std::mem::take(&mut peer.flags.resumed);
        let mut inbound = peer.inbound.take();
        if let Some(before) = inbound {
            inbound = before.make_room(&mut self.cut, share);
            if inbound.is_none() {
                return self.starve(key, now);
            }
        }
        // A long partial message continues in its block, everything else in the shared buffer: a
        // block has little room, and a busy peer would be read in small pieces.
        let (used, assembled) = inbound.as_ref().map_or((0, 0), Inbound::kept);
        let buffer = match &mut inbound {
            Some(inbound) if used > MOVED_MAX => inbound.bytes_mut(),
            Some(inbound) => {
                shared[..used].copy_from_slice(&inbound.bytes_mut()[..used]);
                &mut *shared
            }
            None => &mut *shared,
        };
        let room = (buffer.len() - used).min(*budget);
        debug_assert!(room > 0, "a read of nothing would look like the end");
        let filled = match resumed {
            true => Filled::Bytes { len: 0, came: 0, more: false },
            false => peer.fill(&mut buffer[used..used + room], &mut self.counters),
        };
        let (len, came, more) = match filled {
            Filled::Bytes { len, came, more } => (len, came, more),
            Filled::Handshake { came } => {
                *budget = budget.saturating_sub(came);
                self.begin_handshake(key, &buffer[used..used + came], now);
                return false;
            }
            filled => {
                peer.inbound = inbound;
                return self.heed(key, filled, now);
            }
        };
        if let Some(moved) = inbound.take_if(|_| used <= MOVED_MAX) {
            moved.give_back(&mut self.cut);
        }
        let buffer = inbound.as_mut().map_or(&mut *shared, Inbound::bytes_mut);
        let mut at = Cursor::new(assembled, used + len);
        self.process(key, &mut buffer[..used + len], &mut at, now);
        if !self.keep(key, inbound, shared, &at) {
            return self.starve(key, now);
        }
        // A short read means that the socket is drained (epoll(7), question 9), so no further call
        // is needed. The exception is an announced end, which only another read finds. If the room
        // was used up, all of it counts; otherwise the bytes that arrived count, whether content or
        // not: unwrapping many records is work as well.
        *budget = budget.saturating_sub(if more { room } else { came });
        let ends = self.peers.get(key).is_some_and(|peer| peer.flags.end_announced);
        if !more && !ends && !resumed {
            return false;
        }
        if *budget == 0 {
            self.mark_ready(key);
            return false;
        }
        true
    }

    /// How much of the memory for partial messages may be in use for this peer to still get more.
    fn share_of_cut(&self, key: Key<Peer>) -> Share {
        let stranger = self.peers.get(key).is_some_and(|peer| peer.connection.is_head())
            || self.app.is_stranger(peer_id(key));
        if stranger { Share::of_strangers(self.options.cut_bytes_max) } else { Share::ALL }
    }

    /// Handles a read that brought no content. Returns `true` if there may be more to read.
    fn heed(&mut self, key: Key<Peer>, filled: Filled, now: Now) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        match filled {
            Filled::Bytes { .. } | Filled::Handshake { .. } | Filled::Drained => false,
            Filled::End => {
                self.end_of_input(key, now);
                false
            }
            Filled::InTheClear => {
                log::debug!("connection {} does not speak TLS", peer.number);
                peer.connection.refuse(Refusal::InTheClear, now, &mut self.output);
                self.apply(Some(key), None, now);
                true
            }
            Filled::Broken(why) => {
                log::debug!("connection {} cannot be understood: {why}", peer.number);
                self.lose(key, now);
                false
            }
        }
    }

    /// Keeps input that cannot be handled yet. Returns `false` if there is no memory for it.
    fn keep(
        &mut self,
        key: Key<Peer>,
        inbound: Option<Inbound>,
        shared: &[u8],
        at: &Cursor,
    ) -> bool {
        let share = self.share_of_cut(key);
        let kept = match inbound {
            Some(inbound) => inbound.keep_on(at, &mut self.cut),
            None if at.kept() == 0 => None,
            None => match Inbound::keep(shared, at, &mut self.cut, share) {
                Some(inbound) => Some(inbound),
                None => return false,
            },
        };
        match self.peers.get_mut(key) {
            Some(peer) => peer.inbound = kept,
            None => {
                if let Some(inbound) = kept {
                    inbound.give_back(&mut self.cut);
                }
            }
        }
        true
    }

    /// There is no memory for the rest of a partial message: this peer is closed, the others stay.
    fn starve(&mut self, key: Key<Peer>, now: Now) -> bool {
        self.counters.starved += 1;
        let Some(peer) = self.peers.get_mut(key) else { return false };
        log::warn!(target: CROWD, "connection {} closed: no memory for its message", peer.number);
        let (app, output) = (&mut self.app, &mut self.output);
        peer.connection.give_up(peer_id(key), CloseCode::Error, now, app, output);
        self.apply(Some(key), None, now);
        self.lose(key, now);
        false
    }

    /// The peer sends no more. Unsent bytes to it are still written.
    fn end_of_input(&mut self, key: Key<Peer>, now: Now) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        peer.flags.read_closed = true;
        peer.connection.end(peer_id(key), now, &mut self.app, &mut self.output.effects);
        self.apply(None, None, now);
    }

    pub(super) fn mark_ready(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.flags.ready
        {
            peer.flags.ready = true;
            self.lists.ready.push(key);
        }
    }
}
