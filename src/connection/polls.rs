//! Sessions that are carried by requests: who they are, and which requests of theirs are under way.

use std::collections::{BTreeMap, VecDeque};

use super::{Arrival, Errand};
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
    /// How many requests were sent away for that.
    pub(super) nudges: u8,
    /// A WebSocket has taken over: no request counts any more but what is under way.
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

/// A session on its way from one reactor to another, and the connections that are to follow it.
#[derive(Debug)]
pub struct PolledSession {
    /// Its name.
    pub sid: Sid,
    origin: Option<Box<str>>,
    nudges: u8,
    has_moved: bool,
    /// Requests of it that are under way.
    pub requests: [Option<PeerId>; 3],
}

/// Of so many sessions is remembered where they went; then the oldest is forgotten.
const FORWARDS_MAX: usize = 8_192;

/// Where a session is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Here,
    At(u32),
    Unknown,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Polls {
    sessions: BTreeMap<Sid, Poll>,
    /// The session at each place, and of each request.
    places: BTreeMap<u32, Sid>,
    pub(super) opening: Option<Opening>,
    /// To which reactor sessions went from here, and in which order.
    forwards: BTreeMap<Sid, u32>,
    forwarded: VecDeque<Sid>,
}

impl Polls {
    /// Whether a session with this name is here, or where it went.
    pub(super) fn whereabouts(&self, sid: Sid) -> Whereabouts {
        match self.forwards.get(&sid) {
            _ if self.sessions.contains_key(&sid) => Whereabouts::Here,
            Some(reactor) => Whereabouts::At(*reactor),
            None => Whereabouts::Unknown,
        }
    }

    /// A session goes to another reactor, and what is under way for it is to follow. `None`: there is none at this place, or
    /// nothing but a WebSocket carries it any more, so that nobody asks for it by its name.
    pub(super) fn detach(&mut self, peer: PeerId, to: u32) -> Option<PolledSession> {
        let sid = self.places.remove(&peer.index)?;
        let poll = self.sessions.remove(&sid)?;
        let requests = [poll.waiting, poll.bringing, poll.probe];
        for request in requests.iter().flatten() {
            self.places.remove(&request.index);
        }
        // A WebSocket may have taken it over while a request still brings something.
        if poll.has_moved && poll.bringing.is_none() {
            return None;
        }
        if self.forwards.insert(sid, to).is_none() {
            self.forwarded.push_back(sid);
        }
        if self.forwarded.len() > FORWARDS_MAX
            && let Some(oldest) = self.forwarded.pop_front()
        {
            self.forwards.remove(&oldest);
        }
        let Poll { origin, nudges, has_moved, .. } = poll;
        Some(PolledSession { sid, origin, nudges, has_moved, requests })
    }

    /// A session has come from another reactor.
    pub(super) fn attach(&mut self, peer: PeerId, session: PolledSession) {
        let PolledSession { sid, origin, nudges, has_moved, .. } = session;
        self.begin(sid, peer, origin);
        if let Some(poll) = self.sessions.get_mut(&sid) {
            (poll.nudges, poll.has_moved) = (nudges, has_moved);
        }
    }

    /// A request has followed its session: the place of that. `None`: it is not here any more.
    pub(super) fn attach_request(
        &mut self,
        sid: Sid,
        request: PeerId,
        errand: Errand,
    ) -> Option<PeerId> {
        let poll = self.sessions.get_mut(&sid)?;
        let slot = match errand {
            Errand::Wait => &mut poll.waiting,
            Errand::Bring => &mut poll.bringing,
            Errand::Probe => &mut poll.probe,
        };
        if slot.is_some() {
            return None;
        }
        *slot = Some(request);
        self.places.insert(request.index, sid);
        Some(poll.peer)
    }

    /// Gives a session its place.
    pub(super) fn begin(&mut self, sid: Sid, peer: PeerId, origin: Option<Box<str>>) {
        let (waiting, bringing, probe) = (None, None, None);
        let (nudges, has_moved) = (0, false);
        let poll = Poll { peer, origin, waiting, bringing, probe, nudges, has_moved };
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
