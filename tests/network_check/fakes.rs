//! Servers that do what a real one does not do on demand: lose datagrams, forget nonces, send
//! nonsense.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};

use autamedica_signaling::wire::stun::{Message, attribute};

/// Answers so many datagrams, each with what `answer` makes of it (nothing: it is lost). Returns what came in.
pub fn datagrams(
    count: usize,
    answer: impl Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = socket.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let mut buffer = [0; 2_048];
        let mut received = Vec::new();
        for number in 0..count {
            let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
            if let Some(answer) = answer(number, &buffer[..length]) {
                socket.send_to(&answer, from).expect("sent");
            }
            received.push(buffer[..length].to_vec());
        }
        received
    });
    (address, thread)
}

/// The same for requests: one that comes again, since somebody was slow, is answered as before and not counted.
pub fn requests(
    count: usize,
    answer: impl Fn(usize, &[u8]) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = socket.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let mut buffer = [0; 2_048];
        let mut received: Vec<Vec<u8>> = Vec::new();
        while received.len() < count {
            let (length, from) = socket.recv_from(&mut buffer).expect("a datagram");
            let request = &buffer[..length];
            let known = received.iter().position(|one| one == request);
            let number = known.unwrap_or(received.len());
            socket.send_to(&answer(number, request), from).expect("sent");
            if known.is_none() {
                received.push(request.to_vec());
            }
        }
        received
    });
    (address, thread)
}

/// Says `text` to whoever connects, and hangs up.
pub fn stream(text: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    use std::io::{Read, Write};
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let _ = socket.read(&mut [0; 2_048]).expect("a request");
        socket.write_all(text).expect("sent");
    });
    (address, thread)
}

/// An answer to `request`: success, or an error with a code; then attributes. Neither signed nor with a checksum.
pub fn reply(request: &[u8], code: Option<u16>, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    Message::parse(request).expect("a request");
    let mut bytes = request[..20].to_vec();
    bytes[0] |= 0x01;
    bytes[1] |= if code.is_some() { 0x10 } else { 0 };
    let error = code.map(|code| [0, 0, (code / 100) as u8, (code % 100) as u8]);
    let error = error.as_ref().map(|value| (attribute::ERROR_CODE, &value[..]));
    for (kind, value) in error.into_iter().chain(attributes.iter().copied()) {
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// The address 192.0.2.7:4660 as XOR-MAPPED-ADDRESS and its like hold it.
pub fn xored_address() -> [u8; 8] {
    [0, 1, 0x12 ^ 0x21, 0x34 ^ 0x12, 192 ^ 0x21, 0x12, 2 ^ 0xa4, 7 ^ 0x42]
}
