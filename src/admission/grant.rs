//! What a valid token says.

use crate::base::time::WallTime;
use crate::message::record::Subject;
use crate::message::{Permissions, Role, RoomType, SessionId, TokenId, UserId};

/// What a token that was found valid says about its bearer. The truth about a connection, whatever its messages claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The person.
    pub user: UserId,
    /// The part that the person may play.
    pub role: Role,
    /// The session that the person may enter.
    pub session: SessionId,
    /// What the person may do there.
    pub permissions: Permissions,
    /// The kind of room, where the token says it.
    pub room_type: Option<RoomType>,
    /// Stands for the token's `jti`, where it has one.
    pub token: Option<TokenId>,
    /// The token's `exp`, without leeway.
    pub expires_at: WallTime,
}

impl Grant {
    /// Whom the audit log names.
    pub const fn subject(&self) -> Subject {
        Subject { session: Some(self.session), user: Some(self.user), role: Some(self.role) }
    }

    /// Whether another token names the same user, role and session.
    pub fn is_same_bearer(&self, other: &Self) -> bool {
        (self.user, self.role, self.session) == (other.user, other.role, other.session)
    }
}
