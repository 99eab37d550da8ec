//! The connections, by index, and when their tokens expire.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;

use super::PeerId;
use super::recording::Pending;
use super::rooms::Participant;
use crate::admission::Grant;
use crate::base::arena::{Arena, Key};
use crate::base::time::{Duration, WallTime};

/// How long before a token expires its client is notified.
const NOTICE: Duration = Duration::from_secs(60);

/// How many stale entries the queue of tokens may hold in any case.
const STALE_MAX: usize = 64;

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// Not connected, or told to close: further messages are ignored.
    Gone,
    /// Connected without a token.
    Anonymous,
    /// Connected with a token.
    Granted(Grant),
    /// About to enter: waits for its audit record.
    Joining(Key<Pending>),
    /// In its room.
    Inside(Key<Participant>),
}

/// What is due for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenDue {
    /// To tell the client that it expires soon.
    Notice,
    /// To close the connection.
    End,
}

/// The table of connections.
#[derive(Debug, Default)]
pub(super) struct Peers {
    table: Vec<Peer>,
    /// The grants of connections that have not joined yet.
    grants: Arena<Grant>,
    /// Tokens by the wall time at which something is due for them, with the index of their
    /// connection. Stale entries stay until their time, or until they outnumber the others.
    by_time: BinaryHeap<Reverse<(WallTime, u32)>>,
    /// How many tokens are watched.
    watched: usize,
}

/// The entry of a connection. There is one for every connection, so it is kept small: the parts of
/// a [`Stage`] and of what is due for the token, side by side.
#[derive(Clone, Copy, Debug)]
struct Peer {
    due_at: WallTime,
    generation: u32,
    /// The key that goes with the stage.
    key: [u32; 2],
    kind: Kind,
    due: Option<TokenDue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gone,
    Anonymous,
    Granted,
    Joining,
    Inside,
}

/// A [`Standing`] in the table. It does not contain the grant, which would take three times the
/// space even for connections that have joined.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Gone,
    Anonymous,
    Granted(Key<Grant>),
    Joining(Key<Pending>),
    Inside(Key<Participant>),
}

const VACANT: Peer = Peer {
    due_at: WallTime::from_secs(0),
    generation: 0,
    key: [0; 2],
    kind: Kind::Gone,
    due: None,
};

impl Peer {
    const fn stage(&self) -> Stage {
        let [index, generation] = self.key;
        match self.kind {
            Kind::Gone => Stage::Gone,
            Kind::Anonymous => Stage::Anonymous,
            Kind::Granted => Stage::Granted(Key::from_parts(index, generation)),
            Kind::Joining => Stage::Joining(Key::from_parts(index, generation)),
            Kind::Inside => Stage::Inside(Key::from_parts(index, generation)),
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        (self.kind, self.key) = match stage {
            Stage::Gone => (Kind::Gone, [0; 2]),
            Stage::Anonymous => (Kind::Anonymous, [0; 2]),
            Stage::Granted(key) => (Kind::Granted, [key.index(), key.generation()]),
            Stage::Joining(key) => (Kind::Joining, [key.index(), key.generation()]),
            Stage::Inside(key) => (Kind::Inside, [key.index(), key.generation()]),
        };
    }
}

impl Peers {
    /// An empty table, allocated for `connections` connections.
    pub(super) fn with_capacity(connections: usize) -> Self {
        Self { table: Vec::with_capacity(connections), ..Self::default() }
    }

    /// Puts a new connection into the table, replacing any previous entry.
    pub(super) fn insert(&mut self, peer: PeerId, standing: Standing) {
        let index = peer.index as usize;
        if index >= self.table.len() {
            self.table.resize(index + 1, VACANT);
        }
        self.forget_token(peer.index);
        self.table[index].generation = peer.generation;
        self.set_standing(peer, standing);
    }

    /// How far a connection has come; a stale id is [`Standing::Gone`].
    pub(super) fn standing(&self, peer: PeerId) -> Standing {
        self.get(peer).map_or(Standing::Gone, |entry| self.standing_of(entry.stage()))
    }

    /// Sets how far a connection has come. A connection that is gone has no token to watch.
    pub(super) fn set_standing(&mut self, peer: PeerId, standing: Standing) {
        let Some(entry) = self.get(peer) else { return };
        if let Stage::Granted(key) = entry.stage() {
            self.grants.remove(key);
        }
        let stage = match standing {
            Standing::Gone => Stage::Gone,
            Standing::Anonymous => Stage::Anonymous,
            Standing::Granted(grant) => Stage::Granted(self.grants.insert(grant)),
            Standing::Joining(key) => Stage::Joining(key),
            Standing::Inside(key) => Stage::Inside(key),
        };
        if let Some(entry) = self.get_mut(peer) {
            entry.set_stage(stage);
        }
        if matches!(standing, Standing::Gone) {
            self.forget_token(peer.index);
        }
    }

    /// Watches a token, instead of any other of this connection.
    pub(super) fn watch_token(&mut self, peer: PeerId, grant: &Grant) {
        self.schedule(peer, grant.expires_at.minus(NOTICE), TokenDue::Notice);
    }

    /// Waits for the expiry of a token whose notice was sent.
    pub(super) fn await_token_end(&mut self, peer: PeerId, ends_at: WallTime) {
        self.schedule(peer, ends_at, TokenDue::End);
    }

    /// Takes out one token for which something is due at `now`.
    pub(super) fn take_token_due(&mut self, now: WallTime) -> Option<(PeerId, TokenDue)> {
        while let Some(&Reverse((due, index))) = self.by_time.peek()
            && due <= now
        {
            self.by_time.pop();
            let Some(entry) = self.table.get_mut(index as usize) else { continue };
            if let Some(what) = entry.due.take_if(|_| entry.due_at == due) {
                let peer = PeerId { index, generation: entry.generation };
                self.watched -= 1;
                self.drop_stale();
                return Some((peer, what));
            }
        }
        None
    }

    /// When something may next be due for a token. It may be too early, but never too late.
    pub(super) fn next_token_due(&self) -> Option<WallTime> {
        self.by_time.peek().map(|Reverse((due, _))| *due)
    }

    /// The connection at an index, as it is now.
    pub(super) fn at(&self, index: u32) -> Option<PeerId> {
        let generation = self.table.get(index as usize)?.generation;
        Some(PeerId { index, generation })
    }

    /// All open connections.
    pub(super) fn connected(&self) -> impl Iterator<Item = (PeerId, Standing)> {
        self.table.iter().enumerate().filter_map(|(index, entry)| {
            let id = PeerId { index: index as u32, generation: entry.generation };
            let standing = self.standing_of(entry.stage());
            (!matches!(standing, Standing::Gone)).then_some((id, standing))
        })
    }

    pub(super) fn check_invariants(&self) {
        let watched = self.table.iter().filter(|entry| entry.due.is_some()).count();
        assert_eq!(watched, self.watched, "the watched tokens are counted");
        let mut waiting: Vec<_> = self.by_time.iter().map(|Reverse(due)| *due).collect();
        waiting.sort_unstable();
        for (index, entry) in self.table.iter().enumerate().filter(|(_, one)| one.due.is_some()) {
            let due = (entry.due_at, index as u32);
            assert!(waiting.binary_search(&due).is_ok(), "every watched token has its time");
            let open = matches!(entry.kind, Kind::Granted | Kind::Joining | Kind::Inside);
            assert!(open, "only who is connected with a token is watched");
        }
        assert!(waiting.len() <= 2 * watched + STALE_MAX + 1, "what is over does not pile up");
        let granted = self.table.iter().filter(|entry| entry.kind == Kind::Granted);
        assert_eq!(granted.count(), self.grants.len(), "who has a token and has not joined");
    }

    fn standing_of(&self, stage: Stage) -> Standing {
        match stage {
            Stage::Gone => Standing::Gone,
            Stage::Anonymous => Standing::Anonymous,
            Stage::Granted(key) => {
                self.grants.get(key).map_or(Standing::Gone, |grant| Standing::Granted(*grant))
            }
            Stage::Joining(key) => Standing::Joining(key),
            Stage::Inside(key) => Standing::Inside(key),
        }
    }

    fn schedule(&mut self, peer: PeerId, due: WallTime, what: TokenDue) {
        self.forget_token(peer.index);
        if let Some(entry) = self.get_mut(peer) {
            (entry.due_at, entry.due) = (due, Some(what));
            self.by_time.push(Reverse((due, peer.index)));
            self.watched += 1;
        }
        self.drop_stale();
    }

    /// Removes the entries of tokens that are no longer watched, before they pile up.
    fn drop_stale(&mut self) {
        if self.watched == 0 {
            self.by_time.clear();
        }
        if self.by_time.len() > 2 * self.watched + STALE_MAX {
            let mut times = mem::take(&mut self.by_time).into_vec();
            times.retain(|Reverse((due, index))| {
                let entry = self.table.get(*index as usize);
                entry.is_some_and(|entry| entry.due.is_some() && entry.due_at == *due)
            });
            // A token that was watched twice for the same time has two entries.
            times.sort_unstable();
            times.dedup();
            self.by_time = times.into();
        }
    }

    fn forget_token(&mut self, index: u32) {
        if let Some(entry) = self.table.get_mut(index as usize)
            && entry.due.take().is_some()
        {
            self.watched -= 1;
            self.drop_stale();
        }
    }

    fn get(&self, peer: PeerId) -> Option<&Peer> {
        let entry = self.table.get(peer.index as usize)?;
        (entry.generation == peer.generation).then_some(entry)
    }

    fn get_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        let entry = self.table.get_mut(peer.index as usize)?;
        (entry.generation == peer.generation).then_some(entry)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::message::{Permissions, Role, SessionId, UserId};

    const GRANT: Grant = Grant {
        user: UserId::new(Uuid::nil()),
        role: Role::Doctor,
        session: SessionId::new(Uuid::nil()),
        permissions: Permissions::ALL,
        room_type: None,
        token: None,
        expires_at: WallTime::from_secs(1_800_000_000),
    };

    #[test]
    fn nothing_is_left_of_a_token_once_its_connection_has_joined_or_gone() {
        let mut peers = Peers::default();
        let inside = Standing::Inside(Key::from_parts(0, 0));
        for (generation, next) in [(0, inside), (1, Standing::Gone), (2, Standing::Anonymous)] {
            let peer = PeerId { index: 3, generation };
            peers.insert(peer, Standing::Granted(GRANT));
            peers.watch_token(peer, &GRANT);
            assert!(matches!(peers.standing(peer), Standing::Granted(grant) if grant == GRANT));
            peers.check_invariants();
            peers.set_standing(peer, next);
            assert_eq!(peers.grants.len(), 0);
        }
        // A later connection uses the index, and nobody reported that the previous one had gone.
        let peer = |generation| PeerId { index: 3, generation };
        peers.insert(peer(3), Standing::Granted(GRANT));
        peers.insert(peer(4), Standing::Granted(GRANT));
        assert_eq!(peers.grants.len(), 1);
        assert!(matches!(peers.standing(peer(3)), Standing::Gone));
        peers.check_invariants();
    }

    #[test]
    fn tokens_that_are_watched_again_and_again_do_not_pile_up() {
        let mut peers = Peers::default();
        let peer = PeerId { index: 0, generation: 0 };
        peers.insert(peer, Standing::Granted(GRANT));
        for later in 0..10_000 {
            let expires_at = GRANT.expires_at.plus(Duration::from_secs(later % 3));
            peers.watch_token(peer, &Grant { expires_at, ..GRANT });
            peers.check_invariants();
        }
        let end = GRANT.expires_at.plus(Duration::from_secs(10));
        assert_eq!(peers.take_token_due(end), Some((peer, TokenDue::Notice)));
        assert_eq!((peers.take_token_due(end), peers.next_token_due()), (None, None));
    }

    #[test]
    fn nothing_is_due_any_more_once_nobody_is_left_whoever_went_first() {
        let mut peers = Peers::default();
        let peer = |index| PeerId { index, generation: 0 };
        let later = GRANT.expires_at.plus(Duration::from_secs(600));
        for index in 0..200 {
            let expires_at = if index < 100 { later } else { GRANT.expires_at };
            let grant = Grant { expires_at, ..GRANT };
            peers.insert(peer(index), Standing::Granted(grant));
            peers.watch_token(peer(index), &grant);
        }
        (0..100).for_each(|index| peers.set_standing(peer(index), Standing::Gone));
        peers.check_invariants();
        let mut ended = 0;
        while peers.take_token_due(GRANT.expires_at).is_some() {
            ended += 1;
            peers.check_invariants();
        }
        assert_eq!((ended, peers.next_token_due()), (100, None));
    }

    #[test]
    fn what_everybody_pays_for_is_small() {
        assert_eq!(size_of::<Peer>(), 24);
    }
}
