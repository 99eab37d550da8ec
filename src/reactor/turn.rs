//! One turn of the event loop. Its order matters: read the clock once, handle input, do what is
//! due, then write once to each peer. Slots are freed last, when nothing in the turn can refer to
//! them any more.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time;

use mio::Interest;
use mio::event::Event;
use mio::net::TcpStream;

use super::accept::{Accepted, BATCH, turn_away};
use super::handshakes::Handshakes;
use super::peer::Peer;
use super::transport::Transport;
use super::{
    CLOSE_TIMEOUT, EVENTS_MAX, LISTENER, Reactor, SIGNALS, TURNED_AWAY_MAX, WAKER, peer_key,
    peer_token,
};
use crate::admission::door::Refusal;
use crate::admission::gate::Network;
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::{Duration, Now};
use crate::connection::{Application, Arrival, Connection, Wait};

/// How much of a turn newcomers may take, unless the calls have taken more. Letting one in takes up
/// to a hundred times as long as a message, and nobody in a call should wait for a crowd at the
/// door. One or two newcomers fit into this time. With half of it the delays in calls are the same.
/// Closing sockets may take as long again.
const NEWCOMERS_TIME: Duration = Duration::from_micros(60);

/// How long a server that stops waits for requests of connections that it has accepted already.
const HEADS_GRACE: Duration = Duration::from_secs(1);

impl<A: Application> Reactor<A> {
    /// One turn. Returns `false` when the loop is over.
    pub(super) fn turn(&mut self) -> io::Result<bool> {
        let mut events =
            self.events.take().unwrap_or_else(|| mio::Events::with_capacity(EVENTS_MAX));
        let waited = self.poll.poll(&mut events, self.patience());
        match waited {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let now = self.clock.read();
        let relayed = self.counters.relayed;
        self.heed_handshakes(now);
        // Check this even before the loop is woken for it: a client that arrives after another loop
        // has announced the stop must not be cut off with the earlier ones.
        if self.shared.stop.load(Ordering::Acquire) {
            self.stop(now);
        }
        self.heed_journal();
        self.tell_operators();
        let carried_over = std::mem::take(&mut self.lists.ready);
        self.share_turn(events.iter().count() + carried_over.len() + self.lists.resting.len());
        for event in &events {
            self.dispatch(event, now);
        }
        events.clear();
        self.events = Some(events);
        for &key in &carried_over {
            self.go_on(key, now);
        }
        self.recycle_ready(carried_over);
        self.wake_rested(now);
        // Messages in calls do not wait for newcomers.
        self.flush(now);
        self.begin_with_newcomers(now, relayed);
        let relayed = self.counters.relayed;
        self.begin_handshakes(now);
        self.give_up_places(now);
        self.heed_newcomers(now);
        self.wind_up(now);
        if self.app.calls_others() {
            self.shared.wake_all();
        }
        self.see_off();
        self.free_doomed();
        self.close_sockets();
        self.measure(now, relayed);
        Ok(!self.is_over(now))
    }

    /// How long to wait for events.
    fn patience(&self) -> Option<time::Duration> {
        let clock = self.clock.read();
        let now = clock.instant;
        let accept_now =
            self.can_accept() && self.listener.as_ref().is_some_and(|l| l.is_ready(now));
        let lists = &self.lists;
        let busy = !(lists.ready.is_empty()
            && lists.newcomers.is_empty()
            && lists.asked_for.is_empty()
            && lists.overrun.is_empty()
            && lists.parting.is_empty());
        if accept_now || busy || self.records.answer(clock).is_some() {
            return Some(time::Duration::ZERO);
        }
        let next = [
            self.deadlines.next(),
            self.app.next_deadline(clock),
            self.listener.as_ref().and_then(|listener| listener.resumes_at(now)),
            self.waiting.next_at(),
            self.handshakes.as_ref().and_then(Handshakes::next_at),
            self.lists.resting.front().map(|(until, _)| *until),
            self.stopping,
            self.heads_until.filter(|until| *until > now),
            self.records.next_deadline(),
        ];
        let next = next.into_iter().flatten().min()?;
        Some(time::Duration::from_micros(next.since(now).as_micros()))
    }

    fn dispatch(&mut self, event: &Event, now: Now) {
        match event.token() {
            LISTENER => {
                if let Some(listener) = &mut self.listener {
                    listener.knocked();
                }
            }
            WAKER => self.heed_handles(now),
            SIGNALS => self.heed_signals(),
            token => {
                let key = peer_key(token);
                // An error or hang-up shows in the read as well, so one path serves all.
                let ends = event.is_read_closed() || event.is_error();
                if let Some(peer) = self.peers.get_mut(key).filter(|_| ends) {
                    peer.flags.end_announced = true;
                }
                if event.is_readable() || ends {
                    self.serve(key, now);
                }
                if event.is_writable() {
                    self.mark_writable(key);
                }
            }
        }
    }

    /// The rest of the turn is for newcomers: as much time as the turn has taken so far.
    fn begin_with_newcomers(&mut self, now: Now, relayed: u64) {
        let instant = self.clock.instant();
        let took = instant.since(now.instant);
        self.counters.relays.observe(took, self.counters.relayed - relayed);
        self.newcomers_time = took.max(NEWCOMERS_TIME);
        self.newcomers_until = instant + self.newcomers_time;
    }

    /// Whether the time for newcomers is not over.
    pub(super) fn is_time_left(&self) -> bool {
        self.clock.instant() < self.newcomers_until
    }

    fn heed_handles(&mut self, now: Now) {
        if self.index == 0 && self.shared.reload.swap(false, Ordering::AcqRel) {
            self.reload();
        }
        let next = self.shared.lanes[self.index].tls.lock();
        let next = next.unwrap_or_else(|broken| broken.into_inner()).take();
        if let (Some(next), Some(tls)) = (next, &mut self.options.edge.tls) {
            *tls = next;
        }
        self.heed_commands(now);
        let rules = self.shared.lanes[self.index].rules.lock();
        if let Some(rules) = rules.unwrap_or_else(|broken| broken.into_inner()).take() {
            self.options.edge.addresses = rules.door.addresses.clone();
            self.app.use_rules(rules);
        }
        self.receive_letters(now);
        if self.shared.stop.load(Ordering::Acquire) {
            self.stop(now);
            if self.shared.signals.load(Ordering::Acquire) >= 2 {
                self.hurry(now);
            }
        }
    }

    fn heed_signals(&mut self) {
        let Some(signals) = &mut self.signals else { return };
        let (mut reload, mut stops) = (false, 0_u32);
        for signal in signals.pending() {
            match signal {
                signal_hook::consts::SIGHUP => reload = true,
                _ => stops += 1,
            }
        }
        if reload {
            self.reload();
        }
        if stops > 0 {
            self.shared.signals.fetch_add(stops, Ordering::AcqRel);
            self.shared.stop.store(true, Ordering::Release);
            self.shared.wake_all();
        }
    }

    fn reload(&mut self) {
        match &mut self.on_reload {
            Some(reload) => reload(),
            None => log::info!("there is nothing to reload"),
        }
    }

    /// Lets nobody in any more, and tells everybody to come back. The loop goes on until they have
    /// gone, or until the time for that is over.
    fn stop(&mut self, now: Now) {
        if self.stopping.is_some() {
            return;
        }
        log::info!("shutting down, {} connections", self.peers.len());
        let drain = self.options.drain;
        self.stopping = Some(now.instant + drain.max(CLOSE_TIMEOUT));
        // From now on, newcomers reach the next server, if there is one; otherwise they are told
        // that this one is not ready.
        let has_heir = self.options.listening.goes_on();
        if has_heir || (self.peers.is_empty() && self.waiting.is_empty()) {
            self.stop_listening(now);
        }
        // The client that is told last still has its time to answer. If a successor has taken over,
        // all may go at once, and they are told when.
        let left = drain.saturating_sub(CLOSE_TIMEOUT);
        let half = Duration::from_micros(left.as_micros() / 2);
        let window = if has_heir { Duration::default() } else { half };
        self.app.drain(window, now, &mut self.output.effects);
        self.apply(None, None, now);
        // Connections whose request has not arrived are told, too, if it arrives soon.
        self.heads_until = Some(now.instant + HEADS_GRACE);
        // Waiting connections are let in from now on whatever the rate, so that they are told.
        self.waiting.wait_until(now.instant);
    }

    /// Told to stop again: clients that have not been told yet are told now, and the loop waits for
    /// nobody.
    fn hurry(&mut self, now: Now) {
        self.app.drain(Duration::default(), now, &mut self.output.effects);
        self.apply(None, None, now);
        self.stopping = Some(now.instant);
    }

    fn stop_listening(&mut self, now: Now) {
        let Some(mut listener) = self.listener.take() else { return };
        // Connections in a queue that nobody else serves would be cut off without an answer.
        let is_last = self.options.listening.is_shared() && self.options.edge.tls.is_none();
        while is_last && let Accepted::Socket(mut socket, _) = listener.accept() {
            turn_away(&mut socket, Refusal::ShuttingDown, now);
        }
        // All loops listen on copies of one socket, so closing this one does not take it out of the poll.
        listener.deregister(self.poll.registry());
    }

    /// Whether the loop ends. Only while it stops: once all loops have told everybody, or when the
    /// time for it is over.
    fn is_over(&mut self, now: Now) -> bool {
        let Some(until) = self.stopping else { return false };
        let ending = &self.shared.ending;
        if ending.report(self.index, self.has_told_everybody(now)) {
            self.shared.wake_all();
        }
        // The loop that receives signals also receives them for the others while they have peers.
        let may_be_last = self.signals.is_none() || ending.running() <= 1;
        until <= now.instant || (may_be_last && ending.try_end(self.index))
    }

    /// Whether this loop, which stops, has nobody left to tell.
    fn has_told_everybody(&self, now: Now) -> bool {
        let heads_count = self.heads_until.is_some_and(|until| until > now.instant);
        let is_told = |peer: &Peer| {
            // Nobody can fetch any more what is left for sessions without a socket. A request that
            // another loop has read is answered, however late it comes.
            let has_read = peer.flags.resumed;
            !peer.has_socket() || (peer.connection.is_head() && !heads_count && !has_read)
        };
        self.waiting.is_empty() && self.peers.iter().all(|(_, peer)| is_told(peer))
    }

    fn can_accept(&self) -> bool {
        let present = self.entrance.present();
        // If none of the waiting connections may be sent away, those that find no room here wait in
        // the system's queue.
        if self.entrance.waiting() > 0 && !self.tells_networks_apart() {
            present < self.options.connections_max
        } else if self.waiting.is_of_one_network() {
            present <= self.options.connections_max
        } else {
            self.admits_beside(present)
        }
    }

    /// Whether there may be one more connection, even if only to be told that there are too many.
    pub(super) fn admits_beside(&self, others: usize) -> bool {
        others < self.options.connections_max.saturating_add(TURNED_AWAY_MAX)
    }

    /// Lets in those who have waited for their turn, then accepts new connections. Returns whether
    /// there is time left.
    pub(super) fn accept(&mut self, now: Now) -> bool {
        if !self.call_waiting(now) {
            return false;
        }
        for _ in 0..BATCH {
            if !self.can_accept() {
                break;
            }
            let Some(listener) =
                self.listener.as_mut().filter(|listener| listener.is_ready(now.instant))
            else {
                break;
            };
            let rate = &self.options.accept_rate;
            let comes_in = self.waiting.is_empty() && self.entrance.has_room(rate, now.instant);
            if !comes_in && !listener.takes_one_to_wait(rate, now.instant) {
                break;
            }
            match listener.accept() {
                Accepted::Socket(socket, address) => {
                    self.meet(socket, address, now);
                    if !self.finish_newcomer(now) {
                        return false;
                    }
                }
                Accepted::Nobody => break,
                Accepted::Exhausted(error) => {
                    listener.pause(now, self.options.edge.tls.is_some());
                    self.counters.accept_paused += 1;
                    log::warn!("accepting pauses: {error}");
                    break;
                }
            }
        }
        true
    }

    /// Decides whether a connection may come in, as far as that is possible before reading from it,
    /// and whether at once.
    fn meet(&mut self, socket: TcpStream, address: IpAddr, now: Now) {
        let edge = &self.options.edge;
        // All clients behind a proxy have its address.
        let is_proxy = edge.addresses.trusted_proxies.contains(address);
        let heads = self.entrance.heads_of(Network::of(address));
        if !is_proxy && heads >= self.options.heads_per_address_max {
            let refusal = Refusal::RateLimited(self.options.head_timeout);
            self.send_away(socket, refusal, Limit::AddressHeads, now);
        } else if self.waiting.is_empty() && self.take_turn(now) {
            self.welcome(socket, address, now);
        } else {
            self.let_wait(socket, address, now);
        }
    }

    pub(super) fn welcome(&mut self, socket: TcpStream, address: IpAddr, now: Now) {
        let network = Network::of(address);
        let crowd = self.give_way_to(network);
        if crowd.is_none() && self.is_over_crowded() && !self.see_off_answered(network) {
            // What is left is for others.
            self.send_away(socket, Refusal::Full, Limit::Connections, now);
            return;
        }
        self.counters.accepted += 1;
        // No other loop gives the same.
        let loops = self.shared.lanes.len() as u64;
        let number = (self.counters.accepted - 1) * loops + self.index as u64 + 1;
        let edge = &self.options.edge;
        if edge.proxy_protocol && !edge.addresses.trusted_proxies.contains(address) {
            self.counters.proxy_headers_bad += 1;
            log::debug!("connection {number} closed: it comes from no trusted proxy");
            return;
        }
        // A client that will be refused whatever it says still gets an answer in plain text, but is
        // not worth a TLS handshake.
        if edge.tls.is_some() && !edge.addresses.may_knock(address) {
            self.counters.strangers += 1;
            log::debug!("connection {number} closed: its address is not on the list");
            return;
        }
        let has_place = crowd.is_some_and(|crowd| self.take_place_from(crowd, now));
        let edge = &self.options.edge;
        let Some(mut transport) = Transport::new(socket, edge.tls.as_ref(), edge.proxy_protocol)
        else {
            log::error!(
                "connection {number} closed: the system has nothing left to begin TLS with"
            );
            return;
        };
        let counted = self.entrance.enter(network, self.options.connections_max, has_place);
        let full = counted.over;
        let encrypted = edge.tls.is_some();
        let arrival = Arrival { address, full, crowded: full, encrypted, own_account: false };
        let registry = self.poll.registry();
        let mut registered = Ok(());
        let key = self.peers.insert_with(|key| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registered = registry.register(&mut transport.socket, peer_token(key), interest);
            Peer::new(transport, Connection::new(arrival), network, counted, number)
        });
        self.deadlines.arm(key.index(), Wait::Head as usize, now.instant);
        log::debug!("connection {number} accepted");
        if registered.is_err() {
            self.doom(key);
        }
    }

    /// This peer has a socket that belonged to another. The kernel reports again what there is to
    /// be read.
    pub(super) fn register_again(&mut self, key: Key<Peer>) -> io::Result<()> {
        let Some(transport) = self.peers.get_mut(key).and_then(|peer| peer.transport.as_mut())
        else {
            return Ok(());
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().reregister(&mut transport.socket, peer_token(key), interest)
    }

    /// Gives the vector of the last turn's list its memory back, whichever of the two is larger.
    fn recycle_ready(&mut self, mut carried_over: Vec<Key<Peer>>) {
        carried_over.clear();
        if self.lists.ready.is_empty() {
            self.lists.ready = carried_over;
        }
    }
}
