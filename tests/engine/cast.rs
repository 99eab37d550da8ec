//! The cast: people, rooms and tokens, all made from their names.

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::{Role, RoomType, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;
use uuid::Uuid;

/// When every play begins.
pub const START: WallTime = WallTime::from_secs(1_800_000_000);

/// How long a token lasts that does not say otherwise.
const LIFETIME: Duration = Duration::from_secs(3_600);

/// Somebody with a name like `doctor`, `observer-2` or `patient@night`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub room: String,
    pub role: Role,
    /// The same in every room.
    pub user: String,
    pub session: String,
}

impl Person {
    /// The person of an actor's name, which may have a connection behind a `/`.
    pub fn of(actor: &str) -> Self {
        let name = actor.split('/').next().unwrap_or(actor);
        let (who, room) = name.split_once('@').unwrap_or((name, "day"));
        let role = Role::parse(who.split('-').next().unwrap_or(who));
        let role = role.unwrap_or_else(|| panic!("{actor} plays no role"));
        let (user, session) = (id(&format!("user {who}")), session(room));
        Self { name: name.to_owned(), room: room.to_owned(), role, user, session }
    }

    /// The name without the room.
    pub fn who(&self) -> &str {
        self.name.split('@').next().unwrap_or_default()
    }

    /// A token that is good for an hour, but for what `words` say of it.
    pub fn token(&self, words: &str) -> String {
        let words: Vec<_> =
            words.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let after = |verb: &str| words.iter().find_map(|word| word.strip_prefix(verb));
        let seconds = |text: &str| text.trim().parse::<i64>().expect("seconds");
        let person = after("of ").map_or_else(|| self.clone(), Self::of);
        let permissions: Vec<_> =
            words.iter().copied().filter(|word| word.starts_with("room:")).collect();
        let begins = after("begins ").map_or(START, |at| at_seconds(seconds(at)));
        let ends = after("ends ").map_or(begins.plus(LIFETIME), |at| at_seconds(seconds(at)));
        let lifetime = Duration::from_secs((ends.as_secs() - begins.as_secs()).unsigned_abs());
        let ticket = Ticket {
            user: UserId::parse(&person.user).expect("a uuid"),
            role: after("as ").map_or(person.role, |role| Role::parse(role).expect("a role")),
            session: SessionId::parse(&person.session).expect("a uuid"),
            permissions: if permissions.is_empty() { &["room:*"] } else { &permissions },
            room_type: after("for ").map(|kind| RoomType::parse(kind).expect("a type of room")),
            issued_at: begins,
            lifetime,
            issuer: None,
            audience: None,
            id: None,
        };
        mint(&key(u8::from(words.contains(&"forged"))), &ticket)
    }
}

/// The key of the server, or another one.
pub fn key(fill: u8) -> Key {
    Key::new(&[fill; 32]).expect("32 bytes")
}

/// The session of a room.
pub fn session(room: &str) -> String {
    id(&format!("room {room}"))
}

fn at_seconds(seconds: i64) -> WallTime {
    WallTime::from_secs(START.as_secs() + seconds)
}

/// A UUID made from a name (FNV-1a, which is enough for a handful of them).
fn id(name: &str) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let hash = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    Uuid::from_u128(name.bytes().fold(BASIS, hash)).hyphenated().to_string()
}
