//! A client's message: read, counted, obeyed or refused.

use super::peers::Standing;
use super::rates::Class;
use super::{Effects, Engine, PeerId, acknowledge};
use crate::base::limits::Limit;
use crate::base::time::Now;
use crate::message::notice::{self, LeaveReason};
use crate::message::problem::{Flaw, Problem};
use crate::message::request::{self, MessageId, Parsed, Request};

impl Engine {
    /// Handles a message of a connection. A refusal is its answer, and affects nobody else.
    pub fn receive(&mut self, peer: PeerId, text: &str, now: Now, effects: &mut Effects) {
        self.receive_with(peer, text, None, now, effects);
    }

    /// The same for a message whose answer is requested by other means than its own `id`.
    pub fn receive_with(
        &mut self,
        peer: PeerId,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        if matches!(self.peers.standing(peer), Standing::Gone) {
            return;
        }
        // Only the whole message says of which kind it is, and which `id` its refusal must carry.
        // The cost of parsing is bounded by the rate of bytes, and because a connection that is
        // refused too often is closed.
        let parsed = self.readers.of(peer.index).parse(text);
        match self.meter(peer, Class::of(&parsed.request), now, effects) {
            Ok(()) => self.answer(peer, &parsed, text, id, now, effects),
            Err(problem) => self.refuse(peer, problem, id.or(parsed.id), false, now, effects),
        }
    }

    /// A connection sent an unsolicited control frame: a ping, or a pong to none of our pings. It
    /// counts like a message. Returns `false` if it was one too many, and must not be answered.
    pub fn pinged(&mut self, peer: PeerId, now: Now, effects: &mut Effects) -> bool {
        if matches!(self.peers.standing(peer), Standing::Gone) {
            return true;
        }
        let metered = self.meter(peer, Class::State, now, effects);
        // A ping has no answer but its pong, so only a close is reported.
        if let Err(problem) = metered
            && problem.close_code().is_some()
        {
            self.refuse(peer, problem, None, false, now, effects);
        }
        metered.is_ok()
    }

    /// Obeys a message that has been counted.
    pub(super) fn obey(
        &mut self,
        peer: PeerId,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        self.answer(peer, &request::parse(text), text, id, now, effects);
    }

    pub(super) fn meter(
        &mut self,
        peer: PeerId,
        class: Class,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let is_stranger = self.is_stranger(peer);
        let rates = &self.options.rates;
        let taken = self.meters.take(peer.index, class, is_stranger, rates, now.instant);
        taken.map_err(|excess| self.heed_excess(peer, excess, now, effects))
    }

    /// Counts that a connection has said too much of something, and that it has to go where that is so.
    pub(super) fn heed_excess(
        &mut self,
        peer: PeerId,
        (limit, problem): (Limit, Problem),
        now: Now,
        effects: &mut Effects,
    ) -> Problem {
        self.hits.add(limit);
        // A client that is merely too fast for a moment does not concern auditors.
        if problem.close_code().is_some() {
            self.note_limit(peer, limit, effects);
            self.note_abuse(peer, now);
        }
        problem
    }

    /// Counts a connection that is closed for misbehaviour: it sent more than could be obeyed, or
    /// did not read what was sent to it. A user who is closed for that again and again has to wait
    /// before coming back.
    pub fn note_abuse(&mut self, peer: PeerId, now: Now) {
        if let Some(grant) = self.grant_of(peer) {
            self.gate.closed(&grant, now.instant);
        }
    }

    fn answer(
        &mut self,
        peer: PeerId,
        parsed: &Parsed<'_>,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let handled = match &parsed.request {
            Ok(request) => self.handle(peer, request, text, id.or(parsed.id), now, effects),
            Err(problem) => Err(*problem),
        };
        match (handled, &parsed.request) {
            (Ok(()), _) => {}
            // That it is no JSON comes before everything else, but in a description this is known only when all of it was read.
            (Err(_), Ok(Request::Relay(relay))) if !relay.content.is_json() => {
                self.reject_broken(peer, text, id, now, effects);
            }
            (Err(problem), _) => self.reject(peer, parsed, problem, id, now, effects),
        }
    }

    /// Refuses a message that was counted as an offer or an answer and is no JSON.
    fn reject_broken(
        &mut self,
        peer: PeerId,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let parsed = request::parse(text);
        let Err(problem) = parsed.request else { return };
        // What is broken is no signal, so it counts once more, as what it is. All that a stranger says counts alike.
        let metered = match self.is_stranger(peer) {
            true => Ok(()),
            false => self.meter(peer, Class::of(&parsed.request), now, effects),
        };
        match metered {
            Ok(()) => self.reject(peer, &parsed, problem, id, now, effects),
            Err(excess) => self.refuse(peer, excess, id.or(parsed.id), false, now, effects),
        }
    }

    /// Notes that a message was refused, and tells its sender.
    fn reject(
        &mut self,
        peer: PeerId,
        parsed: &Parsed<'_>,
        problem: Problem,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        let name = parsed.request.as_ref().map_or("", Request::name);
        let joining = matches!(parsed.request, Ok(Request::Join(_)));
        let limit = match problem {
            Problem::BadMessage(Flaw::Bounds) => Some(Limit::MessageShape),
            Problem::PeerUnreachable => Some(Limit::Retained),
            Problem::RoomFull => Some(Limit::Participants),
            Problem::ServerFull => Some(Limit::Rooms),
            _ => None,
        };
        limit.into_iter().for_each(|limit| self.hits.add(limit));
        self.note_refusal(peer, problem, name, effects);
        self.refuse(peer, problem, id.or(parsed.id), joining, now, effects);
    }

    /// The refusal is the answer, and some end the connection; its place in the room is kept like a dropped one's.
    pub(super) fn refuse(
        &mut self,
        peer: PeerId,
        problem: Problem,
        id: Option<MessageId<'_>>,
        joining: bool,
        now: Now,
        effects: &mut Effects,
    ) {
        let is_end = matches!(problem, Problem::ServerShutdown);
        effects.refuse(peer, problem, id, is_end.then(|| Self::come_back_after(peer, peer.index)));
        // Otherwise the connection still has a valid token.
        let ends = joining
            || !matches!(
                problem,
                Problem::TokenInvalid | Problem::TokenExpired | Problem::Expelled
            );
        if let Some(code) = problem.close_code().filter(|_| ends) {
            effects.close(peer, code);
            self.drop_peer(peer, LeaveReason::Disconnected, now, effects);
        }
    }

    fn handle(
        &mut self,
        peer: PeerId,
        request: &Request<'_>,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        match request {
            // These send their `ack` themselves, before the notices that follow from them.
            Request::Join(join) => return self.join(peer, join, id, text, now, effects),
            Request::Leave(speaker) => return self.leave(peer, *speaker, id, now, effects),
            Request::EndSession(speaker, reason) => {
                return self.end_session(peer, *speaker, *reason, id, now, effects);
            }
            Request::RefreshToken(token) => {
                return self.refresh_token(peer, token, id, now, effects);
            }
            Request::Relay(relay) => self.relay(peer, relay, text, now, effects)?,
            Request::MediaState(speaker, media) => {
                self.media_state(peer, *speaker, *media, effects)?;
            }
            Request::ConnectionState(speaker, state, failure) => {
                self.connection_state(peer, *speaker, *state, *failure, effects)?;
            }
            Request::ConnectionStats(speaker, stats) => {
                self.connection_stats(peer, *speaker, stats, effects)?;
            }
            Request::Ping => effects.send(peer, |out| notice::pong(out, now.wall)),
        }
        acknowledge(peer, id, effects);
        Ok(())
    }
}
