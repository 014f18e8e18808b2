//! The ingest worker: an uploaded file becomes a table, or is rejected with a reason.
//!
//! A durable consumer hands each upload to one worker at a time. The worker says that it is at it
//! for as long as the engine reads; a worker that dies stops saying so, and another one starts
//! over. That a file is read twice does no harm: the outcome that is written first counts, since
//! the dataset's own rules decide which is, and the other's table is removed.
//!
//! A file at fault is rejected at once. Where the machine is at fault (or the worker dies), the
//! file is tried again after a growing pause, a bounded number of times; then it is rejected too,
//! so that nobody waits for ever.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{
    self, AckKind, Message,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
};
use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, path::Path};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_engine::{
    Engine,
    csv::{self, IngestError},
};
use weir_events::{
    Actor, DatasetId, Event, EventLog, Headers, Position, Recorded, Stored, WorkspaceId, dataset,
};
use weir_infra::{
    blob::Blobs,
    log::STREAM,
    metrics::prometheus::{self, Registry},
};

use crate::{
    app::Executor,
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

weir_infra::metrics! {
    /// What the ingest worker does.
    pub struct Metrics in "ingest" {
        /// Files that were read, by outcome: `ingested`, `rejected`, `retried`, `given_up`, `settled`
        /// (another worker was first).
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
    /// How long a worker may be silent before its file goes to another. 30 s.
    pub silence: Duration,
    /// How often a file is tried before it is rejected. 5.
    pub tries: u32,
    /// The pause after the first failed try; each further one is four times as long. 1 s.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "ingest".to_owned(),
            parallel: 2,
            silence: Duration::from_secs(30),
            tries: 5,
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
    /// Worth another try.
    Again(String),
}

impl Worker {
    /// Over its adapters.
    ///
    /// # Errors
    /// When the registry already has metrics of these names.
    pub fn new(adapters: Adapters, options: Options, registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            client: adapters.client,
            executor: Executor::new(adapters.log),
            blobs: adapters.blobs,
            engine: adapters.engine,
            options,
            metrics: Metrics::register(registry)?,
        })
    }

    /// Works until it is told to stop; what it is at then goes to another worker. An outage of the
    /// log is waited out.
    pub async fn run(self, shutdown: CancellationToken) {
        let loops = (0..self.options.parallel.max(1)).map(|_| self.clone().take_turns());
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = futures::future::join_all(loops) => {}
        }
    }

    async fn take_turns(self) {
        loop {
            let error = match self.consumer().await {
                Ok(consumer) => self.consume(&consumer).await,
                Err(error) => error,
            };
            tracing::warn!(%error, "the ingest worker waits for the event log");
            tokio::time::sleep(AWAY).await;
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
            max_ack_pending: 1_000,
            ..pull::Config::default()
        };
        Ok(stream.create_consumer(config).await?)
    }

    /// One message at a time: what waits in a buffer would look like a worker that is silent.
    async fn consume(&self, consumer: &PullConsumer) -> anyhow::Error {
        loop {
            let mut batch = match consumer.batch().max_messages(1).expires(POLL).messages().await {
                Ok(batch) => batch,
                Err(error) => return error.into(),
            };
            match batch.next().await {
                None => {}
                Some(Err(error)) => return anyhow::anyhow!(error),
                Some(Ok(message)) => {
                    if let Err(error) = self.handle(&message).await {
                        return error;
                    }
                }
            }
        }
    }

    async fn handle(&self, message: &Message) -> Result<(), anyhow::Error> {
        let info = message.info().map_err(|e| anyhow::anyhow!(e))?;
        let tries = u32::try_from(info.delivered).unwrap_or(1).max(1);
        let stored = stored(message, info.stream_sequence);
        let Some(job) = job(&stored) else { return acked(message, AckKind::Ack).await };
        let outcome = tokio::select! {
            outcome = self.work(&job, tries) => outcome,
            error = self.stay_in_touch(message) => return Err(error),
        };
        let (outcome, ack) = match outcome {
            Outcome::Done(outcome) => (outcome, AckKind::Ack),
            Outcome::Again(error) => {
                let pause = self.options.pause * 4_u32.saturating_pow(tries.min(6) - 1);
                tracing::warn!(dataset = %job.dataset, tries, %error, "a file is tried again");
                ("retried", AckKind::Nak(Some(pause)))
            }
        };
        self.metrics.files_total.with_label_values(&[outcome]).inc();
        acked(message, ack).await
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

    async fn work(&self, job: &Job, tries: u32) -> Outcome {
        let version = job.version;
        match self.outcome(job).await {
            Ok(Some(settled)) => {
                self.sweep(job, &settled).await;
                return Outcome::Done("settled");
            }
            Ok(None) => {}
            Err(error) => return Outcome::Again(error),
        }
        if tries > self.options.tries {
            let reason = rejected(
                version,
                "ingest_failed",
                "The file could not be processed, though it was tried several times. Upload it again later."
                    .to_owned(),
            );
            return self.reject(job, reason, "given_up").await;
        }
        let table = format!("tables/{}/{}/{version}-{}.parquet", job.workspace, job.dataset, Uuid::now_v7());
        self.metrics.running.inc();
        let running = scopeguard(self.metrics.running.clone());
        let started = Instant::now();
        let options = read_options(&job.options);
        let dataset = job.dataset;
        let progress = move |p: csv::Progress| {
            tracing::debug!(%dataset, phase = ?p.phase, bytes = p.bytes, of = p.total_bytes, rows = p.rows, "reading");
        };
        let ingested = self.engine.ingest(&job.upload.blob, &table, &options, progress).await;
        drop(running);
        match ingested {
            Ok(ingested) => {
                let elapsed = started.elapsed();
                self.metrics.seconds.observe(elapsed.as_secs_f64());
                self.metrics.rows_total.inc_by(ingested.rows);
                self.metrics.bytes_total.inc_by(job.upload.bytes);
                let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                self.complete(job, event(version, table, ingested, elapsed_ms)).await
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
            Err(IngestError::Failed(error)) => Outcome::Again(error),
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
            Err(error) => Outcome::Again(error.to_string()),
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
            Err(error) => Outcome::Again(error.to_string()),
        }
    }

    async fn done(&self, job: &Job, outcome: &'static str) -> Outcome {
        match self.outcome(job).await {
            Ok(Some(settled)) => self.sweep(job, &settled).await,
            // What is left over costs space, nothing else.
            Ok(None) | Err(_) => {}
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
        for table in listed.unwrap_or_default() {
            let key = table.location.as_ref();
            if key.starts_with(&mine) && settled.table.as_deref() != Some(key) {
                self.remove(&table.location).await;
            }
        }
    }

    async fn remove(&self, key: &Path) {
        match self.blobs.delete(key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%key, %error, "an orphaned table could not be removed"),
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
        for value in values {
            headers.push(name.to_string(), value.as_str());
        }
    }
    Stored {
        position: Position(sequence),
        subject: message.subject.to_string(),
        headers,
        payload: message.payload.clone(),
    }
}

/// The file to read after an event; `None` for any other event, and for one that this build cannot
/// read: a newer worker's business.
fn job(stored: &Stored) -> Option<Job> {
    let recorded = match stored.decode() {
        Ok(recorded) => recorded,
        Err(error) => {
            tracing::warn!(position = %stored.position, %error, "the ingest worker skips an event");
            return None;
        }
    };
    let Event::Dataset(event) = &recorded.event else { return None };
    let (version, upload, options) = match event {
        dataset::Event::Uploaded(e) => (e.version, e.upload.clone(), e.options.clone()),
        dataset::Event::Reread(e) => (e.version, e.upload.clone(), e.options.clone()),
        _ => return None,
    };
    let (workspace, dataset) = (recorded.subject.workspace_id(), recorded.subject.id().parse().ok()?);
    Some(Job { workspace, dataset, version, upload, options, recorded })
}

fn rejected(version: u32, code: &str, detail: String) -> dataset::Rejected {
    dataset::Rejected { version, code: code.to_owned(), detail, row: None, column: None, found: None }
}

fn read_options(o: &dataset::ReadOptions) -> csv::ReadOptions {
    csv::ReadOptions {
        delimiter: o.delimiter,
        header: o.header,
        missing: o.missing.clone(),
        missing_in_text: o.missing_in_text.clone(),
        encoding: o.encoding.clone(),
        allow_ragged: o.allow_ragged,
    }
}

fn event(version: u32, table: String, ingested: csv::Ingested, elapsed_ms: u64) -> dataset::Ingested {
    let o = ingested.options;
    let columns = ingested.columns.into_iter().map(|c| dataset::Column {
        name: c.name,
        data_type: c.data_type,
        nullable: c.nullable,
        missing: c.missing,
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
        },
        elapsed_ms,
    }
}
