//! Measured at the end of a turn: how long it took, and how much there is of everything.

use super::Reactor;
use super::handshakes::Handshakes;
use crate::base::time::Now;
use crate::connection::Application;

impl<A: Application> Reactor<A> {
    /// Finishes the measurements of a turn that began at `now`, and publishes them. `relayed` is
    /// the number of messages whose delay was already recorded, before newcomers were served.
    pub(super) fn measure(&mut self, now: Now, relayed: u64) {
        // Connections that arrived in this turn are counted from the next turn on.
        if let Some(before) = self.measured_at.replace(now.instant) {
            let apart = now.instant.since(before).as_micros();
            self.counters.connected_micros += self.counters.connections.saturating_mul(apart);
        }
        let gauges = self.app.gauges();
        let counters = &mut self.counters;
        counters.turns += 1;
        counters.limits = self.hits.and(&self.output.hits).and(&self.app.hits());
        counters.errors = *self.output.effects.errors();
        counters.connections = self.peers.len() as u64;
        counters.cut_bytes = self.cut.lent_bytes() as u64;
        counters.unsent_bytes = self.unsent.lent_bytes() as u64;
        counters.block_bytes = counters.cut_bytes + counters.unsent_bytes;
        counters.resting = self.lists.resting.len() as u64;
        let put_off = self.handshakes.as_ref().map_or(0, Handshakes::waiting);
        counters.newcomers = (self.lists.newcomers.len() + self.waiting.len() + put_off) as u64;
        counters.unread = self.lists.ready.len() as u64;
        counters.unrecorded = self.records.waiting() as u64;
        counters.journals_unavailable = u64::from(self.records.is_unavailable());
        counters.rooms_waiting = gauges.rooms_waiting;
        counters.rooms_active = gauges.rooms_active;
        counters.rooms_ended = gauges.rooms_ended;
        counters.participants = gauges.participants;
        counters.absent = gauges.absent;
        counters.retained_bytes = gauges.retained_bytes;
        // Every loop remembers all revocations.
        counters.revocations = if self.index == 0 { gauges.revocations } else { 0 };
        // Everything in this turn has been written.
        let took = self.clock.instant().since(now.instant);
        self.counters.relays.observe(took, self.counters.relayed - relayed);
        self.counters.turn_times.observe(took, 1);
        self.shared.lanes[self.index].counters.publish(&self.counters);
    }
}
