//! The invariants between the engine's tables.

use super::peers::Standing;
use super::{Engine, GRACE, PROBE};

impl Engine {
    /// Panics if the engine's state contradicts itself. For tests, simulations and fuzzers.
    pub fn check_invariants(&self) {
        self.peers.check_invariants();
        self.rooms.check_invariants(self.options.participants_max);
        let mut inside = 0;
        let known =
            self.peers.connected().filter(|(_, standing)| self.user_of(*standing).is_some());
        assert_eq!(self.gate.sums()[0], known.count() as u64, "who is known counts for its user");
        for (peer, standing) in self.peers.connected() {
            let awaited = self.joins.queue_of(peer.index).is_some();
            assert_eq!(awaited, matches!(standing, Standing::Anonymous), "who must still join");
            if let Standing::Inside(key) = standing {
                let place = self.rooms.participant(key).and_then(|participant| participant.peer);
                assert_eq!(place, Some(peer), "who is inside has a place");
                inside += 1;
            }
        }
        let mut chunks = 0;
        for (key, participant) in self.rooms.all() {
            let away = participant.peer.is_none();
            let grace = self.places.queue_of(key.index()) == Some(GRACE);
            assert_eq!(away, grace, "who is away has a limited time to return");
            let asked = participant.probing || self.places.queue_of(key.index()) == Some(PROBE);
            assert!(away || asked || participant.queue.is_empty(), "what is kept is asked for");
            let renewed = self.logins.queue_of(key.index()).is_some();
            assert!(!away || !renewed, "who is away is told of no servers");
            inside -= i32::from(!away);
            chunks += participant.queue.chunks(&self.retained);
        }
        assert_eq!(inside, 0, "every place that is not away has its connection");
        assert_eq!(chunks, self.retained.chunks_used(), "what is kept is kept for someone");
        for (key, room) in self.rooms.all_rooms() {
            let limited = self.ages.queue_of(key.index()).is_some();
            assert_ne!(limited, room.ending, "a room has an end, or is about to");
            let empty = self.rooms.first(key).is_none() && !room.ending;
            assert_eq!(
                empty,
                self.empties.queue_of(key.index()).is_some(),
                "an empty room, sooner"
            );
        }
        self.check_pending();
    }
}
