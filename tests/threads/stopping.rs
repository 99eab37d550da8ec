//! Event loops that stop while connections are on their way from one to another: none of these is
//! closed without an answer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use autamedica_signaling::engine::Homes;
use autamedica_signaling::message::Role;
use autamedica_signaling::{Entry, Journal};

use crate::common::raw::upgrade_request;
use crate::common::{self, Client, PATIENCE, Person, Raw, TestServer, bind, session};

const LOOPS: usize = 2;

/// Where a loop can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Each turn, after the loop has seen whether it stops, and before it reads anything.
    Begin,
    /// Late in a turn that has taken entries for the log: nothing more is received in it.
    End,
}

/// Holds event loops up in the middle of a turn.
#[derive(Clone, Default)]
struct Gatekeeper(Arc<(Mutex<[State; LOOPS]>, Condvar)>);

#[derive(Default)]
struct State {
    /// Where the loop is to be held up.
    closed: Option<Place>,
    /// Where it is held up.
    held: Option<Place>,
    /// How many turns have begun.
    turns: u64,
    /// How many times it goes on though it is held up.
    passes: u64,
}

impl Gatekeeper {
    fn states(&self) -> MutexGuard<'_, [State; LOOPS]> {
        self.0.0.lock().expect("no panic")
    }

    fn wait<'a>(
        &'a self,
        states: MutexGuard<'a, [State; LOOPS]>,
        until: impl Fn(&[State; LOOPS]) -> bool,
    ) -> MutexGuard<'a, [State; LOOPS]> {
        let goes_on = |states: &mut [State; LOOPS]| !until(states);
        let (states, waited) =
            self.0.1.wait_timeout_while(states, PATIENCE, goes_on).expect("no panic");
        assert!(!waited.timed_out(), "waited for the event loops");
        states
    }

    /// Called by a loop that gets to a place: goes on once it is open.
    fn pass(&self, index: usize, place: Place) {
        let mut states = self.states();
        states[index].turns += u64::from(place == Place::Begin);
        states[index].held = Some(place).filter(|place| states[index].closed == Some(*place));
        self.0.1.notify_all();
        let goes_on = |state: &State| state.closed != Some(place) || state.passes > 0;
        let mut states = self.wait(states, |states| goes_on(&states[index]));
        let state = &mut states[index];
        if state.held.take().is_some() {
            state.passes = state.passes.saturating_sub(1);
        }
    }

    /// From now on this loop is held up at this place alone.
    fn close(&self, index: usize, place: Option<Place>) {
        self.states()[index].closed = place;
        self.0.1.notify_all();
    }

    fn wait_until_held(&self, index: usize, place: Place) {
        drop(self.wait(self.states(), |states| states[index].held == Some(place)));
    }

    /// Lets a loop that is held up go on until it is held up in its next turn.
    fn step(&self, index: usize, act: impl FnOnce()) {
        act();
        let mut states = self.states();
        states[index].passes += 1;
        let next = states[index].turns + 1;
        self.0.1.notify_all();
        drop(
            self.wait(states, |states| states[index].turns == next && states[index].held.is_some()),
        );
    }

    fn turns(&self, index: usize) -> u64 {
        self.states()[index].turns
    }

    fn wait_for_turn(&self, index: usize, turn: u64) {
        drop(self.wait(self.states(), |states| states[index].turns >= turn));
    }
}

/// The journal of one loop, whose disk is quick.
struct Log {
    gate: Gatekeeper,
    index: usize,
    number: u64,
}

impl Journal for Log {
    fn take(&mut self, _entry: &Entry<'_>) -> Option<u64> {
        self.number += 1;
        Some(self.number)
    }

    fn publish(&mut self, _awaited: bool) {
        self.gate.pass(self.index, Place::End);
    }

    fn durable(&self) -> u64 {
        self.number
    }

    fn is_available(&self) -> bool {
        self.gate.pass(self.index, Place::Begin);
        true
    }
}

/// A doctor whose room is in this loop.
fn doctor_of(home: u32) -> Person {
    let homes = Homes::new(0, LOOPS as u32);
    let here = (0..).map(|_| session()).find(|session| homes.of(*session) == home);
    Person::new(Role::Doctor, here.expect("a session"))
}

fn request_of(person: &Person) -> String {
    upgrade_request(&format!("Authorization: Bearer {}\r\n", person.token))
}

#[test]
fn a_connection_that_arrives_as_the_last_loop_has_told_everybody_is_answered() {
    const HERE: usize = 0;
    const THERE: usize = 1;
    let gate = Gatekeeper::default();
    let mut server = bind(|config| {
        common::as_fast_as_one_can(config);
        config.threads = Some(LOOPS);
    });
    let mut index = 0..LOOPS;
    server.keep_journals(|| {
        let index = index.next().expect("one for each loop");
        Box::new(Log { gate: gate.clone(), index, number: 0 })
    });
    let server = TestServer::run(server.handle(), move || server.run());
    // The stop is noted in the loop of somebody who is away, whom nobody has to tell.
    drop(Client::join(&server, &doctor_of(THERE as u32)));
    server.wait_until("the doctor to be away", |now| (now.connections, now.absent) == (0, 1));
    // Only one loop accepts.
    gate.close(THERE, Some(Place::Begin));
    server.handle().wake();
    gate.wait_until_held(THERE, Place::Begin);
    let before = server.counters();
    let mut late = Raw::connect(server.address());
    server.wait_until("it to be accepted", |now| now.accepted == before.accepted + 1);
    // In one turn it gets all events so far, and in the next the request alone. It has not seen
    // then that it is to stop.
    gate.close(HERE, Some(Place::Begin));
    server.handle().wake();
    gate.wait_until_held(HERE, Place::Begin);
    gate.step(HERE, || server.handle().wake());
    gate.step(HERE, || late.send(request_of(&doctor_of(THERE as u32)).as_bytes()));
    // The other one stops, and receives nothing more in this turn.
    gate.close(THERE, Some(Place::End));
    server.handle().shutdown();
    gate.wait_until_held(THERE, Place::End);
    // The connection goes there, and nobody is left here.
    let turn = gate.turns(HERE);
    gate.close(HERE, None);
    gate.wait_for_turn(HERE, turn + 2);
    gate.close(THERE, None);
    assert_eq!(late.read_status(), 503);
    drop(late);
    assert_eq!(server.counters().moved, before.moved + 1);
    server.stop();
}

#[test]
fn whatever_moves_as_the_server_stops_everybody_hears_of_it() {
    const CLIENTS: usize = 8;
    for round in 0..40 {
        let server = TestServer::start_with(|config| {
            common::as_fast_as_one_can(config);
            config.threads = Some(LOOPS);
        });
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Raw::connect(server.address())).collect();
        server.wait_until("all to be accepted", |now| now.accepted == CLIENTS as u64);
        // It is told to stop while the last requests arrive, or just behind them.
        let stops_at = CLIENTS - round % 4;
        for (number, client) in clients.iter_mut().enumerate() {
            if number == stops_at {
                server.handle().shutdown();
            }
            client.send(request_of(&Person::new(Role::Doctor, session())).as_bytes());
        }
        server.handle().shutdown();
        thread::scope(|scope| {
            // All are heard at once, so that nobody waits for another to be read.
            for mut client in clients {
                scope.spawn(move || match client.read_status() {
                    101 => assert_eq!(client.answer_close(), 1012),
                    status => assert_eq!(status, 503),
                });
            }
        });
        server.stop();
    }
}
