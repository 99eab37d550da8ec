//! Many deadlines with a few fixed durations: arm, cancel and next are O(1).

use super::time::{Duration, Instant};

const NONE: u32 = u32::MAX;

/// Deadlines of members that are named by a dense index, each in at most one of `QUEUES`
/// first-in-first-out queues.
///
/// All members of a queue wait for the same duration, so the last one armed is the last one due and
/// a queue never needs sorting. The queues are linked lists in one vector of nodes (16 bytes per
/// member), which grows with the largest index. Another vector says which queue a member is in (2
/// bytes).
#[derive(Debug)]
pub struct Deadlines<const QUEUES: usize> {
    lengths: [Duration; QUEUES],
    ends: [Ends; QUEUES],
    nodes: Vec<Node>,
    /// As long as `nodes`. Kept apart from them, because padding would make 8 bytes of it.
    queues: Vec<Option<u8>>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    due: Instant,
    previous: u32,
    next: u32,
}

impl<const QUEUES: usize> Deadlines<QUEUES> {
    /// Empty queues; the members of queue `q` wait for `lengths[q]`.
    pub const fn new(lengths: [Duration; QUEUES]) -> Self {
        let ends = [Ends { first: NONE, last: NONE, len: 0 }; QUEUES];
        Self { lengths, ends, nodes: Vec::new(), queues: Vec::new() }
    }

    /// The same, with memory for the members below `members`. The system provides the memory as it
    /// is used, and it is never moved.
    pub fn with_capacity(lengths: [Duration; QUEUES], members: usize) -> Self {
        let (nodes, queues) = (Vec::with_capacity(members), Vec::with_capacity(members));
        Self { nodes, queues, ..Self::new(lengths) }
    }

    /// Puts `member` at the end of `queue`, and removes it from its previous queue.
    pub fn arm(&mut self, member: u32, queue: usize, now: Instant) {
        self.cancel(member);
        let index = member as usize;
        if index >= self.nodes.len() {
            let empty = Node { due: Instant::default(), previous: NONE, next: NONE };
            self.nodes.resize(index + 1, empty);
            self.queues.resize(index + 1, None);
        }
        let last = self.ends[queue].last;
        // If the clock went back, a deadline must not be earlier than those before it in the queue.
        let elder = if last == NONE { Instant::default() } else { self.nodes[last as usize].due };
        let due = (now + self.lengths[queue]).max(elder);
        self.nodes[index] = Node { due, previous: last, next: NONE };
        self.queues[index] = Some(queue as u8);
        if last == NONE {
            self.ends[queue].first = member;
        } else {
            self.nodes[last as usize].next = member;
        }
        self.ends[queue].last = member;
        self.ends[queue].len += 1;
    }

    /// Removes `member` from its queue, if it is in one.
    pub fn cancel(&mut self, member: u32) {
        let Some(queue) = self.queues.get_mut(member as usize).and_then(Option::take) else {
            return;
        };
        let Node { previous, next, .. } = self.nodes[member as usize];
        let ends = &mut self.ends[usize::from(queue)];
        ends.len -= 1;
        if previous == NONE {
            ends.first = next;
        } else {
            self.nodes[previous as usize].next = next;
        }
        if next == NONE {
            ends.last = previous;
        } else {
            self.nodes[next as usize].previous = previous;
        }
    }

    /// The queue that `member` is in.
    pub fn queue_of(&self, member: u32) -> Option<usize> {
        self.queues.get(member as usize)?.map(usize::from)
    }

    /// How many members a queue has.
    pub fn len(&self, queue: usize) -> usize {
        self.ends.get(queue).map_or(0, |ends| ends.len as usize)
    }

    /// When the next member of any queue is due.
    pub fn next(&self) -> Option<Instant> {
        self.ends
            .iter()
            .filter(|ends| ends.first != NONE)
            .map(|ends| self.nodes[ends.first as usize].due)
            .min()
    }

    /// Removes one member that is due at `now`, and returns it with its queue.
    pub fn take_due(&mut self, now: Instant) -> Option<(u32, usize)> {
        let due = |ends: &Ends| ends.first != NONE && self.nodes[ends.first as usize].due <= now;
        let queue = self.ends.iter().position(due)?;
        let member = self.ends[queue].first;
        self.cancel(member);
        Some((member, queue))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::default() + Duration::from_secs(secs)
    }

    #[test]
    fn members_come_due_in_order_and_once() {
        let mut deadlines = Deadlines::new([Duration::from_secs(10), Duration::from_secs(3)]);
        deadlines.arm(0, 0, at(0));
        deadlines.arm(1, 1, at(1));
        deadlines.arm(2, 0, at(2));
        assert_eq!(deadlines.next(), Some(at(4)));
        assert_eq!(deadlines.take_due(at(3)), None);
        assert_eq!(deadlines.take_due(at(4)), Some((1, 1)));
        deadlines.arm(0, 0, at(5)); // touched: now behind member 2
        assert_eq!(deadlines.take_due(at(20)), Some((2, 0)));
        assert_eq!(deadlines.take_due(at(20)), Some((0, 0)));
        assert_eq!(deadlines.take_due(at(20)), None);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn any_member_can_be_cancelled() {
        for cancelled in 0..3 {
            let mut deadlines = Deadlines::new([Duration::from_secs(1)]);
            (0..3).for_each(|member| deadlines.arm(member, 0, at(0)));
            deadlines.cancel(cancelled);
            deadlines.cancel(cancelled);
            let due: Vec<_> = std::iter::from_fn(|| deadlines.take_due(at(1))).collect();
            let expected: Vec<_> = (0..3).filter(|m| *m != cancelled).map(|m| (m, 0)).collect();
            assert_eq!(due, expected);
        }
    }

    #[test]
    fn a_clock_that_goes_back_keeps_the_order() {
        let mut deadlines = Deadlines::new([Duration::from_secs(1)]);
        deadlines.arm(0, 0, at(100));
        deadlines.arm(1, 0, at(50));
        assert_eq!(deadlines.take_due(at(100)), None);
        assert_eq!(deadlines.take_due(at(101)), Some((0, 0)));
        assert_eq!(deadlines.take_due(at(101)), Some((1, 0)));
    }
}
