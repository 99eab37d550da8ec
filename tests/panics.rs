//! A program that embeds the server and unwinds on panics: if one of its event loops panics, the
//! others stop properly, and the embedder is told.

mod common;

use std::io;
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use autamedica_signaling::engine::Homes;
use autamedica_signaling::message::Role;
use autamedica_signaling::message::record::Event;
use autamedica_signaling::{Entry, Handle, Journal};

use common::{Client, PATIENCE, Person, bind, session};

/// A journal of the embedder's that cannot take an admission, in one of the loops.
struct Fragile {
    taken: u64,
    breaks: bool,
}

impl Journal for Fragile {
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let is_admission = matches!(entry.record.event, Event::Admission { .. });
        assert!(!(self.breaks && is_admission), "the embedder's journal is broken");
        self.taken += 1;
        Some(self.taken)
    }

    fn publish(&mut self, _awaited: bool) {}

    fn durable(&self) -> u64 {
        self.taken
    }

    fn is_available(&self) -> bool {
        true
    }
}

/// A server whose journal breaks in one loop of so many.
fn start(breaks: u32, count: usize) -> (Handle, Receiver<io::Result<()>>, String) {
    let mut server = bind(|config| {
        config.threads = Some(count);
        config.admin = Some(([127, 0, 0, 1], 0).into());
    });
    let mut index = 0..;
    server.keep_journals(|| Box::new(Fragile { taken: 0, breaks: index.next() == Some(breaks) }));
    let handle = server.handle();
    let admin = server.admin_addr().expect("a listener for administrators").to_string();
    let (ended, end) = channel();
    thread::spawn(move || ended.send(server.run()));
    (handle, end, admin)
}

/// A doctor whose room is in this loop.
fn doctor_of(home: u32, count: usize) -> Person {
    let homes = Homes::new(0, count as u32);
    let here = (0..).map(|_| session()).find(|session| homes.of(*session) == home);
    Person::new(Role::Doctor, here.expect("a session"))
}

#[test]
fn where_the_only_loop_panics_the_rest_of_the_server_ends_too_and_it_is_an_error_and_no_panic() {
    let (handle, end, admin) = start(0, 1);
    let mut unlucky = Client::connect_at(handle.local_addr(), &doctor_of(0, 1));
    unlucky.send(&unlucky.person.join_request());
    let ended = end.recv_timeout(PATIENCE).expect("the server ends");
    let error = ended.expect_err("it did not end well");
    assert!(error.to_string().contains("panicked"), "{error}");
    assert!(unlucky.socket.read().is_err(), "cut off");
    assert!(TcpStream::connect(&admin).is_err(), "nobody administers what is not there");
}

#[test]
fn where_one_loop_panics_the_others_say_good_bye_and_the_embedder_gets_an_error() {
    const COUNT: usize = 3;
    for broken in 0..COUNT as u32 {
        let (handle, end, admin) = start(broken, COUNT);
        let sound = (broken + 1) % COUNT as u32;
        let mut well = Client::join_at(handle.local_addr(), &doctor_of(sound, COUNT));
        let mut unlucky = Client::connect_at(handle.local_addr(), &doctor_of(broken, COUNT));
        unlucky.send(&unlucky.person.join_request());
        well.expect_error("SERVER_SHUTDOWN");
        assert_eq!(well.expect_close(), 1012, "loop {broken} of {COUNT}");
        drop(well);
        let ended = end.recv_timeout(PATIENCE).expect("the server ends");
        let error = ended.expect_err("it did not end well");
        assert!(error.to_string().contains("panicked"), "{error}");
        assert!(TcpStream::connect(&admin).is_err(), "nobody administers what is not there");
        assert!(handle.is_stopping());
    }
}
