//! The loop that every fold is: live, rebuilt or checked.

use std::{sync::Arc, time::Instant};

use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, FollowError, Position};

use crate::{
    reader::{Bounds, Reader},
    store,
    writer::Writer,
};

/// Why folding stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Log(#[from] FollowError),
    #[error(transparent)]
    Database(#[from] store::Error),
}

/// A batch that is there for all to read.
pub(crate) struct Step {
    pub(crate) position: Position,
    pub(crate) events: usize,
    pub(crate) dead: usize,
    pub(crate) seconds: f64,
}

/// Folds what comes after the writer's position: up to and including `until`, or on and on until
/// shut down. The batch in hand is finished in any case.
pub(crate) async fn advance(
    log: &Arc<dyn EventLog>,
    writer: &mut Writer,
    until: Option<Position>,
    bounds: Bounds,
    shutdown: &CancellationToken,
    mut each: impl FnMut(Step),
) -> Result<(), FoldError> {
    let mut reader = Reader::start(log, writer.projections(), writer.position(), until, bounds);
    loop {
        let batch = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(()),
            batch = reader.next() => batch?,
        };
        let Some(batch) = batch else { return Ok(()) };
        let (events, begun) = (batch.len(), Instant::now());
        let dead = writer.write(batch).await?;
        each(Step { position: writer.position(), events, dead, seconds: begun.elapsed().as_secs_f64() });
    }
}
