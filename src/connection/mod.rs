//! Floor 5: one peer, from its request head to its close. Pure: takes bytes and the time, and
//! returns bytes for this peer and effects for all peers.
//!
//! ```text
//!   Head ──request──→ Draining ──end of input──→ Ended
//!     └────upgrade──→ Open ──our close──→ Closing ──their close──→ Ended
//!                      └────their close──────────────────────────→ Ended
//!                      └────broken frames──→ Draining ←──too much behind our close── Closing
//! ```
//!
//! A polling Socket.IO client's request brings packets (`Body`), waits for packets (`Polling`), or
//! is a WebSocket that takes over (`Probing`). The client's session is a connection without a
//! socket, and is `Open` from the start.

mod application;
mod extra;
mod frames;
mod heartbeat;
mod pages;
mod polling;
mod polls;
mod requests;
mod sessions;
mod signaling;
mod socket_io;

use std::net::IpAddr;

use crate::base::limits::{Hits, Limit};
use crate::base::time::{Duration, Now};
use crate::engine::{Effects, PeerId};
use crate::wire::engine_io::Carrier;
use crate::wire::frame::{CloseCode, Cursor, Data, Decoder, Header, OpCode};
use crate::wire::http;

use crate::admission::door::Refusal;
pub use application::{Application, Arrival, Message, Order, Verdict};
use extra::{Extra, Head};
use heartbeat::Heartbeat;
pub use pages::{NoPages, Pages};
pub use polling::Errand;
pub use polls::PolledSession;
pub use sessions::SocketIoService;
pub use signaling::Signaling;
use socket_io::SocketIo;
pub use socket_io::{Framed, Ping};

/// The state of one connection. It holds no bytes: those belong to the caller.
#[derive(Debug)]
pub struct Connection {
    stage: Stage,
    /// State that most connections do not need most of the time.
    extra: Option<Box<Extra>>,
    decoder: Decoder,
    heartbeat: Heartbeat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The request head is arriving.
    Head,
    /// A WebSocket, or a session that polling requests carry.
    Open,
    /// A request that waits until its session has something to send.
    Polling { session: PeerId, encrypted: bool },
    /// A request whose body is still missing this many bytes. `begun`: all have arrived, and some
    /// were handled.
    Body { session: PeerId, left: u32, begun: bool, encrypted: bool },
    /// A WebSocket that may take over a session. `known`: it has said so.
    Probing { session: PeerId, known: bool },
    /// We have sent a close frame and wait for theirs; this many other frames came instead.
    Closing { passed: u8 },
    /// Our last bytes are on their way. Further input is read and discarded, so that a reset does
    /// not destroy them.
    Draining,
    /// Nothing more to read; to be freed once the last bytes are written.
    Ended,
}

/// What a connection waits for, and so which deadline it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The end of its request head.
    Head = 0,
    /// Its next ping.
    Heartbeat = 1,
    /// The end of its closing handshake.
    Close = 2,
    /// The answer to a ping without any other content (Socket.IO).
    Pong = 3,
}

/// How often a request moves to another reactor at most: to the one that created its session, on to
/// where the session went, and once more. If the session has ended meanwhile, that is found out
/// there.
const HOPS_MAX: u8 = 3;

/// How long a Socket.IO client may take to answer a ping: `pingTimeout`.
pub const PONG_TIMEOUT: Duration = Duration::from_secs(20);

/// The output of a call of the connection. The caller owns it and reuses it.
#[derive(Debug, Default)]
pub struct Output {
    /// Bytes for this peer, to be sent as they are, before the effects are carried out.
    pub reply: Vec<u8>,
    /// The message that was received, if it had to be rewritten.
    pub rewritten: String,
    /// Effects for this and other peers.
    pub effects: Effects,
    /// What else is to be done.
    pub order: Option<Order>,
    /// How often each limit of connections was hit.
    pub hits: Hits,
}

impl Output {
    /// The recipient of the received message, if relaying it is all that has to be done.
    pub fn only_relay(&self) -> Option<PeerId> {
        let is_all = self.reply.is_empty() && self.order.is_none();
        self.effects.only_relay().filter(|_| is_all)
    }
}

/// The result of a look at the bytes.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Nothing more can be done with them. The bytes that the cursor marks must be kept until more
    /// arrive.
    More,
    /// Something was handled; there may be more. `Payload::Received` in the effects is this message.
    Handled(Option<Message<'a>>),
    /// The same, with the message in [`Output::rewritten`].
    Rewritten,
    /// A packet for another session: see [`Connection::receive_packet`].
    Packet {
        /// Which.
        session: PeerId,
        /// The packet.
        packet: &'a str,
    },
    /// This WebSocket takes over a session, with all that follows.
    TakeOver {
        /// Which.
        session: PeerId,
    },
    /// Another reactor must continue: with the request at the cursor, or with this message, which
    /// the cursor has passed.
    Elsewhere(u32, Option<Message<'a>>),
}

impl Connection {
    /// A connection whose request head is expected.
    pub fn new(arrival: Arrival) -> Self {
        let extra = Some(Box::new(Extra::Head(Head { seen: 0, hops: 0, arrival })));
        Self {
            stage: Stage::Head,
            extra,
            decoder: Decoder::default(),
            heartbeat: Heartbeat::default(),
        }
    }

    /// Handles the next thing in `bytes` at the cursor: a request head or a frame.
    pub fn receive<'a, A: Application>(
        &mut self,
        me: PeerId,
        bytes: &'a mut [u8],
        at: &mut Cursor,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        match self.stage {
            Stage::Head => self.receive_head(me, bytes, at, now, app, out),
            Stage::Open => self.receive_frame(me, bytes, at, now, app, out),
            Stage::Closing { passed } => self.await_close(me, passed, bytes, at, app),
            Stage::Body { .. } => self.receive_body(bytes, at, now, app, out),
            Stage::Probing { session, known } => self.receive_probe(session, known, bytes, at, out),
            // A client must not send anything before the answer.
            Stage::Polling { .. } => {
                at.skip_all();
                Progress::More
            }
            Stage::Draining | Stage::Ended => {
                at.skip_all();
                Progress::More
            }
        }
    }

    /// Call this when a proxy has reported the client's real address, before any other input.
    /// `None`: it is the proxy itself, or unknown.
    pub fn comes_from(&mut self, source: Option<IpAddr>) {
        let Some(head) = self.head_mut() else { return };
        match source {
            Some(address) => head.arrival.address = address,
            None => head.arrival.own_account = true,
        }
    }

    /// Sets whether there is room for a session beside this connection, as of now.
    pub fn see_room(&mut self, is_room: bool) {
        if let Some(head) = self.head_mut() {
            head.arrival.crowded = !is_room;
        }
    }

    /// Call this when the input cannot be a request, whatever follows. Writes the answer, in plain
    /// text.
    pub fn refuse(&mut self, refusal: Refusal, now: Now, out: &mut Output) {
        if self.stage == Stage::Head {
            refusal.write(&mut out.reply, now.wall, false);
            out.effects.count_error(refusal.code());
            self.stage = Stage::Draining;
        }
    }

    /// Closes the WebSocket, behind what was sent before.
    pub fn close(&mut self, code: CloseCode, reply: &mut Vec<u8>) {
        if self.stage == Stage::Open {
            self.write_close(code, reply);
            self.stage = Stage::Closing { passed: 0 };
        }
    }

    /// Call this when nothing more will come in or go out, or the peer was given up. Tells the
    /// application by `left`, once.
    pub fn end<A: Application>(
        &mut self,
        me: PeerId,
        now: Now,
        app: &mut A,
        effects: &mut Effects,
    ) {
        if self.stage == Stage::Open {
            app.left(me, now, effects);
        }
        self.stage = Stage::Ended;
    }

    /// Call this when the peer does not read what is sent to it, or there is no memory for what it
    /// sends. Writes the final bytes for when it reads again.
    pub fn give_up<A: Application>(
        &mut self,
        me: PeerId,
        code: CloseCode,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) {
        if self.stage == Stage::Open {
            self.write_farewell(app, code, out);
            self.close(code, &mut out.reply);
            app.left(me, now, &mut out.effects);
        }
    }

    /// Call this when the deadline of what it waits for has passed.
    pub fn deadline_passed<A: Application>(
        &mut self,
        me: PeerId,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) {
        match self.stage {
            Stage::Head => {
                out.hits.add(Limit::HeadTime);
                let begun = self.head().copied().filter(|head| head.seen > 0);
                self.extra = None;
                self.stage = if begun.is_some() { Stage::Draining } else { Stage::Ended };
                if let Some(head) = begun {
                    let start = out.reply.len();
                    Refusal::HeadTimeout.write(&mut out.reply, now.wall, false);
                    out.effects.count_error(Refusal::HeadTimeout.code());
                    ask_for_tls(&mut out.reply, start, head.arrival.encrypted);
                }
            }
            Stage::Open => match self.beat(app.ping_mark(me)) {
                Some(ping) => out.reply.extend_from_slice(&ping),
                None => {
                    out.hits.add(Limit::Heartbeat);
                    self.give_up(me, app.heartbeat_timeout(), now, app, out);
                }
            },
            Stage::Closing { .. } | Stage::Draining | Stage::Ended => self.stage = Stage::Ended,
            Stage::Polling { .. } | Stage::Body { .. } | Stage::Probing { .. } => {
                self.request_took_long(now, app, out);
            }
        }
    }

    /// The header of a message to this peer; `None` if nothing may be sent to it any more.
    pub fn header(&self, binary: bool, payload_len: usize) -> Option<Header> {
        let kind = if binary { Data::Binary } else { Data::Text };
        (self.stage == Stage::Open).then(|| Header::new(OpCode::Data(kind), payload_len))
    }

    /// A message to this peer as it is sent; `None` if it may not be sent.
    pub fn frame<'a>(&self, binary: bool, payload: &'a [u8]) -> Option<Framed<'a>> {
        let header = self.header(binary, payload.len())?;
        match self.socket_io() {
            Some(session) => session.frame(str::from_utf8(payload).ok()?),
            None => Some(Framed::plain(header, payload)),
        }
    }

    /// A ping between the heartbeats; `None` if none may be sent.
    pub fn ping(&mut self, mark: u32) -> Option<Ping> {
        if self.stage != Stage::Open {
            return None;
        }
        match self.socket_io_mut() {
            Some(session) => session.ping(mark),
            None => Some(Ping::new(&self.heartbeat.ping(mark))),
        }
    }

    /// Not everything that it has sent was read since its last regular ping, and its pongs may be
    /// among the rest. The beats up to now do not count against it.
    pub fn excuse(&mut self) {
        self.heartbeat.excuse();
    }

    /// A regular ping; `None` if too many are unanswered.
    fn beat(&mut self, mark: u32) -> Option<Ping> {
        match self.socket_io_mut() {
            Some(session) => session.ping(mark),
            None => self.heartbeat.beat(mark).map(|ping| Ping::new(&ping)),
        }
    }

    /// What it waits for.
    pub fn waits_for(&self) -> Wait {
        match self.stage {
            // One deadline for the whole request, or for taking over.
            Stage::Head | Stage::Body { .. } | Stage::Probing { .. } => Wait::Head,
            Stage::Polling { .. } => Wait::Heartbeat,
            Stage::Open if self.awaits_pong() => Wait::Pong,
            Stage::Open => Wait::Heartbeat,
            Stage::Closing { .. } | Stage::Draining | Stage::Ended => Wait::Close,
        }
    }

    /// Whether the sending side is to be shut down once everything is written.
    pub fn is_draining(&self) -> bool {
        self.stage == Stage::Draining
    }

    /// Whether it is over, except for unsent bytes.
    pub fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// Whether its request is still arriving.
    pub fn is_head(&self) -> bool {
        matches!(self.stage, Stage::Head | Stage::Body { .. })
    }

    /// Whether it is a request that is arriving, or one that was answered and still holds its
    /// socket.
    pub fn is_request(&self) -> bool {
        self.is_head() || self.stage == Stage::Draining
    }

    /// How it arrived, while its request head is still on its way.
    pub fn arrival(&self) -> Option<Arrival> {
        self.head().map(|head| head.arrival)
    }

    /// Whether it is a WebSocket in use.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    fn awaits_pong(&self) -> bool {
        self.socket_io().is_some_and(|session| session.awaits_pong())
    }

    /// Answers a head once it is whole.
    fn receive_head<'a, A: Application>(
        &mut self,
        me: PeerId,
        bytes: &[u8],
        at: &mut Cursor,
        now: Now,
        app: &mut A,
        out: &mut Output,
    ) -> Progress<'a> {
        let Some(Extra::Head(head)) = self.extra.as_deref_mut() else { return Progress::More };
        let unread = &bytes[at.unread()];
        let (start, arrival) = (out.reply.len(), head.arrival);
        let mut next = None;
        self.stage = match http::parse(unread, usize::from(head.seen)) {
            Ok(None) => {
                head.seen = unread.len() as u16;
                return Progress::More;
            }
            Ok(Some((request, len))) => {
                if head.hops < HOPS_MAX
                    && let Some(home) = app.home_of_request(arrival, &request, now)
                {
                    head.hops += 1;
                    return Progress::Elsewhere(home, None);
                }
                at.skip(len);
                match app.request(me, arrival, &request, now, out) {
                    Verdict::Upgraded => Stage::Open,
                    Verdict::SocketIo => {
                        next = Some(SocketIo::new(Carrier::WebSocket));
                        Stage::Open
                    }
                    Verdict::Answered => Stage::Draining,
                    verdict => polling::stage_of(verdict, arrival.encrypted),
                }
            }
            Err(fault) => {
                let refusal = Refusal::from(fault);
                if refusal == Refusal::HeadTooLarge {
                    out.hits.add(Limit::HeadBytes);
                }
                refusal.write(&mut out.reply, now.wall, false);
                http::add_fields(&mut out.reply, start, &app.fields_beside(unread));
                out.effects.count_error(refusal.code());
                Stage::Draining
            }
        };
        self.extra = next.map(|session| Box::new(Extra::SocketIo(session)));
        ask_for_tls(&mut out.reply, start, arrival.encrypted);
        Progress::Handled(None)
    }
}

/// Makes a browser that came by TLS use nothing else for a year (RFC 6797 6.1; never sent in plain
/// text, 7.2). It is added here and not where answers are written, so that no answer can leave it
/// out.
fn ask_for_tls(reply: &mut Vec<u8>, start: usize, encrypted: bool) {
    if encrypted {
        http::add_fields(reply, start, &[("Strict-Transport-Security", "max-age=31536000")]);
    }
}
