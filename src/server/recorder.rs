//! From the reactor to the logs: the audit log with real names, the operational log with
//! pseudonyms.

use crate::base::redacted::Redacted;
use crate::reactor::{Entry, Journal};
use crate::service::audit::{self, Audit, State};
use crate::service::session_log;

/// The audit log as the reactor's journal.
pub struct Recorder {
    audit: Audit,
}

impl Recorder {
    pub const fn new(audit: Audit) -> Self {
        Self { audit }
    }
}

impl Journal for Recorder {
    fn take(&mut self, entry: &Entry<'_>) -> Option<u64> {
        session_log::tell(self.audit.names(), &entry.record, entry.address, entry.connection);
        self.audit.take(audit::Entry {
            time: entry.time,
            connection: entry.connection,
            address: entry.address,
            record: entry.record,
            text: entry.reason.map(|reason| Redacted::new(reason.into())),
        })
    }

    fn publish(&mut self, awaited: bool) {
        if awaited {
            self.audit.publish();
        } else {
            self.audit.publish_soon();
        }
    }

    fn durable(&self) -> u64 {
        self.audit.durable()
    }

    fn is_available(&self) -> bool {
        self.audit.state() == State::Available
    }
}
