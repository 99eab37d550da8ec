//! Which STUN and TURN servers a participant is told of, and fresh credentials before the old ones
//! expire.

use super::rooms::Participant;
use super::{Effects, Engine};
use crate::base::arena::Key;
use crate::base::time::{Duration, Now};
use crate::message::ice::IceServers;
use crate::message::notice;
use crate::wire::ice_url::IceUrl;
use crate::wire::turn::{Login, Minter};

/// The STUN and TURN servers that help clients to connect to each other.
#[derive(Clone, Debug, Default)]
pub struct IceOptions {
    /// STUN servers, which tell a client its public address.
    pub stun: Vec<IceUrl>,
    /// TURN servers, which relay.
    pub turn: Vec<IceUrl>,
    /// The credentials for the TURN servers.
    pub logins: Logins,
}

/// The credentials for the TURN servers.
#[derive(Clone, Debug, Default)]
pub enum Logins {
    /// None: clients are not told of TURN servers.
    #[default]
    None,
    /// The same for everybody, without expiry.
    Fixed(Login),
    /// Short-lived ones, different for each participant and time.
    Limited {
        /// Creates them.
        minter: Minter,
        /// How long credentials are valid at most. They never outlive their participant's token.
        lifetime: Duration,
    },
}

impl IceOptions {
    /// When credentials are renewed: after three quarters of their lifetime.
    pub(super) const fn renewal(&self) -> Duration {
        match &self.logins {
            Logins::Limited { lifetime, .. } => Duration::from_micros(lifetime.as_micros() / 4 * 3),
            // These are never renewed.
            Logins::None | Logins::Fixed(_) => Duration::from_secs(u64::MAX),
        }
    }

    /// The servers that a client is told of.
    pub(super) fn servers<'a>(&'a self, login: Option<&'a Login>) -> IceServers<'a> {
        IceServers { stun: &self.stun, turn: &self.turn, login }
    }
}

impl Engine {
    /// Issues credentials for a participant, and schedules their renewal before they expire.
    pub(super) fn issue_login(&mut self, key: Key<Participant>, now: Now) -> Option<Login> {
        let (minter, lifetime) = match &self.options.ice.logins {
            Logins::None => return None,
            Logins::Fixed(login) => return Some(login.clone()),
            Logins::Limited { minter, lifetime } => (minter, *lifetime),
        };
        let grant = self.rooms.participant(key)?.grant;
        let (own_end, token_end) = (now.wall.plus(lifetime), self.options.tokens.ends_at(&grant));
        if own_end < token_end {
            self.logins.arm(key.index(), 0, now.instant);
        } else {
            // They expire with the token, and `token-expiring` warns of that. A new token brings
            // new credentials.
            self.logins.cancel(key.index());
        }
        self.logins_issued += 1;
        Some(minter.mint(self.logins_issued, own_end.min(token_end)))
    }

    /// Sends a participant fresh credentials, if they are short-lived.
    pub(super) fn renew_login(&mut self, key: Key<Participant>, now: Now, effects: &mut Effects) {
        if !matches!(self.options.ice.logins, Logins::Limited { .. }) {
            return;
        }
        let login = self.issue_login(key, now);
        let Some(peer) = self.rooms.participant(key).and_then(|place| place.peer) else { return };
        let servers = self.options.ice.servers(login.as_ref());
        effects.send(peer, |out| notice::ice_servers(out, &servers));
    }

    /// Renews the credentials that are due.
    pub(super) fn advance_logins(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, _)) = self.logins.take_due(now.instant) {
            if let Some(key) = self.rooms.participant_at(index) {
                self.renew_login(key, now, effects);
            }
        }
    }
}
