//! People with tokens, and their messages, in the size and shape that browsers produce.

use std::fmt::Write;

use autamedica_signaling::admission::mint::{Ticket, mint};
use autamedica_signaling::base::time::{Duration, WallTime};
use autamedica_signaling::message::{Role, SessionId, UserId};
use autamedica_signaling::wire::jwt::Key;
use uuid::Uuid;

/// The secret of the servers under test.
pub const SECRET: &str = "a secret of at least 32 bytes, for nothing but this";

/// A person with a seat in a room.
#[derive(Clone, Copy)]
pub struct Person {
    pub user: UserId,
    pub session: SessionId,
    pub role: Role,
}

/// The kind of a relayed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 5 KB of SDP.
    Offer,
    /// A candidate with one address.
    Candidate,
}

impl Person {
    /// The person in a `seat` of a room: the doctor in 0, the patient in 1, observers after that.
    pub fn new(room: u32, seat: u32) -> Self {
        let role = match seat {
            0 => Role::Doctor,
            1 => Role::Patient,
            _ => Role::Observer,
        };
        let user = UserId::new(scattered(u128::from(room) << 32 | u128::from(seat)));
        Self { user, session: SessionId::new(scattered(u128::from(room) | 1 << 96)), role }
    }

    /// A token that is valid for an hour.
    pub fn token(&self, now: WallTime) -> String {
        let key = Key::new(SECRET.as_bytes()).expect("a secret that is long enough");
        let ticket = Ticket {
            user: self.user,
            role: self.role,
            session: self.session,
            permissions: &["room:*"],
            room_type: None,
            issued_at: now,
            lifetime: Duration::from_secs(3_600),
            issuer: None,
            audience: None,
            id: None,
        };
        mint(&key, &ticket)
    }

    /// `join-room`
    pub fn join(&self) -> String {
        format!(
            r#"{{"type":"join-room","sessionId":"{}","userId":"{}","userType":"{}"}}"#,
            self.session.reveal(),
            self.user.reveal(),
            self.role.as_str()
        )
    }

    /// `leave-room`
    pub fn leave(&self) -> String {
        let (session, user) = (self.session.reveal(), self.user.reveal());
        format!(r#"{{"type":"leave-room","sessionId":"{session}","userId":"{user}"}}"#)
    }

    /// `answer`
    pub fn answer(&self, to: &Self) -> String {
        let offer = self.say(Kind::Offer, to, None);
        offer.replace(r#""type":"offer""#, r#""type":"answer""#).replace("actpass", "active")
    }

    /// `offer` or `ice-candidate`
    pub fn say(&self, kind: Kind, to: &Self, id: Option<u32>) -> String {
        let (name, content) = match kind {
            Kind::Offer => ("offer", description()),
            Kind::Candidate => ("ice-candidate", candidate()),
        };
        let id = id.map(|id| format!(r#","id":{id}"#)).unwrap_or_default();
        format!(
            r#"{{"type":"{name}","sessionId":"{}","fromUserId":"{}","toUserId":"{}"{id},{content}}}"#,
            self.session.reveal(),
            self.user.reveal(),
            to.user.reveal()
        )
    }
}

/// `ack`
pub fn ack(id: u32) -> String {
    format!(r#"{{"type":"ack","id":{id}}}"#)
}

/// A message as a Socket.IO event, from an app that leaves the `type` to the name of the event.
pub fn event(message: &str) -> String {
    let (kind, rest) = message[r#"{"type":""#.len()..].split_once('"').expect("a type first");
    format!(r#"42["{kind}",{{{}]"#, rest.strip_prefix(',').unwrap_or(rest))
}

/// The same as the server sends it: including the `type`.
pub fn relayed_event(message: &str) -> String {
    let (kind, _) = message[r#"{"type":""#.len()..].split_once('"').expect("a type first");
    format!(r#"42["{kind}",{message}]"#)
}

/// The frame in which a client sends `text` (RFC 6455 5.2): masked.
pub fn client_frame(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(0x81, 0x80, text.len());
    frame.extend_from_slice(&MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// The same in one frame for each of the `parts`.
pub fn client_fragments(parts: &[&str]) -> Vec<u8> {
    let mut frames = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let mut frame = client_frame(part);
        frame[0] = u8::from(index == 0) | if index + 1 == parts.len() { 0x80 } else { 0 };
        frames.extend(frame);
    }
    frames
}

/// The frame in which the server sends `text`.
pub fn server_frame(text: &str) -> Vec<u8> {
    let mut frame = header(0x81, 0, text.len());
    frame.extend_from_slice(text.as_bytes());
    frame
}

fn header(first: u8, mask_bit: u8, len: usize) -> Vec<u8> {
    match len {
        0..=125 => vec![first, mask_bit | len as u8],
        _ => {
            let [high, low] = u16::try_from(len).expect("at most 64 KiB").to_be_bytes();
            vec![first, mask_bit | 126, high, low]
        }
    }
}

/// Ids that look random, but are the same in every run.
fn scattered(number: u128) -> Uuid {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    Uuid::from_u128((number.wrapping_mul(ODD) >> 64 | number << 64).wrapping_mul(ODD))
}

/// `sdp`: audio, video, and a line for each codec, up to 5 KB.
fn description() -> String {
    const SDP_BYTES: usize = 5_000;
    let mut sdp =
        String::from(r"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    sdp.push_str(r"a=group:BUNDLE 0 1\r\na=msid-semantic: WMS\r\n");
    for (mid, kind) in ["audio", "video"].iter().enumerate() {
        let line = "UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 102 103 104 105 106 107 108 109 110";
        // Writing to a string cannot fail.
        let _ =
            write!(sdp, r"m={kind} 9 {line}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendrecv\r\n");
        sdp.push_str(
            r"a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlU2\r\na=setup:actpass\r\n",
        );
        sdp.push_str(
            r"a=fingerprint:sha-256 75:74:5A:A6:A4:E5:52:F4:A7:67:4C:01:C7:EE:91:3F:21:3D:",
        );
        sdp.push_str(r"A2:E3:53:7B:6F:30:86:F2:30:AA:65:FB:04:24\r\na=rtcp-mux\r\n");
    }
    for codec in 0.. {
        let line = format!(r"a=rtpmap:{0} VP9/90000\r\na=rtcp-fb:{0} transport-cc\r\n", 35 + codec);
        if sdp.len() + line.len() > SDP_BYTES {
            break;
        }
        sdp.push_str(&line);
    }
    format!(r#""sdp":{{"type":"offer","sdp":"{sdp}"}}"#)
}

/// `candidate`: a host candidate with a private address.
fn candidate() -> String {
    let line = "candidate:842163049 1 udp 1677729535 192.168.1.17 61764 typ host generation 0 ufrag 4ZcD network-cost 999";
    format!(
        r#""candidate":{{"candidate":"{line}","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"4ZcD"}}"#
    )
}
