//! The requests of Socket.IO clients.

use super::signaling::{Signaling, note_arrival};
use super::{Arrival, Output, PONG_TIMEOUT, Verdict};
use crate::admission::door::Refusal;
use crate::base::time::{Duration, Now};
use crate::engine::PeerId;
use crate::message::notice;
use crate::wire::engine_io::{self, Carrier, Opening};
use crate::wire::frame::{Data, Header, OpCode};
use crate::wire::http::{Request, Response, StatusCode};
use crate::wire::sid::{Sid, Sids};

/// Where clients of Socket.IO ask.
pub(super) const PATH: &str = "/socket.io/";

/// What the server tells clients of Socket.IO, and the names of their sessions.
#[derive(Debug)]
pub struct SocketIoService {
    pub(super) sids: Sids,
    heartbeat: Duration,
}

impl SocketIoService {
    /// A service that makes names from a secret that nobody else has, for one reactor. `heartbeat`: the time between pings.
    pub fn new(secret: &[u8; 32], reactor: u16, heartbeat: Duration) -> Self {
        Self { sids: Sids::new(secret, reactor), heartbeat }
    }

    fn opening<'a>(
        &self,
        sid: &'a Sid,
        may_upgrade: bool,
        payload_bytes_max: usize,
    ) -> Opening<'a> {
        let millis = |duration: Duration| duration.as_micros() / 1_000;
        Opening {
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
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Result<Verdict, Refusal> {
        match engine_io::read_query(request, Sid::read) {
            Ok(engine_io::Query { carrier: Carrier::WebSocket, sid: None }) => {
                self.open_on_web_socket(peer, arrival, request, now, out)
            }
            Ok(engine_io::Query { sid: Some(_), .. }) => {
                refuse(engine_io::Refusal::Session, request, now, out)
            }
            Ok(_) => refuse(engine_io::Refusal::Transport, request, now, out),
            Err(refusal) => refuse(refusal, request, now, out),
        }
    }

    fn open_on_web_socket(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Result<Verdict, Refusal> {
        let entry = self.admit(arrival, request, now)?;
        let Some(service) = &mut self.socket_io else { return Err(Refusal::NotFound) };
        let sid = service.sids.make();
        let mut packet = Vec::new();
        service.opening(&sid, false, self.limits.message_bytes_max).write(&mut packet);
        entry.upgrade.write_accept(&mut out.reply, entry.protocol);
        let header = Header::new(OpCode::Data(Data::Text), packet.len());
        out.reply.extend_from_slice(header.as_bytes());
        out.reply.append(&mut packet);
        self.engine.gate().arrive(peer.index, arrival.address);
        note_arrival(peer, arrival, Ok(entry.grant), &mut out.effects);
        self.engine.connected(peer, entry.grant, now);
        Ok(Verdict::SocketIo)
    }
}

/// Answers as the original server does, whose clients read that.
fn refuse(
    refusal: engine_io::Refusal,
    request: &Request<'_>,
    now: Now,
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
    response.write(&mut out.reply, now.wall, request.method == "HEAD");
    Ok(Verdict::Answered)
}
