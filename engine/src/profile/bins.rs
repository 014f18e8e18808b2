//! Quantiles and a histogram of weighted values.

use super::numbers::Number;

/// The shares that quantiles are taken of.
pub(super) const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Bins of a histogram, unless there are fewer whole numbers than that.
pub(super) const BINS: usize = 20;

/// Values in order, each with how many it stands for.
pub(super) struct Weighted<T>(Vec<(T, f64)>);

impl<T: Number> Weighted<T> {
    /// All of the given values but those that are no number.
    pub(super) fn new(values: impl IntoIterator<Item = (T, f64)>) -> Self {
        let mut values: Vec<(T, f64)> = values.into_iter().filter(|(value, _)| !value.is_nan()).collect();
        values.sort_by(|a, b| a.0.order(&b.0));
        Self(values)
    }

    /// For each of [`SHARES`] the first value at or below which that share lies.
    pub(super) fn quantiles(&self) -> Vec<(f64, T)> {
        let all: f64 = self.0.iter().map(|(_, weight)| weight).sum();
        let mut quantiles = Vec::with_capacity(SHARES.len());
        let (mut at, mut below) = (0, 0.0);
        for share in SHARES {
            let Some(last) = self.0.len().checked_sub(1) else { break };
            // Rounding must not carry a rank beyond the value that it means.
            while at < last && below + self.0[at].1 < share * all * (1.0 - 1e-12) {
                below += self.0[at].1;
                at += 1;
            }
            quantiles.push((share, self.0[at].0));
        }
        quantiles
    }

    /// Bins from the least to the greatest, with how many of `count` values each has.
    pub(super) fn histogram(&self, least: T, most: T, count: u64) -> Vec<(T, T, u64)> {
        let finite = || self.0.iter().filter(|(value, _)| value.is_finite());
        // Where the ends are infinite, those of what is finite are taken.
        let least = if least.is_finite() { Some(least) } else { finite().next().map(|(v, _)| *v) };
        let most = if most.is_finite() { Some(most) } else { finite().next_back().map(|(v, _)| *v) };
        let (Some(least), Some(most)) = (least, most) else { return Vec::new() };
        let bins = T::bins(least, most, BINS);
        let mut weights = vec![0.0; bins.len()];
        let mut bin = 0;
        for (value, weight) in finite() {
            while bin + 1 < bins.len() && value.order(&bins[bin + 1].0).is_ge() {
                bin += 1;
            }
            if let Some(sum) = weights.get_mut(bin) {
                *sum += weight;
            }
        }
        let all: f64 = weights.iter().sum();
        let scale = if all > 0.0 { count as f64 / all } else { 0.0 };
        let counted = |(bin, weight): ((T, T), &f64)| (bin.0, bin.1, (weight * scale).round() as u64);
        bins.into_iter().zip(&weights).map(counted).collect()
    }
}
