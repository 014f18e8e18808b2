//! The log on JetStream keeps the port's promises.

use std::sync::Arc;

use weir_events::EventLog;
use weir_infra::{
    log::{JetStreamLog, Options},
    testing::Nats,
};

async fn fresh() -> (Arc<dyn EventLog>, Nats) {
    let nats = Nats::start().await;
    let log = JetStreamLog::connect(nats.client().await, Options::default()).await.expect("a log");
    (Arc::new(log), nats)
}

weir_events::contract_suite!(fresh);

/// The same with texts sealed on their way in and opened on their way out.
mod sealed {
    use weir_events::MemoryLog;
    use weir_infra::{
        auth::SigningKey,
        testing::{Database, database},
        vault::{SealingLog, Vault},
    };

    use super::*;

    async fn fresh() -> (Arc<dyn EventLog>, Database) {
        let database = database().await;
        let vault = Vault::new(database.pool().clone(), &SigningKey::generate());
        (Arc::new(SealingLog::new(Arc::new(MemoryLog::new()), vault)), database)
    }

    weir_events::contract_suite!(fresh);
}

/// The same with writes that always share a batch, however few they are.
mod always_in_batches {
    use super::*;

    async fn fresh() -> (Arc<dyn EventLog>, Nats) {
        let nats = Nats::start().await;
        let options = Options { min_batch: 2, ..Options::default() };
        let log = JetStreamLog::connect(nats.client().await, options).await.expect("a log");
        (Arc::new(log), nats)
    }

    weir_events::contract_suite!(fresh);
}
