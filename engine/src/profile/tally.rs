//! How often each value is there: all of them while they are few, then those that stand out.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::distinct::Distinct;
use super::random::Random;

/// Seeded by each process anew, so that nobody can make up hashes that meet in one place of a table.
pub(super) type Hashes = foldhash::fast::RandomState;

/// Once there are too many values, the frequent ones are counted in one of so many.
const EVERY: u64 = 8;

/// Places for values that were met a moment ago, a power of two.
const RECENT: usize = 256;

/// A value that was met a moment ago, so many times since the first of these rows.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    hash: u64,
    times: u64,
    row: usize,
}

/// What a tally remembers of values.
pub(super) trait Kept: Clone {
    /// Whether to remember frequent values at all.
    const FREQUENT: bool = true;

    /// How values are ordered.
    fn order(&self, other: &Self) -> Ordering;
}

/// For values that are only counted.
impl Kept for () {
    const FREQUENT: bool = false;

    fn order(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// How much is remembered of a column. Wide tables get less for each, so that all have a bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Different values of which all are counted.
    pub(super) counted: usize,
    /// Values to take quantiles of.
    pub(super) sampled: usize,
    /// Bits that choose a register of the sketch of different values.
    pub(super) precision: u32,
}

impl Sizes {
    pub(super) fn of(columns: usize) -> Self {
        let columns = columns.max(1);
        Self {
            counted: ((256 << 10) / columns).clamp(64, 2048),
            sampled: ((1 << 20) / columns).clamp(512, 8192),
            precision: if columns > 256 { 12 } else { 14 },
        }
    }
}

/// The values by hash. Two values of one hash are taken for one: among four billion different ones
/// that happens about once.
#[derive(Debug, Clone)]
pub(super) struct Tally<T> {
    sizes: Sizes,
    counts: HashMap<u64, (u64, T), Hashes>,
    /// What was taken off every count to make room (Misra and Gries 1982; by the median of all, as the
    /// frequent items sketch of Anderson and others does, arXiv:1705.07001).
    taken: u64,
    /// There once the values are too many to count them all.
    distinct: Option<Distinct>,
    /// Whether a value had come back by then.
    repeated: bool,
    random: Random,
}

impl<T: Kept> Tally<T> {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            counts: HashMap::default(),
            taken: 0,
            distinct: None,
            repeated: false,
            random: Random::new(1),
        }
    }

    /// Sees the hashes of a batch; those of missing values are zero. `get` gives a row's value.
    pub(super) fn see(&mut self, hashes: &[u64], mut get: impl FnMut(usize) -> T) {
        let from = if self.distinct.is_none() { self.count(hashes, &mut get) } else { 0 };
        let Some(distinct) = &mut self.distinct else { return };
        let rest = &hashes[from..];
        distinct.see_all(rest);
        if !T::FREQUENT {
            return;
        }
        for group in (0..rest.len()).step_by(EVERY as usize) {
            let at = group + self.random.below(EVERY) as usize;
            let Some(hash) = rest.get(at).filter(|hash| **hash != 0) else { continue };
            self.counts.entry(*hash).or_insert_with(|| (0, get(from + at))).0 += EVERY;
            if self.counts.len() > 2 * self.sizes.counted {
                self.make_room();
            }
        }
    }

    /// Counts all values, until there are too many different ones; how far it came is the answer.
    fn count(&mut self, hashes: &[u64], get: &mut impl FnMut(usize) -> T) -> usize {
        // The same few values come again and again: most are found here, without a look at the map.
        let mut recent = [Recent::default(); RECENT];
        for (row, hash) in hashes.iter().enumerate() {
            let slot = &mut recent[(*hash >> (64 - RECENT.trailing_zeros())) as usize];
            if slot.hash == *hash {
                slot.times += 1;
                continue;
            }
            let before = std::mem::replace(slot, Recent { hash: *hash, times: 1, row });
            self.settle(before, get);
            if self.counts.len() > self.sizes.counted {
                for left in recent {
                    self.settle(left, get);
                }
                self.overflow();
                return row + 1;
            }
        }
        for left in recent {
            self.settle(left, get);
        }
        if self.counts.len() > self.sizes.counted {
            self.overflow();
        }
        hashes.len()
    }

    fn settle(&mut self, recent: Recent, get: &mut impl FnMut(usize) -> T) {
        if recent.hash != 0 {
            self.counts.entry(recent.hash).or_insert_with(|| (0, get(recent.row))).0 += recent.times;
        }
    }

    /// Goes over to the sketch, with all that was seen so far.
    fn overflow(&mut self) {
        let mut distinct = Distinct::new(self.sizes.precision, self.sizes.counted);
        for (hash, (times, _)) in &self.counts {
            distinct.see(*hash, *times);
            self.repeated |= *times > 1;
        }
        self.distinct = Some(distinct);
        if !T::FREQUENT {
            self.counts = HashMap::default();
        }
    }

    fn make_room(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().map(|(times, _)| *times).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.taken += median;
        self.counts.retain(|_, (times, _)| {
            *times = times.saturating_sub(median);
            *times > 0
        });
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        if let (None, Some(_)) = (&self.distinct, &other.distinct) {
            self.overflow();
        } else if let (Some(_), None) = (&self.distinct, &other.distinct) {
            other.overflow();
        }
        if let (Some(mine), Some(theirs)) = (&mut self.distinct, &other.distinct) {
            mine.merge(theirs);
        }
        self.taken += other.taken;
        self.repeated |= other.repeated;
        for (hash, (times, value)) in other.counts {
            self.counts.entry(hash).or_insert((0, value)).0 += times;
        }
        if self.distinct.is_none() && self.counts.len() > self.sizes.counted {
            self.overflow();
        }
        while self.distinct.is_some() && self.counts.len() > 2 * self.sizes.counted {
            self.make_room();
        }
    }

    /// Whether all values are counted.
    pub(super) fn is_exact(&self) -> bool {
        self.distinct.is_none()
    }

    /// How many different values there are, of so many.
    pub(super) fn distinct(&self, count: u64) -> u64 {
        match &self.distinct {
            Some(distinct) => distinct.estimate(count, self.has_repeats()),
            None => self.counts.len() as u64,
        }
    }

    /// Whether a value is known to have come back: those counted now and then were met twice then.
    fn has_repeats(&self) -> bool {
        self.repeated || self.counts.values().any(|(times, _)| *times > EVERY)
    }

    /// By how much counts may be too low.
    pub(super) fn error(&self) -> u64 {
        self.taken
    }

    /// The values with their counts: all of them if exact, else those that are surely frequent.
    pub(super) fn frequent(&self) -> Vec<(T, u64)> {
        let mut all: Vec<(T, u64)> =
            self.counts.values().map(|(times, value)| (value.clone(), *times)).collect();
        if !self.is_exact() {
            // In a sample, what was met a few times may be there no more often than others.
            all.retain(|(_, times)| *times > self.taken.max(8 * EVERY));
        }
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.order(&b.0)));
        all
    }
}
