//! An operator's actions. Each is entered in the audit log, and answered once the entry is on disk,
//! or cannot be written.

use log::LevelFilter;

use super::history::{History, Severity};
use super::json::Json;
use super::view::Watch;
use crate::admission::claims::token_id;
use crate::base::time::{Duration, Now, WallTime};
use crate::engine::{Answer, Command, Outline};
use crate::message::record::{Deed, Revocation, Revoked};
use crate::message::{SessionId, UserId};
use crate::reactor::Asked;
use crate::service::names::Names;
use crate::wire::http::Request;

/// How long to wait for the record of an action.
const RECORD_PATIENCE: Duration = Duration::from_secs(3);

/// How many rooms are searched at a time.
const ROOMS_AT_ONCE: usize = 500;

/// How long a revocation lasts by default, and at most.
const REVOKED_SECS: i64 = 24 * 3_600;
const REVOKED_SECS_MAX: i64 = 366 * 24 * 3_600;

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such session, participant or path.
    NotFound,
    /// The request is not understood; the text says which part.
    Wrong(&'static str),
    /// The table of revocations is full.
    Full,
    /// An event loop does not answer.
    Stuck(usize),
}

/// Carries out `POST` requests.
pub struct Actions<'a> {
    pub watch: &'a Watch,
    pub names: &'a Names,
    pub history: &'a mut History,
    pub now: Now,
}

/// Whether there is an action at this path.
pub fn is_action(path: &str) -> bool {
    matches!(
        *parts(path),
        ["sessions", _, "end" | "revoke"]
            | ["sessions", _, "participants", _, "remove" | "revoke"]
            | ["revocations" | "log-level" | "drain"]
    )
}

/// The parts of a path behind `/api/`.
fn parts(path: &str) -> Vec<&str> {
    path.strip_prefix("/api/").map_or_else(Vec::new, |rest| rest.split('/').collect())
}

impl Actions<'_> {
    /// Performs the requested action.
    pub fn perform(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Refused> {
        match *parts(request.path) {
            ["sessions", session, "end"] => {
                let session = self.session(session)?;
                self.order("end-session", |_| Command::EndSession(session))
            }
            ["sessions", session, "revoke"] => {
                let session = self.session(session)?;
                self.revoke(Revoked::Session(session), request)
            }
            ["sessions", session, "participants", user, "remove"] => {
                let session = self.session(session)?;
                let user = self.user(session, user)?;
                self.order("remove-participant", |_| Command::Remove(session, user))
            }
            ["sessions", session, "participants", user, "revoke"] => {
                let session = self.session(session)?;
                let user = self.user(session, user)?;
                self.revoke(Revoked::User(user), request)
            }
            ["revocations"] => {
                let what = self.what(request)?;
                self.revoke(what, request)
            }
            ["log-level"] => self.set_log_level(request),
            ["drain"] => {
                let done = self.order("drain", |at| match at {
                    0 => Command::Note(Deed::Drain),
                    _ => Command::Look,
                })?;
                self.watch.server.shutdown();
                Ok(done)
            }
            _ => Err(Refused::NotFound),
        }
    }

    fn order(
        &mut self,
        name: &'static str,
        command: impl Fn(usize) -> Command,
    ) -> Result<Vec<u8>, Refused> {
        let answers = self.watch.ask(command).map_err(Refused::Stuck)?;
        let had_room = answers.iter().all(|(_, answer)| *answer != Answer::Full);
        let done = answers.iter().any(|(_, answer)| *answer == Answer::Done);
        if !had_room {
            return Err(Refused::Full);
        }
        if !done {
            return Err(Refused::NotFound);
        }
        log::warn!(action = name; "An operator acts");
        self.history.tell(self.now.wall, Severity::Info, "action", name, 1);
        let recorded = is_recorded(&answers);
        Ok(Json::object(|json| {
            json.flag("done", true);
            json.flag("recorded", recorded);
        }))
    }

    fn revoke(&mut self, what: Revoked, request: &Request<'_>) -> Result<Vec<u8>, Refused> {
        let until = self.until(request)?;
        let revocation = Revocation { what, until };
        self.order("revoke", |at| Command::Revoke { revocation, tell: at == 0 })
    }

    /// `seconds` from now, or the `exp` of the tokens; 0 seconds lift a revocation.
    fn until(&self, request: &Request<'_>) -> Result<WallTime, Refused> {
        let number = |name: &'static str| {
            let value = one(request, name)?;
            let number = value.map(|text| text.parse::<i64>().map_err(|_| Refused::Wrong(name)));
            number.transpose()
        };
        let now = self.now.wall.as_secs();
        let secs = match (number("seconds")?, number("exp")?) {
            (None, None) => now + REVOKED_SECS,
            (Some(secs), None) if (0..=REVOKED_SECS_MAX).contains(&secs) => now + secs,
            (None, Some(exp)) if exp > now && exp - now <= REVOKED_SECS_MAX => exp,
            (Some(_), None) => return Err(Refused::Wrong("seconds")),
            _ => return Err(Refused::Wrong("exp")),
        };
        // Later than any token can be used, whatever the leeway.
        let leeway = if secs == now { 0 } else { self.watch.leeway_secs };
        Ok(WallTime::from_secs(secs + leeway))
    }

    fn what(&self, request: &Request<'_>) -> Result<Revoked, Refused> {
        let [user, session, jti] = ["user", "session", "jti"].map(|name| one(request, name));
        match (user?, session?, jti?) {
            (Some(user), None, None) => {
                UserId::parse(&user).map(Revoked::User).ok_or(Refused::Wrong("user"))
            }
            (None, Some(session), None) => self.session(&session).map(Revoked::Session),
            (None, None, Some(jti)) if !jti.is_empty() => Ok(Revoked::Token(token_id(&jti))),
            _ => Err(Refused::Wrong("user, session or jti, one of them")),
        }
    }

    fn set_log_level(&mut self, request: &Request<'_>) -> Result<Vec<u8>, Refused> {
        let level = one(request, "level")?;
        let level = level.and_then(|level| level.parse::<LevelFilter>().ok());
        let level = level.ok_or(Refused::Wrong("level"))?;
        let name = match level {
            LevelFilter::Off => "off",
            LevelFilter::Error => "error",
            LevelFilter::Warn => "warn",
            LevelFilter::Info => "info",
            LevelFilter::Debug => "debug",
            LevelFilter::Trace => "trace",
        };
        let done = self.order("log-level", |at| match at {
            0 => Command::Note(Deed::LogLevel(name)),
            _ => Command::Look,
        })?;
        log::set_max_level(level);
        Ok(done)
    }

    /// A session by its id, or one that has a room, by its pseudonym.
    fn session(&self, text: &str) -> Result<SessionId, Refused> {
        let by_name = || self.find(|room| self.names.session(room.session).as_str() == text);
        SessionId::parse(text).map_or_else(|| by_name().map(|room| room.session), Ok)
    }

    /// A user by id, or a member of this room by pseudonym.
    fn user(&self, session: SessionId, text: &str) -> Result<UserId, Refused> {
        if let Some(user) = UserId::parse(text) {
            return Ok(user);
        }
        let room = self.find(|room| room.session == session)?;
        let called = |user: &UserId| self.names.user(session, *user).as_str() == text;
        room.members.iter().map(|member| member.user).find(called).ok_or(Refused::NotFound)
    }

    /// Searches all rooms. Pseudonyms are derived from ids and cannot be reversed, so there is no
    /// other way.
    fn find(&self, is_it: impl Fn(&Outline) -> bool) -> Result<Outline, Refused> {
        let mut seen = 0;
        loop {
            let (outlines, total) =
                self.watch.rooms(seen, ROOMS_AT_ONCE).map_err(Refused::Stuck)?;
            seen += outlines.len();
            let is_last = outlines.is_empty() || seen >= total;
            match outlines.into_iter().find(&is_it) {
                Some(room) => return Ok(room),
                None if is_last => return Err(Refused::NotFound),
                None => {}
            }
        }
    }
}

/// Whether the record of an action is on disk, according to the loop that wrote it.
pub fn is_recorded(answers: &[(Asked, Answer)]) -> bool {
    let mut told = answers.iter().filter(|(_, answer)| *answer != Answer::NotFound);
    told.any(|(asked, _)| asked.is_recorded(RECORD_PATIENCE))
}

/// A query parameter that may occur only once.
fn one(request: &Request<'_>, wanted: &'static str) -> Result<Option<String>, Refused> {
    let mut found = request.query_parameters().filter(|(name, _)| name == wanted);
    match (found.next(), found.next()) {
        (first, None) => Ok(first.map(|(_, value)| value.into_owned())),
        _ => Err(Refused::Wrong(wanted)),
    }
}

impl Refused {
    /// The status code and the text of the answer.
    pub fn told(self) -> (&'static str, String) {
        match self {
            Self::NotFound => ("NOT_FOUND", "there is no such thing here".to_owned()),
            Self::Wrong(name) => ("BAD_REQUEST", format!("missing, wrong or too many: {name}")),
            Self::Full => ("FULL", "there are as many revocations as can be remembered".to_owned()),
            Self::Stuck(at) => ("STUCK", format!("event loop {at} does not answer")),
        }
    }
}
