//! All limits by name, and how often each was hit. `docs/limits.md` describes each limit and what
//! the client gets; a test compares the two.

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A limit. There are no others, and their number never depends on clients.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $($(#[$doc])* $variant,)*
        }

        impl Limit {
            /// All limits.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name of its counter.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

limits! {
    /// The maximum number of connections of the server.
    Connections = "connections",
    /// The maximum number of WebSockets of one address.
    AddressConnections = "address_connections",
    /// The maximum number of connections of one address whose request is still arriving.
    AddressHeads = "address_heads",
    /// The maximum number of connections of one user.
    UserConnections = "user_connections",
    /// The maximum number of connections of one user in one session that were closed for what they
    /// did.
    UserCloses = "user_closes",
    /// One user has joined one session as often as allowed.
    UserJoins = "user_joins",
    /// More new connections per second than are accepted: the rest waits.
    AcceptRate = "accept_rate",
    /// An invalid token from an address that has presented too many of them.
    AuthFailures = "auth_failures",
    /// A request head that is too large.
    HeadBytes = "head_bytes",
    /// A request head that did not arrive in time.
    HeadTime = "head_time",
    /// No `join-room` in time.
    JoinTime = "join_time",
    /// A message that is too large, or has too many fragments.
    MessageBytes = "message_bytes",
    /// A message that is nested too deep or has too many members.
    MessageShape = "message_shape",
    /// Offers, answers and candidates faster than allowed.
    SignalRate = "signal_rate",
    /// Other messages faster than allowed.
    StateRate = "state_rate",
    /// Messages of a client without a token, faster than allowed.
    StrangerRate = "stranger_rate",
    /// Certificates of a participant's media that it has not shown lately, faster than allowed.
    CertificateRate = "certificate_rate",
    /// So many refused messages that the connection was closed.
    Refused = "refused_messages",
    /// Bytes faster than allowed: the rest waits.
    BytesRate = "bytes_rate",
    /// The maximum of messages kept for an absent participant.
    Retained = "retained_bytes",
    /// The maximum number of participants in one room.
    Participants = "room_participants",
    /// The maximum number of rooms of the server.
    Rooms = "rooms",
    /// A room that reached its maximum age.
    RoomAge = "room_age",
    /// A room that was empty for too long.
    RoomEmpty = "room_empty",
    /// A participant who did not come back in time.
    Grace = "reconnect_grace",
    /// A peer that does not answer pings.
    Heartbeat = "heartbeat",
    /// A user who already has a connection, which still answers.
    Duplicate = "duplicate_identity",
}

/// How often each limit was hit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits([u64; Limit::ALL.len()]);

impl Hits {
    /// No hits.
    pub const NONE: Self = Self([0; Limit::ALL.len()]);

    /// The hits that `count` returns for each limit.
    pub fn new(count: impl Fn(Limit) -> u64) -> Self {
        let mut hits = Self::NONE;
        hits.0.iter_mut().zip(Limit::ALL).for_each(|(hits, limit)| *hits = count(*limit));
        hits
    }

    /// Adds one hit.
    pub fn add(&mut self, limit: Limit) {
        self.0[limit as usize] += 1;
    }

    /// How often a limit was hit.
    pub const fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// Each limit with its hits.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL.iter().map(|limit| (*limit, self.of(*limit)))
    }

    /// The sum of two counts.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.iter_mut().zip(&others.0).for_each(|(mine, theirs)| *mine += theirs);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_counted_apart_and_under_a_name_of_its_own() {
        let mut hits = Hits::default();
        for (number, limit) in Limit::ALL.iter().enumerate() {
            (0..=number).for_each(|_| hits.add(*limit));
        }
        let both = hits.and(&hits);
        for (number, (limit, count)) in both.iter().enumerate() {
            assert_eq!(count, 2 * (number as u64 + 1), "{limit:?}");
            assert_eq!(Limit::ALL.iter().filter(|one| one.name() == limit.name()).count(), 1);
        }
    }
}
