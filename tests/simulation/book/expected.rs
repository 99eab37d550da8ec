//! What the others must be told, and which connections must be closed: exactly that, and nothing
//! else.

use autamedica_signaling::message::record::{Event, Record, Subject};

use super::super::names;
use super::super::promises::Promise;
use super::super::transcript::short;
use super::effects::{field, kind};
use super::records::Wanted;
use super::{Book, Done, Key};

/// Which notices and closes an input must lead to. The answers to whoever caused it are not among them.
#[derive(Debug, Default)]
pub(super) struct Expected {
    notices: Vec<(Key, &'static str, u32)>,
    closes: Vec<(Key, u16)>,
    /// What the audit log must be told.
    pub(super) records: Vec<Wanted>,
}

/// Messages of the server that tell of something; everything else is an answer, or relayed.
const NOTICES: [&str; 7] = [
    "peer-joined",
    "peer-left",
    "peer-state",
    "peer-stats",
    "room-status",
    "token-expiring",
    "ice-servers",
];

impl Expected {
    /// All of them must hear this, about a user (0: about nobody).
    pub(super) fn tell(&mut self, all: Vec<Key>, what: &'static str, user: u32) {
        self.notices.extend(all.into_iter().map(|key| (key, what, user)));
    }

    /// The audit log must be told this, about a connection where there is one.
    pub(super) fn record(&mut self, peer: Option<Key>, event: Event, subject: Subject) {
        let record = Record { event, subject };
        self.records.push(Wanted { peer, record, reason: None, awaited: None });
    }

    /// This connection must be closed.
    pub(super) fn close(&mut self, key: Key, code: u16) {
        self.closes.push((key, code));
    }
}

impl Book {
    /// Whether the notices and closes are just those.
    pub(super) fn check_expected(&mut self, done: &[Done<'_>], expected: &Expected) {
        let mut notices = Vec::new();
        let mut closes = Vec::new();
        for done in done {
            match *done {
                Done::Send { to, text, relayed: false } => {
                    let user = field(text, "userId").and_then(names::read_user);
                    let what = NOTICES.into_iter().find(|what| *what == kind(text));
                    notices.extend(what.map(|what| (to, what, user.unwrap_or(0))));
                }
                Done::Close { peer, code } => closes.push((peer, code)),
                Done::Send { .. } | Done::Ping { .. } => {}
            }
        }
        let mut wanted = expected.notices.clone();
        wanted.sort_unstable();
        notices.sort_unstable();
        if notices != wanted {
            let extra = notices.iter().find(|notice| !wanted.contains(notice));
            let missing = wanted.iter().find(|notice| !notices.contains(notice));
            self.verdict.broken(
                Promise::Exits,
                format!("must be told {wanted:?}, were {notices:?}; missing {missing:?}, extra {extra:?}"),
            );
        }
        let mut wanted = expected.closes.clone();
        wanted.sort_unstable();
        closes.sort_unstable();
        self.verdict.check(Promise::Closing, closes == wanted, || {
            let texts: Vec<_> = done.iter().filter_map(Done::text).map(short).collect();
            format!("must be closed {wanted:?}, were {closes:?}, with {texts:?}")
        });
    }
}
