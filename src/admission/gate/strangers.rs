//! Those who have not said who they are, by network; and which network has one of them give way
//! when there is no place left.

use std::collections::BTreeSet;

use super::Network;
use crate::admission::census::Census;

/// The share of all places that strangers must hold before one of them gives way: one of so many.
/// Fewer come and go by themselves.
const CROWD_SHARE: u64 = 8;

/// How many strangers a network has at least if one of them gives way: a family, or a few
/// colleagues, never do.
const GIVES_WAY_MIN: u64 = 4;

/// How many times as many strangers as the newcomer's network will have. With less, two networks
/// would take places from each other in turn.
const TIMES: u64 = 2;

/// How many strangers each network has.
#[derive(Debug, Default)]
pub struct Strangers {
    counts: Census<Network>,
    /// How many there are without those over the limit.
    sum: u64,
    /// Those who have no place to give: they have been asked to give way and are still there, or they
    /// are over the limit.
    leaving: Census<Network>,
    /// The networks by how many they have without these. There may be thousands of networks.
    ranks: BTreeSet<(u64, Network)>,
}

impl Strangers {
    /// One more of this network is there.
    pub fn add(&mut self, network: Network) {
        self.change(network, |it| it.counts.add(network));
        self.sum += 1;
    }

    /// One of this network, which was added, has said who it is, or has gone.
    pub fn remove(&mut self, network: Network) {
        self.change(network, |it| it.counts.remove(network));
        self.sum = self.sum.saturating_sub(1);
    }

    /// One more of this network is over the limit: it is there only to be told so. Of its network's
    /// share it has a part, but nobody needs to make way for it, and it can make way for nobody.
    pub fn add_over(&mut self, network: Network) {
        self.change(network, |it| it.counts.add(network));
        self.ask(network);
    }

    /// It has gone.
    pub fn remove_over(&mut self, network: Network) {
        self.change(network, |it| it.counts.remove(network));
        self.answer(network);
    }

    /// One of this network has been asked to give way.
    pub fn ask(&mut self, network: Network) {
        self.change(network, |it| it.leaving.add(network));
    }

    /// It has given way, or nobody of this network could.
    pub fn answer(&mut self, network: Network) {
        self.change(network, |it| it.leaving.remove(network));
    }

    fn change(&mut self, network: Network, change: impl FnOnce(&mut Self)) {
        self.ranks.remove(&(self.staying(network), network));
        change(self);
        let staying = self.staying(network);
        if staying > 0 {
            self.ranks.insert((staying, network));
        }
    }

    fn staying(&self, network: Network) -> u64 {
        self.counts.count(network).saturating_sub(self.leaving.count(network))
    }

    /// Whether strangers crowd a server with so many places.
    pub fn are_a_crowd(&self, places: usize) -> bool {
        self.sum.saturating_mul(CROWD_SHARE) >= places as u64
    }

    /// The network of which one gives its place, of so many that are all taken, to a newcomer of
    /// this one: that with most strangers, if it has noticeably more than its share. So no
    /// network takes many places from others while these have fewer.
    pub fn give_way_to(&self, newcomer: Network, places: usize) -> Option<Network> {
        if !self.are_a_crowd(places) {
            return None;
        }
        let (count, most) = self.ranks.last().copied()?;
        let will_have = self.counts.count(newcomer) + 1;
        (count >= GIVES_WAY_MIN && count >= TIMES * will_have).then_some(most)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn network(number: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, number]))
    }

    /// So many strangers of each network, numbered from 1.
    fn strangers(counts: &[u64]) -> Strangers {
        let mut strangers = Strangers::default();
        for (number, &count) in (1..).zip(counts) {
            (0..count).for_each(|_| strangers.add(network(number)));
        }
        strangers
    }

    #[test]
    fn one_network_with_an_eighth_of_all_places_gives_way_to_everybody_else() {
        let one = strangers(&[12]);
        assert_eq!(one.give_way_to(network(9), 96), Some(network(1)));
        assert_eq!(one.give_way_to(network(1), 96), None, "not to itself");
        assert_eq!(one.give_way_to(network(9), 97), None, "so few come and go by themselves");
    }

    #[test]
    fn however_many_addresses_strangers_have_the_one_with_most_gives_way() {
        let many = strangers(&[4; 24]);
        assert!(many.give_way_to(network(99), 100).is_some());
        let mut many = strangers(&[4, 4, 5, 4, 4, 4]);
        assert_eq!(many.give_way_to(network(99), 100), Some(network(3)));
        many.remove(network(3));
        assert!(many.give_way_to(network(99), 100).is_some());
        assert_eq!(strangers(&[3; 30]).give_way_to(network(99), 90), None, "none has many");
    }

    #[test]
    fn whoever_has_half_as_many_has_its_share_and_two_never_take_turns() {
        for (mine, theirs, gives_way) in [
            (0, 4, true),
            (1, 4, true),
            (2, 5, false),
            (2, 6, true),
            (49, 100, true),
            (50, 100, false),
        ] {
            let both = strangers(&[mine, theirs]);
            let expected = gives_way.then_some(network(2));
            assert_eq!(both.give_way_to(network(1), 32), expected, "{mine} and {theirs}");
        }
        // From any beginning, until nobody gives way any more.
        for (mine, theirs) in [(0, 100), (30, 70), (100, 1), (50, 50)] {
            let mut both = strangers(&[mine, theirs]);
            let mut exchanged = 0;
            while let Some((from, to)) = [1, 2]
                .map(network)
                .into_iter()
                .find_map(|to| both.give_way_to(to, 100).map(|from| (from, to)))
            {
                both.remove(from);
                both.add(to);
                exchanged += 1;
                assert!(exchanged < 40, "{mine} and {theirs} take turns");
            }
        }
    }

    #[test]
    fn those_over_the_limit_neither_crowd_it_nor_stand_before_others_but_have_their_share() {
        let mut strangers = strangers(&[4, 4]);
        (0..9).for_each(|_| strangers.add_over(network(3)));
        assert_eq!(strangers.give_way_to(network(9), 64), Some(network(2)));
        assert_eq!(strangers.give_way_to(network(9), 65), None);
        assert_eq!(strangers.give_way_to(network(3), 64), None);
        (0..9).for_each(|_| strangers.remove_over(network(3)));
        assert_eq!(strangers.give_way_to(network(3), 64), Some(network(2)));
        assert_eq!(strangers.give_way_to(network(3), 65), None);
    }

    #[test]
    fn who_has_been_asked_to_give_way_is_not_asked_again() {
        let mut one = strangers(&[6]);
        (0..3).for_each(|_| one.ask(network(1)));
        assert_eq!(one.give_way_to(network(9), 20), None);
        one.answer(network(1));
        assert_eq!(one.give_way_to(network(9), 20), Some(network(1)));
        // It leaves of its own accord meanwhile, and so do all others.
        (0..6).for_each(|_| one.remove(network(1)));
        assert_eq!(one.give_way_to(network(9), 20), None);
        (0..2).for_each(|_| one.answer(network(1)));
        (0..4).for_each(|_| one.add(network(1)));
        assert_eq!(one.give_way_to(network(9), 20), Some(network(1)));
        // Others are, who have as many.
        let mut two = strangers(&[4, 4]);
        for expected in [Some(network(2)), Some(network(1)), None] {
            let gives_way = two.give_way_to(network(9), 8);
            assert_eq!(gives_way, expected);
            gives_way.into_iter().for_each(|network| two.ask(network));
        }
    }
}
