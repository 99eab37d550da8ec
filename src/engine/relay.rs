//! Messages from one participant to another.

use super::effects::{Effects, Note};
use super::policy::{self, Action};
use super::rooms::Participant;
use super::streams::Hearing;
use super::{Engine, GRACE, PROBE, PeerId};
use crate::base::arena::Key;
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::message::Role;
use crate::message::notice;
use crate::message::problem::{Excess, Problem};
use crate::message::record::{Event, Record};
use crate::message::request::{ConnectionState, MediaChange, Relay, RelayKind, Speaker, Stats};
use crate::wire::sdp::FingerprintHash;

impl Engine {
    /// The message goes on as it came. Its sender, room and addressee are checked first, so its bytes can be trusted.
    pub(super) fn relay(
        &mut self,
        peer: PeerId,
        relay: &Relay<'_>,
        text: &str,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (sender_key, sender) = self.inside(peer, relay.speaker)?;
        let action = match relay.kind {
            RelayKind::MediaControl => Action::MediaControl,
            RelayKind::Offer | RelayKind::Answer | RelayKind::IceCandidate => Action::Signal,
        };
        let (grant, room) = (sender.grant, sender.room);
        policy::check(action, &grant)?;
        let rules = self.options.candidate_rules();
        let shown = policy::check_content(relay, &grant, rules, &mut self.last_hash)?;
        let is_new = shown.as_ref().is_some_and(|shown| !self.knows(sender_key, shown));
        if is_new && !self.gate.admits_certificate(&grant, now.instant) {
            let excess = (Limit::CertificateRate, Excess::Certificates);
            let refused = self.meters.refuse(peer.index, excess, now.instant);
            return Err(self.heed_excess(peer, refused, now, effects));
        }
        let to = self.rooms.find(room, relay.to).filter(|to| *to != sender_key);
        let to = to.ok_or(Problem::PeerNotFound)?;
        let limit = self.options.retained_bytes_max;
        let addressee = self.rooms.participant_mut(to).ok_or(Problem::PeerNotFound)?;
        debug_assert_eq!(addressee.room, room);
        match addressee.peer {
            Some(connection) => {
                addressee.queue.push(text.as_bytes(), limit, &mut self.retained);
                effects.relay(connection);
                self.ask_for_arrival(to, now);
            }
            None => {
                // Whoever looks on leaves room for what doctor and patient say to each other.
                let limit = if grant.role == Role::Observer { limit / 4 } else { limit };
                if !addressee.queue.hold(text.as_bytes(), limit, &mut self.retained) {
                    return Err(Problem::PeerUnreachable);
                }
            }
        }
        if is_new {
            self.gate.certificate_shown(&grant, now.instant);
        }
        if let Some(shown) = shown {
            self.note_fingerprint(peer, sender_key, shown, effects);
        }
        Ok(())
    }

    fn knows(&self, key: Key<Participant>, shown: &FingerprintHash) -> bool {
        let participant = self.rooms.participant(key);
        participant.is_some_and(|participant| participant.fingerprints.know(shown))
    }

    /// An offer or answer with these fingerprints was accepted. Nothing else that a participant says has any, so that they
    /// change in no other way.
    fn note_fingerprint(
        &mut self,
        peer: PeerId,
        key: Key<Participant>,
        shown: FingerprintHash,
        effects: &mut Effects,
    ) {
        let Some(participant) = self.rooms.participant_mut(key) else { return };
        if participant.fingerprints.note(shown) {
            let event = Event::Fingerprint { sha256: *shown.as_bytes() };
            effects.note(Note::about(peer, Record { event, subject: self.subject_of(peer) }));
        }
    }

    pub(super) fn media_state(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        change: MediaChange,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (key, participant) = self.inside(peer, speaker)?;
        policy::check(Action::MediaState, &participant.grant)?;
        if let Some(participant) = self.rooms.participant_mut(key) {
            participant.media = participant.media.changed(change);
        }
        self.tell_state(key, None, effects);
        Ok(())
    }

    pub(super) fn connection_state(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        state: ConnectionState,
        failure: Option<&'static str>,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (key, _) = self.inside(peer, speaker)?;
        if let Some(participant) = self.rooms.participant_mut(key) {
            participant.connection_state = state;
        }
        if state == ConnectionState::Failed {
            let event = Event::ConnectionFailed { code: failure.unwrap_or("OTHER") };
            effects.note(Note::about(peer, Record { event, subject: self.subject_of(peer) }));
        }
        self.tell_state(key, None, effects);
        Ok(())
    }

    pub(super) fn connection_stats(
        &mut self,
        peer: PeerId,
        speaker: Speaker,
        stats: &Stats<'_>,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (_, participant) = self.inside(peer, speaker)?;
        let others = self.rooms.others(participant.room, Some(peer));
        effects.broadcast(others, |out| {
            notice::peer_stats(out, speaker.session, speaker.user, stats);
        });
        Ok(())
    }

    /// Tells the others how a participant is.
    pub(super) fn tell_state(
        &self,
        key: Key<Participant>,
        resumed: Option<bool>,
        effects: &mut Effects,
    ) {
        let Some(participant) = self.rooms.participant(key) else { return };
        let Some(room) = self.rooms.room(participant.room) else { return };
        let state = participant.describe();
        let others = self.rooms.others(participant.room, participant.peer);
        effects.broadcast(others, |out| notice::peer_state(out, room.session, &state, resumed));
    }

    /// A ping will be sent soon, whose answer proves what has arrived.
    pub(super) fn ask_for_arrival(&mut self, key: Key<Participant>, now: Now) {
        let Some(participant) = self.rooms.participant(key) else { return };
        let waits = participant.probing || self.places.queue_of(key.index()).is_some();
        if !waits && !participant.queue.is_empty() {
            self.places.arm(key.index(), PROBE, now.instant);
        }
    }

    /// What had been sent when the mark was taken has arrived.
    pub(super) fn arrived(&mut self, key: Key<Participant>, mark: u32, now: Now) {
        let Some(participant) = self.rooms.participant_mut(key) else { return };
        participant.hearing.prove(mark);
        if let Some(arrived) = Hearing::sent_at(mark, participant.queue.sent()) {
            participant.queue.release(arrived, &mut self.retained);
        }
        participant.probing = false;
        if self.places.queue_of(key.index()) == Some(PROBE) && self.is_quiet(key) {
            self.places.cancel(key.index());
        }
        self.ask_for_arrival(key, now);
    }

    /// Due places: who is away for too long, and whose messages are to be proved arrived.
    pub(super) fn advance_places(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, queue)) = self.places.take_due(now.instant) {
            let Some(key) = self.rooms.participant_at(index) else { continue };
            if queue == GRACE {
                self.exit_absent(key, now, effects);
                continue;
            }
            let Some(participant) = self.rooms.participant_mut(key) else { continue };
            if let Some(connection) = participant.peer.filter(|_| !participant.queue.is_empty()) {
                participant.probing = true;
                effects.ping(connection);
            }
        }
    }

    fn is_quiet(&self, key: Key<Participant>) -> bool {
        self.rooms.participant(key).is_none_or(|participant| participant.queue.is_empty())
    }
}
