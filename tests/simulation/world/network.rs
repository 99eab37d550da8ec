//! What is sent over the network, and when it arrives.

use autamedica_signaling::base::time::Now;

use super::super::book::Newcomer;
use super::super::link::Socket;
use super::super::names;
use super::{Event, World};

impl World {
    /// A connection reaches the server's queue, unless nobody listens there any more.
    pub(super) fn knock(&mut self, link: usize) {
        if self.stopped {
            return self.at(self.now, Event::ClientHears(link));
        }
        self.knocking.push_back(link);
        self.wake_server();
    }

    /// The server takes in who waits, as long as it takes anybody.
    pub(super) fn admit_knocking(&mut self, now: Now) {
        while let Some(&number) = self.knocking.front().filter(|_| self.server.admits()) {
            self.knocking.pop_front();
            let shared = self.links[number].clone();
            let socket = Socket::new(shared.clone(), self.touched.clone());
            let address = self.people[self.tabs[number].person].plan.address;
            let others = self.server.peer_count();
            let (peer, gone) = self.server.welcome(socket, names::address(address), now);
            let book = &mut self.server.app.book;
            book.knocked(address, others, peer.is_some(), gone);
            self.server.app.transcript.line(|| format!("    link {number} knocks: {gone:?} goes"));
            let Some(peer) = peer else { continue };
            let accepted = self.server.counters().accepted;
            self.tabs[number].connection = Some((self.disk.life(), accepted));
            let full = others >= self.plan.settings.connections_max && gone.is_none();
            let newcomer = Newcomer { link: number, number: accepted, address, full };
            self.server.app.book.accepted(peer, newcomer, now);
            self.server.app.transcript.line(|| format!("    link {number} is {}", peer.index));
            let key = (peer.index, peer.generation);
            let mut link = shared.borrow_mut();
            link.key = Some(key);
            if link.has_news_for_server() {
                self.server.readable(key, link.ends_for_server());
            }
        }
    }

    pub(super) fn arrive_at_server(&mut self, number: usize) {
        let arrival = self.links[number].borrow_mut().arrive_at_server(self.now);
        if arrival.cut {
            self.cut(number);
        }
        let (key, closed, ends) = {
            let link = self.links[number].borrow();
            (link.key, link.server_closed, link.ends_for_server())
        };
        if closed && arrival.something {
            // Whoever writes to a closed socket is told so.
            let delay = self.links[number].borrow().weather.delay;
            self.after(delay, Event::ClientHears(number));
        }
        if let Some(key) = key.filter(|_| arrival.something) {
            self.server.readable(key, ends);
            self.wake_server();
        }
    }

    pub(super) fn arrive_at_client(&mut self, number: usize) {
        let arrival = self.links[number].borrow_mut().arrive_at_client(self.now);
        if arrival.cut {
            self.cut(number);
        }
        if arrival.something {
            self.read_tab(number);
        }
    }

    /// The server's end learns that the connection is broken.
    pub(super) fn break_at_server(&mut self, number: usize) {
        let mut link = self.links[number].borrow_mut();
        link.break_server();
        if let Some(key) = link.key {
            self.server.readable(key, true);
            drop(link);
            self.wake_server();
        }
    }

    /// The client's end learns that the connection is broken.
    pub(super) fn break_at_client(&mut self, number: usize) {
        self.links[number].borrow_mut().break_client();
        self.lose_tab(number, None);
    }

    /// Sends what was written on its way.
    pub(super) fn dispatch(&mut self, number: usize) {
        let (to_server, to_client, room, reset) = {
            let mut link = self.links[number].borrow_mut();
            let (to_server, to_client) = link.dispatch(self.now);
            let room = link.take_server_room();
            let reset = std::mem::take(&mut link.reset_by_server).then_some(link.weather.delay);
            (to_server, to_client, link.key.filter(|_| room), reset)
        };
        if let Some(delay) = reset {
            self.after(delay, Event::ClientHears(number));
        }
        for due in to_server {
            self.at(due, Event::AtServer(number));
        }
        for due in to_client {
            self.at(due, Event::AtClient(number));
        }
        if let Some(key) = room {
            self.server.writable(key);
            self.wake_server();
        }
    }

    /// Sends what the server has written on its way, and what its reads have made room for.
    pub(super) fn dispatch_touched(&mut self) {
        let mut touched = std::mem::take(&mut *self.touched.borrow_mut());
        touched.sort_unstable();
        touched.dedup();
        for number in touched.drain(..) {
            self.pump(number);
        }
        let mut list = self.touched.borrow_mut();
        if list.is_empty() {
            *list = touched;
        }
    }
}
