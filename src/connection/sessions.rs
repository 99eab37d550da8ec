//! The requests of Socket.IO clients.

use super::polls::{Opening, Poll, Polls, Whereabouts};
use super::requests::{Knock, note_arrival};
use super::signaling::Signaling;
use super::{Order, Output, PONG_TIMEOUT, Verdict};
use crate::admission::door::{self, Refusal};
use crate::base::limits::Limit;
use crate::base::time::{Duration, Now};
use crate::engine::{Effects, PeerId};
use crate::message::notice;
use crate::wire::engine_io::{self, Carrier, Query};
use crate::wire::frame::{CloseCode, Data, Header, OpCode};
use crate::wire::http::{self, Request, Response, StatusCode};
use crate::wire::sid::{Sid, Sids};

/// The path of Socket.IO requests.
pub(super) const PATH: &str = "/socket.io/";

/// The server's Socket.IO parameters, and the ids of sessions.
#[derive(Debug)]
pub struct SocketIoService {
    pub(super) sids: Sids,
    pub(super) polls: Polls,
    heartbeat: Duration,
}

impl SocketIoService {
    /// The service for one reactor. It makes session ids from a secret that nobody else has.
    /// `heartbeat`: the time between pings.
    pub fn new(secret: &[u8; 32], reactor: u16, heartbeat: Duration) -> Self {
        Self { sids: Sids::new(secret, reactor), polls: Polls::default(), heartbeat }
    }

    fn opening<'a>(
        &self,
        sid: &'a Sid,
        may_upgrade: bool,
        payload_bytes_max: usize,
    ) -> engine_io::Opening<'a> {
        let millis = |duration: Duration| duration.as_micros() / 1_000;
        engine_io::Opening {
            sid: sid.as_str(),
            may_upgrade,
            ping_interval_ms: millis(self.heartbeat),
            ping_timeout_ms: millis(PONG_TIMEOUT),
            payload_bytes_max,
        }
    }
}

impl Signaling {
    /// A request at [`PATH`].
    pub(super) fn serve_socket_io(
        &mut self,
        knock: Knock<'_>,
        out: &mut Output,
    ) -> Result<Verdict, Refusal> {
        let query = match engine_io::read_query(knock.request, Sid::read) {
            Ok(query) => query,
            Err(refusal) => return refuse(refusal, knock, out),
        };
        match query {
            Query { carrier: Carrier::WebSocket, sid: None } => self.open_on_web_socket(knock, out),
            Query { carrier: Carrier::Polling, sid: None } => self.open_for_polling(knock, out),
            Query { carrier, sid: Some(sid) } => {
                match self.go_on(sid, carrier, knock, out) {
                    Ok(verdict) => Ok(verdict),
                    Err(Fault::Original(refusal)) => refuse(refusal, knock, out),
                    // It counts as a failure like any other invalid token.
                    Err(Fault::Ours(refusal @ Refusal::TokenInvalid)) => {
                        let counted = self.count(Err(refusal), knock.arrival, knock.now);
                        Err(counted.err().unwrap_or(refusal))
                    }
                    Err(Fault::Ours(refusal)) => Err(refusal),
                }
            }
        }
    }

    fn open_on_web_socket(
        &mut self,
        knock: Knock<'_>,
        out: &mut Output,
    ) -> Result<Verdict, Refusal> {
        let Knock { peer, arrival, now, .. } = knock;
        self.check_draining()?;
        let entry = self.admit(knock)?;
        let mut packet = Vec::new();
        self.make_session(false, &mut packet)?;
        entry.upgrade.write_accept(&mut out.reply, entry.protocol);
        let header = Header::new(OpCode::Data(Data::Text), packet.len());
        out.reply.extend_from_slice(header.as_bytes());
        out.reply.append(&mut packet);
        self.engine.gate().arrive(peer.index, arrival.address);
        note_arrival(peer, arrival, Ok(entry.grant), &mut out.effects);
        self.engine.connected(peer, entry.grant, now);
        Ok(Verdict::SocketIo)
    }

    /// Opens a session as a connection of its own. It is admitted like a WebSocket.
    fn open_for_polling(&mut self, knock: Knock<'_>, out: &mut Output) -> Result<Verdict, Refusal> {
        let Knock { arrival, request, now, .. } = knock;
        let origin = door::origin(request)?;
        let is_allowed = self.door.origins.allows(origin, self.door.origin_required);
        if !is_allowed || !is_of_a_page_or_none(request) {
            return refuse(engine_io::Refusal::Forbidden, knock, out);
        }
        let judged = match arrival.full || arrival.crowded {
            true => Err(Refusal::Full),
            false => door::shown(request, self.engine.tokens(), now.wall),
        };
        self.check_draining()?;
        let grant = self.count(judged, arrival, now)?;
        let mut packet = Vec::new();
        let sid = self.make_session(true, &mut packet)?;
        let origin = origin.map(Into::into);
        let Some(service) = &mut self.socket_io else { return Err(Refusal::NotFound) };
        service.polls.opening = Some(Opening { sid, origin, arrival, grant });
        out.order = Some(Order::Open);
        write_packets(&packet, &[], now, &mut out.reply);
        Ok(Verdict::Answered)
    }

    /// Handles a request of an existing session.
    fn go_on(
        &mut self,
        sid: Sid,
        carrier: Carrier,
        knock: Knock<'_>,
        out: &mut Output,
    ) -> Result<Verdict, Fault> {
        let Knock { peer, request, now, .. } = knock;
        let Some(service) = &mut self.socket_io else { return Err(Refusal::NotFound.into()) };
        let polls = &mut service.polls;
        let poll = polls.get(sid).ok_or(engine_io::Refusal::Session)?;
        let origin = door::origin(request)?;
        let is_allowed = self.door.origins.allows(origin, false) && is_of_a_page_or_none(request);
        if !is_allowed || !belongs(&mut poll.origin, origin) {
            return Err(engine_io::Refusal::Forbidden.into());
        }
        if poll.has_moved {
            return Err(engine_io::Refusal::Request.into());
        }
        let session = poll.peer;
        let verdict = match (carrier, request.method) {
            (Carrier::Polling, "GET") => {
                if poll.waiting.is_some() {
                    // Two waiting requests would each get a part of the messages. The first one is
                    // told that the session ends.
                    out.order = Some(Order::End(session, CloseCode::Protocol));
                    return Err(engine_io::Refusal::Request.into());
                }
                poll.waiting = Some(peer);
                let is_probed = poll.probe.is_some() && poll.nudges < NUDGES_MAX;
                poll.nudges += u8::from(is_probed);
                out.order =
                    Some(if is_probed { Order::Nudge(session) } else { Order::Deliver(session) });
                Verdict::Poll { session }
            }
            (Carrier::Polling, "POST") => {
                let len = request.content_length().unwrap_or_default();
                let is_stranger = self.engine.is_stranger(session);
                let limits = if is_stranger { &self.stranger_limits } else { &self.limits };
                if len == 0 || poll.bringing.is_some() {
                    out.order = Some(Order::End(session, CloseCode::Protocol));
                    return Err(engine_io::Refusal::Request.into());
                }
                if len > limits.message_bytes_max {
                    self.hits.add(Limit::MessageBytes);
                    out.order = Some(Order::End(session, CloseCode::Size));
                    return Err(Refusal::BodyTooLarge.into());
                }
                poll.bringing = Some(peer);
                if request.expects_continue() {
                    out.reply.extend_from_slice(http::CONTINUE);
                }
                out.order = Some(Order::Bring(session));
                Verdict::Body { session, len }
            }
            (Carrier::WebSocket, "GET") if poll.probe.is_none() => {
                // It uses the session's place and address, so there is room for it.
                let entry = self.door.admit(request, self.engine.tokens(), false, now.wall)?;
                entry.upgrade.write_accept(&mut out.reply, entry.protocol);
                poll.probe = Some(peer);
                Verdict::Probe { session }
            }
            _ => return Err(engine_io::Refusal::Request.into()),
        };
        polls.remember(peer, sid);
        Ok(verdict)
    }

    /// The reactor that a request of this session belongs to, if that is another one: the one that
    /// has the session, if known here, otherwise the one that created it.
    pub(super) fn home_of_session(&self, sid: Sid) -> Option<u32> {
        let polls = &self.socket_io.as_ref()?.polls;
        let (own, count) = self.engine.homes().own_of();
        match polls.whereabouts(sid) {
            Whereabouts::Here => None,
            Whereabouts::At(reactor) => Some(reactor),
            Whereabouts::Unknown => {
                Some(u32::from(sid.reactor())).filter(|home| *home != own && *home < count)
            }
        }
    }

    /// Refuses newcomers once the server is about to stop.
    fn check_draining(&self) -> Result<(), Refusal> {
        if self.draining { Err(Refusal::ShuttingDown) } else { Ok(()) }
    }

    /// The session at this place.
    pub(super) fn poll_at(&mut self, session: PeerId) -> Option<&mut Poll> {
        self.socket_io.as_mut()?.polls.at_mut(session)
    }

    /// Makes the id of a session, and appends the packet that opens it.
    fn make_session(&mut self, may_upgrade: bool, packet: &mut Vec<u8>) -> Result<Sid, Refusal> {
        let service = self.socket_io.as_mut().ok_or(Refusal::NotFound)?;
        let sid = service.sids.make();
        service.opening(&sid, may_upgrade, self.limits.message_bytes_max).write(packet);
        Ok(sid)
    }

    /// A requested session has been given its connection.
    pub(super) fn begin_session(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        let Some(service) = &mut self.socket_io else { return };
        let Some(Opening { sid, origin, arrival, grant }) = service.polls.opening.take() else {
            return;
        };
        service.polls.begin(sid, peer, origin);
        self.engine.gate().arrive(peer.index, arrival.address);
        note_arrival(peer, arrival, Ok(grant), effects);
        self.engine.connected(peer, grant, now);
    }

    /// Appends the answer to a request of a session.
    pub(super) fn answer(&self, session: PeerId, body: &[u8], now: Now, reply: &mut Vec<u8>) {
        write_packets(body, &self.fields_of_session(session), now, reply);
    }

    /// The CORS fields for the page that a session belongs to.
    pub(super) fn fields_of_session(&self, session: PeerId) -> Vec<(&'static str, &str)> {
        let poll = self.socket_io.as_ref().and_then(|service| service.polls.at(session));
        let origin = poll.and_then(|poll| poll.origin.as_deref());
        self.door.cors_fields_with_credentials(origin)
    }

    /// Answers a browser's preflight.
    pub(super) fn allow_socket_io(knock: Knock<'_>, out: &mut Output) -> Verdict {
        let names = knock.request.field("access-control-request-headers");
        let names = names.filter(|names| names.len() <= NAMES_BYTES_MAX);
        let mut fields =
            vec![("Access-Control-Allow-Methods", "GET, POST"), ("Access-Control-Max-Age", "600")];
        fields.extend(names.map(|names| ("Access-Control-Allow-Headers", names)));
        let status = StatusCode::NoContent;
        let response = Response { status, content_type: "", fields: &fields, body: b"" };
        response.write(&mut out.reply, knock.now.wall, false);
        Verdict::Answered
    }
}

/// The session that a request names.
pub(super) fn sid_of(request: &Request<'_>) -> Option<Sid> {
    engine_io::read_query(request, Sid::read).ok()?.sid
}

/// How many requests of a session are answered at once with nothing because a WebSocket is about to
/// take it over. The clients send one or two; further ones wait as usual.
const NUDGES_MAX: u8 = 8;

/// The longest list of names in one line of a preflight.
const NAMES_BYTES_MAX: usize = 256;

/// Why a request of a session is refused.
enum Fault {
    /// In the format of the original server.
    Original(engine_io::Refusal),
    /// In the format of every other request here.
    Ours(Refusal),
}

impl From<engine_io::Refusal> for Fault {
    fn from(refusal: engine_io::Refusal) -> Self {
        Self::Original(refusal)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(refusal)
    }
}

/// Whether a request with this origin may belong to the session. A session without an origin so far
/// may be of a page of this server, whose browser sends the origin only when it posts. Once known,
/// the origin stays.
fn belongs(bound: &mut Option<Box<str>>, origin: Option<&str>) -> bool {
    match (bound.as_deref(), origin) {
        (Some(bound), Some(origin)) => bound == origin,
        (None, Some(origin)) => {
            *bound = Some(origin.into());
            true
        }
        (_, None) => true,
    }
}

/// An image or a script of any page may point here without an origin. Clients do not send such
/// requests.
fn is_of_a_page_or_none(request: &Request<'_>) -> bool {
    request.field("sec-fetch-mode") != Some("no-cors")
}

/// Appends an answer of packets.
fn write_packets(body: &[u8], fields: &[(&'static str, &str)], now: Now, reply: &mut Vec<u8>) {
    let content_type = "text/plain; charset=UTF-8";
    let response = Response { status: StatusCode::Ok, content_type, fields, body };
    response.write(reply, now.wall, false);
}

/// Refuses in the format of the original server, which its clients parse.
fn refuse(
    refusal: engine_io::Refusal,
    knock: Knock<'_>,
    out: &mut Output,
) -> Result<Verdict, Refusal> {
    let (code, message) = refusal.parts();
    let mut body = Vec::new();
    notice::engine_io_refusal(&mut body, code, message);
    let status = match refusal {
        engine_io::Refusal::Forbidden => StatusCode::Forbidden,
        _ => StatusCode::BadRequest,
    };
    let response = Response { status, content_type: "application/json", fields: &[], body: &body };
    response.write(&mut out.reply, knock.now.wall, knock.request.method == "HEAD");
    Ok(Verdict::Answered)
}
