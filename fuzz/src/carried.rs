//! Sessions of Socket.IO that requests carry, until a WebSocket takes over: what `src/reactor/polling.rs` does with sockets.

use std::mem::take;

use autamedica_signaling::connection::{Application, Connection, Order, Progress};
use autamedica_signaling::engine::PeerId;

use crate::client::Client;
use crate::hall::{Hall, Place, Visitor, peer_id, peer_key};

/// Stands between the packets of a body.
const SEPARATOR: u8 = 0x1e;

impl Hall {
    /// Whether requests carry what is said here.
    pub fn is_carried(&self, key: Place) -> bool {
        self.visitors.get(key).is_some_and(|visitor| visitor.unfetched.is_some())
    }

    /// Whether packets of Socket.IO are spoken here.
    pub fn speaks_packets(&self, key: Place) -> bool {
        self.visitors.get(key).is_some_and(|visitor| visitor.client.packets().is_some())
    }

    /// Somebody begins a session by a request.
    pub fn open_session(&mut self, full: bool) -> Option<Place> {
        let request = self.connect(full)?;
        self.opened = None;
        self.send(request, &self.request("GET", None, ""));
        let key = self.opened.take()?;
        let opening = self.visitors.get(request).map(|visitor| visitor.client.body.clone())?;
        if let Some(session) = self.visitors.get_mut(key) {
            let heard = session.client.receive(&opening);
            assert!(
                heard.is_empty() && session.client.packets().is_some_and(|one| one.sid.is_some())
            );
        }
        Some(key)
    }

    /// A request comes that waits for something to be said.
    pub fn poll(&mut self, key: Place) {
        let head = self.request("GET", Some(key), "");
        if let Some(request) = self.connect(false) {
            self.send(request, &head);
        }
    }

    /// A request brings this body.
    pub fn post(&mut self, key: Place, body: &[u8]) {
        let length = format!("Content-Length: {}\r\n", body.len());
        let head = self.request("POST", Some(key), &length);
        let step = self.visitors.get(key).map_or(0, |visitor| visitor.step);
        if let Some(request) = self.connect(false) {
            self.cut(request, step);
            self.send(request, &[&head, body].concat());
        }
    }

    /// A WebSocket comes to take over, with these frames behind its request.
    pub fn come_by_web_socket(&mut self, key: Place, frames: &[u8]) {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let head = self.request("GET", Some(key), upgrade);
        let step = self.visitors.get(key).map_or(0, |visitor| visitor.step);
        if let Some(request) = self.connect(false) {
            self.cut(request, step);
            self.send(request, &[&head, frames].concat());
        }
    }

    /// The request that waits is cut off; where there is none, the session ends.
    pub fn lose_request(&mut self, key: Place) {
        self.lose(self.app.waiting_poll(peer_id(key)).map_or(key, peer_key));
    }

    fn request(&self, method: &str, session: Option<Place>, fields: &str) -> Vec<u8> {
        let carrier = if fields.contains("websocket") { "websocket" } else { "polling" };
        let packets = session.and_then(|key| self.visitors.get(key)?.client.packets());
        let sid = packets.and_then(|packets| packets.sid.as_ref());
        let sid = sid.map_or(String::new(), |sid| format!("&sid={sid}"));
        let target = format!("/socket.io/?EIO=4&transport={carrier}{sid}");
        format!("{method} {target} HTTP/1.1\r\nHost: clinic.example\r\n{fields}\r\n").into_bytes()
    }

    /// Does what only whoever has all connections can do.
    pub(crate) fn carry_out(&mut self, order: Order) {
        match order {
            Order::Open => {
                let visitor =
                    Visitor::new(Connection::polled(), Client::polled(), Some(Vec::new()));
                let key = self.visitors.insert(visitor);
                self.app.session_begun(peer_id(key), self.now, &mut self.output.effects);
                self.opened = Some(key);
                self.apply(None, None);
                self.settle(key);
            }
            Order::Deliver(session) => {
                let words = self.idle(session).and_then(|visitor| visitor.connection.last_words());
                self.leave(session, words);
            }
            Order::Bring(_) => {}
            Order::Nudge(session) => {
                let waits = self.app.waiting_poll(session).is_some();
                let nudge = self.idle(session).filter(|_| waits);
                let nudge = nudge.map(|visitor| visitor.connection.nudge());
                self.leave(session, nudge);
            }
            Order::End(session, code) => {
                let key = peer_key(session);
                let Some(visitor) = self.visitors.get_mut(key) else { return };
                let (app, output) = (&mut self.app, &mut self.output);
                visitor.connection.give_up(session, code, self.now, app, output);
                self.apply(Some(key), None);
                self.settle(key);
            }
        }
    }

    /// A session for which nothing waits to be fetched.
    fn idle(&self, session: PeerId) -> Option<&Visitor> {
        self.visitors
            .get(peer_key(session))
            .filter(|visitor| visitor.unfetched.as_ref().is_some_and(Vec::is_empty))
    }

    /// Leaves something for a request to fetch that is no matter of the client's.
    fn leave(&mut self, session: PeerId, words: Option<&[u8]>) {
        if let (Some(words), Some(visitor)) = (words, self.visitors.get_mut(peer_key(session))) {
            visitor.unfetched.iter_mut().for_each(|unfetched| unfetched.extend_from_slice(words));
        }
    }

    /// A request has brought a packet for a session.
    pub(crate) fn bring(&mut self, from: Place, session: Place, packet: &str) {
        if let Some(visitor) = self.visitors.get_mut(session) {
            let (app, output) = (&mut self.app, &mut self.output);
            let me = peer_id(session);
            match visitor.connection.receive_packet(me, packet, self.now, app, output) {
                Progress::Handled(message) => self.apply(Some(session), message),
                Progress::Rewritten => self.apply_rewritten(session),
                other => panic!("{other:?} of a packet"),
            }
            self.settle(session);
        }
        let goes_on =
            self.visitors.get(session).is_some_and(|visitor| visitor.connection.is_open());
        if let Some(request) = self.visitors.get_mut(from).filter(|_| !goes_on) {
            request.connection.bring_no_more();
        }
    }

    /// Whatever waits for a request goes to the one that waits for it.
    pub(crate) fn flush(&mut self) {
        for key in self.places() {
            let session = peer_id(key);
            let Some(request) = self.app.waiting_poll(session).map(peer_key) else { continue };
            let waits = |visitor: &&mut Visitor| visitor.connection.waits_for_session(session);
            if self.visitors.get_mut(request).filter(waits).is_none() {
                continue;
            }
            let Some(visitor) = self.visitors.get_mut(key) else { continue };
            let Some(unfetched) = visitor.unfetched.as_mut().filter(|bytes| !bytes.is_empty())
            else {
                continue;
            };
            let mut body = take(unfetched);
            assert_eq!(body.pop(), Some(SEPARATOR), "a cut packet");
            visitor.connection.delivered(&body);
            let mut reply = Vec::new();
            self.app.answer_poll(session, &body, self.now, &mut reply);
            if let Some(visitor) = self.visitors.get_mut(request) {
                visitor.connection.answered(&mut reply);
                assert!(visitor.client.receive(&reply).is_empty());
                assert_eq!(visitor.client.body, body, "as it was said");
            }
            self.settle(request);
            self.settle(key);
        }
    }

    /// A WebSocket takes a session over, with what it has sent behind that.
    pub(crate) fn take_over(&mut self, from: Place, to: Place) {
        let is_there = self.is_carried(to);
        let socket = self.visitors.get_mut(from).filter(|_| is_there);
        let Some((mut client, inbound, step)) = socket
            .map(|visitor| (take(&mut visitor.client), take(&mut visitor.inbound), visitor.step))
        else {
            return self.lose(from);
        };
        let Some(visitor) = self.visitors.get_mut(to) else { return };
        let (unsent, mut frames) = (visitor.unfetched.take().unwrap_or_default(), Vec::new());
        visitor.connection.move_to_web_socket(&unsent, &mut frames);
        visitor.client.move_to(&mut client, &unsent);
        (visitor.inbound, visitor.step) = (inbound, step);
        self.app.session_moved(peer_id(to));
        self.lose(from);
        self.deliver(to, &frames, None);
        let Some(visitor) = self.visitors.get_mut(to) else { return };
        let mut inbound = take(&mut visitor.inbound);
        inbound.look_again(|bytes, at| self.process(to, bytes, at));
        if let Some(visitor) = self.visitors.get_mut(to) {
            visitor.inbound = inbound;
        }
        self.settle(to);
    }
}
