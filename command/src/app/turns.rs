//! Turns: how much of one kind of work a workspace may have under way at once, so that none takes all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use weir_events::WorkspaceId;

/// How many of each workspace may be at it at once.
#[derive(Debug)]
pub(crate) struct Turns {
    each: usize,
    of: Mutex<HashMap<WorkspaceId, Arc<Semaphore>>>,
}

/// All turns were taken for as long as was waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Busy;

impl Turns {
    pub(crate) fn new(each: usize) -> Self {
        Self { each: each.max(1), of: Mutex::default() }
    }

    /// Waits for a turn, which ends when what is returned is dropped.
    pub(crate) async fn take(
        &self,
        workspace: WorkspaceId,
        wait: Duration,
    ) -> Result<OwnedSemaphorePermit, Busy> {
        let semaphore = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            // A workspace that nobody asks in at the moment needs no semaphore.
            if of.len() > 1_000 {
                of.retain(|_, s| Arc::strong_count(s) > 1);
            }
            of.entry(workspace).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
        };
        match tokio::time::timeout(wait, semaphore.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }
}
