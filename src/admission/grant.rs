//! What a valid token grants.

use crate::base::time::WallTime;
use crate::message::record::Subject;
use crate::message::{Permissions, Role, RoomType, SessionId, TokenId, UserId};

/// What a valid token says about its bearer. It is authoritative for a connection, whatever its
/// messages claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The user.
    pub user: UserId,
    /// The user's role.
    pub role: Role,
    /// The session that the user may enter.
    pub session: SessionId,
    /// What the user may do there.
    pub permissions: Permissions,
    /// The type of the room, if the token names it.
    pub room_type: Option<RoomType>,
    /// Stands for the token's `jti`, if it has one.
    pub token: Option<TokenId>,
    /// The token's `exp`, without leeway.
    pub expires_at: WallTime,
}

impl Grant {
    /// The subject for the audit log.
    pub const fn subject(&self) -> Subject {
        Subject { session: Some(self.session), user: Some(self.user), role: Some(self.role) }
    }

    /// Whether another token names the same user, role and session.
    pub fn is_same_bearer(&self, other: &Self) -> bool {
        (self.user, self.role, self.session) == (other.user, other.role, other.session)
    }
}
