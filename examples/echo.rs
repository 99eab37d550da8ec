//! The WebSocket layer alone, on the same reactor and codec. It echoes every message, text or
//! binary, up to 16 MiB, and every close code. Any conformance suite can be run against it.
//!
//! ```sh
//! cargo run --release --example echo -- 127.0.0.1:9001
//! ```

use std::error::Error;
use std::net::SocketAddr;

use autamedica_signaling::admission::door::Refusal;
use autamedica_signaling::base::bucket::Rate;
use autamedica_signaling::base::time::{Duration, Now};
use autamedica_signaling::connection::{Application, Arrival, Message, Output, Verdict};
use autamedica_signaling::engine::{Effects, PeerId};
use autamedica_signaling::reactor::{Edge, Listening, Options, Reactor};
use autamedica_signaling::wire::frame::{CloseCode, Limits};
use autamedica_signaling::wire::http::Request;
use autamedica_signaling::wire::upgrade::{Fault, Upgrade};

/// Echoes every message. It only remembers who is connected, to close all connections at the end.
pub struct Echo {
    limits: Limits,
    /// By index.
    peers: Vec<Option<PeerId>>,
}

/// The maximum size of a message.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Default for Echo {
    fn default() -> Self {
        let limits = Limits {
            message_bytes_max: MESSAGE_BYTES_MAX,
            // A message of the maximum size in frames of 16 bytes.
            fragments_max: 1 << 20,
            binary: true,
        };
        Self { limits, peers: Vec::new() }
    }
}

impl Application for Echo {
    fn limits(&self, _peer: PeerId) -> &Limits {
        &self.limits
    }

    /// Any path, any origin, no subprotocol.
    fn request(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict {
        let upgrade = Upgrade::read(request).map_err(|fault| match fault {
            Fault::NotAnUpgrade => Refusal::NotAnUpgrade,
            Fault::Malformed => Refusal::Malformed,
        });
        match upgrade {
            Ok(upgrade) if !arrival.full => {
                upgrade.write_accept(&mut out.reply, None);
                let index = peer.index as usize;
                self.peers.resize(self.peers.len().max(index + 1), None);
                self.peers[index] = Some(peer);
                Verdict::Upgraded
            }
            refused => {
                refused.err().unwrap_or(Refusal::Full).write(&mut out.reply, now.wall, false);
                Verdict::Answered
            }
        }
    }

    fn receive(&mut self, peer: PeerId, _message: Message<'_>, _now: Now, effects: &mut Effects) {
        effects.relay(peer);
    }

    fn left(&mut self, peer: PeerId, _now: Now, _effects: &mut Effects) {
        self.peers[peer.index as usize] = None;
    }

    fn close_reply(&self, code: Option<CloseCode>) -> CloseCode {
        code.unwrap_or(CloseCode::Normal)
    }

    fn shut_down(&mut self, effects: &mut Effects) {
        self.peers.drain(..).flatten().for_each(|peer| effects.close(peer, CloseCode::Restart));
    }
}

/// Listens on `address`.
pub fn options(address: SocketAddr) -> Options {
    Options {
        listening: Listening::Alone(address),
        drain: Duration::from_secs(5),
        connections_max: 1_000,
        head_timeout: Duration::from_secs(10),
        heartbeat: Duration::from_secs(25),
        heads_per_address_max: 1_000,
        accept_rate: Rate::UNLIMITED,
        bytes_rate: Rate::UNLIMITED,
        send_queue_bytes_max: 4 * MESSAGE_BYTES_MAX,
        // Enough for sixteen connections that receive and send messages of the maximum size; blocks
        // are up to twice as large.
        cut_bytes_max: 16 * 2 * MESSAGE_BYTES_MAX,
        unsent_bytes_max: 16 * 2 * MESSAGE_BYTES_MAX,
        edge: Edge::default(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let mut reactor = Reactor::bind(options(address.parse()?), Echo::default())?;
    reactor.watch_signals()?;
    println!("ws://{}", reactor.handle().local_addr());
    Ok(reactor.run()?)
}
