//! Who gives way to whom when all places are taken, derived from who was ever there.

use std::collections::BTreeMap;

use autamedica_signaling::engine::PeerId;

use super::super::promises::Promise;
use super::super::reactor::TURNED_AWAY_MAX;
use super::{Book, Peer, Standing, key};

/// A connection that the server accepts.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    /// The link, and the number in the server's log.
    pub link: usize,
    pub number: u64,
    /// From where it comes.
    pub address: u32,
    /// There is no place for it.
    pub full: bool,
}

impl Book {
    /// Somebody has knocked while so many `others` were there. It was let in, if only to be told
    /// that there is no place, or it was told at once; and somebody has given way to it, or nobody.
    pub fn knocked(&mut self, address: u32, others: usize, let_in: bool, gone: Option<PeerId>) {
        let max = self.settings.connections_max;
        if others < max {
            return self.verdict.check(Promise::Closing, let_in && gone.is_none(), || {
                format!("{others} of {max} are there, let in: {let_in}, {gone:?} gave way")
            });
        }
        let strangers = self.strangers(|peer| !peer.full);
        let most = strangers.values().copied().max().unwrap_or(0);
        // Those over the limit crowd nobody, and have a part of the share of their address.
        let own = self.strangers(|_| true).get(&address).copied().unwrap_or(0);
        let crowded = strangers.values().sum::<usize>() * 8 >= max;
        // The largest network has more than its share, and noticeably more than the newcomer's.
        let due = crowded && most >= 4 && most >= 2 * (own + 1);
        let story = || format!("{address} knocks, {others} of {max} are there, {strangers:?}");
        match gone.and_then(|gone| self.peers.get_mut(&key(gone))) {
            Some(gone) => {
                let right = due && !gone.known && strangers.get(&gone.address) == Some(&most);
                gone.present = false;
                let from = gone.address;
                self.gave_way += 1;
                self.verdict.check(Promise::Closing, right, || {
                    format!("one of {from} gave way, which is wrong: {}", story())
                });
            }
            None => {
                // Whoever cannot be closed at once need not go.
                let could = strangers.iter().filter(|(_, count)| **count == most);
                let could = could.map(|(from, _)| *from).all(|from| self.has_idle(from));
                self.verdict.check(Promise::Closing, !due || !could, || {
                    format!("nobody gave way: {}", story())
                });
            }
        }
        let may_be_sent_away = crowded && !due && others >= max + TURNED_AWAY_MAX / 2;
        self.verdict.check(Promise::Closing, let_in || may_be_sent_away, || {
            format!("a newcomer was not even listened to: {}", story())
        });
    }

    /// A connection is not there any more.
    pub fn departed(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&key(peer)) {
            peer.present = false;
        }
    }

    /// How many such are there from each address that have never shown a good token.
    fn strangers(&self, is_such: impl Fn(&Peer) -> bool) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for peer in self.peers.values().filter(|peer| is_stranger(peer) && is_such(peer)) {
            *counts.entry(peer.address).or_default() += 1;
        }
        counts
    }

    /// Whether somebody from there has an open WebSocket and no token.
    fn has_idle(&self, address: u32) -> bool {
        let is_idle = |peer: &Peer| is_stranger(peer) && peer.standing == Standing::Anonymous;
        self.peers.values().any(|peer| peer.address == address && is_idle(peer))
    }
}

fn is_stranger(peer: &Peer) -> bool {
    peer.present && !peer.known
}
