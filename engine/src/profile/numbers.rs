//! Columns of numbers, and of what is stored as such.

use std::cmp::Ordering;

use datafusion::arrow::array::{Array, PrimitiveArray};
use datafusion::arrow::datatypes::{ArrowNativeType, ArrowPrimitiveType};

use super::bins::Weighted;
use super::cells::Back;
use super::sample::Sample;
use super::tally::{Kept, Sizes, Tally};

/// A type that columns are counted as.
pub(super) trait Number: ArrowNativeType + Kept + Back {
    /// Approximately.
    fn float(self) -> f64;

    fn is_nan(self) -> bool {
        false
    }

    fn is_finite(self) -> bool {
        true
    }

    /// At most so many bins of the same width from the least value to the greatest, or none where that
    /// is too wide.
    fn bins(least: Self, most: Self, count: usize) -> Vec<(Self, Self)>;

    /// The least and the greatest value of some, of which none is `NaN`.
    fn ends(values: &[Self], least: Self, most: Self) -> (Self, Self);
}

/// Bins of whole numbers, both ends of each belonging to it.
fn whole_bins(least: i128, most: i128, count: usize) -> Vec<(i128, i128)> {
    let Some(span) = most.checked_sub(least).and_then(|span| span.checked_add(1)) else { return Vec::new() };
    if span < 1 {
        return Vec::new();
    }
    let count = span.min(count as i128);
    // The remainder goes to the first bins, one each: a product might be too large.
    let (width, remainder) = (span / count, span % count);
    let edge = |bin: i128| least + width * bin + remainder.min(bin);
    // The greatest number may have no successor.
    (0..count).map(|bin| (edge(bin), if bin + 1 == count { most } else { edge(bin + 1) - 1 })).collect()
}

macro_rules! whole_number {
    ($type:ty) => {
        impl Kept for $type {
            fn order(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        }

        impl Number for $type {
            fn float(self) -> f64 {
                self as f64
            }

            fn bins(least: Self, most: Self, count: usize) -> Vec<(Self, Self)> {
                let bins = whole_bins(least.into(), most.into(), count);
                // They lie between two numbers of the type.
                bins.into_iter().map(|(from, to)| (from as Self, to as Self)).collect()
            }

            fn ends(values: &[Self], least: Self, most: Self) -> (Self, Self) {
                values.iter().fold((least, most), |(least, most), v| (least.min(*v), most.max(*v)))
            }
        }
    };
}

whole_number!(i64);
whole_number!(i128);

impl Kept for f64 {
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}

impl Number for f64 {
    fn float(self) -> f64 {
        self
    }

    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }

    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }

    fn bins(least: Self, most: Self, count: usize) -> Vec<(Self, Self)> {
        if least >= most {
            return vec![(least, most)];
        }
        // In parts of the ends, since their difference may be too large.
        let edge = |bin: usize| {
            let share = bin as f64 / count as f64;
            if bin == count { most } else { least * (1.0 - share) + most * share }
        };
        (0..count).map(|bin| (edge(bin), edge(bin + 1))).collect()
    }

    fn ends(values: &[Self], least: Self, most: Self) -> (Self, Self) {
        values.iter().fold((least, most), |(least, most), v| (least.min(*v), most.max(*v)))
    }
}

/// Mean and squared deviations, of parts that are put together (Chan, Golub and LeVeque 1979).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn of<T: Number>(values: &[T]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let mean = sum(values, Number::float) / values.len() as f64;
        let squares = sum(values, |value| {
            let away = value.float() - mean;
            away * away
        });
        Self { count: values.len() as u64, mean, squares }
    }

    fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let all = self.count + other.count;
        let away = other.mean - self.mean;
        let share = other.count as f64 / all as f64;
        self.mean += away * share;
        self.squares += other.squares + away * away * share * self.count as f64;
        self.count = all;
    }
}

/// The sum, in eight parts that a processor adds up at the same time.
fn sum<T: Copy>(values: &[T], term: impl Fn(T) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|value| term(*value)).sum();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += term(*value);
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// A column of numbers.
#[derive(Debug, Clone)]
pub(super) struct Numbers<T> {
    ends: Option<(T, T)>,
    moments: Moments,
    pub(super) nan: u64,
    pub(super) infinite: u64,
    pub(super) tally: Tally<T>,
    sample: Sample<T>,
}

impl<T: Number> Numbers<T> {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            ends: None,
            moments: Moments::default(),
            nan: 0,
            infinite: 0,
            tally: Tally::new(sizes),
            sample: Sample::new(sizes.sampled),
        }
    }

    pub(super) fn see<A: ArrowPrimitiveType<Native = T>>(
        &mut self,
        array: &PrimitiveArray<A>,
        hashes: &[u64],
    ) {
        let values: &[T] = array.values();
        let valid: Vec<T>;
        let valid = match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => values,
            Some(nulls) => {
                valid = nulls.valid_indices().map(|row| values[row]).collect();
                &valid[..]
            }
        };
        self.tally.see(hashes, |row| values[row]);
        self.sample.see(valid.len(), |at| valid[at]);
        if valid.iter().all(|value| value.is_finite()) {
            self.measure(valid);
            self.widen(valid);
            return;
        }
        let finite: Vec<T> = valid.iter().copied().filter(|value| value.is_finite()).collect();
        let infinite: Vec<T> =
            valid.iter().copied().filter(|value| !value.is_finite() && !value.is_nan()).collect();
        self.nan += (valid.len() - finite.len() - infinite.len()) as u64;
        self.infinite += infinite.len() as u64;
        self.measure(&finite);
        self.widen(&finite);
        self.widen(&infinite);
    }

    fn measure(&mut self, finite: &[T]) {
        self.moments.merge(Moments::of(finite));
    }

    fn widen(&mut self, values: &[T]) {
        if let Some(first) = values.first() {
            let (least, most) = self.ends.unwrap_or((*first, *first));
            self.ends = Some(T::ends(values, least, most));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        if let Some((least, most)) = other.ends {
            self.widen(&[least, most]);
        }
        self.moments.merge(other.moments);
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.tally.merge(other.tally);
        self.sample.merge(other.sample);
    }

    pub(super) fn ends(&self) -> Option<(T, T)> {
        self.ends
    }

    /// Mean and standard deviation.
    pub(super) fn moments(&self) -> Option<(f64, f64)> {
        let Moments { count, mean, squares } = self.moments;
        (count > 0).then(|| (mean, (squares / count as f64).sqrt()))
    }

    /// All values if they are few, else a sample of them; and whether it is all.
    pub(super) fn weighted(&self) -> (Weighted<T>, bool) {
        if self.tally.is_exact() {
            let all = self.tally.frequent().into_iter().map(|(value, times)| (value, times as f64));
            return (Weighted::new(all), true);
        }
        let sample = Weighted::new(self.sample.items().iter().map(|value| (*value, 1.0)));
        (sample, self.sample.is_whole())
    }

    pub(super) fn sampled(&self) -> &[T] {
        self.sample.items()
    }
}
