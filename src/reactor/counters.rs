//! The reactor's counters. It counts in plain numbers, and publishes them at the end of each turn.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::histogram::{Histogram, WORDS};
use crate::base::limits::{Hits, Limit};
use crate::message::errors::{CODES, Errors};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters as other threads see them.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($name: AtomicU64,)*
            limits: [AtomicU64; Limit::ALL.len()],
            errors: [AtomicU64; CODES.len()],
            relays: [AtomicU64; WORDS],
            turn_times: [AtomicU64; WORDS],
            joins: [AtomicU64; WORDS],
        }

        /// All counters at the end of one turn.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot {
            $($(#[$doc])* pub $name: u64,)*
            /// How often each limit was hit, except those that have a counter of their own here.
            pub limits: Hits,
            /// How often each error was reported, over WebSocket or HTTP.
            pub errors: Errors,
            /// How long relayed messages were in the server: from the beginning of the turn that
            /// read them until they had been written.
            pub relays: Histogram,
            /// How long turns took, without the wait before them.
            pub turn_times: Histogram,
            /// How long admitted participants waited for their record.
            pub joins: Histogram,
        }

        impl Counters {
            /// The counters, each as of the end of a recent turn.
            pub fn read(&self) -> Snapshot {
                let limits = Hits::new(|limit| self.limits[limit as usize].load(Ordering::Relaxed));
                Snapshot {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    limits,
                    errors: Errors::new(|at| self.errors[at].load(Ordering::Relaxed)),
                    relays: load(&self.relays),
                    turn_times: load(&self.turn_times),
                    joins: load(&self.joins),
                }
            }

            pub(super) fn publish(&self, snapshot: &Snapshot) {
                $(self.$name.store(snapshot.$name, Ordering::Relaxed);)*
                for (limit, hits) in snapshot.limits.iter() {
                    self.limits[limit as usize].store(hits, Ordering::Relaxed);
                }
                for (word, (_, count)) in self.errors.iter().zip(snapshot.errors.iter()) {
                    word.store(count, Ordering::Relaxed);
                }
                store(&self.relays, &snapshot.relays);
                store(&self.turn_times, &snapshot.turn_times);
                store(&self.joins, &snapshot.joins);
            }
        }

        impl Snapshot {
            /// The sum over several reactors.
            #[must_use]
            pub fn and(&self, others: &Self) -> Self {
                Self {
                    $($name: self.$name + others.$name,)*
                    limits: self.limits.and(&others.limits),
                    errors: self.errors.and(&others.errors),
                    relays: self.relays.and(&others.relays),
                    turn_times: self.turn_times.and(&others.turn_times),
                    joins: self.joins.and(&others.joins),
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
    /// Current connections.
    connections,
    /// Connections that moved to another loop, which has their room.
    moved,
    /// TLS handshakes completed.
    handshakes,
    /// TLS handshakes that failed, including plain HTTP on a TLS port.
    handshakes_failed,
    /// Connections closed because their PROXY header was missing or malformed, or did not come from
    /// a trusted proxy.
    proxy_headers_bad,
    /// Connections closed before TLS because their address is not allowed.
    strangers,
    /// The duration of all connections, summed, in microseconds.
    connected_micros,
    /// Complete messages received.
    received,
    /// Messages relayed from one participant to another.
    relayed,
    /// Messages queued for a peer.
    sent,
    /// Pings: heartbeats, and those that probe what has arrived.
    pings,
    /// Peers closed because they did not read what was sent to them.
    overrun,
    /// Peers closed because there was no memory left for their partial messages.
    starved,
    /// Times that accepting paused because the process had no file descriptor left.
    accept_paused,
    /// Bytes in borrowed blocks.
    block_bytes,
    /// Of these, bytes for partial messages.
    cut_bytes,
    /// Of these, bytes for unsent messages.
    unsent_bytes,
    /// Connections that have sent too much and are not read for a while.
    resting,
    /// Connections that have not been let in yet and wait for their turn.
    newcomers,
    /// Connections with more input to be read in the next turn.
    unread,
    /// Admissions and ends of sessions that wait for their record.
    unrecorded,
    /// Loops whose journal cannot be written.
    journals_unavailable,
    /// Rooms whose doctor or patient has not joined yet.
    rooms_waiting,
    /// Rooms where both have joined.
    rooms_active,
    /// Rooms that have ended.
    rooms_ended,
    /// Places in rooms.
    participants,
    /// Places that are kept for dropped participants.
    absent,
    /// Bytes of relayed messages that may have to be sent again.
    retained_bytes,
    /// Revocations that are remembered.
    revocations,
}

fn load(words: &[AtomicU64; WORDS]) -> Histogram {
    Histogram::new(|word| words[word].load(Ordering::Relaxed))
}

fn store(words: &[AtomicU64; WORDS], times: &Histogram) {
    // Most turns add nothing to most buckets, but a store costs less than finding out.
    words.iter().zip(times.words()).for_each(|(word, count)| word.store(*count, Ordering::Relaxed));
}
