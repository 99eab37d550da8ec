//! Histograms of durations. The buckets are the same everywhere, so that the counts of several
//! loops can be added up.

use super::time::Duration;

/// The upper bounds of the buckets, in microseconds. One more bucket counts everything above the
/// last bound.
pub const BOUNDS_MICROS: [u64; 15] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// The size of a histogram in words: the buckets and the sum.
pub const WORDS: usize = BOUNDS_MICROS.len() + 2;

const SUM: usize = WORDS - 1;

/// Counts durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram([u64; WORDS]);

impl Histogram {
    /// An empty histogram.
    pub const NONE: Self = Self([0; WORDS]);

    /// A histogram from its words.
    pub fn new(word: impl Fn(usize) -> u64) -> Self {
        Self(std::array::from_fn(word))
    }

    /// The counts of the buckets, then the sum in microseconds.
    pub const fn words(&self) -> &[u64; WORDS] {
        &self.0
    }

    /// Counts `times` durations of `took` each.
    pub fn observe(&mut self, took: Duration, times: u64) {
        if times > 0 {
            let micros = took.as_micros();
            let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
            self.0[bucket] += times;
            self.0[SUM] = self.0[SUM].saturating_add(micros.saturating_mul(times));
        }
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.0[..SUM].iter().sum()
    }

    /// Their sum in microseconds.
    pub const fn sum_micros(&self) -> u64 {
        self.0[SUM]
    }

    /// For each bound, how many durations were not longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut sum = 0;
        BOUNDS_MICROS.iter().zip(&self.0).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }

    /// The sum of two histograms.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.iter_mut().zip(&others.0).for_each(|(mine, theirs)| *mine += theirs);
        self
    }

    /// The difference to an earlier state of the same histogram.
    #[must_use]
    pub fn since(mut self, earlier: &Self) -> Self {
        self.0.iter_mut().zip(&earlier.0).for_each(|(now, then)| *now = now.saturating_sub(*then));
        self
    }

    /// An upper bound of the quantile `of_thousand`, in microseconds: the bound of its bucket.
    /// `None` if the histogram is empty. Durations above the last bound are reported as the last
    /// bound.
    pub fn quantile_micros(&self, of_thousand: u64) -> Option<u64> {
        let count = self.count();
        let rank = count.saturating_mul(of_thousand).div_ceil(1_000).max(1);
        let found = self.cumulative().find(|(_, sum)| *sum >= rank).map(|(bound, _)| bound);
        (count > 0).then(|| found.unwrap_or(BOUNDS_MICROS[BOUNDS_MICROS.len() - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_in_the_bucket_whose_bound_it_does_not_pass() {
        let mut times = Histogram::default();
        for (micros, count) in [(0, 1), (50, 1), (51, 3), (5_000_000, 1), (5_000_001, 2)] {
            times.observe(Duration::from_micros(micros), count);
        }
        times.observe(Duration::from_micros(7), 0);
        let sums: Vec<_> = times.cumulative().collect();
        assert_eq!(sums[..2], [(50, 2), (100, 5)]);
        assert_eq!(sums.last(), Some(&(5_000_000, 6)));
        assert_eq!(
            (times.count(), times.sum_micros()),
            (8, 50 + 3 * 51 + 5_000_000 + 2 * 5_000_001)
        );
        assert_eq!(Histogram::new(|word| times.words()[word]), times);
        assert_eq!(times.and(&times).since(&times), times);
    }

    #[test]
    fn a_quantile_is_the_bound_that_so_many_did_not_pass() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile_micros(500), None);
        times.observe(Duration::from_micros(80), 99);
        times.observe(Duration::from_secs(60), 1);
        let of = |of_thousand| times.quantile_micros(of_thousand);
        assert_eq!(
            (of(0), of(500), of(990), of(999)),
            (Some(100), Some(100), Some(100), Some(5_000_000))
        );
    }
}
