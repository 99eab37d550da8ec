//! The dashboard as one self-contained page, and lists in JSON.

use super::json::Json;
use crate::engine::Outline;
use crate::message::record::{Revocation, Revoked};
use crate::service::names::Names;

const PAGE: &str = include_str!("dashboard.html");
const STYLE: &str = include_str!("dashboard.css");
const SCRIPTS: [&str; 3] = [
    include_str!("dashboard/texts.js"),
    include_str!("dashboard/charts.js"),
    include_str!("dashboard/main.js"),
];

/// The content security policy and the page. Only the style and the script with this nonce are
/// allowed.
pub fn dashboard(nonce: &str) -> (String, String) {
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    );
    let page = PAGE.replace("{{nonce}}", nonce);
    let page = page.replace("{{style}}", STYLE).replace("{{script}}", &SCRIPTS.concat());
    (policy, page)
}

/// The rooms, by pseudonym or by id.
pub fn rooms(outlines: &[Outline], total: usize, names: &Names, ids: bool) -> Vec<u8> {
    Json::object(|json| {
        json.whole("total", total as u64);
        json.array("rooms", |json| {
            for room in outlines {
                json.element(|json| outline(json, room, names, ids));
            }
        });
    })
}

fn outline(json: &mut Json, room: &Outline, names: &Names, ids: bool) {
    let session = match ids {
        true => text(&room.session.to_text()),
        false => names.session(room.session).to_string(),
    };
    json.text("session", &session);
    json.text("status", room.status.as_str());
    json.text("roomType", room.room_type.as_str());
    json.whole("createdAt", room.created_at.as_millis().max(0) as u64);
    json.array("participants", |json| {
        for member in &room.members {
            let user = match ids {
                true => text(&member.user.to_text()),
                false => names.user(room.session, member.user).to_string(),
            };
            json.element(|json| {
                json.text("user", &user);
                json.text("role", member.role.as_str());
                json.text("connectionState", member.connection_state);
                json.whole("joinedAt", member.joined_at.as_millis().max(0) as u64);
                json.flag("emergency", member.emergency);
            });
        }
    });
}

/// The revocations. A person's pseudonym is valid only within a session, so for users and for
/// tokens only the kind is shown.
pub fn revocations(list: &[Revocation], names: &Names) -> Vec<u8> {
    Json::object(|json| {
        json.array("revocations", |json| {
            for one in list {
                json.element(|json| {
                    json.text("target", one.what.name());
                    if let Revoked::Session(session) = one.what {
                        json.text("session", names.session(session).as_str());
                    }
                    json.whole("until", one.until.as_millis().max(0) as u64);
                });
            }
        });
    })
}

fn text(id: &[u8]) -> String {
    String::from_utf8_lossy(id).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_says_so() {
        let (policy, page) = dashboard("0123456789abcdef");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert!(!page.contains("{{") && page.matches("nonce=\"0123456789abcdef\"").count() == 2);
        for from in ["src=\"http", "href=\"http", "url(http", "@import", "style=\""] {
            assert!(!page.contains(from), "{from}");
        }
    }
}
