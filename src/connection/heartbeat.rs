//! Server pings: whether the peer is still there, and what of that which was sent to it has arrived.

use crate::wire::frame::{Control, Header, OpCode};

/// How many beats may be without an answer before the peer is given up.
const UNANSWERED_MAX: usize = 2;

/// A ping carries its number and a mark of the application: eight bytes.
const PAYLOAD_BYTES: usize = 8;

/// A ping frame.
pub(super) type Ping = [u8; 2 + PAYLOAD_BYTES];

/// Numbers the pings of one connection. Each carries its number, so an answer proves what arrived before it.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    sent: u32,
    answered: u32,
    /// The numbers of the beats that are without an answer. Pings between beats are not held against the peer.
    unanswered: [u32; UNANSWERED_MAX],
    count: u8,
}

impl Heartbeat {
    /// The ping of a regular beat; `None`: too many are without an answer, and no other is sent.
    pub(super) fn beat(&mut self, mark: u32) -> Option<Ping> {
        let slot = self.unanswered.get_mut(usize::from(self.count))?;
        *slot = self.sent.wrapping_add(1);
        self.count += 1;
        Some(self.ping(mark))
    }

    /// What it has answered may not have been read: the beats up to now are held against it no longer.
    pub(super) fn excuse(&mut self) {
        self.count = 0;
    }

    /// A ping between the beats.
    pub(super) fn ping(&mut self, mark: u32) -> Ping {
        self.sent = self.sent.wrapping_add(1);
        let mut frame = Ping::default();
        frame[..2]
            .copy_from_slice(Header::new(OpCode::Control(Control::Ping), PAYLOAD_BYTES).as_bytes());
        frame[2..6].copy_from_slice(&self.sent.to_be_bytes());
        frame[6..].copy_from_slice(&mark.to_be_bytes());
        frame
    }

    /// The mark of the ping that a pong answers. One that answers no open ping of ours counts for nothing (RFC 6455
    /// 5.5.3 allows it); one that answers a ping answers those before it.
    pub(super) fn answered(&mut self, payload: &[u8]) -> Option<u32> {
        let (number, mark) = payload.split_first_chunk()?;
        let (number, mark) =
            (u32::from_be_bytes(*number), u32::from_be_bytes(mark.try_into().ok()?));
        let open = self.sent.wrapping_sub(self.answered);
        if self.sent.wrapping_sub(number) >= open {
            return None;
        }
        self.answered = number;
        let is_open = |beat: u32| self.sent.wrapping_sub(beat) < self.sent.wrapping_sub(number);
        let [first, second] = self.unanswered;
        match self.count {
            2 if is_open(first) => {}
            2 if is_open(second) => (self.unanswered[0], self.count) = (second, 1),
            1 if is_open(first) => {}
            _ => self.count = 0,
        }
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(number: u32, mark: u32) -> Vec<u8> {
        [number.to_be_bytes(), mark.to_be_bytes()].concat()
    }

    #[test]
    fn two_unanswered_beats_are_the_end() {
        let mut heartbeat = Heartbeat::default();
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(0).is_some());
        heartbeat.ping(0);
        assert!(heartbeat.beat(0).is_none());
    }

    #[test]
    fn pings_between_the_beats_are_not_held_against_the_peer() {
        let mut heartbeat = Heartbeat::default();
        for mark in 0..10 {
            heartbeat.ping(mark);
        }
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(0).is_some());
        assert_eq!(
            heartbeat.answered(&payload(12, 0)),
            Some(0),
            "the second beat, and so all before it"
        );
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(0).is_some());
    }

    #[test]
    fn who_is_excused_has_all_its_time_again_and_no_more() {
        let mut heartbeat = Heartbeat::default();
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(7).is_some());
        heartbeat.excuse();
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(0).is_some());
        assert!(heartbeat.beat(0).is_none());
        assert_eq!(heartbeat.answered(&payload(2, 7)), Some(7), "late, and still proof");
        assert!(heartbeat.beat(0).is_none(), "but of none of those after it");
    }

    #[test]
    fn an_answer_to_the_first_beat_leaves_the_second_open() {
        let mut heartbeat = Heartbeat::default();
        assert!(heartbeat.beat(0).is_some() && heartbeat.beat(0).is_some());
        assert_eq!(heartbeat.answered(&payload(1, 0)), Some(0));
        assert!(heartbeat.beat(0).is_some());
        assert!(heartbeat.beat(0).is_none(), "beats 2 and 3 are open");
    }

    #[test]
    fn only_the_number_of_an_open_ping_answers() {
        let before = u32::MAX;
        let mut heartbeat = Heartbeat { sent: before, answered: before, ..Heartbeat::default() };
        assert!(heartbeat.beat(7).is_some() && heartbeat.beat(8).is_some()); // numbers 0 and 1
        for wrong in [vec![], vec![0; 7], vec![0; 9], payload(7, 7), payload(before, 7)] {
            assert_eq!(heartbeat.answered(&wrong), None);
        }
        assert!(heartbeat.beat(0).is_none());
        assert_eq!(heartbeat.answered(&payload(1, 8)), Some(8));
        assert_eq!(heartbeat.answered(&payload(1, 8)), None, "an answer counts once");
        assert!(heartbeat.beat(0).is_some());
    }
}
