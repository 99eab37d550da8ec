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

/// How many commands are read in one turn, so that no call waits for an operator.
const LETTERS_MAX: usize = 16;

/// A command, and where its answer goes.
#[derive(Debug)]
pub(super) struct Letter {
    command: Command,
    reply: SyncSender<Reply>,
}

/// First the answer, then whether its record is durable.
#[derive(Debug)]
enum Reply {
    Answer(Answer),
    Recorded(bool),
}

/// The reactor's end of the mailbox.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: Receiver<Letter>,
    /// The commands whose records are not known to be durable yet, in the order of their record
    /// numbers.
    unrecorded: VecDeque<(u64, SyncSender<Reply>)>,
}

/// A command that was sent.
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
    /// Sends each reactor the command that `command` returns for its number. Returns at once.
    pub fn ask(&self, command: impl Fn(usize) -> Command) -> Vec<Asked> {
        let ask = |(index, lane): (usize, &Lane)| {
            let (reply, replies) = sync_channel(2);
            // Fails if the loop is gone; then nobody answers.
            let _ = lane.letters.send(Letter { command: command(index), reply });
            Asked { replies }
        };
        let asked = self.shared.lanes.iter().enumerate().map(ask).collect();
        self.wake();
        asked
    }
}

impl Asked {
    /// The answer; `None` if the loop does not answer in time.
    pub fn answer(&self, patience: Duration) -> Option<Answer> {
        match self.receive(patience)? {
            Reply::Answer(answer) => Some(answer),
            Reply::Recorded(_) => None,
        }
    }

    /// Whether its record is durable. Call it after the answer has arrived.
    pub fn is_recorded(&self, patience: Duration) -> bool {
        matches!(self.receive(patience), Some(Reply::Recorded(true)))
    }

    /// Whether the loop answers in time, whatever the answer is.
    pub fn pulse(&self, patience: Duration) -> Pulse {
        match self.replies.recv_timeout(std_time(patience)) {
            Ok(_) => Pulse::Turns,
            Err(RecvTimeoutError::Timeout) => Pulse::Stuck,
            // The command was lost with the loop.
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
    /// Carries out the operators' commands.
    pub(super) fn heed_commands(&mut self, now: Now) {
        for _ in 0..LETTERS_MAX {
            let Ok(Letter { command, reply }) = self.mailbox.letters.try_recv() else { return };
            self.records.take_last();
            let answer = self.app.command(&command, now, &mut self.output.effects);
            self.apply(None, None, now);
            // The operator may have gone. There is always room for both replies.
            let _ = reply.try_send(Reply::Answer(answer));
            match self.records.take_last() {
                Some(number) => {
                    self.records.await_last();
                    self.mailbox.unrecorded.push_back((number, reply));
                }
                None => drop(reply.try_send(Reply::Recorded(false))),
            }
        }
        // There may be more in the next turn.
        self.shared.wake(self.index);
    }

    /// Tells operators whose records are durable, or cannot be written.
    pub(super) fn tell_operators(&mut self) {
        while let Some((number, reply)) = self.mailbox.unrecorded.front() {
            let Some(written) = self.records.is_durable(*number) else { return };
            let _ = reply.try_send(Reply::Recorded(written));
            self.mailbox.unrecorded.pop_front();
        }
    }
}
