//! Shrinks a failing plan while it still breaks the same promise (delta debugging, Zeller 2002).

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::plan::Plan;
use super::promises::Broken;

/// How long a shrinking may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The smallest plan that was found, and how many runs that took.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> Option<Broken>) -> (Plan, usize) {
    let (mut runs, start) = (1, Instant::now());
    let Some(broken) = fails(plan) else { return (plan.clone(), runs) };
    let mut best = plan.clone();
    for room in rooms(plan) {
        // Most often one room is enough, and everything is quick then.
        let mut alone = plan.clone();
        alone.people.retain(|person| person.room == room);
        runs += 1;
        if fails(&alone).is_some_and(|found| found.promise == broken.promise) {
            best = alone;
            break;
        }
    }
    loop {
        let size = best.size();
        for part in [Part::People, Part::Faults, Part::Steps] {
            let mut still_fails = |plan: &Plan| {
                runs += 1;
                start.elapsed() < PATIENCE
                    && fails(plan).is_some_and(|found| found.promise == broken.promise)
            };
            shrink_part(&mut best, part, &mut still_fails);
        }
        if best.size() == size {
            return (best, runs);
        }
    }
}

fn rooms(plan: &Plan) -> BTreeSet<u32> {
    plan.people.iter().map(|person| person.room).collect()
}

/// What can be left out of a plan.
#[derive(Clone, Copy, Debug)]
enum Part {
    People,
    Faults,
    Steps,
}

impl Part {
    fn count(self, plan: &Plan) -> usize {
        match self {
            Self::People => plan.people.len(),
            Self::Faults => plan.faults.len(),
            Self::Steps => plan.people.iter().map(|person| person.steps.len()).sum(),
        }
    }

    /// The plan without the parts of these numbers.
    fn without(self, plan: &Plan, out: Range<usize>) -> Plan {
        let mut plan = plan.clone();
        let mut number = 0;
        let mut keep = || {
            number += 1;
            !out.contains(&(number - 1))
        };
        match self {
            Self::People => plan.people.retain(|_| keep()),
            Self::Faults => plan.faults.retain(|_| keep()),
            Self::Steps => {
                plan.people.iter_mut().for_each(|person| person.steps.retain(|_| keep()));
            }
        }
        plan
    }
}

/// Leaves out halves, then quarters, and so on down to single parts.
fn shrink_part(best: &mut Plan, part: Part, still_fails: &mut impl FnMut(&Plan) -> bool) {
    let mut chunk = part.count(best).div_ceil(2);
    while chunk > 0 {
        let mut start = 0;
        while start < part.count(best) {
            let smaller = part.without(best, start..start + chunk);
            if still_fails(&smaller) {
                *best = smaller;
            } else {
                start += chunk;
            }
        }
        chunk /= 2;
    }
}
