//! The audit log as read by somebody who knows nothing else: who was let in, who is in which room,
//! and how each of them left.

use std::collections::BTreeMap;

use autamedica_signaling::message::record::{Event, Record};
use autamedica_signaling::message::{SessionId, UserId};

/// A person in a session.
type Person = (SessionId, UserId);

/// What the log has told so far.
#[derive(Debug, Default)]
pub struct Register {
    /// Admissions that nobody was told of yet, by the number of their connection, with the position of their record.
    open: BTreeMap<u64, (Person, usize)>,
    /// Who is in a session, over which connection; `None`: away.
    inside: BTreeMap<Person, Option<u64>>,
    /// Records, admissions that were told, and withdrawals, of all servers of the run.
    counts: [u64; 3],
}

impl Register {
    /// Reads the next record. `Err`: it does not go with those before.
    pub fn read(
        &mut self,
        connection: u64,
        record: &Record,
        position: usize,
    ) -> Result<(), &'static str> {
        self.counts[0] += 1;
        let subject = record.subject;
        let person = subject.session.zip(subject.user);
        match record.event {
            Event::Admission { .. } => {
                let person = person.ok_or("an admission of nobody")?;
                match self.open.insert(connection, (person, position)) {
                    Some(_) => Err("a second admission of a connection"),
                    None => Ok(()),
                }
            }
            Event::Withdrawal { .. } => match self.open.remove(&connection) {
                Some((admitted, _)) if Some(admitted) == person => {
                    self.counts[2] += 1;
                    Ok(())
                }
                _ => Err("a withdrawal without an admission that was not told"),
            },
            Event::Absence { .. } => match person.and_then(|person| self.inside.get_mut(&person)) {
                Some(over) if *over == Some(connection) => {
                    *over = None;
                    Ok(())
                }
                _ => Err("an absence of somebody who was not there"),
            },
            Event::Leave { .. } => match person.and_then(|person| self.inside.remove(&person)) {
                Some(_) => Ok(()),
                None => Err("an exit of somebody who was not there"),
            },
            _ => Ok(()),
        }
    }

    /// A connection was told that it is in. The position of the record of that; `None`: there is none.
    pub fn told(&mut self, connection: u64) -> Option<usize> {
        let (person, position) = self.open.remove(&connection)?;
        self.inside.insert(person, Some(connection));
        self.counts[1] += 1;
        Some(position)
    }

    /// The server is gone, and with it whoever was inside.
    pub fn forget(&mut self) {
        self.open.clear();
        self.inside.clear();
    }

    /// How many records were read, and of these the admissions that were told and those that were withdrawn.
    pub const fn counts(&self) -> [u64; 3] {
        self.counts
    }

    /// How many are inside, or were let in and not told.
    pub fn count(&self) -> usize {
        self.inside.len() + self.open.len()
    }
}
