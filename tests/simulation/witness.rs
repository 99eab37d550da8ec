//! Stands between the connections and the signaling application, passes everything on, and writes it into the book.

use autamedica_signaling::base::time::{Instant, Now};
use autamedica_signaling::connection::{Application, Message, Signaling, Verdict};
use autamedica_signaling::engine::{Effect, Effects, Payload, PeerId};
use autamedica_signaling::wire::frame::{CloseCode, Fault, Limits};
use autamedica_signaling::wire::http::Request;

use super::book::{self, Book, Done};
use super::transcript::{Transcript, short};

/// The application and its witness.
pub struct Witness {
    app: Signaling,
    /// What it has seen.
    pub book: Book,
    /// Where it writes it down for people.
    pub transcript: Transcript,
}

impl Witness {
    /// Watches `app`.
    pub fn new(app: Signaling, book: Book, transcript: Transcript) -> Self {
        Self { app, book, transcript }
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
        act: impl FnOnce(&mut Signaling, &mut Effects),
        see: impl FnOnce(&mut Book, &[Done<'_>]),
    ) {
        let before = effects.iter().count();
        act(&mut self.app, effects);
        let text = |payload| {
            str::from_utf8(effects.text(payload, received.as_bytes())).unwrap_or("not UTF-8")
        };
        let done: Vec<Done<'_>> = effects
            .iter()
            .skip(before)
            .map(|effect| match effect {
                Effect::Send { to, payload } => Done::Send {
                    to: book::key(to),
                    text: text(payload),
                    relayed: payload == Payload::Received,
                },
                Effect::Close { peer, code } => {
                    Done::Close { peer: book::key(peer), code: u16::from(code) }
                }
            })
            .collect();
        for done in &done {
            self.transcript.line(|| match done {
                Done::Send { to, text, .. } => format!("    server → {}: {}", to.0, short(text)),
                Done::Close { peer, code } => format!("    server closes {} with {code}", peer.0),
            });
        }
        see(&mut self.book, &done);
    }
}

impl Application for Witness {
    fn limits(&self) -> &Limits {
        self.app.limits()
    }

    fn request(
        &mut self,
        peer: PeerId,
        request: &Request<'_>,
        full: bool,
        now: Now,
        reply: &mut Vec<u8>,
    ) -> Verdict {
        let verdict = self.app.request(peer, request, full, now, reply);
        let head = String::from_utf8_lossy(reply);
        let status = head.split(' ').nth(1).unwrap_or_default();
        self.transcript.line(|| format!("    server answers {} with {status}", peer.index));
        self.book.requested(peer, full, status, now);
        verdict
    }

    fn receive(&mut self, peer: PeerId, message: Message<'_>, now: Now, effects: &mut Effects) {
        let Message::Text(text) = message else { return };
        self.transcript.line(|| format!("    server ← {}: {}", peer.index, short(text)));
        self.watch(
            effects,
            text,
            |app, effects| app.receive(peer, message, now, effects),
            |book, done| book.received(peer, text, now, done),
        );
    }

    fn left(&mut self, peer: PeerId, now: Now, effects: &mut Effects) {
        self.transcript.line(|| format!("    server lost {}", peer.index));
        self.watch(
            effects,
            "",
            |app, effects| app.left(peer, now, effects),
            |book, done| book.left(peer, done),
        );
    }

    fn farewell(&self, fault: Fault, text: &mut Vec<u8>) {
        self.app.farewell(fault, text);
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
            |app, effects| app.advance(now, effects),
            |book, done| book.advanced(now, done),
        );
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.app.next_deadline()
    }

    fn shut_down(&mut self, effects: &mut Effects) {
        self.watch(effects, "", |app, effects| app.shut_down(effects), Book::shut_down);
    }
}
