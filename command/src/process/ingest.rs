//! The ingest worker: an uploaded file becomes a table, or is rejected with a reason.
//!
//! A durable consumer hands each upload to one worker at a time. The worker says that it is at it
//! for as long as the engine reads; a worker that dies stops saying so, and another one starts
//! over. That a file is read twice does no harm: the outcome that is written first counts, since
//! the dataset's own rules decide which is, and the other's table is removed.
//!
//! A file at fault is rejected at once. Where the machine is at fault, the file is tried again after
//! a growing pause, a bounded number of times; then it is rejected too, so that nobody waits in
//! vain. A worker that is told to stop hands back what it is at, and one that loses the event log
//! starts over: neither is the file's fault, so neither counts as a try. What counts at last is how
//! often a file was begun at all, which is written down in the blob store before, since one that takes
//! the process down with it leaves no other trace.
//!
//! A workspace gets one turn less than there are, so that its many or large files never keep another's
//! waiting; and a file that takes too long is rejected.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    self, AckKind, Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
};
use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, path::Path};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_engine::{
    Engine,
    ingest::{self, IngestError},
    profile::Profile,
};
use weir_events::{
    Actor, AppendError, DatasetId, DecodeError, Event, EventLog, Headers, Position, Recorded, Stored,
    WorkspaceId, dataset, envelope::header,
};
use weir_infra::{
    blob::Blobs,
    log::STREAM,
    metrics::prometheus::{self, Registry},
};

use crate::{
    app::{Error, Executor, turns::Turns, uploads::read_options},
    domain::{
        Ctx, Decider,
        ctx::Seed,
        dataset::{Complete, Datasets, Reject, State},
    },
};

/// How long one request for work stays with the server, when there is none.
const POLL: Duration = Duration::from_secs(20);
/// How long to wait before asking a server that failed again.
const AWAY: Duration = Duration::from_secs(1);
/// Files that a process looks at beyond those that it reads, for one whose turn can come.
const WAITING: usize = 1_000;
/// Files that all processes may hold at once.
const HANDED_OUT: i64 = 10_000;
/// Files whose failures are remembered.
const REMEMBERED: usize = 10_000;
/// What the types of events with a file begin with, whatever their version.
const UPLOADS: [&str; 2] = ["weir.dataset.uploaded.", "weir.dataset.reread."];

weir_infra::metrics! {
    /// What the ingest worker does.
    pub struct Metrics in "ingest" {
        /// Files that were read, by outcome: `ingested`, `rejected`, `retried`, `given_up`, `settled`
        /// (another worker was first), `handed_back` (the worker was told to stop), `unreadable` (an
        /// upload that only a newer release can read).
        pub files_total: IntCounterVec["outcome"],
        /// Rows that were read.
        pub rows_total: IntCounter,
        /// Bytes that were read, as uploaded.
        pub bytes_total: IntCounter,
        /// Time from the start of reading to the table.
        pub seconds: Histogram,
        /// Files that are being read.
        pub running: IntGauge,
    }
}

/// How the worker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The consumer's name: workers of one name share the work.
    pub name: String,
    /// Files that this process reads at once. 2.
    pub parallel: usize,
    /// How long a file may take. 1 h.
    pub time: Duration,
    /// How long a worker may be silent before its file goes to another. 30 s.
    pub silence: Duration,
    /// How often reading a file may fail before it is rejected. 5.
    pub tries: u32,
    /// How often a file is begun before it is rejected, whatever became of it. 100.
    pub starts: u32,
    /// The pause after the first failed try; each further one is four times as long. 1 s.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "ingest".to_owned(),
            parallel: 2,
            time: Duration::from_secs(3_600),
            silence: Duration::from_secs(30),
            tries: 5,
            starts: 100,
            pause: Duration::from_secs(1),
        }
    }
}

/// What the worker is given.
pub struct Adapters {
    /// The connection that consumers are made on.
    pub client: async_nats::Client,
    /// The event log on the same server.
    pub log: Arc<dyn EventLog>,
    /// Uploads and tables.
    pub blobs: Blobs,
    /// The same blobs behind it.
    pub engine: Engine,
}

/// Turns uploads into tables. Clones share the adapters.
#[derive(Clone)]
pub struct Worker {
    client: async_nats::Client,
    executor: Executor,
    blobs: Blobs,
    engine: Engine,
    options: Options,
    metrics: Metrics,
    /// Whose turn it is: of a workspace, and of all.
    turns: Arc<(Turns, Arc<Semaphore>)>,
    /// How often reading failed here, by the upload's position, for those that wait for another try.
    failures: Arc<Mutex<HashMap<u64, u32>>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An upload that waits to be read.
struct Job {
    workspace: WorkspaceId,
    dataset: DatasetId,
    version: u32,
    upload: dataset::Upload,
    options: dataset::ReadOptions,
    recorded: Recorded,
}

/// A version whose outcome is known.
struct Settled {
    /// The table that counts; `None` where there is none.
    table: Option<String>,
}

/// What became of a job.
enum Outcome {
    /// It is settled, whoever did it.
    Done(&'static str),
    /// Reading it failed; worth another try.
    Failed(String),
    /// The event log is away; this says nothing of the file.
    Later(String),
}

/// What an event means to the worker.
enum Task {
    Read(Box<Job>),
    /// An upload, but not in words that this build knows.
    Unreadable(DecodeError),
    Nothing,
}

impl Worker {
    /// Over its adapters.
    ///
    /// # Errors
    /// When the registry already has metrics of these names.
    pub fn new(adapters: Adapters, options: Options, registry: &Registry) -> Result<Self, prometheus::Error> {
        let parallel = options.parallel.max(1);
        Ok(Self {
            client: adapters.client,
            executor: Executor::new(adapters.log),
            blobs: adapters.blobs,
            engine: adapters.engine,
            turns: Arc::new((Turns::new(parallel - 1), Arc::new(Semaphore::new(parallel)))),
            options,
            metrics: Metrics::register(registry)?,
            failures: Arc::default(),
        })
    }

    /// Works until it is told to stop; what it is at then is handed back, so that another worker, or
    /// this one after a restart, goes on with it at once. An outage of the log is waited out.
    pub async fn run(self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let consumed = async { self.consume(&self.consumer().await?, &shutdown).await };
            if let Err(error) = consumed.await {
                tracing::warn!(%error, "the ingest worker waits for the event log");
                shutdown.run_until_cancelled(tokio::time::sleep(AWAY)).await;
            }
        }
    }

    async fn consumer(&self) -> Result<PullConsumer, anyhow::Error> {
        let stream = jetstream::new(self.client.clone()).get_stream(STREAM).await?;
        let config = pull::Config {
            durable_name: Some(self.options.name.clone()),
            description: Some("Uploads that become tables".to_owned()),
            filter_subject: "weir.*.dataset.*".to_owned(),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.options.silence,
            // Tries are counted here, where giving up can be said in an event.
            max_deliver: -1,
            max_ack_pending: HANDED_OUT,
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }

    /// Takes files as they come, and has those read whose turn it is. Of the others the server is told that they are
    /// not forgotten. After an error none of them is under way any more.
    async fn consume(
        &self,
        consumer: &PullConsumer,
        shutdown: &CancellationToken,
    ) -> Result<(), anyhow::Error> {
        // One message at a time: what waits in a buffer would look like a worker that is silent.
        let messages =
            consumer.stream().max_messages_per_batch(1).expires(POLL).heartbeat(POLL / 4).messages();
        let mut messages = messages.await?;
        let mut under_way = JoinSet::new();
        let hand_back = CancellationToken::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = under_way.join_next() => ended??,
                message = messages.next(), if under_way.len() < WAITING => {
                    let message = message.ok_or_else(|| anyhow::anyhow!("there are no messages any more"))??;
                    let (worker, hand_back) = (self.clone(), hand_back.clone());
                    under_way.spawn(async move { worker.handle(&message, &hand_back).await });
                }
            }
        }
        // The request for the next file goes first: the server would give it what is handed back.
        drop(messages);
        hand_back.cancel();
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Waits until it is a workspace's turn; it ends when what is returned is dropped.
    async fn turn(&self, workspace: WorkspaceId) -> Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)> {
        let (of_each, of_all) = &*self.turns;
        let own = of_each.take(workspace, Duration::MAX).await.ok()?;
        // Neither is ever closed.
        Some((own, Arc::clone(of_all).acquire_owned().await.ok()?))
    }

    async fn handle(&self, message: &Message, hand_back: &CancellationToken) -> Result<(), anyhow::Error> {
        let info = message.info().map_err(|e| anyhow::anyhow!(e))?;
        let sequence = info.stream_sequence;
        let job = match task(&stored(message, sequence)) {
            Task::Read(job) => job,
            Task::Nothing => return acked(message, AckKind::Ack).await,
            Task::Unreadable(error) => {
                tracing::warn!(position = sequence, %error, "an upload waits for a newer ingest worker");
                self.metrics.files_total.with_label_values(&["unreadable"]).inc();
                return acked(message, AckKind::Nak(Some(self.options.silence))).await;
            }
        };
        let outcome = tokio::select! {
            outcome = self.attempt(&job, sequence) => outcome,
            error = self.stay_in_touch(message) => return Err(error),
            () = hand_back.cancelled() => {
                self.metrics.files_total.with_label_values(&["handed_back"]).inc();
                acked(message, AckKind::Nak(None)).await?;
                // The process may end before the connection would send it by itself.
                tokio::time::timeout(AWAY, self.client.flush()).await??;
                return Ok(());
            }
        };
        let (outcome, ack) = match outcome {
            Outcome::Done(outcome) => (outcome, AckKind::Ack),
            Outcome::Failed(error) => {
                let failures = self.failures_of(sequence);
                let pause = self.options.pause * 4_u32.saturating_pow(failures.clamp(1, 6) - 1);
                tracing::warn!(dataset = %job.dataset, failures, %error, "a file is tried again");
                ("retried", AckKind::Nak(Some(pause)))
            }
            Outcome::Later(error) => {
                tracing::warn!(dataset = %job.dataset, %error, "a file waits for the event log");
                ("retried", AckKind::Nak(Some(self.options.pause)))
            }
        };
        self.metrics.files_total.with_label_values(&[outcome]).inc();
        acked(message, ack).await
    }

    /// Reads a file when its turn has come, or gives it up where that failed too often.
    async fn attempt(&self, job: &Job, sequence: u64) -> Outcome {
        let _turn = self.turn(job.workspace).await;
        let (outcome, spent) = match self.begun(job).await {
            Ok(starts) if starts > self.options.starts => {
                (Outcome::Failed(format!("it was begun {starts} times")), true)
            }
            Ok(_) => (self.work(job).await, false),
            Err(error) => (Outcome::Failed(error.to_string()), false),
        };
        let outcome = match outcome {
            Outcome::Failed(error) => {
                let failures = self.failed(sequence);
                if failures < self.options.tries && !spent {
                    return Outcome::Failed(error);
                }
                tracing::warn!(dataset = %job.dataset, failures, spent, %error, "a file is given up");
                self.give_up(job).await
            }
            outcome => outcome,
        };
        if let Outcome::Done(_) = outcome {
            self.all_failures().remove(&sequence);
            self.remove(&job.starts()).await;
        }
        outcome
    }

    /// Writes down that a file is begun, and says how often it was, until it is settled.
    async fn begun(&self, job: &Job) -> Result<u32, anyhow::Error> {
        let key = job.starts();
        let before = match self.blobs.get(&key).await {
            Ok(found) => String::from_utf8_lossy(&found.bytes().await?).parse().unwrap_or_default(),
            Err(object_store::Error::NotFound { .. }) => 0_u32,
            Err(error) => return Err(error.into()),
        };
        let starts = before.saturating_add(1);
        self.blobs.put(&key, starts.to_string().into()).await?;
        Ok(starts)
    }

    fn all_failures(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures_of(&self, sequence: u64) -> u32 {
        self.all_failures().get(&sequence).copied().unwrap_or_default()
    }

    /// Counts a failure.
    fn failed(&self, sequence: u64) -> u32 {
        let mut all = self.all_failures();
        // Those that another process settled are never taken out one by one.
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let failures = all.entry(sequence).or_default();
        *failures += 1;
        *failures
    }

    async fn give_up(&self, job: &Job) -> Outcome {
        // Whoever was first may have settled it meanwhile.
        match self.settled(job).await {
            Ok(Some(done)) => return done,
            Ok(None) => {}
            Err(error) => return Outcome::Later(error),
        }
        let reason = rejected(
            job.version,
            "ingest_failed",
            "The file could not be processed, though it was tried several times. Upload it again later."
                .to_owned(),
        );
        self.reject(job, reason, "given_up").await
    }

    /// What there was left to do for a version whose outcome is known, done.
    async fn settled(&self, job: &Job) -> Result<Option<Outcome>, String> {
        let Some(settled) = self.outcome(job).await? else { return Ok(None) };
        self.sweep(job, &settled).await;
        Ok(Some(Outcome::Done("settled")))
    }

    /// Says again and again that the file is being read; ends only when it cannot.
    async fn stay_in_touch(&self, message: &Message) -> anyhow::Error {
        loop {
            tokio::time::sleep(self.options.silence / 3).await;
            if let Err(error) = acked(message, AckKind::Progress).await {
                return error;
            }
        }
    }

    async fn work(&self, job: &Job) -> Outcome {
        let version = job.version;
        match self.settled(job).await {
            Ok(Some(done)) => return done,
            Ok(None) => {}
            Err(error) => return Outcome::Later(error),
        }
        let table = format!("tables/{}/{}/{version}-{}.parquet", job.workspace, job.dataset, Uuid::now_v7());
        self.metrics.running.inc();
        let running = scopeguard(self.metrics.running.clone());
        let started = Instant::now();
        let options = read_options(&job.options);
        let dataset = job.dataset;
        let progress = move |p: ingest::Progress| {
            tracing::debug!(%dataset, phase = ?p.phase, bytes = p.bytes, of = p.total_bytes, rows = p.rows, "reading");
        };
        let reading = self.engine.ingest(&job.upload.blob, &table, &options, progress);
        let ingested = tokio::time::timeout(self.options.time, reading).await;
        drop(running);
        let Ok(ingested) = ingested else {
            let detail = format!(
                "The file could not be read within {} s. Upload it in parts, or in a form that is read sooner, such as Parquet.",
                self.options.time.as_secs()
            );
            return self.reject(job, rejected(version, "time_limit", detail), "rejected").await;
        };
        match ingested {
            Ok(ingested) => {
                let elapsed = started.elapsed();
                self.metrics.seconds.observe(elapsed.as_secs_f64());
                self.metrics.rows_total.inc_by(ingested.rows);
                self.metrics.bytes_total.inc_by(job.upload.bytes);
                let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let profile = table.replace(".parquet", ".profile.json");
                if let Err(error) = self.keep_profile(&profile, &ingested.profile).await {
                    return Outcome::Failed(error.to_string());
                }
                let event = dataset::Ingested {
                    profile: Some(profile),
                    ..event(version, table, ingested, elapsed_ms)
                };
                self.complete(job, event).await
            }
            Err(IngestError::Rejected(rejection)) => {
                let reason = dataset::Rejected {
                    row: rejection.row,
                    column: rejection.column,
                    found: rejection.found,
                    ..rejected(version, rejection.code, rejection.detail)
                };
                self.reject(job, reason, "rejected").await
            }
            Err(IngestError::Failed(error)) => Outcome::Failed(error),
        }
    }

    /// What became of the version, where that is known.
    async fn outcome(&self, job: &Job) -> Result<Option<Settled>, String> {
        let subject = Datasets::subject(job.workspace, &job.dataset);
        let mut state = State::default();
        let mut table = None;
        for recorded in self.executor.log().load(&subject).await.map_err(|e| e.to_string())? {
            let Some(event) = Datasets::own(&recorded.event) else { continue };
            Datasets::evolve(&mut state, event);
            if let dataset::Event::Ingested(e) = event
                && e.version == job.version
            {
                table = Some(e.table.clone());
            }
        }
        Ok(state.settled(job.version).then_some(Settled { table }))
    }

    async fn complete(&self, job: &Job, event: dataset::Ingested) -> Outcome {
        let (rows, elapsed_ms) = (event.rows, event.elapsed_ms);
        match self.executor.execute(&job.dataset, &Complete(event), &job.context()).await {
            Ok(done) => {
                tracing::info!(dataset = %job.dataset, rows, elapsed_ms, counts = done.reply, "a file became a table");
                self.done(job, if done.reply { "ingested" } else { "settled" }).await
            }
            // Trying again would make the same table.
            Err(Error::Append(AppendError::TooLarge { size, limit })) => {
                let detail = format!(
                    "The columns and what is missing in them take {size} bytes to describe, of {limit} that \
                     are possible. Upload it with fewer columns, or with fewer texts that mean 'missing'."
                );
                self.reject(job, rejected(job.version, "columns_too_large", detail), "rejected").await
            }
            Err(error) => again(error),
        }
    }

    async fn reject(&self, job: &Job, reason: dataset::Rejected, outcome: &'static str) -> Outcome {
        let code = reason.code.clone();
        let command = Reject { id: job.dataset, reason };
        match self.executor.execute(&job.dataset, &command, &job.context()).await {
            Ok(done) => {
                tracing::info!(dataset = %job.dataset, code, counts = done.reply, "a file was rejected");
                self.done(job, if done.reply { outcome } else { "settled" }).await
            }
            Err(error) => again(error),
        }
    }

    async fn done(&self, job: &Job, outcome: &'static str) -> Outcome {
        // Where the outcome cannot be read, what is left over costs space, nothing else.
        if let Ok(Some(settled)) = self.outcome(job).await {
            self.sweep(job, &settled).await;
        }
        Outcome::Done(outcome)
    }

    /// Removes the version's tables that no event names, left by tries that died or lost. With the
    /// outcome written no other event for this version will follow, so that all tables of it but
    /// the one that counts are such; a worker that is still at it removes its own when it loses.
    async fn sweep(&self, job: &Job, settled: &Settled) {
        let folder = Path::from(format!("tables/{}/{}", job.workspace, job.dataset));
        let mine = format!("{folder}/{}-", job.version);
        let listed = self.blobs.list(Some(&folder)).try_collect::<Vec<_>>().await;
        // A table and its profile share all but the ending.
        let stem = |key: &str| key.split_once('.').map_or(key, |(stem, _)| stem).to_owned();
        let counts = settled.table.as_deref().map(stem);
        for file in listed.unwrap_or_default() {
            let key = file.location.as_ref();
            if key.starts_with(&mine) && counts != Some(stem(key)) {
                self.remove(&file.location).await;
            }
        }
    }

    /// Puts beside a table what its columns hold.
    async fn keep_profile(&self, key: &str, profile: &Profile) -> Result<(), anyhow::Error> {
        self.blobs.put(&Path::parse(key)?, serde_json::to_vec(profile)?.into()).await?;
        Ok(())
    }

    async fn remove(&self, key: &Path) {
        match self.blobs.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%key, %error, "what is left over could not be removed"),
        }
    }
}

/// Counts down when it is dropped, also with the future that holds it.
fn scopeguard(gauge: prometheus::IntGauge) -> impl Drop {
    struct Down(prometheus::IntGauge);
    impl Drop for Down {
        fn drop(&mut self) {
            self.0.dec();
        }
    }
    Down(gauge)
}

impl Job {
    /// Where it is written down how often it was begun.
    fn starts(&self) -> Path {
        Path::from(format!("starts/{}/{}/{}", self.workspace, self.dataset, self.version))
    }

    /// What the worker does belongs to the request that uploaded the file.
    fn context(&self) -> Ctx {
        Ctx {
            workspace: self.workspace,
            actor: Actor::System("ingest"),
            now: Utc::now(),
            correlation: self.recorded.meta.correlation,
            causation: Some(self.recorded.meta.id),
            traceparent: self.recorded.meta.traceparent.clone(),
            seed: Seed::Fresh(Uuid::now_v7()),
            dedup: None,
        }
    }
}

async fn acked(message: &Message, kind: AckKind) -> Result<(), anyhow::Error> {
    message.ack_with(kind).await.map_err(|e| anyhow::anyhow!(e))
}

fn stored(message: &Message, sequence: u64) -> Stored {
    let mut headers = Headers::default();
    for (name, values) in message.headers.iter().flat_map(async_nats::HeaderMap::iter) {
        let name: &str = name.as_ref();
        for value in values {
            headers.push(name, value.as_str());
        }
    }
    Stored {
        position: Position(sequence),
        subject: message.subject.to_string(),
        headers,
        payload: message.payload.clone(),
    }
}

/// A command that was not carried out: because the log was away, or for a reason of its own.
fn again<E: std::fmt::Display>(error: Error<E>) -> Outcome {
    match error {
        Error::Append(AppendError::Unavailable(_)) | Error::Load(_) => Outcome::Later(error.to_string()),
        error => Outcome::Failed(error.to_string()),
    }
}

/// What there is to do after an event. An upload that this build cannot read is a newer worker's
/// business, so it is not taken away from it; any other event is nobody's.
fn task(stored: &Stored) -> Task {
    let recorded = match stored.decode() {
        Ok(recorded) => recorded,
        Err(error) => {
            let kind = stored.headers.get(header::TYPE).unwrap_or_default();
            let upload = UPLOADS.iter().any(|upload| kind.starts_with(upload));
            return if upload { Task::Unreadable(error) } else { Task::Nothing };
        }
    };
    let Event::Dataset(event) = &recorded.event else { return Task::Nothing };
    let (version, upload, options) = match event {
        dataset::Event::Uploaded(e) => (e.version, e.upload.clone(), e.options.clone()),
        dataset::Event::Reread(e) => (e.version, e.upload.clone(), e.options.clone()),
        _ => return Task::Nothing,
    };
    let Ok(dataset) = recorded.subject.id().parse() else { return Task::Nothing };
    let workspace = recorded.subject.workspace_id();
    Task::Read(Box::new(Job { workspace, dataset, version, upload, options, recorded }))
}

fn rejected(version: u32, code: &str, detail: String) -> dataset::Rejected {
    dataset::Rejected { version, code: code.to_owned(), detail, row: None, column: None, found: None }
}

fn event(version: u32, table: String, ingested: ingest::Ingested, elapsed_ms: u64) -> dataset::Ingested {
    let o = ingested.options;
    let columns = ingested.columns.into_iter().map(|c| dataset::Column {
        name: c.name,
        data_type: c.data_type,
        nullable: c.nullable,
        missing: c.missing,
        unfit: c.unfit,
    });
    let sheets = ingested.sheets.into_iter().map(|s| dataset::Sheet {
        name: s.name,
        rows: s.rows,
        columns: s.columns,
    });
    dataset::Ingested {
        version,
        table,
        table_bytes: ingested.table_bytes,
        rows: ingested.rows,
        columns: columns.collect(),
        format: ingested.format,
        options: dataset::ReadOptions {
            delimiter: o.delimiter,
            header: o.header,
            missing: o.missing,
            missing_in_text: o.missing_in_text,
            encoding: o.encoding,
            allow_ragged: o.allow_ragged,
            sheet: o.sheet,
            records: o.records,
            types: o.types,
            allow_unfit: o.allow_unfit,
        },
        sheets: sheets.collect(),
        elapsed_ms,
        profile: None,
        diff: None,
    }
}
