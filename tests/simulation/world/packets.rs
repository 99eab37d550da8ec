//! How a Socket.IO client encodes its messages and decodes those of the server.

use super::super::frames;
use super::super::names;
use super::super::promises::Promise;
use super::super::says;
use super::super::transcript::short;
use super::World;
use super::tabs::{Asked, Purpose, Stage, Tab};

/// How far somebody is who speaks Socket.IO.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    /// The token that it shows.
    token: String,
    /// It has shown it.
    shown: bool,
    /// It was let into the namespace.
    connected: bool,
}

impl Packets {
    /// Somebody who is going to show this token.
    pub fn new(token: String) -> Self {
        Self { token, shown: false, connected: false }
    }
}

impl World {
    /// Whether messages may be said in a tab.
    pub(super) fn may_speak(&self, number: usize) -> bool {
        let Tab { stage, packets, .. } = &self.tabs[number];
        *stage == Stage::Open && packets.as_ref().is_none_or(|packets| packets.connected)
    }

    /// Shows the token, and for which session it is.
    pub(super) fn show_token(&mut self, number: usize) {
        let home = self.people[self.tabs[number].person].plan.home;
        let Some(packets) = &mut self.tabs[number].packets else { return };
        packets.shown = true;
        let auth = serde_json::json!({ "token": packets.token, "sessionId": names::session(home) });
        self.say_packet(number, &format!("40{auth}"));
    }

    /// A message as an event, its `id` as the number of a callback. Some clients put the name into the object, too.
    pub(super) fn say_event(&mut self, number: usize, text: &str) {
        let (plain, id) = says::split_id(text);
        let (kind, rest) = says::split_kind(&plain);
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        let twice = self.people[self.tabs[number].person].random.chance(30);
        let packet = match rest {
            "}" if !twice => format!(r#"42{id}["{kind}"]"#),
            _ if twice => format!(r#"42{id}["{kind}",{plain}]"#),
            rest => format!(r#"42{id}["{kind}",{{{}]"#, rest.trim_start_matches(',')),
        };
        self.say_packet(number, &packet);
    }

    fn say_packet(&mut self, number: usize, packet: &str) {
        let tab = &mut self.tabs[number];
        frames::write_text(&mut tab.outbox, packet, &mut self.people[tab.person].random);
    }

    /// Says good-bye as the library does.
    pub(super) fn say_disconnect(&mut self, number: usize) {
        let connected = self.tabs[number].packets.as_ref().is_some_and(|packets| packets.connected);
        let random = &mut self.people[self.tabs[number].person].random;
        if connected && random.chance(50) {
            let packet = *random.pick(&["41", "1"]);
            self.say_packet(number, packet);
        }
    }

    /// A packet has arrived.
    pub(super) fn hear_packet(&mut self, number: usize, packet: &str) {
        let Some(packets) = self.tabs[number].packets.clone() else { return };
        let right = match packet.as_bytes() {
            [b'0', b'{', ..] => {
                if !packets.shown {
                    self.show_token(number);
                }
                packet.contains(r#""pingInterval":"#)
            }
            b"2" => {
                self.say_packet(number, "3");
                true
            }
            [b'4', b'0', ..] => {
                self.enter_namespace(number);
                packets.shown && !packets.connected
            }
            // The end follows.
            [b'4', b'4', ..] => packet.contains(r#""code":"TOKEN_"#) && !packets.connected,
            b"41" => packets.connected,
            [b'4', b'2', ..] => packets.connected && self.hear_event(number, packet),
            [b'4', b'3', ..] => packets.connected && self.hear_callback(number, packet),
            _ => false,
        };
        self.server.app.book.verdict.check(Promise::Wire, right, || {
            format!("link {number}, {packets:?}, hears {}", short(packet))
        });
    }

    fn enter_namespace(&mut self, number: usize) {
        if let Some(packets) = &mut self.tabs[number].packets {
            packets.connected = true;
        }
        let Tab { person, purpose, ref asked, .. } = self.tabs[number];
        let has_joined = asked.values().any(|asked| *asked == Asked::Join);
        match (purpose, has_joined) {
            (Purpose::Join(_), false) if self.people[person].tab != Some(number) => {
                self.close_tab(number);
            }
            (Purpose::Join(_), false) => self.say_join(number),
            _ => {}
        }
    }

    /// An event has the name of its message, and is the message.
    fn hear_event(&mut self, number: usize, packet: &str) -> bool {
        let message = packet.strip_prefix(r#"42[""#).and_then(|rest| rest.split_once(r#"","#));
        let Some((name, message)) = message else { return false };
        let Some(message) = message.strip_suffix(']') else { return false };
        self.hear(number, message);
        says::split_kind(message).0 == name
    }

    /// What a callback hears is what else would be an `ack` or an `error`.
    fn hear_callback(&mut self, number: usize, packet: &str) -> bool {
        let Some((id, answer)) = packet[2..].split_once('[') else { return false };
        if answer == r#"{"ok":true}]"# {
            self.hear(number, &format!(r#"{{"type":"ack","id":{id}}}"#));
            return true;
        }
        let error = answer.strip_prefix(r#"{"ok":false,"#).and_then(|rest| rest.strip_suffix("}]"));
        let Some(error) = error else { return false };
        self.hear(number, &format!(r#"{{"type":"error",{error},"id":{id}}}"#));
        true
    }
}
