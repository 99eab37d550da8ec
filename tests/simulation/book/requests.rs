//! What a message of a client must lead to, and whether it did.

use autamedica_signaling::base::time::Now;
use autamedica_signaling::engine::PeerId;
use autamedica_signaling::message::Role;

use super::super::ledger::Who;
use super::super::names;
use super::super::promises::Promise;
use super::super::says;
use super::super::transcript::short;
use super::admission::{Joining, Token};
use super::effects::{Done, close_code, field, kind};
use super::{Book, Key, Place, Standing, key};

/// What a message must lead to.
#[derive(Debug)]
enum Outcome {
    /// Nothing: whoever says it has been told to go.
    Nothing,
    /// A refusal with one of these codes.
    Refused(Vec<&'static str>),
    /// `pong`
    Pong,
    /// `room-joined`
    Joined { token: Token, takes_over: bool },
    /// The end of the connection.
    Left(Who),
    /// The message is passed on.
    Relayed(Who),
}

impl Book {
    /// A client said `text`, and the server did this.
    pub fn received(&mut self, peer: PeerId, text: &str, now: Now, done: &[Done<'_>]) {
        let key = key(peer);
        let before = self.standing(key);
        let outcome = self.outcome(key, text, now);
        self.check_answer(key, text, &outcome, done);
        match outcome {
            Outcome::Joined { token, takes_over } => self.seat_down(key, token, takes_over, done),
            Outcome::Left(who) => self.vacate(who, key),
            Outcome::Relayed(to) => self.relayed(key, to, text, done),
            Outcome::Nothing | Outcome::Refused(_) | Outcome::Pong => {}
        }
        self.carry_out(Some(key), done);
        self.check_told(before.room());
        self.check_told(self.standing(key).room());
    }

    fn outcome(&self, from: Key, text: &str, now: Now) -> Outcome {
        let standing = self.standing(from);
        if matches!(standing, Standing::Gone | Standing::New) {
            return Outcome::Nothing;
        }
        if let Some(code) = self.babble.get(text) {
            return Outcome::Refused(vec![code]);
        }
        match kind(text) {
            "ping" => Outcome::Pong,
            "join-room" => self.join(from, text, now),
            "leave-room" => match self.speaker(standing, text, "userId") {
                Ok(who) => Outcome::Left(who),
                Err(code) => Outcome::Refused(vec![code]),
            },
            _ => self.relay(standing, text),
        }
    }

    fn join(&self, from: Key, text: &str, now: Now) -> Outcome {
        let claimed = claimed(text, "userId").zip(field(text, "userType").and_then(Role::parse));
        let Some(claimed) = claimed else { return Outcome::Refused(vec!["BAD_MESSAGE"]) };
        match self.joining(from, claimed, field(text, "authToken"), now) {
            Joining::Refused(code) => Outcome::Refused(vec![code]),
            Joining::Admitted(token) => Outcome::Joined { token, takes_over: false },
            Joining::TakesOver(token) => Outcome::Joined { token, takes_over: true },
        }
    }

    fn relay(&self, standing: Standing, text: &str) -> Outcome {
        let from = match self.speaker(standing, text, "fromUserId") {
            Ok(from) => from,
            Err(code) => return Outcome::Refused(vec![code]),
        };
        let may = self.place(from).is_some_and(|place| place.token.permits("room:signal"));
        let to = claimed(text, "toUserId").filter(|to| self.place(*to).is_some() && *to != from);
        match (may, to) {
            (true, Some(to)) => Outcome::Relayed(to),
            (true, None) => Outcome::Refused(vec!["PEER_NOT_FOUND"]),
            (false, Some(_)) => Outcome::Refused(vec!["FORBIDDEN"]),
            (false, None) => Outcome::Refused(vec!["FORBIDDEN", "PEER_NOT_FOUND"]),
        }
    }

    /// Who speaks, where that is who it claims to be.
    fn speaker(&self, standing: Standing, text: &str, name: &str) -> Result<Who, &'static str> {
        let Standing::Inside(who) = standing else { return Err("NOT_IN_ROOM") };
        if claimed(text, name) == Some(who) { Ok(who) } else { Err("FORBIDDEN") }
    }

    /// The sender got the one answer that it should, with the `id` of its message.
    fn check_answer(&mut self, from: Key, text: &str, outcome: &Outcome, done: &[Done<'_>]) {
        let id = id(text);
        let mine = |done: &&Done<'_>| matches!(done, Done::Send { to, .. } if *to == from);
        let texts: Vec<&str> = done.iter().filter(mine).filter_map(|done| done.text()).collect();
        let of = |wanted: &str| texts.iter().filter(|text| kind(text) == wanted).count();
        let answers = [of("ack"), of("error"), of("pong"), of("room-joined")];
        let acks = usize::from(id.is_some());
        let expected = match outcome {
            Outcome::Nothing => [0, 0, 0, 0],
            Outcome::Refused(_) => [0, 1, 0, 0],
            Outcome::Pong => [acks, 0, 1, 0],
            Outcome::Joined { .. } => [acks, 0, 0, 1],
            Outcome::Left(_) | Outcome::Relayed(_) => [acks, 0, 0, 0],
        };
        let answer = texts.iter().find(|text| matches!(kind(text), "ack" | "error")).copied();
        let same_id = answer.is_none_or(|answer| self::id(answer) == id);
        let code = answer.and_then(|answer| field(answer, "code"));
        let right_code = match outcome {
            Outcome::Refused(codes) => code.is_some_and(|code| codes.contains(&code)),
            _ => true,
        };
        let right = answers == expected && same_id && right_code;
        self.verdict.check(Promise::Answers, right, || {
            format!("{} must lead to {outcome:?}, was answered {texts:?}", short(text))
        });
        let closes = done.iter().find_map(|done| match *done {
            Done::Close { peer, code } if peer == from => Some(code),
            _ => None,
        });
        let expected = match outcome {
            Outcome::Left(_) => Some(1000),
            Outcome::Refused(_) => code.and_then(close_code),
            _ => None,
        };
        self.verdict.check(Promise::Closing, closes == expected, || {
            format!("{} must close with {expected:?}, did with {closes:?}", short(text))
        });
    }

    /// A participant has a place now.
    fn seat_down(&mut self, from: Key, token: Token, takes_over: bool, done: &[Done<'_>]) {
        let older = self.place(token.who).map(|place| place.peer);
        let stream = self.ledger.begin(token.who);
        let room = self.rooms.entry(token.who.0).or_default();
        room.places.insert(token.who.1, Place { peer: from, role: token.role, token, stream });
        room.known.insert(token.who.1);
        let roles: Vec<Role> = room.places.values().map(|place| place.role).collect();
        let both = roles.contains(&Role::Doctor) && roles.contains(&Role::Patient);
        let activated = both && !room.active;
        room.active |= both;
        self.set_standing(from, Standing::Inside(token.who));
        if let Some(peer) = self.peers.get_mut(&from) {
            peer.stream = Some(stream);
        }
        let told_active = done.iter().any(|done| done.kind() == Some("room-status"));
        self.verdict.check(Promise::Answers, told_active == activated, || {
            format!("room {} became active: {activated}, told: {told_active}", token.who.0)
        });
        if let Some(older) = older.filter(|_| takes_over) {
            self.set_standing(older, Standing::Gone);
            let closed = done.contains(&Done::Close { peer: older, code: 4409 });
            self.verdict.check(Promise::Closing, closed, || "the older tab stays open".to_owned());
            self.check_return_is_told(from, token.who, done);
        }
    }

    /// Everybody else in the room hears that a participant is back, and whether anything was missed.
    fn check_return_is_told(&mut self, from: Key, who: Who, done: &[Done<'_>]) {
        let others = self.rooms[&who.0].places.values().map(|place| place.peer);
        let user = names::user(who.1);
        let untold = others.filter(|other| *other != from).find(|other| {
            !done.iter().any(|done| {
                matches!(done, Done::Send { to, text, .. } if to == other
                    && kind(text) == "peer-state"
                    && field(text, "userId") == Some(&user)
                    && text.contains(r#""resumed":false"#))
            })
        });
        if let Some(untold) = untold {
            let how = format!("link {} was not told that {who:?} is back", self.link(untold));
            self.verdict.broken(Promise::Delivery, how);
        }
    }

    fn relayed(&mut self, from: Key, to: Who, text: &str, done: &[Done<'_>]) {
        let Some(place) = self.place(to) else { return };
        let (peer, stream) = (place.peer, place.stream);
        if let Some(letter) = says::letter_of(text) {
            self.ledger.accept(letter, stream, &mut self.verdict);
        }
        let relays: Vec<Key> = done
            .iter()
            .filter_map(|done| match done {
                Done::Send { to, relayed: true, .. } => Some(*to),
                _ => None,
            })
            .collect();
        let link = self.link(from);
        self.verdict.check(Promise::Delivery, relays == [peer], || {
            format!("a letter of link {link} to {to:?} was sent to {relays:?}")
        });
    }
}

/// Whom a message claims to be about.
fn claimed(text: &str, name: &str) -> Option<Who> {
    let room = names::read_session(field(text, "sessionId")?)?;
    Some((room, names::read_user(field(text, name)?)?))
}

/// The `id` of a message of ours: always a number.
fn id(text: &str) -> Option<u64> {
    let rest = text.split_once(r#""id":"#)?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}
