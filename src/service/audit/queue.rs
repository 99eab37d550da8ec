//! Entries that wait to be written: bounded, and with a priority of what may be lost first. Events
//! that strangers can cause at will may fill half of the space; past that, and past a rate, they
//! are counted instead of kept. The other half is for events in rooms.

use std::collections::BTreeMap;
use std::mem;

use crate::base::bucket::Bucket;
use crate::base::time::WallTime;
use crate::message::record::{Deed, Event};
use crate::service::crowd;

use super::{Entry, OwnRecord};

/// How many entries may wait (about 12 MB), including those that are written but not yet known to
/// be on disk.
pub const ENTRIES_MAX: usize = 65_536;

/// How many bytes their texts may have.
pub const TEXT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long cheap events are counted before the counts are written.
pub const COUNTED_MS: i64 = 10_000;

/// Counts by event and code.
pub type Counts = BTreeMap<(&'static str, &'static str), u64>;

/// An item to be written.
#[derive(Debug)]
pub enum Item {
    /// An entry from the reactor.
    Entry(Entry),
    /// A record about the server itself.
    Own(WallTime, OwnRecord),
    /// Cheap events past the rate, and since when they were counted.
    Suppressed(WallTime, Counts),
}

/// The items that wait, and the counts of those that were not accepted.
#[derive(Debug, Default)]
pub struct Queue {
    items: Vec<(u64, Item)>,
    /// The time of the oldest entry that the writer holds.
    oldest_held: Option<WallTime>,
    /// Whether something waits that even a full disk must take.
    urgent: bool,
    /// The number of the last accepted entry.
    last: u64,
    /// Accepted entries that are not yet durable.
    held: usize,
    held_bytes: usize,
    bucket: Bucket,
    suppressed: Counts,
    suppressed_since: Option<WallTime>,
    dropped: Counts,
    dropped_since: Option<WallTime>,
    dropped_total: u64,
}

impl Queue {
    /// Accepts an entry and returns its number; `None` if it was only counted.
    pub fn take(&mut self, entry: Entry) -> Option<u64> {
        let event = &entry.record.event;
        let key = key_of(event);
        let bytes = text_bytes(&entry);
        if event.is_cheap() && !self.bucket.take(1, &crowd::RATE, crowd::instant(entry.time)) {
            *self.suppressed.entry(key).or_default() += 1;
            self.suppressed_since.get_or_insert(entry.time);
            return None;
        }
        let share = if event.is_cheap() { 2 } else { 1 };
        if self.held >= ENTRIES_MAX / share || self.held_bytes + bytes > TEXT_BYTES_MAX / share {
            *self.dropped.entry(key).or_default() += 1;
            self.dropped_since.get_or_insert(entry.time);
            self.dropped_total += 1;
            return None;
        }
        self.urgent |= is_urgent(event);
        self.held += 1;
        self.held_bytes += bytes;
        self.last += 1;
        self.items.push((self.last, Item::Entry(entry)));
        Some(self.last)
    }

    /// Accepts a record about the server itself. There are few of these, so they have no bound.
    pub fn note(&mut self, time: WallTime, own: OwnRecord) {
        self.items.push((self.last, Item::Own(time, own)));
    }

    /// Moves the waiting items to the end of `into`, followed by the counts of suppressed events if
    /// they are due.
    pub fn drain(&mut self, into: &mut Vec<(u64, Item)>, now: WallTime, last_words: bool) {
        into.append(&mut self.items);
        self.urgent = false;
        self.oldest_held = first_time(into);
        if let Some(since) = self.suppressed_since
            && (last_words || apart(now, since) >= COUNTED_MS)
        {
            self.suppressed_since = None;
            into.push((self.last, Item::Suppressed(since, mem::take(&mut self.suppressed))));
        }
    }

    /// Takes the counts of the entries that found no room, with the time of the first. They start
    /// from zero again.
    pub fn dropped(&mut self) -> Option<(WallTime, Counts)> {
        let since = self.dropped_since.take()?;
        Some((since, mem::take(&mut self.dropped)))
    }

    /// Frees the room of the first `durable` items that the writer holds: they are on disk.
    pub fn release(&mut self, items: &[(u64, Item)], durable: usize) {
        let (durable, rest) = items.split_at(durable.min(items.len()));
        for (_, item) in durable {
            if let Item::Entry(entry) = item {
                self.held = self.held.saturating_sub(1);
                self.held_bytes = self.held_bytes.saturating_sub(text_bytes(entry));
            }
        }
        self.oldest_held = first_time(rest);
    }

    /// The time of the oldest entry that is not yet on disk.
    pub fn oldest(&self) -> Option<WallTime> {
        self.oldest_held.or_else(|| first_time(&self.items))
    }

    /// Whether something waits that even a full disk must take.
    pub const fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The number of entries that are not yet durable, and the total number that found no room.
    pub const fn sizes(&self) -> (usize, u64) {
        (self.held, self.dropped_total)
    }
}

/// The absolute difference between two times, in ms.
pub fn apart(one: WallTime, other: WallTime) -> i64 {
    one.as_millis().saturating_sub(other.as_millis()).saturating_abs()
}

fn first_time(items: &[(u64, Item)]) -> Option<WallTime> {
    items.iter().find_map(|(_, item)| match item {
        Item::Entry(entry) => Some(entry.time),
        _ => None,
    })
}

fn text_bytes(entry: &Entry) -> usize {
    entry.text.as_ref().map_or(0, |text| text.reveal().len())
}

/// Whether an event must not be undone by the next start: somebody is told of it even if it is not
/// on disk.
pub const fn is_urgent(event: &Event) -> bool {
    matches!(
        event,
        Event::RoomStatus { closed_until: Some(_), .. } | Event::Operator { deed: Deed::Revoke(_) }
    )
}

/// What an event is counted by: its name and its code.
pub const fn key_of(event: &Event) -> (&'static str, &'static str) {
    (event.name(), code(event))
}

const fn code(event: &Event) -> &'static str {
    match event {
        Event::Connect { refusal: Some(code) }
        | Event::Authentication { failure: Some(code), .. }
        | Event::Refusal { code, .. }
        | Event::Withdrawal { code }
        | Event::Limit { name: code } => code,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use crate::message::record::{Record, Subject};

    use super::*;

    fn entry(event: Event, millis: i64) -> Entry {
        Entry {
            time: WallTime::from_millis(millis),
            connection: 1,
            address: None,
            record: Record { event, subject: Subject::default() },
            text: None,
        }
    }

    const CHEAP: Event = Event::Connect { refusal: Some("FORBIDDEN") };

    #[test]
    fn strangers_are_counted_past_a_rate() {
        let mut queue = Queue::default();
        let taken = (0..1_500).filter(|_| queue.take(entry(CHEAP, 1)).is_some()).count();
        assert_eq!(taken, 1_000);
        assert!(queue.take(entry(CHEAP, 51)).is_some(), "one more each 50 ms");
        assert!(queue.take(entry(CHEAP, 51)).is_none());
        let mut items = Vec::new();
        queue.drain(&mut items, WallTime::from_millis(10_000), false);
        assert_eq!(items.len(), 1_001);
        queue.drain(&mut items, WallTime::from_millis(10_001), false);
        let Some((1_001, Item::Suppressed(since, counts))) = items.last() else { panic!("counts") };
        assert_eq!((since.as_millis(), counts[&("connect", "FORBIDDEN")]), (1, 501));
        assert!(queue.is_empty());
    }

    #[test]
    fn half_of_the_room_is_kept_from_strangers_and_all_of_it_is_bounded() {
        let mut queue = Queue::default();
        let mut millis = 0;
        let mut fill = |queue: &mut Queue, event: Event| {
            let mut taken = 0;
            loop {
                millis += 50;
                match queue.take(entry(event, millis)) {
                    Some(_) => taken += 1,
                    None => return taken,
                }
            }
        };
        assert_eq!(fill(&mut queue, CHEAP), ENTRIES_MAX / 2);
        assert_eq!(fill(&mut queue, Event::ConnectionFailed { code: "OTHER" }), ENTRIES_MAX / 2);
        let (_, counts) = queue.dropped().expect("two");
        assert_eq!(counts.values().sum::<u64>(), 2);
        assert!(queue.dropped().is_none());
        let mut items = Vec::new();
        queue.drain(&mut items, WallTime::default(), false);
        assert_eq!(
            queue.take(entry(Event::ConnectionFailed { code: "OTHER" }, 0)),
            None,
            "not durable yet"
        );
        queue.release(&items, items.len());
        assert_eq!(
            queue.take(entry(Event::ConnectionFailed { code: "OTHER" }, 0)),
            Some(ENTRIES_MAX as u64 + 1)
        );
    }
}
