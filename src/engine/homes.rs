//! Several engines, each with its own rooms: which of them a session belongs to, and how a
//! connection moves from one to another before it enters its room.

use super::peers::Standing;
use super::rates::Meter;
use super::{Engine, PeerId};
use crate::admission::Grant;
use crate::admission::gate::Network;
use crate::base::time::Now;
use crate::message::SessionId;
use crate::message::request::{self, Request};

/// How many engines there are, and which of them this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Homes {
    count: u32,
    own: u32,
}

impl Homes {
    /// One engine has all rooms.
    pub const ONE: Self = Self { count: 1, own: 0 };

    /// The engine with number `own` of `count`, counted from 0.
    pub const fn new(own: u32, count: u32) -> Self {
        Self { count, own }
    }

    /// The number of the engine that has this session's room.
    pub fn of(&self, session: SessionId) -> u32 {
        let bits = session.reveal().as_u128();
        // Fibonacci hashing spreads sequential ids as evenly as random ones.
        let mixed = ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((u128::from(mixed) * u128::from(self.count)) >> 64) as u32
    }

    /// The number of the engine that has this session's room, if it is another one.
    pub fn elsewhere(&self, session: SessionId) -> Option<u32> {
        let home = self.of(session);
        (home != self.own).then_some(home)
    }

    /// The number of this engine, and how many there are.
    pub const fn own_of(&self) -> (u32, u32) {
        (self.own, self.count)
    }

    /// Whether one engine has all rooms.
    pub const fn is_one(&self) -> bool {
        self.count <= 1
    }
}

/// The state that moves with a connection from one engine to another. By default empty: the engine
/// does not know the connection yet.
#[derive(Debug, Default)]
pub struct Traveller {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    grant: Option<Grant>,
    network: Option<Network>,
    meter: Meter,
}

impl Engine {
    /// The engine that a connection belongs to when it sends this message to enter a room, if it is
    /// another one. A connection without a valid token stays: any engine can refuse it.
    pub fn home_of(&self, peer: PeerId, text: &str, now: Now) -> Option<u32> {
        let homes = &self.options.homes;
        if homes.is_one() {
            return None;
        }
        let is_known = match self.peers.standing(peer) {
            Standing::Anonymous => false,
            Standing::Granted(_) => true,
            Standing::Gone | Standing::Joining(_) | Standing::Inside(_) => return None,
        };
        let Ok(Request::Join(join)) = request::parse(text).request else { return None };
        let home = homes.elsewhere(join.speaker.session)?;
        let is_welcome = match &join.token {
            Some(token) => self.options.tokens.check(token, now.wall).is_ok(),
            None => is_known,
        };
        is_welcome.then_some(home)
    }

    /// The engines, and which of them this is.
    pub const fn homes(&self) -> Homes {
        self.options.homes
    }

    /// A connection that has not joined moves to another engine, and no longer belongs to this one.
    pub fn detach(&mut self, peer: PeerId) -> Traveller {
        let network = self.gate.depart(peer.index);
        let grant = match self.peers.standing(peer) {
            Standing::Anonymous => None,
            Standing::Granted(grant) => Some(grant),
            Standing::Gone | Standing::Joining(_) | Standing::Inside(_) => {
                return Traveller::default();
            }
        };
        self.set_standing(peer, Standing::Gone);
        Traveller { known: Some(Known { grant, network, meter: self.meters.get(peer.index) }) }
    }

    /// A connection arrives from another engine. Its time to join starts again; its rate limits
    /// continue.
    pub fn attach(&mut self, peer: PeerId, traveller: Traveller, now: Now) {
        let Some(Known { grant, network, meter }) = traveller.known else { return };
        network.into_iter().for_each(|network| self.gate.arrive_from(peer.index, network));
        self.connected(peer, grant, now);
        self.meters.put(peer.index, meter);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn sessions_are_spread_evenly_and_every_engine_says_the_same() {
        for count in 1..9 {
            let mut rooms = vec![0_u32; count as usize];
            for number in 0..1_000_u128 * u128::from(count) {
                let session = SessionId::new(Uuid::from_u128(number));
                let home = Homes::new(0, count).of(session);
                rooms[home as usize] += 1;
                for own in 0..count {
                    let homes = Homes::new(own, count);
                    assert_eq!(homes.elsewhere(session), (own != home).then_some(home));
                }
            }
            assert!(rooms.iter().all(|rooms| (900..=1_100).contains(rooms)), "{rooms:?}");
        }
    }
}
