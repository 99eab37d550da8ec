//! A turn of the running reactor, from one client's socket to another's, compared with a loop that
//! only passes the same bytes from socket to socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use mio::{Events, Interest, Poll, Token};

use crate::ratios::{Pair, Speed};
use crate::support::clinic::{Kind, Person, client_frame, server_frame};
use crate::support::server::Running;

/// How many messages arrive together.
const TOGETHER: usize = 16;

pub fn bench(speed: &mut Speed) {
    let server = Running::start();
    let [mut doctor, mut patient] = server.room(1);
    let [mut left, mut right] = forwarder();
    let (from, to) = (Person::new(1, 0), Person::new(1, 1));
    for (name, kind, times) in [
        ("offer", Kind::Offer, 1),
        ("candidate", Kind::Candidate, 1),
        ("16 candidates together", Kind::Candidate, TOGETHER),
    ] {
        let text = from.say(kind, &to, None);
        let sent = client_frame(&text).repeat(times);
        let relayed = server_frame(&text).repeat(times);
        let work = || {
            doctor.send(&sent);
            patient.expect(&relayed);
        };
        let mut received = vec![0; sent.len()];
        let floor = || {
            left.write_all(&sent).expect("the forwarder reads");
            right.read_exact(&mut received).expect("the forwarder writes");
        };
        let pair = Pair { group: "turn", name, floor: "bare forward", bytes: sent.len() };
        speed.compare(&pair, work, floor);
    }
}

/// Two sockets: what is written to one can be read from the other. The thread ends when one of them
/// is closed.
fn forwarder() -> [TcpStream; 2] {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let pairs = [(); 2].map(|()| connect(&listener, address));
    let [(left, left_end), (right, right_end)] = pairs;
    thread::spawn(move || forward([left_end, right_end]).expect("the loop runs"));
    [left, right]
}

fn connect(listener: &TcpListener, address: SocketAddr) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    server.set_nonblocking(true).expect("a socket");
    (client, server)
}

/// One wait, one read and one write for everything that arrives.
fn forward(ends: [TcpStream; 2]) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let mut buffer = vec![0; 64 * 1024];
    let mut ends = ends.map(mio::net::TcpStream::from_std);
    for (index, end) in ends.iter_mut().enumerate() {
        poll.registry().register(end, Token(index), Interest::READABLE | Interest::WRITABLE)?;
    }
    loop {
        poll.poll(&mut events, None)?;
        for event in events.iter().filter(|event| event.is_readable()) {
            let index = event.token().0;
            match ends[index].read(&mut buffer)? {
                0 => return Ok(()),
                len => ends[1 - index].write_all(&buffer[..len])?,
            }
        }
    }
}
