//! What commands need to know of the workspaces, in memory: a fold of the whole stream.
//!
//! There is no database on the write path. The directory follows the log from its first event; it
//! answers once it has caught up with where the log was at the start, and a command that has to see
//! its own effect waits for its position. What it says may be a moment behind what others wrote:
//! whatever must not be decided on old news is guarded in the log itself.
//!
//! It holds what people made (workspaces, datasets, patterns, charts), never what happened, so its
//! size does not grow with time. An event that this build cannot read is logged, counted and
//! skipped, save one that says who may see a workspace: without it someone who was sent away would
//! stay, so the directory stops there.

mod model;
mod recent;

use std::{
    cmp::Reverse,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;
use weir_events::{
    Aggregate, ContextId, DatasetId, EventLog, Filter, FollowError, Position, QueryId, RunId, Unavailable,
    UserId, VisualizationId, WebhookId, WorkspaceId,
    member::Role,
    name::{self, Kind},
    query,
};
use weir_infra::{auth::Memberships, http::Problem};

pub use model::{
    Approved, Context, ContextVersion, Dataset, Erasure, Query, Ready, Status, Visualization, Webhook,
};
pub use recent::Run;

use crate::{
    accounts::{Member, Workspace, Workspaces},
    domain::{validate, webhook::Standing},
};
use model::Model;

/// What commands need to know of all workspaces. Clones share it.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    model: Arc<RwLock<Model>>,
    skipped: Arc<AtomicU64>,
    reached: watch::Receiver<Reached>,
    erasures: watch::Receiver<usize>,
    _follower: AbortOnDropHandle<()>,
}

/// How far the directory is, and why it stopped if it did.
#[derive(Debug, Clone, Default)]
struct Reached {
    position: Position,
    ended: Option<FollowError>,
}

/// Why a directory could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The log does not say how long it is.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The log cannot be followed.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

/// What a table's name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Named {
    /// A version of a dataset that can be queried.
    Ready {
        /// The dataset.
        id: DatasetId,
        /// Its name.
        name: String,
        /// The version.
        ready: Arc<Ready>,
    },
    /// A dataset whose file is still being read.
    Ingesting(String),
}

impl Directory {
    /// Reads the log to where it ends now, then goes on following it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn start(log: &dyn EventLog) -> Result<Self, StartError> {
        let head = log.head().await?;
        let mut events = log.follow(Filter::All, Position::START);
        let model = Arc::new(RwLock::new(Model::default()));
        let skipped = Arc::new(AtomicU64::new(0));
        let (sender, reached) = watch::channel(Reached::default());
        let (erasing, erasures) = watch::channel(0);
        let (fold, count) = (model.clone(), skipped.clone());
        let follower = tokio::spawn(async move {
            while let Some(next) = events.next().await {
                let stored = match next {
                    Ok(stored) => stored,
                    Err(error) => {
                        tracing::error!(%error, "the directory cannot follow the event log any more");
                        sender.send_modify(|r| r.ended = Some(error));
                        return;
                    }
                };
                match stored.decode() {
                    Ok(recorded) => {
                        let erasures = {
                            let mut model = fold.write().unwrap_or_else(PoisonError::into_inner);
                            model.apply(&recorded);
                            model.erasures.len()
                        };
                        erasing.send_if_modified(|known| std::mem::replace(known, erasures) != erasures);
                    }
                    Err(error) if about_members(&stored.subject) => {
                        let reason = format!(
                            "the event at position {} says who is in a workspace and cannot be read: {error}",
                            stored.position
                        );
                        tracing::error!(%reason, "the directory stops");
                        sender.send_modify(|r| r.ended = Some(FollowError::Failed(reason)));
                        return;
                    }
                    Err(error) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(position = %stored.position, %error, "an event was skipped");
                    }
                }
                sender.send_modify(|r| r.position = stored.position);
            }
        });
        let inner = Inner { model, skipped, reached, erasures, _follower: AbortOnDropHandle::new(follower) };
        let directory = Self(Arc::new(inner));
        directory.reach(head).await?;
        Ok(directory)
    }

    async fn reach(&self, position: Position) -> Result<(), FollowError> {
        let mut reached = self.0.reached.clone();
        let stopped = || FollowError::Failed("the directory's follower stopped".to_owned());
        let now =
            reached.wait_for(|r| r.position >= position || r.ended.is_some()).await.map_err(|_| stopped())?;
        match &now.ended {
            Some(error) if now.position < position => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// How far it is.
    pub fn position(&self) -> Position {
        self.0.reached.borrow().position
    }

    /// Events that this build could not read.
    pub fn skipped(&self) -> u64 {
        self.0.skipped.load(Ordering::Relaxed)
    }

    /// Ends only when the directory can follow the log no more; the process should then end too.
    pub async fn ended(&self) -> FollowError {
        let mut reached = self.0.reached.clone();
        let ended = match reached.wait_for(|r| r.ended.is_some()).await {
            Ok(r) => r.ended.clone(),
            Err(_) => None,
        };
        ended.unwrap_or_else(|| FollowError::Failed("the directory's follower stopped".to_owned()))
    }

    /// Waits until everything up to a position is known; `false` when that took longer than
    /// `timeout`.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> bool {
        matches!(tokio::time::timeout(timeout, self.reach(position)).await, Ok(Ok(())))
    }

    fn read<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        // A fold step that panicked left one event half done at worst, and the next ones go on.
        look(&self.0.model.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn within<T>(&self, id: WorkspaceId, look: impl FnOnce(&model::Workspace) -> Option<T>) -> Option<T> {
        self.read(|m| m.workspaces.get(&id).and_then(look))
    }

    /// Whether the workspace was deleted, as far as is known.
    pub fn is_deleted(&self, id: WorkspaceId) -> bool {
        self.read(|m| m.deleted.contains(&id))
    }

    /// How often what a member asked was erased there: answers that were kept before are nobody's any more.
    pub(crate) fn erasures_in(&self, id: WorkspaceId) -> u64 {
        self.within(id, |w| Some(w.erasures)).unwrap_or_default()
    }

    /// How many files of the workspace arrived and were not read yet, those of deleted datasets too.
    pub(crate) fn waiting_files(&self, id: WorkspaceId) -> usize {
        let count = |w: &model::Workspace| w.datasets.values().map(|dataset| dataset.waiting.len()).sum();
        self.within(id, |w| Some(count(w))).unwrap_or_default()
    }

    /// A dataset of the workspace, deleted ones too.
    pub fn dataset(&self, workspace: WorkspaceId, id: DatasetId) -> Option<Dataset> {
        self.within(workspace, |w| w.datasets.get(&id).cloned())
    }

    /// What a table's name stands for, whatever its case: the newest version of a dataset, or with
    /// `@3` behind the name its third.
    pub fn table(&self, workspace: WorkspaceId, table: &str) -> Option<Named> {
        self.within(workspace, |w| {
            let named = |name: &str| {
                let holder = w.names.get(&(Kind::Dataset, name::slug(name)))?;
                w.datasets.get(&DatasetId(*holder)).filter(|d| d.deleted_at.is_none())
            };
            let (dataset, version) = match (named(table), validate::versioned(table)) {
                (Some(dataset), _) => (dataset, None),
                (None, Some((name, version))) => (named(name)?, Some(version)),
                (None, None) => return None,
            };
            let ready = match version {
                None => dataset.ready.as_ref(),
                Some(version) => dataset.readable.get(&version),
            };
            match ready {
                Some(ready) => {
                    let (id, name) = (dataset.id, dataset.name.clone());
                    Some(Named::Ready { id, name, ready: ready.clone() })
                }
                None if version.is_none_or(|v| v == dataset.version && dataset.rejected.is_none()) => {
                    Some(Named::Ingesting(dataset.name.clone()))
                }
                None => None,
            }
        })
    }

    /// A context of the workspace, deleted ones too.
    pub fn context(&self, workspace: WorkspaceId, id: ContextId) -> Option<Context> {
        self.within(workspace, |w| w.contexts.get(&id).cloned())
    }

    /// The context of that name, whatever its case.
    pub fn context_named(&self, workspace: WorkspaceId, name: &str) -> Option<Context> {
        self.within(workspace, |w| {
            let holder = w.names.get(&(Kind::Context, name::slug(name)))?;
            w.contexts.get(&ContextId(*holder)).filter(|c| c.deleted_at.is_none()).cloned()
        })
    }

    /// Names of the contexts that there are, at most `limit`, in no order.
    pub fn context_names(&self, workspace: WorkspaceId, limit: usize) -> Vec<String> {
        let names = self.within(workspace, |w| {
            let live = w.contexts.values().filter(|c| c.deleted_at.is_none());
            Some(live.map(|c| c.name.clone()).take(limit).collect())
        });
        names.unwrap_or_default()
    }

    /// Saved queries and charts that were made in a context: what they are, and their names.
    pub fn uses(&self, workspace: WorkspaceId, id: ContextId) -> Vec<(&'static str, String)> {
        let made = |within: &Option<Box<query::Within>>| within.as_ref().is_some_and(|w| w.id == id);
        let uses = self.within(workspace, |w| {
            let queries = w.queries.values().filter(|q| made(&q.within));
            let charts = w.visualizations.values().filter(|v| v.deleted_at.is_none() && made(&v.within));
            let queries = queries.filter_map(|q| Some(("query", q.saved.clone()?)));
            Some(queries.chain(charts.map(|v| ("visualization", v.name.clone()))).collect::<Vec<_>>())
        });
        let mut uses = uses.unwrap_or_default();
        uses.sort();
        uses
    }

    /// Every dataset that can be queried, at most `limit`, in no order.
    pub fn readable(&self, workspace: WorkspaceId, limit: usize) -> Vec<Dataset> {
        let found = self.within(workspace, |w| {
            let live = w.datasets.values().filter(|d| d.deleted_at.is_none() && d.ready.is_some());
            Some(live.take(limit).cloned().collect())
        });
        found.unwrap_or_default()
    }

    /// Name and table of every dataset that can be queried, at most `limit`, in no order.
    pub fn tables(&self, workspace: WorkspaceId, limit: usize) -> Vec<(String, String)> {
        let found = self.within(workspace, |w| {
            let live = w.datasets.values().filter(|d| d.deleted_at.is_none());
            let tables = live.filter_map(|d| d.ready.as_ref().map(|r| (d.name.clone(), r.table.clone())));
            Some(tables.take(limit).collect())
        });
        found.unwrap_or_default()
    }

    /// The datasets that can be queried and fit best, at most `most.0`, and the names of at most `most.1`
    /// others. Of those that fit equally the ones that changed last come first.
    pub fn best_datasets(
        &self,
        workspace: WorkspaceId,
        most: (usize, usize),
        fit: impl Fn(&Dataset) -> u32,
    ) -> (Vec<Dataset>, Vec<String>) {
        let found = self.within(workspace, |w| {
            let live = w.datasets.values().filter(|d| d.deleted_at.is_none() && d.ready.is_some());
            let mut order: Vec<_> =
                live.map(|d| (Reverse(fit(d)), Reverse(d.updated_at), &d.name, d)).collect();
            order.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
            let best = order.iter().take(most.0).map(|(.., d)| (*d).clone()).collect();
            let others = order.iter().skip(most.0).take(most.1).map(|(_, _, name, _)| (*name).clone());
            Some((best, others.collect()))
        });
        found.unwrap_or_default()
    }

    /// Questions of the workspace whose SQL somebody saved, the newest first, at most `limit`.
    pub fn approved(&self, workspace: WorkspaceId, limit: usize) -> Vec<Approved> {
        let found = self.within(workspace, |w| {
            let mut saved: Vec<_> = w
                .queries
                .values()
                .filter(|q| q.saved.is_some())
                .filter_map(|q| Some((Reverse(q.saved_at), q.asked.as_ref()?)))
                .collect();
            saved.sort_by_key(|(at, _)| *at);
            Some(saved.into_iter().take(limit).map(|(_, asked)| (**asked).clone()).collect())
        });
        found.unwrap_or_default()
    }

    /// Who holds a name.
    pub fn name_holder(&self, workspace: WorkspaceId, kind: Kind, name: &str) -> Option<uuid::Uuid> {
        self.within(workspace, |w| w.names.get(&(kind, name::slug(name))).copied())
    }

    /// A query pattern that was run in the workspace.
    pub fn query(&self, workspace: WorkspaceId, id: QueryId) -> Option<Query> {
        self.within(workspace, |w| w.queries.get(&id).cloned())
    }

    /// A run of the workspace, if it is not long ago.
    pub fn recent_run(&self, workspace: WorkspaceId, id: RunId) -> Option<Run> {
        self.read(|m| m.recent.get(workspace, id))
    }

    /// A chart of the workspace, deleted ones too.
    pub fn visualization(&self, workspace: WorkspaceId, id: VisualizationId) -> Option<Visualization> {
        self.within(workspace, |w| w.visualizations.get(&id).cloned())
    }

    /// A webhook of the workspace.
    pub fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Option<Webhook> {
        self.within(workspace, |w| w.webhooks.get(&id).cloned())
    }

    /// The webhooks of the workspace, in no order.
    pub fn webhooks(&self, workspace: WorkspaceId) -> Vec<Webhook> {
        self.within(workspace, |w| Some(w.webhooks.values().cloned().collect())).unwrap_or_default()
    }

    /// The webhooks of all workspaces that are told of events, each with its workspace and where the last event there is.
    pub(crate) fn active_webhooks(&self) -> Vec<(WorkspaceId, Position, Webhook)> {
        self.read(|m| {
            let active = |w: &&Webhook| w.standing == Standing::Active;
            let of = |(id, w): (&WorkspaceId, &model::Workspace)| {
                w.webhooks.values().filter(active).map(|hook| (*id, w.last, hook.clone())).collect::<Vec<_>>()
            };
            m.workspaces.iter().flat_map(of).collect()
        })
    }

    /// Every webhook that there is.
    pub(crate) fn all_webhooks(&self) -> Vec<WebhookId> {
        self.read(|m| m.workspaces.values().flat_map(|w| w.webhooks.keys().copied()).collect())
    }

    /// Tells of each move.
    pub(crate) fn moves(&self) -> impl Stream<Item = ()> + Send + use<> {
        let reached = self.0.reached.clone();
        futures::stream::unfold(reached, |mut reached| async move {
            reached.changed().await.ok().map(|()| ((), reached))
        })
    }

    /// What is to be erased, or was, after the first `known`; waits until there is something.
    pub(crate) async fn erasures(&self, known: usize) -> Vec<Erasure> {
        let mut erasures = self.0.erasures.clone();
        if erasures.wait_for(|number| *number > known).await.is_err() {
            // The directory has ended, and the process does with it.
            std::future::pending::<()>().await;
        }
        self.read(|m| m.erasures.iter().skip(known).copied().collect())
    }

    /// Waits until the outcome of a dataset's version is known, and gives the dataset; `None` when
    /// that took longer than `timeout`.
    pub async fn settled(
        &self,
        workspace: WorkspaceId,
        id: DatasetId,
        version: u32,
        timeout: Duration,
    ) -> Option<Dataset> {
        let deadline = Instant::now() + timeout;
        let mut reached = self.0.reached.clone();
        loop {
            reached.mark_unchanged();
            if let Some(dataset) = self.dataset(workspace, id)
                && dataset.settled(version)
            {
                return Some(dataset);
            }
            tokio::time::timeout_at(deadline, reached.changed()).await.ok()?.ok()?;
        }
    }
}

#[async_trait]
impl Memberships for Directory {
    async fn role(&self, user: UserId, workspace: WorkspaceId) -> Result<Option<Role>, Problem> {
        Ok(self.within(workspace, |w| w.members.get(&user).map(|m| m.role)))
    }
}

#[async_trait]
impl Workspaces for Directory {
    fn workspace(&self, id: WorkspaceId) -> Option<Workspace> {
        self.within(id, |w| described(id, w))
    }

    fn workspaces_of(&self, user: UserId) -> Vec<(Workspace, Role)> {
        let mut found: Vec<(Workspace, Role)> = self.read(|m| {
            let ids = m.by_user.get(&user).into_iter().flatten();
            ids.filter_map(|id| {
                let workspace = m.workspaces.get(id)?;
                Some((described(*id, workspace)?, workspace.members.get(&user)?.role))
            })
            .collect()
        });
        found.sort_by_key(|(w, _)| (w.created_at, w.id));
        found
    }

    fn members(&self, workspace: WorkspaceId) -> Vec<Member> {
        let found = self.within(workspace, |w| Some(w.members.values().cloned().collect::<Vec<_>>()));
        let mut members = found.unwrap_or_default();
        members.sort_by_key(|m| (m.since, m.user));
        members
    }

    fn erasure_of(&self, user: UserId, workspace: WorkspaceId) -> Option<Position> {
        let is = |e: &&Erasure| e.workspace == workspace && e.whose == weir_infra::vault::Whose::Member(user);
        self.read(|m| m.erasures.iter().rev().find(is).map(|e| e.position))
    }

    async fn wait_for(&self, position: Position, timeout: Duration) -> bool {
        Self::wait_for(self, position, timeout).await
    }
}

/// Whether an event on that subject says who is in a workspace. The subject may be one that cannot
/// be parsed.
fn about_members(subject: &str) -> bool {
    subject.split('.').nth(2) == Some(Aggregate::Member.as_str())
}

fn described(id: WorkspaceId, workspace: &model::Workspace) -> Option<Workspace> {
    let about = workspace.about.as_ref()?;
    Some(Workspace {
        id,
        name: about.name.clone(),
        owner: about.owner,
        personal: about.personal,
        created_at: about.created_at,
        rows_shared: about.rows_shared,
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own ids")]
mod tests;
