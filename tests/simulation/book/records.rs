//! The expected audit records: exactly what happened, and nothing else.

use autamedica_signaling::base::time::{Duration, Now, WallTime};
use autamedica_signaling::engine::{Recording, Ticket};
use autamedica_signaling::message::notice::{LeaveReason, RoomStatus};
use autamedica_signaling::message::record::{Entry, Event, ExitReason, Record, Subject, TokenWay};
use autamedica_signaling::message::{Role, RoomType};

use super::super::ledger::Who;
use super::super::names;
use super::super::plan::ENTRIES_ENOUGH;
use super::super::promises::Promise;
use super::admission::{Bearer, Token};
use super::effects::{field, kind};
use super::expected::Expected;
use super::requests::{Outcome, TOO_MANY};
use super::waiting::{Awaited, Waiting};
use super::{Book, Done, Key, Standing};

/// Something that the server told its audit log.
#[derive(Clone, Debug)]
pub struct Noted {
    /// The connection that it is about.
    pub peer: Option<Key>,
    /// What it says.
    pub record: Record,
    /// Somebody's reason, as JSON.
    pub reason: Option<String>,
    /// What waits for it.
    pub ticket: Option<Ticket>,
    /// Whether it says where the connection comes from.
    pub has_address: bool,
    /// When, where that is known.
    pub time: Option<WallTime>,
}

/// Something that the audit log must be told.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) peer: Option<Key>,
    pub(super) record: Record,
    pub(super) reason: Option<String>,
    pub(super) awaited: Option<Awaited>,
}

/// How long a session stays closed at least. No token lasts longer here.
const CLOSED_FOR: Duration = Duration::from_secs(24 * 3_600);

impl Wanted {
    fn is(&self, noted: &Noted) -> bool {
        (self.peer, self.record) == (noted.peer, noted.record)
            && self.reason == noted.reason
            && self.awaited.is_some() == noted.ticket.is_some()
            && noted.has_address == self.says_address()
    }

    /// Only the records of an arrival do, and those of who comes in.
    fn says_address(&self) -> bool {
        let way = TokenWay::Upgrade;
        matches!(self.record.event, Event::Connect { .. } | Event::Admission { .. })
            || matches!(self.record.event, Event::Authentication { way: of, .. } if of == way)
    }
}

impl Book {
    /// The server tells its audit log something. To be called before what it did with it.
    pub fn noted(&mut self, noted: Noted) {
        let connection = self.number(noted.peer);
        let position = self.note_count;
        let read = self.register.read(connection, &noted.record, position);
        self.verdict.check(Promise::Records, read.is_ok(), || {
            format!("the log says {:?}, which is {}", noted.record, read.expect_err("checked"))
        });
        self.note_count += 1;
        self.notes.push(noted.clone());
        self.unread.push(noted);
    }

    /// Nobody is told of what is not durable.
    pub fn check_written_ahead(&mut self, now: Now, done: &[Done<'_>]) {
        for one in done {
            let Done::Send { to, text, relayed: false } = *one else { continue };
            let link = self.link(to);
            match kind(text) {
                "room-joined" => {
                    let note = self.register.told(self.number(Some(to)));
                    self.verdict.check(Promise::Records, note.is_some(), || {
                        format!("link {link} was let in without a record")
                    });
                    let durable = note.and_then(|note| self.disk.is_durable(note)) == Some(true);
                    let kept = durable || self.recording() == Recording::Off;
                    self.verdict.check(Promise::WrittenAhead, kept, || {
                        format!("link {link} was let in before that was durable")
                    });
                }
                "room-status" if field(text, "status") == Some("ended") => {
                    let room = field(text, "sessionId").and_then(names::read_session);
                    let kept = room.is_some_and(|room| self.may_tell_end(room, now));
                    self.verdict.check(Promise::WrittenAhead, kept, || {
                        format!("the end of room {room:?} was told before it was durable")
                    });
                }
                _ => {}
            }
        }
    }

    /// Whether everybody may hear that a session is over: its record is durable, or cannot be.
    fn may_tell_end(&self, room: u32, now: Now) -> bool {
        self.recording() == Recording::Off
            || self.is_end_durable(room)
            || self.waits_for_end(room).is_some_and(|waiting| self.is_hopeless(waiting, now))
    }

    /// Whether it is durable that a session is over.
    pub fn is_end_durable(&self, room: u32) -> bool {
        let session = Some(names::session_id(room));
        self.disk.holds(|written| {
            let Record { event, subject } = written.record;
            let ends = matches!(event, Event::RoomStatus { status: RoomStatus::Ended, .. });
            ends && subject.session == session
        })
    }

    /// Whether it is durable that somebody was let into a room, over this connection where that matters.
    pub fn is_admission_durable(&self, who: Who, connection: Option<(usize, u64)>) -> bool {
        let session = Some(names::session_id(who.0));
        let user = Some(names::user_id(who.1));
        self.disk.holds(|written| {
            let Record { event, subject } = written.record;
            let here = connection.is_none_or(|it| it == (written.life, written.connection));
            let admits = matches!(event, Event::Admission { .. });
            admits && here && (subject.session, subject.user) == (session, user)
        })
    }

    /// How many records there were, and of these the admissions that were told and those that were withdrawn.
    pub fn record_counts(&self) -> [u64; 3] {
        self.register.counts()
    }

    /// Whether the audit log was told just that.
    pub(super) fn check_records(&mut self, now: Now, expected: &Expected) {
        let mut notes = std::mem::take(&mut self.notes);
        let first = self.note_count - notes.len();
        let mut positions: Vec<usize> = (first..self.note_count).collect();
        for wanted in &expected.records {
            let Some(at) = notes.iter().position(|noted| wanted.is(noted)) else {
                let told: Vec<_> = notes.iter().map(|noted| noted.record).collect();
                let how = format!("the log must be told {wanted:?}, was told {told:?}");
                return self.verdict.broken(Promise::Records, how);
            };
            let (noted, note) = (notes.remove(at), positions.remove(at));
            if let Some((ticket, awaited)) = noted.ticket.zip(wanted.awaited.clone()) {
                let since = now.instant;
                self.waiting.push(Waiting { ticket, note, since, awaited });
            }
        }
        self.verdict.check(Promise::Records, notes.is_empty(), || {
            format!("the log was told {notes:?}, which did not happen")
        });
    }

    /// After a turn: what was told is what is kept, entry by entry.
    pub fn check_kept(&mut self) {
        let unread = std::mem::take(&mut self.unread);
        let first = self.note_count - unread.len();
        if self.recording() == Recording::Off {
            return;
        }
        let taken = self.disk.taken_count();
        self.verdict.check(Promise::Records, taken == self.note_count, || {
            format!("of {} notes the log was given {taken}", self.note_count)
        });
        let narrow = self.settings.audit.is_some_and(|audit| audit.room < ENTRIES_ENOUGH);
        for (position, noted) in unread.iter().enumerate() {
            let connection = self.number(noted.peer);
            let right = match self.disk.written(first + position) {
                Some(written) => {
                    (written.record, written.connection) == (noted.record, connection)
                        && (&written.reason, written.has_address)
                            == (&noted.reason, noted.has_address)
                        && noted.time.is_none_or(|time| time == written.time)
                }
                None => narrow,
            };
            self.verdict.check(Promise::Records, right, || {
                format!("{noted:?} is kept as {:?}", self.disk.written(first + position))
            });
        }
    }

    /// What the server may expect of its log.
    pub(super) fn recording(&self) -> Recording {
        match self.settings.audit {
            None => Recording::Off,
            Some(_) if self.disk.is_available() => Recording::Available,
            Some(_) => Recording::Unavailable,
        }
    }

    /// What a message must be noted with, before anything has changed by it.
    pub(super) fn note_outcome(
        &self,
        from: Key,
        text: &str,
        outcome: &Outcome,
        now: Now,
        expected: &mut Expected,
    ) {
        if matches!(outcome, Outcome::Nothing | Outcome::Refused(TOO_MANY)) {
            return;
        }
        self.note_shown_token(from, text, now, expected);
        match *outcome {
            Outcome::Refused(code) if matters(code) => {
                let event = Event::Refusal { code, request: known_kind(text) };
                expected.record(Some(from), event, self.subject(from));
            }
            Outcome::Waits(bearer, entry) => {
                let awaited = Some(Awaited::Join(from));
                expected.records.push(admission(from, &bearer, entry, text, awaited));
            }
            Outcome::Joined(bearer) if self.recording() == Recording::Off => {
                expected.records.push(admission(from, &bearer, Entry::New, text, None));
            }
            Outcome::Returned { bearer, older, .. } if self.recording() == Recording::Off => {
                let entry = if older.is_some() { Entry::Takeover } else { Entry::Return };
                expected.records.push(admission(from, &bearer, entry, text, None));
            }
            Outcome::Shown(_) if field(text, "state") == Some("failed") => {
                let code = if text.contains("ICE_FAILED") { "ICE_FAILED" } else { "OTHER" };
                expected.record(Some(from), Event::ConnectionFailed { code }, self.subject(from));
            }
            Outcome::Refreshed(token) => {
                let event = Event::TokenRefresh { expires_at: token.expires_at };
                expected.record(Some(from), event, self.subject(from));
            }
            _ => {}
        }
    }

    /// The first description of a participant shows its certificate.
    pub(super) fn note_fingerprint(&mut self, from: Key, text: &str, expected: &mut Expected) {
        let Standing::Inside(who) = self.standing(from) else { return };
        let subject = self.subject(from);
        let Some(place) = self.place_mut(who) else { return };
        let shows = matches!(kind(text), "offer" | "answer");
        if shows && !std::mem::replace(&mut place.fingerprint_noted, true) {
            let told = self.notes.iter().find_map(|noted| match noted.record.event {
                Event::Fingerprint { sha256 } => Some(sha256),
                _ => None,
            });
            self.fingerprint = self.fingerprint.or(told);
            let sha256 = self.fingerprint.unwrap_or_default();
            expected.record(Some(from), Event::Fingerprint { sha256 }, subject);
        }
    }

    /// A token that comes with a message is noted, whatever it is worth.
    fn note_shown_token(&self, from: Key, text: &str, now: Now, expected: &mut Expected) {
        let way = match (kind(text), self.standing(from)) {
            ("join-room", Standing::Anonymous | Standing::Granted) => TokenWay::Join,
            ("refresh-token", Standing::Inside(_) | Standing::Granted) => TokenWay::Refresh,
            _ => return,
        };
        let Some(token) = field(text, "authToken") else { return };
        let (failure, subject) = match self.judge(token, now.wall) {
            Ok(token) => (None, subject(token.who, token.role)),
            Err(code) => (Some(code), self.subject(from)),
        };
        expected.record(Some(from), Event::Authentication { way, failure }, subject);
    }

    /// The status of a room is noted.
    pub(super) fn note_status(
        &self,
        room: u32,
        status: RoomStatus,
        now: Now,
        expected: &mut Expected,
    ) {
        let wanted = self.status(room, status, now);
        expected.records.push(wanted);
    }

    /// The end of a room is noted: who asked for it and why, and what waits for that.
    pub(super) fn note_end(
        &self,
        room: u32,
        by: Option<(Key, &str)>,
        reason: Option<&str>,
        now: Now,
        expected: &mut Expected,
    ) {
        let mut wanted = self.status(room, RoomStatus::Ended, now);
        let given = by.and_then(|(_, text)| field(text, "reason"));
        wanted.reason = given.or(reason).map(|reason| format!("\"{reason}\""));
        if let Some((key, _)) = by {
            (wanted.peer, wanted.record.subject) = (Some(key), self.subject(key));
        }
        if self.recording() != Recording::Off {
            let by = by.map(|(key, text)| (key, text.to_owned())).into_iter().collect();
            wanted.awaited = Some(Awaited::End { room, by });
        }
        expected.records.push(wanted);
    }

    fn status(&self, number: u32, status: RoomStatus, now: Now) -> Wanted {
        let room = self.rooms.get(&number);
        let closed_until = (status == RoomStatus::Ended).then(|| now.wall.plus(CLOSED_FOR));
        let event = Event::RoomStatus {
            status,
            room_type: RoomType::default(),
            doctor: room.and_then(|room| room.doctor).map(names::user_id),
            patient: room.and_then(|room| room.patient).map(names::user_id),
            closed_until,
        };
        let subject = Subject { session: Some(names::session_id(number)), ..Subject::default() };
        Wanted { peer: None, record: Record { event, subject }, reason: None, awaited: None }
    }

    /// Whom the token of a connection names, and the room that it is in.
    pub(super) fn subject(&self, key: Key) -> Subject {
        let held = self.peers.get(&key).and_then(|peer| peer.token);
        match self.standing(key) {
            Standing::Granted => held.map_or_else(Subject::default, |it| subject(it.who, it.role)),
            Standing::Joining => self
                .candidate(key)
                .map_or_else(Subject::default, |bearer| subject(bearer.who, bearer.token.role)),
            Standing::Inside(who) => self
                .place(who)
                .map_or_else(Subject::default, |place| subject(who, place.bearer.token.role)),
            Standing::New | Standing::Anonymous | Standing::Gone => Subject::default(),
        }
    }

    /// An upgrade was asked for, with this token where there was one.
    pub(super) fn note_arrival(
        &self,
        key: Key,
        full: bool,
        token: Option<&Result<Token, &'static str>>,
        expected: &mut Expected,
    ) {
        let failure = token.and_then(|token| token.as_ref().err()).copied();
        let turned_away = self.stopping.then_some("SERVER_SHUTDOWN");
        let turned_away = turned_away.or(full.then_some("SERVER_FULL"));
        let refusal = turned_away.or(failure);
        expected.record(Some(key), Event::Connect { refusal }, Subject::default());
        if let Some(token) = token.filter(|_| turned_away.is_none()) {
            let bearer = token.as_ref().ok();
            let subject = bearer.map_or_else(Subject::default, |it| subject(it.who, it.role));
            let event = Event::Authentication { way: TokenWay::Upgrade, failure };
            expected.record(Some(key), event, subject);
        }
    }

    /// The number of a connection in the log.
    fn number(&self, key: Option<Key>) -> u64 {
        key.and_then(|key| self.peers.get(&key)).map_or(0, |peer| peer.number)
    }
}

/// Whom the log names.
pub(super) fn subject(who: Who, role: Role) -> Subject {
    let (session, user) = (names::session_id(who.0), names::user_id(who.1));
    Subject { session: Some(session), user: Some(user), role: Some(role) }
}

/// Somebody leaves a room: because of this, as the others hear it.
pub(super) fn exit(reason: &str) -> Event {
    Event::Leave { reason: ExitReason::Left(leave_reason(reason)) }
}

/// An absence, as the others will hear of it.
pub(super) fn leave_reason(reason: &str) -> LeaveReason {
    match reason {
        "left" => LeaveReason::Left,
        "token-expired" => LeaveReason::TokenExpired,
        _ => LeaveReason::Disconnected,
    }
}

fn admission(
    from: Key,
    bearer: &Bearer,
    entry: Entry,
    text: &str,
    awaited: Option<Awaited>,
) -> Wanted {
    let event = Event::Admission { entry, emergency: bearer.emergency };
    let record = Record { event, subject: subject(bearer.who, bearer.token.role) };
    let reason = field(text, "reason").filter(|_| bearer.emergency);
    let reason = reason.map(|reason| format!("\"{reason}\""));
    Wanted { peer: Some(from), record, reason, awaited }
}

/// Whether a refusal is for auditors: whoever wanted it has no right to it.
fn matters(code: &str) -> bool {
    let those = [
        "UNAUTHORIZED",
        "FORBIDDEN",
        "TOKEN_INVALID",
        "TOKEN_EXPIRED",
        "ROLE_TAKEN",
        "ROOM_FULL",
        "SESSION_ENDED",
        "SDP_REJECTED",
        "AUDIT_UNAVAILABLE",
    ];
    those.contains(&code)
}

fn known_kind(text: &str) -> &'static str {
    let kinds = [
        "join-room",
        "leave-room",
        "offer",
        "answer",
        "ice-candidate",
        "media-state",
        "media-control",
        "connection-state",
        "connection-stats",
        "end-session",
        "refresh-token",
    ];
    kinds.into_iter().find(|known| *known == kind(text)).unwrap_or("")
}
