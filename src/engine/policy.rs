//! Who may do what: one table of roles, restricted by the permissions of the token.

use crate::admission::Grant;
use crate::message::problem::Problem;
use crate::message::request::{Content, Relay};
use crate::message::{Permissions, Role};
use crate::wire::sdp::{self, CandidateRules, Fault, FingerprintHash, LastHash, Rules};

/// Something that a participant may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `join-room`
    Join,
    /// `offer`, `answer`, `ice-candidate`
    Signal,
    /// `media-state`
    MediaState,
    /// `media-control`
    MediaControl,
    /// `end-session`
    EndSession,
}

/// Whether the token allows it, and the role may ever do it.
pub fn check(action: Action, grant: &Grant) -> Result<(), Problem> {
    let allowed = grant.permissions.contains(needs(action)) && may_ever(grant.role, action);
    if allowed { Ok(()) } else { Err(Problem::Forbidden) }
}

/// Whether the description or candidate in a message may pass: how its media is secured, where it leads, and that an
/// observer only receives. The hash of the fingerprints in it, where there are some.
pub fn check_content(
    relay: &Relay<'_>,
    grant: &Grant,
    candidates: CandidateRules<'_>,
    last: &mut LastHash,
) -> Result<Option<FingerprintHash>, Problem> {
    match relay.content {
        Content::Nothing => Ok(None),
        Content::Rollback(_) => Err(Fault::Rollback.into()),
        Content::Candidate(raw) => {
            sdp::check_candidate(raw, candidates)?;
            Ok(None)
        }
        Content::Description(raw) => {
            let may_send = grant.role != Role::Observer;
            Ok(sdp::check_next_description(raw, Rules { may_send, candidates }, last)?)
        }
    }
}

/// The permission that an action needs.
const fn needs(action: Action) -> Permissions {
    match action {
        Action::Join => Permissions::JOIN,
        Action::Signal => Permissions::SIGNAL,
        Action::MediaState | Action::MediaControl => Permissions::MEDIA,
        Action::EndSession => Permissions::END,
    }
}

/// What a role may do at most, whatever its token says.
const fn may_ever(role: Role, action: Action) -> bool {
    match (role, action) {
        (Role::Doctor, _) => true,
        (_, Action::Join | Action::Signal) => true,
        (Role::Patient, Action::MediaState) => true,
        (Role::Patient | Role::Observer, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_roles() {
        use Action::{EndSession, Join, MediaControl, MediaState, Signal};
        let actions = [Join, Signal, MediaState, MediaControl, EndSession];
        let may = |role| actions.map(|action| may_ever(role, action));
        assert_eq!(may(Role::Doctor), [true, true, true, true, true]);
        assert_eq!(may(Role::Patient), [true, true, true, false, false]);
        assert_eq!(may(Role::Observer), [true, true, false, false, false]);
    }
}
