//! What the directory knows, and how one event changes it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde_json::Value;
use weir_events::{
    ContextId, DatasetId, Event, Position, QueryId, Recorded, RunId, UserId, VisualizationId, Wanted,
    WebhookId, WorkspaceId, context,
    dataset::{self, Column, Diff, ReadOptions, Rejected, Sheet},
    member::{self, Role},
    name, query, visualization, webhook, workspace,
};
use weir_infra::vault::{ERASED, Whose};

use super::recent::{Recent, Run};
use crate::{accounts::Member, domain::webhook::Standing};

/// Everything that commands need to know of all workspaces.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) workspaces: HashMap<WorkspaceId, Workspace>,
    /// Those that were deleted. Whatever is still written about them changes nothing.
    pub(super) deleted: HashSet<WorkspaceId>,
    /// Who is where: the members of `workspaces`, the other way round.
    pub(super) by_user: HashMap<UserId, BTreeSet<WorkspaceId>>,
    pub(super) recent: Recent,
    /// What is to be erased, in the stream's order.
    pub(super) erasures: Vec<Erasure>,
}

/// Something that is to be erased, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// The event that says so.
    pub position: Position,
    /// When it was decided: what is older goes.
    pub at: DateTime<Utc>,
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose texts.
    pub whose: Whose,
}

/// One workspace. Bounded by what people made in it, not by what happened.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Missing for as long as only parts of it were seen.
    pub(super) about: Option<About>,
    pub(super) members: HashMap<UserId, Member>,
    pub(super) datasets: HashMap<DatasetId, Dataset>,
    pub(super) queries: HashMap<QueryId, Query>,
    pub(super) visualizations: HashMap<VisualizationId, Visualization>,
    pub(super) contexts: HashMap<ContextId, Context>,
    pub(super) webhooks: HashMap<WebhookId, Webhook>,
    /// Its last event.
    pub(super) last: Position,
    /// How often what a member asked was erased.
    pub(super) erasures: u64,
    /// Who holds which name, by kind and slug.
    pub(super) names: HashMap<(name::Kind, String), uuid::Uuid>,
}

#[derive(Debug)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) owner: UserId,
    pub(super) personal: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) rows_shared: bool,
}

/// Where a dataset is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its newest file is being read.
    Ingesting,
    /// It can be queried.
    Ready,
    /// Its file could not be read.
    Rejected,
    /// It was deleted.
    Deleted,
}

impl Status {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingesting => "ingesting",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
            Self::Deleted => "deleted",
        }
    }
}

/// A version of a dataset that can be queried.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// Its number.
    pub version: u32,
    /// Its file.
    pub upload: dataset::Upload,
    /// Its table's key in the blob store.
    pub table: String,
    /// The table's size in bytes.
    pub table_bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What the file turned out to be.
    pub format: String,
    /// All sheets of a workbook.
    pub sheets: Vec<Sheet>,
    /// The key under which lies what its columns hold, where that was looked at.
    pub profile: Option<String>,
    /// What is different from the version before, where there was one.
    pub diff: Option<Diff>,
}

/// A dataset, as commands need to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// Its name.
    pub name: String,
    /// What people said about it.
    pub description: Option<String>,
    /// The newest version, readable or not.
    pub version: u32,
    /// The newest version's file.
    pub upload: dataset::Upload,
    /// How that file is to be read.
    pub options: ReadOptions,
    /// The newest version that can be queried.
    pub ready: Option<Arc<Ready>>,
    /// All versions that can be queried, by number.
    pub readable: Arc<BTreeMap<u32, Arc<Ready>>>,
    /// Files that arrived and were not read yet, by version.
    pub waiting: BTreeMap<u32, dataset::Upload>,
    /// Why the newest version's file could not be read.
    pub rejected: Option<Rejected>,
    /// When it was first uploaded.
    pub created_at: DateTime<Utc>,
    /// Who uploaded it first.
    pub created_by: Option<UserId>,
    /// When anything about it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted, if it is.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its last event.
    pub position: Position,
}

impl Dataset {
    fn read(&mut self, e: &dataset::Ingested) {
        let ready = Arc::new(Ready {
            version: e.version,
            upload: self.waiting.remove(&e.version).unwrap_or_else(|| self.upload.clone()),
            table: e.table.clone(),
            table_bytes: e.table_bytes,
            rows: e.rows,
            columns: e.columns.clone(),
            format: e.format.clone(),
            sheets: e.sheets.clone(),
            profile: e.profile.clone(),
            diff: e.diff.clone(),
        });
        Arc::make_mut(&mut self.readable).insert(e.version, ready.clone());
        self.ready = Some(ready);
    }

    /// The file of the version that can be queried; the newest one until there is one.
    pub fn served(&self) -> &dataset::Upload {
        self.ready.as_ref().map_or(&self.upload, |ready| &ready.upload)
    }

    /// The file of a version that can be queried, or of the newest one.
    pub fn file(&self, version: u32) -> Option<&dataset::Upload> {
        let readable = self.readable.get(&version).map(|ready| &ready.upload);
        readable.or_else(|| (version == self.version).then_some(&self.upload))
    }

    /// Whether the outcome of a version is known.
    pub fn settled(&self, version: u32) -> bool {
        let newest = version == self.version;
        version < self.version || self.readable.contains_key(&version) || newest && self.rejected.is_some()
    }

    /// Where it is on its way.
    pub fn status(&self) -> Status {
        let newest_is_ready = self.ready.as_ref().is_some_and(|r| r.version == self.version);
        if self.deleted_at.is_some() {
            Status::Deleted
        } else if newest_is_ready {
            Status::Ready
        } else if self.rejected.is_none() {
            Status::Ingesting
        } else if self.ready.is_some() {
            Status::Ready
        } else {
            Status::Rejected
        }
    }
}

/// A query pattern, as commands need to know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// The name it is saved under.
    pub saved: Option<String>,
    /// The context that it was in when it was saved.
    pub within: Option<Box<query::Within>>,
    /// Its newest run that was answered, or its newest run where none was.
    pub run: Position,
    answered: bool,
    /// When its name was given, in the stream's order.
    pub(super) saved_at: Position,
    /// The question that it last answered, where one was asked in plain language.
    pub(super) asked: Option<Box<Approved>>,
    /// Who asked that.
    pub(super) asked_by: Option<UserId>,
}

/// A question in plain language, with SQL that answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The question.
    pub question: String,
    /// The SQL.
    pub sql: String,
}

/// Longer questions, or SQL, are no example for others, in bytes.
const EXAMPLE: usize = 4 << 10;

impl Approved {
    fn of(run: &query::Executed) -> Option<Box<Self>> {
        let question = run.question.as_ref()?;
        let readable = question != ERASED && run.sql != ERASED;
        (readable && question.len() + run.sql.len() <= EXAMPLE)
            .then(|| Box::new(Self { question: question.clone(), sql: run.sql.clone() }))
    }
}

/// A version of a context.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextVersion {
    /// The version.
    pub version: String,
    /// The whole file.
    pub text: Arc<str>,
    /// SHA-256 of the text, in hex.
    pub sha256: String,
}

/// A context, as commands need to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Its id.
    pub id: ContextId,
    /// Its name.
    pub name: String,
    /// The version that counts: the one that was saved last.
    pub newest: Arc<ContextVersion>,
    /// All versions, by their numbers.
    pub versions: Arc<BTreeMap<String, Arc<ContextVersion>>>,
    /// When it was deleted, if it is.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its last event.
    pub position: Position,
}

/// A saved chart, as commands need to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Visualization {
    /// Its id.
    pub id: VisualizationId,
    /// Its name.
    pub name: String,
    /// What its author said about it.
    pub description: Option<String>,
    /// The SQL whose rows it draws.
    pub sql: String,
    /// That SQL's pattern.
    pub query_id: QueryId,
    /// The run that it was made from, if it was.
    pub run_id: Option<RunId>,
    /// The context that its query was asked in, if it was.
    pub within: Option<Box<query::Within>>,
    /// The Vega-Lite specification, without data.
    pub spec: Value,
    /// The short form that the specification was made from, if it was.
    pub chart: Option<Value>,
    /// How often it was saved.
    pub revision: u32,
    /// When it was first saved.
    pub created_at: DateTime<Utc>,
    /// Who saved it first.
    pub created_by: Option<UserId>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: Option<UserId>,
    /// When it was deleted, if it is.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Its last event.
    pub position: Position,
}

/// A webhook, as far as it is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Scheme, host and port of its address.
    pub origin: String,
    /// Which events it is told of.
    pub wanted: Wanted,
    /// Whether it is.
    pub standing: Standing,
    /// Why it was given up, if it was.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Its first event: what happened before is not told.
    pub since: Position,
    /// When it is to go on with what happens then, and not with what it was not told.
    pub from: Position,
}

impl Model {
    pub(super) fn apply(&mut self, recorded: &Recorded) {
        let workspace_id = recorded.subject.workspace_id();
        if self.deleted.contains(&workspace_id) {
            return;
        }
        let workspace = self.workspaces.entry(workspace_id).or_default();
        workspace.last = recorded.position;
        let id = recorded.subject.id();
        match &recorded.event {
            Event::Workspace(workspace::Event::Deleted(_)) => {
                let members = std::mem::take(&mut workspace.members);
                self.workspaces.remove(&workspace_id);
                self.deleted.insert(workspace_id);
                members.keys().for_each(|user| self.leave(*user, workspace_id));
                self.erase(recorded, Whose::Workspace);
            }
            Event::Workspace(e) => workspace.workspace(e, recorded),
            Event::Member(member::Event::Erased(_)) => {
                let Ok(user) = id.parse() else { return };
                workspace.erasures += 1;
                for query in workspace.queries.values_mut().filter(|query| query.asked_by == Some(user)) {
                    (query.asked, query.asked_by) = (None, None);
                }
                self.erase(recorded, Whose::Member(user));
            }
            Event::Member(e) => {
                let Ok(user) = id.parse() else { return };
                workspace.member(user, e, recorded);
                if workspace.members.contains_key(&user) {
                    self.by_user.entry(user).or_default().insert(workspace_id);
                } else {
                    self.leave(user, workspace_id);
                }
            }
            Event::Dataset(e) => {
                let Ok(id) = id.parse() else { return };
                workspace.dataset(id, e, recorded);
            }
            Event::Context(e) => {
                let Ok(id) = id.parse() else { return };
                workspace.context(id, e, recorded);
            }
            Event::Query(e) => {
                let Ok(id) = id.parse() else { return };
                workspace.query(id, e, recorded);
                match e {
                    query::Event::Executed(e) => {
                        let (sql, within) = (e.sql.clone(), e.context.clone());
                        self.recent.add(workspace_id, e.run_id, Run { query_id: id, sql, within });
                    }
                    query::Event::Failed(e) => {
                        let run = Run { query_id: id, sql: e.sql.clone(), within: None };
                        self.recent.add(workspace_id, e.run_id, run);
                    }
                    _ => {}
                }
            }
            Event::Visualization(e) => {
                let Ok(id) = id.parse() else { return };
                workspace.visualization(id, e, recorded);
            }
            Event::Webhook(e) => {
                let Ok(id) = id.parse() else { return };
                workspace.webhook(id, e, recorded);
            }
            Event::Name(e) => workspace.name(id, e),
        }
    }
}

impl Model {
    fn leave(&mut self, user: UserId, workspace: WorkspaceId) {
        if let Some(of_user) = self.by_user.get_mut(&user) {
            of_user.remove(&workspace);
            if of_user.is_empty() {
                self.by_user.remove(&user);
            }
        }
    }

    fn erase(&mut self, recorded: &Recorded, whose: Whose) {
        let (position, at, workspace) =
            (recorded.position, recorded.meta.time, recorded.subject.workspace_id());
        // Whose a run was is not known here; what is asked for again is in the log.
        self.recent.forget(workspace);
        self.erasures.push(Erasure { position, at, workspace, whose });
    }
}

impl Workspace {
    fn workspace(&mut self, event: &workspace::Event, recorded: &Recorded) {
        match event {
            workspace::Event::Created(e) => {
                self.about = Some(About {
                    name: e.name.clone(),
                    owner: e.owner,
                    personal: e.personal,
                    created_at: recorded.meta.time,
                    rows_shared: false,
                });
            }
            workspace::Event::RowsShared(e) => {
                if let Some(about) = &mut self.about {
                    about.rows_shared = e.shared;
                }
            }
            workspace::Event::Renamed(e) => {
                if let Some(about) = &mut self.about {
                    about.name.clone_from(&e.name);
                }
            }
            // For readers.
            workspace::Event::ActionDismissed(_) | workspace::Event::ActionRestored(_) => {}
            // Nothing is left of it: see `Model::apply`.
            workspace::Event::Deleted(_) => {}
        }
    }

    fn member(&mut self, user: UserId, event: &member::Event, recorded: &Recorded) {
        let set = |members: &mut HashMap<UserId, Member>, role: Role| {
            let since = recorded.meta.time;
            members.entry(user).or_insert(Member { user, role, since }).role = role;
        };
        match event {
            member::Event::Added(e) => set(&mut self.members, e.role),
            member::Event::RoleChanged(e) => set(&mut self.members, e.role),
            member::Event::Removed(_) => {
                self.members.remove(&user);
            }
            // Says nothing of who is in it: see `Model::apply`.
            member::Event::Erased(_) => {}
        }
    }

    fn dataset(&mut self, id: DatasetId, event: &dataset::Event, recorded: &Recorded) {
        let time = recorded.meta.time;
        if let dataset::Event::Uploaded(e) = event {
            let dataset = self.datasets.entry(id).or_insert_with(|| Dataset {
                id,
                name: e.name.clone(),
                description: e.description.clone(),
                version: e.version,
                upload: e.upload.clone(),
                options: e.options.clone(),
                ready: None,
                readable: Arc::default(),
                waiting: BTreeMap::new(),
                rejected: None,
                created_at: time,
                created_by: recorded.meta.actor.user(),
                updated_at: time,
                deleted_at: None,
                position: recorded.position,
            });
            dataset.version = e.version;
            dataset.upload = e.upload.clone();
            dataset.waiting.insert(e.version, e.upload.clone());
            dataset.options = e.options.clone();
            dataset.rejected = None;
        }
        let Some(dataset) = self.datasets.get_mut(&id) else { return };
        dataset.updated_at = time;
        dataset.position = recorded.position;
        match event {
            dataset::Event::Uploaded(_) => {}
            dataset::Event::Reread(e) => {
                dataset.version = e.version;
                dataset.upload = e.upload.clone();
                dataset.waiting.insert(e.version, e.upload.clone());
                dataset.options = e.options.clone();
                dataset.rejected = None;
            }
            dataset::Event::RolledBack(e) => {
                dataset.version = e.ingested.version;
                dataset.upload = e.upload.clone();
                dataset.options = e.ingested.options.clone();
                dataset.rejected = None;
                dataset.read(&e.ingested);
            }
            dataset::Event::Ingested(e) => dataset.read(e),
            dataset::Event::Rejected(e) => {
                dataset.waiting.remove(&e.version);
                if e.version == dataset.version {
                    dataset.rejected = Some(e.clone());
                }
            }
            dataset::Event::Renamed(e) => dataset.name.clone_from(&e.name),
            dataset::Event::Described(e) => dataset.description = some(&e.description),
            dataset::Event::Deleted(_) => dataset.deleted_at = Some(time),
            dataset::Event::Restored(e) => {
                dataset.deleted_at = None;
                dataset.name.clone_from(&e.name);
            }
        }
    }

    fn context(&mut self, id: ContextId, event: &context::Event, recorded: &Recorded) {
        if let context::Event::Saved(e) = event {
            let version = Arc::new(ContextVersion {
                version: e.version.clone(),
                text: e.text.as_str().into(),
                sha256: e.sha256.clone(),
            });
            let known = self.contexts.entry(id).or_insert_with(|| Context {
                id,
                name: e.name.clone(),
                newest: version.clone(),
                versions: Arc::default(),
                deleted_at: None,
                position: recorded.position,
            });
            known.name.clone_from(&e.name);
            Arc::make_mut(&mut known.versions).insert(e.version.clone(), version.clone());
            known.newest = version;
        }
        let Some(known) = self.contexts.get_mut(&id) else { return };
        known.position = recorded.position;
        match event {
            context::Event::Saved(_) => {}
            context::Event::Deleted(_) => known.deleted_at = Some(recorded.meta.time),
            context::Event::Restored(_) => known.deleted_at = None,
        }
    }

    fn query(&mut self, id: QueryId, event: &query::Event, recorded: &Recorded) {
        let position = recorded.position;
        let query = self.queries.entry(id).or_default();
        match event {
            query::Event::Executed(e) => {
                query.run = position;
                query.answered = true;
                // Whoever runs the same SQL without a question takes nothing from it.
                if let Some(asked) = Approved::of(e) {
                    query.asked = Some(asked);
                    query.asked_by = recorded.meta.actor.user();
                }
            }
            query::Event::Failed(_) if query.answered => {}
            query::Event::Failed(_) => query.run = position,
            query::Event::Saved(e) => {
                query.saved = Some(e.name.clone());
                query.within = e.context.clone().map(Box::new);
                query.saved_at = position;
            }
            query::Event::Renamed(e) => query.saved = Some(e.name.clone()),
            query::Event::Unsaved(_) => query.saved = None,
        }
    }

    fn visualization(&mut self, id: VisualizationId, event: &visualization::Event, recorded: &Recorded) {
        let (time, user) = (recorded.meta.time, recorded.meta.actor.user());
        if let visualization::Event::Saved(e) = event {
            let chart = self.visualizations.entry(id).or_insert_with(|| Visualization {
                id,
                name: String::new(),
                description: None,
                sql: String::new(),
                query_id: e.query_id,
                run_id: None,
                within: None,
                spec: Value::Null,
                chart: None,
                revision: 0,
                created_at: time,
                created_by: user,
                updated_at: time,
                updated_by: user,
                deleted_at: None,
                position: recorded.position,
            });
            chart.name.clone_from(&e.name);
            chart.description.clone_from(&e.description);
            chart.sql.clone_from(&e.sql);
            chart.query_id = e.query_id;
            chart.run_id = e.run_id;
            chart.within.clone_from(&e.context);
            chart.spec = e.spec.clone();
            chart.chart.clone_from(&e.chart);
            chart.revision += 1;
        }
        let Some(chart) = self.visualizations.get_mut(&id) else { return };
        chart.updated_at = time;
        chart.updated_by = user;
        chart.position = recorded.position;
        match event {
            visualization::Event::Saved(_) => {}
            visualization::Event::Renamed(e) => chart.name.clone_from(&e.name),
            visualization::Event::Described(e) => chart.description = some(&e.description),
            visualization::Event::Deleted(_) => chart.deleted_at = Some(time),
            visualization::Event::Restored(e) => {
                chart.deleted_at = None;
                chart.name.clone_from(&e.name);
            }
        }
    }

    fn webhook(&mut self, id: WebhookId, event: &webhook::Event, recorded: &Recorded) {
        let (time, position) = (recorded.meta.time, recorded.position);
        if let webhook::Event::Created(e) = event {
            self.webhooks.insert(
                id,
                Webhook {
                    id,
                    origin: e.origin.clone(),
                    wanted: e.wanted.clone(),
                    standing: Standing::Active,
                    reason: None,
                    created_at: time,
                    created_by: recorded.meta.actor.user(),
                    updated_at: time,
                    since: position,
                    from: position,
                },
            );
        }
        let Some(webhook) = self.webhooks.get_mut(&id) else { return };
        webhook.updated_at = time;
        match event {
            webhook::Event::Created(_) | webhook::Event::SecretRotated(_) => {}
            webhook::Event::Changed(e) => {
                webhook.origin.clone_from(&e.origin);
                webhook.wanted.clone_from(&e.wanted);
            }
            webhook::Event::Paused(_) => webhook.standing = Standing::Paused,
            webhook::Event::Resumed(e) => {
                (webhook.standing, webhook.reason) = (Standing::Active, None);
                if e.skip {
                    webhook.from = position;
                }
            }
            webhook::Event::Disabled(e) => {
                (webhook.standing, webhook.reason) = (Standing::Disabled, Some(e.reason.clone()));
            }
            webhook::Event::Deleted(_) => drop(self.webhooks.remove(&id)),
        }
    }

    fn name(&mut self, id: &str, event: &name::Event) {
        let Some((kind, slug)) = id.split_once('.') else { return };
        let kinds = [name::Kind::Dataset, name::Kind::Query, name::Kind::Visualization, name::Kind::Context];
        let Some(kind) = kinds.into_iter().find(|k| k.as_str() == kind) else { return };
        match event {
            name::Event::Reserved(e) => {
                self.names.insert((kind, slug.to_owned()), e.holder);
            }
            name::Event::Released(_) => {
                self.names.remove(&(kind, slug.to_owned()));
            }
        }
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|t| !t.is_empty())
}
