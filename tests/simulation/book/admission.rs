//! Who may join: the protocol's rules for tokens, seats and rooms.

use autamedica_signaling::base::time::{Duration, Now, WallTime};
use autamedica_signaling::engine::PeerId;
use autamedica_signaling::message::Role;
use autamedica_signaling::message::record::{Event, TokenWay};

use super::super::ledger::Who;
use super::super::promises::Promise;
use super::expected::Expected;
use super::{Book, Key, Standing, key, records};

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

    fn names_the_same(&self, other: &Self) -> bool {
        (self.who, self.role) == (other.who, other.role)
    }
}

/// Somebody who may enter a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    /// The user, and the room that is entered.
    pub(super) who: Who,
    /// The token that counts.
    pub(super) token: Token,
    /// The token names another room.
    pub(super) emergency: bool,
}

impl Bearer {
    /// The seat that it takes, of the two that a room has.
    pub(super) fn seat(&self) -> Option<Role> {
        let seated = !self.emergency && self.token.role != Role::Observer;
        seated.then_some(self.token.role)
    }
}

/// What somebody claims with `join-room`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// To be this user, in this room.
    pub(super) who: Who,
    /// In this part.
    pub(super) role: Role,
    /// With this token.
    pub(super) token: Option<&'a str>,
    /// For some reason.
    pub(super) has_reason: bool,
}

/// What `join-room` must lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joining {
    /// A refusal with this code.
    Refused(&'static str),
    /// A place.
    Admitted(Bearer),
    /// The place that the same user has already.
    Returns(Bearer),
}

impl Book {
    /// An upgrade was asked for; `status` is that of the answer.
    pub fn requested(&mut self, peer: PeerId, full: bool, status: &str, now: Now) {
        let key = key(peer);
        let token = self.presented.get(&self.link(key)).cloned();
        let token = token.map(|token| self.judge(&token, now.wall));
        let (expected, standing) = match token {
            _ if full || self.stopping => ("503", Standing::Gone),
            None => ("101", Standing::Anonymous),
            Some(Ok(_)) => ("101", Standing::Granted),
            Some(Err(_)) => ("401", Standing::Gone),
        };
        self.verdict.check(Promise::Admission, status == expected, || {
            format!("an upgrade was answered with {status}, not {expected}")
        });
        let known_full = self.peers.get(&key).is_none_or(|peer| peer.full == full);
        self.verdict.check(Promise::Admission, known_full, || {
            format!("that there was no place is {full}, which is wrong")
        });
        let mut noted = Expected::default();
        self.note_arrival(key, full, token.as_ref(), &mut noted);
        self.check_records(now, &noted);
        self.set_standing(key, standing);
        if let Some(Ok(token)) = token {
            self.set_token(key, token, now);
        }
        if let Some(entry) = self.peers.get_mut(&key) {
            entry.since = now.instant;
        }
    }

    /// A client of Socket.IO shows a token; `refused`: it was turned away with this code.
    pub fn shown(&mut self, peer: PeerId, token: &str, refused: Option<&str>, now: Now) {
        let (key, mut expected) = (key(peer), Expected::default());
        let judged = self.judge(token, now.wall);
        let failure = judged.err();
        let shown = Event::Authentication { way: TokenWay::Connect, failure };
        let bearer = judged.map(|token| records::subject(token.who, token.role));
        expected.record(Some(key), shown, bearer.unwrap_or_else(|_| self.subject(key)));
        if let Some(code) = failure {
            let event = Event::Refusal { code, request: TokenWay::Connect.as_str() };
            expected.record(Some(key), event, self.subject(key));
        }
        let right = refused == failure && self.standing(key) == Standing::Anonymous;
        self.verdict.check(Promise::Admission, right, || {
            format!("a token that is {judged:?} was answered with {refused:?}")
        });
        self.check_records(now, &expected);
        match judged {
            Ok(token) => {
                self.set_standing(key, Standing::Granted);
                self.set_token(key, token, now);
                self.let_in += 1;
            }
            Err(_) => self.set_standing(key, Standing::Gone),
        }
    }

    /// What a token is worth at this time.
    pub(super) fn judge(&self, token: &str, now: WallTime) -> Result<Token, &'static str> {
        let token = self.tokens.get(token).ok_or("TOKEN_INVALID")?;
        if now < token.issued_at.minus(Duration::from_secs(self.settings.leeway_secs)) {
            return Err("TOKEN_INVALID");
        }
        if now >= self.ends_at(token) { Err("TOKEN_EXPIRED") } else { Ok(*token) }
    }

    /// From when on a token counts no more.
    pub(super) fn ends_at(&self, token: &Token) -> WallTime {
        token.expires_at.plus(Duration::from_secs(self.settings.leeway_secs))
    }

    /// What must come of a `join-room`.
    pub(super) fn joining(&self, from: Key, claim: &Claim<'_>, now: Now) -> Joining {
        if matches!(self.standing(from), Standing::Inside(_)) {
            return Joining::Refused("ALREADY_JOINED");
        }
        let held = self.peers.get(&from).and_then(|peer| peer.token);
        let presented = claim.token.map(|token| self.judge(token, now.wall)).transpose();
        let token = match (held, presented) {
            (_, Err(code)) => return Joining::Refused(code),
            (None, Ok(None)) => return Joining::Refused("UNAUTHORIZED"),
            (Some(held), Ok(None)) if now.wall >= self.ends_at(&held) => {
                return Joining::Refused("TOKEN_EXPIRED");
            }
            (Some(held), Ok(Some(new))) if !held.names_the_same(&new) => {
                return Joining::Refused("FORBIDDEN");
            }
            (_, Ok(Some(token))) | (Some(token), Ok(None)) => token,
        };
        let names_bearer = (claim.who.1, claim.role) == (token.who.1, token.role);
        let emergency = claim.who.0 != token.who.0;
        let entitled = token.role == Role::Doctor
            && token.permissions.contains(&"room:emergency")
            && self.settings.emergency_access;
        if !names_bearer || !token.permits("room:join") || emergency && !entitled {
            return Joining::Refused("FORBIDDEN");
        }
        if emergency && !claim.has_reason {
            return Joining::Refused("BAD_MESSAGE");
        }
        self.find_way_in(Bearer { who: claim.who, token, emergency }, now)
    }

    /// Whether somebody may enter as things are now, which is asked again once the record of it is durable.
    pub(super) fn find_way_in(&self, bearer: Bearer, now: Now) -> Joining {
        let room = bearer.who.0;
        if now.wall >= self.ends_at(&bearer.token) {
            return Joining::Refused("TOKEN_EXPIRED");
        }
        if self.ended.contains(&room) || self.rooms.get(&room).is_some_and(|room| room.ending) {
            return Joining::Refused("SESSION_ENDED");
        }
        self.find_place(bearer)
    }

    /// What must come of a `refresh-token`.
    pub(super) fn refreshing(
        &self,
        from: Key,
        token: Option<&str>,
        now: Now,
    ) -> Result<Token, &'static str> {
        let held = match self.standing(from) {
            Standing::Inside(who) => self.place(who).map(|place| place.bearer.token),
            _ => self.peers.get(&from).and_then(|peer| peer.token),
        };
        let held = held.ok_or("UNAUTHORIZED")?;
        let fresh = self.judge(token.ok_or("BAD_MESSAGE")?, now.wall)?;
        if held.names_the_same(&fresh) { Ok(fresh) } else { Err("FORBIDDEN") }
    }

    /// Whether the room has a place for the bearer.
    fn find_place(&self, bearer: Bearer) -> Joining {
        if let Some(place) = self.place(bearer.who) {
            let before = (place.bearer.token.role, place.bearer.emergency);
            return match before == (bearer.token.role, bearer.emergency) {
                true => Joining::Returns(bearer),
                false => Joining::Refused("ROLE_TAKEN"),
            };
        }
        let room = self.rooms.get(&bearer.who.0);
        let places = room.into_iter().flat_map(|room| room.places.values());
        let same = places.filter(|place| place.bearer.seat() == bearer.seat()).count();
        match bearer.seat() {
            Some(_) if same > 0 => Joining::Refused("ROLE_TAKEN"),
            // The two seats stay free.
            None if same + 2 >= self.settings.participants_max => Joining::Refused("ROOM_FULL"),
            _ => Joining::Admitted(bearer),
        }
    }
}
