//! A newcomer at one reactor of a full server, and strangers at the others who give way to it.

use super::mail::Letter;
use super::{Reactor, TURNED_AWAY_MAX};
use crate::admission::gate::Network;
use crate::base::time::Now;
use crate::connection::Application;

/// How many connections there may be over the limit if one more is let in before another loop has
/// made place for it. There is room for some more still: those for whom somebody here makes place,
/// if there is nobody left at the other loops who could.
const OVER_MAX: usize = TURNED_AWAY_MAX / 4 * 3;

/// A place that one of this network is to give up, for a newcomer at another reactor.
#[derive(Debug)]
pub(super) struct PlaceAskedFor {
    pub(super) crowd: Network,
    /// How many reactors have been asked.
    asked: usize,
}

impl<A: Application> Reactor<A> {
    /// Asks the other reactors for a place that one of this network gives up. Returns whether one
    /// was asked. Then the newcomer is let in at once, and for a moment there is one more than there
    /// may be.
    pub(super) fn ask_others_for_place(&mut self, crowd: Network) -> bool {
        let most = self.options.connections_max.saturating_add(OVER_MAX);
        if self.entrance.connections() >= most {
            return false;
        }
        self.entrance.ask_to_give_way(crowd);
        self.ask_next(PlaceAskedFor { crowd, asked: 0 })
    }

    /// Asks the next reactor that has not been asked. Returns whether there was one.
    fn ask_next(&mut self, place: PlaceAskedFor) -> bool {
        let (crowd, count) = (place.crowd, self.shared.lanes.len());
        let (to, asked) = ((self.index + 1) % count, place.asked + 1);
        let letter = Letter::Place(PlaceAskedFor { crowd, asked });
        let is_sent = asked < count && self.mail.send(to, letter).is_ok();
        match is_sent {
            true => self.shared.wake(to),
            false => self.entrance.has_given_way(crowd),
        }
        is_sent
    }

    /// Has strangers give up the places that other reactors have asked for, as far as they are still
    /// needed and there is time in this turn. Where there is none, the next reactor is asked.
    pub(super) fn give_up_places(&mut self, now: Now) {
        while let Some(place) = self.lists.asked_for.pop() {
            let is_needed = self.entrance.connections() >= self.options.connections_max;
            if is_needed && !self.take_place_here(place.crowd, now) {
                self.ask_next(place);
            } else {
                self.entrance.has_given_way(place.crowd);
            }
            // To find one takes as long as to let a newcomer in.
            if !self.finish_newcomer(now) {
                return;
            }
        }
    }
}
