//! What the reactor counts. It counts in plain numbers and shows them at the end of each turn.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::limits::{Hits, Limit};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters as other threads see them.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($name: AtomicU64,)*
            limits: [AtomicU64; Limit::ALL.len()],
        }

        /// All counters at the end of one turn.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
            /// How often each limit was hit, but for those that have a counter of their own here.
            pub limits: Hits,
        }

        impl Snapshot {
            /// The sums of both.
            pub fn and(&self, other: &Self) -> Self {
                let limits = self.limits.and(&other.limits);
                Self { $($name: self.$name + other.$name,)* limits }
            }
        }

        impl Counters {
            /// The counters, each as of the end of some late turn.
            pub fn read(&self) -> Snapshot {
                let limits = Hits::new(|limit| self.limits[limit as usize].load(Ordering::Relaxed));
                Snapshot { $($name: self.$name.load(Ordering::Relaxed),)* limits }
            }

            pub(super) fn publish(&self, snapshot: &Snapshot) {
                $(self.$name.store(snapshot.$name, Ordering::Relaxed);)*
                for (limit, hits) in snapshot.limits.iter() {
                    self.limits[limit as usize].store(hits, Ordering::Relaxed);
                }
            }
        }
    };
}

counters! {
    /// Turns of the loop, and so calls of `epoll_wait`.
    turns,
    /// Calls that read from a peer's socket.
    reads,
    /// Calls that write to a peer's socket.
    writes,
    /// Connections accepted since the start.
    accepted,
    /// Connections at the moment.
    connections,
    /// Connections that have gone over to another loop, which has their room.
    moved,
    /// TLS handshakes completed.
    handshakes,
    /// TLS handshakes that came to nothing, plain HTTP on a TLS port among them.
    handshakes_failed,
    /// Connections closed because their PROXY header was missing or broken, or came from who is no proxy.
    proxy_headers_bad,
    /// Connections closed before TLS because their address is not on the list.
    strangers,
    /// Whole messages received.
    received,
    /// Messages queued for a peer.
    sent,
    /// Pings, heartbeats and those that ask what has arrived.
    pings,
    /// Peers closed because they did not read what was sent to them.
    overrun,
    /// Peers closed because there was no memory left for their cut messages.
    starved,
    /// Times that accepting paused because the process had no file descriptor left.
    accept_paused,
    /// Bytes in blocks on loan.
    block_bytes,
}
