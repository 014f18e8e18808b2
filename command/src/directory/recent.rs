//! The newest runs, by id: enough for a chart to be made from a run that was just looked at.

use std::collections::{HashMap, VecDeque};

use weir_events::{QueryId, RunId, WorkspaceId, query::Within};
use weir_infra::vault::ERASED;

/// How many bytes of SQL are kept over all workspaces.
const BYTES: usize = 32 << 20;
/// What a run takes besides its SQL, about, in bytes.
const OVERHEAD: usize = 200;

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its pattern.
    pub query_id: QueryId,
    /// Its SQL.
    pub sql: String,
    /// The context that it was asked in, if it was.
    pub within: Option<Within>,
}

/// The newest runs, bounded by the memory that they take.
#[derive(Debug, Default)]
pub(super) struct Recent {
    runs: HashMap<(WorkspaceId, RunId), Run>,
    order: VecDeque<(WorkspaceId, RunId)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn add(&mut self, workspace: WorkspaceId, id: RunId, run: Run) {
        // Nobody can draw a chart of SQL that was erased.
        if run.sql == ERASED {
            return;
        }
        let (key, bytes) = ((workspace, id), run.sql.len() + OVERHEAD);
        if self.runs.insert(key, run).is_none() {
            self.order.push_back(key);
            self.bytes += bytes;
        }
        while self.bytes > BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(run) = self.runs.remove(&oldest) {
                self.bytes -= (run.sql.len() + OVERHEAD).min(self.bytes);
            }
        }
    }

    /// Forgets a workspace's runs.
    pub(super) fn forget(&mut self, workspace: WorkspaceId) {
        self.order.retain(|key| key.0 != workspace);
        let (runs, bytes) = (&mut self.runs, &mut self.bytes);
        runs.retain(|key, run| {
            let stays = key.0 != workspace;
            if !stays {
                *bytes -= (run.sql.len() + OVERHEAD).min(*bytes);
            }
            stays
        });
    }

    pub(super) fn get(&self, workspace: WorkspaceId, id: RunId) -> Option<Run> {
        self.runs.get(&(workspace, id)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_oldest_runs_are_forgotten() {
        let mut recent = Recent::default();
        let (workspace, query) = (WorkspaceId(Uuid::nil()), QueryId(Uuid::nil()));
        let sql = "x".repeat(1 << 20);
        for n in 0..40 {
            let run = Run { query_id: query, sql: sql.clone(), within: None };
            recent.add(workspace, RunId(Uuid::from_u128(n)), run);
        }
        assert!(recent.get(workspace, RunId(Uuid::from_u128(0))).is_none());
        assert!(recent.get(workspace, RunId(Uuid::from_u128(39))).is_some());
        assert!(recent.bytes <= BYTES && recent.runs.len() == recent.order.len());
        recent.forget(WorkspaceId(Uuid::from_u128(9)));
        assert!(recent.get(workspace, RunId(Uuid::from_u128(39))).is_some());
        recent.forget(workspace);
        assert_eq!((recent.bytes, recent.runs.len(), recent.order.len()), (0, 0, 0));
    }
}
