//! The writer thread: takes all waiting entries, encodes them, writes once, syncs once, and reports
//! what is durable.

use std::fs::File;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::base::time::WallTime;
use crate::message::record::{Deed, Event};
use crate::service::names::Names;

use super::announcer::Announcer;
use super::contents::describe;
use super::ended::Ended;
use super::journal::Journal;
use super::key_file::Keys;
use super::line::{Draft, Fields};
use super::queue::{Counts, Item, apart};
use super::reserve::Reserve;
use super::sealing::Sealer;
use super::shared::{Shared, Stage};
use super::upkeep::Upkeep;
use super::watchdog::Watchdog;
use super::{Options, OwnRecord, Sync};

/// The length of an epoch in which something is written.
const EPOCH_MS: i64 = 60_000;

/// The maximum age of a segment, however little it contains.
const SEGMENT_MS: i64 = 24 * 3_600_000;

/// The time between two attempts while the log cannot be written.
const RETRY: Duration = Duration::from_secs(1);

/// How long entries that nobody waits for wait for others, to share a sync with them.
const LINGER: Duration = Duration::from_millis(20);

/// The interval when idle: often enough for what depends on the clock.
const IDLE: Duration = Duration::from_secs(10);

/// How much is encoded before it is passed to the system.
const WRITE_BYTES: usize = 1024 * 1024;

/// After how many entries a loop that shares the processor has its turn: together they take as long
/// as one of its turns, and people in a call should not wait for a batch of a hundred.
const YIELD_AFTER: usize = 8;

/// How many times at most that happens in one round. If another program keeps the processor busy,
/// each time may take it a few milliseconds to come back.
const YIELDS_MAX: usize = 8;

/// How many entries may be written and unsynced; past it, a sync happens early.
const UNSYNCED_MAX: usize = 8_192;

/// The writer thread's state.
pub struct Writer {
    pub(super) options: Options,
    pub(super) shared: Arc<Shared>,
    pub(super) names: Names,
    pub(super) keys: Keys,
    pub(super) journal: Journal,
    pub(super) ended: Ended,
    /// Items that are not yet durable; the first `encoded` of them are appended to the journal.
    pub(super) pending: Vec<(u64, Item)>,
    pub(super) encoded: usize,
    /// Since when and why the log cannot be written.
    pub(super) failing: Option<(WallTime, String)>,
    pub(super) reserve: Reserve,
    /// What found no room in the queue, to be recorded.
    pub(super) dropped: Option<(WallTime, Counts)>,
    /// Whether the `gap` record about these two is appended.
    gap_told: bool,
    synced_at: WallTime,
    /// When it was last checked whether the segment is still in its place.
    looked_at: WallTime,
    pub(super) announcer: Option<Announcer>,
    pub(super) kept: Upkeep,
    fields: Fields,
    secret: Vec<u8>,
    /// Watches this thread as long as it lives.
    _watchdog: Watchdog,
    /// Held as long as the thread lives.
    lock: File,
}

impl Writer {
    /// A writer that is ready to write.
    pub fn new(
        options: Options,
        shared: Arc<Shared>,
        names: Names,
        keys: Keys,
        journal: Journal,
        ended: Ended,
        lock: File,
    ) -> io::Result<Self> {
        let announcer = options.checkpoint.clone().map(Announcer::start).transpose()?;
        let kept = Upkeep::new((options.wall_time)());
        let watchdog = Watchdog::start(&shared)?;
        Ok(Self {
            options,
            shared,
            names,
            keys,
            journal,
            ended,
            pending: Vec::new(),
            encoded: 0,
            failing: None,
            reserve: Reserve::default(),
            dropped: None,
            gap_told: false,
            synced_at: WallTime::default(),
            looked_at: WallTime::default(),
            announcer,
            kept,
            fields: Fields::default(),
            secret: Vec::new(),
            _watchdog: watchdog,
            lock,
        })
    }

    /// Runs until it is told to finish.
    pub fn run(mut self) {
        loop {
            self.upkeep();
            let closing = self.wait();
            self.turn(closing);
            if closing {
                break;
            }
        }
        if self.failing.is_some() {
            self.last_words();
        }
        let entries = |(_, item): &&(u64, Item)| matches!(item, Item::Entry(_));
        let lost = self.pending.iter().filter(entries).count();
        if lost > 0 {
            log::error!("{lost} entries of the audit log could not be written and are lost");
        }
        // Unlocked explicitly, not by closing the file: a child of this process may have inherited
        // it.
        if let Err(error) = self.lock.unlock() {
            log::warn!("the folder of the audit log could not be given back: {error}");
        }
        self.shared.reach(Stage::Written);
        if let Some(announcer) = self.announcer.take() {
            announcer.finish();
        }
        self.shared.reach(Stage::Over);
    }

    /// Sends a checkpoint, if one is configured.
    fn announce(&mut self) {
        let now = self.now();
        if let Some(announcer) = &mut self.announcer {
            announcer.tell(now, self.journal.checkpoint(now));
        }
    }

    /// Waits for work, and takes the waiting items. Returns whether it is time to finish.
    fn wait(&mut self) -> bool {
        if self.shared.work.rest() {
            self.publish(true);
            self.shared.work.rest();
        }
        let now = self.now();
        let unsynced = self.encoded > 0;
        let timeout = match self.options.sync {
            Sync::Interval(millis) if unsynced => {
                let left = i64::from(millis) - apart(now, self.synced_at);
                Duration::from_millis(u64::try_from(left).unwrap_or(0))
            }
            _ => IDLE,
        };
        let mut queue = match (&self.failing, self.reserve) {
            // New entries do not repair the disk, but there may be room for the most important ones.
            (Some(_), reserve) => self.shared.pause(RETRY, reserve == Reserve::Kept),
            (None, Reserve::Used) => self.shared.pause(RETRY, true),
            (None, _) => self.shared.wait(LINGER, timeout),
        };
        let closing = queue.closing;
        let now = (self.options.wall_time)();
        queue.entries.drain(&mut self.pending, now, closing);
        if let Some((since, counts)) = queue.entries.dropped() {
            let told = self.dropped.get_or_insert((since, Counts::new()));
            for (key, count) in counts {
                *told.1.entry(key).or_default() += count;
            }
        }
        drop(queue);
        self.shared.work.begin(|_| ());
        closing
    }

    /// One round: writes and syncs all waiting items.
    pub fn turn(&mut self, closing: bool) {
        let sparing = self.reserve == Reserve::Used && self.failing.is_none() && !closing;
        let done = if sparing { self.turn_sparingly() } else { self.try_turn(closing) };
        if let Err(error) = done {
            self.failed(&error);
            if !closing {
                self.spare(&error);
            }
        }
        self.publish(false);
    }

    pub(super) fn try_turn(&mut self, closing: bool) -> io::Result<()> {
        self.take_new_keys();
        self.open_what_is_due(closing)?;
        self.encode()?;
        if closing {
            self.append(self.now(), &Item::Own(self.now(), OwnRecord::Stop));
            self.journal.end(self.now())?;
            self.commit();
            self.announce();
            return Ok(());
        }
        if self.encoded == 0 && !self.gap_told {
            return Ok(());
        }
        self.journal.write()?;
        let due = match self.options.sync {
            Sync::Always => true,
            Sync::Interval(millis) => {
                self.encoded > UNSYNCED_MAX
                    || apart(self.now(), self.synced_at) >= i64::from(millis)
            }
        };
        if due {
            self.journal.sync()?;
            self.commit();
        }
        Ok(())
    }

    /// Opens a segment if there is none, ends one that is full, too old or no longer in its place,
    /// and changes a key that is too old.
    fn open_what_is_due(&mut self, closing: bool) -> io::Result<()> {
        let now = self.now();
        let (opened_at, epoch_at) = self.journal.since();
        let full = self.journal.segment_bytes() >= self.options.segment_bytes_max
            || apart(now, opened_at) >= SEGMENT_MS;
        let next_epoch = self.journal.is_open()
            && apart(now, epoch_at) >= EPOCH_MS
            && self.pending.len() > self.encoded;
        // Before an epoch, too: the next start would not find its records where the seal says that
        // they begin.
        let look = closing || full || next_epoch || apart(now, self.looked_at) >= EPOCH_MS;
        let moved = look && self.look_for_segment(now)?;
        let outdated = !closing && !self.kept.has_forgotten && self.ended.holds_what_is_over();
        self.kept.has_forgotten |= outdated;
        if self.journal.is_open() && (full || moved || outdated) {
            self.journal.end(now)?;
            self.commit();
            self.announce();
        }
        if !self.journal.is_open() {
            self.ended.forget_until(now);
            self.journal.begin(now, &self.ended.parts())?;
            self.synced_at = now;
            self.announce();
        } else if next_epoch {
            self.journal.sync()?;
            self.commit();
            self.journal.next_epoch(now)?;
            self.announce();
        }
        Ok(())
    }

    /// Returns whether the segment was not in its place any more.
    fn look_for_segment(&mut self, now: WallTime) -> io::Result<bool> {
        self.looked_at = now;
        // What is reserved is for what people are told of.
        if self.reserve != Reserve::Used {
            self.journal.put_back_deleted();
        }
        if self.encoded > 0 || self.gap_told {
            self.journal.sync()?;
            self.commit();
        }
        self.journal.stay_in_place()
    }

    /// Appends the items that are not yet appended.
    fn encode(&mut self) -> io::Result<()> {
        if !self.gap_told && (self.failing.is_some() || self.dropped.is_some()) {
            self.gap_told = true;
            let item = Item::Own(self.now(), self.gap());
            self.append(self.now(), &item);
        }
        let pending = mem::take(&mut self.pending);
        let mut result = Ok(());
        let yield_after = YIELD_AFTER.max((pending.len() - self.encoded).div_ceil(YIELDS_MAX));
        for (_, item) in &pending[self.encoded..] {
            let time = match item {
                Item::Entry(entry) => entry.time,
                Item::Own(time, _) => *time,
                Item::Suppressed(..) => self.now(),
            };
            self.append(time, item);
            self.encoded += 1;
            if self.encoded.is_multiple_of(yield_after) {
                thread::yield_now();
            }
            if self.journal.buffered_bytes() >= WRITE_BYTES {
                result = self.journal.write();
                if result.is_err() {
                    break;
                }
                self.shared.work.go_on();
            }
        }
        self.pending = pending;
        result
    }

    pub(super) fn append(&mut self, time: WallTime, item: &Item) {
        self.fields.clear();
        self.secret.clear();
        let event = describe(item, &self.names, &mut self.fields, &mut self.secret);
        self.journal.append(&Draft { time, event, fields: &self.fields, secret: &self.secret });
    }

    fn gap(&self) -> OwnRecord {
        let dropped = self.dropped.as_ref();
        let (from, cause) = match (&self.failing, dropped) {
            (Some((since, cause)), _) => (*since, cause.clone()),
            (None, dropped) => {
                let since = dropped.map_or_else(|| self.now(), |(since, _)| *since);
                (since, "more came than could be written".to_owned())
            }
        };
        let dropped = dropped.map(|(_, counts)| counts.clone()).unwrap_or_default();
        OwnRecord::Gap { from, to: self.now(), cause, dropped }
    }

    /// Notes that everything appended is on disk.
    pub(super) fn commit(&mut self) {
        self.synced_at = self.now();
        if self.gap_told {
            if let Some((since, _)) = self.failing.take()
                && self.reserve != Reserve::Used
            {
                let seconds = apart(self.now(), since) / 1_000;
                log::warn!("the audit log can be written again, after {seconds} s");
            }
            self.dropped = None;
            self.gap_told = false;
        }
        for (_, item) in &self.pending[..self.encoded] {
            if let Item::Entry(entry) = item
                && let Event::Operator { deed: Deed::Revoke(revocation) } = entry.record.event
            {
                self.ended.revoke(revocation, entry.time);
            }
            if let Item::Entry(entry) = item
                && let Event::RoomStatus { closed_until: Some(until), .. } = entry.record.event
                && let Some(session) = entry.record.subject.session
            {
                self.ended.insert(session, until);
            }
        }
        self.shared.release(&self.pending, self.encoded);
        if let Some((number, _)) = self.pending[..self.encoded].last() {
            self.shared.durable.fetch_max(*number, Ordering::AcqRel);
        }
        self.pending.drain(..self.encoded);
        self.encoded = 0;
    }

    pub(super) fn failed(&mut self, error: &io::Error) {
        self.journal.break_off();
        self.encoded = 0;
        self.gap_told = false;
        if self.failing.is_none() {
            log::error!(
                "the audit log cannot be written: {error}; nobody is admitted until it can"
            );
            self.failing = Some((self.now(), error.to_string()));
        }
    }

    /// Informs the reactors of changes, also that the writer `was_stuck` until now.
    fn publish(&mut self, was_stuck: bool) {
        // With an interval, it is enough that the kernel has the data.
        if self.failing.is_none()
            && let Some((number, _)) = self.pending[..self.encoded].last()
        {
            self.shared.durable.fetch_max(*number, Ordering::AcqRel);
        }
        let (bytes, syncs) = self.journal.totals();
        let segment = self.journal.segment();
        let checkpoints_failed = self.announcer.as_ref().map_or(0, Announcer::failed);
        let disk = self.kept.disk();
        let synced_at = self.synced_at;
        let unavailable = self.failing.is_some() || self.reserve == Reserve::Used;
        let stuck = self.shared.publish(unavailable, |gauges| {
            (gauges.bytes_written, gauges.syncs) = (bytes, syncs);
            (gauges.segment, gauges.synced_at) = (segment, synced_at);
            gauges.checkpoints_failed = checkpoints_failed;
            (gauges.free_bytes, gauges.forecast_days) = disk;
        });
        if (stuck || was_stuck) && !unavailable {
            log::warn!("the audit log can be written again: its disk has answered");
        }
    }

    fn take_new_keys(&mut self) {
        let Some(keys) = self.shared.new_keys() else { return };
        let Some(key) = keys.sealing() else { return };
        let mut run = [0; 16];
        run.copy_from_slice(&(self.options.entropy)()[..16]);
        let to = key.id;
        let from = self.journal.seal_with(Sealer::new(key.clone(), run));
        self.keys = keys;
        if from != to {
            self.shared.note(self.now(), OwnRecord::KeyChange { from, to });
        }
    }

    pub(super) fn now(&self) -> WallTime {
        (self.options.wall_time)()
    }
}
