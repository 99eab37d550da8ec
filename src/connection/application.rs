//! What a connection serves: the rooms, or whatever an embedder puts in their place.

use std::net::{IpAddr, Ipv4Addr};

use super::{Errand, Output, PolledSession};
use crate::admission::door::Rules;
use crate::base::limits::Hits;
use crate::base::time::{Duration, Instant, Now};
use crate::engine::{Answer, Command, Effects, Gauges, PeerId, Recording, Ticket, Traveller};
use crate::message::credentials::Credentials;
use crate::message::problem::{Problem, close};
use crate::message::request::MessageId;
use crate::wire::frame::{CloseCode, Limits};
use crate::wire::http::Request;
use crate::wire::sid::Sid;

/// A whole message of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// UTF-8.
    Text(&'a str),
    /// Any bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The payload.
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Whether it is a binary message.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Binary(_))
    }
}

/// What is known of a connection before it has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Where it comes from. Whoever believes a proxy puts in what that says.
    pub address: IpAddr,
    /// There is no room for it: an upgrade is to be refused.
    pub full: bool,
    /// There is no room for one more beside it, when its request is read: a session that requests carry is one.
    pub crowded: bool,
    /// This server speaks TLS with it.
    pub encrypted: bool,
    /// A proxy says that it passes on nobody: the address is its own, and who a request says that it comes from is not believed.
    pub own_account: bool,
}

impl Arrival {
    /// From this machine, with room enough: for tests and embedders whose transport has no addresses.
    pub const LOCAL: Self = Self {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        full: false,
        crowded: false,
        encrypted: false,
        own_account: false,
    };
}

/// Something that only whoever has all connections can do. At most one comes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make a place for a session that is carried by requests.
    Open,
    /// What waits for this session may go now, by the request that has come.
    Deliver(PeerId),
    /// Something comes for this session by the request: what it may still send counts there too.
    Bring(PeerId),
    /// A WebSocket is about to take this session over: a request that waits gets an answer, so that none is under way then.
    Nudge(PeerId),
    /// End this session: its client does what it may not.
    End(PeerId, CloseCode),
}

/// What became of a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered with 101: from here on, frames.
    Upgraded,
    /// The same, and in the frames Socket.IO.
    SocketIo,
    /// It was answered, and the connection ends.
    Answered,
    /// It waits until there is something to say in this session.
    Poll {
        /// Which.
        session: PeerId,
    },
    /// So many bytes follow, with packets for this session.
    Body {
        /// Which.
        session: PeerId,
        /// How many.
        len: usize,
    },
    /// It was answered with 101, and may take over this session.
    Probe {
        /// Which.
        session: PeerId,
    },
}

/// What stands above the WebSocket layer. Pure, like everything below the reactor.
pub trait Application {
    /// What may come in from a peer.
    fn limits(&self, peer: PeerId) -> &Limits;

    /// Whether the peer has not shown yet that it may be here. Strangers get the last of the memory for cut messages.
    fn is_stranger(&self, _peer: PeerId) -> bool {
        false
    }

    /// Whether the peer has not come in yet, so that others are served before it.
    fn is_newcomer(&self, _peer: PeerId) -> bool {
        false
    }

    /// A request head came; appends the answer to the reply of `out`.
    fn request(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict;

    /// The number of the reactor to which a connection with this request belongs, where that is another one: nothing of the
    /// request is done here.
    fn home_of_request(&self, _arrival: Arrival, _request: &Request<'_>, _now: Now) -> Option<u32> {
        None
    }

    /// The same for a message.
    fn home_of_message(&self, _peer: PeerId, _message: Message<'_>, _now: Now) -> Option<u32> {
        None
    }

    /// A connection goes over to another reactor. The answer goes with it; here it is over.
    fn detach(&mut self, _peer: PeerId) -> Traveller {
        Traveller::default()
    }

    /// The same for what is remembered of a session that requests carry, which goes to this reactor; `None` where it is none.
    fn detach_session(&mut self, _peer: PeerId, _to: u32) -> Option<PolledSession> {
        None
    }

    /// Such a session has come over.
    fn attach_session(&mut self, _peer: PeerId, _session: PolledSession) {}

    /// A request has followed its session: where that is now. `None`: nowhere here.
    fn attach_request(&mut self, _sid: Sid, _request: PeerId, _errand: Errand) -> Option<PeerId> {
        None
    }

    /// A connection has come over from another reactor.
    fn attach(&mut self, _peer: PeerId, _traveller: Traveller, _now: Now) {}

    /// A message came.
    fn receive(&mut self, peer: PeerId, message: Message<'_>, now: Now, effects: &mut Effects);

    /// A session that was asked for ([`Order::Open`]) has its place among the connections: `peer`. It has no socket of its own,
    /// and is carried by requests.
    fn session_begun(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) {}

    /// The request that waits for something to be said in this session.
    fn waiting_poll(&self, _session: PeerId) -> Option<PeerId> {
        None
    }

    /// The request that brings something for this session.
    fn bringing_post(&self, _session: PeerId) -> Option<PeerId> {
        None
    }

    /// Appends the answer to the request that waits: packets. It waits no more.
    fn answer_poll(&mut self, _session: PeerId, _body: &[u8], _now: Now, _reply: &mut Vec<u8>) {}

    /// Appends the answer to the request that has brought something.
    fn answer_post(&mut self, _session: PeerId, _now: Now, _reply: &mut Vec<u8>) {}

    /// The request that was to bring something was given up, or its answer says so.
    fn post_abandoned(&mut self, _session: PeerId) {}

    /// A WebSocket has taken this session over.
    fn session_moved(&mut self, _session: PeerId) {}

    /// A client of Socket.IO shows who it is. The answer names its session; a refusal with a close code ends it.
    fn show_token(
        &mut self,
        _peer: PeerId,
        _shown: &Result<Credentials<'_>, Problem>,
        _now: Now,
        _effects: &mut Effects,
    ) -> Result<Sid, Problem> {
        Err(Problem::Unauthorized)
    }

    /// The same as a message, from a client of Socket.IO. `id`: what the answer is to repeat.
    fn receive_event(
        &mut self,
        peer: PeerId,
        text: &str,
        _id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        self.receive(peer, Message::Text(text), now, effects);
    }

    /// The peer sent a ping, or a pong that answers none; `false`: one too many, not to be answered.
    fn pinged(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) -> bool {
        true
    }

    /// The peer can no longer be spoken to, and the application did not close it itself.
    fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects);

    /// More was to be sent to the peer than may wait for it: it is about to be closed for that.
    fn overran(&mut self, _peer: PeerId, _now: Now) {}

    /// The peer's connection is no more, whatever became of it: the last that is heard of it.
    fn departed(&mut self, _peer: PeerId) {}

    /// How much there is of what the application holds, at the end of a turn. It is asked in each, so it costs next to nothing.
    fn gauges(&self) -> Gauges {
        Gauges::default()
    }

    /// An operator asks for something.
    fn command(&mut self, _command: &Command, _now: Now, _effects: &mut Effects) -> Answer {
        Answer::Unknown
    }

    /// Others decide from now on who may come in.
    fn use_rules(&mut self, _rules: Rules) {}

    /// How often each of the application's limits was hit.
    fn hits(&self) -> Hits {
        Hits::NONE
    }

    /// What to remember with a ping to this peer; comes back with its answer.
    fn ping_mark(&self, _peer: PeerId) -> u32 {
        0
    }

    /// The peer has answered a ping, and so has everything that was sent before it.
    fn ponged(&mut self, _peer: PeerId, _mark: u32, _now: Now) {}

    /// Writes the text of a last message before the connection closes a peer with `code` by itself, and returns the error
    /// that it tells; nothing for none.
    fn farewell(&self, _code: CloseCode, _text: &mut Vec<u8>) -> Option<&'static str> {
        None
    }

    /// The code that answers a client's close frame.
    fn close_reply(&self, _code: Option<CloseCode>) -> CloseCode {
        CloseCode::Normal
    }

    /// The code of the close frame to a peer that does not answer pings.
    fn heartbeat_timeout(&self) -> CloseCode {
        close::HEARTBEAT_TIMEOUT
    }

    /// What became of a record that the application waits for: it is durable, or it cannot be written.
    fn recorded(&mut self, _ticket: Ticket, _written: bool, _now: Now, _effects: &mut Effects) {}

    /// What to expect of the audit log from now on.
    fn set_recording(&mut self, _recording: Recording) {}

    /// Does what is due.
    fn advance(&mut self, _now: Now, _effects: &mut Effects) {}

    /// When there is something due next.
    fn next_deadline(&self, _now: Now) -> Option<Instant> {
        None
    }

    /// Whether the other reactors of the server are to have their applications [advance](Application::advance) now, whatever their
    /// deadlines. It is asked at the end of each turn, and says so once.
    fn calls_others(&mut self) -> bool {
        false
    }

    /// The server is about to stop: lets nobody in any more, says good-bye to everybody within `window`, and closes every
    /// connection.
    fn drain(&mut self, _window: Duration, _now: Now, effects: &mut Effects) {
        self.shut_down(effects);
    }

    /// The server stops: says good-bye to everybody and closes every connection.
    fn shut_down(&mut self, effects: &mut Effects);
}
