//! The demo page, and the tokens that it needs. Served in development only: production never builds
//! a [`Demo`].

use serde_json::json;

use crate::admission::mint::{Ticket, mint};
use crate::base::time::{Duration, Now};
use crate::connection::Pages;
use crate::message::{Role, SessionId, UserId};
use crate::wire::http::{Request, Response, StatusCode};
use crate::wire::jwt::Key;

/// What the page may load: its own files, the camera, and a connection to its own server.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; media-src 'self' blob: mediastream:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the page: path, media type, content.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("demo/index.html")),
    ("/demo.css", CSS, include_str!("demo/demo.css")),
    ("/demo.js", SCRIPT, include_str!("demo/demo.js")),
    ("/signaling-client.js", SCRIPT, include_str!("demo/signaling-client.js")),
    ("/call-code.js", SCRIPT, include_str!("demo/call-code.js")),
    ("/call.js", SCRIPT, include_str!("demo/call.js")),
    ("/codes.js", SCRIPT, include_str!("demo/codes.js")),
    ("/dom.js", SCRIPT, include_str!("demo/dom.js")),
    ("/flow.js", SCRIPT, include_str!("demo/flow.js")),
    ("/invite.js", SCRIPT, include_str!("demo/invite.js")),
    ("/link.js", SCRIPT, include_str!("demo/link.js")),
    ("/media.js", SCRIPT, include_str!("demo/media.js")),
    ("/notices.js", SCRIPT, include_str!("demo/notices.js")),
    ("/peer.js", SCRIPT, include_str!("demo/peer.js")),
    ("/people.js", SCRIPT, include_str!("demo/people.js")),
    ("/screen.js", SCRIPT, include_str!("demo/screen.js")),
    ("/socket-io.js", SCRIPT, include_str!("demo/socket-io.js")),
    ("/stage.js", SCRIPT, include_str!("demo/stage.js")),
    ("/status.js", SCRIPT, include_str!("demo/status.js")),
    ("/texts.js", SCRIPT, include_str!("demo/texts.js")),
    ("/tiles.js", SCRIPT, include_str!("demo/tiles.js")),
    ("/visit.js", SCRIPT, include_str!("demo/visit.js")),
];

/// The lifetime of a demo token, unless the page asks for less.
const LIFETIME_SECS: u64 = 3_600;

/// The demo's pages.
#[derive(Debug)]
pub struct Demo {
    key: Key,
    issuer: Option<String>,
    audience: Option<String>,
    random_ids: fn() -> (UserId, SessionId),
}

impl Demo {
    /// A demo whose tokens are signed with `key` and have the claims that the server requires.
    pub fn new(
        key: Key,
        issuer: Option<String>,
        audience: Option<String>,
        random_ids: fn() -> (UserId, SessionId),
    ) -> Self {
        Self { key, issuer, audience, random_ids }
    }

    /// `GET /development/token?userType=…&sessionId=…&userId=…&expiresIn=…`: all optional.
    fn token(&self, request: &Request<'_>, now: Now) -> Option<String> {
        let mut role = Role::Doctor;
        let (mut user, mut session) = (self.random_ids)();
        let mut lifetime_secs = LIFETIME_SECS;
        for (name, value) in request.query_parameters() {
            match name.as_ref() {
                "userType" => role = Role::parse(&value)?,
                "sessionId" => session = SessionId::parse(&value)?,
                "userId" => user = UserId::parse(&value)?,
                "expiresIn" => lifetime_secs = value.parse().ok()?,
                _ => {}
            }
        }
        let lifetime = Duration::from_secs(lifetime_secs.min(24 * LIFETIME_SECS));
        let ticket = Ticket {
            user,
            role,
            session,
            permissions: &["room:*"],
            room_type: None,
            issued_at: now.wall,
            lifetime,
            issuer: self.issuer.as_deref(),
            audience: self.audience.as_deref(),
            id: None,
        };
        let expires_at = now.wall.plus(lifetime).to_iso8601();
        let answer = json!({
            "token": mint(&self.key, &ticket),
            "userId": user.reveal().to_string(),
            "userType": role.as_str(),
            "sessionId": session.reveal().to_string(),
            "expiresAt": String::from_utf8_lossy(&expires_at),
        });
        Some(answer.to_string())
    }
}

impl Pages for Demo {
    fn respond(&mut self, request: &Request<'_>, now: Now, reply: &mut Vec<u8>) -> bool {
        if !matches!(request.method, "GET" | "HEAD") {
            return false;
        }
        let token;
        let (status, content_type, body) = if request.path == "/development/token" {
            // Pages of other sites may not ask (Fetch Metadata; absent outside browsers).
            let foreign = request
                .field("sec-fetch-site")
                .is_some_and(|site| site != "same-origin" && site != "none");
            match self.token(request, now).filter(|_| !foreign) {
                Some(text) => {
                    token = text;
                    (StatusCode::Ok, "application/json", token.as_str())
                }
                None => {
                    let refusal = r#"{"code":"BAD_REQUEST","message":"userType, sessionId, userId or expiresIn is wrong"}"#;
                    (StatusCode::BadRequest, "application/json", refusal)
                }
            }
        } else {
            match FILES.iter().find(|(path, ..)| *path == request.path) {
                Some((_, content_type, body)) => (StatusCode::Ok, *content_type, *body),
                None => return false,
            }
        };
        let fields = &[
            ("Content-Security-Policy", CONTENT_POLICY),
            ("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self)"),
        ];
        let response = Response { status, content_type, fields, body: body.as_bytes() };
        response.write(reply, now.wall, request.method == "HEAD");
        true
    }
}
