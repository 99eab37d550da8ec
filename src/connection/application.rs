//! The interface that a connection serves: the rooms, or whatever an embedder puts in their place.

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

/// A complete message of a client.
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

/// What is known of a connection before its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its address. Code that trusts a proxy replaces it by the one that the proxy reports.
    pub address: IpAddr,
    /// There is no room for it: an upgrade must be refused.
    pub full: bool,
    /// Once its request is read, there is no room for another connection beside it. A session that
    /// is carried by requests counts as one connection.
    pub crowded: bool,
    /// It uses TLS with this server.
    pub encrypted: bool,
    /// A proxy reports that it opened the connection itself (for example, for a health check): the
    /// address is the proxy's own, and header fields that name a client are ignored.
    pub own_account: bool,
}

impl Arrival {
    /// A connection from this machine, with enough room: for tests, and for embedders whose
    /// transport has no addresses.
    pub const LOCAL: Self = Self {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        full: false,
        crowded: false,
        encrypted: false,
        own_account: false,
    };
}

/// A command that only the owner of all connections can carry out. A request results in at most
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Create a connection for a session that is carried by requests.
    Open,
    /// Send what waits for this session, through the request that has arrived.
    Deliver(PeerId),
    /// The request carries something for this session: its bytes count towards the session's rate.
    Bring(PeerId),
    /// A WebSocket is about to take this session over: answer the waiting request, so that none is
    /// in progress then.
    Nudge(PeerId),
    /// End this session: its client broke the rules.
    End(PeerId, CloseCode),
}

/// The result of a request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered with 101: frames follow.
    Upgraded,
    /// The same, with Socket.IO in the frames.
    SocketIo,
    /// It was answered, and the connection ends.
    Answered,
    /// It waits until there is something to send in this session.
    Poll {
        /// Which.
        session: PeerId,
    },
    /// A body follows, with packets for this session.
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

/// The application above the WebSocket layer. Pure, like everything below the reactor.
pub trait Application {
    /// The limits on messages from a peer.
    fn limits(&self, peer: PeerId) -> &Limits;

    /// Whether the peer has not yet shown that it may be here. Strangers have the lowest priority
    /// for the memory for partial messages.
    fn is_stranger(&self, _peer: PeerId) -> bool {
        false
    }

    /// Whether the peer is a newcomer, so that others are served before it.
    fn is_newcomer(&self, _peer: PeerId) -> bool {
        false
    }

    /// A request head arrived. Appends the answer to the reply of `out`.
    fn request(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict;

    /// Further header fields for the answer to a malformed or too large request head, of which
    /// this much has arrived.
    fn fields_beside<'a>(&self, _head: &'a [u8]) -> Vec<(&'static str, &'a str)> {
        Vec::new()
    }

    /// The number of the reactor to which a connection with this request belongs, if that is
    /// another one. The request is then not handled here.
    fn home_of_request(&self, _arrival: Arrival, _request: &Request<'_>, _now: Now) -> Option<u32> {
        None
    }

    /// The number of the reactor to which a connection with this message belongs, if that is
    /// another one. The message is then not handled here.
    fn home_of_message(&self, _peer: PeerId, _message: Message<'_>, _now: Now) -> Option<u32> {
        None
    }

    /// A connection moves to another reactor. The return value moves with it; this application
    /// forgets it.
    fn detach(&mut self, _peer: PeerId) -> Traveller {
        Traveller::default()
    }

    /// The same for the state of a session that requests carry, which moves to this reactor; `None`
    /// if it is no such session.
    fn detach_session(&mut self, _peer: PeerId, _to: u32) -> Option<PolledSession> {
        None
    }

    /// Such a session has arrived from another reactor.
    fn attach_session(&mut self, _peer: PeerId, _session: PolledSession) {}

    /// A request has followed its session. Returns where the session is now; `None` if it is not
    /// here.
    fn attach_request(&mut self, _sid: Sid, _request: PeerId, _errand: Errand) -> Option<PeerId> {
        None
    }

    /// A connection has arrived from another reactor.
    fn attach(&mut self, _peer: PeerId, _traveller: Traveller, _now: Now) {}

    /// A message arrived.
    fn receive(&mut self, peer: PeerId, message: Message<'_>, now: Now, effects: &mut Effects);

    /// A requested session ([`Order::Open`]) is now the connection `peer`. It has no socket of its
    /// own, and is carried by requests.
    fn session_begun(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) {}

    /// The request that waits for something to be sent in this session.
    fn waiting_poll(&self, _session: PeerId) -> Option<PeerId> {
        None
    }

    /// The request that is bringing something for this session.
    fn bringing_post(&self, _session: PeerId) -> Option<PeerId> {
        None
    }

    /// Appends the answer to the waiting request: packets. It then no longer waits.
    fn answer_poll(&mut self, _session: PeerId, _body: &[u8], _now: Now, _reply: &mut Vec<u8>) {}

    /// Appends the answer to the request that has brought something.
    fn answer_post(&mut self, _session: PeerId, _now: Now, _reply: &mut Vec<u8>) {}

    /// The request that should bring something was given up, or its answer ended it.
    fn post_abandoned(&mut self, _session: PeerId) {}

    /// Further header fields for a response to a request of this session that the application does
    /// not write itself.
    fn fields_of(&self, _session: PeerId) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    /// A WebSocket has taken this session over.
    fn session_moved(&mut self, _session: PeerId) {}

    /// A Socket.IO client presents its credentials. The answer names its session; a refusal with a
    /// close code ends it.
    fn show_token(
        &mut self,
        _peer: PeerId,
        _shown: &Result<Credentials<'_>, Problem>,
        _now: Now,
        _effects: &mut Effects,
    ) -> Result<Sid, Problem> {
        Err(Problem::Unauthorized)
    }

    /// Like [`Application::receive`], for an event of a Socket.IO client. `id`: what the answer
    /// must repeat.
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

    /// The peer sent a ping, or an unsolicited pong. Returns `false` if it was one too many, and
    /// must not be answered.
    fn pinged(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) -> bool {
        true
    }

    /// Nothing can be sent to the peer any more, and the application did not close it itself.
    fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects);

    /// More waits for the peer than is allowed: it is about to be closed for that.
    fn overran(&mut self, _peer: PeerId, _now: Now) {}

    /// The peer's connection is gone, for whatever reason. This is the last call about it.
    fn departed(&mut self, _peer: PeerId) {}

    /// The sizes of the application's tables, at the end of a turn. It is called in every turn, so
    /// it must cost next to nothing.
    fn gauges(&self) -> Gauges {
        Gauges::default()
    }

    /// Carries out an operator's command.
    fn command(&mut self, _command: &Command, _now: Now, _effects: &mut Effects) -> Answer {
        Answer::Unknown
    }

    /// Replaces the rules of admission.
    fn use_rules(&mut self, _rules: Rules) {}

    /// How often each of the application's limits was hit.
    fn hits(&self) -> Hits {
        Hits::NONE
    }

    /// A mark to remember with a ping to this peer. It comes back with the answer.
    fn ping_mark(&self, _peer: PeerId) -> u32 {
        0
    }

    /// The peer has answered a ping, so it has received everything that was sent before it.
    fn ponged(&mut self, _peer: PeerId, _mark: u32, _now: Now) {}

    /// Called before the connection itself closes a peer with `code`: writes the text of a final
    /// message, and returns the error that it reports. Writes nothing if there is none.
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

    /// The result of a record that the application waits for: it is durable, or it cannot be
    /// written.
    fn recorded(&mut self, _ticket: Ticket, _written: bool, _now: Now, _effects: &mut Effects) {}

    /// Whether the audit log can be written from now on.
    fn set_recording(&mut self, _recording: Recording) {}

    /// Does what is due.
    fn advance(&mut self, _now: Now, _effects: &mut Effects) {}

    /// When something is due next.
    fn next_deadline(&self, _now: Now) -> Option<Instant> {
        None
    }

    /// Whether the other reactors of the server must [advance](Application::advance) their
    /// applications now, whatever their deadlines. It is called at the end of each turn, and
    /// returns true only once.
    fn calls_others(&mut self) -> bool {
        false
    }

    /// The server is about to stop. Lets nobody in any more, tells everybody to come back within
    /// `window`, and closes every connection.
    fn drain(&mut self, _window: Duration, _now: Now, effects: &mut Effects) {
        self.shut_down(effects);
    }

    /// The server stops. Tells everybody to come back, and closes every connection.
    fn shut_down(&mut self, effects: &mut Effects);
}
