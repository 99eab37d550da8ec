//! Connections that arrive faster than the rate allows wait, and a client that floods the server
//! keeps nobody else out.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use autamedica_signaling::base::limits::Limit;

use crate::beside::Call;
use crate::common::http::check_refusal;
use crate::common::raw::upgrade_request;
use crate::common::{Person, Raw, TestServer, people};

/// Loopback has sixteen million addresses.
fn here(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 7, number))
}

/// Connects and resets without a pause, until the deed is done, which begins when the door is full of it.
fn beside_a_flood<T>(server: &TestServer, deed: impl FnOnce() -> T) -> T {
    let (stop, tries) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    Raw::connect_lean(server.address(), here(1)).reset();
                    tries.fetch_add(1, Ordering::AcqRel);
                }
            });
        }
        /// Also where the deed fails.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        let _stop = Stop(&stop);
        server.wait_until("a flood", |_| tries.load(Ordering::Acquire) > 500);
        deed()
    })
}

#[test]
fn one_address_that_floods_the_door_keeps_nobody_else_from_it() {
    const RATE: u64 = 40;
    for threads in [1, 2] {
        let server = TestServer::start_with(|config| {
            config.accept_rate = RATE as usize;
            config.threads = Some(threads);
        });
        let mut call = Call::new(&server);
        let mut passed: Vec<u64> = call.goes_on_beside(|| {
            beside_a_flood(&server, || {
                let join = |number: u8| {
                    let before = server.counters().accepted;
                    let mut raw = Raw::connect_from(server.address(), here(number));
                    raw.join(&people().0);
                    server.counters().accepted - before
                };
                (10..31).map(join).collect()
            })
        });
        // How many were let in before them: not the hundreds who came first, but one or two, and those for whom there was time while this
        // machine did something else. So not each of them is asked for, but most.
        passed.sort_unstable();
        assert!(passed[passed.len() / 2] <= RATE / 2, "{passed:?}");
        // The flood is not let in more than others, but is not shut out either.
        let counters = server.counters();
        assert!(counters.accepted > 2 + 21, "{counters:?}");
        assert!(counters.limits.of(Limit::AcceptRate) > RATE, "{counters:?}");
    }
}

#[test]
fn a_whole_hospital_behind_one_address_gets_in_and_nobody_is_refused() {
    let server = TestServer::start_with(|config| config.accept_rate = 100);
    let people: Vec<Person> = (0..300).map(|_| people().0).collect();
    let mut staff: Vec<_> =
        people.iter().map(|_| Raw::connect_lean(server.address(), here(1))).collect();
    for (raw, person) in staff.iter_mut().zip(&people) {
        raw.send(
            upgrade_request(&format!("Authorization: Bearer {}\r\n", person.token)).as_bytes(),
        );
    }
    staff.iter_mut().for_each(|raw| drop(raw.expect_upgrade()));
    server.wait_until("nobody to wait", |now| (now.accepted, now.newcomers) == (300, 0));
    let counters = server.counters();
    assert!(counters.limits.of(Limit::AcceptRate) > 0, "{counters:?}");
    let refusals = [Limit::AddressHeads, Limit::AddressConnections, Limit::Connections];
    assert_eq!(refusals.map(|limit| counters.limits.of(limit)), [0; 3]);
}

#[test]
fn who_waits_counts_for_its_address_until_it_has_gone() {
    let server = TestServer::start_with(|config| {
        config.accept_rate = 4;
        config.connections_per_address_max = 6;
    });
    for round in 1..=2 {
        let six: Vec<_> = (0..6).map(|_| Raw::connect(server.address())).collect();
        // In the second round nobody knows how many have been let in: but there are six.
        server.wait_until("all to be seen", |now| now.connections + now.newcomers == 6);
        check_refusal(&Raw::connect(server.address()).read_response(), 429, "RATE_LIMITED");
        server.wait_until("it to be counted", |now| now.limits.of(Limit::AddressHeads) == round);
        drop(six);
        server.wait_until("all to have gone", |now| now.connections + now.newcomers == 0);
    }
    assert_eq!(server.counters().accepted, 12);
}

#[test]
fn where_there_is_no_room_to_wait_the_flood_gives_way() {
    // One address could have more connections than there may be in all.
    let server = TestServer::start_with(|config| {
        // Behind the flood in the system's queue one would wait for a minute.
        config.accept_rate = 8;
        config.connections_max = 60;
    });
    beside_a_flood(&server, || {
        for number in 10..15 {
            let mut other = Raw::connect_from(server.address(), here(number));
            other.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
            assert_eq!(other.read_response().status, 200);
        }
    });
    assert_eq!(server.counters().limits.of(Limit::AddressHeads), 0);
}

#[test]
fn where_all_are_of_one_address_nobody_has_to_give_way() {
    for behind_proxy in [false, true] {
        let server = TestServer::start_with(|config| {
            config.accept_rate = 20;
            config.connections_max = 20;
            config.behind_proxy = behind_proxy;
        });
        // Three times as many as there is room for: the others wait in the system's queue.
        let mut crowd: Vec<_> = (0..60).map(|_| Raw::connect(server.address())).collect();
        for raw in &mut crowd {
            raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for raw in &mut crowd {
            assert_eq!(raw.read_response().status, 200);
        }
        assert_eq!(server.counters().limits.of(Limit::Connections), 0);
    }
}

#[test]
fn who_waits_when_the_server_is_told_to_stop_hears_so() {
    // With somebody inside and with nobody, with one loop and with several, alone and beside the next server.
    for (inside, threads, take_over) in
        [(true, 1, false), (false, 1, false), (true, 2, false), (true, 1, true), (false, 2, true)]
    {
        let server = TestServer::start_with(|config| {
            config.accept_rate = 1;
            config.threads = Some(threads);
            config.take_over = take_over;
        });
        let mut first = Raw::connect(server.address());
        first.send(upgrade_request("").as_bytes());
        first.expect_upgrade();
        let first = inside.then_some(first);
        let mut crowd: Vec<_> = (0..40).map(|_| Raw::connect(server.address())).collect();
        // Some have said what they want, and some have not come to it.
        for raw in &mut crowd[..30] {
            raw.send(upgrade_request("").as_bytes());
        }
        server.wait_until("most to wait", |now| now.newcomers >= 30);
        // One a second has come in meanwhile, beside the first, and one more may just now.
        let let_in = server.counters().accepted as usize;
        server.handle().shutdown();
        for raw in &mut crowd[30..] {
            // Whoever had been let in without a word may be gone.
            let _ = raw.stream.write_all(upgrade_request("").as_bytes());
        }
        let told =
            |raw: &mut Raw| raw.next_bytes().is_some_and(|said| said.starts_with(b"HTTP/1.1 503 "));
        let told = crowd.iter_mut().filter_map(|raw| told(raw).then_some(())).count();
        assert!(told + let_in >= 40, "{told} of 40 were told so, {let_in} were let in before");
        // Some had been let in, and are not waited for.
        drop((first, crowd));
        server.stop();
    }
}
