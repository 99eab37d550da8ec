//! The graceful shutdown: nobody is let in any more, and clients are told to reconnect to the next
//! server, wherever it is. This happens room by room, so that people in a room stay together, and
//! spread over time, so that they do not all come back at once.

use super::peers::Standing;
use super::rooms::Room;
use super::{Effects, Engine, Note, PeerId};
use crate::base::arena::Key;
use crate::base::time::{Duration, Instant, Now};
use crate::message::problem::Problem;
use crate::message::record::{Event, ExitReason, Record};
use crate::wire::frame::CloseCode;

/// Time between two steps.
const STEP: Duration = Duration::from_millis(100);

/// At least this many rooms are told with each step: a few cause no rush.
const ROOMS_MIN: usize = 50;

/// A graceful shutdown in progress.
#[derive(Debug)]
pub(super) struct Farewell {
    next_at: Instant,
    steps_left: u64,
}

impl Engine {
    /// Lets nobody in any more, and tells everybody to come back within `window`, all members of a
    /// room at the same time. Calling it again can only shorten the shutdown.
    pub fn drain(&mut self, window: Duration, now: Now, effects: &mut Effects) {
        let steps_left = window.as_micros() / STEP.as_micros() + 1;
        if let Some(farewell) = &mut self.farewell {
            if steps_left < farewell.steps_left {
                *farewell = Farewell { next_at: now.instant, steps_left };
                self.advance_farewell(now, effects);
            }
            return;
        }
        self.farewell = Some(Farewell { next_at: now.instant, steps_left });
        // Connections that are in no room need not wait.
        let idle: Vec<_> = self
            .peers
            .connected()
            .filter(|(_, standing)| matches!(standing, Standing::Anonymous | Standing::Granted(_)))
            .map(|(peer, _)| peer)
            .collect();
        idle.into_iter().for_each(|peer| self.send_away(peer, peer.index, effects));
        self.advance_farewell(now, effects);
    }

    /// Tells everybody that the server shuts down, and closes every connection. Rooms end without
    /// further notices.
    pub fn shut_down(&mut self, effects: &mut Effects) {
        self.note_shutdown(effects);
        let connected: Vec<_> = self.peers.connected().map(|(peer, _)| peer).collect();
        connected.into_iter().for_each(|peer| self.send_away(peer, peer.index, effects));
        self.gate.rooms.set_empty(0);
        (0..self.rooms.len()).for_each(|_| self.gate.rooms.lose());
        let beside = self.gate.beside();
        let gate = std::mem::replace(&mut self.gate, beside);
        *self = Self {
            recording: self.recording,
            logins_issued: self.logins_issued,
            hits: self.hits,
            rooms_ended: self.rooms_ended,
            revoked: std::mem::take(&mut self.revoked),
            ..Self::with_gate(self.options.clone(), gate)
        };
    }

    /// Whether nobody is let in any more.
    pub const fn is_draining(&self) -> bool {
        self.farewell.is_some()
    }

    pub(super) fn next_farewell(&self) -> Option<Instant> {
        let farewell = self.farewell.as_ref()?;
        (self.rooms.len() > 0).then_some(farewell.next_at)
    }

    pub(super) fn advance_farewell(&mut self, now: Now, effects: &mut Effects) {
        let Some(farewell) = &mut self.farewell else { return };
        if now.instant < farewell.next_at {
            return;
        }
        farewell.next_at = now.instant + STEP;
        let steps = farewell.steps_left.max(1);
        farewell.steps_left = steps - 1;
        // A room that is about to end does so by itself.
        let rooms = self.rooms.all_rooms().filter(|(_, room)| !room.ending);
        let share = self.rooms.len().div_ceil(usize::try_from(steps).unwrap_or(usize::MAX));
        let rooms: Vec<_> = rooms.take(share.max(ROOMS_MIN)).map(|(key, _)| key).collect();
        rooms.into_iter().for_each(|room| self.dismiss(room, effects));
    }

    /// How long a dismissed client must wait before it comes back, so that not all come at once.
    /// Clients with the same `number`, such as the members of a room, come back within less than
    /// half a second of each other.
    pub(super) fn come_back_after(peer: PeerId, number: u32) -> Duration {
        let [together, apart] = [number, peer.index].map(u64::from);
        let together = together.wrapping_mul(7_919) % 4_000;
        Duration::from_millis(500 + together + apart.wrapping_mul(131) % 500)
    }

    /// Tells everybody in a room to come back, and forgets the room: its session goes on elsewhere.
    fn dismiss(&mut self, key: Key<Room>, effects: &mut Effects) {
        while let Some(first) = self.rooms.first(key) {
            self.places.cancel(first.index());
            self.logins.cancel(first.index());
            // The user is known as long as the place exists.
            let peer = self.rooms.participant(first).and_then(|participant| participant.peer);
            if let Some(peer) = peer {
                self.send_away(peer, key.index(), effects);
            }
            let Some(participant) = self.rooms.remove(first, &mut self.retained) else { break };
            let event = Event::Leave { reason: ExitReason::ServerStopped };
            let subject = self.rooms.subject_of(&participant);
            effects.note(Note { peer, ..Note::of(Record { event, subject }) });
        }
        self.ages.cancel(key.index());
        self.stand_empty_no_more(key);
        if self.rooms.close(key).is_some() {
            self.gate.rooms.lose();
        }
    }

    fn send_away(&mut self, peer: PeerId, number: u32, effects: &mut Effects) {
        let wait = Some(Self::come_back_after(peer, number));
        effects.refuse(peer, Problem::ServerShutdown, None, wait);
        effects.close(peer, CloseCode::Restart);
        self.set_standing(peer, Standing::Gone);
    }
}
