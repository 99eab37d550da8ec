//! What everybody at the other ends hears, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};

use autamedica_signaling::base::time::Duration;

use crate::client::Heard;
use crate::hall::{Hall, Place, Visitor};

impl Hall {
    /// What must hold whenever nothing is being done.
    pub fn check(&self) {
        self.app.engine().check_invariants();
        let mut present = [BTreeSet::new(), BTreeSet::new()];
        for (_, visitor) in self.visitors.iter() {
            let is_open = visitor.client.is_open() && visitor.connection.errand().is_none();
            assert_eq!(is_open, visitor.connection.is_open(), "who is open");
            if let Some((session, user)) = visitor.seat() {
                self.histories.check_is_whole(session, &user);
                assert!(present[session].insert(user), "in a room twice");
            }
        }
        let mut known: [Option<&BTreeMap<_, _>>; 2] = [None; 2];
        for inside in self.visitors.iter().filter_map(|(_, one)| one.client.inside.as_ref()) {
            let others = known[inside.session].get_or_insert(&inside.users);
            assert_eq!(*others, &inside.users, "all know the same");
            for (user, is_away) in &inside.users {
                assert_eq!(*is_away, !present[inside.session].contains(user), "who is away");
            }
            assert!(present[inside.session].iter().all(|user| inside.users.contains_key(user)));
        }
        let rooms = present.iter().filter(|users| !users.is_empty()).count();
        assert!((rooms..=2).contains(&self.app.engine().room_count()));
    }

    /// The client hears it. `sender`: who has sent this message, where it is passed on.
    pub(crate) fn deliver(&mut self, to: Place, bytes: &[u8], sender: Option<Place>) {
        let sender = sender.and_then(|key| self.visitors.get(key)?.seat());
        let Some(visitor) = self.visitors.get_mut(to) else { return };
        // Who closes is told so first.
        let before = visitor.seat();
        // What a request is to fetch counts as heard: that it arrives as it is is seen to where it is fetched.
        visitor.unfetched.iter_mut().for_each(|unfetched| unfetched.extend_from_slice(bytes));
        for heard in visitor.client.receive(bytes) {
            let seat = self.visitors.get(to).and_then(Visitor::seat).or(before.clone());
            match (heard, seat) {
                (Heard::Relayed(text), Some((session, user))) => {
                    let end = bytes.strip_suffix(b"\x1e").unwrap_or(bytes);
                    let end = end.strip_suffix(b"]").unwrap_or(end);
                    assert!(end.ends_with(text.as_bytes()), "not byte for byte");
                    if let Some((from, _)) = &sender {
                        assert_eq!(*from, session, "passed on to another session");
                    }
                    self.histories.heard(session, &user, text, sender.is_some());
                }
                (Heard::Ack(id), Some((session, _))) => {
                    if let Some((addressee, text)) = self.histories.accepted(id) {
                        let is_present = self.is_present(session, &addressee);
                        assert!(!is_present, "acknowledged, but it reached nobody");
                        self.histories.kept(session, &addressee, text);
                    }
                }
                (Heard::Joined { resumed }, Some((session, user))) => {
                    self.joined(to, session, &user, resumed);
                }
                (Heard::Ended, Some((session, _))) => self.ended[session] = Some(self.latest),
                (Heard::Close(code), _) => {
                    assert!(matches!(code, 1000..=1012 | 4000..=4999));
                    let is_odd = self.visitors.get(to).is_none_or(|visitor| visitor.is_odd);
                    assert!(code != 4480 || is_odd || !self.everybody_answers, "it had answered");
                }
                (Heard::Ack(_), None) => {}
                (heard, None) => panic!("{heard:?} outside of a room"),
            }
        }
    }

    fn joined(&mut self, key: Place, session: usize, user: &str, resumed: bool) {
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        let is_over = self.ended[session].is_some_and(|at| self.latest < at.plus(DAY));
        assert!(!is_over, "in a session that has ended");
        let is_held = self.visitors.iter().any(|(other, visitor)| {
            let inside = visitor.client.inside.as_ref().filter(|_| other != key);
            inside.is_some_and(|i| i.session == session && i.users.contains_key(user))
        });
        let claim = self.visitors.get_mut(key).and_then(|visitor| visitor.claim.take());
        self.histories.joined(session, user, claim, resumed, is_held);
    }

    fn is_present(&self, session: usize, user: &str) -> bool {
        let seat = Some((session, user.to_owned()));
        self.visitors.iter().any(|(_, visitor)| visitor.seat() == seat)
    }
}
