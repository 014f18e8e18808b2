//! Any history, cut into batches at any place, interrupted in any way, ends in the same tables.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use futures::{StreamExt, stream::BoxStream};
use proptest::{prelude::*, test_runner::Config};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use weir_events::{
    Actor, AppendError, Appended, Commit, Event, EventLog, Filter, FollowError, Headers, Position, Recorded,
    Stored, Subject, Unavailable, dataset, envelope::header, log::LoadError, member, query, visualization,
    workspace as ws,
};
use weir_infra::testing::database;
use weir_projector::{Runtime, projections};

use crate::story::*;

/// Something that someone does, as far as it makes sense by then.
#[derive(Debug, Clone, Copy)]
struct Act {
    workspace: u8,
    kind: u8,
    thing: u8,
    what: u8,
    actor: u8,
    minutes: u8,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..3_u8, 0..10_u8, 0..4_u8, any::<u8>(), 0..4_u8, any::<u8>()).prop_map(
        |(workspace, kind, thing, what, actor, minutes)| Act { workspace, kind, thing, what, actor, minutes },
    );
    prop::collection::vec(act, 1..160)
}

/// What the acts so far have led to, as far as the next one depends on it.
#[derive(Default)]
struct World {
    workspaces: BTreeSet<u8>,
    members: BTreeSet<(u8, u8)>,
    datasets: BTreeMap<(u8, u8), Dataset>,
    charts: BTreeMap<(u8, u8), bool>,
    saved: BTreeSet<(u8, u8)>,
    runs: u128,
}

#[derive(Default)]
struct Dataset {
    version: u32,
    upload: Option<dataset::Upload>,
    pending: bool,
    deleted: bool,
}

impl World {
    async fn act(&mut self, story: &mut Story, act: Act) {
        let w = workspace(act.workspace.into());
        story.minutes_later(i64::from(act.minutes) * 3);
        story.actor = match act.actor {
            0 => Actor::System("ingest"),
            n => Actor::User(user(n.into())),
        };
        if self.workspaces.insert(act.workspace) {
            let created = ws::Created { name: format!("w{}", act.what), owner: user(1), personal: false };
            story.tell(Subject::workspace(w), created).await;
        }
        match act.kind {
            0 if !act.what.is_multiple_of(3) => {
                let action = weir_events::ActionId::new(
                    weir_events::ActionKind::ReviewDataset,
                    Some(table(act.thing.into()).0),
                    None,
                )
                .unwrap();
                let event: ws::Event = if act.what.is_multiple_of(2) {
                    ws::ActionDismissed { action }.into()
                } else {
                    ws::ActionRestored { action }.into()
                };
                story.tell(Subject::workspace(w), event).await;
            }
            0 => {
                let name = format!("w{}", act.what);
                story.tell(Subject::workspace(w), ws::Renamed { name }).await;
            }
            1 => {
                let role = [member::Role::Viewer, member::Role::Editor, member::Role::Owner]
                    [usize::from(act.what % 3)];
                let subject = Subject::member(w, user(act.thing.into()));
                let event: member::Event = if self.members.insert((act.workspace, act.thing)) {
                    member::Added { role }.into()
                } else if act.what.is_multiple_of(2) {
                    self.members.remove(&(act.workspace, act.thing));
                    member::Removed {}.into()
                } else {
                    member::RoleChanged { role }.into()
                };
                story.tell(subject, event).await;
            }
            2..=4 => self.dataset(story, act).await,
            5 | 6 => self.chart(story, act).await,
            7 => self.saving(story, act).await,
            _ => self.run(story, act).await,
        }
    }

    async fn dataset(&mut self, story: &mut Story, act: Act) {
        let subject = Subject::dataset(
            workspace(act.workspace.into()),
            table(u128::from(act.workspace) * 16 + u128::from(act.thing)),
        );
        let state = self.datasets.entry((act.workspace, act.thing)).or_default();
        let name = format!("t{}", act.what);
        let bytes = u64::from(act.what) * 10;
        let event: dataset::Event = if state.version == 0 || (!state.pending && act.what.is_multiple_of(7)) {
            state.version += 1;
            state.pending = true;
            let event = uploaded(&name, state.version, bytes);
            state.upload = Some(event.upload.clone());
            dataset::Event::Uploaded(event)
        } else if let Some(upload) = state.upload.clone().filter(|_| !state.pending && act.what % 7 == 1) {
            state.version += 1;
            state.pending = true;
            dataset::Event::Reread(reread(state.version, upload))
        } else if let Some(upload) = state.upload.clone().filter(|_| !state.pending && act.what % 7 == 2) {
            state.version += 1;
            dataset::Event::RolledBack(rolled_back(1, state.version, upload, bytes))
        } else if state.pending && act.what.is_multiple_of(3) {
            state.pending = false;
            dataset::Event::Ingested(ingested(state.version, bytes))
        } else if state.pending && act.what % 3 == 1 {
            state.pending = false;
            dataset::Event::Rejected(rejected(state.version))
        } else if state.deleted {
            state.deleted = false;
            dataset::Restored { name }.into()
        } else {
            match act.what % 4 {
                0 => {
                    state.deleted = true;
                    dataset::Deleted {}.into()
                }
                1 => dataset::Described { description: if act.what < 100 { String::new() } else { name } }
                    .into(),
                _ => dataset::Renamed { name }.into(),
            }
        };
        story.tell(subject, event).await;
    }

    async fn chart(&mut self, story: &mut Story, act: Act) {
        let id = chart(u128::from(act.workspace) * 16 + u128::from(act.thing));
        let subject = Subject::visualization(workspace(act.workspace.into()), id);
        let name = format!("c{}", act.what);
        let event: visualization::Event = match self.charts.get_mut(&(act.workspace, act.thing)) {
            None => {
                self.charts.insert((act.workspace, act.thing), false);
                visualization::Event::Saved(saved_chart(&name, Some("first")))
            }
            Some(deleted @ true) => {
                *deleted = false;
                visualization::Restored { name }.into()
            }
            Some(deleted) => match act.what % 4 {
                0 => {
                    *deleted = true;
                    visualization::Deleted {}.into()
                }
                1 => visualization::Renamed { name }.into(),
                2 => visualization::Described { description: name }.into(),
                _ => visualization::Event::Saved(saved_chart(&name, None)),
            },
        };
        story.tell(subject, event).await;
    }

    async fn saving(&mut self, story: &mut Story, act: Act) {
        let key = (act.workspace, act.thing);
        let name = format!("q{}", act.what);
        let event: query::Event = if self.saved.insert(key) {
            let sql = format!("SELECT {}", act.what);
            query::Saved { name, sql, pattern: "SELECT ?".to_owned(), context: None }.into()
        } else if act.what.is_multiple_of(2) {
            self.saved.remove(&key);
            query::Unsaved {}.into()
        } else {
            query::Renamed { name }.into()
        };
        story.tell(self.query(act), event).await;
    }

    async fn run(&mut self, story: &mut Story, act: Act) {
        self.runs += 1;
        let event: query::Event = if act.what.is_multiple_of(5) {
            failed(self.runs).into()
        } else {
            let base = u128::from(act.workspace) * 16;
            let sources = [(base, "a"), (base + u128::from(act.thing), "b")];
            let sources = &sources[..usize::from(act.what % 3).min(2)];
            let tier = act.what.is_multiple_of(4).then_some(act.what % 3);
            executed(self.runs, sources, f64::from(act.what), tier).into()
        };
        story.tell(self.query(act), event).await;
    }

    fn query(&self, act: Act) -> Subject {
        Subject::query(workspace(act.workspace.into()), pattern(act.thing.into()))
    }
}

/// A log in which some events cannot be read.
pub(crate) struct Damaged {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) at: BTreeSet<u64>,
}

#[async_trait]
impl EventLog for Damaged {
    async fn append(&self, commit: Commit) -> Result<Appended, AppendError> {
        self.log.append(commit).await
    }

    async fn load(&self, subject: &Subject) -> Result<Vec<Recorded>, LoadError> {
        self.log.load(subject).await
    }

    fn follow(&self, filter: Filter, after: Position) -> BoxStream<'static, Result<Stored, FollowError>> {
        let at = self.at.clone();
        self.log
            .follow(filter, after)
            .map(move |event| {
                let mut event = event?;
                if at.contains(&event.position.0) {
                    let mut headers = Headers::default();
                    for (name, value) in event.headers.iter() {
                        headers.push(name, if name == header::TYPE { "weir.dataset.lost.v9" } else { value });
                    }
                    event.headers = headers;
                }
                Ok(event)
            })
            .boxed()
    }

    async fn read(
        &self,
        filter: &Filter,
        start: weir_events::Start,
        limit: usize,
    ) -> Result<weir_events::Page, Unavailable> {
        self.log.read(filter, start, limit).await
    }

    async fn last(&self, filter: &Filter) -> Result<Position, Unavailable> {
        self.log.last(filter).await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        self.log.head().await
    }
}

/// How a run is disturbed.
#[derive(Debug, Clone)]
struct Trouble {
    batch: usize,
    /// After how many milliseconds the runtime is killed, time and again.
    kills: Vec<u8>,
    /// Every how many commits one fails at the last moment; 0 for none.
    failing: u32,
    damaged: Vec<prop::sample::Index>,
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let batch = prop_oneof![1..8_usize, Just(64), Just(5_000)];
    let kills = prop::collection::vec(0..25_u8, 0..4);
    let damaged = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (batch, kills, prop_oneof![Just(0_u32), 2..6_u32], damaged)
        .prop_map(|(batch, kills, failing, damaged)| Trouble { batch, kills, failing, damaged })
}

/// A commit that fails after everything was written: a sequence does not take part in rollbacks,
/// so every so many of the first attempts fail, whoever makes them.
async fn fail_commits(pool: &Pool, every: u32) {
    let client = pool.get().await.unwrap();
    let sql = format!(
        "CREATE SEQUENCE attempts;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE attempt bigint := nextval('public.attempts');
         BEGIN
             IF attempt % {every} = 0 AND attempt <= 30 THEN
                 RAISE EXCEPTION 'the disk is on fire' USING ERRCODE = 'XX000';
             END IF;
             RETURN NULL;
         END $$;
         CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON read.checkpoint DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW WHEN (new.name = 'overview') EXECUTE FUNCTION fail()"
    );
    client.batch_execute(&sql).await.unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 16, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn any_history_folds_to_the_same_tables_whatever_happens(acts in acts(), trouble in troubles()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(case(acts, trouble));
    }
}

async fn case(acts: Vec<Act>, trouble: Trouble) {
    let mut story = Story::new();
    let mut world = World::default();
    for act in acts {
        world.act(&mut story, act).await;
    }
    let events = usize::try_from(story.head().await.0).unwrap();
    let at: BTreeSet<u64> = trouble.damaged.iter().map(|i| i.index(events) as u64 + 1).collect();
    let log: Arc<dyn EventLog> = Arc::new(Damaged { log: story.shared(), at: at.clone() });
    let database = database().await;
    let pool = database.pool();
    weir_projector::ensure(pool, &projections::all()).await.unwrap();
    if trouble.failing > 0 {
        fail_commits(pool, trouble.failing).await;
    }

    for after in trouble.kills {
        let runtime = Runtime::new(log.clone(), pool.clone(), projections::all(), quick(trouble.batch));
        let running = tokio::spawn(runtime.run(CancellationToken::new()));
        // Wherever it is by then.
        tokio::time::sleep(Duration::from_millis(after.into())).await;
        running.abort();
        let _ = running.await;
    }
    project(&log, pool, quick(trouble.batch)).await;

    assert_eq!(differences(&log, pool).await, [], "a fresh fold in one batch is different");
    agree(pool, &story, &at).await;
}

/// What must hold between the tables, and between them and the log.
async fn agree(pool: &Pool, story: &Story, damaged: &BTreeSet<u64>) {
    let mut log = story.log.follow(Filter::All, Position::START);
    let (mut told, mut runs, mut answered, mut uses) = (0, 0, 0, 0);
    for position in 1..=story.head().await.0 {
        let event = log.next().await.unwrap().unwrap().decode().unwrap();
        if damaged.contains(&position) {
            continue;
        }
        told += 1;
        if let Event::Query(query::Event::Executed(e)) = &event.event {
            (runs, answered, uses) = (runs + 1, answered + 1, uses + e.datasets.len());
        } else if let Event::Query(query::Event::Failed(_)) = &event.event {
            runs += 1;
        }
    }
    let got = row(
        pool,
        "SELECT
            (SELECT count(*) FROM activity)::int AS told,
            (SELECT count(*) FROM dead_letters)::int AS dead,
            (SELECT count(*) FROM runs)::int AS runs,
            (SELECT coalesce(sum(runs), 0) FROM queries)::int AS query_runs,
            (SELECT coalesce(sum(queries), 0) FROM overview)::int AS overview_runs,
            (SELECT coalesce(sum(queries), 0) FROM usage_days)::int AS day_runs,
            (SELECT coalesce(sum(c), 0) FROM query_latency, unnest(counts) AS c)::int AS answered,
            (SELECT coalesce(sum(c), 0) FROM usage_days, unnest(counts) AS c)::int AS day_answered,
            (SELECT coalesce(sum(queries), 0) FROM dataset_use)::int AS uses",
    )
    .await;
    let wanted = json!({
        "told": told, "dead": damaged.len(), "runs": runs, "query_runs": runs, "overview_runs": runs,
        "day_runs": runs, "answered": answered, "day_answered": answered, "uses": uses,
    });
    assert_eq!(got, wanted);
    // The overview's sums are those of the lists, where no event of theirs was lost.
    if damaged.is_empty() {
        let off = rows(
            pool,
            "SELECT o.*, d.*, v.* FROM overview o
             CROSS JOIN LATERAL (
                 SELECT count(*) AS n, coalesce(sum(v.upload_bytes), 0) AS bytes, coalesce(sum(d.rows), 0) AS size
                 FROM datasets d
                 JOIN dataset_versions v ON v.workspace_id = d.workspace_id AND v.dataset_id = d.id
                     AND v.version = d.version
                 WHERE d.workspace_id = o.workspace_id AND d.deleted_at IS NULL
             ) d
             CROSS JOIN LATERAL (
                 SELECT count(*) AS charts FROM visualizations
                 WHERE workspace_id = o.workspace_id AND deleted_at IS NULL
             ) v
             WHERE (o.datasets, o.total_bytes, o.total_rows, o.visualizations)
                 <> (d.n, d.bytes, d.size, v.charts)",
        )
        .await;
        assert!(off.is_empty(), "{off:?}");
        // A dataset says of itself what the row of its newest version, and of the one that can be
        // queried, say; and no version is missing.
        let off = rows(
            pool,
            "SELECT d.id FROM datasets d
             JOIN dataset_versions newest ON newest.workspace_id = d.workspace_id AND newest.dataset_id = d.id
                 AND newest.version = d.uploaded_version
             LEFT JOIN dataset_versions current ON current.workspace_id = d.workspace_id
                 AND current.dataset_id = d.id AND current.version = d.version
             WHERE (newest.upload_bytes, newest.sha256, newest.options) <> (d.upload_bytes, d.sha256, d.options)
                OR newest.file_name IS DISTINCT FROM d.file_name
                OR (current.format, current.table_bytes, current.rows, current.columns, current.ingested_at)
                    IS DISTINCT FROM (d.format, d.table_bytes, d.rows, d.columns, d.ingested_at)
                OR (d.reason IS NOT NULL AND (d.reason->>'version')::int = d.uploaded_version
                    AND newest.reason IS DISTINCT FROM d.reason)
             UNION ALL
             SELECT d.id FROM datasets d
             WHERE d.uploaded_version <> (SELECT count(*) FROM dataset_versions v
                 WHERE v.workspace_id = d.workspace_id AND v.dataset_id = d.id)",
        )
        .await;
        assert!(off.is_empty(), "{off:?}");
    }
}
