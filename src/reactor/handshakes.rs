//! TLS handshakes are processed on a thread beside the event loop. One takes as long as a hundred
//! messages: in the loop, a client that connects a thousand times per second would delay those in a
//! call a thousand times.

use std::io;
use std::sync::Arc;

use super::Reactor;
use super::handle::Shared;
use super::peer::Peer;
use super::transport::Handshake;
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::Application;
use crate::service::worker::Worker;

/// A handshake on its way to the thread and back. Each peer has at most one under way.
pub(super) type Worked = (Key<Peer>, Handshake);

/// Starts the thread of one loop.
///
/// # Errors
/// If the system has no thread left.
pub(super) fn start(index: usize, shared: &Arc<Shared>) -> io::Result<Worker<Worked, Worked>> {
    let work = |(key, mut handshake): Worked| {
        handshake.work();
        (key, handshake)
    };
    let shared = Arc::clone(shared);
    Worker::start(format!("handshakes {index}"), work, move || shared.wake(index))
}

impl<A: Application> Reactor<A> {
    /// Gives bytes of a handshake to the thread, or processes them here if the thread is gone.
    pub(super) fn begin_handshake(&mut self, key: Key<Peer>, bytes: &[u8]) {
        let transport = self.peers.get_mut(key).and_then(|peer| peer.transport.as_mut());
        let Some(handshake) = transport.and_then(|transport| transport.take_handshake(bytes))
        else {
            return;
        };
        let given = match &self.handshakes {
            Some(worker) => worker.give((key, handshake)),
            None => Err((key, handshake)),
        };
        if let Err((key, mut handshake)) = given {
            handshake.work();
            self.go_on_with_handshake(key, handshake);
        }
    }

    /// Continues with the handshakes that the thread has processed.
    pub(super) fn heed_handshakes(&mut self, now: Now) {
        while let Some((key, handshake)) = self.handshakes.as_ref().and_then(Worker::take) {
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
