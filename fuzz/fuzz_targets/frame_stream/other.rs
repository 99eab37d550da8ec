//! What tungstenite's server reads of the same stream.

use std::io::{self, ErrorKind, Read, Write};

use autamedica_signaling::wire::frame::{Fault, Limits};
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

use super::{Event, Told};

/// Holds what we told of `stream` against what tungstenite tells.
pub fn compare(ours: &Told, fault: Option<Fault>, stream: &[u8], limits: &Limits) {
    let (theirs, end) = read(stream, limits);
    let (same, further) = theirs.split_at_checked(ours.events.len()).expect("they read as much");
    for (our, their) in ours.events.iter().zip(same) {
        // They do not know 1014, which was registered after their list was made, and tell 1002 in its place.
        let unknown = *our == Event::Close(Some(1014)) && *their == Event::Close(Some(1002));
        assert!(our == their || unknown, "{our:?} is {their:?} to them");
    }
    match fault {
        None if matches!(same.last(), Some(Event::Close(_))) => assert_eq!(further, []),
        // Not broken for us, so not for them, and nothing that we overlooked.
        None => {
            assert_eq!(further, []);
            assert_eq!(end, End::Waits);
        }
        // Lengths that are not minimal, also of control frames, and binary messages where only text may pass: they go on.
        Some(Fault::Length | Fault::ControlTooLong | Fault::Binary) => {}
        // They know no limit on fragments.
        Some(Fault::TooLarge) => {
            let same_limit = further.is_empty() && matches!(end, End::TooLarge | End::Waits);
            assert!(same_limit || limits.fragments_max < 1_000, "a size that they let pass");
        }
        // A code that must not be sent is a close frame to them all the same, with another code in its place.
        Some(Fault::CloseFrame) if end == End::Closed => {
            assert_eq!(further, [Event::Close(Some(1002))]);
        }
        // Everything else breaks the stream for them too, at once or when the frame is whole.
        Some(_) => {
            assert_eq!(further, []);
            assert!(matches!(end, End::Broken | End::TooLarge | End::Waits), "{end:?}");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Waits,
    Closed,
    TooLarge,
    Broken,
}

fn read(stream: &[u8], limits: &Limits) -> (Vec<Event>, End) {
    let frame_max = limits.message_bytes_max.max(125);
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .write_buffer_size(0)
        .max_message_size(Some(limits.message_bytes_max))
        .max_frame_size(Some(frame_max));
    let mut socket = WebSocket::from_raw_socket(Pipe(stream), Role::Server, Some(config));
    let mut events = Vec::new();
    let end = loop {
        events.push(match socket.read() {
            Ok(Message::Text(text)) => Event::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Event::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Event::Ping(payload.to_vec()),
            Ok(Message::Pong(payload)) => Event::Pong(payload.to_vec()),
            Ok(Message::Close(frame)) => Event::Close(frame.map(|frame| frame.code.into())),
            Ok(Message::Frame(frame)) => unreachable!("never read: {frame}"),
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break End::Waits,
            Err(Error::ConnectionClosed) => break End::Closed,
            Err(Error::Capacity(_)) => break End::TooLarge,
            Err(_) => break End::Broken,
        });
    };
    (events, end)
}

/// Gives its bytes, then would block; takes everything.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {
            [] => Err(ErrorKind::WouldBlock.into()),
            _ => self.0.read(buffer),
        }
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
