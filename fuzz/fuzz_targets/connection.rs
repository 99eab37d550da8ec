//! A whole server without sockets, from the first byte of every connection to its last: people of two sessions come, show
//! tokens, talk, are cut off and come again, and anyone may send any bytes. After each step the engine is in order, nobody
//! has heard a byte of the other session, and everybody inside a room knows who else is.
//!
//! They speak the plain protocol, or Socket.IO on a WebSocket or by requests.
//!
//! An input is a list of steps, each a letter and its arguments: `0` to `7` for a connection, a letter for a person (see
//! [`Person::of`]), a byte for a number, and a text with its length in front. Any other byte is passed over.
#![no_main]

use autamedica_signaling::base::time::Duration;
use autamedica_signaling::wire::frame::unmask;
use autamedica_signaling_fuzz::choices::Choices;
use autamedica_signaling_fuzz::hall::{Hall, Place};
use autamedica_signaling_fuzz::people::{MARKS, NOON, Person, SESSIONS, USERS, Way, token};
use libfuzzer_sys::fuzz_target;

/// The ids of our messages: none that a fuzzer would come upon.
const FIRST_ID: u64 = 0x5eed_5eed_0000;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const STEPS_MAX: usize = 300;

fuzz_target!(|input: &[u8]| {
    // Who writes a mark or an id into a message of its own has not heard it from anybody.
    let has = |mark: &str| input.windows(mark.len()).any(|part| part == mark.as_bytes());
    if MARKS.into_iter().chain(SESSIONS).chain([USERS]).any(has) {
        return;
    }
    let mut play = Play { hall: Hall::new(), places: [None; 8], next_id: FIRST_ID };
    let mut choices = Choices::new(input);
    for _ in 0..STEPS_MAX {
        if choices.is_empty() {
            break;
        }
        play.step(&mut choices);
        play.hall.check();
    }
    play.hall.empty();
});

struct Play {
    hall: Hall,
    places: [Option<Place>; 8],
    next_id: u64,
}

impl Play {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() {
            // To connect, in a full house or one with room, and to become a WebSocket in three ways.
            b'c' => self.connect(choices.byte(), false),
            b'C' => self.connect(choices.byte(), true),
            b'u' => self.upgrade(choices, Way::Field),
            b'p' => self.upgrade(choices, Way::Protocol),
            b'n' => self.upgrade(choices, Way::None),
            // To join: with the token of the upgrade, with one in the message, with an old one, to resume.
            b'j' => self.join(choices, Token::None, None),
            b't' => self.join(choices, Token::Fresh, None),
            b'T' => self.join(choices, Token::Old, None),
            b'J' => {
                let off = choices.byte().wrapping_sub(b'0') as i8;
                self.join(choices, Token::None, Some(isize::from(off)));
            }
            // To say what honest clients say.
            b'l' => self.speak(choices, |person| person.says("leave-room")),
            b'e' => self.speak(choices, |person| person.says("end-session")),
            b'v' => {
                let choice = choices.byte();
                self.speak(choices, |person| person.reports(choice));
            }
            b'o' => self.relay(choices, "offer"),
            b'a' => self.relay(choices, "answer"),
            b'i' => self.relay(choices, "ice-candidate"),
            b'b' => self.relay(choices, "media-control"),
            b'R' => {
                let now = self.hall.wall();
                self.speak(choices, |person| {
                    format!(r#""type":"refresh-token","authToken":"{}""#, token(person, now))
                });
            }
            letter => self.anything(letter, choices),
        }
    }

    fn anything(&mut self, letter: u8, choices: &mut Choices<'_>) {
        match letter {
            // To answer pings and close frames.
            b'q' => {
                if let Some(place) = self.place(choices.byte()) {
                    self.hall.send_answers(place);
                }
            }
            // To send anything: bytes, a text, a frame.
            b'r' => {
                let (place, bytes) = (self.place(choices.byte()), choices.text());
                place.into_iter().for_each(|place| self.hall.send_anything(place, bytes));
            }
            b'm' => {
                let (place, text) = (self.place(choices.byte()), choices.text());
                let frame = frame(0x81, text);
                place.into_iter().for_each(|place| {
                    self.hall.may_repeat(place);
                    self.hall.send(place, &frame);
                });
            }
            b'f' => {
                let (place, first) = (self.place(choices.byte()), choices.byte());
                let frame = frame(first, choices.text());
                place.into_iter().for_each(|place| self.hall.send_anything(place, &frame));
            }
            letter => self.packets(letter, choices),
        }
    }

    /// What whoever speaks Socket.IO does beside all that.
    fn packets(&mut self, letter: u8, choices: &mut Choices<'_>) {
        match letter {
            // To begin on a WebSocket, or with requests.
            b'y' => {
                let (number, person) = (choices.byte(), Person::of(choices.byte()));
                if self.place(number).is_none() {
                    self.connect(number, false);
                }
                let Some(place) = self.place(number) else { return };
                let way = if choices.byte() & 1 == 0 { Way::None } else { Way::Field };
                if way == Way::Field {
                    self.hall.show(place, person, true);
                }
                let upgrade = Person::upgrade(way, &token(&person, self.hall.wall()));
                let path = "/socket.io/?EIO=4&transport=websocket";
                self.hall.send(place, upgrade.replacen("/ws", path, 1).as_bytes());
            }
            b'P' => {
                let slot = usize::from(choices.byte() & 7);
                if let Some(place) = self.places[slot].take() {
                    self.hall.lose(place);
                }
                self.places[slot] = self.hall.open_session(choices.byte() == b'1');
            }
            // To show a token, and to go.
            b'Y' => {
                let (number, person) = (choices.byte(), Person::of(choices.byte()));
                let Some(place) = self.place(number) else { return };
                let token = token(&person, self.hall.wall());
                self.hall.show(place, person, false);
                let session = person.session_id();
                let auth = format!(r#"40{{"token":"{token}","sessionId":"{session}"}}"#);
                self.send_packet(place, auth.as_bytes());
            }
            b'h' => {
                let (place, choice) = (self.place(choices.byte()), choices.byte());
                let packet: &[u8] = if choice & 1 == 0 { b"41" } else { b"1" };
                place.into_iter().for_each(|place| self.send_packet(place, packet));
            }
            // Requests that wait, and that bring anything; a WebSocket that comes, asks, takes over, and says something.
            b'G' => {
                let place = self.place(choices.byte()).filter(|place| self.hall.is_carried(*place));
                place.into_iter().for_each(|place| self.hall.poll(place));
            }
            b'B' => {
                let (place, body) = (self.place(choices.byte()), choices.text());
                let place = place.filter(|place| self.hall.is_carried(*place));
                place.into_iter().for_each(|place| {
                    self.hall.may_repeat(place);
                    self.hall.post(place, body);
                });
            }
            b'W' => {
                let (place, far) = (self.place(choices.byte()), usize::from(choices.byte() & 3));
                let text = choices.text();
                let place = place.filter(|place| self.hall.is_carried(*place));
                let said = [&b"2probe"[..], b"5", text].map(|text| frame(0x81, text));
                place.into_iter().for_each(|place| {
                    self.hall.may_repeat(place);
                    self.hall.come_by_web_socket(place, &said[..far].concat());
                });
            }
            letter => self.misfortune(letter, choices),
        }
    }

    fn misfortune(&mut self, letter: u8, choices: &mut Choices<'_>) {
        match letter {
            // To be cut into pieces, to lose the connection, to stop reading.
            b'k' => {
                let (place, step) = (self.place(choices.byte()), choices.byte());
                place.into_iter().for_each(|place| self.hall.cut(place, usize::from(step)));
            }
            b'x' => {
                let place = self.place(choices.byte());
                place.into_iter().for_each(|place| self.hall.lose_request(place));
            }
            b'g' => {
                self.place(choices.byte()).into_iter().for_each(|place| self.hall.give_up(place));
            }
            // Time in which pings are answered and in which they are not, a machine that slept, a clock that is set, and
            // the end.
            b'z' => self.hall.live(Duration::from_secs(u64::from(choices.byte()))),
            b's' => self.hall.wait(Duration::from_secs(u64::from(choices.byte())), false),
            b'S' => self.hall.wait(Duration::from_secs(u64::from(choices.byte()) * 40), true),
            b'w' => {
                let secs = u64::from(choices.byte()) * 40;
                self.hall.set_clock_back(Duration::from_secs(secs));
            }
            b'd' => self.hall.stop(),
            _ => {}
        }
    }

    fn connect(&mut self, number: u8, full: bool) {
        let slot = usize::from(number & 7);
        if let Some(place) = self.places[slot].take() {
            self.hall.lose(place);
        }
        self.places[slot] = self.hall.connect(full);
    }

    fn upgrade(&mut self, choices: &mut Choices<'_>, way: Way) {
        let (number, person) = (choices.byte(), Person::of(choices.byte()));
        if self.place(number).is_none() {
            self.connect(number, false);
        }
        let Some(place) = self.place(number) else { return };
        let token = token(&person, self.hall.wall());
        if way != Way::None {
            self.hall.show(place, person, true);
        }
        self.hall.send(place, Person::upgrade(way, &token).as_bytes());
    }

    fn join(&mut self, choices: &mut Choices<'_>, shown: Token, off: Option<isize>) {
        let (number, person) = (choices.byte(), Person::of(choices.byte()));
        let Some(place) = self.place(number) else { return };
        let token = match shown {
            Token::None => None,
            Token::Fresh => Some(token(&person, self.hall.wall())),
            Token::Old => Some(token(&person, NOON)),
        };
        if token.is_some() {
            self.hall.show(place, person, false);
        }
        let received = self.hall.claim(place, person, off);
        self.say(number, &person.join(token.as_deref(), received));
    }

    fn relay(&mut self, choices: &mut Choices<'_>, kind: &str) {
        let number = choices.byte();
        let (from, to) = (Person::of(choices.byte()), Person::of(choices.byte()));
        let members = from.relay(kind, &to);
        let text = if self.speaks_packets(number) {
            // The `id` is that of the callback.
            format!("{{{members}}}")
        } else {
            format!("{{{members},\"id\":{}}}", self.next_id + 1)
        };
        self.hall.expect_relay(self.next_id + 1, to.user(), text);
        self.say(number, &members);
    }

    fn speak(&mut self, choices: &mut Choices<'_>, members: impl FnOnce(&Person) -> String) {
        let (number, person) = (choices.byte(), Person::of(choices.byte()));
        self.say(number, &members(&person));
    }

    /// Sends a message of these members, and of a new id.
    fn say(&mut self, number: u8, members: &str) {
        self.next_id += 1;
        let id = self.next_id;
        let Some(place) = self.place(number) else { return };
        if !self.hall.speaks_packets(place) {
            let text = format!("{{{members},\"id\":{id}}}");
            return self.hall.send(place, &frame(0x81, text.as_bytes()));
        }
        // The name of the event may stand in its object, too.
        let kind = members.strip_prefix(r#""type":""#).and_then(|rest| rest.split_once('"'));
        let (kind, rest) = kind.expect("each message begins with its type");
        let object = if id & 1 == 0 { members } else { rest.trim_start_matches(',') };
        let packet = format!(r#"42{id}["{kind}",{{{object}}}]"#);
        self.send_packet(place, packet.as_bytes());
    }

    /// Sends a packet of Socket.IO by whatever way there is.
    fn send_packet(&mut self, place: Place, packet: &[u8]) {
        match self.hall.is_carried(place) {
            true => self.hall.post(place, packet),
            false => self.hall.send(place, &frame(0x81, packet)),
        }
    }

    fn speaks_packets(&self, number: u8) -> bool {
        self.place(number).is_some_and(|place| self.hall.speaks_packets(place))
    }

    fn place(&self, number: u8) -> Option<Place> {
        self.places[usize::from(number & 7)].filter(|place| self.hall.has(*place))
    }
}

/// What token comes with `join-room`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    None,
    Fresh,
    Old,
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    let mut masked = payload.to_vec();
    unmask(&mut masked, MASK);
    frame.extend_from_slice(&masked);
    frame
}
