//! Plays a script on the engine and compares the results.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use autamedica_signaling::admission::{TokenRules, Tokens};
use autamedica_signaling::base::redacted::Redacted;
use autamedica_signaling::base::time::{Duration, Instant, Now, WallTime};
use autamedica_signaling::engine::{Effect, Effects, Engine, Options, Payload, PeerId};
use serde_json::{Map, Value};

use super::cast::{Person, START, key};
use super::script::{Action, Cue, Outcome, iso, read};

/// Plays a script, as it is written in the description of these tests.
pub fn play(script: &str) {
    play_with(|_| {}, script);
}

/// Plays a script with other limits than the ordinary ones.
pub fn play_with(change: impl FnOnce(&mut Options), script: &str) {
    let mut stage = Stage::new(change);
    stage.pings_matter = script.contains(" pinged");
    for cue in read(script) {
        stage.perform(&cue);
    }
}

/// The engine and everybody who ever connected to it.
pub struct Stage {
    pub engine: Engine,
    actors: BTreeMap<String, Actor>,
    /// How often each slot was used: a connection takes the first that is free, as in the reactor.
    generations: Vec<u32>,
    /// Every text that was sent and had an id, by that.
    sent: BTreeMap<String, String>,
    /// Since the beginning, in microseconds.
    micros: u64,
    /// How far the wall clock has jumped, in milliseconds.
    wall_offset: i64,
    /// Whether pings and their answers are part of the play; else they are answered at once.
    pub pings_matter: bool,
}

struct Actor {
    peer: PeerId,
    person: Person,
    present: bool,
    /// The pings that are under way to it, with what they will prove.
    pings: VecDeque<u32>,
}

impl Actor {
    fn is_here(&self, peer: PeerId) -> bool {
        self.present && self.peer == peer
    }
}

/// What somebody got.
pub enum Got {
    Heard { actor: String, message: Value, text: String },
    HeardTheSame { actor: String },
    Pinged { actor: String },
    Held { actor: String, held: bool },
    Closed { actor: String, code: u16 },
}

impl Stage {
    pub fn new(change: impl FnOnce(&mut Options)) -> Self {
        let rules = TokenRules {
            keys: vec![key(0)],
            issuer: None,
            audience: None,
            leeway: Duration::from_secs(60),
        };
        let mut options = Options::new(Tokens::new(rules));
        change(&mut options);
        let engine = Engine::new(options);
        Self {
            engine,
            actors: BTreeMap::new(),
            generations: Vec::new(),
            sent: BTreeMap::new(),
            micros: 0,
            wall_offset: 0,
            pings_matter: false,
        }
    }

    /// Lets a cue happen and compares what comes of it, all of it, in order.
    pub fn perform(&mut self, cue: &Cue) {
        assert!(cue.at >= self.micros, "time does not go back: {}", cue.line);
        let before = self.let_time_pass(cue);
        let what = self.render(&before);
        assert!(before.is_empty(), "this comes before {}\n{what}", cue.line);
        let got = self.act(&cue.action);
        let same = got.len() == cue.outcome.len()
            && got.iter().zip(&cue.outcome).all(|(got, expected)| got.is(expected, &self.sent));
        let what = self.render(&got);
        assert!(same, "\n{}\n{what}\nwas expected to lead to {:#?}\n", cue.line, cue.outcome);
    }

    /// Lets a cue happen, and what time brings before it, whatever comes of it.
    pub fn improvise(&mut self, cue: &Cue) -> Vec<Got> {
        let mut got = self.let_time_pass(cue);
        got.extend(self.act(&cue.action));
        got
    }

    /// What was noted of the fingerprints that an actor showed.
    pub fn fingerprint(&self, actor: &str) -> Option<Redacted<[u8; 16]>> {
        self.engine.fingerprint(self.actor(actor).peer)
    }

    /// Whether an actor ever connected.
    pub fn knows(&self, actor: &str) -> bool {
        self.actors.contains_key(actor)
    }

    /// Whether an actor is connected.
    pub fn is_present(&self, actor: &str) -> bool {
        self.actors.get(actor).is_some_and(|actor| actor.present)
    }

    /// What is due before a cue. At its very time it belongs to the cue where that is the clock.
    fn let_time_pass(&mut self, cue: &Cue) -> Vec<Got> {
        let is_clock = matches!(cue.action, Action::TimePasses);
        let mut got = Vec::new();
        while let Some(due) = self.engine.next_deadline(self.now()) {
            let due = due.since(Self::instant(0)).as_micros();
            if due > cue.at || (due == cue.at && is_clock) {
                break;
            }
            self.micros = due.max(self.micros);
            got.extend(self.act(&Action::TimePasses));
            let next = self
                .engine
                .next_deadline(self.now())
                .map(|next| next.since(Self::instant(0)).as_micros());
            assert!(next.is_none_or(|next| next > due), "what was due has been done");
        }
        self.micros = cue.at;
        got
    }

    /// What both clocks say.
    pub fn now(&self) -> Now {
        let wall = WallTime::from_millis(START.as_millis() + (self.micros / 1_000) as i64);
        let wall = WallTime::from_millis(wall.as_millis() + self.wall_offset);
        Now { instant: Self::instant(self.micros), wall }
    }

    /// Nothing may depend on the monotonic clock beginning at zero.
    fn instant(micros: u64) -> Instant {
        Instant::from_micros(7_654_321 + micros)
    }

    fn act(&mut self, action: &Action) -> Vec<Got> {
        let now = self.now();
        let mut effects = Effects::new();
        let mut sent = ("", None);
        match action {
            Action::Connects { actor, token } => self.connect(actor, token.as_deref()),
            Action::Sends { actor, text } => {
                let speaker = self.actor(actor);
                let (peer, room) = (speaker.peer, speaker.person.room.clone());
                sent = (text, Some(room));
                let id =
                    serde_json::from_str::<Value>(text).map(|message| message["id"].to_string());
                self.sent.insert(id.unwrap_or_default(), text.clone());
                self.engine.receive(peer, text, now, &mut effects);
            }
            Action::Drops { actor } => {
                let peer = self.actor(actor).peer;
                self.engine.left(peer, now, &mut effects);
                self.leave_stage(actor);
            }
            Action::IsPinged { actor } => self.ping(actor),
            Action::Answers { actor } => self.answer(actor),
            Action::TimePasses => self.engine.advance(now, &mut effects),
            Action::ClockJumps { millis } => self.wall_offset += millis,
            Action::ServerStops => self.engine.shut_down(&mut effects),
        }
        let mut got = self.see(&effects, sent.0, sent.1.as_deref());
        self.engine.check_invariants();
        if !self.pings_matter {
            got.retain(|got| !self.answers(got));
            self.engine.check_invariants();
        }
        got
    }

    fn connect(&mut self, actor: &str, token: Option<&str>) {
        let grant = token.map(|token| self.engine.tokens().check(token, self.now().wall));
        let grant = grant.transpose().expect("a good token: the door refuses others");
        let taken = |index: &usize| {
            self.actors.values().any(|actor| actor.present && actor.peer.index as usize == *index)
        };
        let index = (0..).find(|index| !taken(index)).unwrap_or_default();
        if index == self.generations.len() {
            self.generations.push(0);
        }
        self.generations[index] += 1;
        let peer = PeerId { index: index as u32, generation: self.generations[index] };
        let before =
            Actor { peer, person: Person::of(actor), present: true, pings: VecDeque::new() };
        let before = self.actors.insert(actor.to_owned(), before);
        assert!(before.is_none_or(|before| !before.present), "{actor} is connected already");
        self.engine.connected(peer, grant, self.now());
    }

    /// A ping goes out, as the transport sends it: with what it will prove.
    fn ping(&mut self, name: &str) {
        let mark = self.engine.ping_mark(self.actor(name).peer);
        if let Some(actor) = self.actors.get_mut(name) {
            actor.pings.push_back(mark);
        }
    }

    /// The answer to the oldest ping that is under way comes.
    fn answer(&mut self, name: &str) {
        let now = self.now();
        let actor = self.actors.get_mut(name).expect("somebody");
        let mark = actor.pings.pop_front().expect("a ping is under way");
        self.engine.ponged(actor.peer, mark, now);
    }

    /// Whether this was a ping, and so was answered.
    fn answers(&mut self, got: &Got) -> bool {
        let Got::Pinged { actor } = got else { return false };
        self.answer(actor);
        true
    }

    fn actor(&self, name: &str) -> &Actor {
        self.actors.get(name).unwrap_or_else(|| panic!("{name} never connected"))
    }

    fn leave_stage(&mut self, name: &str) {
        if let Some(actor) = self.actors.get_mut(name) {
            actor.present = false;
        }
    }

    /// Carries out the effects, and sees to what must hold in every play.
    fn see(&mut self, effects: &Effects, sent: &str, sent_in: Option<&str>) -> Vec<Got> {
        let is_there = |stage: &Self, effect: &Effect| match effect {
            Effect::Resume { peer } => stage.actors.values().any(|one| one.is_here(*peer)),
            _ => true,
        };
        let mut got = Vec::new();
        for effect in effects.iter() {
            if is_there(self, &effect) {
                got.push(self.see_one(effect, effects, sent, sent_in));
            }
        }
        got
    }

    fn see_one(
        &mut self,
        effect: Effect,
        effects: &Effects,
        sent: &str,
        sent_in: Option<&str>,
    ) -> Got {
        let (Effect::Send { to: peer, .. }
        | Effect::Ping { peer }
        | Effect::Hold { peer }
        | Effect::Resume { peer }
        | Effect::Close { peer, .. }) = effect;
        let present = self.actors.iter().find(|(_, actor)| actor.is_here(peer));
        let (name, actor) = present.expect("who is no longer here is not spoken to");
        let name = name.clone();
        match effect {
            Effect::Ping { .. } => {
                self.ping(&name);
                Got::Pinged { actor: name }
            }
            Effect::Hold { .. } => Got::Held { actor: name, held: true },
            Effect::Resume { .. } => Got::Held { actor: name, held: false },
            Effect::Close { code, .. } => {
                self.leave_stage(&name);
                Got::Closed { actor: name, code: code.into() }
            }
            Effect::Send { payload: Payload::Received, .. } => {
                assert_eq!(sent_in, Some(actor.person.room.as_str()), "relayed into another room");
                assert_eq!(effects.text(Payload::Received, sent.as_bytes()), sent.as_bytes());
                Got::HeardTheSame { actor: name }
            }
            Effect::Send { payload, .. } => {
                let text = effects.text(payload, sent.as_bytes());
                self.assert_of_this_room(text, &actor.person);
                let message: Value = serde_json::from_slice(text).expect("JSON");
                assert!(message["type"].is_string(), "{message}");
                let text = String::from_utf8_lossy(text).into_owned();
                Got::Heard { actor: name, message, text }
            }
        }
    }

    /// Names and rooms are ids that occur nowhere else.
    fn assert_of_this_room(&self, text: &[u8], hearer: &Person) {
        let text = std::str::from_utf8(text).expect("UTF-8");
        let people = || self.actors.values().map(|actor| &actor.person);
        for other in people().filter(|other| other.room != hearer.room) {
            let is_here = people().any(|one| one.room == hearer.room && one.who() == other.who());
            let named = !is_here && text.contains(&other.user);
            let foreign = named || text.contains(&other.session);
            assert!(!foreign, "{} hears of {}: {text}", hearer.name, other.name);
        }
    }

    /// What came of a cue, in the words of a script.
    fn render(&self, got: &[Got]) -> String {
        let mut text = String::new();
        for got in got {
            let line = match got {
                Got::Pinged { actor } => format!("{actor} is pinged"),
                Got::Held { actor, held: true } => format!("{actor} is held"),
                Got::Held { actor, held: false } => format!("{actor} is let go on"),
                Got::Heard { actor, message, .. } => {
                    let mut message = message.clone();
                    let kind = message["type"].as_str().unwrap_or_default().to_owned();
                    message.as_object_mut().map(|fields| fields.remove("type"));
                    format!("{actor} hears {kind} {message}")
                }
                Got::HeardTheSame { actor } => format!("{actor} hears the same"),
                Got::Closed { actor, code } => format!("{actor} is closed with {code}"),
            };
            let named = self.actors.values().fold(line, |line, actor| {
                let user = format!("${}", actor.person.who());
                let room = format!("$room({})", actor.person.room);
                line.replace(&actor.person.user, &user).replace(&actor.person.session, &room)
            });
            writeln!(text, "    {}", named.replace(&iso(self.micros), "$now")).expect("a string");
        }
        text
    }
}

impl Got {
    /// The words of an error with this code that this actor heard.
    pub fn error(&self, code: &str, who: &str) -> &str {
        match self {
            Self::Heard { actor, message, .. } if message["code"] == code && actor == who => {
                message["message"].as_str().unwrap_or_default()
            }
            _ => panic!("{who} heard no {code}"),
        }
    }

    fn is(&self, expected: &Outcome, sent: &BTreeMap<String, String>) -> bool {
        match (self, expected) {
            (Self::Closed { actor, code }, Outcome::Closed { actor: who, code: with }) => {
                (actor, code) == (who, with)
            }
            (Self::HeardTheSame { actor }, Outcome::HearsTheSame { actor: who }) => actor == who,
            (Self::Pinged { actor }, Outcome::IsPinged { actor: who }) => actor == who,
            (Self::Held { actor, held }, Outcome::IsHeld { actor: who, held: is }) => {
                (actor, held) == (who, is)
            }
            (Self::Heard { actor, text, .. }, Outcome::HearsMessage { actor: who, id }) => {
                actor == who && sent.get(id) == Some(text)
            }
            (
                Self::Heard { actor, message, .. },
                Outcome::Hears { actor: who, fields, and_more },
            ) => actor == who && says(message, fields, *and_more),
            _ => false,
        }
    }
}

/// Whether a message has these fields. An error also has some text, for a person to read.
fn says(message: &Value, fields: &Map<String, Value>, and_more: bool) -> bool {
    let Some(mut said) = message.as_object().cloned() else { return false };
    if message["type"] == "error" && !fields.contains_key("message") {
        let text = said.remove("message");
        if text.as_ref().and_then(Value::as_str).is_none_or(str::is_empty) {
            return false;
        }
    }
    let given = fields.iter().all(|(name, value)| said.get(name) == Some(value));
    given && (and_more || said.len() == fields.len())
}
