//! What an event says is erased, is erased: keys of texts, kept results, files.
//!
//! The decision is an event and the deed comes after it, so that a process that dies in between leaves nothing undone:
//! the next one begins with everything that is not known to be done. Each step can be done again.

use std::time::Duration;

use deadpool_postgres::Pool;
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, path::Path};
use tokio::{sync::watch, time::sleep};
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

/// Up to where everything is erased that is to be. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Erased(watch::Receiver<Position>);

impl From<watch::Receiver<Position>> for Erased {
    fn from(done: watch::Receiver<Position>) -> Self {
        Self(done)
    }
}

impl Erased {
    /// Waits until what an event asks for is done; false when that takes longer.
    pub async fn wait_for(&self, position: Position, within: Duration) -> bool {
        let mut done = self.0.clone();
        let reached = done.wait_for(|done| *done >= position);
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

/// Erases.
pub struct Eraser {
    adapters: Adapters,
    app: App,
    done: watch::Sender<Position>,
}

impl std::fmt::Debug for Eraser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Eraser")
    }
}

impl Eraser {
    /// With what tells how far it is.
    pub fn new(adapters: Adapters, app: App) -> (Self, Erased) {
        let (done, erased) = watch::channel(Position::START);
        (Self { adapters, app, done }, Erased(erased))
    }

    /// Erases what there is to erase until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut known = 0;
        loop {
            let erasures = tokio::select! {
                () = shutdown.cancelled() => return,
                erasures = self.adapters.directory.erasures(known) => erasures,
            };
            for erasure in erasures {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.persist(&erasure) => {}
                }
                known += 1;
                self.done.send_replace(erasure.position);
            }
        }
    }

    /// Until it is done.
    async fn persist(&self, erasure: &Erasure) {
        let mut pause = PAUSES.0;
        while let Err(error) = self.erase(erasure).await {
            tracing::error!(position = %erasure.position, error = format!("{error:#}"), "erasing failed and is tried again");
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    async fn erase(&self, erasure: &Erasure) -> anyhow::Result<()> {
        let position = i64::try_from(erasure.position.0)?;
        let Erasure { workspace, whose, at, .. } = *erasure;
        let done = self.is_done(position).await?;
        if !done {
            self.adapters.vault.destroy(workspace, whose, at).await.map_err(|e| anyhow::anyhow!("{e}"))?;
        }
        // Nothing that was opened before is in memory any more, whoever destroyed the keys.
        self.adapters.vault.forget(workspace);
        self.app.forget();
        if done {
            return Ok(());
        }
        match whose {
            Whose::Workspace => {
                self.end_keys(workspace, erasure).await?;
                for folder in FOLDERS {
                    self.delete_all(&Path::from(format!("{folder}/{workspace}"))).await?;
                }
            }
            Whose::Member(user) => self.delete_results(workspace, user, erasure.position).await?,
        }
        let client = self.adapters.pool.get().await?;
        let done =
            "INSERT INTO accounts.erasures (position, done_at) VALUES ($1, now()) ON CONFLICT DO NOTHING";
        client.execute(&client.prepare_cached(done).await?, &[&position]).await?;
        tracing::info!(%workspace, position = %erasure.position, "what was to be erased is erased");
        Ok(())
    }

    async fn is_done(&self, position: i64) -> anyhow::Result<bool> {
        let client = self.adapters.pool.get().await?;
        let known = client.prepare_cached("SELECT FROM accounts.erasures WHERE position = $1").await?;
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
