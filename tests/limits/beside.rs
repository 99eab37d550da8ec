//! A call that goes on while somebody else misbehaves.

use std::thread;
use std::time::Duration as StdDuration;

use serde_json::{Value, json};

use crate::common::{Client, TestServer, couple};

/// Doctor and patient, who exchange numbered messages well within every limit.
pub struct Call {
    doctor: Client,
    patient: Client,
    number: u64,
}

impl Call {
    pub fn new(server: &TestServer) -> Self {
        let (doctor, patient) = couple(server);
        Self { doctor, patient, number: 0 }
    }

    pub fn of(doctor: Client, patient: Client) -> Self {
        Self { doctor, patient, number: 0 }
    }

    /// Does something bad on another thread, and exchanges messages until it is over: each arrives, in order, and nothing
    /// else. What came of the bad deed.
    pub fn goes_on_beside<T: Send>(&mut self, deed: impl FnOnce() -> T + Send) -> T {
        let before = self.number;
        thread::scope(|scope| {
            let deed = scope.spawn(deed);
            while !deed.is_finished() || self.number < before + 20 {
                self.exchange();
                // Not to be over the limit itself: 40 a second each way.
                thread::sleep(StdDuration::from_millis(25));
            }
            deed.join().expect("the bad deed is done")
        })
    }

    /// One message each way.
    pub fn exchange(&mut self) {
        self.number += 1;
        let there = numbered(&self.doctor, &self.patient, self.number);
        let back = numbered(&self.patient, &self.doctor, self.number);
        self.doctor.send(&there);
        self.patient.send(&back);
        assert_eq!(self.patient.receive(), there);
        assert_eq!(self.doctor.receive(), back);
    }
}

fn numbered(from: &Client, to: &Client, number: u64) -> Value {
    from.message_to(
        "ice-candidate",
        &to.person,
        json!({ "candidate": { "candidate": number.to_string() } }),
    )
}
