//! Replaces `src/reactor/polling.rs`: the clients of the simulation speak the plain protocol, so no
//! session is carried by requests, and none of this is ever called.

use autamedica_signaling::base::arena::Key;
use autamedica_signaling::base::time::Now;
use autamedica_signaling::connection::{Application, Order};
use autamedica_signaling::engine::PeerId;

use super::Reactor;
use super::peer::Peer;

impl<A: Application> Reactor<A> {
    pub(super) fn carry_out(&mut self, order: Order, _from: Option<Key<Peer>>, _now: Now) {
        panic!("{order:?}, though nobody polls");
    }

    pub(super) fn bring(&mut self, _from: Key<Peer>, _session: PeerId, packet: &str, _now: Now) {
        panic!("{packet:?}, though nobody polls");
    }

    pub(super) fn begin_take_over(&mut self, _key: Key<Peer>, session: PeerId) {
        panic!("{session:?} is taken over, though nobody polls");
    }

    pub(super) fn take_over(&mut self, _now: Now) {}

    pub(super) fn resume_body(&mut self, _key: Key<Peer>) {}

    pub(super) fn deliver(&mut self, _key: Key<Peer>, _now: Now) {}

    pub(super) fn say_last_words(&mut self, _key: Key<Peer>) {}
}
