//! The floor: a loop with one wait, one read and one write.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use mio::{Events, Interest, Poll, Token};

/// The same size as in the server.
const BUFFER_BYTES: usize = 64 * 1_024;

/// About as many bytes as the server writes to its log for two people who join.
const RECORDS_BYTES: usize = 1_024;

/// Pairs of sockets: what is written to one of a pair can be read from the other. The thread ends
/// when one of them is closed.
pub fn pairs(count: usize) -> Vec<[TcpStream; 2]> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let connected: Vec<_> = (0..2 * count).map(|_| connect(&listener, address)).collect();
    let (clients, ends): (Vec<_>, Vec<_>) = connected.into_iter().unzip();
    thread::spawn(move || forward(ends).expect("the loop runs"));
    let mut clients = clients.into_iter();
    std::iter::from_fn(|| Some([clients.next()?, clients.next()?])).collect()
}

fn connect(listener: &TcpListener, address: SocketAddr) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(address).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    client.set_nodelay(true).expect("a socket");
    server.set_nodelay(true).expect("a socket");
    server.set_nonblocking(true).expect("a socket");
    (client, server)
}

fn forward(ends: Vec<TcpStream>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut ends: Vec<_> = ends.into_iter().map(mio::net::TcpStream::from_std).collect();
    let mut unsent = vec![Vec::new(); ends.len()];
    for (index, end) in ends.iter_mut().enumerate() {
        poll.registry().register(end, Token(index), Interest::READABLE | Interest::WRITABLE)?;
    }
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let index = event.token().0;
            if event.is_writable() && !unsent[index].is_empty() {
                let bytes = std::mem::take(&mut unsent[index]);
                send(&mut ends[index], &bytes, &mut unsent[index])?;
            }
            // A read that does not fill the buffer has emptied the socket.
            while event.is_readable() {
                let len = match ends[index].read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(len) => len,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                };
                send(&mut ends[index ^ 1], &buffer[..len], &mut unsent[index ^ 1])?;
                if len < BUFFER_BYTES {
                    break;
                }
            }
        }
    }
}

/// Keeps what the kernel does not accept.
fn send(to: &mut mio::net::TcpStream, mut bytes: &[u8], unsent: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() && unsent.is_empty() {
        match to.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    unsent.extend_from_slice(bytes);
    Ok(())
}

/// A step of a conversation as a program sees it that does not understand it: a number of bytes
/// arrives from one of the two, and then a number of bytes goes to each. The first bytes of each
/// arrive on a new connection; a connection that gets nothing more is closed.
#[derive(Clone, Debug)]
pub struct Step {
    pub from: usize,
    pub len: usize,
    pub answers: [usize; 2],
    pub closes: bool,
    /// Something must be on disk before anybody is answered.
    pub is_durable: bool,
}

/// Plays these steps repeatedly with everybody who connects, two at a time. Never ends. Durable
/// steps write to `log`, if there is one.
pub fn play(steps: Vec<Step>, log: Option<File>) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    let listener = mio::net::TcpListener::from_std(listener);
    thread::spawn(move || plays(listener, &steps, log).expect("the loop runs"));
    address
}

fn plays(
    mut listener: mio::net::TcpListener,
    steps: &[Step],
    mut log: Option<File>,
) -> io::Result<()> {
    const LISTENER: Token = Token(2);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let (mut buffer, answer) = (vec![0; BUFFER_BYTES], vec![0x20; BUFFER_BYTES]);
    let mut ends = [None, None];
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut step, mut received) = (0, 0);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                let (mut end, _) = listener.accept()?;
                end.set_nodelay(true)?;
                let place = usize::from(ends[0].is_some());
                let interest = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut end, Token(place), interest)?;
                ends[place] = Some(end);
                continue;
            }
            let from = event.token().0;
            let Some(end) = ends[from].as_mut().filter(|_| event.is_readable()) else { continue };
            let len = match end.read(&mut buffer) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            received += len;
            let now = &steps[step];
            if received < now.len || len == 0 {
                continue;
            }
            if let Some(log) = log.as_mut().filter(|_| now.is_durable) {
                log.write_all(&answer[..RECORDS_BYTES])?;
                log.sync_data()?;
            }
            for (to, len) in now.answers.iter().enumerate() {
                if *len > 0 {
                    ends[to].as_mut().expect("it is there").write_all(&answer[..*len])?;
                }
            }
            if now.closes {
                ends[from] = None;
            }
            (step, received) = ((step + 1) % steps.len(), 0);
        }
    }
}
