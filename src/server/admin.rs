//! The administrator's listener: metrics, statistics, the dashboard, and an API for actions. It is
//! a separate reactor with its own thread and address. So no client reaches it, and it reaches
//! clients only through their reactors' mailboxes.

mod access;
mod actions;
mod exposition;
mod history;
mod json;
mod page;
mod report;
mod view;

use std::io;
use std::net::SocketAddr;

use super::parts::rate;
use crate::base::redacted::Redacted;
use crate::base::time::{Duration, Instant, Now, WallTime};
use crate::config::Config;
use crate::connection::{Application, Arrival, Message, Output, Verdict};
use crate::engine::{Answer, Command, Effects, PeerId};
use crate::message::notice;
use crate::message::record::Deed;
use crate::reactor::{self, Edge, Handle, Listening, Reactor, clock};
use crate::service::audit::Audit;
use crate::service::names::Names;
use crate::service::process::{self, Usage};
use crate::wire::frame::{CloseCode, Limits};
use crate::wire::http::{Request, Response, StatusCode};

use access::{Access, Denied};
use actions::{Actions, Refused, is_action, is_recorded};
use history::{History, PERIOD};
use json::Json;
use view::{Bounds, View, Watch};

/// Enough for operators, their browsers and metrics collectors.
const CONNECTIONS_MAX: usize = 256;

/// The bound of each pool. Everything here is small, and must be.
const POOL_BYTES: usize = 16 * 1024 * 1024;

/// Nothing here speaks WebSocket.
const NO_MESSAGES: Limits = Limits { message_bytes_max: 0, fragments_max: 1, binary: false };

const JSON: &str = "application/json";

/// The application of the administrator's listener.
pub struct Admin {
    access: Access,
    watch: Watch,
    names: Names,
    history: History,
    next_sample: Instant,
}

/// Binds the address, on which nobody can connect yet.
///
/// # Errors
/// If that fails.
pub fn prepare(config: &Config, address: SocketAddr, server: Handle) -> io::Result<Reactor<Admin>> {
    let now = clock::wall_time();
    let watch = Watch {
        server,
        audit: None,
        bounds: Bounds::of(config),
        leeway_secs: i64::try_from(config.token_leeway.as_secs()).unwrap_or(0),
        started_ms: process::started_at().unwrap_or(now).as_millis(),
    };
    let token = Redacted::new(config.admin_token.reveal().clone());
    let mut history = History::default();
    history.tell(now, history::Severity::Info, "started", "", 1);
    let admin = Admin {
        access: Access::new(token, address.ip()),
        watch,
        names: Names::new(clock::random_secret()),
        history,
        next_sample: Instant::default(),
    };
    let options = reactor::Options {
        // If two servers share an address, the newer one answers from now on.
        listening: if config.take_over {
            Listening::Shared(address)
        } else {
            Listening::Alone(address)
        },
        drain: Duration::default(),
        connections_max: CONNECTIONS_MAX,
        head_timeout: Duration::from_secs(10),
        heartbeat: Duration::from_secs(25),
        send_queue_bytes_max: POOL_BYTES,
        heads_per_address_max: u64::MAX,
        accept_rate: rate(1_000, 1_000),
        bytes_rate: rate(usize::MAX, usize::MAX),
        cut_bytes_max: POOL_BYTES,
        unsent_bytes_max: POOL_BYTES,
        edge: Edge::default(),
    };
    Reactor::prepare(options, admin)
}

impl Admin {
    /// Shows the state of this audit log, and uses its pseudonyms.
    pub fn watch_audit(&mut self, audit: Audit) {
        self.names = audit.names().clone();
        self.watch.audit = Some(audit);
    }

    fn route(&mut self, request: &Request<'_>, now: Now) -> Result<Reply, Refusal> {
        self.access.check_host(request)?;
        if request.path == "/" {
            check_method(request, &["GET", "HEAD"])?;
            return Ok(Reply::Page);
        }
        self.access.check(request)?;
        match request.path {
            "/health" | "/ready" | "/metrics" | "/stats" | "/api/overview" | "/api/rooms" => {
                check_method(request, &["GET", "HEAD"])?;
                self.read(request, now)
            }
            "/api/revocations" if matches!(request.method, "GET" | "HEAD") => self.revocations(now),
            path if is_action(path) => {
                check_method(request, &["POST"])?;
                self.access.check_action(request)?;
                if request.has_body() {
                    return Err(Refused::Wrong("a body: parameters stand in the query").into());
                }
                let Self { watch, names, history, .. } = self;
                Actions { watch, names, history, now }
                    .perform(request)
                    .map(Reply::Json)
                    .map_err(Into::into)
            }
            _ => Err(Refused::NotFound.into()),
        }
    }

    fn read(&mut self, request: &Request<'_>, now: Now) -> Result<Reply, Refusal> {
        if request.path == "/api/rooms" {
            return self.rooms(request, now);
        }
        let view = self.look(now);
        let Watch { bounds, started_ms, .. } = &self.watch;
        Ok(match request.path {
            "/metrics" => Reply::Metrics(exposition::write(&view, bounds, *started_ms)),
            "/stats" => Reply::Json(report::stats(&view, &self.history)),
            "/health" => {
                let body = Json::object(|json| {
                    json.text("status", if view.is_alive() { "ok" } else { "stuck" });
                    report::health(json, &view, bounds);
                });
                if view.is_alive() { Reply::Json(body) } else { Reply::Unavailable(body) }
            }
            "/ready" => {
                let (audit, room) = (view.audit_ok(), view.has_room(bounds));
                let mut body = Vec::new();
                notice::readiness(&mut body, audit, room, view.draining);
                let ready = audit && room && !view.draining;
                if ready { Reply::Json(body) } else { Reply::Unavailable(body) }
            }
            _ => {
                let since = number(request, "since")?.unwrap_or(0);
                let since = WallTime::from_millis(i64::try_from(since).unwrap_or(i64::MAX));
                Reply::Json(report::overview(&view, &self.history, bounds, *started_ms, since))
            }
        })
    }

    /// The rooms, by pseudonym. With `ids=1` by their real ids, which is recorded in the audit log.
    fn rooms(&mut self, request: &Request<'_>, now: Now) -> Result<Reply, Refusal> {
        let skip = number(request, "skip")?.unwrap_or(0) as usize;
        let most = number(request, "limit")?.unwrap_or(100).min(1_000) as usize;
        let ids = number(request, "ids")? == Some(1);
        let mut recorded = true;
        if ids {
            let note = |at| if at == 0 { Command::Note(Deed::ShowIds) } else { Command::Look };
            recorded = is_recorded(&self.watch.ask(note).map_err(Refused::Stuck)?);
            self.history.tell(now.wall, history::Severity::Info, "action", "show-ids", 1);
        }
        if !recorded && self.watch.audit.is_some() {
            return Err(Refusal::Unrecorded);
        }
        let (outlines, total) = self.watch.rooms(skip, most).map_err(Refused::Stuck)?;
        Ok(Reply::Json(page::rooms(&outlines, total, &self.names, ids)))
    }

    fn revocations(&mut self, _now: Now) -> Result<Reply, Refusal> {
        let answers = self.watch.ask(|_| Command::Revocations).map_err(Refused::Stuck)?;
        // Each loop knows all revocations.
        let first = answers.into_iter().next().map(|(_, answer)| answer);
        let list = match first {
            Some(Answer::Revocations(list)) => list,
            _ => Vec::new(),
        };
        Ok(Reply::Json(page::revocations(&list, &self.names)))
    }

    fn look(&mut self, now: Now) -> View {
        let view = self.watch.look(now);
        self.history.note_loops(now.wall, !view.is_alive());
        self.history.note_state(now.wall, !view.audit_ok(), view.draining);
        view
    }
}

/// A successful answer.
enum Reply {
    Page,
    Json(Vec<u8>),
    Unavailable(Vec<u8>),
    Metrics(String),
}

/// A refusal.
enum Refusal {
    Denied(Denied),
    Refused(Refused),
    Method(&'static [&'static str]),
    Unrecorded,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

fn check_method(request: &Request<'_>, known: &'static [&'static str]) -> Result<(), Refusal> {
    if known.contains(&request.method) { Ok(()) } else { Err(Refusal::Method(known)) }
}

fn number(request: &Request<'_>, wanted: &'static str) -> Result<Option<u64>, Refused> {
    let found = request.query_parameters().find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.parse().map_err(|_| Refused::Wrong(wanted))).transpose()
}

impl Refusal {
    fn write(&self, out: &mut Vec<u8>, now: WallTime, head_only: bool) {
        let bearer = ("WWW-Authenticate", "Bearer");
        let allow = match self {
            Self::Method(known) => known.join(", "),
            _ => String::new(),
        };
        let (status, code, text, field) = match self {
            Self::Denied(Denied::Token) => {
                (StatusCode::Unauthorized, "UNAUTHORIZED", "the administrator's token is needed".to_owned(), Some(bearer))
            }
            Self::Denied(Denied::Elsewhere) => {
                (StatusCode::Forbidden, "FORBIDDEN", "the request comes from a page of elsewhere, or by a name that is not this machine's".to_owned(), None)
            }
            Self::Denied(Denied::Unmeant) => {
                (StatusCode::Forbidden, "FORBIDDEN", "an action needs the field X-Admin-Action, or Content-Type: application/json".to_owned(), None)
            }
            Self::Method(_) => {
                let text = format!("this path is served to {allow}");
                (StatusCode::MethodNotAllowed, "METHOD_NOT_ALLOWED", text, Some(("Allow", allow.as_str())))
            }
            Self::Unrecorded => {
                (StatusCode::ServiceUnavailable, "AUDIT_UNAVAILABLE", "real ids are shown only where the audit log hears of it".to_owned(), None)
            }
            Self::Refused(refused) => {
                let (code, text) = refused.told();
                let status = match refused {
                    Refused::NotFound => StatusCode::NotFound,
                    Refused::Wrong(_) => StatusCode::BadRequest,
                    Refused::Full | Refused::Stuck(_) => StatusCode::ServiceUnavailable,
                };
                (status, code, text, None)
            }
        };
        let mut body = Vec::new();
        notice::refusal(&mut body, code, &text);
        let fields: Vec<_> = field.into_iter().collect();
        let response = Response { status, content_type: JSON, fields: &fields, body: &body };
        response.write(out, now, head_only);
    }
}

impl Application for Admin {
    fn limits(&self, _peer: PeerId) -> &Limits {
        &NO_MESSAGES
    }

    fn request(
        &mut self,
        _peer: PeerId,
        _arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict {
        let head_only = request.method == "HEAD";
        let mut answer = |status, content_type, fields: &[(&'static str, &str)], body: &[u8]| {
            let response = Response { status, content_type, fields, body };
            response.write(&mut out.reply, now.wall, head_only);
        };
        match self.route(request, now) {
            Ok(Reply::Json(body)) => answer(StatusCode::Ok, JSON, &[], &body),
            Ok(Reply::Unavailable(body)) => {
                answer(StatusCode::ServiceUnavailable, JSON, &[], &body);
            }
            Ok(Reply::Metrics(text)) => {
                answer(StatusCode::Ok, exposition::CONTENT_TYPE, &[], text.as_bytes());
            }
            Ok(Reply::Page) => {
                let (policy, html) = page::dashboard(&clock::random_uuid().simple().to_string());
                let fields = [("Content-Security-Policy", policy.as_str())];
                answer(StatusCode::Ok, "text/html; charset=utf-8", &fields, html.as_bytes());
            }
            Err(refusal) => refusal.write(&mut out.reply, now.wall, head_only),
        }
        Verdict::Answered
    }

    fn receive(&mut self, _: PeerId, _: Message<'_>, _: Now, _: &mut Effects) {}

    fn left(&mut self, _peer: PeerId, _now: Now, _effects: &mut Effects) {}

    fn close_reply(&self, _code: Option<CloseCode>) -> CloseCode {
        CloseCode::Normal
    }

    fn advance(&mut self, now: Now, _effects: &mut Effects) {
        if now.instant >= self.next_sample {
            self.next_sample = now.instant + PERIOD;
            self.history.add(now, self.watch.server.counters(), Usage::read());
            let unavailable =
                self.watch.audit.as_ref().is_some_and(|audit| !audit.gauges().available);
            self.history.note_state(now.wall, unavailable, self.watch.server.is_stopping());
        }
    }

    fn next_deadline(&self, _now: Now) -> Option<Instant> {
        Some(self.next_sample)
    }

    fn shut_down(&mut self, _effects: &mut Effects) {}
}
