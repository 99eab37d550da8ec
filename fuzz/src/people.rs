//! The people of two sessions, the tokens that they hold, and what they say.

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::engine::{IceOptions, Logins};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::ice_url::IceUrl;
use autamedica_signaling::wire::jwt::Key;
use autamedica_signaling::wire::turn::Minter;

/// When everything begins.
pub const NOON: WallTime = WallTime::from_secs(1_800_000_000);

/// What every message of a session carries, for whoever must not see it.
pub const MARKS: [&str; 2] = ["mark-of-the-first", "mark-of-the-other"];

/// How every `userId` begins.
pub const USERS: &str = "05e70000-0000-4000-";

/// The `sessionId` of both sessions.
pub const SESSIONS: [&str; 2] =
    ["5e551000-0000-4000-8000-000000000001", "5e551000-0000-4000-8000-000000000002"];

/// Whose `userId` ends in this number holds `room:emergency`.
const EMERGENCY: u8 = 17;

/// Someone who holds a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The session of the token: 0 or 1.
    pub home: usize,
    /// The session that messages name.
    pub session: usize,
    number: u8,
    role: Role,
    permissions: &'static [&'static str],
    room_type: Option<RoomType>,
    lifetime: Duration,
}

impl Person {
    /// The doctor of the first session.
    pub const DOCTOR: Self = Self::new(1, Role::Doctor);

    const fn new(number: u8, role: Role) -> Self {
        let lifetime = Duration::from_secs(3_600);
        let permissions = &["room:*"];
        Self { home: 0, session: 0, number, role, permissions, room_type: None, lifetime }
    }

    /// Whoever a letter stands for: a capital for someone of the first session, a small one for the same of the other.
    /// With the top bit set they speak of the session that is not theirs.
    pub fn of(letter: u8) -> Self {
        use Role::{Doctor, Observer, Patient};
        let person = match letter & 0x1f {
            1 => Self::DOCTOR,
            2 => Self::new(2, Patient),
            number @ 3..=9 => Self::new(number, Observer),
            // Another doctor, another patient, and the two with their parts exchanged.
            10 => Self::new(10, Doctor),
            11 => Self::new(11, Patient),
            12 => Self::new(2, Doctor),
            13 => Self::new(1, Patient),
            // Tokens that do not let everything be done, or not for long.
            14 => Self { permissions: &["room:join"], ..Self::new(14, Observer) },
            15 => Self { permissions: &["room:signal"], ..Self::new(2, Patient) },
            16 => Self { lifetime: Duration::from_secs(30), ..Self::DOCTOR },
            EMERGENCY => {
                Self { permissions: &["room:*", "room:emergency"], ..Self::new(EMERGENCY, Doctor) }
            }
            18 => Self { permissions: &["room:*", "room:emergency"], ..Self::new(18, Observer) },
            _ => Self { room_type: Some(RoomType::Emergency), ..Self::DOCTOR },
        };
        let home = usize::from(letter >> 5 & 1);
        let session = if letter & 0x80 == 0 { home } else { 1 - home };
        Self { home, session, ..person }
    }

    /// The `userId`: it tells the session of the token.
    pub fn user(&self) -> String {
        format!("{USERS}{:04}-0000000000{:02}", self.home + 1, self.number)
    }

    /// The `sessionId`.
    pub fn session_id(&self) -> &'static str {
        SESSIONS[self.session]
    }

    /// `join-room`, with the token where there is one to show, and with how much the client has received.
    pub fn join(&self, token: Option<&str>, received: Option<usize>) -> String {
        let token = token.map_or(String::new(), |token| format!(r#","authToken":"{token}""#));
        let resume = received.map(|count| format!(r#","resume":{{"received":{count}}}"#));
        let resume = resume.unwrap_or_default();
        let (role, mark) = (self.role.as_str(), MARKS[self.session]);
        let rest = format!(r#""userType":"{role}","reason":"{mark}"{token}{resume}"#);
        format!("{},{rest}", self.says("join-room"))
    }

    /// What has no more in it than who says it: `leave-room`, `end-session`.
    pub fn says(&self, kind: &str) -> String {
        let (session, user) = (self.session_id(), self.user());
        format!(r#""type":"{kind}","sessionId":"{session}","userId":"{user}""#)
    }

    /// What the others hear of: `media-state`, `connection-state` and `connection-stats`.
    pub fn reports(&self, choice: u8) -> String {
        let (kind, body) = match choice & 3 {
            0 => ("media-state", r#""audio":true,"video":false,"screen":true"#),
            1 => ("connection-state", r#""state":"failed","errorCode":"ICE_FAILED""#),
            2 => ("connection-state", r#""state":"connected""#),
            _ => (
                "connection-stats",
                r#""stats":{"bitrate":1e3,"latency":20,"packetLoss":0.5,"quality":"good"}"#,
            ),
        };
        format!("{},{body}", self.says(kind))
    }

    /// A message that is relayed, to `other`.
    pub fn relay(&self, kind: &str, other: &Self) -> String {
        let (session, from, to) = (self.session_id(), self.user(), other.user());
        let mark = MARKS[self.session];
        let body = match kind {
            "media-control" => format!(r#""audio":false,"x":"{mark}""#),
            "ice-candidate" => format!(r#""candidate":{{"candidate":"{mark}","sdpMid":"0"}}"#),
            _ => format!(r#""sdp":{{"type":"{kind}","sdp":"v=0\r\ns={mark}\r\n"}}"#),
        };
        format!(
            r#""type":"{kind}","sessionId":"{session}","fromUserId":"{from}","toUserId":"{to}",{body}"#
        )
    }

    /// The request to become a WebSocket.
    pub fn upgrade(way: Way, token: &str) -> String {
        let shown = match way {
            Way::Field => format!("Authorization: Bearer {token}\r\n"),
            Way::Protocol => {
                format!("Sec-WebSocket-Protocol: autamedica.v1, bearer.{token}\r\n")
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

/// A TURN server, with credentials that end soon.
pub fn ice() -> IceOptions {
    let minter = Minter::new(&[1; 32], &[2; 32]).expect("long enough");
    let turn = vec![IceUrl::parse("turn:turn.example").expect("an address")];
    let lifetime = Duration::from_secs(100);
    IceOptions { stun: Vec::new(), turn, logins: Logins::Limited { minter, lifetime } }
}

/// A token that was issued at a time.
pub fn token(person: &Person, issued_at: WallTime) -> String {
    let ticket = Ticket {
        user: UserId::parse(&person.user()).expect("a uuid"),
        role: person.role,
        session: SessionId::parse(SESSIONS[person.home]).expect("a uuid"),
        permissions: person.permissions,
        room_type: person.room_type,
        issued_at,
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

/// Whether a user may be heard of in a session.
pub fn may_be_in(user: &str, session: usize) -> bool {
    let rest = user.strip_prefix(USERS).expect("a user of ours");
    let is_home = rest.starts_with(&format!("{:04}", session + 1));
    is_home || rest.ends_with(&EMERGENCY.to_string())
}

fn key() -> Key {
    Key::new(b"a secret of exactly 32 bytes....").expect("32 bytes")
}
