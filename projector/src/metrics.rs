//! What an operator sees of projecting.

weir_infra::metrics! {
    /// What an operator sees of projecting.
    pub struct Metrics in "projector" {
        /// The position up to which everything can be read.
        pub position: IntGauge,
        /// The position of the last event in the log, as of a few seconds ago.
        pub head: IntGauge,
        /// How many events the read models are behind the log.
        pub lag_events: IntGauge,
        /// How old the first event is that the read models do not have, in seconds, as of a few seconds ago; 0 where
        /// there is none.
        pub lag_seconds: Gauge,
        /// Whether this process is the one that writes: 1, or 0 while it stands by or retries.
        pub leading: IntGauge,
        /// Events folded.
        pub events_total: IntCounter,
        /// Batches written.
        pub batches_total: IntCounter,
        /// Events in the last batch.
        pub batch_events: IntGauge,
        /// Time to fold and write a batch.
        pub batch_seconds: Histogram,
        /// Events that could not be folded and went to dead_letters.
        pub dead_letters_total: IntCounter,
        /// Failures after which projecting went back to the checkpoint and tried again.
        pub retries_total: IntCounter,
    }
}
