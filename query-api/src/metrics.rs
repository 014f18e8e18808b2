//! What the read side counts. Labels name routes and outcomes, never a tenant or anything of one.

use std::time::Duration;

weir_infra::metrics! {
    /// The read side's metrics.
    pub(crate) struct Metrics in "read" {
        /// How long reads took to answer, by route and by what answered:
        /// hit (memory), shared (another request's look at the database), not_modified, miss (the database),
        /// bypass (the database, since the caller wanted no kept answer).
        pub(crate) answer_seconds: HistogramVec["route", "outcome"],
        /// Reads that asked for a minimum position: there already, arrived in time, not_reached.
        pub(crate) waits_total: IntCounterVec["outcome"],
        /// The position in the event stream that reads see.
        pub(crate) position: IntGauge,
        /// Bytes of ready answers in memory, plain and packed.
        pub(crate) cache_bytes: IntGauge,
    }
}

impl Metrics {
    /// A read was answered.
    pub(crate) fn answered(&self, route: &str, outcome: &'static str, took: Duration) {
        self.answer_seconds.with_label_values(&[route, outcome]).observe(took.as_secs_f64());
    }

    /// A read had to be new enough.
    pub(crate) fn waited(&self, outcome: &'static str) {
        self.waits_total.with_label_values(&[outcome]).inc();
    }

    /// How much is kept.
    pub(crate) fn kept(&self, bytes: u64) {
        self.cache_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// How far reads are.
    pub(crate) fn reached(&self, position: weir_events::Position) {
        self.position.set(i64::try_from(position.0).unwrap_or(i64::MAX));
    }
}
