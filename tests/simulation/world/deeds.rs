//! The actions of people.

use super::super::frames;
use super::super::ledger::Who;
use super::super::names;
use super::super::plan::{Babble, Deed, Trespass, Way};
use super::super::says::{self, Relayed};
use super::tabs::{Asked, Memory};
use super::{Phase, World};
use autamedica_signaling::message::Role;

impl World {
    /// A person takes a step of its plan.
    pub(super) fn take_step(&mut self, person: usize, step: usize) {
        let deed = self.people[person].plan.steps[step].deed;
        if self.phase != Phase::Trouble || self.people[person].asleep_until > self.now {
            return;
        }
        let name = self.people[person].name();
        self.server.app.transcript.line(|| format!("{name}: {deed:?}"));
        match deed {
            Deed::Arrive => self.arrive(person),
            Deed::Leave => self.leave(person),
            Deed::ClosePage => self.close_page(person),
            Deed::Reload => self.reload(person),
            Deed::Drop => self.drop_current(person),
            Deed::SecondTab { resumes } => self.open_second_tab(person, Memory::of(resumes)),
            Deed::Overclaim => self.open_second_tab(person, Memory::Wrong),
            Deed::Forge => self.open_second_tab(person, Memory::Forged),
            Deed::MediaControl => self.send_to_anybody(person, "media-control", 0),
            Deed::MediaState { audio, video, screen } => self.report(person, |(room, user), id| {
                says::media_state((room, user), id, audio, video, screen)
            }),
            Deed::ConnectionState { state } => {
                self.report(person, |who, id| says::connection_state(who, id, state));
            }
            Deed::ConnectionStats => self.report(person, says::connection_stats),
            Deed::EndSession => self.report(person, says::end),
            Deed::Refresh => self.refresh(person),
            Deed::Loiter => self.connect_idly(person, true),
            Deed::Stammer => self.connect_idly(person, false),
            Deed::Offer { bytes } => self.send_to_anybody(person, "offer", bytes),
            Deed::Candidates { count } => {
                (0..count).for_each(|_| self.send_to_anybody(person, "ice-candidate", 0));
            }
            Deed::Trespass(trespass) => self.trespass(person, trespass),
            Deed::Babble(babble) => self.babble(person, babble),
            Deed::Ping => self.ask(person, says::ping),
            Deed::Flood { count } => self.flood(person, count),
            Deed::Besiege { count } => {
                (0..count).for_each(|number| self.connect_idly(person, number % 2 == 0));
            }
        }
        if let Some(tab) = self.people[person].tab {
            self.pump(tab);
        }
    }

    fn arrive(&mut self, person: usize) {
        let individual = &mut self.people[person];
        individual.wants_in = true;
        if individual.tab.is_none() && !individual.retrying {
            let resumes = individual.random.chance(80);
            self.connect(person, Memory::of(resumes));
        }
    }

    fn open_second_tab(&mut self, person: usize, memory: Memory) {
        let individual = &self.people[person];
        if individual.wants_in && individual.tab.is_some() {
            self.connect(person, memory);
        }
    }

    /// Presents a fresh token.
    pub(super) fn refresh(&mut self, person: usize) {
        let token = self.mint(person);
        self.ask(person, |id| says::refresh(&token, id));
    }

    /// Says something about the person to the room.
    fn report(&mut self, person: usize, text: impl FnOnce(Who, u64) -> String) {
        let who = self.people[person].who();
        self.ask(person, |id| text(who, id));
    }

    /// Says `leave-room` where the person is in the room, and is gone from everywhere else.
    pub(super) fn leave(&mut self, person: usize) {
        let individual = &mut self.people[person];
        individual.wants_in = false;
        let leaving = individual.tab.filter(|_| individual.joined);
        if leaving.is_some() {
            self.report(person, says::leave);
        }
        for tab in self.people[person].tabs.clone() {
            match leaving == Some(tab) {
                true => self.pump(tab),
                false => self.close_tab(tab),
            }
        }
    }

    /// Says it again, where it was one message too many.
    pub(super) fn leave_again(&mut self, person: usize) {
        let individual = &self.people[person];
        if !individual.wants_in && individual.joined && individual.asleep_until <= self.now {
            self.leave(person);
        }
    }

    pub(super) fn close_page(&mut self, person: usize) {
        self.people[person].wants_in = false;
        for tab in self.people[person].tabs.clone() {
            self.close_tab(tab);
        }
    }

    fn reload(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab else { return };
        self.people[person].has_joined = false;
        self.close_tab(tab);
        if self.people[person].wants_in {
            self.connect(person, Memory::None);
        }
    }

    fn drop_current(&mut self, person: usize) {
        let Some(tab) = self.people[person].tab else { return };
        self.drop_tab(tab, true);
        self.come_back_later(person);
    }

    /// Sends a letter to somebody in the room, where there is somebody.
    pub(super) fn send_to_anybody(&mut self, person: usize, kind: &'static str, bytes: u32) {
        let individual = &mut self.people[person];
        let me = individual.plan.user;
        let others: Vec<u32> = individual.view.iter().copied().filter(|one| *one != me).collect();
        if individual.joined && !others.is_empty() {
            let to = *individual.random.pick(&others);
            self.send_letter(person, kind, to, bytes);
        }
    }

    /// Sends a letter to a user of the room.
    pub(super) fn send_letter(&mut self, person: usize, kind: &str, to: u32, bytes: u32) {
        let Some(tab) = self.people[person].tab else { return };
        if !self.people[person].joined {
            return;
        }
        let letter = self.server.app.book.ledger.next_letter();
        let individual = &mut self.people[person];
        let (room, from) = individual.who();
        let id = individual.random.chance(80).then(|| individual.take_id());
        let receives_only = individual.plan.role == Role::Observer;
        let bytes = bytes.min(self.plan.settings.message_bytes_max as u32 / 2);
        let message = Relayed { kind, id, room, from, to, letter, bytes, receives_only };
        let text = says::relayed(&message);
        if let Some(id) = id {
            self.tabs[tab].asked.insert(id, Asked::Letter(letter));
        }
        self.say(tab, &text);
        // What stands in a callback is no part of it.
        let text = if self.tabs[tab].packets.is_some() { says::split_id(&text).0 } else { text };
        self.server.app.book.ledger.write((room, from), (room, to), text);
    }

    /// Sends a message that is answered and changes nothing.
    fn ask(&mut self, person: usize, text: impl FnOnce(u64) -> String) {
        let Some(tab) = self.people[person].tab else { return };
        if self.may_speak(tab) {
            let id = self.people[person].take_id();
            self.tabs[tab].asked.insert(id, Asked::Other);
            self.say(tab, &text(id));
        }
    }

    /// Asks again and again whether the server is there, in messages or in frames of the WebSocket.
    fn flood(&mut self, person: usize, count: u32) {
        let Some(tab) = self.people[person].tab.filter(|tab| self.may_speak(*tab)) else { return };
        let in_frames = self.people[person].random.chance(30);
        for _ in 0..count {
            match in_frames {
                true => self.say_frame(tab, frames::PING, b"?"),
                false => self.ask(person, says::ping),
            }
        }
    }

    fn trespass(&mut self, person: usize, trespass: Trespass) {
        let (room, user) = self.people[person].who();
        // A user may be in two rooms: who is here too is no stranger.
        let is_here = |user| self.people.iter().any(|one| one.who() == (room, user));
        let stranger = self.people.iter().find(|one| !is_here(one.plan.user));
        let stranger = stranger.map_or(999_999, |other| other.plan.user);
        let letter = self.server.app.book.ledger.next_letter();
        let mut message = Relayed {
            kind: "ice-candidate",
            id: None,
            room,
            from: user,
            to: user,
            letter,
            bytes: 0,
            receives_only: true,
        };
        match trespass {
            Trespass::OtherRoom => message.to = stranger,
            Trespass::OtherSession => message.room = room + 1,
            Trespass::OtherSender => message.from = stranger,
            Trespass::Oneself => {}
            Trespass::Nobody => message.to = 999_998,
            Trespass::JoinTwice => return self.join_twice(person),
            Trespass::SendingOffer => {
                // Whoever is no observer may, but not to nobody.
                (message.kind, message.to, message.receives_only) = ("offer", 999_998, false);
            }
            Trespass::OthersToken => return self.present_others_token(person),
        }
        let claims = (message.room, message.from, message.to);
        let written = says::relayed(&message);
        self.server.app.book.ledger.write((claims.0, claims.1), (claims.0, claims.2), written);
        self.ask(person, |id| says::relayed(&Relayed { id: Some(id), ..message }));
    }

    fn present_others_token(&mut self, person: usize) {
        let other = (person + 1) % self.people.len();
        let token = self.mint(other);
        if other != person {
            self.ask(person, |id| says::refresh(&token, id));
        }
    }

    fn join_twice(&mut self, person: usize) {
        if !self.people[person].joined {
            return;
        }
        let token = (self.people[person].plan.way == Way::Join).then(|| self.mint(person));
        let plan = self.people[person].plan.clone();
        let join = says::Join { token: token.as_deref(), ..says::Join::default() };
        self.ask(person, |id| says::join(&plan, id, &join));
    }

    fn babble(&mut self, person: usize, babble: Babble) {
        let Some(tab) = self.people[person].tab else { return };
        if !self.may_speak(tab) {
            return;
        }
        let (room, user) = self.people[person].who();
        let id = self.people[person].take_id();
        let speaks_packets = self.tabs[tab].packets.is_some();
        if let Some((text, code)) = says::babble(babble, room, user, id) {
            if speaks_packets {
                return self.babble_in_packets(tab, &text, code, id);
            }
            if text.contains(r#""id":"#) && code != "BAD_JSON" {
                self.tabs[tab].asked.insert(id, Asked::Other);
            }
            self.server.app.book.note_babble(text.clone(), code);
            return self.say(tab, &text);
        }
        // The rest ends the connection: what follows on it is not read any more.
        let too_large = vec![b' '; self.plan.settings.message_bytes_max + 1];
        match babble {
            Babble::TooLarge => self.say_frame(tab, frames::TEXT, &too_large),
            Babble::Binary => self.say_frame(tab, frames::BINARY, names::user(user).as_bytes()),
            Babble::NotUtf8 => self.say_frame(tab, frames::TEXT, &[b'{', 0xff]),
            _ => self.say_bytes(tab, &[0xf1, 0x80, 0, 0, 0, 0]),
        }
    }

    /// The same in an event; what is no event of ours at all is read as it stands.
    fn babble_in_packets(&mut self, tab: usize, text: &str, code: &'static str, id: u64) {
        let (plain, asked) = says::split_id(text);
        if code == "BAD_JSON" || !plain.ends_with('}') {
            let end = if code == "BAD_JSON" { "" } else { "]" };
            let arguments = format!("[{text}{end}");
            self.say_frame(tab, frames::TEXT, format!("42{arguments}").as_bytes());
            return self.server.app.book.note_babble(arguments, code);
        }
        let callback = format!("[{id}]");
        let read = if asked.is_some() { says::with_callback(&plain, &callback) } else { plain };
        if asked.is_some() {
            self.tabs[tab].asked.insert(id, Asked::Other);
        }
        self.server.app.book.note_babble(read, code);
        self.say_event(tab, text);
    }
}
