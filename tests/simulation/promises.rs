//! What must hold in every run, whatever happens. Each check elsewhere names the promise that it
//! belongs to.

use std::fmt;

/// Something that the server promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// No byte crosses rooms: whatever reaches a participant names only sessions and users of the participant's own
    /// room, and a letter reaches only its addressee.
    Rooms,
    /// Nothing reaches anyone before their admission, and nobody is admitted whom token, seat and room do not let in.
    Admission,
    /// What was accepted is delivered once, byte for byte and in order, or its sender is told that it may not have been.
    Delivery,
    /// Every join has exactly one exit, and everybody inside hears at once of both.
    Exits,
    /// Every message gets the one answer that it should.
    Answers,
    /// Nobody is closed who did nothing wrong, and nobody stays who did: with the right code, at the right time.
    Closing,
    /// Nobody hears of an admission or of the end of a session before its record is durable, so that what a client was told is
    /// among what a crash leaves; and a session that ended stays so.
    WrittenAhead,
    /// The audit log says just what happened, whoever is asked: each admission that was told has one record with the right
    /// subject and one exit, each withdrawal belongs to an admission that was not told, each refusal that matters has its
    /// record, and nothing is told that did not happen.
    Records,
    /// Whoever waits for a record gets on as soon as it is durable, and hears of it where it cannot be written, after ten
    /// seconds at most. While it cannot be written nobody is let in, and everything else goes on.
    Waiting,
    /// What the server writes is HTTP, then WebSocket, then a message of the contract.
    Wire,
    /// All memory for unfinished work stays within the configured sum, and connections within their limit.
    Memory,
    /// When everyone has gone, nothing is retained.
    Emptiness,
    /// When the trouble is over, everybody who should be in a room is there, all see each other, and letters arrive.
    Recovery,
    /// What the server holds does not contradict itself, and it never panics.
    Soundness,
}

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// How.
    pub how: String,
}

/// The first promise that was broken, if any was.
#[derive(Debug, Default)]
pub struct Verdict(Option<Broken>);

impl Verdict {
    /// Notes that a promise was broken; the first one counts, the others may follow from it.
    pub fn broken(&mut self, promise: Promise, how: impl Into<String>) {
        self.0.get_or_insert_with(|| Broken { promise, how: how.into() });
    }

    /// Notes that a promise was broken where `kept` is false.
    pub fn check(&mut self, promise: Promise, kept: bool, how: impl FnOnce() -> String) {
        if !kept {
            self.broken(promise, how());
        }
    }

    /// Whether all were kept so far.
    pub fn is_good(&self) -> bool {
        self.0.is_none()
    }

    /// What was broken.
    pub fn get(&self) -> Option<&Broken> {
        self.0.as_ref()
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.how)
    }
}
