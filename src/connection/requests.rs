//! HTTP requests: who may make them, and what is answered at which path.

use super::sessions;
use super::signaling::Signaling;
use super::{Arrival, Output, Verdict};
use crate::admission::door::{self, Entry, Refusal};
use crate::admission::{Grant, gate};
use crate::base::limits::Limit;
use crate::base::redacted::Redacted;
use crate::base::time::Now;
use crate::engine::{Effects, Note, PeerId, Recording};
use crate::message::notice;
use crate::message::record::{Event, Record, Subject, TokenWay};
use crate::wire::http::{Request, Response, StatusCode};

/// A request, and who asks.
#[derive(Clone, Copy)]
pub(super) struct Knock<'a> {
    pub(super) peer: PeerId,
    /// With the address that a proxy told of, where that may.
    pub(super) arrival: Arrival,
    pub(super) request: &'a Request<'a>,
    pub(super) now: Now,
}

impl Signaling {
    /// Who may ask goes where the request says.
    pub(super) fn route(&mut self, knock: Knock<'_>, out: &mut Output) -> Result<Verdict, Refusal> {
        let Knock { peer, arrival, request, now } = knock;
        let reply = &mut out.reply;
        door::check_query(request)?;
        let is_socket_io = request.path == sessions::PATH && self.socket_io.is_some();
        if self.door.is_preflight(request)? {
            if is_socket_io {
                return Ok(Self::allow_socket_io(knock, out));
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
                answer(knock, StatusCode::Ok, br#"{"status":"ok"}"#, reply);
                Ok(Verdict::Answered)
            }
            "/ready" => {
                check_read(request)?;
                let audit = self.engine.recording() != Recording::Unavailable;
                let mut body = Vec::new();
                notice::readiness(&mut body, audit, !arrival.full, self.draining);
                let ready = audit && !arrival.full && !self.draining;
                let status = if ready { StatusCode::Ok } else { StatusCode::ServiceUnavailable };
                answer(knock, status, &body, reply);
                Ok(Verdict::Answered)
            }
            _ if is_socket_io => self.serve_socket_io(knock, out),
            _ if !upgrade && self.pages.respond(request, now, reply) => Ok(Verdict::Answered),
            "/" | "/ws" if self.draining => Err(Refusal::ShuttingDown),
            "/" | "/ws" => {
                let entry = self.admit(knock)?;
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
    pub(super) fn admit<'a>(&mut self, knock: Knock<'a>) -> Result<Entry<'a>, Refusal> {
        let Knock { arrival, request, now, .. } = knock;
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
                (Limit::AddressConnections, gate::RETRY_AFTER)
            }
            Ok(None) => return Ok(None),
            Ok(Some(grant)) => match gate.check_bearer(&grant, now.instant) {
                Ok(()) => return judged,
                Err(refused) => refused,
            },
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
fn answer(knock: Knock<'_>, status: StatusCode, body: &[u8], reply: &mut Vec<u8>) {
    let content_type = "application/json";
    let response = Response { status, content_type, fields: &[], body };
    response.write(reply, knock.now.wall, knock.request.method == "HEAD");
}

/// Whether the request only reads (RFC 9110 9.2.1).
fn check_read(request: &Request<'_>) -> Result<(), Refusal> {
    if matches!(request.method, "GET" | "HEAD") { Ok(()) } else { Err(Refusal::Method) }
}
