//! Memory for queries: a share for each, and one bound for all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// What all queries together hold.
#[derive(Debug)]
pub(super) struct Total {
    used: AtomicUsize,
    limit: usize,
}

impl Total {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    fn try_take(&self, bytes: usize) -> bool {
        let next = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One query's pool: its parts share its limit fairly, so that a large sort spills before it starves
/// the join beside it, and nothing is given out beyond the total.
#[derive(Debug)]
pub(super) struct QueryPool {
    own: FairSpillPool,
    limit: usize,
    total: Arc<Total>,
}

impl QueryPool {
    pub(super) fn new(limit: usize, total: Arc<Total>) -> Self {
        Self { own: FairSpillPool::new(limit), limit, total }
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} of {} bytes)", self.own.reserved(), self.limit)
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.own.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.own.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.own.grow(reservation, additional);
        self.total.take(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.own.shrink(reservation, shrink);
        self.total.give(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if !self.total.try_take(additional) {
            let detail = format!("all queries together hold their {} bytes", self.total.limit);
            return Err(DataFusionError::ResourcesExhausted(detail));
        }
        self.own.try_grow(reservation, additional).inspect_err(|_| self.total.give(additional))
    }

    fn reserved(&self) -> usize {
        self.own.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}
