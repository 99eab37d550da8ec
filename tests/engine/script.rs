//! Parses a play: its cues, and the expected results of each.

use autamedica_signaling::base::time::WallTime;
use serde_json::{Map, Value};

use super::cast::{Person, START, session};

/// Something that happens at a time, and what must come of it.
#[derive(Debug)]
pub struct Cue {
    /// The line, to be shown where it goes wrong.
    pub line: String,
    /// Microseconds since the beginning.
    pub at: u64,
    pub action: Action,
    pub outcome: Vec<Outcome>,
}

/// What happens.
#[derive(Debug)]
pub enum Action {
    Connects {
        actor: String,
        token: Option<String>,
    },
    Sends {
        actor: String,
        text: String,
    },
    Drops {
        actor: String,
    },
    /// By the heartbeat of the transport.
    IsPinged {
        actor: String,
    },
    Answers {
        actor: String,
    },
    ClockJumps {
        millis: i64,
    },
    TimePasses,
    ServerStops,
}

/// What somebody gets.
#[derive(Debug)]
pub enum Outcome {
    Hears { actor: String, fields: Map<String, Value>, and_more: bool },
    HearsTheSame { actor: String },
    HearsMessage { actor: String, id: String },
    IsPinged { actor: String },
    IsHeld { actor: String, held: bool },
    Closed { actor: String, code: u16 },
}

/// Reads all cues of a play.
pub fn read(play: &str) -> Vec<Cue> {
    let mut cues: Vec<Cue> = Vec::new();
    for line in logical_lines(play) {
        let Some(rest) = line.strip_prefix("at ") else {
            let cue = cues.last_mut().unwrap_or_else(|| panic!("no cue before: {line}"));
            let at = cue.at;
            cue.outcome.extend(read_outcomes(&line, at));
            continue;
        };
        let (time, rest) = rest.split_once(' ').unwrap_or_else(|| panic!("when? {line}"));
        let at = micros(time);
        cues.push(Cue { at, action: read_action(rest, at), outcome: Vec::new(), line });
    }
    cues
}

/// Lines without comments and indentation. One with an open brace goes on, but for a text that is sent as it is.
fn logical_lines(play: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = 0;
    for line in
        play.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        match lines.last_mut() {
            Some(last) if open > 0 => last.extend([" ", line]),
            _ => lines.push(line.to_owned()),
        }
        let count = |braces: [char; 2]| line.matches(braces).count() as i32;
        let raw = open == 0 && line.contains(" sends ");
        open += if raw { 0 } else { count(['{', '[']) - count(['}', ']']) };
    }
    lines
}

fn read_action(text: &str, at: u64) -> Action {
    match text {
        "time passes" => return Action::TimePasses,
        "the server stops" => return Action::ServerStops,
        _ => {}
    }
    if let Some(seconds) = text.strip_prefix("the clock jumps by ") {
        let seconds: i64 = seconds.parse().unwrap_or_else(|_| panic!("by how much? {text}"));
        return Action::ClockJumps { millis: seconds * 1_000 };
    }
    let (actor, rest) = text.split_once(' ').unwrap_or_else(|| panic!("who does what? {text}"));
    let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let person = Person::of(actor);
    let (actor, rest) = (actor.to_owned(), expand(rest, &person, at));
    match verb {
        "connects" => {
            Action::Connects { actor, token: rest.strip_prefix("with ").map(str::to_owned) }
        }
        "drops" => Action::Drops { actor },
        "is" if rest == "pinged" => Action::IsPinged { actor },
        "answers" => Action::Answers { actor },
        "sends" => Action::Sends { actor, text: rest },
        "says" => Action::Sends { actor, text: say(&person, &rest) },
        _ => panic!("what does {actor} do? {text}"),
    }
}

/// A message with all that it must have: `TYPE`, `TYPE to NAME`, each with more fields behind it.
fn say(person: &Person, words: &str) -> String {
    let (kind, fields) = kind_and_fields(words);
    let (kind, to) = kind.split_once(" to ").unwrap_or((&kind, ""));
    let mut message = Map::new();
    let mut set = |name: &str, value: &str| message.insert(name.to_owned(), value.into());
    set("type", kind);
    let relayed = ["offer", "answer", "ice-candidate", "media-control"].contains(&kind);
    if !["ping", "refresh-token"].contains(&kind) {
        set("sessionId", &person.session);
        set(if relayed { "fromUserId" } else { "userId" }, &person.user);
    }
    if kind == "join-room" {
        set("userType", person.role.as_str());
    }
    if !to.is_empty() {
        set("toUserId", &Person::of(to).user);
    }
    match kind {
        "offer" | "answer" => {
            let sdp = serde_json::json!({"type": kind, "sdp": description("4A")});
            message.insert("sdp".to_owned(), sdp);
        }
        "ice-candidate" => {
            message.insert("candidate".to_owned(), Value::Null);
        }
        _ => {}
    }
    message.extend(fields);
    message.retain(|_, value| value != "$absent");
    Value::Object(message).to_string()
}

/// A session description with this byte in its fingerprint, which anybody may send.
pub fn description(byte: &str) -> String {
    let fingerprint = [byte; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:active\r\na=recvonly\r\n"
    )
}

/// `NAME, NAME hear what`, or of one person `hears` or `is closed with`.
fn read_outcomes(line: &str, at: u64) -> Vec<Outcome> {
    let split =
        [" hears ", " hear ", " is closed with ", " is pinged", " is held", " is let go on"];
    let verb = split.into_iter().find(|verb| line.contains(verb));
    let verb = verb.unwrap_or_else(|| panic!("who hears what? {line}"));
    let (actors, what) = line.split_once(verb).unwrap_or((line, ""));
    let each = |actor: &str| {
        let person = Person::of(actor);
        let (what, actor) = (expand(what, &person, at), actor.to_owned());
        match verb {
            " is closed with " => {
                Outcome::Closed { actor, code: what.parse().expect("a close code") }
            }
            " is pinged" => Outcome::IsPinged { actor },
            " is held" => Outcome::IsHeld { actor, held: true },
            " is let go on" => Outcome::IsHeld { actor, held: false },
            _ if what.starts_with("message ") => {
                Outcome::HearsMessage { actor, id: what.replacen("message ", "", 1) }
            }
            _ if what == "the same" => Outcome::HearsTheSame { actor },
            _ => hears(&person, actor, &what),
        }
    };
    actors.split(", ").map(each).collect()
}

fn hears(person: &Person, actor: String, what: &str) -> Outcome {
    let (exact, and_more) = match what.strip_suffix(" and more") {
        Some(what) => (what, true),
        None => (what, false),
    };
    let (kind, given) = kind_and_fields(exact);
    let mut fields = Map::new();
    if !["ack", "pong", "error", "token-expiring", "ice-servers"].contains(&kind.as_str()) {
        fields.insert("sessionId".to_owned(), person.session.clone().into());
    }
    fields.insert("type".to_owned(), kind.into());
    fields.extend(given);
    Outcome::Hears { actor, fields, and_more }
}

fn kind_and_fields(words: &str) -> (String, Map<String, Value>) {
    let at = words.find('{').unwrap_or(words.len());
    let (kind, json) = words.split_at(at);
    let json = if json.is_empty() { "{}" } else { json };
    let fields = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    (kind.trim().to_owned(), fields)
}

/// Puts in what `$doctor`, `$room`, `$now`, `$time(…)` and `$token(…)` stand for.
fn expand(text: &str, speaker: &Person, at: u64) -> String {
    let mut out = String::new();
    let mut pieces = text.split('$');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '@');
        let end = piece.find(|c| !is_name(c)).unwrap_or(piece.len());
        let (name, rest) = piece.split_at(end);
        let arguments = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        let (words, behind) = arguments.unwrap_or(("", rest));
        let meaning = match name {
            "absent" => "$absent".to_owned(),
            "room" if words.is_empty() => speaker.session.clone(),
            "room" => session(words),
            "token" => speaker.token(words),
            "now" => iso(at),
            "time" => iso(micros(words)),
            name => Person::of(name).user,
        };
        out.extend([&meaning, behind]);
    }
    out
}

/// The wall clock's text for a time of the play.
pub fn iso(micros: u64) -> String {
    let wall = WallTime::from_millis(START.as_millis() + (micros / 1_000) as i64);
    String::from_utf8_lossy(&wall.to_iso8601()).into_owned()
}

fn micros(seconds: &str) -> u64 {
    let seconds: f64 = seconds.parse().unwrap_or_else(|_| panic!("when is {seconds}?"));
    (seconds * 1e6).round() as u64
}
