//! Pseudonyms: what operational logs and metrics call sessions, people and addresses. They are drawn, not computed from the
//! ids, and only the audit log, which carries both, can resolve them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::redacted::Redacted;
use crate::message::{SessionId, UserId};

/// How many sessions have names at the same time: about 30 MB with a few people each. Past it the oldest gets a new one
/// when it is next spoken of.
const SESSIONS_MAX: usize = if cfg!(test) { 2_000 } else { 65_536 };

/// The same for the people of one session, observers that come and go included.
const USERS_MAX: usize = 64;

/// The same for addresses.
const ADDRESSES_MAX: usize = SESSIONS_MAX;

/// How many ended sessions keep their names for what is still said of them.
const ENDED_MAX: usize = 1_024;

const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A pseudonym: a letter for what it stands for, a hyphen, 12 random letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name([u8; 14]);

/// The table of them. Clones share it.
#[derive(Clone, Debug)]
pub struct Names {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug)]
struct Table {
    seed: Redacted<[u8; 32]>,
    drawn: u64,
    sessions: BTreeMap<SessionId, Session>,
    oldest_sessions: VecDeque<(SessionId, u64)>,
    ended: VecDeque<(SessionId, u64)>,
    addresses: BTreeMap<Redacted<IpAddr>, Name>,
    oldest_addresses: VecDeque<Redacted<IpAddr>>,
}

#[derive(Debug)]
struct Session {
    name: Name,
    /// Tells one life of a session from the next.
    life: u64,
    users: BTreeMap<UserId, Name>,
}

impl Names {
    /// An empty table that draws from `seed`, which must be random and of this run.
    pub fn new(seed: [u8; 32]) -> Self {
        let table = Table {
            seed: Redacted::new(seed),
            drawn: 0,
            sessions: BTreeMap::new(),
            oldest_sessions: VecDeque::new(),
            ended: VecDeque::new(),
            addresses: BTreeMap::new(),
            oldest_addresses: VecDeque::new(),
        };
        Self { table: Arc::new(Mutex::new(table)) }
    }

    /// The name of a session.
    pub fn session(&self, session: SessionId) -> Name {
        self.lock().session(session).name
    }

    /// The name of a person in a session; in the next session the same person has another one.
    pub fn user(&self, session: SessionId, user: UserId) -> Name {
        self.lock().user(session, user)
    }

    /// The name of an address.
    pub fn address(&self, address: IpAddr) -> Name {
        self.lock().address(Redacted::new(address))
    }

    /// The session that is called so.
    pub fn find_session(&self, name: &str) -> Option<SessionId> {
        let table = self.lock();
        let found = table.sessions.iter().find(|(_, session)| session.name.as_str() == name);
        found.map(|(id, _)| *id)
    }

    /// The person who is called so in a session.
    pub fn find_user(&self, session: SessionId, name: &str) -> Option<UserId> {
        let table = self.lock();
        let users = &table.sessions.get(&session)?.users;
        users.iter().find(|(_, known)| known.as_str() == name).map(|(id, _)| *id)
    }

    /// The session is over: its names may be forgotten, but not before what else ends with it has been told.
    pub fn end(&self, session: SessionId) {
        self.lock().end(session);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Each change leaves the table whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn session(&mut self, id: SessionId) -> &mut Session {
        if !self.sessions.contains_key(&id) {
            while self.sessions.len() >= SESSIONS_MAX
                && let Some((oldest, life)) = self.oldest_sessions.pop_front()
            {
                self.forget(oldest, life);
            }
            self.oldest_sessions.push_back((id, self.drawn));
            // Those of sessions that have ended are still in line; they must not pile up.
            if self.oldest_sessions.len() > 2 * SESSIONS_MAX {
                let sessions = &self.sessions;
                self.oldest_sessions
                    .retain(|(id, life)| sessions.get(id).is_some_and(|one| one.life == *life));
            }
        }
        let (life, seed, drawn) = (self.drawn, &self.seed, &mut self.drawn);
        self.sessions.entry(id).or_insert_with(|| Session {
            name: draw(seed, drawn, b's'),
            life,
            users: BTreeMap::new(),
        })
    }

    fn user(&mut self, session: SessionId, user: UserId) -> Name {
        if let Some(name) = self.session(session).users.get(&user) {
            return *name;
        }
        let name = draw(&self.seed, &mut self.drawn, b'u');
        let users = &mut self.session(session).users;
        if users.len() >= USERS_MAX {
            users.pop_first();
        }
        users.insert(user, name);
        name
    }

    fn address(&mut self, address: Redacted<IpAddr>) -> Name {
        if let Some(name) = self.addresses.get(&address) {
            return *name;
        }
        if self.addresses.len() >= ADDRESSES_MAX
            && let Some(oldest) = self.oldest_addresses.pop_front()
        {
            self.addresses.remove(&oldest);
        }
        let name = draw(&self.seed, &mut self.drawn, b'a');
        self.addresses.insert(address, name);
        self.oldest_addresses.push_back(address);
        name
    }

    fn end(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        self.ended.push_back((id, session.life));
        if self.ended.len() > ENDED_MAX
            && let Some((id, life)) = self.ended.pop_front()
        {
            self.forget(id, life);
        }
    }

    fn forget(&mut self, id: SessionId, life: u64) {
        if self.sessions.get(&id).is_some_and(|session| session.life == life) {
            self.sessions.remove(&id);
        }
    }
}

/// The next name: 60 bits of a keyed function of a counter.
fn draw(seed: &Redacted<[u8; 32]>, drawn: &mut u64, kind: u8) -> Name {
    *drawn += 1;
    let mut block = [0; 64];
    block[..32].copy_from_slice(seed.reveal());
    let mac = Hmac::<Sha256>::new(&block.into()).chain_update(drawn.to_be_bytes()).finalize();
    let mut name = [b'-'; 14];
    name[0] = kind;
    for (letter, byte) in name[2..].iter_mut().zip(mac.into_bytes()) {
        *letter = LETTERS[usize::from(byte % 32)];
    }
    Name(name)
}

impl Name {
    /// The 14 characters.
    pub fn as_str(&self) -> &str {
        // Made of ASCII only.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use uuid::Uuid;

    use super::*;

    fn session(number: u128) -> SessionId {
        SessionId::new(Uuid::from_u128(number))
    }

    fn user(number: u128) -> UserId {
        UserId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_person_has_another_name_in_every_session_and_the_same_within_one() {
        let names = Names::new([1; 32]);
        let name = names.user(session(1), user(9));
        assert_eq!(names.user(session(1), user(9)), name);
        assert_ne!(names.user(session(2), user(9)), name);
        assert_eq!(names.session(session(1)), names.session(session(1)));
        assert!(name.as_str().starts_with("u-"));
        assert_ne!(Names::new([2; 32]).user(session(1), user(9)), name, "and in every run");
    }

    #[test]
    fn an_ended_session_keeps_its_name_for_its_last_words_and_is_forgotten_then() {
        let names = Names::new([1; 32]);
        let name = names.session(session(1));
        names.end(session(1));
        assert_eq!(names.session(session(1)), name);
        for number in 2..=ENDED_MAX as u128 + 1 {
            names.session(session(number));
            names.end(session(number));
        }
        assert_eq!(names.lock().sessions.len(), ENDED_MAX);
        assert_ne!(names.session(session(1)), name);
    }

    #[test]
    fn the_tables_are_bounded() {
        let names = Names::new([1; 32]);
        let mut seen = BTreeSet::new();
        for number in 0..SESSIONS_MAX as u128 + 3 {
            assert!(seen.insert(names.session(session(number))), "never the same twice");
            names.address(IpAddr::V4(Ipv4Addr::from_bits(number as u32)));
        }
        for number in 0..USERS_MAX as u128 + 3 {
            names.user(session(0), user(number));
        }
        let table = names.lock();
        assert_eq!((table.sessions.len(), table.addresses.len()), (SESSIONS_MAX, ADDRESSES_MAX));
        assert_eq!(table.sessions[&session(0)].users.len(), USERS_MAX);
        assert!(table.oldest_sessions.len() <= 2 * SESSIONS_MAX);
    }
}
