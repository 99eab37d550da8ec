//! What was relayed to whom, as the contract counts it: from the last `room-joined` that did not resume.

use std::collections::BTreeMap;

/// The history of everybody who was ever in a room.
#[derive(Debug, Default)]
pub struct Histories {
    of: BTreeMap<(usize, String), History>,
    /// Messages on their way: to whom, and their text.
    expected: BTreeMap<u64, (String, String)>,
}

/// What was relayed to one user in one session.
#[derive(Debug, Default)]
struct History {
    /// Everything that was accepted for the user.
    log: Vec<String>,
    /// How much of it has arrived.
    position: usize,
}

impl Histories {
    /// How many messages have arrived.
    pub fn position(&self, session: usize, user: &str) -> usize {
        self.of.get(&(session, user.to_owned())).map_or(0, |history| history.position)
    }

    /// A message is sent.
    pub fn expect(&mut self, id: u64, to: String, text: String) {
        self.expected.insert(id, (to, text));
    }

    /// A message was acknowledged: to whom it was, and its text, unless it has arrived before that.
    pub fn accepted(&mut self, id: u64) -> Option<(String, String)> {
        self.expected.remove(&id)
    }

    /// A message was accepted for someone who is away.
    pub fn kept(&mut self, session: usize, user: &str, text: String) {
        self.history(session, user).log.push(text);
    }

    /// A message arrived: as it was sent, or later.
    pub fn heard(&mut self, session: usize, user: &str, text: String, at_once: bool) {
        if at_once {
            self.expected.retain(|_, (to, other)| to != user || *other != text);
        }
        let history = self.history(session, user);
        if at_once {
            assert_eq!(history.position, history.log.len(), "out of order");
            history.log.push(text.clone());
        }
        assert_eq!(history.log.get(history.position), Some(&text), "not what comes next");
        history.position += 1;
    }

    /// The user has joined, and said how much has arrived. `is_held`: the others knew of the place.
    pub fn joined(
        &mut self,
        session: usize,
        user: &str,
        claim: Option<usize>,
        resumed: bool,
        is_held: bool,
    ) {
        let history = self.history(session, user);
        if resumed {
            let position = claim.expect("nothing was said of resuming");
            assert!(position <= history.log.len(), "resumed beyond the end");
            history.position = position;
        } else {
            // What was not known to have arrived is still there, so an honest claim can be met.
            let could = is_held && claim == Some(history.position);
            assert!(!could, "a client that missed nothing was told to begin anew");
            *history = History::default();
        }
    }

    /// Whoever is connected has everything.
    pub fn check_is_whole(&self, session: usize, user: &str) {
        if let Some(history) = self.of.get(&(session, user.to_owned())) {
            assert_eq!(history.position, history.log.len(), "something was lost");
        }
    }

    fn history(&mut self, session: usize, user: &str) -> &mut History {
        self.of.entry((session, user.to_owned())).or_default()
    }
}
