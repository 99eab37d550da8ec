//! The content of a record, by event: the plain members, and the sealed ones. Pure, except for the
//! random pseudonyms.

use crate::message::record::{Deed, Event};
use crate::service::names::{Name, Names};
use crate::wire::json;

use super::chain::to_text;
use super::ended::revoked_text;
use super::line::Fields;
use super::queue::{Counts, Item};
use super::{Entry, OwnRecord};

/// Writes the members of `item`, and returns the name of its event. Both buffers must be empty.
pub fn describe(
    item: &Item,
    names: &Names,
    fields: &mut Fields,
    secret: &mut Vec<u8>,
) -> &'static str {
    match item {
        Item::Entry(entry) => {
            event_members(&entry.record.event, fields);
            about(entry, names, fields);
            seal(entry, secret);
            entry.record.event.name()
        }
        Item::Own(_, own) => own_members(own, fields),
        Item::Suppressed(since, counts) => {
            fields.time("since", *since).raw("counts", &counts_json(counts));
            "suppressed"
        }
    }
}

/// The counts as JSON: `{"connect":{"FORBIDDEN":12}}`.
pub fn counts_json(counts: &Counts) -> String {
    let mut text = String::from("{");
    let mut open = "";
    for ((event, code), count) in counts {
        if open != *event {
            text += if open.is_empty() { "\"" } else { "},\"" };
            text += &format!("{event}\":{{\"{code}\":{count}");
            open = event;
        } else {
            text += &format!(",\"{code}\":{count}");
        }
    }
    text + if open.is_empty() { "}" } else { "}}" }
}

fn event_members(event: &Event, fields: &mut Fields) {
    match *event {
        Event::Connect { refusal } => optional(fields, "refusal", refusal),
        Event::Authentication { way, failure } => {
            fields.text("way", way.as_str());
            optional(fields, "failure", failure);
        }
        Event::Admission { entry, emergency } => {
            fields.text("entry", entry.as_str()).flag("emergency", emergency);
        }
        Event::Withdrawal { code } => optional(fields, "code", Some(code)),
        Event::Refusal { code, request } => {
            fields.text("code", code).text("request", request);
        }
        Event::RoomStatus { status, room_type, closed_until, .. } => {
            fields.text("status", status.as_str()).text("roomType", room_type.as_str());
            if let Some(until) = closed_until {
                fields.time("closedUntil", until);
            }
        }
        Event::Fingerprint { sha256 } => {
            fields.text("sha256", &to_text(&sha256));
        }
        Event::Absence { reason } => {
            fields.text("reason", reason.as_str());
        }
        Event::Leave { reason } => {
            fields.text("reason", reason.as_str());
        }
        Event::TokenRefresh { expires_at } => {
            fields.time("expiresAt", expires_at);
        }
        Event::ConnectionFailed { code } => optional(fields, "code", Some(code)),
        Event::Limit { name } => optional(fields, "limit", Some(name)),
        Event::Operator { deed } => {
            fields.text("action", deed.name());
            match deed {
                Deed::Revoke(revocation) => {
                    fields.text("target", revocation.what.name()).time("until", revocation.until);
                }
                Deed::LogLevel(level) => optional(fields, "level", Some(level)),
                _ => {}
            }
        }
    }
}

fn optional(fields: &mut Fields, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        fields.text(name, value);
    }
}

/// User, session and address, by pseudonym.
fn about(entry: &Entry, names: &Names, fields: &mut Fields) {
    let subject = &entry.record.subject;
    optional(fields, "role", subject.role.map(crate::message::Role::as_str));
    if let Some(session) = subject.session {
        fields.text("session", names.session(session).as_str());
        if let Some(user) = subject.user {
            fields.text("user", names.user(session, user).as_str());
        }
        if let Event::RoomStatus { doctor, patient, .. } = entry.record.event {
            for (member, user) in [("doctor", doctor), ("patient", patient)] {
                optional(
                    fields,
                    member,
                    user.map(|user| names.user(session, user)).as_ref().map(Name::as_str),
                );
            }
        }
    }
    if let Some(address) = &entry.address {
        fields.text("address", names.address(*address.reveal()).as_str());
    }
    if entry.connection != 0 {
        fields.number("connection", entry.connection);
    }
}

/// The same with the real values, and the text that a person wrote.
fn seal(entry: &Entry, secret: &mut Vec<u8>) {
    let subject = &entry.record.subject;
    let mut member = |name: &str, json: &[u8]| {
        secret.extend_from_slice(if secret.is_empty() { b"{\"" } else { b",\"" });
        secret.extend_from_slice(name.as_bytes());
        secret.extend_from_slice(b"\":");
        secret.extend_from_slice(json);
    };
    let quoted = |text: &str| {
        let mut json = Vec::new();
        json::write_string(&mut json, text);
        json
    };
    if let Some(session) = subject.session {
        member("session", &quoted(&String::from_utf8_lossy(&session.to_text())));
    }
    if let Some(user) = subject.user {
        member("user", &quoted(&String::from_utf8_lossy(&user.to_text())));
    }
    if let Some(address) = &entry.address {
        member("address", &quoted(&address.reveal().to_string()));
    }
    if let Some(text) = &entry.text {
        member("text", text.reveal().as_bytes());
    }
    if let Event::Operator { deed: Deed::Revoke(revocation) } = entry.record.event {
        member("revoked", &quoted(&revoked_text(revocation.what)));
    }
    if !secret.is_empty() {
        secret.push(b'}');
    }
}

fn own_members(own: &OwnRecord, fields: &mut Fields) -> &'static str {
    match own {
        OwnRecord::Start { clean, key } => {
            fields.text("version", env!("CARGO_PKG_VERSION"));
            fields.flag("afterCrash", !clean).number("key", u64::from(*key));
            "start"
        }
        OwnRecord::Stop => "stop",
        OwnRecord::Configuration { sha256, summary } => {
            fields.text("sha256", &to_text(sha256)).text("summary", summary);
            "configuration"
        }
        OwnRecord::KeyChange { from, to } => {
            fields.number("from", u64::from(*from)).number("to", u64::from(*to));
            "key-change"
        }
        OwnRecord::Gap { from, to, cause, dropped } => {
            fields.time("from", *from).time("to", *to).text("cause", cause);
            fields.raw("dropped", &counts_json(dropped));
            "gap"
        }
        OwnRecord::Hold { sessions, sha256 } => {
            fields.number("sessions", *sessions).text("sha256", &to_text(sha256));
            "hold"
        }
        OwnRecord::CheckpointsFailed { since, count } => {
            fields.time("since", *since).number("count", *count);
            "checkpoints-failed"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_json_grouped_by_event() {
        assert_eq!(counts_json(&Counts::new()), "{}");
        let counts = Counts::from([(("a", "X"), 1), (("a", "Y"), 2), (("b", ""), 3)]);
        assert_eq!(counts_json(&counts), r#"{"a":{"X":1,"Y":2},"b":{"":3}}"#);
    }
}
