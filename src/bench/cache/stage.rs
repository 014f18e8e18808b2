//! What is measured: write sides over one event log, one blob store and one Redis, each with a directory, an engine and
//! a memory of its own, as processes have.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail, ensure};
use bytes::Bytes;
use chrono::Utc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_command::{
    Adapters, App, Config, Directory,
    app::{queries::Run, questions::Models, uploads},
    domain::{
        Ctx,
        ctx::Seed,
        dataset::{Receive, Replace},
    },
    process::ingest,
};
use weir_engine::{Answer, Engine, sql};
use weir_events::{Actor, DatasetId, EventLog, UserId, WorkspaceId};
use weir_infra::{
    auth::SigningKey,
    blob::{self, Blobs},
    cache::{self, Shared},
    fetch::{self, Fetcher},
    llm,
    log::{self, JetStreamLog},
    metrics,
};

/// How long a file may take to be read.
const READ: Duration = Duration::from_secs(60);
/// An answer's rows that nobody reaches: asked for with another number each time, a query is never cached.
const MANY_ROWS: usize = 20_000;

/// What all processes share, and those that serve.
pub(super) struct Stage {
    client: async_nats::Client,
    blobs: Blobs,
    engine: weir_engine::Config,
    redis: Option<String>,
    memory: u64,
    workspace: WorkspaceId,
    user: UserId,
    pub(super) processes: Vec<App>,
    /// Answers without any cache, and takes uploads.
    bare: App,
    checked: usize,
    worker: Worker,
}

/// Reads files until it is dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Stage {
    pub(super) async fn set(
        client: async_nats::Client,
        folder: &Path,
        redis: Option<String>,
        memory: u64,
    ) -> anyhow::Result<Self> {
        let blobs = blob::open(&folder.join("blobs").display().to_string())?;
        let engine =
            weir_engine::Config { spill_dir: folder.join("spill"), ..weir_engine::Config::default() };
        let none = Config { cache_bytes: 0, kept_bytes: 0, ..Config::default() };
        let (bare, log, reader) = process(&client, &blobs, &engine, none, None).await?;
        let adapters = ingest::Adapters { client: client.clone(), log, blobs: blobs.clone(), engine: reader };
        let worker = ingest::Worker::new(adapters, ingest::Options::default(), &metrics::registry())?;
        let worker = Worker(tokio::spawn(worker.run(CancellationToken::new())));
        let (workspace, user) = (WorkspaceId(Uuid::now_v7()), UserId(Uuid::now_v7()));
        let processes = Vec::new();
        let mut stage = Self {
            client,
            blobs,
            engine,
            redis,
            memory,
            workspace,
            user,
            processes,
            bare,
            checked: 0,
            worker,
        };
        stage.restart(1).await?;
        Ok(stage)
    }

    /// As many processes as that, with nothing in their memory.
    pub(super) async fn restart(&mut self, count: usize) -> anyhow::Result<()> {
        self.processes.clear();
        while self.processes.len() < count {
            self.join().await?;
        }
        Ok(())
    }

    /// One more process.
    pub(super) async fn join(&mut self) -> anyhow::Result<()> {
        let config = Config { cache_bytes: self.memory, ..Config::default() };
        let redis = self.redis.as_deref();
        let (app, ..) = process(&self.client, &self.blobs, &self.engine, config, redis).await?;
        self.processes.push(app);
        Ok(())
    }

    /// Uploads a table, or its next version, and waits until everyone knows of it.
    pub(super) async fn upload(
        &self,
        dataset: Option<DatasetId>,
        name: &str,
        version: u32,
        text: String,
    ) -> anyhow::Result<DatasetId> {
        let cx = self.cx();
        let id = dataset.unwrap_or(DatasetId(cx.id("dataset")));
        let mut incoming = self.bare.incoming(&cx, id).await.map_err(said)?;
        incoming.write(Bytes::from(text)).await.map_err(said)?;
        let arrived = incoming.finish().await.map_err(said)?;
        let file = |arrived: &uploads::Arrived| uploads::upload(arrived, None, Some("text/csv".to_owned()));
        let options = weir_events::dataset::ReadOptions::default();
        if dataset.is_none() {
            let (name, description) = (name.to_owned(), None);
            let command = |a: &uploads::Arrived| Receive { id, name, description, upload: file(a), options };
            self.bare.receive(&cx, id, arrived, command).await.map_err(said)?;
        } else {
            let request = cx.id("version");
            let command = |a: &uploads::Arrived| Replace { id, upload: file(a), options, request };
            self.bare.receive(&cx, id, arrived, command).await.map_err(said)?;
        }
        let settled = self.bare.directory().settled(self.workspace, id, version, READ).await;
        let at = settled.with_context(|| format!("{name} was not read in time"))?.position;
        for process in &self.processes {
            ensure!(process.directory().wait_for(at, READ).await, "a process does not learn of new versions");
        }
        ensure!(!self.worker.0.is_finished(), "the worker ended");
        Ok(id)
    }

    /// Asks a process.
    pub(super) async fn ask(&self, process: usize, sql: &str) -> anyhow::Result<Run> {
        let Some(app) = self.processes.get(process) else { bail!("there is no process {process}") };
        Box::pin(app.ask(&self.cx(), sql, None)).await.map_err(|failed| said(failed.problem))
    }

    /// The same, computed anew whatever was cached.
    pub(super) async fn uncached(&mut self, sql: &str) -> anyhow::Result<Arc<Answer>> {
        let statement = sql::parse(sql).map_err(|e| anyhow!("{e:?}"))?;
        self.checked += 1;
        let rows = MANY_ROWS + self.checked;
        let ran = Box::pin(self.bare.answer(self.workspace, &statement, rows)).await;
        let ran = ran.map_err(|failure| said(failure.problem("sql")))?;
        ensure!(ran.tier.is_none(), "what is compared with came from a cache");
        Ok(ran.kept.answer)
    }

    fn cx(&self) -> Ctx {
        Ctx {
            workspace: self.workspace,
            actor: Actor::User(self.user),
            now: Utc::now(),
            correlation: Uuid::now_v7(),
            causation: None,
            traceparent: None,
            seed: Seed::Fresh(Uuid::now_v7()),
            dedup: None,
        }
    }
}

fn said(problem: weir_infra::http::Problem) -> anyhow::Error {
    anyhow!("{}: {}", problem.code().as_str(), problem.detail())
}

async fn process(
    client: &async_nats::Client,
    blobs: &Blobs,
    engine: &weir_engine::Config,
    config: Config,
    redis: Option<&str>,
) -> anyhow::Result<(App, Arc<dyn EventLog>, Engine)> {
    // One secret for all of them: they share what is in the cache.
    let key = &SigningKey::from_bytes(*b"the secret of a bench's processes")?;
    let registry = metrics::registry();
    let log: Arc<dyn EventLog> =
        Arc::new(JetStreamLog::connect(client.clone(), log::Options::default()).await?);
    let directory = Directory::start(&*log).await?;
    let engine = Engine::new(blobs.clone(), engine.clone())?;
    let shared = match redis {
        Some(url) => Shared::open(url, key, cache::Options::default(), &registry)?,
        None => Shared::off(),
    };
    ensure!(redis.is_none() || shared.connected().await, "the shared cache is not reached");
    let adapters = Adapters {
        log: log.clone(),
        blobs: blobs.clone(),
        engine: engine.clone(),
        directory,
        shared,
        past: weir_archive::Past::new(None, log.clone()),
        fetcher: Fetcher::new(fetch::Options::default())?,
        models: Models::new(llm::Client::new()?, READ),
    };
    Ok((App::new(adapters, config, &registry)?, log, engine))
}
