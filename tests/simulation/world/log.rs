//! The audit log's disk: when an entry becomes durable, and what a client may have been told by
//! then.

use super::super::ledger::Who;
use super::super::plan::{MILLISECOND, SECOND};
use super::super::promises::Promise;
use super::{Event, World};

impl World {
    /// Lets the disk begin with what the server has handed over.
    pub(super) fn begin_writing(&mut self) {
        let Some(audit) = self.plan.settings.audit else { return };
        if self.disk.begin() {
            let random = &mut self.disk_random;
            let slow = if random.chance(2) { 4 * SECOND } else { 0 };
            let takes = random.below(audit.delay_max + MILLISECOND) + random.below(slow + 1);
            self.after(takes, Event::Written);
        }
    }

    /// What was being written is durable; or the disk is stuck, and it takes longer.
    pub(super) fn end_writing(&mut self) {
        if self.disk_stuck_until > self.now {
            return self.at(self.disk_stuck_until, Event::Written);
        }
        self.disk.finish();
        self.begin_writing();
        self.wake_server();
    }

    /// Whether the disk can be written has changed.
    pub(super) fn set_disk_broken(&mut self, broken: bool) {
        self.disk.set_broken(broken);
        self.begin_writing();
        self.wake_server();
    }

    /// The disk can be written again, unless it has broken once more.
    pub(super) fn mend_disk(&mut self) {
        if self.disk_broken_until <= self.now {
            self.set_disk_broken(false);
        }
    }

    /// Nothing is wrong with the disk any more.
    pub(super) fn spare_disk(&mut self) {
        (self.disk_stuck_until, self.disk_broken_until) = (self.now, self.now);
        self.mend_disk();
        self.end_writing();
    }

    /// Somebody has heard over this link that it is in a room.
    pub(super) fn check_admission_heard(&mut self, number: usize) {
        let who = self.people[self.tabs[number].person].who();
        self.check_admission(who, self.tabs[number].connection);
    }

    /// Somebody has heard that somebody is in a room.
    pub(super) fn check_admission(&mut self, who: Who, connection: Option<(usize, u64)>) {
        let book = &mut self.server.app.book;
        let unkept = self.plan.settings.audit.is_none();
        let durable = unkept || book.is_admission_durable(who, connection);
        book.verdict.check(Promise::WrittenAhead, durable, || {
            format!("it was heard that {who:?} was let in, and the log says nothing of it")
        });
    }

    /// Somebody has heard that a session is over.
    pub(super) fn check_end_heard(&mut self, room: u32) {
        let book = &mut self.server.app.book;
        let known = book.is_end_durable(room) || book.ended_unwritten(room);
        let right = known || self.plan.settings.audit.is_none();
        book.verdict.check(Promise::WrittenAhead, right, || {
            format!("it was heard that room {room} is over, and the log says nothing of it")
        });
    }
}
