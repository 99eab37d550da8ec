//! The people of two sessions, the tokens that they hold, and what they say.

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;

/// When everything begins.
pub const NOON: WallTime = WallTime::from_secs(1_800_000_000);

/// What every message of a session carries, for whoever must not see it.
pub const MARKS: [&str; 2] = ["mark-of-the-first", "mark-of-the-other"];

const SESSIONS: [&str; 2] =
    ["5e551000-0000-4000-8000-000000000001", "5e551000-0000-4000-8000-000000000002"];

/// Someone who holds a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// 0 or 1.
    pub session: usize,
    number: u8,
    role: Role,
    permissions: &'static [&'static str],
    room_type: Option<RoomType>,
    lifetime: Duration,
}

impl Person {
    /// The doctor of the first session.
    pub const DOCTOR: Self = Self::new(0, Role::Doctor);

    const fn new(number: u8, role: Role) -> Self {
        let lifetime = Duration::from_secs(3_600);
        Self { session: 0, number, role, permissions: &["room:*"], room_type: None, lifetime }
    }

    /// Whoever a letter stands for: a capital for someone of the first session, a small one for the same of the other.
    pub fn of(letter: u8) -> Self {
        use Role::{Doctor, Observer, Patient};
        let person = match letter & 0x0f {
            1 => Self::DOCTOR,
            2 => Self::new(1, Patient),
            number @ 3..=9 => Self::new(number, Observer),
            // Another doctor, another patient, and the two with their parts exchanged.
            10 => Self::new(10, Doctor),
            11 => Self::new(11, Patient),
            12 => Self::new(1, Doctor),
            13 => Self::new(0, Patient),
            // Tokens that do not let everything be done, or not for long.
            14 => Self { permissions: &["room:join"], ..Self::new(14, Observer) },
            15 => Self { permissions: &["room:signal"], ..Self::new(1, Patient) },
            _ => Self {
                room_type: Some(RoomType::Emergency),
                lifetime: Duration::from_secs(30),
                ..Self::DOCTOR
            },
        };
        Self { session: usize::from(letter >> 5 & 1), ..person }
    }

    /// The `userId`: no user of one session is in the other.
    pub fn user(&self) -> String {
        format!("05e70000-0000-4000-8000-{:04}000000{:02}", self.session + 1, self.number)
    }

    /// The `sessionId`.
    pub fn session_id(&self) -> &'static str {
        SESSIONS[self.session]
    }

    /// `join-room`, with the token where it is wanted.
    pub fn join(&self, with_token: bool) -> String {
        let (user, session, role) = (self.user(), self.session_id(), self.role.as_str());
        let token = match with_token {
            true => format!(r#","authToken":"{}""#, token(self)),
            false => String::new(),
        };
        let mark = MARKS[self.session];
        format!(
            r#""type":"join-room","sessionId":"{session}","userId":"{user}","userType":"{role}","x":"{mark}"{token}"#
        )
    }

    /// `leave-room`.
    pub fn leave(&self) -> String {
        format!(
            r#""type":"leave-room","sessionId":"{}","userId":"{}""#,
            self.session_id(),
            self.user()
        )
    }

    /// A message that is relayed, to `other`.
    pub fn relay(&self, kind: &str, other: &Self) -> String {
        let (session, from, to) = (self.session_id(), self.user(), other.user());
        let mark = MARKS[self.session];
        let body = match kind {
            "ice-candidate" => format!(r#""candidate":{{"candidate":"{mark}","sdpMid":"0"}}"#),
            _ => format!(r#""sdp":{{"type":"{kind}","sdp":"v=0\r\ns={mark}\r\n"}}"#),
        };
        format!(
            r#""type":"{kind}","sessionId":"{session}","fromUserId":"{from}","toUserId":"{to}",{body}"#
        )
    }

    /// The request to become a WebSocket.
    pub fn upgrade(&self, way: Way) -> String {
        let token = || token(self);
        let shown = match way {
            Way::Field => format!("Authorization: Bearer {}\r\n", token()),
            Way::Protocol => {
                format!("Sec-WebSocket-Protocol: autamedica.v1, bearer.{}\r\n", token())
            }
            Way::None => String::new(),
        };
        format!(
            "GET /ws HTTP/1.1\r\nHost: clinic.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{shown}\r\n"
        )
    }
}

/// How a token is presented with the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `Authorization`.
    Field,
    /// `Sec-WebSocket-Protocol`.
    Protocol,
    /// Not at all.
    None,
}

/// Judges the tokens of everybody.
pub fn tokens() -> Tokens {
    let leeway = Duration::from_secs(60);
    Tokens::new(TokenRules { keys: vec![key()], issuer: None, audience: None, leeway })
}

/// A good token.
pub fn token(person: &Person) -> String {
    let ticket = Ticket {
        user: UserId::parse(&person.user()).expect("a uuid"),
        role: person.role,
        session: SessionId::parse(person.session_id()).expect("a uuid"),
        permissions: person.permissions,
        room_type: person.room_type,
        issued_at: NOON,
        lifetime: person.lifetime,
        issuer: None,
        audience: None,
        id: None,
    };
    mint(&key(), &ticket)
}

/// The session whose `sessionId` this is.
pub fn session_of(id: &str) -> Option<usize> {
    SESSIONS.iter().position(|session| *session == id)
}

/// The session of a user.
pub fn session_of_user(id: &str) -> Option<usize> {
    let part = id.strip_prefix("05e70000-0000-4000-8000-000")?.chars().next()?;
    matches!(part, '1' | '2').then(|| usize::from(part == '2'))
}

fn key() -> Key {
    Key::new(b"a secret of exactly 32 bytes....").expect("32 bytes")
}
