//! How many different hashes there are, of more than can be remembered.

use std::collections::HashMap;

use super::tally::Hashes;

/// `HyperLogLog` registers, and a sample of hashes that shows whether any come back.
///
/// The registers' bits are read with Ertl's improved estimator (arXiv:1702.01284), which needs no
/// tables of corrections. Hashes have 64 bits, so that its correction for full registers never counts.
#[derive(Debug, Clone)]
pub(super) struct Distinct {
    registers: Vec<u8>,
    repeats: Repeats,
}

impl Distinct {
    /// With 2 to the power of `precision` registers, and a sample of so many hashes.
    pub(super) fn new(precision: u32, capacity: usize) -> Self {
        Self { registers: vec![0; 1 << precision], repeats: Repeats::new(capacity) }
    }

    /// Sees a hash so many times.
    pub(super) fn see(&mut self, hash: u64, times: u64) {
        register(&mut self.registers, hash);
        if hash <= self.repeats.bound {
            self.repeats.see(hash, times);
        }
    }

    /// Sees hashes of which those that are zero stand for nothing.
    pub(super) fn see_all(&mut self, hashes: &[u64]) {
        for hash in hashes.iter().filter(|hash| **hash != 0) {
            register(&mut self.registers, *hash);
        }
        for hash in hashes {
            if *hash <= self.repeats.bound && *hash != 0 {
                self.repeats.see(*hash, 1);
            }
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
        self.repeats.merge(&other.repeats);
    }

    /// How many different hashes were seen, of `count` in all; `repeated` where it is known that some came back.
    pub(super) fn estimate(&self, count: u64, repeated: bool) -> u64 {
        let size = self.registers.len() as f64;
        let bits = self.registers.len().trailing_zeros();
        let mut ranks = [0_u32; 66];
        for rank in &self.registers {
            ranks[usize::from(*rank)] += 1;
        }
        let set: f64 =
            (1..=64 - bits as usize).map(|rank| f64::from(ranks[rank]) * (-(rank as f64)).exp2()).sum();
        let empty = f64::from(ranks[0]) / size;
        let estimate = size * size / (2.0 * std::f64::consts::LN_2 * (size * sigma(empty) + set));
        // The one that comes back time and again may be none of the sample. Then the registers know of far fewer.
        let all = !repeated && !self.repeats.any() && estimate >= count as f64 * (1.0 - SURE / size.sqrt());
        if all { count } else { (estimate.round() as u64).clamp(1, count.saturating_sub(1).max(1)) }
    }
}

/// Five times the standard error of the estimate with one register: no more than one in a million is off by as much.
const SURE: f64 = 5.0 * 1.04;

/// Keeps the highest rank of the hashes that share a register.
fn register(registers: &mut [u8], hash: u64) {
    let bits = registers.len().trailing_zeros();
    let register = &mut registers[(hash as usize) & (registers.len() - 1)];
    // A bit above all others ends the count.
    let rank = (((hash >> bits) | (1 << (64 - bits))).trailing_zeros() + 1) as u8;
    *register = rank.max(*register);
}

/// The weight of registers that are empty, of which there is this share.
fn sigma(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut factor, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let next = sum + power * factor;
        if next <= sum {
            return sum;
        }
        sum = next;
        factor *= 2.0;
    }
}

/// All occurrences of the hashes up to a bound, which falls so that they stay few. Hashes are uniform,
/// so that these stand for all: where one in two hundred comes back, some of a thousand do.
#[derive(Debug, Clone)]
struct Repeats {
    capacity: usize,
    bound: u64,
    counts: HashMap<u64, u64, Hashes>,
}

impl Repeats {
    fn new(capacity: usize) -> Self {
        Self { capacity, bound: u64::MAX, counts: HashMap::default() }
    }

    fn see(&mut self, hash: u64, times: u64) {
        *self.counts.entry(hash).or_default() += times;
        self.keep_few();
    }

    fn keep_few(&mut self) {
        while self.counts.len() > self.capacity {
            self.bound /= 2;
            let bound = self.bound;
            self.counts.retain(|hash, _| *hash <= bound);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.bound = self.bound.min(other.bound);
        let bound = self.bound;
        self.counts.retain(|hash, _| *hash <= bound);
        for (hash, times) in &other.counts {
            if *hash <= bound {
                *self.counts.entry(*hash).or_default() += times;
            }
        }
        self.keep_few();
    }

    fn any(&self) -> bool {
        self.counts.values().any(|times| *times > 1)
    }
}
