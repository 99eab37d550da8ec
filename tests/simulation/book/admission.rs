//! Who may come in: what the contract says of tokens, seats and rooms.

use autamedica_signaling::base::time::{Now, WallTime};
use autamedica_signaling::engine::PeerId;
use autamedica_signaling::message::Role;

use super::super::ledger::Who;
use super::super::promises::Promise;
use super::{Book, Key, Standing, key};

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whom it names, and the room.
    pub who: Who,
    /// In which part.
    pub role: Role,
    /// What it permits.
    pub permissions: &'static [&'static str],
    /// From when.
    pub issued_at: WallTime,
    /// Until when.
    pub expires_at: WallTime,
}

impl Token {
    /// Whether it permits something, by the name of the permission.
    pub fn permits(&self, name: &str) -> bool {
        self.permissions.contains(&"room:*") || self.permissions.contains(&name)
    }
}

/// What `join-room` must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joining {
    /// A refusal with this code.
    Refused(&'static str),
    /// A place.
    Admitted(Token),
    /// The place that the same user has already.
    TakesOver(Token),
}

impl Book {
    /// An upgrade was asked for; `status` is that of the answer.
    pub fn requested(&mut self, peer: PeerId, full: bool, status: &str, now: Now) {
        let key = key(peer);
        let token = self.presented.get(&self.link(key)).cloned();
        let token = token.map(|token| self.judge(&token, now.wall));
        let (expected, standing) = match token {
            _ if full => ("503", Standing::Gone),
            None => ("101", Standing::Anonymous),
            Some(Ok(token)) => ("101", Standing::Granted(token)),
            Some(Err(_)) => ("401", Standing::Gone),
        };
        self.verdict.check(Promise::Admission, status == expected, || {
            format!("an upgrade was answered with {status}, not {expected}")
        });
        self.set_standing(key, standing);
        if let Some(entry) = self.peers.get_mut(&key) {
            entry.since = now.instant;
        }
    }

    /// What a token is worth at this time.
    fn judge(&self, token: &str, now: WallTime) -> Result<Token, &'static str> {
        let leeway = (self.settings.leeway_secs * 1_000) as i64;
        let token = self.tokens.get(token).ok_or("TOKEN_INVALID")?;
        if now.as_millis() < token.issued_at.as_millis() - leeway {
            return Err("TOKEN_INVALID");
        }
        if now.as_millis() >= token.expires_at.as_millis() + leeway {
            return Err("TOKEN_EXPIRED");
        }
        Ok(*token)
    }

    /// What must come of a `join-room` that claims to be `claimed`.
    pub(super) fn joining(
        &self,
        from: Key,
        claimed: (Who, Role),
        token: Option<&str>,
        now: Now,
    ) -> Joining {
        let presented = token.map(|token| self.judge(token, now.wall)).transpose();
        let held = match self.standing(from) {
            Standing::Inside(_) => return Joining::Refused("ALREADY_JOINED"),
            Standing::Granted(token) => Some(token),
            _ => None,
        };
        let same = |a: &Token, b: &Token| (a.who, a.role) == (b.who, b.role);
        let token = match (held, presented) {
            (_, Err(code)) => return Joining::Refused(code),
            (None, Ok(None)) => return Joining::Refused("UNAUTHORIZED"),
            (Some(held), Ok(None)) if self.has_ended(&held, now.wall) => {
                return Joining::Refused("TOKEN_EXPIRED");
            }
            (Some(held), Ok(Some(new))) if !same(&held, &new) => {
                return Joining::Refused("FORBIDDEN");
            }
            (_, Ok(Some(token))) | (Some(token), Ok(None)) => token,
        };
        if claimed != (token.who, token.role) || !token.permits("room:join") {
            return Joining::Refused("FORBIDDEN");
        }
        self.seat(token)
    }

    fn has_ended(&self, token: &Token, now: WallTime) -> bool {
        let leeway = (self.settings.leeway_secs * 1_000) as i64;
        now.as_millis() >= token.expires_at.as_millis() + leeway
    }

    /// Whether the room has a place for the bearer.
    fn seat(&self, token: Token) -> Joining {
        let room = self.rooms.get(&token.who.0);
        if let Some(place) = room.and_then(|room| room.places.get(&token.who.1)) {
            return match place.role == token.role {
                true => Joining::TakesOver(token),
                false => Joining::Refused("ROLE_TAKEN"),
            };
        }
        let places = room.into_iter().flat_map(|room| room.places.values());
        let seated = places.filter(|place| place.role == token.role).count();
        match token.role {
            Role::Doctor | Role::Patient if seated > 0 => Joining::Refused("ROLE_TAKEN"),
            Role::Observer if seated + 2 >= self.settings.participants_max => {
                Joining::Refused("ROOM_FULL")
            }
            _ => Joining::Admitted(token),
        }
    }
}
