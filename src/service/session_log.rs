//! What the operational log says about people and sessions: the same as the audit log, under
//! pseudonyms. Nothing that a client wrote is repeated. Lines that a crowd can cause are those that
//! the audit log may count as well ([`Event::is_cheap`]).

use std::net::IpAddr;

use log::{debug, info, warn};

use super::crowd::CROWD;
use super::names::{Name, Names};
use crate::base::redacted::Redacted;
use crate::message::notice::RoomStatus;
use crate::message::record::{Event, Record, Subject};
use crate::message::{Role, UserId};

/// Writes the line for a record, if its level is enabled.
pub fn tell(names: &Names, record: &Record, address: Option<Redacted<IpAddr>>, connection: u64) {
    if log::max_level() < log::LevelFilter::Warn {
        return;
    }
    let Subject { session, user, role } = record.subject;
    let who = Who {
        connection,
        session: session.map(|session| names.session(session)),
        user: session.zip(user).map(|(session, user)| names.user(session, user)),
        role: role.map(Role::as_str),
        address: address.map(|address| names.address(*address.reveal())),
    };
    match record.event {
        Event::RoomStatus { status, room_type, doctor, patient, .. } => {
            let name = |user: Option<UserId>| {
                session.zip(user).map(|(session, user)| names.user(session, user))
            };
            let (doctor, patient) = (name(doctor), name(patient));
            info!(
                sessionId = text(&who.session), doctorId = text(&doctor), patientId = text(&patient),
                sessionType = room_type.as_str();
                "{}", what_happened(status)
            );
        }
        Event::Connect { .. } | Event::Authentication { .. } => {
            tell_of_arrival(&record.event, &who)
        }
        Event::Admission { .. }
        | Event::Absence { .. }
        | Event::Leave { .. }
        | Event::ConnectionFailed { .. } => tell_of_participant(&record.event, &who),
        _ => tell_of_request(&record.event, &who),
    }
}

/// Whom a line is about, by pseudonym.
struct Who {
    connection: u64,
    session: Option<Name>,
    user: Option<Name>,
    role: Option<&'static str>,
    address: Option<Name>,
}

fn tell_of_arrival(event: &Event, who: &Who) {
    let (connection, address) = (who.connection, text(&who.address));
    match *event {
        Event::Connect { refusal: Some(code) } => {
            info!(
                target: CROWD, connection, errorCode = code, networkInfo = address;
                "Connection refused"
            );
        }
        Event::Authentication { failure: Some(code), way } => warn!(
            target: CROWD, connection, errorCode = code, way = way.as_str(), networkInfo = address;
            "Authentication failed"
        ),
        Event::Authentication { failure: None, way } => debug!(
            connection, sessionId = text(&who.session), userId = text(&who.user), role = who.role,
            way = way.as_str();
            "Authenticated"
        ),
        _ => debug!(connection, networkInfo = address; "Connection opened"),
    }
}

fn tell_of_participant(event: &Event, who: &Who) {
    let Who { connection, role, .. } = *who;
    let (session, user) = (text(&who.session), text(&who.user));
    match *event {
        Event::Admission { entry, emergency: false } => info!(
            connection, sessionId = session, userId = user, role, entry = entry.as_str();
            "Participant admitted"
        ),
        Event::Admission { entry, emergency: true } => warn!(
            connection, sessionId = session, userId = user, role, entry = entry.as_str();
            "Emergency access"
        ),
        Event::Absence { reason } => info!(
            connection, sessionId = session, userId = user, role, reason = reason.as_str();
            "Participant away"
        ),
        Event::Leave { reason } => info!(
            connection, sessionId = session, userId = user, role, reason = reason.as_str();
            "Participant left"
        ),
        Event::ConnectionFailed { code } => warn!(
            connection, sessionId = session, userId = user, role, errorCode = code;
            "Connection failed"
        ),
        _ => {}
    }
}

fn tell_of_request(event: &Event, who: &Who) {
    let (connection, session, user) = (who.connection, text(&who.session), text(&who.user));
    match *event {
        Event::Withdrawal { code } => info!(
            connection, sessionId = session, userId = user, errorCode = code;
            "Admission withdrawn"
        ),
        Event::Refusal { code, request } => info!(
            target: CROWD, connection, sessionId = session, userId = user, errorCode = code, request;
            "Request refused"
        ),
        Event::Limit { name } => info!(
            target: CROWD, connection, sessionId = session, userId = user, limit = name;
            "Limit reached"
        ),
        Event::Operator { deed } => info!(
            sessionId = session, userId = user, action = deed.name();
            "Operator action"
        ),
        Event::TokenRefresh { .. } => debug!(
            connection, sessionId = session, userId = user;
            "Token refreshed"
        ),
        Event::Fingerprint { .. } => debug!(
            connection, sessionId = session, userId = user;
            "Media certificates noted"
        ),
        _ => {}
    }
}

fn text(name: &Option<Name>) -> Option<&str> {
    name.as_ref().map(Name::as_str)
}

const fn what_happened(status: RoomStatus) -> &'static str {
    match status {
        RoomStatus::Waiting => "Medical session opened",
        RoomStatus::Active => "Medical session started",
        RoomStatus::Ended => "Medical session ended",
    }
}
