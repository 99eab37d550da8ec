//! The waiting room for connections that arrive faster than `ACCEPT_RATE` allows.
//!
//! They are accepted all the same. The system's accept queue is shared by everybody, and a client
//! that connects most often would fill it. Here each network has a queue of its own, and the queues
//! are served round-robin.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;

use mio::net::TcpStream;

use super::Reactor;
use super::accept::{BATCH, turn_away};
use crate::admission::door::Refusal;
use crate::admission::gate::Network;
use crate::base::bucket::Rate;
use crate::base::limits::Limit;
use crate::base::time::{Instant, Now};
use crate::connection::Application;

/// How often per second the queues are served at most: not for each connection, but often enough
/// that nobody notices.
const CALLS_A_SECOND: u64 = 32;

/// How many connections are let in together at most, if the rate is high.
const TOGETHER_MAX: u64 = 32;

/// Waiting connections, by network. Within a network the oldest is called first, and the networks
/// take turns.
#[derive(Debug)]
pub(super) struct WaitingRoom<T> {
    /// None of them is empty.
    queues: BTreeMap<Network, VecDeque<T>>,
    /// Every network that has a queue; the next in turn is first.
    turns: VecDeque<Network>,
    len: usize,
    /// The earliest time of the next turn.
    next_at: Instant,
}

impl<T> WaitingRoom<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The earliest time of the next turn, if anybody waits.
    pub(super) fn next_at(&self) -> Option<Instant> {
        (!self.is_empty()).then_some(self.next_at)
    }

    /// Nobody is called before `instant`.
    pub(super) fn wait_until(&mut self, instant: Instant) {
        self.next_at = instant;
    }

    /// Adds a connection of this network.
    pub(super) fn push(&mut self, network: Network, who: T) {
        let queue = self.queues.entry(network).or_default();
        if queue.is_empty() {
            self.turns.push_back(network);
        }
        queue.push_back(who);
        self.len += 1;
    }

    /// Takes out the connection whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(Network, T)> {
        let network = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&network)?;
        let who = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&network);
        } else {
            self.turns.push_back(network);
        }
        self.len -= 1;
        Some((network, who))
    }

    /// Whether all waiting connections are of one network.
    pub(super) fn is_of_one_network(&self) -> bool {
        self.queues.len() == 1
    }

    /// Takes the oldest connection of the network with the longest queue, if it `is_gone`.
    fn pop_gone_of_most(&mut self, is_gone: impl FnOnce(&T) -> bool) -> Option<(Network, T)> {
        let (network, queue) = self.queues.iter_mut().max_by_key(|(_, queue)| queue.len())?;
        // Not the last one of a queue: the queue would have to be removed with it, and it is called
        // soon anyway.
        let network = *network;
        let who = queue.front().filter(|who| queue.len() > 1 && is_gone(who));
        let who = who.is_some().then(|| queue.pop_front()).flatten()?;
        self.len -= 1;
        Some((network, who))
    }

    /// Takes the newest connection of the network with the longest queue. If several are equally
    /// long, that of `came_last` goes first.
    fn pop_last_of_most(&mut self, came_last: Network) -> Option<(Network, T)> {
        let lens = self.queues.iter().map(|(network, queue)| (queue.len(), *network));
        let (_, network) = lens.max_by_key(|(len, network)| (*len, *network == came_last))?;
        let queue = self.queues.get_mut(&network)?;
        let who = queue.pop_back()?;
        if queue.is_empty() {
            self.queues.remove(&network);
            self.turns.retain(|other| *other != network);
        }
        self.len -= 1;
        Some((network, who))
    }
}

impl<T> Default for WaitingRoom<T> {
    fn default() -> Self {
        Self {
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
            len: 0,
            next_at: Instant::default(),
        }
    }
}

impl<A: Application> Reactor<A> {
    /// Whether the rate lets a connection in now. If not, nobody is called until it may.
    pub(super) fn take_turn(&mut self, now: Now) -> bool {
        // While stopping, no accepted connection may be cut off without an answer.
        if self.stopping.is_some() {
            return true;
        }
        let rate = &self.options.accept_rate;
        match self.entrance.check(rate, together(rate), now.instant) {
            Ok(()) => {
                self.entrance.accept(rate, now.instant);
                true
            }
            Err(wait) => {
                self.waiting.wait_until(now.instant + wait);
                false
            }
        }
    }

    /// Lets a connection wait. Nothing is read from it meanwhile, but it counts for its network.
    pub(super) fn let_wait(&mut self, socket: TcpStream, address: IpAddr, now: Now) {
        self.hits.add(Limit::AcceptRate);
        let network = Network::of(address);
        self.entrance.wait(network);
        self.waiting.push(network, (socket, address));
        if self.tells_networks_apart() && self.entrance.present() > self.options.connections_max {
            self.make_room(network, now);
        }
    }

    /// One connection of the network with the longest queue has to give way: its oldest, if that
    /// client has already gone; otherwise its newest. If all are of one network, nobody gives way:
    /// the next ones wait in the system's queue.
    fn make_room(&mut self, came_last: Network, now: Now) {
        if let Some((network, _)) = self.waiting.pop_gone_of_most(|(socket, _)| has_gone(socket)) {
            self.entrance.call(network);
        } else if !self.waiting.is_of_one_network()
            && let Some((network, (socket, _))) = self.waiting.pop_last_of_most(came_last)
        {
            self.entrance.call(network);
            self.send_away(socket, Refusal::Full, Limit::Connections, now);
        }
    }

    /// Lets waiting connections in, as far as the rate and the time of the turn allow. Returns
    /// whether there is time left.
    pub(super) fn call_waiting(&mut self, now: Now) -> bool {
        for _ in 0..BATCH {
            if self.waiting.next_at().is_none_or(|at| at > now.instant) || !self.take_turn(now) {
                break;
            }
            let Some((network, (socket, address))) = self.waiting.pop() else { break };
            self.entrance.call(network);
            // Sessions without a socket may have taken the last places meanwhile.
            if self.admits_beside(self.entrance.connections()) {
                self.welcome(socket, address, now);
            } else {
                self.send_away(socket, Refusal::Full, Limit::Connections, now);
            }
            if !self.finish_newcomer(now) {
                return false;
            }
        }
        true
    }

    /// At the very end, refuses the connections that there was no time to let in.
    pub(super) fn dismiss_waiting(&mut self) {
        let now = self.clock.read();
        while let Some((network, (mut socket, _))) = self.waiting.pop() {
            self.entrance.call(network);
            // A TLS client would not understand a plain answer.
            if self.options.edge.tls.is_none() {
                turn_away(&mut socket, Refusal::ShuttingDown, now);
            }
        }
    }

    /// Tells a connection why it may not come in, before anything was read from it.
    pub(super) fn send_away(
        &mut self,
        mut socket: TcpStream,
        refusal: Refusal,
        limit: Limit,
        now: Now,
    ) {
        self.hits.add(limit);
        // A TLS client would not understand a plain answer.
        if self.options.edge.tls.is_none() {
            turn_away(&mut socket, refusal, now);
            self.output.effects.count_error(refusal.code());
        }
    }

    /// Whether clients expect TLS.
    pub(super) fn speaks_tls(&self) -> bool {
        self.options.edge.tls.is_some()
    }

    /// Whether the address of a socket is that of the client, and not that of a proxy for all its
    /// clients.
    pub(super) fn tells_networks_apart(&self) -> bool {
        self.options.heads_per_address_max < u64::MAX
            && self.options.edge.addresses.trusted_proxies.is_empty()
    }
}

/// Whether the client has gone: reset, or closed without having sent anything.
fn has_gone(socket: &TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// How many the rate must allow at once before the queues are served again.
fn together(rate: &Rate) -> u64 {
    (rate.per_second / CALLS_A_SECOND).clamp(1, TOGETHER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, number]))
    }

    /// A waiting room with this many connections of each of these networks.
    fn room(counts: &[(u8, u32)]) -> WaitingRoom<(u8, u32)> {
        let mut room = WaitingRoom::default();
        for &(from, count) in counts {
            (0..count).for_each(|number| room.push(network(from), (from, number)));
        }
        room
    }

    fn names(mut room: WaitingRoom<(u8, u32)>) -> Vec<(u8, u32)> {
        let called: Vec<_> = std::iter::from_fn(|| room.pop()).map(|(_, who)| who).collect();
        assert_eq!((room.len(), room.turns.len(), room.queues.len()), (0, 0, 0));
        called
    }

    #[test]
    fn networks_take_turns_and_within_one_the_first_is_first() {
        let room = room(&[(1, 4), (2, 1), (3, 2)]);
        assert_eq!(room.len(), 7);
        assert_eq!(names(room), [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn who_comes_again_is_behind_all_the_other_networks() {
        let mut room = room(&[(1, 1_000), (2, 1)]);
        assert_eq!(room.pop().map(|(_, who)| who), Some((1, 0)));
        assert_eq!(room.pop().map(|(_, who)| who), Some((2, 0)));
        room.push(network(2), (2, 1));
        room.push(network(3), (3, 0));
        let next: Vec<_> = (0..4).filter_map(|_| room.pop()).map(|(_, who)| who).collect();
        assert_eq!(next, [(1, 1), (2, 1), (3, 0), (1, 2)]);
        assert_eq!(room.len(), 997);
    }

    #[test]
    fn where_there_is_no_room_the_last_of_those_who_are_most_goes() {
        let mut full = room(&[(1, 2), (2, 1)]);
        full.push(network(3), (3, 0));
        assert_eq!(full.pop_last_of_most(network(3)).map(|(_, who)| who), Some((1, 1)));
        // All have one: the network that came last gives way.
        for came_last in [3, 1] {
            let last = full.pop_last_of_most(network(came_last));
            assert_eq!(last, Some((network(came_last), (came_last, 0))));
        }
        assert_eq!(names(full), [(2, 0)]);
        let mut full = room(&[(1, 3), (2, 1)]);
        assert_eq!(full.pop_gone_of_most(|_| false), None);
        assert_eq!(full.pop_gone_of_most(|_| true), Some((network(1), (1, 0))));
        assert!(!full.is_of_one_network());
        assert_eq!(names(full), [(1, 1), (2, 0), (1, 2)]);
        assert_eq!(room(&[(1, 1)]).pop_gone_of_most(|_| true), None);
        assert_eq!(room(&[]).pop_last_of_most(network(1)), None);
    }

    #[test]
    fn only_where_somebody_waits_there_is_a_time_for_the_next() {
        let mut room = room(&[]);
        let later = Instant::from_micros(25_000);
        room.wait_until(later);
        assert_eq!(room.next_at(), None);
        room.push(network(1), (1, 0));
        assert_eq!(room.next_at(), Some(later));
        room.pop();
        assert_eq!(room.next_at(), None);
    }

    #[test]
    fn they_are_called_together_where_there_are_many_and_soon_where_there_are_few() {
        for (per_second, count) in [(1, 1), (40, 1), (100, 3), (1_000, 31), (1_000_000, 32)] {
            assert_eq!(together(&Rate { per_second, burst: per_second }), count);
        }
    }
}
