//! Sessions that are carried by requests: who they are, and which requests of theirs are under way.

use std::collections::BTreeMap;

use super::Arrival;
use crate::admission::Grant;
use crate::engine::PeerId;
use crate::wire::sid::Sid;

/// One session. It has a place among the connections, without a socket of its own.
#[derive(Debug)]
pub(super) struct Poll {
    /// Its place, once it has one.
    pub(super) peer: PeerId,
    /// The page that it belongs to, as far as that was said.
    pub(super) origin: Option<Box<str>>,
    /// The request that waits for something to be sent.
    pub(super) waiting: Option<PeerId>,
    /// The request that brings something.
    pub(super) bringing: Option<PeerId>,
    /// The WebSocket that may take over.
    pub(super) probe: Option<PeerId>,
    /// A WebSocket has taken over: no request counts any more.
    pub(super) has_moved: bool,
}

/// A session whose place is still to be made.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) sid: Sid,
    pub(super) origin: Option<Box<str>>,
    pub(super) arrival: Arrival,
    pub(super) grant: Option<Grant>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Polls {
    sessions: BTreeMap<Sid, Poll>,
    /// The session at each place, and of each request.
    places: BTreeMap<u32, Sid>,
    pub(super) opening: Option<Opening>,
}

impl Polls {
    /// Gives a session its place.
    pub(super) fn begin(&mut self, sid: Sid, peer: PeerId, origin: Option<Box<str>>) {
        let (waiting, bringing, probe) = (None, None, None);
        let poll = Poll { peer, origin, waiting, bringing, probe, has_moved: false };
        self.sessions.insert(sid, poll);
        self.places.insert(peer.index, sid);
    }

    /// The session with this name.
    pub(super) fn get(&mut self, sid: Sid) -> Option<&mut Poll> {
        self.sessions.get_mut(&sid)
    }

    /// The session at this place.
    pub(super) fn at(&self, peer: PeerId) -> Option<&Poll> {
        let sid = self.places.get(&peer.index)?;
        self.sessions.get(sid).filter(|poll| poll.peer == peer)
    }

    /// The same, to be changed.
    pub(super) fn at_mut(&mut self, peer: PeerId) -> Option<&mut Poll> {
        let sid = self.places.get(&peer.index)?;
        self.sessions.get_mut(sid).filter(|poll| poll.peer == peer)
    }

    /// A request of this session is under way, and is remembered until it departs.
    pub(super) fn remember(&mut self, request: PeerId, sid: Sid) {
        self.places.insert(request.index, sid);
    }

    /// A connection is no more: a session, or a request of one.
    pub(super) fn depart(&mut self, peer: PeerId) {
        // Nearly nobody polls.
        let Some(sid) = self.places.remove(&peer.index) else { return };
        let Some(poll) = self.sessions.get_mut(&sid) else { return };
        if poll.peer == peer {
            self.sessions.remove(&sid);
            return;
        }
        for request in [&mut poll.waiting, &mut poll.bringing, &mut poll.probe] {
            request.take_if(|one| *one == peer);
        }
    }
}
