//! The roles of participants, the types of rooms, and the permissions of tokens.

/// The role of a participant in a room: the `userType` of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one doctor of the room; makes the offer.
    Doctor,
    /// The one patient of the room.
    Patient,
    /// Watches and listens: for example a trainee, an interpreter, a relative.
    Observer,
}

impl Role {
    /// Reads the name that tokens and messages use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "doctor" => Some(Self::Doctor),
            "patient" => Some(Self::Patient),
            "observer" => Some(Self::Observer),
            _ => None,
        }
    }

    /// The name that tokens and messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Doctor => "doctor",
            Self::Patient => "patient",
            Self::Observer => "observer",
        }
    }
}

/// The type of a room: the `roomType` of a token or of the doctor's `join-room`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RoomType {
    /// An ordinary consultation.
    #[default]
    Consultation,
    /// An emergency. It needs no permission of its own.
    Emergency,
    /// A follow-up consultation.
    FollowUp,
}

impl RoomType {
    /// Reads the name that tokens and messages use.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "consultation" => Some(Self::Consultation),
            "emergency" => Some(Self::Emergency),
            "follow-up" => Some(Self::FollowUp),
            _ => None,
        }
    }

    /// The name that tokens and messages use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consultation => "consultation",
            Self::Emergency => "emergency",
            Self::FollowUp => "follow-up",
        }
    }
}

/// The set of permissions that a token grants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// No permissions.
    pub const NONE: Self = Self(0);
    /// `room:join`: to enter the room.
    pub const JOIN: Self = Self(1);
    /// `room:signal`: `offer`, `answer`, `ice-candidate`.
    pub const SIGNAL: Self = Self(1 << 1);
    /// `room:media`: `media-state`, `media-control`.
    pub const MEDIA: Self = Self(1 << 2);
    /// `room:end`: `end-session`.
    pub const END: Self = Self(1 << 3);
    /// `room:emergency`: to join a session that the token does not name, with a reason.
    pub const EMERGENCY: Self = Self(1 << 4);
    /// `room:*`: the first four, without `room:emergency`.
    pub const ALL: Self = Self(Self::JOIN.0 | Self::SIGNAL.0 | Self::MEDIA.0 | Self::END.0);

    /// The permissions that a name in a token stands for; none for an unknown name.
    pub fn parse(text: &str) -> Self {
        match text {
            "room:join" => Self::JOIN,
            "room:signal" => Self::SIGNAL,
            "room:media" => Self::MEDIA,
            "room:end" => Self::END,
            "room:emergency" => Self::EMERGENCY,
            "room:*" => Self::ALL,
            _ => Self::NONE,
        }
    }

    /// The union of two sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all permissions in `wanted` are granted.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for role in [Role::Doctor, Role::Patient, Role::Observer] {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        for kind in [RoomType::Consultation, RoomType::Emergency, RoomType::FollowUp] {
            assert_eq!(RoomType::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Role::parse("Doctor"), None);
    }

    #[test]
    fn the_star_does_not_hold_emergency_access() {
        let star = Permissions::parse("room:*");
        assert!(star.contains(Permissions::JOIN.with(Permissions::END)));
        assert!(!star.contains(Permissions::EMERGENCY));
        assert_eq!(Permissions::parse("room:everything"), Permissions::NONE);
    }
}
