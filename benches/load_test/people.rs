//! The people, and their messages.

use std::fmt::Write;
use std::time::Duration as StdDuration;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::Duration;
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::reactor::clock::{random_uuid, wall_time};
use autamedica_signaling::wire::jwt::Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::clinic::Kind;
pub use super::clinic::Person;
use super::target::Target;

/// How tokens are signed, and their common claims.
pub struct Signer {
    pub key: Key,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    pub lifetime: StdDuration,
}

/// The position of somebody who returns.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    pub received: u64,
    pub stream: Option<u64>,
}

impl Signer {
    fn token(&self, person: &Person) -> String {
        let ticket = Ticket {
            user: person.user,
            role: person.role,
            session: person.session,
            permissions: &["room:*"],
            room_type: None,
            issued_at: wall_time(),
            lifetime: Duration::from_secs(self.lifetime.as_secs()),
            issuer: self.issuer.as_deref(),
            audience: self.audience.as_deref(),
            id: None,
        };
        mint(&self.key, &ticket)
    }
}

/// Doctor and patient of a new session.
pub fn couple() -> [Person; 2] {
    let session = SessionId::new(random_uuid());
    [Role::Doctor, Role::Patient].map(|role| {
        let user = UserId::new(random_uuid());
        Person { user, session, role }
    })
}

/// A client's upgrade request.
pub fn upgrade(target: &Target, signer: &Signer, person: &Person) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\
         Sec-WebSocket-Protocol: autamedica.v1\r\nAuthorization: Bearer {}\r\n\r\n",
        target.path,
        target.host,
        STANDARD.encode(random_uuid().as_bytes()),
        signer.token(person)
    )
}

/// `join-room`
pub fn join(person: &Person, resume: Option<Resume>) -> String {
    let mut text = person.join();
    if let Some(Resume { received, stream }) = resume {
        let stream = stream.map(|stream| format!(r#","stream":{stream}"#)).unwrap_or_default();
        add(&mut text, &format!(r#""resume":{{"received":{received}{stream}}}"#));
    }
    text
}

/// The kind of a relayed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    Offer,
    Answer,
    Candidate,
}

/// The message. Its number and due time are in two extra fields, which the server does not know and
/// relays unchanged.
pub fn say(saying: Saying, [from, to]: [&Person; 2], number: u64, due: u64) -> String {
    let mut text = match saying {
        Saying::Candidate => from.say(Kind::Candidate, to, None),
        Saying::Offer => from.say(Kind::Offer, to, None),
        Saying::Answer => from.answer(to),
    };
    add(&mut text, &format!(r#""number":{number},"due":{due}"#));
    text
}

/// Appends a member to an object.
fn add(object: &mut String, member: &str) {
    object.pop();
    // Writing to a string cannot fail.
    let _ = write!(object, ",{member}}}");
}
