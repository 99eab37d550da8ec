//! Whether the sender got the one correct answer, and the addressee what was meant for it.

use super::super::ledger::Who;
use super::super::promises::Promise;
use super::super::transcript::short;
use super::effects::{field, kind, plain};
use super::expected::Expected;
use super::requests::Outcome;
use super::{Book, Done, Key};

impl Book {
    /// Checks the answers to `text`. To be called before the book is changed by it.
    pub(super) fn check_answer(
        &mut self,
        from: Key,
        text: &str,
        outcome: &Outcome,
        done: &[Done<'_>],
        expected: &mut Expected,
    ) {
        let mine =
            |done: &&Done<'_>| matches!(done, Done::Send { to, relayed: false, .. } if *to == from);
        let texts: Vec<&str> = done.iter().filter(mine).filter_map(Done::text).collect();
        let id = plain(text, "id");
        let ack = id.map(|_| "ack");
        let wanted: Vec<&str> = match outcome {
            Outcome::Nothing | Outcome::Waits(..) | Outcome::Ends(_) | Outcome::EndsAlready(_) => {
                Vec::new()
            }
            Outcome::Refused(_) => vec!["error"],
            Outcome::Pong => Some("pong").into_iter().chain(ack).collect(),
            Outcome::Joined(_) | Outcome::Returned { .. } => {
                Some("room-joined").into_iter().chain(ack).collect()
            }
            _ => ack.into_iter().collect(),
        };
        let kinds: Vec<&str> = texts.iter().map(|text| kind(text)).take(wanted.len()).collect();
        let answers = ["ack", "error", "pong", "room-joined"];
        let count = texts.iter().filter(|text| answers.contains(&kind(text))).count();
        let answer = texts.iter().find(|text| matches!(kind(text), "ack" | "error")).copied();
        let same_id = answer.is_none_or(|answer| plain(answer, "id") == id);
        let code = answer.and_then(|answer| field(answer, "code"));
        let right_code = match outcome {
            Outcome::Refused(wanted) => code == Some(wanted),
            _ => code.is_none(),
        };
        let right = kinds == wanted && count == wanted.len() && same_id && right_code;
        self.verdict.check(Promise::Answers, right, || {
            let texts: Vec<_> = texts.iter().map(|text| short(text)).collect();
            format!("{} must lead to {outcome:?}, was answered {texts:?}", short(text))
        });
        if let Outcome::Refused(code) = outcome
            && let Some(close) = close_code(code).filter(|_| ends(text, code))
        {
            expected.close(from, close);
        }
        self.check_relay(from, text, outcome, done);
    }

    /// What is relayed goes to the addressee alone; what is replayed is just what is missing.
    fn check_relay(&mut self, from: Key, text: &str, outcome: &Outcome, done: &[Done<'_>]) {
        let relays: Vec<Key> = done
            .iter()
            .filter_map(|done| match done {
                Done::Send { to, relayed: true, .. } => Some(*to),
                _ => None,
            })
            .collect();
        let addressee = match *outcome {
            Outcome::Relayed(to) => self.place(to).and_then(|place| place.peer),
            _ => None,
        };
        self.verdict.check(Promise::Delivery, relays == addressee.as_slice(), || {
            format!("{} was sent to {relays:?}, not {addressee:?}", short(text))
        });
        let replayed: Vec<&str> = done
            .iter()
            .filter_map(|done| match *done {
                Done::Send { to, text, relayed: false } if to == from && is_letter(text) => {
                    Some(text)
                }
                _ => None,
            })
            .collect();
        let missing: Vec<&str> = match *outcome {
            Outcome::Returned { bearer, resumed: true, .. } => self.missing(bearer.who, text),
            _ => Vec::new(),
        };
        let counts = (replayed.len(), missing.len());
        let exact = replayed == missing;
        self.verdict.check(Promise::Delivery, exact, || {
            format!("of what was missing, replayed and expected are {counts:?} letters, or others")
        });
    }

    /// The letters that somebody who returns has not received, by its own word.
    fn missing(&self, who: Who, join: &str) -> Vec<&str> {
        let received = plain(join, "received").and_then(|count| count.parse().ok()).unwrap_or(0);
        let Some(stream) = self.stream_of_user(who) else { return Vec::new() };
        let letters = self.ledger.stream(stream).letters.iter().skip(received);
        letters.map(|letter| self.ledger.letter_text(*letter)).collect()
    }
}

fn is_letter(text: &str) -> bool {
    matches!(kind(text), "offer" | "answer" | "ice-candidate" | "media-control")
}

/// Whether a refusal ends the connection: a bad token does so only where there is no other.
fn ends(text: &str, code: &str) -> bool {
    kind(text) == "join-room" || !code.starts_with("TOKEN_")
}

/// The close code that must follow an error, where it ends the connection.
fn close_code(code: &str) -> Option<u16> {
    Some(match code {
        "TOKEN_INVALID" | "TOKEN_EXPIRED" => 4401,
        "SESSION_ENDED" => 4410,
        _ => return None,
    })
}
