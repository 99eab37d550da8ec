//! The connections, by their index, and when their tokens end.

use std::collections::BTreeSet;

use super::PeerId;
use super::recording::Pending;
use super::rooms::Participant;
use crate::admission::Grant;
use crate::base::arena::{Arena, Key};
use crate::base::time::{Duration, WallTime};

/// How long before its end a client is told that its token is about to end.
const NOTICE: Duration = Duration::from_secs(60);

/// How far a connection has come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// Not connected, or told to close: whatever it still says does not count.
    Gone,
    /// Connected without a token.
    Anonymous,
    /// Connected with a token.
    Granted(Grant),
    /// About to enter: waits for the record of it.
    Joining(Key<Pending>),
    /// In its room.
    Inside(Key<Participant>),
}

/// What is due for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenDue {
    /// To tell the client that it ends soon.
    Notice,
    /// To close the connection.
    End,
}

/// The table of connections.
#[derive(Debug, Default)]
pub(super) struct Peers {
    table: Vec<Peer>,
    /// What the tokens of those grant who have not joined yet.
    grants: Arena<Grant>,
    /// Tokens by the wall time of what is due for them next, with the index of their connection.
    by_time: BTreeSet<(WallTime, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    generation: u32,
    stage: Stage,
    token: Option<(WallTime, TokenDue)>,
}

/// A [`Standing`] in the table. A grant is not in it: it would take three times the room, for those too who have joined.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Gone,
    Anonymous,
    Granted(Key<Grant>),
    Joining(Key<Pending>),
    Inside(Key<Participant>),
}

const VACANT: Peer = Peer { generation: 0, stage: Stage::Gone, token: None };

impl Peers {
    /// Puts a new connection into the table, whatever stood there.
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
        self.get(peer).map_or(Standing::Gone, |entry| self.standing_of(entry.stage))
    }

    /// Notes how far a connection has come. Who is gone has no token to watch.
    pub(super) fn set_standing(&mut self, peer: PeerId, standing: Standing) {
        let Some(entry) = self.get(peer) else { return };
        if let Stage::Granted(key) = entry.stage {
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
            entry.stage = stage;
        }
        if matches!(standing, Standing::Gone) {
            self.forget_token(peer.index);
        }
    }

    /// Watches a token in place of any other of this connection.
    pub(super) fn watch_token(&mut self, peer: PeerId, grant: &Grant) {
        self.schedule(peer, grant.expires_at.minus(NOTICE), TokenDue::Notice);
    }

    /// Waits for the end of a token whose notice was given.
    pub(super) fn await_token_end(&mut self, peer: PeerId, ends_at: WallTime) {
        self.schedule(peer, ends_at, TokenDue::End);
    }

    /// Takes out one token for which something is due at `now`.
    pub(super) fn take_token_due(&mut self, now: WallTime) -> Option<(PeerId, TokenDue)> {
        let &(due, index) = self.by_time.first().filter(|(due, _)| *due <= now)?;
        self.by_time.remove(&(due, index));
        let entry = self.table.get_mut(index as usize)?;
        let (_, what) = entry.token.take()?;
        Some((PeerId { index, generation: entry.generation }, what))
    }

    /// When something is due for a token next.
    pub(super) fn next_token_due(&self) -> Option<WallTime> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// The connection at an index, as it is now.
    pub(super) fn at(&self, index: u32) -> Option<PeerId> {
        let generation = self.table.get(index as usize)?.generation;
        Some(PeerId { index, generation })
    }

    /// Everybody who is connected.
    pub(super) fn connected(&self) -> impl Iterator<Item = (PeerId, Standing)> {
        self.table.iter().enumerate().filter_map(|(index, entry)| {
            let id = PeerId { index: index as u32, generation: entry.generation };
            let standing = self.standing_of(entry.stage);
            (!matches!(standing, Standing::Gone)).then_some((id, standing))
        })
    }

    pub(super) fn check_invariants(&self) {
        let watched = self.table.iter().filter(|entry| entry.token.is_some()).count();
        assert_eq!(watched, self.by_time.len(), "every watched token stands in the order once");
        for &(due, index) in &self.by_time {
            let entry = &self.table[index as usize];
            assert_eq!(entry.token.map(|(at, _)| at), Some(due));
            let open =
                matches!(entry.stage, Stage::Granted(_) | Stage::Joining(_) | Stage::Inside(_));
            assert!(open, "only who is connected with a token is watched");
        }
        let granted = self.table.iter().filter(|entry| matches!(entry.stage, Stage::Granted(_)));
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
            entry.token = Some((due, what));
            self.by_time.insert((due, peer.index));
        }
    }

    fn forget_token(&mut self, index: u32) {
        let token = self.table.get_mut(index as usize).and_then(|entry| entry.token.take());
        if let Some((due, _)) = token {
            self.by_time.remove(&(due, index));
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
        // The index serves someone else, and nobody said that the one before had gone.
        let peer = |generation| PeerId { index: 3, generation };
        peers.insert(peer(3), Standing::Granted(GRANT));
        peers.insert(peer(4), Standing::Granted(GRANT));
        assert_eq!(peers.grants.len(), 1);
        assert!(matches!(peers.standing(peer(3)), Standing::Gone));
        peers.check_invariants();
    }

    #[test]
    fn what_everybody_pays_for_is_small() {
        assert_eq!(size_of::<Peer>(), 32);
    }
}
