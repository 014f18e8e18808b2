//! A uniform sample of all values, of bounded size.

use super::random::Random;

/// A reservoir: each value seen is in it with the same chance. Once it is full, most values are passed
/// over without a look (Li's algorithm L, 1994), so that it costs next to nothing.
#[derive(Debug, Clone)]
pub(super) struct Sample<T> {
    capacity: usize,
    items: Vec<T>,
    seen: u64,
    /// The number of the next value that goes in, once the reservoir is full.
    next: u64,
    weight: f64,
    random: Random,
}

impl<T> Sample<T> {
    pub(super) fn new(capacity: usize) -> Self {
        let random = Random::new(capacity as u64);
        Self { capacity, items: Vec::new(), seen: 0, next: 0, weight: 1.0, random }
    }

    /// Sees so many values, and asks for those that go in, by number and in ascending order.
    pub(super) fn see(&mut self, count: usize, mut get: impl FnMut(usize) -> T) {
        let mut at = 0;
        while self.items.len() < self.capacity && at < count {
            self.items.push(get(at));
            at += 1;
            if self.items.len() == self.capacity {
                self.next = self.seen + at as u64;
                self.skip();
            }
        }
        while self.items.len() == self.capacity && self.next < self.seen + count as u64 {
            let slot = self.random.below(self.capacity as u64) as usize;
            self.items[slot] = get((self.next - self.seen) as usize);
            self.next += 1;
            self.skip();
        }
        self.seen += count as u64;
    }

    /// Draws how many values are passed over.
    fn skip(&mut self) {
        self.weight *= (self.random.unit().ln() / self.capacity as f64).exp();
        self.pass();
    }

    fn pass(&mut self) {
        let passed = (self.random.unit().ln() / (-self.weight).ln_1p()).floor();
        // A cast to a whole number ends at its bounds.
        self.next = self.next.saturating_add(passed as u64);
    }

    /// As if this one had seen what the other saw as well.
    pub(super) fn merge(&mut self, mut other: Self) {
        let (mut mine, mut theirs) = (self.seen, other.seen);
        self.seen += other.seen;
        if self.is_whole_with(&other) {
            self.items.append(&mut other.items);
        } else {
            let mut own = std::mem::take(&mut self.items);
            while self.items.len() < self.capacity && mine + theirs > 0 {
                let from_own = self.random.below(mine + theirs) < mine;
                let (source, left) =
                    if from_own { (&mut own, &mut mine) } else { (&mut other.items, &mut theirs) };
                *left -= 1;
                if source.is_empty() {
                    // The other's sample may be smaller than this one: what it lacks is left out.
                    continue;
                }
                let at = self.random.below(source.len() as u64) as usize;
                self.items.push(source.swap_remove(at));
            }
        }
        if self.items.len() == self.capacity {
            // What a reservoir would have here on average after as many values.
            self.weight = self.capacity as f64 / (self.seen + 1) as f64;
            self.next = self.seen;
            self.pass();
        }
    }

    fn is_whole_with(&self, other: &Self) -> bool {
        let all = self.items.len() + other.items.len();
        all as u64 == self.seen && all <= self.capacity
    }

    /// Whether it holds all that was seen.
    pub(super) fn is_whole(&self) -> bool {
        self.items.len() as u64 == self.seen
    }

    pub(super) fn items(&self) -> &[T] {
        &self.items
    }
}
