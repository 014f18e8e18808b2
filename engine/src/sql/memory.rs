//! Memory for queries: a share for each, and one bound for all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// A number of bytes that does not go beyond its limit when it is asked to.
#[derive(Debug)]
pub(super) struct Total {
    used: AtomicUsize,
    limit: usize,
}

impl Total {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    fn try_take(&self, bytes: usize) -> Result<()> {
        let next = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(used) => {
                let detail = format!("{bytes} bytes wanted, {used} of {} are taken", self.limit);
                Err(DataFusionError::ResourcesExhausted(detail))
            }
        }
    }

    fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// One query's pool, within the pool of all.
///
/// Parts that can spill share half of it fairly. The other half is for those that cannot: among them
/// are the merges that a sort needs in order to spill, so that a sort which took everything would fail
/// at the very moment when it has to let go.
#[derive(Debug)]
pub(super) struct QueryPool {
    spilling: FairSpillPool,
    own: Total,
    total: Arc<Total>,
}

impl QueryPool {
    pub(super) fn new(limit: usize, total: Arc<Total>) -> Self {
        Self { spilling: FairSpillPool::new(limit / 2), own: Total::new(limit), total }
    }
}

impl fmt::Display for QueryPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query({} of {} bytes)", self.reserved(), self.own.limit)
    }
}

impl MemoryPool for QueryPool {
    fn name(&self) -> &str {
        "query"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.spilling.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.spilling.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        if reservation.consumer().can_spill() {
            self.spilling.grow(reservation, additional);
        }
        self.own.take(additional);
        self.total.take(additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        if reservation.consumer().can_spill() {
            self.spilling.shrink(reservation, shrink);
        }
        self.own.give(shrink);
        self.total.give(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.total.try_take(additional)?;
        self.own.try_take(additional).inspect_err(|_| self.total.give(additional))?;
        if reservation.consumer().can_spill() {
            self.spilling.try_grow(reservation, additional).inspect_err(|_| {
                self.own.give(additional);
                self.total.give(additional);
            })?;
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.own.used.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.own.limit)
    }
}
