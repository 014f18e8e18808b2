//! The log in memory keeps the port's promises.

use std::sync::Arc;

use weir_events::{EventLog, MemoryLog};

async fn fresh() -> (Arc<dyn EventLog>, ()) {
    (Arc::new(MemoryLog::new()), ())
}

weir_events::contract_suite!(fresh);
