//! Operators' commands to a running reactor: a mailbox that other threads fill, emptied between two
//! packets of a call.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time;

use super::{Handle, Lane, Reactor};
use crate::base::time::{Duration, Now};
use crate::connection::Application;
use crate::engine::{Answer, Command};
use crate::service::supervisor::Pulse;

/// How many are read in one turn, so that nobody in a call waits for an operator.
const LETTERS_MAX: usize = 16;

/// A command, and where its answer goes.
#[derive(Debug)]
pub(super) struct Letter {
    command: Command,
    reply: SyncSender<Reply>,
}

/// First what came of it, then whether the record of it is durable.
#[derive(Debug)]
enum Reply {
    Answer(Answer),
    Recorded(bool),
}

/// The reactor's end.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: Receiver<Letter>,
    /// Whose records are not known to be durable, in the order of their numbers.
    unrecorded: VecDeque<(u64, SyncSender<Reply>)>,
}

/// A command on its way.
#[derive(Debug)]
pub struct Asked {
    replies: Receiver<Reply>,
}

impl Mailbox {
    pub(super) fn new() -> (Sender<Letter>, Self) {
        let (sender, letters) = mpsc::channel();
        (sender, Self { letters, unrecorded: VecDeque::new() })
    }
}

impl Handle {
    /// Has each reactor do what `command` gives for its number. Returns at once.
    pub fn ask(&self, command: impl Fn(usize) -> Command) -> Vec<Asked> {
        let ask = |(index, lane): (usize, &Lane)| {
            let (reply, replies) = sync_channel(2);
            // Fails where the loop is gone; nobody answers then.
            let _ = lane.letters.send(Letter { command: command(index), reply });
            Asked { replies }
        };
        let asked = self.shared.lanes.iter().enumerate().map(ask).collect();
        self.wake();
        asked
    }
}

impl Asked {
    /// What came of it; `None` where the loop does not answer in time.
    pub fn answer(&self, patience: Duration) -> Option<Answer> {
        match self.receive(patience)? {
            Reply::Answer(answer) => Some(answer),
            Reply::Recorded(_) => None,
        }
    }

    /// Whether the record of it is durable, once the answer has come.
    pub fn is_recorded(&self, patience: Duration) -> bool {
        matches!(self.receive(patience), Some(Reply::Recorded(true)))
    }

    /// Whether the loop answers in time, whatever it says.
    pub fn pulse(&self, patience: Duration) -> Pulse {
        match self.replies.recv_timeout(std_time(patience)) {
            Ok(_) => Pulse::Turns,
            Err(RecvTimeoutError::Timeout) => Pulse::Stuck,
            // What was asked went with the loop.
            Err(RecvTimeoutError::Disconnected) => Pulse::Ended,
        }
    }

    fn receive(&self, patience: Duration) -> Option<Reply> {
        self.replies.recv_timeout(std_time(patience)).ok()
    }
}

const fn std_time(duration: Duration) -> time::Duration {
    time::Duration::from_micros(duration.as_micros())
}

impl<A: Application> Reactor<A> {
    /// Does what operators have asked for.
    pub(super) fn heed_commands(&mut self, now: Now) {
        for _ in 0..LETTERS_MAX {
            let Ok(Letter { command, reply }) = self.mailbox.letters.try_recv() else { return };
            self.records.take_last();
            let answer = self.app.command(&command, now, &mut self.output.effects);
            self.apply(None, None, now);
            // Who asked may have gone. There is always room for both.
            let _ = reply.try_send(Reply::Answer(answer));
            match self.records.take_last() {
                Some(number) => {
                    self.records.await_last();
                    self.mailbox.unrecorded.push_back((number, reply));
                }
                None => drop(reply.try_send(Reply::Recorded(false))),
            }
        }
        // There may be more.
        self.shared.wake(self.index);
    }

    /// Tells operators whose records are durable, or cannot be written now.
    pub(super) fn tell_operators(&mut self) {
        while let Some((number, reply)) = self.mailbox.unrecorded.front() {
            let Some(written) = self.records.is_durable(*number) else { return };
            let _ = reply.try_send(Reply::Recorded(written));
            self.mailbox.unrecorded.pop_front();
        }
    }
}
