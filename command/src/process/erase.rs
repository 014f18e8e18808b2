//! What an event says is erased, is erased: keys of texts, kept results, files.
//!
//! The decision is an event and the deed comes after it, so that a process that dies in between leaves nothing undone:
//! the next one begins with everything that is not known to be done. Each step can be done again, save that keys go
//! once.
//!
//! An upload or a query that was under way when it was decided may leave something behind after the deed. So each is done
//! once more, later than anything can still be under way.

use std::{collections::HashSet, sync::Arc, time::Duration};

use deadpool_postgres::Pool;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use weir_events::{Event, Filter, Position, Start, UserId, WorkspaceId, envelope::header, query};
use weir_infra::{
    blob::Blobs,
    vault::{Vault, Whose},
};

use crate::{
    app::App,
    directory::{Directory, Erasure},
};

/// The pauses between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// Events that are read at a time.
const PAGE: usize = 500;
/// Files that are deleted at once.
const AT_ONCE: usize = 8;
/// Where a workspace's files are, each under a folder of its own.
const FOLDERS: [&str; 3] = ["uploads", "tables", "results"];

/// How long after the deed it is looked whether something came after it: longer than an upload or a query takes.
const SWEEP: Duration = Duration::from_secs(3600);
/// The pause between looks for what is to be swept.
const SWEEPS: Duration = Duration::from_secs(60);
/// Erasures that are carried out at once.
const ERASURES: usize = 4;

/// What is erased of what is to be. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Erased(watch::Receiver<HashSet<Position>>);

impl From<watch::Receiver<HashSet<Position>>> for Erased {
    fn from(done: watch::Receiver<HashSet<Position>>) -> Self {
        Self(done)
    }
}

impl Erased {
    /// Waits until what an event asks for is done; false when that takes longer.
    pub async fn wait_for(&self, position: Position, within: Duration) -> bool {
        let mut done = self.0.clone();
        let reached = done.wait_for(|done| done.contains(&position));
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }
}

/// What erasing needs.
#[derive(Debug, Clone)]
pub struct Adapters {
    /// The keys of texts.
    pub vault: Vault,
    /// Uploads, tables, results.
    pub blobs: Blobs,
    /// Where it is noted what is done.
    pub pool: Pool,
    /// What is to be erased.
    pub directory: Directory,
}

/// Erases. Clones share it.
#[derive(Clone)]
pub struct Eraser {
    adapters: Adapters,
    app: App,
    done: watch::Sender<HashSet<Position>>,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Eraser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Eraser")
    }
}

impl Eraser {
    /// With what tells what it has done.
    pub fn new(adapters: Adapters, app: App) -> (Self, Erased) {
        let (done, erased) = watch::channel(HashSet::new());
        (Self { adapters, app, done, turns: Arc::new(Semaphore::new(ERASURES)) }, Erased(erased))
    }

    /// Erases what there is to erase until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut known = 0;
        // They end with this: one that fails holds up no other.
        let mut tasks = JoinSet::new();
        let mut sweeps = tokio::time::interval(SWEEPS);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                erasures = self.adapters.directory.erasures(known) => {
                    known += erasures.len();
                    // Also those of before this process, which may be due.
                    sweeps.reset_immediately();
                    for erasure in erasures {
                        let eraser = self.clone();
                        tasks.spawn(async move {
                            eraser.persist(&erasure).await;
                            eraser.done.send_if_modified(|done| done.insert(erasure.position));
                        });
                    }
                }
                Some(_) = tasks.join_next() => {}
                _ = sweeps.tick() => {
                    if let Err(error) = self.sweep(known).await {
                        tracing::warn!(error = format!("{error:#}"), "sweeping after erasures failed and is tried again");
                    }
                }
            }
        }
    }

    /// Until it is done.
    async fn persist(&self, erasure: &Erasure) {
        let mut pause = PAUSES.0;
        loop {
            let turn = self.turns.acquire().await;
            let Err(error) = self.erase(erasure).await else { return };
            drop(turn);
            tracing::error!(position = %erasure.position, error = format!("{error:#}"), "erasing failed and is tried again");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn erase(&self, erasure: &Erasure) -> anyhow::Result<()> {
        let position = i64::try_from(erasure.position.0)?;
        let Erasure { workspace, whose, .. } = *erasure;
        let done = self.is_done(position).await?;
        if !done {
            let destroyed = self.adapters.vault.destroy(workspace, whose, erasure.position).await;
            destroyed.map_err(|e| anyhow::anyhow!("{e}"))?;
        }
        // Nothing that was opened before is in memory any more, whoever destroyed the keys.
        self.adapters.vault.forget(workspace);
        self.app.forget();
        if done {
            return Ok(());
        }
        self.delete(erasure, erasure.position).await?;
        let done = "UPDATE accounts.erasures SET done_at = now() WHERE position = $1 AND done_at IS NULL";
        self.note(done, position).await?;
        tracing::info!(%workspace, position = %erasure.position, "what was to be erased is erased");
        Ok(())
    }

    /// Does once more what was done long enough ago, of the `known` first.
    async fn sweep(&self, known: usize) -> anyhow::Result<()> {
        let due = {
            let client = self.adapters.pool.get().await?;
            let due = "SELECT position FROM accounts.erasures
                       WHERE swept_at IS NULL AND done_at < now() - make_interval(secs => $1)";
            client.query(&client.prepare_cached(due).await?, &[&SWEEP.as_secs_f64()]).await?
        };
        let due = due.iter().map(|row| row.try_get(0)).collect::<Result<HashSet<i64>, _>>()?;
        if due.is_empty() || known == 0 {
            return Ok(());
        }
        let head = self.app.executor().log().head().await?;
        for erasure in self.adapters.directory.erasures(0).await {
            let position = i64::try_from(erasure.position.0)?;
            if !due.contains(&position) {
                continue;
            }
            let swept = async {
                self.delete(&erasure, head).await?;
                self.note("UPDATE accounts.erasures SET swept_at = now() WHERE position = $1", position).await
            };
            // One that fails is tried again with the next look, and holds up none.
            if let Err(error) = swept.await {
                tracing::warn!(%position, error = format!("{error:#}"), "sweeping after an erasure failed");
            }
        }
        Ok(())
    }

    /// Deletes what is kept of it, runs up to a position included.
    async fn delete(&self, erasure: &Erasure, to: Position) -> anyhow::Result<()> {
        let workspace = erasure.workspace;
        match erasure.whose {
            Whose::Workspace => {
                self.end_keys(workspace, erasure).await?;
                for folder in FOLDERS {
                    self.delete_all(&Path::from(format!("{folder}/{workspace}"))).await?;
                }
                // With what they were told, which goes with them.
                self.run_for(workspace, "DELETE FROM webhooks.hooks WHERE workspace_id = $1").await
            }
            Whose::Member(user) => {
                self.delete_results(workspace, user, to).await?;
                self.run_for(workspace, include_str!("erase_said.sql")).await
            }
        }
    }

    async fn run_for(&self, workspace: WorkspaceId, statement: &str) -> anyhow::Result<()> {
        let client = self.adapters.pool.get().await?;
        client.execute(&client.prepare_cached(statement).await?, &[&workspace.0]).await?;
        Ok(())
    }

    async fn note(&self, statement: &str, position: i64) -> anyhow::Result<()> {
        let client = self.adapters.pool.get().await?;
        client.execute(&client.prepare_cached(statement).await?, &[&position]).await?;
        Ok(())
    }

    async fn is_done(&self, position: i64) -> anyhow::Result<bool> {
        let client = self.adapters.pool.get().await?;
        let known = client
            .prepare_cached("SELECT FROM accounts.erasures WHERE position = $1 AND done_at IS NOT NULL")
            .await?;
        Ok(client.query_opt(&known, &[&position]).await?.is_some())
    }

    /// Ends the API keys of a workspace.
    async fn end_keys(&self, workspace: WorkspaceId, erasure: &Erasure) -> anyhow::Result<()> {
        let client = self.adapters.pool.get().await?;
        let end =
            "UPDATE accounts.api_keys SET deleted_at = $2 WHERE workspace_id = $1 AND deleted_at IS NULL";
        client.execute(&client.prepare_cached(end).await?, &[&workspace.0, &erasure.at]).await?;
        Ok(())
    }

    async fn delete_all(&self, folder: &Path) -> anyhow::Result<()> {
        let blobs = &self.adapters.blobs;
        let found = blobs.list(Some(folder)).map_ok(|object| object.location);
        found
            .map_err(anyhow::Error::from)
            .try_for_each_concurrent(AT_ONCE, async |path| delete(blobs, &path).await)
            .await
    }

    /// Deletes the kept answers of what someone asked. Whoever asked the same gets it computed again.
    async fn delete_results(&self, workspace: WorkspaceId, user: UserId, to: Position) -> anyhow::Result<()> {
        let log = self.app.executor().log();
        let mut after = Position::START;
        while after < to {
            let page = log.read(&Filter::Workspace(workspace), Start::After(after), PAGE).await?;
            for event in &page.events {
                after = event.position;
                // Most events are of another kind.
                if event
                    .headers
                    .get(header::TYPE)
                    .is_none_or(|kind| !kind.starts_with("weir.query.executed."))
                {
                    continue;
                }
                let Ok(recorded) = event.decode() else { continue };
                if let Event::Query(query::Event::Executed(run)) = &recorded.event
                    && recorded.meta.actor.user() == Some(user)
                    && let Some(path) = run.result.as_ref().and_then(|key| Path::parse(key).ok())
                {
                    delete(&self.adapters.blobs, &path).await?;
                }
            }
            if page.end {
                break;
            }
        }
        Ok(())
    }
}

/// Deletes a file, which may be gone already.
async fn delete(blobs: &Blobs, path: &Path) -> anyhow::Result<()> {
    match blobs.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
