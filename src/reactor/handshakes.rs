//! TLS handshakes are processed on a thread beside the event loop. One takes as long as a hundred
//! messages: in the loop, a client that connects a thousand times per second would delay those in a
//! call a thousand times.
//!
//! Only a few are on the thread at a time. The others wait unread in their sockets, and networks
//! take turns: whoever floods delays itself, and no time is spent on a peer that has gone.

use std::io;
use std::sync::Arc;

use super::Reactor;
use super::handle::Shared;
use super::peer::Peer;
use super::transport::Handshake;
use super::waiting::WaitingRoom;
use crate::base::arena::Key;
use crate::base::time::{Duration, Instant, Now};
use crate::connection::Application;
use crate::service::worker::Worker;

/// How many handshakes are on the thread at most: enough to keep it busy during a turn of the loop.
const UNDER_WAY_MAX: usize = 8;

/// If the thread makes no progress for this long, for lack of a processor, the loop processes one
/// handshake per turn itself.
const STARVED_AFTER: Duration = Duration::from_millis(20);

/// A handshake on its way to the thread and back.
type Worked = (Key<Peer>, Handshake);

/// The thread for one loop, and the peers that wait for it.
#[derive(Debug)]
pub(super) struct Handshakes {
    worker: Worker<Worked, Worked>,
    under_way: usize,
    /// When the thread last began or ended one.
    progress_at: Instant,
    /// Peers whose handshake goes on later. Some of them may have been freed meanwhile.
    put_off: WaitingRoom<Key<Peer>>,
}

impl Handshakes {
    /// Starts the thread of one loop.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start(index: usize, shared: &Arc<Shared>) -> io::Result<Self> {
        let work = |(key, mut handshake): Worked| {
            handshake.work();
            (key, handshake)
        };
        let shared = Arc::clone(shared);
        let announce = move || shared.wake(index);
        let worker = Worker::start(format!("handshakes {index}"), work, announce)?;
        let put_off = WaitingRoom::default();
        Ok(Self { worker, under_way: 0, progress_at: Instant::default(), put_off })
    }

    /// How many peers wait.
    pub(super) fn waiting(&self) -> usize {
        self.put_off.len()
    }

    /// When the next of those who wait can go on, unless the thread finishes one before.
    pub(super) fn next_at(&self) -> Option<Instant> {
        let starved_at = self.progress_at + STARVED_AFTER;
        let at = if self.has_room() { Instant::default() } else { starved_at };
        (!self.put_off.is_empty()).then_some(at)
    }

    fn has_room(&self) -> bool {
        self.under_way < UNDER_WAY_MAX
    }

    fn is_starved(&self, now: Instant) -> bool {
        self.progress_at + STARVED_AFTER <= now
    }

    /// Gives one to the thread, or back if it must be processed here.
    fn give(&mut self, worked: Worked, now: Instant) -> Result<(), Worked> {
        if !self.has_room() {
            return Err(worked);
        }
        self.worker.give(worked)?;
        if self.under_way == 0 {
            self.progress_at = now;
        }
        self.under_way += 1;
        Ok(())
    }

    /// Takes one that the thread has processed.
    fn take(&mut self, now: Instant) -> Option<Worked> {
        let worked = self.worker.take()?;
        self.under_way = self.under_way.saturating_sub(1);
        self.progress_at = now;
        Some(worked)
    }
}

impl<A: Application> Reactor<A> {
    /// Queues a peer that is in the middle of a handshake. `false`: it is not.
    pub(super) fn put_off_handshake(&mut self, key: Key<Peer>) -> bool {
        let Some(handshakes) = &mut self.handshakes else { return false };
        let peer = self.peers.get(key).filter(|peer| peer.is_handshaking());
        let Some(network) = peer.and_then(|peer| peer.network) else { return false };
        handshakes.put_off.push(network, key);
        true
    }

    /// Goes on with peers that were put off, as long as the thread has room for them.
    pub(super) fn begin_handshakes(&mut self, now: Now) {
        while let Some(key) = self.next_handshake(now) {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.flags.ready = false;
            }
            self.serve_now(key, now);
            if !self.finish_newcomer(now) {
                return;
            }
        }
    }

    fn next_handshake(&mut self, now: Now) -> Option<Key<Peer>> {
        let handshakes = self.handshakes.as_mut()?;
        if !handshakes.has_room() && !handshakes.is_starved(now.instant) {
            return None;
        }
        loop {
            let (_, key) = handshakes.put_off.pop()?;
            if self.peers.get(key).is_some_and(|peer| !peer.flags.doomed) {
                return Some(key);
            }
        }
    }

    /// Gives bytes of a handshake to the thread, or processes them here if it is gone or starved.
    pub(super) fn begin_handshake(&mut self, key: Key<Peer>, bytes: &[u8], now: Now) {
        let transport = self.peers.get_mut(key).and_then(|peer| peer.transport.as_mut());
        let Some(handshake) = transport.and_then(|transport| transport.take_handshake(bytes))
        else {
            return;
        };
        let given = match &mut self.handshakes {
            Some(handshakes) => handshakes.give((key, handshake), now.instant),
            None => Err((key, handshake)),
        };
        if let Err((key, mut handshake)) = given {
            handshake.work();
            self.go_on_with_handshake(key, handshake);
        }
    }

    /// Continues with the handshakes that the thread has processed.
    pub(super) fn heed_handshakes(&mut self, now: Now) {
        while let Some((key, handshake)) =
            self.handshakes.as_mut().and_then(|handshakes| handshakes.take(now.instant))
        {
            self.go_on_with_handshake(key, handshake);
            self.settle(key, now);
        }
    }

    /// The answer is sent at the end of the turn. What the peer has sent meanwhile is read when
    /// newcomers are served.
    fn go_on_with_handshake(&mut self, key: Key<Peer>, handshake: Handshake) {
        // The peer may have been freed meanwhile.
        let Some(peer) = self.peers.get_mut(key) else { return };
        if let Some(transport) = &mut peer.transport {
            transport.give_handshake(handshake, &mut self.counters);
        }
        self.queue_newcomer(key);
    }
}
