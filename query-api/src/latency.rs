//! Times counted in buckets, as they come out of the read models.

use tokio_postgres::Row;
pub(crate) use weir_infra::latency::rate;
use weir_infra::latency::{self, rounded};

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
