//! What the read side counts. Labels name routes and outcomes, never a tenant or anything of one.

use std::time::Duration;

weir_infra::metrics! {
    /// The read side's metrics.
    pub(crate) struct Metrics in "read" {
        /// How long reads took to answer, by route and by what answered:
        /// hit (memory), not_modified, miss (the database).
        pub(crate) answer_seconds: HistogramVec["route", "outcome"],
        /// Reads that asked for a minimum position: there already, arrived in time, not_reached.
        pub(crate) waits_total: IntCounterVec["outcome"],
        /// The position in the event stream that reads see.
        pub(crate) position: IntGauge,
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

    /// How far reads are.
    pub(crate) fn reached(&self, position: weir_events::Position) {
        self.position.set(i64::try_from(position.0).unwrap_or(i64::MAX));
    }
}
