//! Stands between the connections and the signaling application: passes everything on, and reports
//! it to the model in `book`.

use std::cell::Cell;

use autamedica_signaling::base::time::{Instant, Now};
use autamedica_signaling::connection::{Application, Arrival, Message, Output, Signaling, Verdict};
use autamedica_signaling::engine::{Effect, Effects, Note, Payload, PeerId, Recording, Ticket};
use autamedica_signaling::message::credentials::Credentials;
use autamedica_signaling::message::problem::Problem;
use autamedica_signaling::message::request::MessageId;
use autamedica_signaling::wire::frame::{CloseCode, Limits};
use autamedica_signaling::wire::http::Request;
use autamedica_signaling::wire::sid::Sid;

use super::book::{self, Book, Done, Noted};
use super::promises::Promise;
use super::says;
use super::transcript::{Transcript, short};

/// The application and its witness.
pub struct Witness {
    app: Signaling,
    /// What it has seen.
    pub book: Book,
    /// A ping had this mark, and should have had that.
    wrong_mark: Cell<Option<[u32; 2]>>,
    /// Where it writes it down for people.
    pub transcript: Transcript,
}

impl Witness {
    /// Watches `app`.
    pub fn new(app: Signaling, book: Book, transcript: Transcript) -> Self {
        Self { app, book, wrong_mark: Cell::new(None), transcript }
    }

    /// What is watched.
    pub fn app(&self) -> &Signaling {
        &self.app
    }

    /// Does something and passes what came of it to `see`.
    fn watch(
        &mut self,
        effects: &mut Effects,
        received: &str,
        now: Now,
        act: impl FnOnce(&mut Signaling, &mut Effects),
        see: impl FnOnce(&mut Book, &[Done<'_>]),
    ) {
        let (before, noted) = (effects.iter().count(), effects.notes().count());
        act(&mut self.app, effects);
        let text = |payload| {
            str::from_utf8(effects.text(payload, received.as_bytes())).unwrap_or("not UTF-8")
        };
        let done: Vec<Done<'_>> = effects
            .iter()
            .skip(before)
            .filter_map(|effect| match effect {
                Effect::Send { to, payload } => Some(Done::Send {
                    to: book::key(to),
                    text: text(payload),
                    relayed: payload == Payload::Received,
                }),
                Effect::Ping { peer } => Some(Done::Ping { peer: book::key(peer) }),
                // Nobody learns of it.
                Effect::Hold { .. } | Effect::Resume { .. } => None,
                Effect::Close { peer, code } => {
                    Some(Done::Close { peer: book::key(peer), code: u16::from(code) })
                }
            })
            .collect();
        for done in &done {
            self.transcript.line(|| match done {
                Done::Send { to, text, .. } => format!("    server → {}: {}", to.0, short(text)),
                Done::Ping { peer } => format!("    server pings {}", peer.0),
                Done::Close { peer, code } => format!("    server closes {} with {code}", peer.0),
            });
        }
        self.note(effects, noted, now);
        self.book.check_written_ahead(now, &done);
        see(&mut self.book, &done);
        if let Some([mark, right]) = self.wrong_mark.take() {
            let how = format!("a ping is marked {mark:#x} where {right:#x} was right");
            self.book.verdict.broken(Promise::Delivery, how);
        }
    }

    /// Passes on what the audit log is told, from some note on.
    fn note(&mut self, effects: &Effects, from: usize, now: Now) {
        for note in effects.notes().skip(from) {
            let reason = effects.reason(&note).map(str::to_owned);
            let Note { peer, record, address, ticket, .. } = note;
            self.transcript.line(|| format!("    server notes {}", short(&format!("{record:?}"))));
            let (peer, has_address) = (peer.map(book::key), address.is_some());
            let time = (now != Now::default()).then_some(now.wall);
            self.book.noted(Noted { peer, record, reason, ticket, has_address, time });
        }
    }
}

impl Application for Witness {
    fn limits(&self, peer: PeerId) -> &Limits {
        self.app.limits(peer)
    }

    fn is_stranger(&self, peer: PeerId) -> bool {
        self.app.is_stranger(peer)
    }

    fn departed(&mut self, peer: PeerId) {
        self.app.departed(peer);
        self.book.departed(peer);
    }

    fn pinged(&mut self, peer: PeerId, now: Now, effects: &mut Effects) -> bool {
        let heard = Cell::new(true);
        self.watch(
            effects,
            "",
            now,
            |app, effects| heard.set(app.pinged(peer, now, effects)),
            |book, done| book.pinged(peer, heard.get(), now, done),
        );
        heard.get()
    }

    fn request(
        &mut self,
        peer: PeerId,
        arrival: Arrival,
        request: &Request<'_>,
        now: Now,
        out: &mut Output,
    ) -> Verdict {
        let noted = out.effects.notes().count();
        let verdict = self.app.request(peer, arrival, request, now, out);
        let head = String::from_utf8_lossy(&out.reply);
        let status = head.split(' ').nth(1).unwrap_or_default();
        self.transcript.line(|| format!("    server answers {} with {status}", peer.index));
        self.note(&out.effects, noted, now);
        self.book.requested(peer, arrival.full, status, now);
        verdict
    }

    fn receive(&mut self, peer: PeerId, message: Message<'_>, now: Now, effects: &mut Effects) {
        let Message::Text(text) = message else { return };
        self.transcript.line(|| format!("    server ← {}: {}", peer.index, short(text)));
        self.watch(
            effects,
            text,
            now,
            |app, effects| app.receive(peer, message, now, effects),
            |book, done| book.received(peer, text, now, done),
        );
    }

    fn show_token(
        &mut self,
        peer: PeerId,
        shown: &Result<Credentials<'_>, Problem>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<Sid, Problem> {
        let noted = effects.notes().count();
        let judged = self.app.show_token(peer, shown, now, effects);
        let refused = judged.as_ref().err().map(|problem| problem.code());
        self.transcript.line(|| format!("    {} shows a token: {refused:?}", peer.index));
        self.note(effects, noted, now);
        let token = shown.as_ref().ok().and_then(|shown| shown.token.as_deref());
        self.book.shown(peer, token.unwrap_or_default(), refused, now);
        judged
    }

    fn receive_event(
        &mut self,
        peer: PeerId,
        text: &str,
        id: Option<MessageId<'_>>,
        now: Now,
        effects: &mut Effects,
    ) {
        self.transcript.line(|| format!("    server ← {}: {id:?} {}", peer.index, short(text)));
        let said = id.map_or_else(|| text.to_owned(), |id| says::with_callback(text, id.as_json()));
        self.watch(
            effects,
            text,
            now,
            |app, effects| app.receive_event(peer, text, id, now, effects),
            |book, done| book.received(peer, &said, now, done),
        );
    }

    fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.transcript.line(|| format!("    server lost {}", peer.index));
        self.watch(
            effects,
            "",
            now,
            |app, effects| app.left(peer, now, effects),
            |book, done| book.left(peer, now, done),
        );
    }

    fn farewell(&self, code: CloseCode, text: &mut Vec<u8>) -> Option<&'static str> {
        self.app.farewell(code, text)
    }

    fn close_reply(&self, code: Option<CloseCode>) -> CloseCode {
        self.app.close_reply(code)
    }

    fn heartbeat_timeout(&self) -> CloseCode {
        self.app.heartbeat_timeout()
    }

    fn advance(&mut self, now: Now, effects: &mut Effects) {
        self.watch(
            effects,
            "",
            now,
            |app, effects| app.advance(now, effects),
            |book, done| book.advanced(now, done),
        );
    }

    fn next_deadline(&self, now: Now) -> Option<Instant> {
        self.app.next_deadline(now)
    }

    fn ping_mark(&self, peer: PeerId) -> u32 {
        let (mark, right) = (self.app.ping_mark(peer), self.book.ping_mark(peer));
        if mark != right {
            self.wrong_mark.set(Some([mark, right]));
        }
        mark
    }

    fn ponged(&mut self, peer: PeerId, mark: u32, now: Now) {
        self.transcript.line(|| format!("    server knows that {} has {mark}", peer.index));
        self.app.ponged(peer, mark, now);
        self.book.ponged(peer, mark);
    }

    fn recorded(&mut self, ticket: Ticket, written: bool, now: Now, effects: &mut Effects) {
        self.transcript.line(|| format!("    the record of {ticket:?} is written: {written}"));
        self.watch(
            effects,
            "",
            now,
            |app, effects| app.recorded(ticket, written, now, effects),
            |book, done| book.recorded(ticket, written, now, done),
        );
    }

    fn set_recording(&mut self, recording: Recording) {
        self.transcript.line(|| format!("    the log is {recording:?}"));
        self.app.set_recording(recording);
    }

    fn shut_down(&mut self, effects: &mut Effects) {
        // Nothing that is checked of a good-bye depends on the time.
        let now = Now::default();
        self.watch(
            effects,
            "",
            now,
            |app, effects| app.shut_down(effects),
            |book, done| book.shut_down(now, done),
        );
    }
}
