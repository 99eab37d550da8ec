//! The signaling application: the door, the rooms behind it, and the few pages beside them.

use super::pages::Pages;
use super::requests::{Knock, note_arrival};
use super::sessions::{self, SocketIoService};
use super::{Application, Arrival, Errand, Message, Output, PolledSession, Verdict};
use crate::admission::addresses::Client;
use crate::admission::door::{Door, Rules};
use crate::base::limits::Hits;
use crate::base::time::{Duration, Instant, Now, WallTime};
use crate::engine::{
    Answer, Command, Effects, Engine, Gauges, PeerId, Recording, Ticket, Traveller,
};
use crate::message::SessionId;
use crate::message::credentials::Credentials;
use crate::message::notice;
use crate::message::problem::Problem;
use crate::message::record::Revocation;
use crate::message::request::MessageId;
use crate::wire::frame::{CloseCode, Limits};
use crate::wire::http::{self, Request};
use crate::wire::sid::Sid;

/// The signaling application.
pub struct Signaling {
    pub(super) engine: Engine,
    pub(super) door: Door,
    pub(super) limits: Limits,
    pub(super) stranger_limits: Limits,
    pub(super) hits: Hits,
    pub(super) pages: Box<dyn Pages + Send>,
    pub(super) socket_io: Option<SocketIoService>,
    /// Newcomers are refused.
    pub(super) draining: bool,
}

impl Signaling {
    /// How many fragments a message may have: enough for a message that arrives in frames of 64
    /// bytes.
    pub const FRAGMENTS_MAX: u32 = 1_024;

    /// The largest message of a client that has shown no token yet: a `join-room` with a token of
    /// the maximum size, whatever its other fields are.
    pub const STRANGER_MESSAGE_BYTES_MAX: usize = 16 * 1_024;

    /// How many fragments such a message may have.
    pub const STRANGER_FRAGMENTS_MAX: u32 = 64;

    /// Combines door and rooms. Messages have at most `message_bytes_max` bytes.
    pub fn new(
        engine: Engine,
        door: Door,
        message_bytes_max: usize,
        pages: Box<dyn Pages + Send>,
    ) -> Self {
        let fragments_max = Self::FRAGMENTS_MAX;
        let limits = Limits { message_bytes_max, fragments_max, binary: false };
        let stranger_limits = Limits {
            message_bytes_max: message_bytes_max.min(Self::STRANGER_MESSAGE_BYTES_MAX),
            fragments_max: Self::STRANGER_FRAGMENTS_MAX,
            binary: false,
        };
        let (hits, socket_io) = (Hits::NONE, None);
        let draining = false;
        Self { engine, door, limits, stranger_limits, hits, pages, socket_io, draining }
    }

    /// Also serves Socket.IO clients, at `/socket.io/`.
    pub fn speak_socket_io(&mut self, service: SocketIoService) {
        self.socket_io = Some(service);
    }

    /// The rooms, for tests, simulations and fuzzers that take the place of the reactor.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Remembers sessions that ended before the start, each until when no token may open it.
    pub fn restore_ended(&mut self, sessions: &[(SessionId, WallTime)], now: WallTime) {
        self.engine.restore_ended(sessions, now);
    }

    /// Remembers tokens that were revoked before the start.
    pub fn restore_revoked(&mut self, revocations: &[Revocation], now: WallTime) {
        self.engine.restore_revoked(revocations, now);
    }
}

impl Application for Signaling {
    fn limits(&self, peer: PeerId) -> &Limits {
        if self.engine.is_stranger(peer) { &self.stranger_limits } else { &self.limits }
    }

    fn is_stranger(&self, peer: PeerId) -> bool {
        self.engine.is_stranger(peer)
    }

    fn is_newcomer(&self, peer: PeerId) -> bool {
        !self.engine.is_inside(peer)
    }

    fn request(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict {
        let from = arrival.address;
        let client = match arrival.own_account {
            true => Ok(Client::Known(from)),
            false => self.door.addresses.client(from, request),
        };
        let arrival = Arrival { address: client.map_or(from, Client::address), ..arrival };
        let start = out.reply.len();
        let is_socket_io = request.path == sessions::PATH && self.socket_io.is_some();
        let knock = Knock { peer, arrival, request, now };
        let verdict = client
            .and_then(|client| self.door.addresses.admit(client, from, request))
            .and_then(|()| self.route(knock, out));
        let verdict = verdict.unwrap_or_else(|refusal| {
            // A request for a page is not an attempt to join a call.
            if request.has_field("upgrade") || is_socket_io {
                note_arrival(peer, arrival, Err(refusal), &mut out.effects);
            }
            refusal.write(&mut out.reply, now.wall, request.method == "HEAD");
            out.effects.count_error(refusal.code());
            Verdict::Answered
        });
        if verdict == Verdict::Answered {
            let origin = request.field("origin");
            let fields = match is_socket_io {
                true => self.door.cors_fields_with_credentials(origin),
                false => self.door.cors_fields(origin),
            };
            http::add_fields(&mut out.reply, start, &fields);
        }
        verdict
    }

    fn fields_beside<'a>(&self, head: &'a [u8]) -> Vec<(&'static str, &'a str)> {
        self.door.cors_fields(http::origin_in(head))
    }

    /// A token tells before the upgrade which reactor the connection belongs to.
    fn home_of_request(&self, arrival: Arrival, request: &Request<'_>, now: Now) -> Option<u32> {
        let homes = self.engine.homes();
        if homes.is_one() {
            return None;
        }
        if request.path == sessions::PATH
            && let Some(sid) = sessions::sid_of(request)
        {
            return self.home_of_session(sid);
        }
        // While draining, newcomers are refused right here.
        if self.draining || !request.has_field("upgrade") {
            return None;
        }
        let tokens = self.engine.tokens();
        let entry = self.door.admit(request, tokens, arrival.full, now.wall).ok()?;
        homes.elsewhere(entry.grant?.session)
    }

    fn home_of_message(&self, peer: PeerId, message: Message<'_>, now: Now) -> Option<u32> {
        match message {
            Message::Text(text) => self.engine.home_of(peer, text, now),
            Message::Binary(_) => None,
        }
    }

    fn detach(&mut self, peer: PeerId) -> Traveller {
        self.engine.detach(peer)
    }

    fn detach_session(&mut self, peer: PeerId, to: u32) -> Option<PolledSession> {
        self.socket_io.as_mut()?.polls.detach(peer, to)
    }

    fn attach_session(&mut self, peer: PeerId, session: PolledSession) {
        if let Some(service) = &mut self.socket_io {
            service.polls.attach(peer, session);
        }
    }

    fn attach_request(&mut self, sid: Sid, request: PeerId, errand: Errand) -> Option<PeerId> {
        self.socket_io.as_mut()?.polls.attach_request(sid, request, errand)
    }

    fn attach(&mut self, peer: PeerId, traveller: Traveller, now: Now) {
        self.engine.attach(peer, traveller, now);
    }

    fn receive(&mut self, peer: PeerId, message: Message<'_>, now: Now, effects: &mut Effects) {
        // The limits admit no binary message.
        if let Message::Text(text) = message {
            self.engine.receive(peer, text, now, effects);
        }
    }

    fn session_begun(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.begin_session(peer, now, effects);
    }

    fn waiting_poll(&self, session: PeerId) -> Option<PeerId> {
        self.socket_io.as_ref()?.polls.at(session)?.waiting
    }

    fn bringing_post(&self, session: PeerId) -> Option<PeerId> {
        self.socket_io.as_ref()?.polls.at(session)?.bringing
    }

    fn answer_poll(&mut self, session: PeerId, body: &[u8], now: Now, reply: &mut Vec<u8>) {
        if let Some(poll) = self.poll_at(session) {
            poll.waiting = None;
        }
        self.answer(session, body, now, reply);
    }

    fn post_abandoned(&mut self, session: PeerId) {
        if let Some(poll) = self.poll_at(session) {
            poll.bringing = None;
        }
    }

    fn fields_of(&self, session: PeerId) -> Vec<(&'static str, &str)> {
        self.fields_of_session(session)
    }

    fn answer_post(&mut self, session: PeerId, now: Now, reply: &mut Vec<u8>) {
        self.post_abandoned(session);
        self.answer(session, b"ok", now, reply);
    }

    fn session_moved(&mut self, session: PeerId) {
        if let Some(poll) = self.poll_at(session) {
            poll.has_moved = true;
        }
    }

    fn show_token(
        &mut self,
        peer: PeerId,
        shown: &Result<Credentials<'_>, Problem>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Sid, Problem> {
        let service = self.socket_io.as_mut().ok_or(Problem::Unauthorized)?;
        let sid = service.sids.make();
        self.engine.show_token(peer, shown, now, effects).map(|()| sid)
    }

    fn receive_event(
        &mut self,
        peer: PeerId,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        self.engine.receive_with(peer, text, id, now, effects);
    }

    fn pinged(&mut self, peer: PeerId, now: Now, effects: &mut Effects) -> bool {
        self.engine.pinged(peer, now, effects)
    }

    fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.engine.left(peer, now, effects);
    }

    fn overran(&mut self, peer: PeerId, now: Now) {
        self.engine.note_abuse(peer, now);
    }

    fn departed(&mut self, peer: PeerId) {
        self.engine.gate().depart(peer.index);
        self.socket_io.iter_mut().for_each(|service| service.polls.depart(peer));
    }

    fn gauges(&self) -> Gauges {
        self.engine.gauges()
    }

    fn command(&mut self, command: &Command, now: Now, effects: &mut Effects) -> Answer {
        self.engine.command(command, now, effects)
    }

    fn use_rules(&mut self, rules: Rules) {
        self.door = rules.door;
        self.engine.use_tokens(rules.tokens);
    }

    fn hits(&self) -> Hits {
        self.hits.and(self.engine.hits())
    }

    fn ping_mark(&self, peer: PeerId) -> u32 {
        self.engine.ping_mark(peer)
    }

    fn ponged(&mut self, peer: PeerId, mark: u32, now: Now) {
        self.engine.ponged(peer, mark, now);
    }

    fn recorded(&mut self, ticket: Ticket, written: bool, now: Now, effects: &mut Effects) {
        self.engine.recorded(ticket, written, now, effects);
    }

    fn set_recording(&mut self, recording: Recording) {
        self.engine.set_recording(recording);
    }

    fn farewell(&self, code: CloseCode, text: &mut Vec<u8>) -> Option<&'static str> {
        let problem = match code {
            CloseCode::Size => Problem::MessageTooLarge,
            CloseCode::Error => Problem::Internal,
            _ => return None,
        };
        notice::error(text, problem, None, None);
        Some(problem.code())
    }

    fn advance(&mut self, now: Now, effects: &mut Effects) {
        self.engine.advance(now, effects);
    }

    fn next_deadline(&self, now: Now) -> Option<Instant> {
        self.engine.next_deadline(now)
    }

    fn calls_others(&mut self) -> bool {
        self.engine.calls_others()
    }

    fn drain(&mut self, window: Duration, now: Now, effects: &mut Effects) {
        self.draining = true;
        self.engine.drain(window, now, effects);
    }

    fn shut_down(&mut self, effects: &mut Effects) {
        self.draining = true;
        self.engine.shut_down(effects);
    }
}
