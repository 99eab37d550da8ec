//! Every relayed message ("letter") from one participant to another: written, accepted, delivered,
//! or reported as possibly lost.
//!
//! The letters to one participant form a stream. It begins with a `room-joined` whose `resumed` is
//! false and continues over any number of connections whose `resumed` is true. The participant must
//! receive exactly the stream, letter by letter. This one rule covers delivery once, in order and
//! without gaps.

use std::collections::BTreeMap;

use super::promises::{Promise, Verdict};

/// Who: the room and the user in it.
pub type Who = (u32, u32);

/// One relayed message.
#[derive(Debug)]
pub struct Letter {
    /// To whom.
    pub to: Who,
    /// The text, byte for byte.
    pub text: String,
    /// The sender has received its `ack`.
    pub acked: bool,
    /// The addressee has received it.
    pub delivered: bool,
    /// The sender was told that it may not arrive.
    pub reported: bool,
}

/// What was accepted for one participant since it last began anew.
#[derive(Debug)]
pub struct Stream {
    /// Whose it is.
    pub owner: Who,
    /// The letters, in the order in which they were accepted.
    pub letters: Vec<usize>,
    /// How many bytes each of them has.
    pub bytes: Vec<usize>,
    /// How many of them the participant has received.
    pub received: usize,
}

/// All letters and all streams of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    letters: Vec<Letter>,
    by_sender: BTreeMap<Who, Vec<usize>>,
    streams: Vec<Stream>,
}

impl Ledger {
    /// The number that the next letter will have.
    pub fn next_letter(&self) -> usize {
        self.letters.len()
    }

    /// A participant writes a letter.
    pub fn write(&mut self, from: Who, to: Who, text: String) {
        let (acked, delivered, reported) = (false, false, false);
        self.by_sender.entry(from).or_default().push(self.letters.len());
        self.letters.push(Letter { to, text, acked, delivered, reported });
    }

    /// The text of a letter.
    pub fn letter_text(&self, number: usize) -> &str {
        &self.letters[number].text
    }

    /// A stream.
    pub fn stream(&self, number: usize) -> &Stream {
        &self.streams[number]
    }

    /// A participant begins anew.
    pub fn begin(&mut self, owner: Who) -> usize {
        self.streams.push(Stream { owner, letters: Vec::new(), bytes: Vec::new(), received: 0 });
        self.streams.len() - 1
    }

    /// The owner goes on after so many letters of a stream, however many it has received: the others are lost to it, by its
    /// own fault.
    pub fn skip_to(&mut self, stream: usize, received: usize) {
        for letter in self.streams[stream].letters.clone() {
            self.letters[letter].reported = true;
        }
        self.streams[stream].received = received;
    }

    /// The server has accepted a letter for the owner of a stream.
    pub fn accept(&mut self, letter: usize, stream: usize, verdict: &mut Verdict) {
        let (letters, streams) = (&self.letters, &mut self.streams);
        let stream = &mut streams[stream];
        verdict.check(Promise::Rooms, letters[letter].to == stream.owner, || {
            format!("letter {letter} was accepted for {:?}", stream.owner)
        });
        stream.letters.push(letter);
        stream.bytes.push(letters[letter].text.len());
    }

    /// The owner of a stream has received a relayed text.
    pub fn deliver(&mut self, text: &str, number: usize, stream: usize, verdict: &mut Verdict) {
        let stream = &mut self.streams[stream];
        let expected = stream.letters.get(stream.received).copied();
        let position = stream.received;
        verdict.check(Promise::Delivery, expected == Some(number), || {
            format!(
                "{:?} received letter {number} where {expected:?} was due as number {position}",
                stream.owner
            )
        });
        stream.received += 1;
        let Some(letter) = self.letters.get_mut(number) else { return };
        verdict.check(Promise::Rooms, letter.to == stream.owner, || {
            format!("letter {number} to {:?} reached {:?}", letter.to, stream.owner)
        });
        verdict.check(Promise::Delivery, letter.text == text, || {
            format!("letter {number} was changed on its way")
        });
        letter.delivered = true;
    }

    /// The sender has received the `ack` of a letter.
    pub fn acknowledge(&mut self, number: usize) {
        if let Some(letter) = self.letters.get_mut(number) {
            letter.acked = true;
        }
    }

    /// The sender learns that what it wrote so far may not arrive: all of it, or what was for one participant.
    pub fn report(&mut self, from: Who, to: Option<Who>) {
        for &number in self.by_sender.get(&from).into_iter().flatten() {
            let letter = &mut self.letters[number];
            letter.reported |= to.is_none_or(|to| letter.to == to);
        }
    }

    /// Letters of this sender that were acknowledged, and neither arrived nor were reported; each with its addressee.
    pub fn lost_from(&self, from: Who) -> impl Iterator<Item = (usize, Who)> {
        let numbers = self.by_sender.get(&from).into_iter().flatten().copied();
        numbers.filter_map(|number| {
            let letter = &self.letters[number];
            let lost = letter.acked && !letter.delivered && !letter.reported;
            lost.then_some((number, letter.to))
        })
    }

    /// Letters as (written, acknowledged, delivered).
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |of: fn(&&Letter) -> bool| self.letters.iter().filter(of).count();
        (self.letters.len(), count(|letter| letter.acked), count(|letter| letter.delivered))
    }
}
