//! Streams: the relayed messages of a participant, counted from a `room-joined` that did not
//! resume. Each has a number. A returning participant is told which streams of others began
//! meanwhile, since messages that it sent before may be lost.

use super::Engine;
use super::effects::Effects;
use super::rooms::Participant;
use crate::base::arena::Key;
use crate::base::time::Now;
use crate::message::notice;

/// How a mark is divided: below, the messages that were sent; above, the beginnings that were told. It is compared with what
/// can be under way, which is far less than either part can hold.
const SENT_BITS: u32 = 20;
const SENT_MASK: u32 = (1 << SENT_BITS) - 1;

/// A participant's stream, and what the participant knows of the streams of others.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    stream: u64,
    /// The participant is known to have been told of every stream up to this one, counted from its
    /// own. Streams are numbered by the milliseconds of a clock, so 32 bits are enough for weeks.
    heard: u32,
    /// It was told of every stream up to this one, after this many messages had been sent to it.
    told: u32,
    told_at: u32,
    /// How often it was told, as far as a mark can say.
    count: u16,
}

impl Hearing {
    /// The number of its stream.
    pub(super) const fn stream(&self) -> u64 {
        self.stream
    }

    /// The mark that a ping must remember after this many messages were sent.
    pub(super) const fn mark(&self, sent: u64) -> u32 {
        (self.count as u32) << SENT_BITS | sent as u32 & SENT_MASK
    }

    /// How many messages had been sent at a mark, given `sent` up to now; `None` if there never
    /// were that many.
    pub(super) const fn sent_at(mark: u32, sent: u64) -> Option<u64> {
        let since = (sent as u32).wrapping_sub(mark) & SENT_MASK;
        sent.checked_sub(since as u64)
    }

    fn begin(&mut self, stream: u64) {
        (self.stream, self.heard, self.told, self.told_at) = (stream, 0, 0, 0);
    }

    fn tell(&mut self, last_stream: u64, sent: u64) {
        let since = last_stream.saturating_sub(self.stream);
        self.told = u32::try_from(since).unwrap_or(u32::MAX);
        self.told_at = u32::try_from(sent).unwrap_or(u32::MAX);
        self.count = (self.count + 1) & (u16::MAX >> 4);
    }

    /// Everything sent before a mark has arrived: all announcements, unless there were some since.
    pub(super) fn prove(&mut self, mark: u32) {
        if mark >> SENT_BITS == u32::from(self.count) {
            self.heard = self.told;
        }
    }

    /// This many messages have arrived, and everything announced before the last of them.
    pub(super) fn prove_received(&mut self, received: u64) {
        if received > u64::from(self.told_at) {
            self.heard = self.told;
        }
    }

    /// The number up to which it is known to have been told of every stream.
    const fn heard(&self) -> u64 {
        self.stream + self.heard as u64
    }
}

impl Engine {
    /// A participant begins a new stream. The others who are present are told of it by the notice
    /// that follows.
    pub(super) fn begin_stream(&mut self, key: Key<Participant>, now: Now) {
        // By the clock, so that a number of before the start, or of an earlier place, means nothing now.
        let clock = u64::try_from(now.wall.as_millis()).unwrap_or_default();
        self.last_stream = clock.max(self.last_stream + 1);
        let Some(participant) = self.rooms.participant_mut(key) else { return };
        participant.hearing.begin(self.last_stream);
        let room = participant.room;
        let mut next = self.rooms.first(room);
        while let Some(other) = next {
            next = self.rooms.next(other);
            if let Some(participant) = self.rooms.participant_mut(other)
                && participant.peer.is_some()
                && other != key
            {
                participant.hearing.tell(self.last_stream, participant.queue.sent());
            }
        }
    }

    /// Tells a resuming participant which streams of others have begun since it was last known to
    /// be told.
    pub(super) fn tell_beginnings(&mut self, key: Key<Participant>, effects: &mut Effects) {
        let Some(participant) = self.rooms.participant(key) else { return };
        let (heard, peer) = (participant.hearing.heard(), participant.peer);
        let Some((room, peer)) = self.rooms.room(participant.room).zip(peer) else { return };
        let mut any = false;
        let mut next = self.rooms.first(participant.room);
        while let Some(other) = next {
            next = self.rooms.next(other);
            let began = self.rooms.participant(other).filter(|it| it.hearing.stream > heard);
            if let Some(began) = began.filter(|_| other != key) {
                let state = began.describe();
                effects.send(peer, |out| {
                    notice::peer_state(out, room.session, &state, Some(false));
                });
                any = true;
            }
        }
        if let Some(participant) = self.rooms.participant_mut(key).filter(|_| any) {
            participant.hearing.tell(self.last_stream, participant.queue.sent());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_how_much_was_sent_and_told() {
        let mut hearing = Hearing::default();
        hearing.begin(100);
        for sent in [0, 1, 5, (1 << 20) - 1, 1 << 20, (1 << 32) + 7, 1 << 40] {
            let mark = hearing.mark(sent);
            assert_eq!(Hearing::sent_at(mark, sent + 3), Some(sent));
        }
        assert_eq!(Hearing::sent_at(hearing.mark(9), 4), None, "more than ever");
    }

    #[test]
    fn only_what_was_told_before_a_ping_is_proved_by_its_answer() {
        let mut hearing = Hearing::default();
        hearing.begin(100);
        hearing.tell(101, 0);
        let early = hearing.mark(0);
        hearing.tell(102, 3);
        hearing.prove(early);
        assert_eq!(hearing.heard(), 100);
        hearing.prove(hearing.mark(7));
        assert_eq!(hearing.heard(), 102);
        (0..5_000).for_each(|_| hearing.tell(103, 8));
        hearing.prove(hearing.mark(0));
        assert_eq!(hearing.heard(), 103, "however often it was told");
    }

    #[test]
    fn a_message_that_was_sent_later_proves_it_too() {
        let mut hearing = Hearing::default();
        hearing.begin(100);
        hearing.tell(101, 3);
        hearing.prove_received(3);
        assert_eq!(hearing.heard(), 100);
        hearing.prove_received(4);
        assert_eq!(hearing.heard(), 101);
    }
}
