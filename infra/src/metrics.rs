//! Metrics: each component declares one struct with [`metrics!`](crate::metrics!), whose doc comments are the
//! help texts that Prometheus shows, and registers it once.
//!
//! ```
//! weir_infra::metrics! {
//!     /// What the gate does.
//!     pub struct Metrics in "gate" {
//!         /// Visitors let in.
//!         pub visitors_total: IntCounter,
//!         /// Visitors turned away, by reason.
//!         pub refused_total: IntCounterVec["reason"],
//!     }
//! }
//! let registry = weir_infra::metrics::registry();
//! let metrics = Metrics::register(&registry)?;
//! metrics.refused_total.with_label_values(&["late"]).inc();
//! assert!(weir_infra::metrics::render(&registry)?.contains(r#"weir_gate_refused_total{reason="late"} 1"#));
//! # Ok::<(), prometheus::Error>(())
//! ```

pub use prometheus;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};

/// Bounds in seconds that tell a cached answer (under 1 ms) from a long query (a minute).
pub const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

/// An empty registry.
pub fn registry() -> Registry {
    Registry::new()
}

/// Everything in a registry, in the Prometheus text format.
///
/// # Errors
/// When two components registered metrics of one name but different kinds.
pub fn render(registry: &Registry) -> Result<String, prometheus::Error> {
    let mut out = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A kind of metric that [`metrics!`](crate::metrics!) can declare.
pub trait Metric: Collector + Clone + 'static {
    /// Makes one.
    ///
    /// # Errors
    /// When name or labels are not as Prometheus wants them.
    fn make(name: &str, help: &str, labels: &[&str]) -> Result<Self, prometheus::Error>;
}

macro_rules! kinds {
    ($($kind:ty: |$opts:ident, $labels:ident| $make:expr;)*) => {$(
        impl Metric for $kind {
            fn make(name: &str, help: &str, $labels: &[&str]) -> Result<Self, prometheus::Error> {
                let $opts = Opts::new(name, help);
                $make
            }
        }
    )*};
}

kinds! {
    IntCounter: |opts, _labels| Self::with_opts(opts);
    IntCounterVec: |opts, labels| Self::new(opts, labels);
    IntGauge: |opts, _labels| Self::with_opts(opts);
    IntGaugeVec: |opts, labels| Self::new(opts, labels);
    Gauge: |opts, _labels| Self::with_opts(opts);
    GaugeVec: |opts, labels| Self::new(opts, labels);
    Histogram: |opts, _labels| Self::with_opts(HistogramOpts::from(opts).buckets(SECONDS.to_vec()));
    HistogramVec: |opts, labels| Self::new(HistogramOpts::from(opts).buckets(SECONDS.to_vec()), labels);
}

/// Makes and registers one metric: what [`metrics!`](crate::metrics!) expands to.
///
/// # Errors
/// When another metric has its name.
pub fn add<M: Metric>(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<M, prometheus::Error> {
    let metric = M::make(name, help.trim(), labels)?;
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Declares a component's metrics; see [the module](crate::metrics) for an example. Names become
/// `weir_<component>_<field>`; histograms count seconds.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident in $component:literal {
            $( $(#[doc = $help:literal])+ $field_vis:vis $field:ident: $kind:ident $([$($label:literal),+])? ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $help])+ $field_vis $field: $crate::metrics::prometheus::$kind, )*
        }

        impl $name {
            /// Makes the metrics and registers them.
            ///
            /// # Errors
            /// When another metric has one of the names.
            $vis fn register(
                registry: &$crate::metrics::prometheus::Registry,
            ) -> Result<Self, $crate::metrics::prometheus::Error> {
                Ok(Self {
                    $( $field: $crate::metrics::add(
                        registry,
                        concat!("weir_", $component, "_", stringify!($field)),
                        concat!($($help),+),
                        &[$($($label),+)?],
                    )?, )*
                })
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::metrics! {
        /// For the test.
        struct Metrics in "test" {
            /// Things that
            /// happened.
            happened_total: IntCounter,
            /// How long they took.
            duration_seconds: HistogramVec["kind", "outcome"],
        }
    }

    #[test]
    fn doc_comments_are_the_help_texts() {
        let registry = super::registry();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.happened_total.inc();
        metrics.duration_seconds.with_label_values(&["a", "ok"]).observe(0.003);
        let text = super::render(&registry).unwrap();
        assert!(text.contains("# HELP weir_test_happened_total Things that happened."), "{text}");
        assert!(
            text.contains(r#"weir_test_duration_seconds_bucket{kind="a",outcome="ok",le="0.005"} 1"#),
            "{text}"
        );
        assert!(Metrics::register(&registry).is_err(), "a name is taken once");
    }
}
