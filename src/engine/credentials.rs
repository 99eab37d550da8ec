//! A token that is shown after the connection was opened and before its first message.

use super::peers::Standing;
use super::rates::Class;
use super::{Effects, Engine, PeerId};
use crate::base::time::Now;
use crate::message::credentials::Credentials;
use crate::message::notice::LeaveReason;
use crate::message::problem::Problem;
use crate::message::record::TokenWay;

impl Engine {
    /// Checks a token that a connection presents by itself, instead of in its upgrade or its
    /// `join-room`. The transport reports a refusal to the client. If the refusal has a close code,
    /// the engine has already forgotten the connection, and the transport must close it.
    ///
    /// # Errors
    /// As for a `join-room` with that token; [`Problem::Forbidden`] for a session that the token
    /// does not name.
    pub fn show_token(
        &mut self,
        peer: PeerId,
        shown: &Result<Credentials<'_>, Problem>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        let judged = self.judge(peer, shown, now, effects);
        if let Err(problem) = judged {
            self.note_refusal(peer, problem, TokenWay::Connect.as_str(), effects);
            if problem.close_code().is_some() {
                self.drop_peer(peer, LeaveReason::Disconnected, now, effects);
            }
        }
        judged
    }

    fn judge(
        &mut self,
        peer: PeerId,
        shown: &Result<Credentials<'_>, Problem>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), Problem> {
        self.meter(peer, Class::State, now, effects)?;
        let Credentials { token, session } = shown.as_ref().map_err(|problem| *problem)?;
        let held = match self.peers.standing(peer) {
            Standing::Granted(grant) => Some(grant),
            Standing::Anonymous => None,
            Standing::Joining(_) | Standing::Inside(_) | Standing::Gone => {
                return Err(Problem::AlreadyJoined);
            }
        };
        let grant = match (token, held) {
            (None, None) => return Err(Problem::Unauthorized),
            (None, Some(held)) if self.is_revoked(&held, now.wall) => {
                return Err(Problem::Expelled);
            }
            (None, Some(held)) => held,
            (Some(token), held) => {
                let fresh = self.check(peer, token, TokenWay::Connect, now, effects)?;
                if held.is_some_and(|held| !held.is_same_bearer(&fresh)) {
                    return Err(Problem::Forbidden);
                }
                fresh
            }
        };
        if session.is_some_and(|session| session != grant.session) {
            return Err(Problem::Forbidden);
        }
        if held.is_none() {
            self.check_bearer(peer, &grant, now, effects)?;
        }
        self.set_standing(peer, Standing::Granted(grant));
        self.peers.watch_token(peer, &grant);
        Ok(())
    }
}
