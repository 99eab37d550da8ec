//! What the server does for those who are not in a call yet, a little in each turn: nobody in a call
//! should wait for a crowd at the door.

use super::Reactor;
use super::peer::Peer;
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::connection::Application;

/// A step of letting somebody in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Step {
    /// Accept connections.
    #[default]
    Accept,
    /// Read requests and `join-room`.
    Serve,
    /// Let in those whose record is durable.
    LetIn,
}

impl Step {
    const fn next(self) -> Self {
        match self {
            Self::Accept => Self::Serve,
            Self::Serve => Self::LetIn,
            Self::LetIn => Self::Accept,
        }
    }
}

impl<A: Application> Reactor<A> {
    /// One newcomer was served, and what that has to be told to whom is written, since it is a part
    /// of the time that it took. Returns whether another may be served in this turn; the first one
    /// always is.
    pub(super) fn finish_newcomer(&mut self, now: Now) -> bool {
        self.flush(now);
        self.is_time_left()
    }

    /// Takes the steps that there is time for. Each turn begins with another one, so that none
    /// waits for ever.
    pub(super) fn heed_newcomers(&mut self, now: Now) {
        let first = self.next_step;
        self.next_step = first.next();
        for step in [first, first.next(), first.next().next()] {
            let has_time = match step {
                Step::Accept => self.accept(now),
                Step::Serve => self.serve_newcomers(now),
                Step::LetIn => self.heed_records(now),
            };
            if !has_time {
                return;
            }
        }
    }

    /// Queues a peer to be served after those who stay in a call. In a handshake it waits for the
    /// turn of its network.
    pub(super) fn queue_newcomer(&mut self, key: Key<Peer>) {
        if let Some(peer) = self.peers.get_mut(key)
            && !peer.flags.ready
        {
            peer.flags.ready = true;
            if !self.put_off_handshake(key) {
                self.lists.newcomers.push_back(key);
            }
        }
    }

    /// Serves some of the newcomers. The one that has waited longest is first, so that nobody waits
    /// for ever. Returns whether there is time left.
    fn serve_newcomers(&mut self, now: Now) -> bool {
        while let Some(key) = self.lists.newcomers.pop_front() {
            if let Some(peer) = self.peers.get_mut(key) {
                peer.flags.ready = false;
                self.serve_now(key, now);
            }
            if !self.finish_newcomer(now) {
                return false;
            }
        }
        true
    }
}
