//! The program under hard conditions: no file descriptors left, a log that nobody reads.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration as StdDuration, Instant};

use common::program::Program;
use common::raw::upgrade_request;
use common::{Client, Raw, people};

/// Whether a newcomer is let in now.
fn is_upgraded(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(upgrade_request("").as_bytes()).expect("sent");
    let mut status = [0; 12];
    // A server without descriptors may answer and reset.
    stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 101"
}

#[test]
fn without_file_descriptors_calls_go_on_and_newcomers_wait_their_turn() {
    let mut program = Program::start(80, &[]);
    let (doctor, patient) = people();
    let mut doctor = Client::join_at(program.address, &doctor);
    let mut patient = Client::join_at(program.address, &patient);
    doctor.expect("peer-joined");
    doctor.expect("room-status");
    patient.expect("room-status");

    // More than there are descriptors. Whoever is answered is told that the server is full.
    let crowd: Vec<_> = (0..150).map(|_| Raw::connect(program.address)).collect();
    for _ in 0..10 {
        let offer = doctor.offer_to(&patient.person, 5_000);
        doctor.send(&offer);
        assert_eq!(patient.receive(), offer);
    }
    let before = program.processor_time();
    thread::sleep(StdDuration::from_secs(1));
    let used = program.processor_time() - before;
    assert!(used < 20, "{used} hundredths of a second in one second of waiting");

    let told = crowd.iter().filter(|raw| raw.has_bytes()).count();
    assert!((1..10).contains(&told), "{told} were told that the server is full");
    drop(crowd);
    let start = Instant::now();
    while !is_upgraded(program.address) {
        assert!(start.elapsed() < common::PATIENCE, "there is room again");
        thread::sleep(StdDuration::from_millis(50));
    }
    drop((doctor, patient));
    program.terminate();
    let mut log = String::new();
    program.out.read_to_string(&mut log).expect("the log");
    assert!(log.contains("accepting pauses"), "{log}");
}

#[test]
fn a_log_that_nobody_reads_does_not_keep_the_program_from_ending() {
    let mut program = Program::start(1_000, &[("LOG_LEVEL", "debug"), ("LOG_FORMAT", "json")]);
    // Far more lines than the pipe and the log's own queue hold.
    for _ in 0..5_000 {
        let raw = Raw::connect(program.address);
        raw.reset();
    }
    program.terminate();
    let start = Instant::now();
    let ended = loop {
        match program.child.try_wait().expect("a child") {
            Some(ended) => break ended,
            None => thread::sleep(StdDuration::from_millis(20)),
        }
        assert!(start.elapsed() < common::PATIENCE, "it hangs");
    };
    assert!(ended.success(), "{ended}");
}
