//! The application: the door, the rooms behind it, and the few pages beside them.

use super::pages::Pages;
use super::sessions::{self, SocketIoService};
use super::{Application, Arrival, Errand, Message, Output, PolledSession, Verdict};
use crate::admission::Grant;
use crate::admission::addresses::Client;
use crate::admission::door::{self, Door, Entry, Refusal, Rules};
use crate::base::limits::{Hits, Limit};
use crate::base::redacted::Redacted;
use crate::base::time::{Duration, Instant, Now, WallTime};
use crate::engine::{
    Answer, Command, Effects, Engine, Gauges, Note, PeerId, Recording, Ticket, Traveller,
};
use crate::message::SessionId;
use crate::message::credentials::Credentials;
use crate::message::notice;
use crate::message::problem::Problem;
use crate::message::record::{Event, Record, Revocation, Subject, TokenWay};
use crate::message::request::MessageId;
use crate::wire::frame::{CloseCode, Limits};
use crate::wire::http::{self, Request, Response, StatusCode};
use crate::wire::sid::Sid;

/// The signaling application.
pub struct Signaling {
    pub(super) engine: Engine,
    pub(super) door: Door,
    pub(super) limits: Limits,
    pub(super) stranger_limits: Limits,
    pub(super) hits: Hits,
    pages: Box<dyn Pages + Send>,
    pub(super) socket_io: Option<SocketIoService>,
    /// Nobody is to come any more.
    pub(super) draining: bool,
}

impl Signaling {
    /// How many frames a message may be cut into: enough for a message that arrives in frames of 64 bytes.
    pub const FRAGMENTS_MAX: u32 = 1_024;

    /// The largest message of somebody who has shown no token yet: a `join-room` with a token of the largest size, whatever
    /// else it says.
    pub const STRANGER_MESSAGE_BYTES_MAX: usize = 16 * 1_024;

    /// And how many frames it may be cut into.
    pub const STRANGER_FRAGMENTS_MAX: u32 = 64;

    /// When it is worth to try again where as many are connected as may be.
    const RETRY_AFTER: Duration = Duration::from_secs(10);

    /// Puts door and rooms together. Messages have at most `message_bytes_max` bytes.
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

    /// Serves clients of Socket.IO too, at `/socket.io/`.
    pub fn speak_socket_io(&mut self, service: SocketIoService) {
        self.socket_io = Some(service);
    }

    /// The rooms: to be looked at by tests, simulations and fuzzers, which play the part of the reactor.
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

    fn route(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Result<Verdict, Refusal> {
        let reply = &mut out.reply;
        door::check_query(request)?;
        let is_socket_io = request.path == sessions::PATH && self.socket_io.is_some();
        if self.door.is_preflight(request)? {
            if is_socket_io {
                return Ok(Self::allow_socket_io(request, now, out));
            }
            let fields =
                [("Access-Control-Allow-Methods", "GET, HEAD"), ("Access-Control-Max-Age", "600")];
            let status = StatusCode::NoContent;
            let response = Response { status, content_type: "", fields: &fields, body: b"" };
            response.write(reply, now.wall, false);
            return Ok(Verdict::Answered);
        }
        let upgrade = request.has_field("upgrade");
        match request.path {
            "/health" => {
                check_read(request)?;
                answer(request, StatusCode::Ok, br#"{"status":"ok"}"#, now, reply);
                Ok(Verdict::Answered)
            }
            "/ready" => {
                check_read(request)?;
                let audit = self.engine.recording() != Recording::Unavailable;
                let mut body = Vec::new();
                notice::readiness(&mut body, audit, !arrival.full, self.draining);
                let ready = audit && !arrival.full && !self.draining;
                let status = if ready { StatusCode::Ok } else { StatusCode::ServiceUnavailable };
                answer(request, status, &body, now, reply);
                Ok(Verdict::Answered)
            }
            _ if is_socket_io => self.serve_socket_io(peer, arrival, request, now, out),
            _ if !upgrade && self.pages.respond(request, now, reply) => Ok(Verdict::Answered),
            "/" | "/ws" if self.draining => Err(Refusal::ShuttingDown),
            "/" | "/ws" => {
                let entry = self.admit(arrival, request, now)?;
                entry.upgrade.write_accept(reply, entry.protocol);
                self.engine.gate().arrive(peer.index, arrival.address);
                note_arrival(peer, arrival, Ok(entry.grant), &mut out.effects);
                self.engine.connected(peer, entry.grant, now);
                Ok(Verdict::Upgraded)
            }
            _ => Err(Refusal::NotFound),
        }
    }

    /// The token is judged before anything is counted: a good one comes in from an address whatever else has come from
    /// there, and costs less to judge than the answer to a bad one.
    pub(super) fn admit<'a>(
        &mut self,
        arrival: Arrival,
        request: &Request<'a>,
        now: Now,
    ) -> Result<Entry<'a>, Refusal> {
        let judged = self.door.admit(request, self.engine.tokens(), arrival.full, now.wall);
        let (entry, granted) = match judged {
            Ok(entry) => (Some(entry), Ok(entry.grant)),
            Err(refusal) => (None, Err(refusal)),
        };
        self.count(granted, arrival, now)?;
        entry.ok_or(Refusal::Malformed)
    }

    /// Whether somebody who was judged so may come in, by how many there are already and how many have failed.
    pub(super) fn count(
        &mut self,
        judged: Result<Option<Grant>, Refusal>,
        arrival: Arrival,
        now: Now,
    ) -> Result<Option<Grant>, Refusal> {
        // It is one of ours and guesses nothing, so it counts against nobody.
        if let Ok(Some(grant)) = &judged
            && self.engine.is_revoked(grant, now.wall)
        {
            return Err(Refusal::Revoked);
        }
        let gate = self.engine.gate();
        let refused = match judged {
            Ok(_) if !gate.admits_from(arrival.address) => {
                (Limit::AddressConnections, Self::RETRY_AFTER)
            }
            Ok(Some(grant)) if !gate.admits_user(grant.user) => {
                (Limit::UserConnections, Self::RETRY_AFTER)
            }
            Ok(grant) => return Ok(grant),
            Err(Refusal::TokenInvalid) => {
                let wait = gate.failed_from(arrival.address, now.instant);
                let Some(wait) = wait else { return Err(Refusal::TokenInvalid) };
                (Limit::AuthFailures, wait)
            }
            Err(refusal) => {
                if refusal == Refusal::Full {
                    self.hits.add(Limit::Connections);
                }
                return Err(refusal);
            }
        };
        let (limit, retry_after) = refused;
        self.hits.add(limit);
        Err(Refusal::RateLimited(retry_after))
    }
}

/// Tells the audit log that somebody came, and what the token said where one was shown.
pub(super) fn note_arrival(
    peer: PeerId,
    arrival: Arrival,
    outcome: Result<Option<Grant>, Refusal>,
    effects: &mut Effects,
) {
    let refusal = outcome.err().map(Refusal::code);
    let address = Some(Redacted::new(arrival.address));
    let connect = Record { event: Event::Connect { refusal }, subject: Subject::default() };
    effects.note(Note { address, ..Note::about(peer, connect) });
    let (shown, subject) = match outcome {
        Ok(Some(grant)) => (true, grant.subject()),
        Ok(None) => (false, Subject::default()),
        Err(refusal) => {
            let failed = matches!(refusal, Refusal::TokenInvalid | Refusal::TokenExpired);
            (failed, Subject::default())
        }
    };
    if shown {
        let event = Event::Authentication { way: TokenWay::Upgrade, failure: refusal };
        effects.note(Note { address, ..Note::about(peer, Record { event, subject }) });
    }
}

/// Answers with a small JSON body.
fn answer(request: &Request<'_>, status: StatusCode, body: &[u8], now: Now, reply: &mut Vec<u8>) {
    let content_type = "application/json";
    let response = Response { status, content_type, fields: &[], body };
    response.write(reply, now.wall, request.method == "HEAD");
}

/// Whether the request only reads (RFC 9110 9.2.1).
fn check_read(request: &Request<'_>) -> Result<(), Refusal> {
    if matches!(request.method, "GET" | "HEAD") { Ok(()) } else { Err(Refusal::Method) }
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
        let client = self.door.addresses.client(from, request);
        let arrival = Arrival { address: client.map_or(from, Client::address), ..arrival };
        let start = out.reply.len();
        let is_socket_io = request.path == sessions::PATH && self.socket_io.is_some();
        let verdict = client
            .and_then(|client| self.door.addresses.admit(client, from, request))
            .and_then(|()| self.route(peer, arrival, request, now, out));
        let verdict = verdict.unwrap_or_else(|refusal| {
            // Who only looks at a page has not come for a call.
            if request.has_field("upgrade") || is_socket_io {
                note_arrival(peer, arrival, Err(refusal), &mut out.effects);
            }
            refusal.write(&mut out.reply, now.wall, request.method == "HEAD");
            out.effects.count_error(refusal.code());
            Verdict::Answered
        });
        if verdict == Verdict::Answered {
            let fields = match is_socket_io {
                true => self.door.cors_fields_with_credentials(request.field("origin")),
                false => self.door.cors_fields(request),
            };
            http::add_fields(&mut out.reply, start, &fields);
        }
        verdict
    }

    /// A token says before the upgrade where its bearer belongs.
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
        // Where everybody is told to go, it is told here.
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
        // The limits let no binary message through.
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

    fn drain(&mut self, window: Duration, now: Now, effects: &mut Effects) {
        self.draining = true;
        self.engine.drain(window, now, effects);
    }

    fn shut_down(&mut self, effects: &mut Effects) {
        self.draining = true;
        self.engine.shut_down(effects);
    }
}
