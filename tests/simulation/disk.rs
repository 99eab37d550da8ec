//! The audit log's disk. An entry from the server gets a number and becomes durable when the
//! simulation says so; after a crash, only durable entries are left.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use autamedica_signaling::base::time::WallTime;
use autamedica_signaling::message::SessionId;
use autamedica_signaling::message::notice::RoomStatus;
use autamedica_signaling::message::record::{Event, Record};

use super::random::Random;
use super::reactor::{Entry, Journal};

/// The disk, as everybody holds it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Which server wrote it: the how-manieth.
    pub life: usize,
    /// When.
    pub time: WallTime,
    /// Whether it says where the connection comes from.
    pub has_address: bool,
    /// The number of the connection, 0 for none.
    pub connection: u64,
    /// What it says.
    pub record: Record,
    /// Somebody's reason, as JSON.
    pub reason: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    /// In their order: the number of an entry is one more than its index.
    entries: Vec<Written>,
    /// What became of each note of the present server: its number, or nothing where there was no room.
    taken: Vec<Option<u64>>,
    life: usize,
    published: u64,
    durable: u64,
    /// Up to which number is being written now.
    writing: Option<u64>,
    broken: bool,
    /// How many entries may wait to be written.
    room: usize,
}

/// What the reactor has of the disk.
pub struct Log(pub Disk);

impl Journal for Log {
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64> {
        let mut state = self.0.lock();
        let held = state.entries.len() - state.durable as usize;
        let room = if entry.record.event.is_cheap() { state.room / 2 } else { state.room };
        let number = (held < room).then_some(state.entries.len() as u64 + 1);
        if number.is_some() {
            let written = Written {
                life: state.life,
                time: entry.time,
                has_address: entry.address.is_some(),
                connection: entry.connection,
                record: entry.record,
                reason: entry.reason.map(str::to_owned),
            };
            state.entries.push(written);
        }
        state.taken.push(number);
        number
    }

    fn publish(&mut self, _awaited: bool) {
        let mut state = self.0.lock();
        state.published = state.entries.len() as u64;
    }

    fn durable(&self) -> u64 {
        self.0.lock().durable
    }

    fn is_available(&self) -> bool {
        !self.0.lock().broken
    }
}

impl Disk {
    /// An empty disk, whose writer may be so many entries behind.
    pub fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(State { room, ..State::default() })))
    }

    /// Begins to write what was published; `true`: that takes a while from now on.
    pub fn begin(&self) -> bool {
        let mut state = self.lock();
        let something = state.published > state.durable;
        let begins = something && state.writing.is_none() && !state.broken;
        if begins {
            state.writing = Some(state.published);
        }
        begins
    }

    /// What was being written is durable, unless the disk has broken meanwhile.
    pub fn finish(&self) {
        let mut state = self.lock();
        if let Some(number) = state.writing.take().filter(|_| !state.broken) {
            state.durable = state.durable.max(number);
        }
    }

    /// From now on nothing can be written, or everything again.
    pub fn set_broken(&self, broken: bool) {
        self.lock().broken = broken;
    }

    /// Whether it can be written.
    pub fn is_available(&self) -> bool {
        !self.lock().broken
    }

    /// The server is gone and another one comes: what is durable is left, and of what was being written any part. After a
    /// good-bye everything is, where it can be written.
    pub fn start_anew(&self, politely: bool, random: &mut Random) {
        let mut state = self.lock();
        let (durable, all) = (state.durable, state.entries.len() as u64);
        let left = match (politely && !state.broken, state.writing) {
            (true, _) => all,
            (false, Some(writing)) => random.between(durable..=writing),
            (false, None) => durable,
        };
        state.entries.truncate(left as usize);
        (state.published, state.durable, state.writing) = (left, left, None);
        state.taken.clear();
        state.life += 1;
    }

    /// The how-manieth server this is.
    pub fn life(&self) -> usize {
        self.lock().life
    }

    /// How many notes the present server has handed over.
    pub fn taken_count(&self) -> usize {
        self.lock().taken.len()
    }

    /// Whether a note of the present server is durable; `None`: there was no room for it.
    pub fn is_durable(&self, note: usize) -> Option<bool> {
        let state = self.lock();
        let number = state.taken.get(note).copied()?;
        number.map(|number| number <= state.durable)
    }

    /// What was written of a note of the present server.
    pub fn written(&self, note: usize) -> Option<Written> {
        let state = self.lock();
        let number = state.taken.get(note).copied()??;
        state.entries.get(number as usize - 1).cloned()
    }

    /// Whether something like this is durable.
    pub fn holds(&self, is: impl Fn(&Written) -> bool) -> bool {
        let state = self.lock();
        state.entries[..state.durable as usize].iter().rev().any(is)
    }

    /// The sessions that ended, each until when it stays so: what a start reads.
    pub fn ended(&self) -> Vec<(SessionId, WallTime)> {
        let state = self.lock();
        let ended = state.entries.iter().filter_map(|entry| match entry.record.event {
            Event::RoomStatus { status: RoomStatus::Ended, closed_until, .. } => {
                Some((entry.record.subject.session?, closed_until?))
            }
            _ => None,
        });
        ended.collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
