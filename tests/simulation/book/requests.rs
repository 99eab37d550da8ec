//! The expected result of a client's message, and its consequences for everybody.

use autamedica_signaling::base::time::Now;
use autamedica_signaling::engine::{PeerId, Recording};
use autamedica_signaling::message::Role;
use autamedica_signaling::message::notice::RoomStatus;
use autamedica_signaling::message::record::Entry;

use super::super::ledger::Who;
use super::super::names;
use super::super::promises::Promise;
use super::super::says;
use super::super::transcript::short;
use super::admission::{Bearer, Claim, Joining, Token};
use super::effects::{field, kind, plain};
use super::expected::Expected;
use super::places::SENT_MAX;
use super::{Book, Done, Key, Standing, key};

/// The refusal of what is too much, of which nothing is looked at.
pub(super) const TOO_MANY: &str = "RATE_LIMITED";

/// What a message must lead to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing: whoever says it has been told to go.
    Nothing,
    /// A refusal with this code.
    Refused(&'static str),
    /// `pong`
    Pong,
    /// A new place.
    Joined(Bearer),
    /// The place that the user has already; whether nothing of the stream is missing, and who had it.
    Returned { bearer: Bearer, resumed: bool, older: Option<Key> },
    /// An answer once the record is durable.
    Waits(Bearer, Entry),
    /// The end of the connection.
    Left(Who),
    /// The message is passed on, or kept for somebody who is away.
    Relayed(Who),
    /// The others hear how a participant is.
    Shown(Who),
    /// The others hear how good a participant's connection is.
    Measured(Who),
    /// The session is over.
    Ended(u32),
    /// It will be once the record of that is durable.
    Ends(u32),
    /// It was about to be already.
    EndsAlready(u32),
    /// A new token counts.
    Refreshed(Token),
}

impl Book {
    /// A client said `text`, and the server did this.
    pub fn received(&mut self, peer: PeerId, text: &str, now: Now, done: &[Done<'_>]) {
        let key = key(peer);
        let mut expected = Expected::default();
        let waits = self.standing(key) == Standing::Joining;
        self.verdict.check(Promise::Waiting, !waits, || {
            format!("a connection that waits for its record was listened to: {}", short(text))
        });
        let too_many = done.iter().any(|done| {
            matches!(*done, Done::Send { to, text, relayed: false }
                if to == key && field(text, "code") == Some(TOO_MANY))
        });
        let right = self.meter(key, text, too_many, now);
        self.verdict.check(Promise::Answers, right, || {
            format!("that there were too many is {too_many}, which is wrong, of {}", short(text))
        });
        let outcome = match too_many {
            true => Outcome::Refused(TOO_MANY),
            false => self.outcome(key, text, now, done),
        };
        self.note_outcome(key, text, &outcome, now, &mut expected);
        self.check_answer(key, text, &outcome, done, &mut expected);
        self.bring_about(key, text, &outcome, now, &mut expected);
        if too_many {
            self.note_one_more(key, now, done, &mut expected);
        }
        self.carry_out(Some(key), now, done, &expected);
        self.note_logins(now, done);
    }

    /// A connection has answered a ping that was sent when `mark` letters had been accepted.
    pub fn ponged(&mut self, peer: PeerId, mark: u32) {
        let Standing::Inside(who) = self.standing(key(peer)) else { return };
        // A run is too short for more letters than a mark can tell apart.
        self.release(who, mark as usize % SENT_MAX);
        if let Some(place) = self.place_mut(who)
            && place.told == mark / SENT_MAX as u32
        {
            place.unheard.retain(|_, told| !*told);
        }
    }

    /// How many letters were accepted for a connection, and how many beginnings it was told of: what a ping must remember.
    pub fn ping_mark(&self, peer: PeerId) -> u32 {
        let Standing::Inside(who) = self.standing(key(peer)) else { return 0 };
        self.place(who).map_or(0, |place| {
            let letters = self.ledger.stream(place.stream).letters.len();
            place.told * SENT_MAX as u32 + letters as u32
        })
    }

    fn outcome(&self, from: Key, text: &str, now: Now, done: &[Done<'_>]) -> Outcome {
        let standing = self.standing(from);
        if matches!(standing, Standing::Gone | Standing::New | Standing::Joining) {
            return Outcome::Nothing;
        }
        if let Some(code) = self.babble.get(text) {
            return Outcome::Refused(code);
        }
        let judged = match kind(text) {
            "ping" => Ok(Outcome::Pong),
            "join-room" => self.join(from, text, now, done),
            "leave-room" => self.speaker(standing, text, "userId").map(Outcome::Left),
            "end-session" => {
                self.may(standing, text, "userId", "room:end").map(|who| self.ending(who.0))
            }
            "media-state" => self.may(standing, text, "userId", "room:media").map(Outcome::Shown),
            "connection-state" => self.speaker(standing, text, "userId").map(Outcome::Shown),
            "connection-stats" => self.speaker(standing, text, "userId").map(Outcome::Measured),
            "refresh-token" => {
                self.refreshing(from, field(text, "authToken"), now).map(Outcome::Refreshed)
            }
            _ => self.relay(standing, text, done).map(Outcome::Relayed),
        };
        judged.unwrap_or_else(Outcome::Refused)
    }

    fn join(
        &self,
        from: Key,
        text: &str,
        now: Now,
        done: &[Done<'_>],
    ) -> Result<Outcome, &'static str> {
        let claim = Claim {
            who: claimed(text, "userId").ok_or("BAD_MESSAGE")?,
            role: field(text, "userType").and_then(Role::parse).ok_or("BAD_MESSAGE")?,
            token: field(text, "authToken"),
            has_reason: field(text, "reason").is_some(),
        };
        let (bearer, entry) = match self.joining(from, &claim, now) {
            Joining::Refused(code) => return Err(code),
            Joining::Admitted(bearer) => (bearer, Entry::New),
            Joining::Returns(bearer) => (bearer, self.way_back(bearer.who)),
        };
        match self.recording() {
            Recording::Available => Ok(Outcome::Waits(bearer, entry)),
            Recording::Unavailable => Err("AUDIT_UNAVAILABLE"),
            Recording::Off if entry == Entry::New => Ok(Outcome::Joined(bearer)),
            Recording::Off => Ok(self.returned(bearer, text, done)),
        }
    }

    /// How somebody comes to a place that it has already.
    fn way_back(&self, who: Who) -> Entry {
        let is_there = self.place(who).is_some_and(|place| place.peer.is_some());
        if is_there { Entry::Takeover } else { Entry::Return }
    }

    /// Somebody comes to the place that it has already.
    pub(super) fn returned(&self, bearer: Bearer, text: &str, done: &[Done<'_>]) -> Outcome {
        let older = self.place(bearer.who).and_then(|place| place.peer);
        let received = plain(text, "received").and_then(|count| count.parse().ok());
        let named = plain(text, "stream").and_then(|name| name.parse::<u64>().ok());
        let present = self.place(bearer.who).map(|place| place.stream_name);
        let same_stream = named.is_none_or(|named| Some(named) == present);
        let resumed = same_stream && self.resumes(bearer.who, received, done);
        Outcome::Returned { bearer, resumed, older }
    }

    fn ending(&self, room: u32) -> Outcome {
        match self.rooms.get(&room) {
            Some(it) if it.ending => Outcome::EndsAlready(room),
            _ if self.recording() == Recording::Off => Outcome::Ended(room),
            _ => Outcome::Ends(room),
        }
    }

    /// Whether everything behind the first `received` letters is there.
    fn resumes(&self, who: Who, received: Option<usize>, done: &[Done<'_>]) -> bool {
        let (Some(place), Some(received)) = (self.place(who), received) else { return false };
        let accepted = self.ledger.stream(place.stream).letters.len();
        let whole = (place.released..=accepted).contains(&received);
        // Where all participants together keep too much, less is kept for each.
        let says_so =
            |text: &str| kind(text) == "room-joined" && plain(text, "resumed") == Some("true");
        whole && (!self.is_short_of_memory() || done.iter().filter_map(Done::text).any(says_so))
    }

    fn relay(
        &self,
        standing: Standing,
        text: &str,
        done: &[Done<'_>],
    ) -> Result<Who, &'static str> {
        let permission = if kind(text) == "media-control" { "room:media" } else { "room:signal" };
        let from = self.may(standing, text, "fromUserId", permission)?;
        let observes =
            self.place(from).is_some_and(|place| place.bearer.token.role == Role::Observer);
        if observes && text.contains("a=sendrecv") {
            return Err("SDP_REJECTED");
        }
        let to = claimed(text, "toUserId").filter(|to| *to != from).ok_or("PEER_NOT_FOUND")?;
        let place = self.place(to).ok_or("PEER_NOT_FOUND")?;
        // Of what is kept, observers have a quarter.
        let max = self.settings.retained_bytes_max / if observes { 4 } else { 1 };
        let full = place.kept_bytes + text.len() - says::callback_bytes(text) > max;
        let refused =
            done.iter().filter_map(Done::text).any(|text| text.contains("PEER_UNREACHABLE"));
        // Where all participants together keep too much, the server alone knows what still fits.
        let unreachable = if self.is_short_of_memory() { refused } else { full };
        if place.peer.is_none() && unreachable {
            return Err("PEER_UNREACHABLE");
        }
        Ok(to)
    }

    fn is_short_of_memory(&self) -> bool {
        self.settings.retained_total_max < 1 << 20
    }

    /// Who speaks, where that is who it claims to be.
    fn speaker(&self, standing: Standing, text: &str, name: &str) -> Result<Who, &'static str> {
        let Standing::Inside(who) = standing else { return Err("NOT_IN_ROOM") };
        if claimed(text, name) == Some(who) { Ok(who) } else { Err("FORBIDDEN") }
    }

    /// Who speaks, where its token and its role let it.
    fn may(
        &self,
        standing: Standing,
        text: &str,
        name: &str,
        permission: &str,
    ) -> Result<Who, &'static str> {
        let who = self.speaker(standing, text, name)?;
        let Some(place) = self.place(who) else { return Err("NOT_IN_ROOM") };
        let role_may = match kind(text) {
            "end-session" | "media-control" => place.bearer.token.role == Role::Doctor,
            "media-state" => place.bearer.token.role != Role::Observer,
            _ => true,
        };
        if role_may && place.bearer.token.permits(permission) { Ok(who) } else { Err("FORBIDDEN") }
    }

    pub(super) fn bring_about(
        &mut self,
        from: Key,
        text: &str,
        outcome: &Outcome,
        now: Now,
        expected: &mut Expected,
    ) {
        match *outcome {
            Outcome::Nothing | Outcome::Refused(_) | Outcome::Pong => {}
            Outcome::EndsAlready(room) => self.wait_too(room, from, text),
            Outcome::Waits(bearer, _) => self.let_wait(from, bearer, text),
            Outcome::Joined(bearer) => {
                let (room, user) = bearer.who;
                self.note_joining_token(from, text, bearer.token, now);
                let is_new = !self.rooms.contains_key(&room);
                let activated = self.seat_down(from, bearer, media(text), now);
                expected.tell(self.others(room, user), "peer-joined", user);
                if is_new {
                    self.note_status(room, RoomStatus::Waiting, now, expected);
                }
                if activated {
                    self.note_status(room, RoomStatus::Active, now, expected);
                    expected.tell(self.others(room, u32::MAX), "room-status", 0);
                }
            }
            Outcome::Returned { bearer, resumed, older } => {
                let (room, user) = bearer.who;
                self.note_joining_token(from, text, bearer.token, now);
                self.come_back(from, text, bearer, resumed);
                if let Some(older) = older {
                    expected.close(older, 4409);
                }
                if resumed {
                    self.tell_beginnings(bearer.who, expected);
                }
                expected.tell(self.others(room, user), "peer-state", user);
            }
            Outcome::Left(who) => {
                expected.close(from, 1000);
                self.vacate(who, "left", now, expected);
            }
            Outcome::Relayed(to) => {
                self.note_fingerprint(from, text, expected);
                if let Some(letter) = says::letter_of(text) {
                    self.keep(to, letter);
                }
            }
            Outcome::Shown(who) => {
                if let Some(place) = self.place_mut(who) {
                    place.change_media(media(text));
                    place.state = field(text, "state").map_or(place.state, known_state);
                }
                expected.tell(self.others(who.0, who.1), "peer-state", who.1);
            }
            Outcome::Measured(who) => {
                expected.tell(self.others(who.0, who.1), "peer-stats", who.1);
            }
            Outcome::Ended(room) | Outcome::Ends(room) => {
                self.begin_to_end(room, Some((from, text)), None, now, expected);
            }
            Outcome::Refreshed(token) => self.refresh(from, token, now, expected),
        }
    }

    fn refresh(&mut self, from: Key, token: Token, now: Now, expected: &mut Expected) {
        self.set_token(from, token, now);
        if let Standing::Inside(who) = self.standing(from)
            && let Some(place) = self.place_mut(who)
        {
            place.bearer.token = token;
            expected.tell(vec![from], "ice-servers", 0);
        }
    }

    fn note_joining_token(&mut self, from: Key, text: &str, token: Token, now: Now) {
        if field(text, "authToken").is_some() {
            self.set_token(from, token, now);
        }
    }

    fn come_back(&mut self, from: Key, text: &str, bearer: Bearer, resumed: bool) {
        let who = bearer.who;
        let received = plain(text, "received").and_then(|count| count.parse().ok());
        match received.filter(|_| resumed) {
            Some(received) => {
                self.release(who, received);
                if let Some(place) = self.place_mut(who).filter(|place| received > place.told_at) {
                    place.unheard.retain(|_, told| !*told);
                }
            }
            None => {
                let stream = self.ledger.begin(who);
                self.begin_anew(who);
                if let Some(place) = self.place_mut(who) {
                    (place.stream, place.released, place.kept_bytes) = (stream, 0, 0);
                }
            }
        }
        let stream = self.stream_of_user(who);
        if let Some(place) = self.place_mut(who) {
            (place.peer, place.bearer, place.state) = (Some(from), bearer, "connected");
            place.change_media(media(text));
        }
        self.set_standing(from, Standing::Inside(who));
        if let Some(stream) = stream {
            self.streams.insert(self.link(from), stream);
        }
    }
}

/// Whom a message claims to be about.
fn claimed(text: &str, name: &str) -> Option<Who> {
    let room = names::read_session(field(text, "sessionId")?)?;
    Some((room, names::read_user(field(text, name)?)?))
}

/// What a message says about sound, picture and screen.
fn media(text: &str) -> [Option<bool>; 3] {
    ["audio", "video", "screen"].map(|name| plain(text, name).map(|value| value == "true"))
}

fn known_state(state: &str) -> &'static str {
    let states = ["new", "connecting", "connected", "disconnected", "failed", "closed"];
    states.into_iter().find(|known| *known == state).unwrap_or("unknown")
}
