//! What the handlers call: one function per thing that can be asked for, between HTTP and the
//! domain.
//!
//! - [`Executor`]: load, decide, append. [`queries`]: SQL with its limits and receipts; `results` caches its answers.
//! - [`questions`]: the same in plain language, and charts from words.
//! - [`undo`]: changes taken back. [`actions`]: recommendations set aside. `saved`: names for queries. [`uploads`]: a body becomes a blob. [`charts`]: short forms, specifications, suggestions.
//!
//! [`App`] holds the adapters. Only the binary makes one: [`App::new`].

pub mod actions;
pub mod charts;
pub mod contexts;
mod executor;
pub mod imports;
mod problem;
pub mod queries;
pub mod questions;
mod results;
mod saved;
pub(crate) mod turns;
pub mod undo;
pub mod uploads;

use std::{fmt, sync::Arc, time::Duration};

use uuid::Uuid;
use weir_engine::Engine;
use weir_events::{Actor, EventLog, Position, WorkspaceId};
use weir_infra::{
    auth::Caller,
    blob::Blobs,
    cache::Shared,
    fetch::Fetcher,
    http::{Problem, RequestContext},
    metrics::prometheus::{self, Registry},
};

pub use executor::{Done, Error, Executor};

use crate::{
    directory::Directory,
    domain::{Command, Ctx, Decider, ctx::Seed},
};

/// How long a command waits for the directory to see it. It is carried out either way.
const OWN_EFFECT: Duration = Duration::from_secs(2);

weir_infra::metrics! {
    /// What the command side does.
    pub struct Metrics in "command" {
        /// Bytes of uploads that were received whole.
        pub upload_bytes_total: IntCounter,
        /// Uploads, by outcome.
        pub uploads_total: IntCounterVec["outcome"],
        /// Queries that were asked, by outcome: `ok` or the error's code.
        pub queries_total: IntCounterVec["outcome"],
        /// Time to a whole answer, by cache tier (`none` where it was computed).
        pub query_seconds: HistogramVec["tier"],
        /// Calls of language models, by outcome: `ok`, `timeout`, `limited`, `refused`, `malformed` or
        /// `unreachable`.
        pub model_calls_total: IntCounterVec["outcome"],
        /// Time that a language model took for one call.
        pub model_seconds: Histogram,
        /// Tokens of language models, by direction: `read` or `written`.
        pub model_tokens_total: IntCounterVec["direction"],
        /// Lookups of what language models answered, by outcome: `hit` or `miss`.
        pub model_cache_total: IntCounterVec["outcome"],
    }
}

/// What the command side is given.
pub struct Adapters {
    /// The event log.
    pub log: Arc<dyn EventLog>,
    /// Uploads, tables, results.
    pub blobs: Blobs,
    /// The same blobs behind it.
    pub engine: Engine,
    /// Files from elsewhere.
    pub fetcher: Fetcher,
    /// Started on the same log.
    pub directory: Directory,
    /// Language models.
    pub models: questions::Models,
    /// What processes share, or nothing.
    pub shared: Shared,
    /// What has happened, as tables for SQL.
    pub past: weir_archive::Past,
}

/// Limits of the command side, each with its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The largest upload in bytes, as received. 10 GiB.
    pub upload_bytes: u64,
    /// Files that are fetched for one workspace at once. 2.
    pub concurrent_imports: usize,
    /// Files of one workspace that may wait to be read. 100.
    pub waiting_files: usize,
    /// Queries of one workspace that run at once. 4.
    pub concurrent_queries: usize,
    /// How long a query, a question or an import waits for its turn before it is refused with 429. 10 s.
    pub query_wait: Duration,
    /// How long a query may run. 30 s.
    pub query_time: Duration,
    /// Memory that one query may reserve, in bytes, before it spills. 256 MiB.
    pub query_memory: usize,
    /// Rows in an answer where the caller names no limit. 10,000.
    pub default_rows: usize,
    /// Rows that a caller may ask for at most. 100,000.
    pub max_rows: usize,
    /// Bytes of an answer, in memory; more are cut off. 64 MiB.
    pub answer_bytes: usize,
    /// Memory for recent results, in bytes. 256 MiB.
    pub cache_bytes: u64,
    /// Answers up to this size in memory are kept in the blob store, so that they can be had again
    /// by their run and by whoever asks the same, in bytes. 8 MiB; 0 keeps none.
    pub kept_bytes: u64,
    /// Questions of one workspace that are with a language model at once. 4.
    pub concurrent_questions: usize,
    /// What a language model is told about the data, in bytes. 48 KiB.
    pub prompt_bytes: usize,
    /// Memory for what language models answered, in bytes. 16 MiB.
    pub model_cache_bytes: u64,
    /// How long they are kept there. A week.
    pub model_cache_ttl: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            upload_bytes: 10 << 30,
            concurrent_imports: 2,
            waiting_files: 100,
            concurrent_queries: 4,
            query_wait: Duration::from_secs(10),
            query_time: Duration::from_secs(30),
            query_memory: 256 << 20,
            default_rows: 10_000,
            max_rows: 100_000,
            answer_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            kept_bytes: 8 << 20,
            concurrent_questions: 4,
            prompt_bytes: 48 << 10,
            model_cache_bytes: 16 << 20,
            model_cache_ttl: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}

/// The command side of a process. Clones share everything.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    executor: Executor,
    blobs: Blobs,
    engine: Engine,
    directory: Directory,
    config: Config,
    metrics: Metrics,
    results: results::Results,
    turns: turns::Turns,
    fetcher: Fetcher,
    imports: turns::Turns,
    questions: questions::Parts,
    contexts: contexts::Active,
    past: weir_archive::Past,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl App {
    /// Over its adapters.
    ///
    /// # Errors
    /// When the registry already has metrics of these names.
    pub fn new(adapters: Adapters, config: Config, registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::register(registry)?;
        let results = results::Results::new(
            config.cache_bytes,
            adapters.shared.clone(),
            Arc::clone(&adapters.blobs),
            config.kept_bytes,
            results::Metrics::register(registry)?,
        );
        // The first chart that is saved should not wait until the grammar of charts is compiled.
        std::thread::spawn(|| weir_engine::chart::validate_spec(&serde_json::json!({"mark": "bar"})));
        Ok(Self(Arc::new(Inner {
            executor: Executor::new(adapters.log),
            blobs: adapters.blobs,
            engine: adapters.engine,
            directory: adapters.directory,
            results,
            turns: turns::Turns::new(config.concurrent_queries),
            fetcher: adapters.fetcher,
            imports: turns::Turns::new(config.concurrent_imports),
            questions: questions::Parts::new(adapters.models, adapters.shared, &config),
            contexts: contexts::active(),
            past: adapters.past,
            config,
            metrics,
        })))
    }

    /// Carries commands out.
    pub fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// What is known of the workspaces.
    pub fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// The limits.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Forgets what is in memory of texts; everything can be had again, save what was erased. Results have other keys
    /// from then on.
    pub(crate) fn forget(&self) {
        self.0.questions.clear();
        self.0.contexts.invalidate_all();
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Carries a command out and waits until the directory has seen it.
    ///
    /// # Errors
    /// When it is refused or cannot be written.
    pub async fn execute<D: Decider, C: Command<D>>(
        &self,
        id: &D::Id,
        command: &C,
        cx: &Ctx,
    ) -> Result<Done<C::Reply>, Problem>
    where
        C::Error: Into<Problem>,
    {
        let done = self.executor().execute(id, command, cx).await?;
        self.seen(done.position).await;
        Ok(done)
    }

    /// Waits until the directory is at a position, so that the next command of the same caller
    /// builds on this one.
    pub(crate) async fn seen(&self, position: Position) {
        if !self.directory().wait_for(position, OWN_EFFECT).await {
            tracing::warn!(%position, "the directory is behind");
        }
    }
}

/// The circumstances of a request, for the domain.
pub fn context<R>(caller: &Caller<R>, request: &RequestContext) -> Ctx {
    context_of(caller.workspace, caller.actor.clone(), request)
}

/// The same for those who are no caller of the workspace yet.
pub fn context_of(workspace: WorkspaceId, actor: Actor, request: &RequestContext) -> Ctx {
    Ctx {
        workspace,
        actor,
        now: request.now,
        correlation: request.correlation,
        causation: None,
        traceparent: request.traceparent.clone(),
        seed: match &request.idempotency {
            Some(key) => Seed::Keyed(key.derive(workspace, "seed")),
            None => Seed::Fresh(Uuid::now_v7()),
        },
        dedup: request.idempotency.as_ref().map(|key| key.dedup(workspace)),
    }
}
