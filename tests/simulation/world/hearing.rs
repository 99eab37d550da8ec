//! How a client handles the server's messages.

use super::super::book::{field, kind, participants, plain};
use super::super::names;
use super::super::plan::SECOND;
use super::super::promises::Promise;
use super::super::says;
use super::super::transcript::short;
use super::tabs::Asked;
use super::{Event, Phase, World};
use autamedica_signaling::message::Role;

impl World {
    /// A message has arrived in a tab.
    pub(super) fn hear(&mut self, number: usize, text: &str) {
        let person = self.tabs[number].person;
        let name = self.people[person].name();
        self.server.app.transcript.line(|| format!("{name} hears on {number}: {}", short(text)));
        match kind(text) {
            "room-joined" => return self.hear_welcome(number, text),
            "ack" | "error" => return self.hear_answer(number, text),
            "pong" => return,
            "token-expiring" => return self.hear_of_token(number),
            _ => {}
        }
        let admitted = self.tabs[number].admitted;
        self.server.app.book.verdict.check(Promise::Admission, admitted, || {
            format!("{name} has not been admitted and hears {}", short(text))
        });
        // What comes after a newer tab has gone on from here is not for anybody any more, but that somebody has left or begun
        // anew: the browser says that it has arrived, whoever looks at it, and it is not told again.
        if self.tabs[number].frozen {
            return self.hear_beginning(person, text);
        }
        match kind(text) {
            "offer" | "answer" | "ice-candidate" | "media-control" => {
                self.hear_letter(number, text);
            }
            "peer-joined" | "peer-left" | "peer-state" | "peer-stats" => {
                self.hear_of_peer(person, text);
            }
            "room-status" => self.hear_of_room(person, text),
            // Whether it should have come, and what it says, the book knows.
            "ice-servers" => {}
            _ => self.server.app.book.verdict.broken(Promise::Wire, short(text)),
        }
    }

    fn hear_welcome(&mut self, number: usize, text: &str) {
        let person = self.tabs[number].person;
        let (resumed, frozen) = (text.contains(r#""resumed":true"#), self.tabs[number].frozen);
        let first = !std::mem::replace(&mut self.tabs[number].admitted, true);
        self.server
            .app
            .book
            .verdict
            .check(Promise::Answers, first, || format!("link {number} was admitted twice"));
        self.check_admission_heard(number);
        if frozen {
            return;
        }
        let others = self.people[person].tabs.clone();
        self.freeze_others(&others, number);
        let (who, seen) = (self.people[person].who(), participants(text));
        if resumed {
            self.check_resumed(number);
        }
        let ledger = &mut self.server.app.book.ledger;
        let individual = &mut self.people[person];
        if !resumed {
            // Whatever was under way before is void, and this side knows it.
            individual.received = 0;
            individual.unanswered.clear();
            ledger.report(who, None);
        }
        for gone in individual.view.difference(&seen) {
            ledger.report(who, Some((who.0, *gone)));
        }
        individual.stream = plain(text, "stream").and_then(|stream| stream.parse().ok());
        individual.view = seen;
        individual.has_joined = true;
        individual.failures = 0;
        individual.tab = Some(number);
        individual.joined = true;
        self.send_unanswered(person);
        if self.phase == Phase::Calm {
            // From before the calm it may have a token that does not last.
            self.refresh(person);
        }
        if self.people[person].plan.role == Role::Doctor && !resumed {
            self.offer_to_all(person);
        }
    }

    /// Both sides mean the same stream, and the same place in it.
    fn check_resumed(&mut self, number: usize) {
        let individual = &self.people[self.tabs[number].person];
        let (name, received) = (individual.name(), individual.received);
        let book = &mut self.server.app.book;
        let stream = book.stream_of(number);
        // A `room-joined` that never arrived may have begun a stream of which an older client does not know: its count is of
        // the stream before, and is taken for one of this.
        if let Some(stream) = stream.filter(|_| !individual.plan.names_stream) {
            book.ledger.skip_to(stream, received as usize);
        }
        let expected = stream.map(|stream| book.ledger.stream(stream).received as u64);
        book.verdict.check(Promise::Delivery, expected == Some(received), || {
            format!("{name} resumes after {received} letters a stream of which it got {expected:?}")
        });
    }

    fn hear_of_token(&mut self, number: usize) {
        let person = self.tabs[number].person;
        // Some applications do not care, and connect again when they are thrown out.
        let cares = self.phase != Phase::Trouble || self.people[person].random.chance(80);
        if cares && self.people[person].tab == Some(number) {
            self.refresh(person);
        }
    }

    fn hear_of_room(&mut self, person: usize, text: &str) {
        if field(text, "status") == Some("ended") {
            self.check_end_heard(self.people[person].plan.room);
            let individual = &mut self.people[person];
            individual.wants_in = false;
            self.server.app.book.ledger.report(individual.who(), None);
        }
    }

    fn hear_answer(&mut self, number: usize, text: &str) {
        let id = id(text);
        let asked = id.and_then(|id| self.tabs[number].asked.remove(&id));
        let known = asked.is_some() || id.is_none() && kind(text) == "error";
        self.server.app.book.verdict.check(Promise::Answers, known, || {
            format!("link {number} did not ask for {}", short(text))
        });
        match (kind(text), asked) {
            ("ack", Some(Asked::Letter(letter))) => {
                self.server.app.book.ledger.acknowledge(letter);
            }
            ("error", _) if field(text, "code") == Some("SESSION_ENDED") => {
                self.people[self.tabs[number].person].wants_in = false;
            }
            ("error", Some(Asked::Other)) if field(text, "code") == Some("RATE_LIMITED") => {
                let person = self.tabs[number].person;
                self.after(SECOND, Event::Leaves(person));
            }
            ("error", Some(Asked::Join)) if !self.tabs[number].admitted => {
                // No place now. Close politely, try later.
                self.close_tab(number);
                self.come_back_later(self.tabs[number].person);
            }
            _ => {}
        }
    }

    fn hear_letter(&mut self, number: usize, text: &str) {
        let person = self.tabs[number].person;
        let book = &mut self.server.app.book;
        let stream = book.stream_of(number);
        let (Some(letter), Some(stream)) = (says::letter_of(text), stream) else {
            return book.verdict.broken(Promise::Delivery, short(text));
        };
        book.ledger.deliver(text, letter, stream, &mut book.verdict);
        self.people[person].received += 1;
        let from = field(text, "fromUserId").and_then(names::read_user);
        if let Some(from) = from.filter(|_| kind(text) == "offer") {
            self.send_letter(person, "answer", from, 100);
            self.send_letter(person, "ice-candidate", from, 0);
        }
    }

    fn hear_of_peer(&mut self, person: usize, text: &str) {
        let individual = &mut self.people[person];
        let (room, _) = individual.who();
        let Some(user) = field(text, "userId").and_then(names::read_user) else { return };
        let begins_anew = text.contains(r#""resumed":false"#);
        let consistent = match kind(text) {
            "peer-joined" => individual.view.insert(user),
            "peer-left" => individual.view.remove(&user),
            _ => individual.view.contains(&user),
        };
        let (who, view) = (individual.who(), individual.view.clone());
        if kind(text) == "peer-left" || begins_anew {
            self.server.app.book.ledger.report(who, Some((room, user)));
        }
        self.server.app.book.verdict.check(Promise::Exits, consistent, || {
            format!("{who:?} knows of {view:?} and hears {}", short(text))
        });
        if kind(text) == "peer-joined" {
            self.check_admission((room, user), None);
        }
        let is_doctor = self.people[person].plan.role == Role::Doctor;
        if is_doctor && (kind(text) == "peer-joined" || begins_anew) {
            self.send_letter(person, "offer", user, 200);
        }
    }

    /// Letters to a peer that leaves or begins anew may not have arrived.
    fn hear_beginning(&mut self, person: usize, text: &str) {
        let begins_anew = kind(text) == "peer-state" && text.contains(r#""resumed":false"#);
        let is_void = begins_anew || kind(text) == "peer-left";
        let user = field(text, "userId").and_then(names::read_user).filter(|_| is_void);
        if let Some(user) = user {
            let who = self.people[person].who();
            self.server.app.book.ledger.report(who, Some((who.0, user)));
        }
    }

    /// Sends what has no answer yet again, in order and with the same ids.
    fn send_unanswered(&mut self, person: usize) {
        let unanswered = std::mem::take(&mut self.people[person].unanswered);
        let Some(tab) = self.people[person].tab else { return };
        for (id, letter) in unanswered {
            let mut text = self.server.app.book.ledger.letter_text(letter).to_owned();
            if self.tabs[tab].packets.is_some() {
                text = says::with_callback(&text, &id.to_string());
            }
            self.tabs[tab].asked.insert(id, Asked::Letter(letter));
            self.say(tab, &text);
        }
    }

    fn offer_to_all(&mut self, person: usize) {
        for user in self.people[person].view.clone() {
            if user != self.people[person].plan.user {
                self.send_letter(person, "offer", user, 300);
            }
        }
    }
}

/// The `id` of an answer: clients here number their messages.
fn id(text: &str) -> Option<u64> {
    let rest = text.split_once(r#""id":"#)?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}
