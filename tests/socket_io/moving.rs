//! Sessions that move to another event loop while requests for them are in flight.

use std::sync::{Arc, Condvar, Mutex};

use autamedica_signaling::engine::{Command, Homes};
use autamedica_signaling::message::Role;
use autamedica_signaling::message::record::Deed;
use autamedica_signaling::wire::sid::Sid;
use autamedica_signaling::{Entry, Handle, Journal};

use crate::client::{Poller, answer_to, connect, event, heard, text, turns};
use crate::common::raw::{TEXT, frame};
use crate::common::{PATIENCE, Person, Raw, TestServer, bind, session};

const LOOPS: u32 = 2;

/// Holds event loops up in the middle of a turn, so that what comes meanwhile is there at once in the next.
#[derive(Clone, Default)]
struct Gatekeeper(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    closed: bool,
    held: u32,
}

impl Gatekeeper {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().expect("no panic"));
        self.0.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        let state = self.0.0.lock().expect("no panic");
        let goes_on = |state: &mut State| !until(state);
        let (_state, waited) =
            self.0.1.wait_timeout_while(state, PATIENCE, goes_on).expect("no panic");
        assert!(!waited.timed_out(), "waited for the event loops");
    }

    /// Holds up all loops of a server, and lets them go on after that.
    fn while_held(&self, handle: &Handle, act: impl FnOnce()) {
        self.change(|state| state.closed = true);
        let asked = handle.ask(|_| Command::Note(Deed::ShowIds));
        self.wait(|state| state.held == LOOPS);
        act();
        self.change(|state| (state.closed, state.held) = (false, 0));
        drop(asked);
    }
}

/// A journal whose disk is quick, where the gate is open.
struct Log(Gatekeeper, u64);

impl Journal for Log {
    fn take(&mut self, _entry: &Entry<'_>) -> Option<u64> {
        self.0.change(|state| state.held += u32::from(state.closed));
        self.0.wait(|state| !state.closed);
        self.1 += 1;
        Some(self.1)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        self.1
    }

    fn is_available(&self) -> bool {
        true
    }
}

/// A doctor whose room is in another loop than the session.
fn doctor_of_elsewhere(poller: &Poller<'_>) -> Person {
    let name = poller.sid.trim_start_matches("&sid=");
    let here = u32::from(Sid::read(name).expect("a name").reactor());
    let homes = Homes::new(here, LOOPS);
    let session = (0..).map(|_| session()).find(|session| homes.elsewhere(*session).is_some());
    Person::new(Role::Doctor, session.expect("a session"))
}

fn send_all(raw: &mut Raw, packets: &[&str]) {
    let frames: Vec<_> = packets.iter().flat_map(|packet| frame(TEXT, packet.as_bytes())).collect();
    raw.send(&frames);
}

#[test]
fn what_a_request_brings_arrives_though_a_web_socket_takes_over_as_the_session_moves() {
    let gate = Gatekeeper::default();
    let mut server = bind(|config| config.threads = Some(LOOPS as usize));
    server.keep_journals(|| Box::new(Log(gate.clone(), 0)));
    let server = TestServer::run(server.handle(), move || server.run());
    let mut brought = 0;
    while brought < 3 {
        let poller = Poller::open(&server);
        let doctor = doctor_of_elsewhere(&poller);
        poller.post_ok(&connect(&doctor));
        assert!(poller.poll().starts_with("40{\"sid\":"));
        let mut socket = poller.upgrade();
        socket.expect_upgrade();
        send_all(&mut socket, &["2probe"]);
        assert_eq!(text(&mut socket), "3probe");
        let body = format!("{}\x1e427[\"ping\",{{}}]", event(&doctor.join_request()));
        let fields = format!("Content-Length: {}\r\n", body.len());
        let mut post = poller.begin(poller.head("POST", &fields).as_bytes());
        turns(&server);
        gate.while_held(server.handle(), || {
            post.send(body.as_bytes());
            send_all(&mut socket, &["5"]);
        });
        // Not at the end of its time, with 408.
        let response = answer_to(post);
        if response.status == 400 {
            continue; // Its head was on its way for so long that the session was taken over before.
        }
        brought += 1;
        assert_eq!((response.status, &response.body[..]), (200, &b"ok"[..]), "{response:?}");
        assert_eq!(heard(&mut socket).0, "room-joined");
        assert_eq!(heard(&mut socket).0, "pong");
        assert_eq!(text(&mut socket), "437[{\"ok\":true}]");
        // And nobody speaks for the session by its name any more, wherever it is.
        let response = poller.ask("GET", "", b"");
        assert_eq!((response.status, response.json()["code"].as_u64()), (400, Some(3)));
    }
}
