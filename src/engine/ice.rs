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

/// The servers that help clients to find a way to each other through their networks.
#[derive(Clone, Debug, Default)]
pub struct IceOptions {
    /// Those that tell a client its public address.
    pub stun: Vec<IceUrl>,
    /// Those that relay.
    pub turn: Vec<IceUrl>,
    /// What opens those that relay.
    pub logins: Logins,
}

/// What opens the servers that relay.
#[derive(Clone, Debug, Default)]
pub enum Logins {
    /// Nothing: clients are not told of them.
    #[default]
    None,
    /// The same for everybody, for ever.
    Fixed(Login),
    /// Another one for each participant and time.
    Limited {
        /// Makes them.
        minter: Minter,
        /// How long one is good at most: it never outlives the token of whom it is for.
        lifetime: Duration,
    },
}

impl IceOptions {
    /// How long after a login was given out the next one follows: at three quarters of its life.
    pub(super) const fn renewal(&self) -> Duration {
        match &self.logins {
            Logins::Limited { lifetime, .. } => Duration::from_micros(lifetime.as_micros() / 4 * 3),
            // Never asked for.
            Logins::None | Logins::Fixed(_) => Duration::from_secs(u64::MAX),
        }
    }

    /// What a client is told.
    pub(super) fn servers<'a>(&'a self, login: Option<&'a Login>) -> IceServers<'a> {
        IceServers { stun: &self.stun, turn: &self.turn, login }
    }
}

impl Engine {
    /// A login for a participant, as of now; and the next one follows before it ends.
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
            // It ends with the token, of whose end `token-expiring` warns: a new token brings a new login.
            self.logins.cancel(key.index());
        }
        self.logins_issued += 1;
        Some(minter.mint(self.logins_issued, own_end.min(token_end)))
    }

    /// Sends a participant a fresh login, where there is such a thing.
    pub(super) fn renew_login(&mut self, key: Key<Participant>, now: Now, effects: &mut Effects) {
        if !matches!(self.options.ice.logins, Logins::Limited { .. }) {
            return;
        }
        let login = self.issue_login(key, now);
        let Some(peer) = self.rooms.participant(key).and_then(|place| place.peer) else { return };
        let servers = self.options.ice.servers(login.as_ref());
        effects.send(peer, |out| notice::ice_servers(out, &servers));
    }

    /// Logins that are about to end.
    pub(super) fn advance_logins(&mut self, now: Now, effects: &mut Effects) {
        while let Some((index, _)) = self.logins.take_due(now.instant) {
            if let Some(key) = self.rooms.participant_at(index) {
                self.renew_login(key, now, effects);
            }
        }
    }
}
