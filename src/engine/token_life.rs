//! The life of a token while its connection is open: the notice before it expires, its replacement,
//! its expiry.

use super::effects::{Effects, Note};
use super::peers::{Standing, TokenDue};
use super::recording::Pending;
use super::{Engine, PeerId, acknowledge};
use crate::admission::Grant;
use crate::base::time::Now;
use crate::message::Permissions;
use crate::message::notice::{self, LeaveReason};
use crate::message::problem::{Problem, close};
use crate::message::record::{Event, Record, TokenWay};
use crate::message::request::MessageId;

impl Engine {
    /// A new token for the same user, role and session replaces the current one.
    pub(super) fn refresh_token(
        &mut self,
        peer: PeerId,
        token: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let (held, emergency) = match self.peers.standing(peer) {
            Standing::Granted(grant) => (grant, false),
            Standing::Inside(key) => {
                let participant = self.rooms.participant(key).ok_or(Problem::NotInRoom)?;
                (participant.grant, participant.emergency)
            }
            // There is nothing to refresh: a first token comes with `join-room`.
            Standing::Anonymous | Standing::Joining(_) | Standing::Gone => {
                return Err(Problem::Unauthorized);
            }
        };
        let fresh = self.check(peer, token, TokenWay::Refresh, now, effects)?;
        let entitled = !emergency || fresh.permissions.contains(Permissions::EMERGENCY);
        if !held.is_same_bearer(&fresh) || !entitled {
            return Err(Problem::Forbidden);
        }
        let place = match self.peers.standing(peer) {
            Standing::Inside(key) => {
                if let Some(participant) = self.rooms.participant_mut(key) {
                    participant.grant = fresh;
                    let room = participant.room;
                    self.rooms.note_token(room, &fresh);
                }
                Some(key)
            }
            _ => {
                self.set_standing(peer, Standing::Granted(fresh));
                None
            }
        };
        self.peers.watch_token(peer, &fresh);
        let event = Event::TokenRefresh { expires_at: fresh.expires_at };
        effects.note(Note::about(peer, Record { event, subject: self.subject_of(peer) }));
        acknowledge(peer, id, effects);
        if let Some(place) = place {
            // The TURN credentials issued for the old token may expire with it.
            self.renew_login(place, now, effects);
        }
        Ok(())
    }

    /// Handles tokens that are about to expire, and those that have expired.
    pub(super) fn advance_tokens(&mut self, now: Now, effects: &mut Effects) {
        while let Some((peer, due)) = self.peers.take_token_due(now.wall) {
            let Some(grant) = self.grant_of(peer) else { continue };
            let ends_at = self.options.tokens.ends_at(&grant);
            if due == TokenDue::Notice && now.wall < ends_at {
                effects.send(peer, |out| notice::token_expiring(out, grant.expires_at));
                self.peers.await_token_end(peer, ends_at);
            } else {
                effects.refuse(peer, Problem::TokenExpired, None, None);
                effects.close(peer, close::UNAUTHORIZED);
                self.drop_peer(peer, LeaveReason::TokenExpired, now, effects);
            }
        }
    }

    /// The grant of the token that the connection has presented.
    pub(super) fn grant_of(&self, peer: PeerId) -> Option<Grant> {
        match self.peers.standing(peer) {
            Standing::Granted(grant) => Some(grant),
            Standing::Inside(key) => {
                self.rooms.participant(key).map(|participant| participant.grant)
            }
            Standing::Joining(key) => match self.pending.get(key)? {
                Pending::Join(candidate) => candidate.held,
                Pending::End(_) => None,
            },
            Standing::Anonymous | Standing::Gone => None,
        }
    }
}
