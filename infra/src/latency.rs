//! Latencies counted in buckets of a logarithmic scale, so that percentiles can be added up over
//! days, workspaces and processes: sums of counts lose nothing, unlike percentiles themselves.
//!
//! Bucket `i` holds what lies above `GAMMA^(i-1)` and up to `GAMMA^i` milliseconds. Its
//! representative is off by at most 5 % from anything in it.

use std::collections::BTreeMap;

/// The relative error that a bucket's representative has at most.
const ERROR: f64 = 0.05;

/// The ratio between the upper bounds of neighbouring buckets.
const GAMMA: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// Anything below one microsecond counts as one, anything above 31 years as that.
const RANGE_MS: (f64, f64) = (1e-3, 1e12);

/// The bucket of a latency in milliseconds. What is not a number counts as the smallest.
pub fn bucket(ms: f64) -> i16 {
    let ms = if ms.is_nan() { RANGE_MS.0 } else { ms.clamp(RANGE_MS.0, RANGE_MS.1) };
    // Within the range the index lies between -70 and 280.
    (ms.ln() / GAMMA.ln()).ceil() as i16
}

/// The latency in milliseconds that stands for a bucket.
pub fn value(bucket: i16) -> f64 {
    2.0 * GAMMA.powi(i32::from(bucket)) / (GAMMA + 1.0)
}

/// The latency in milliseconds below or at which a share `p` (0 to 1) of the counted lie, `None`
/// when nothing was counted. Buckets may come in any order and more than once; counts below one
/// are ignored.
pub fn percentile(counts: impl IntoIterator<Item = (i16, i64)>, p: f64) -> Option<f64> {
    let mut merged: BTreeMap<i16, u64> = BTreeMap::new();
    for (bucket, count) in counts {
        if let Ok(count @ 1..) = u64::try_from(count) {
            *merged.entry(bucket).or_default() += count;
        }
    }
    let total: u64 = merged.values().sum();
    // The nearest rank: the smallest value that has at least that share at or below it.
    let rank = ((p.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
    let mut seen = 0;
    merged.into_iter().find_map(|(bucket, count)| {
        seen += count;
        (seen >= rank).then(|| value(bucket))
    })
}

/// A time in milliseconds in three significant digits: buckets know no more.
pub fn rounded(ms: f64) -> f64 {
    if ms <= 0.0 || !ms.is_finite() {
        return 0.0;
    }
    let digits = 2 - ms.log10().floor() as i32;
    let scale = 10_f64.powi(digits.abs());
    if digits >= 0 { (ms * scale).round() / scale } else { (ms / scale).round() * scale }
}

/// A share of a whole, from 0 to 1, in four digits; `None` of nothing.
pub fn rate(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_for_its_values_within_five_percent() {
        let mut ms = 0.002;
        while ms < 1e8 {
            let back = value(bucket(ms));
            assert!((back - ms).abs() <= ms * (ERROR + 1e-9), "{ms} came back as {back}");
            ms *= 1.013;
        }
    }

    #[test]
    fn odd_values_have_buckets_too() {
        assert_eq!(bucket(0.0), bucket(-1.0));
        assert_eq!(bucket(f64::NAN), bucket(0.001));
        assert_eq!(bucket(f64::INFINITY), bucket(1e300));
        assert!(bucket(f64::INFINITY) > bucket(86_400_000.0));
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        assert_eq!(percentile([], 0.5), None);
        assert_eq!(percentile([(3, 0)], 0.5), None);
        let counts: Vec<_> = (1..=100).map(|ms| (bucket(f64::from(ms)), 1)).collect();
        for (p, wanted) in [(0.0, 1.0), (0.5, 50.0), (0.95, 95.0), (1.0, 100.0)] {
            let got = percentile(counts.iter().copied(), p).unwrap_or_default();
            assert!((got - wanted).abs() <= wanted * 0.051, "p{p}: {got}");
        }
    }

    #[test]
    fn adding_counts_is_the_same_as_counting_together() {
        let (a, b) = ([(1, 5), (9, 2)], [(1, 1), (4, 7)]);
        let together = [(1, 6), (4, 7), (9, 2)];
        for p in [0.1, 0.5, 0.9, 0.99] {
            assert_eq!(percentile(a.into_iter().chain(b), p), percentile(together, p));
        }
    }

    #[test]
    fn three_digits_are_what_the_buckets_know() {
        assert_eq!(rounded(0.0123456), 0.0123);
        assert_eq!(rounded(7.456), 7.46);
        assert_eq!(rounded(123_456.0), 123_000.0);
        assert_eq!(rounded(0.0), 0.0);
    }

    #[test]
    fn of_nothing_there_is_no_rate() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(1, 3), Some(0.3333));
    }
}
