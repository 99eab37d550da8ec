//! The connections, by their index, and when their tokens end.

use std::collections::BTreeSet;

use super::PeerId;
use super::rooms::Participant;
use crate::admission::Grant;
use crate::base::arena::Key;
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
    /// Tokens by the wall time of what is due for them next, with the index of their connection.
    by_time: BTreeSet<(WallTime, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    generation: u32,
    standing: Standing,
    token: Option<(WallTime, TokenDue)>,
}

const VACANT: Peer = Peer { generation: 0, standing: Standing::Gone, token: None };

impl Peers {
    /// Puts a new connection into the table, whatever stood there.
    pub(super) fn insert(&mut self, peer: PeerId, standing: Standing) {
        let index = peer.index as usize;
        if index >= self.table.len() {
            self.table.resize(index + 1, VACANT);
        }
        self.forget_token(peer.index);
        self.table[index] = Peer { generation: peer.generation, standing, token: None };
    }

    /// How far a connection has come; a stale id is [`Standing::Gone`].
    pub(super) fn standing(&self, peer: PeerId) -> Standing {
        self.get(peer).map_or(Standing::Gone, |entry| entry.standing)
    }

    /// Notes how far a connection has come. Who is gone has no token to watch.
    pub(super) fn set_standing(&mut self, peer: PeerId, standing: Standing) {
        let Some(entry) = self.get_mut(peer) else { return };
        entry.standing = standing;
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
            (!matches!(entry.standing, Standing::Gone)).then_some((id, entry.standing))
        })
    }

    pub(super) fn check_invariants(&self) {
        let watched = self.table.iter().filter(|entry| entry.token.is_some()).count();
        assert_eq!(watched, self.by_time.len(), "every watched token stands in the order once");
        for &(due, index) in &self.by_time {
            let entry = &self.table[index as usize];
            assert_eq!(entry.token.map(|(at, _)| at), Some(due));
            let open = matches!(entry.standing, Standing::Granted(_) | Standing::Inside(_));
            assert!(open, "only who is connected with a token is watched");
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
