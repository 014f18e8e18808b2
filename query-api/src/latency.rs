//! Times counted in buckets, as they come out of the read models.

use tokio_postgres::Row;
use weir_infra::latency;

use crate::reader::Decoded;

/// How many runs took how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Latencies(Vec<(i16, i64)>);

impl Latencies {
    /// From the columns `buckets` and `counts`.
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let (buckets, counts): (Vec<i16>, Vec<i64>) = (row.try_get("buckets")?, row.try_get("counts")?);
        Ok(Self(buckets.into_iter().zip(counts).collect()))
    }

    /// Both together.
    pub(crate) fn add(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// The time in milliseconds that a share of the runs kept within, in three significant digits:
    /// the buckets know no more.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        latency::percentile(self.0.iter().copied(), share).map(rounded)
    }
}

/// The number in three significant digits.
fn rounded(ms: f64) -> f64 {
    if ms <= 0.0 || !ms.is_finite() {
        return 0.0;
    }
    let digits = 2 - ms.log10().floor() as i32;
    let scale = 10_f64.powi(digits.abs());
    if digits >= 0 { (ms * scale).round() / scale } else { (ms / scale).round() * scale }
}

/// A share of a whole, from 0 to 1, in four digits; `None` of nothing.
pub(crate) fn rate(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
