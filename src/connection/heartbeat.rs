//! Server pings: whether the peer is still there.

use crate::wire::frame::{self, Control};

/// How many pings may be without an answer before the peer is given up.
const UNANSWERED_MAX: u32 = 2;

/// Numbers the pings of one connection. Each carries its number, so an answer proves what arrived before it.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    sent: u32,
    answered: u32,
}

impl Heartbeat {
    /// Sends the next ping; `false`: too many are without an answer, and no other is sent.
    pub(super) fn beat(&mut self, reply: &mut Vec<u8>) -> bool {
        if self.sent.wrapping_sub(self.answered) >= UNANSWERED_MAX {
            return false;
        }
        self.sent = self.sent.wrapping_add(1);
        frame::write_control(reply, Control::Ping, &self.sent.to_be_bytes());
        true
    }

    /// Notes a pong. One that answers no ping of ours counts for nothing (RFC 6455 5.5.3 allows it).
    pub(super) fn answered(&mut self, payload: &[u8]) {
        let Ok(number) = <[u8; 4]>::try_from(payload).map(u32::from_be_bytes) else { return };
        let outstanding = self.sent.wrapping_sub(self.answered);
        if self.sent.wrapping_sub(number) < outstanding {
            self.answered = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beats(heartbeat: &mut Heartbeat) -> bool {
        heartbeat.beat(&mut Vec::new())
    }

    #[test]
    fn two_unanswered_pings_are_the_end() {
        let mut heartbeat = Heartbeat::default();
        assert!(beats(&mut heartbeat) && beats(&mut heartbeat));
        assert!(!beats(&mut heartbeat));
    }

    #[test]
    fn only_the_number_of_an_open_ping_answers() {
        let mut heartbeat = Heartbeat { sent: u32::MAX, answered: u32::MAX };
        assert!(beats(&mut heartbeat) && beats(&mut heartbeat)); // numbers 0 and 1
        for wrong in [&[][..], &[0; 3], &7_u32.to_be_bytes(), &u32::MAX.to_be_bytes()] {
            heartbeat.answered(wrong);
        }
        assert!(!beats(&mut heartbeat));
        heartbeat.answered(&0_u32.to_be_bytes());
        assert!(beats(&mut heartbeat));
        assert!(!beats(&mut heartbeat));
    }
}
