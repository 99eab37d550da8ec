//! Tokens that were never issued, or not in this form. Each is presented in all four ways, and
//! refused in each.

use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::common::http::check_refusal;
use crate::common::raw::upgrade_request;
use crate::common::{Client, Person, Raw, SECRET, TestServer, session};

use super::hall::{Hall, Way, hear, is_undisturbed, text};

pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
pub const INVALID: &str = "TOKEN_INVALID";
pub const EXPIRED: &str = "TOKEN_EXPIRED";

pub fn mac<M: Mac + KeyInit>(secret: &[u8], signed: &str) -> String {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("any length");
    mac.update(signed.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

pub fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

pub fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let signed = unsigned(header, claims);
    format!("{signed}.{}", mac::<Hmac<Sha256>>(secret, &signed))
}

/// Signed with our own secret: only what it says can be wrong.
pub fn signed(header: &str, claims: &str) -> String {
    signed_with(SECRET, header, claims)
}

/// Whom the tokens are about, and a good one.
pub struct Bearer {
    pub person: Person,
    pub now: i64,
}

impl Bearer {
    pub fn new() -> Self {
        Self {
            person: Person::new(Role::Doctor, session()),
            now: clock::wall_time().as_millis() / 1_000,
        }
    }

    /// The claims, with some of them written otherwise. An empty value leaves its claim out.
    pub fn claims(&self, changes: &[(&str, &str)]) -> String {
        let Person { user, session, .. } = &self.person;
        let (iat, exp) = (self.now.to_string(), (self.now + 3_600).to_string());
        let mut claims = vec![
            ("userId", format!("\"{user}\"")),
            ("userType", "\"doctor\"".to_owned()),
            ("sessionId", format!("\"{session}\"")),
            ("permissions", "[\"room:*\"]".to_owned()),
            ("iat", iat),
            ("exp", exp),
        ];
        for (name, value) in changes {
            match claims.iter_mut().find(|(known, _)| known == name) {
                Some(claim) => claim.1 = (*value).to_owned(),
                None => claims.push((name, (*value).to_owned())),
            }
        }
        let members = claims.iter().filter(|(_, value)| !value.is_empty());
        let members: Vec<_> = members.map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    pub fn good(&self) -> String {
        signed(HEADER, &self.claims(&[]))
    }
}

/// A row: its name, the token, and what is said of it.
pub type Row = (String, String, &'static str);

pub fn invalid(name: impl Into<String>, token: impl Into<String>) -> Row {
    (name.into(), token.into(), INVALID)
}

/// Whether the token can stand in a field at all, and stays one token there.
fn fits_a_field(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

pub fn run(way: Way, what: &str, bearer: &Bearer, rows: Vec<Row>) {
    run_in(Hall::new(way), what, bearer, rows);
}

/// The same where the server has other settings.
pub fn run_in(mut hall: Hall, what: &str, bearer: &Bearer, rows: Vec<Row>) {
    // Else every refusal would prove nothing.
    hall.row("a good one", |server| {
        let mut raw = Raw::connect(server);
        raw.join(&Person { token: bearer.good(), ..bearer.person.clone() });
    });
    let mut refreshing = Client::join(&hall.server, &bearer.person);
    for (name, token, code) in rows {
        hall.row(&name, |server| {
            if fits_a_field(&token) {
                show_at_the_door(server, &token, code);
            }
            let mut raw = Raw::upgrade(server);
            let mut join = bearer.person.join_request();
            join["authToken"] = token.as_str().into();
            raw.send(&text(&join));
            let heard = hear(&mut raw);
            assert_eq!((heard.errors(), heard.code), (vec![code], Some(4401)), "in `join-room`");
            refreshing.send(&json!({ "type": "refresh-token", "authToken": token, "id": 7 }));
            let error = refreshing.expect("error");
            assert_eq!(
                (&error["code"], &error["id"]),
                (&json!(code), &json!(7)),
                "in `refresh-token`"
            );
            is_undisturbed(&mut refreshing);
        });
    }
    drop(refreshing);
    hall.close(what);
}

fn show_at_the_door(server: &TestServer, token: &str, code: &str) {
    for line in [
        format!("Authorization: Bearer {token}"),
        format!("Sec-WebSocket-Protocol: autamedica.v1, bearer.{token}"),
    ] {
        // A comma would end the entry of a list.
        if line.starts_with("Sec") && token.contains(',') {
            continue;
        }
        let mut raw = Raw::connect(server);
        raw.send(upgrade_request(&format!("{line}\r\n")).as_bytes());
        let response = raw.read_response();
        check_refusal(&response, 401, code);
        assert!(response.field("WWW-Authenticate").is_some_and(|text| text.starts_with("Bearer")));
    }
}

both_ways! {
    tokens_shown_twice_or_where_they_would_be_logged,
    a_good_token_opens_its_own_room_and_no_other,
}

fn tokens_shown_twice_or_where_they_would_be_logged(way: Way) {
    let bearer = Bearer::new();
    let (good, other) = (bearer.good(), Person::new(Role::Doctor, session()).token);
    let mut hall = Hall::new(way);
    let protocol = |token: &str| format!("Sec-WebSocket-Protocol: bearer.{token}\r\n");
    let field = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let query = |query: &str| upgrade_request("").replacen("/ws", &format!("/ws?{query}"), 1);
    for (name, request) in [
        ("both ways, the same", upgrade_request(&(field(&good) + &protocol(&good)))),
        ("both ways, another", upgrade_request(&(field(&good) + &protocol(&other)))),
        ("both ways, one of them bad", upgrade_request(&(field(&good) + &protocol("x")))),
        ("two fields", upgrade_request(&(field(&good) + &field(&good)))),
        ("two offers", upgrade_request(&(protocol(&good) + &protocol(&good)))),
        ("two offers in a line", upgrade_request(&protocol(&format!("{good}, bearer.{other}")))),
        ("in the query", query(&format!("token={good}"))),
        ("in the query beside another", query(&format!("a=b&access_token={good}"))),
        ("in the query, escaped", query(&format!("auth%54oken={good}"))),
        ("in the query, though bad", query("token=x")),
        ("in the query without a value", query("token")),
        (
            "in the query and in a field",
            query(&format!("token={good}")).replacen("Host", &format!("{}Host", field(&good)), 1),
        ),
    ] {
        hall.row(name, |server| {
            let mut raw = Raw::connect(server);
            raw.send(request.as_bytes());
            check_refusal(&raw.read_response(), 400, "BAD_REQUEST");
        });
    }
    // A name that only looks like ours grants nothing, and refuses nothing.
    for line in [
        format!("Authorization: Basic {good}\r\n"),
        format!("X-Token: {good}\r\n"),
        format!("Cookie: token={good}\r\n"),
    ] {
        hall.row(&line.clone(), |server| {
            let mut raw = Raw::connect(server);
            raw.send(upgrade_request(&line).as_bytes());
            raw.expect_upgrade();
            raw.send(&text(&bearer.person.join_request()));
            assert_eq!(raw.json()["code"], "UNAUTHORIZED");
        });
    }
    hall.close("ways to show a token");
}

fn a_good_token_opens_its_own_room_and_no_other(way: Way) {
    let bearer = Bearer::new();
    let mut hall = Hall::new(way);
    let id = |text: &str| SessionId::parse(text).expect("a session");
    let other = Person::with(
        Role::Patient,
        id(&bearer.person.session),
        UserId::new(clock::random_uuid()),
        &["room:*"],
    );
    for (name, change) in [
        ("another's name", json!({ "userId": other.user })),
        ("another part", json!({ "userType": "observer" })),
        ("another session", json!({ "sessionId": Person::new(Role::Doctor, session()).session })),
        ("another's token", json!({ "authToken": other.token })),
    ] {
        hall.row(name, |server| {
            let mut raw = Raw::upgrade(server);
            let mut join = bearer.person.join_request();
            join["authToken"] = bearer.good().into();
            for (name, value) in change.as_object().into_iter().flatten() {
                join[name] = Value::clone(value);
            }
            raw.send(&text(&join));
            assert_eq!(raw.json()["code"], "FORBIDDEN");
        });
    }
    hall.close("good tokens under another name");
}
