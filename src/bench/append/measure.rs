//! The two sides of the measurement: the same event, the same server, the same connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use async_nats::{
    Client, HeaderMap,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
        NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID,
    },
    jetstream,
};
use bytes::Bytes;
use chrono::Utc;
use futures::future::try_join_all;
use tokio::sync::Barrier;
use uuid::Uuid;
use weir_events::{
    Actor, Commit, DatasetId, EventId, EventLog, Metadata, NewEvent, Position, QueryId, RunId, Subject,
    UserId, WorkspaceId, query,
};
use weir_infra::log::JetStreamLog;

/// What one side did.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// How long each write took.
    latencies: Vec<Duration>,
    /// How long all of them took.
    took: Duration,
}

impl Side {
    /// Takes in another round.
    pub(super) fn add(&mut self, mut round: Self) {
        self.latencies.append(&mut round.latencies);
        self.took += round.took;
    }

    /// Writes per second.
    #[expect(clippy::cast_precision_loss, reason = "a count of writes is far below 2^52")]
    pub(super) fn throughput(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// The latency in milliseconds that this part of the writes stayed below.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of writes is far below 2^52, and the part lies between 0 and 1"
    )]
    pub(super) fn percentile(&self, part: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let at = ((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

/// The receipt of a query: the event that is written most.
fn event(subject: &Subject) -> NewEvent {
    let id = Uuid::now_v7();
    NewEvent {
        subject: subject.clone(),
        meta: Metadata {
            id: EventId(id),
            time: Utc::now(),
            actor: Actor::User(UserId(id)),
            correlation: id,
            causation: None,
            traceparent: None,
        },
        event: query::Executed {
            run_id: RunId(id),
            sql: "SELECT carrier, count(*) FROM flights GROUP BY carrier".to_owned(),
            pattern: "SELECT carrier, count(*) FROM flights GROUP BY carrier".to_owned(),
            datasets: vec![query::Source { id: DatasetId(id), name: "flights".to_owned(), version: 1 }],
            engine: "datafusion 55.2.0".to_owned(),
            rows: 16,
            bytes: 1_024,
            truncated: false,
            elapsed_ms: 12.5,
            cache_tier: None,
            result_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
            result: None,
            events_to: None,
            stages: None,
            context: None,
            question: None,
            model: None,
        }
        .into(),
    }
}

/// The event as a message that is guarded by its subject's last sequence.
fn message(subject: &Subject, last: u64) -> anyhow::Result<(HeaderMap, Bytes)> {
    let event = event(subject);
    let (envelope, payload) = event.encode()?;
    let mut headers = HeaderMap::new();
    for (name, value) in envelope.iter() {
        headers.insert(name, value);
    }
    headers.insert(NATS_MESSAGE_ID, event.meta.id.to_string());
    headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, last.to_string());
    Ok((headers, payload))
}

/// Atomic batches of `size` guarded messages, one after the other, made before the clock runs: what
/// the server reaches if nobody ever has to think. Returns messages per second.
pub(super) async fn batches(client: &Client, size: usize, time: Duration) -> anyhow::Result<f64> {
    let workspace = WorkspaceId(Uuid::now_v7());
    let mut subjects: Vec<_> =
        (0..size).map(|_| (Subject::query(workspace, QueryId(Uuid::now_v7())), 0)).collect();
    let (mut took, mut count) = (Duration::ZERO, 0);
    while took < time {
        let id = Uuid::new_v4().simple().to_string();
        let messages = subjects.iter().map(|(subject, last)| message(subject, *last));
        let messages: Vec<_> = messages.collect::<anyhow::Result<_>>()?;
        let mut first = 0;
        let begun = Instant::now();
        for (n, ((subject, _), (mut headers, payload))) in subjects.iter().zip(messages).enumerate() {
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, (n + 1).to_string());
            if n + 1 < size {
                client.publish_with_headers(subject.to_string(), headers, payload).await?;
                continue;
            }
            headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            let answer = client.request_with_headers(subject.to_string(), headers, payload).await?;
            let written: Written = serde_json::from_slice(&answer.payload).context("a batch failed")?;
            first = written.seq + 1 - size as u64;
        }
        took += begun.elapsed();
        count += size;
        subjects.iter_mut().zip(first..).for_each(|((_, last), position)| *last = position);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of writes is far below 2^52")]
    Ok(count as f64 / took.as_secs_f64())
}

/// The server's answer to a batch that it wrote.
#[derive(serde::Deserialize)]
struct Written {
    seq: u64,
}

/// Plain publishes, each guarded by its subject's last sequence, each awaited.
pub(super) async fn raw(
    jetstream: &jetstream::Context,
    writers: usize,
    time: Duration,
) -> anyhow::Result<Side> {
    let jetstream = jetstream.clone();
    side(writers, time, move |subject, last| {
        let jetstream = jetstream.clone();
        async move {
            let (headers, payload) = message(&subject, last)?;
            let sent = jetstream.publish_with_headers(subject.to_string(), headers, payload).await;
            Ok(sent.context("a publish failed")?.await.context("a publish failed")?.sequence)
        }
    })
    .await
}

/// The same through the event log.
pub(super) async fn weir(log: &JetStreamLog, writers: usize, time: Duration) -> anyhow::Result<Side> {
    let log = log.clone();
    side(writers, time, move |subject, last| {
        let log = log.clone();
        async move {
            let commit = Commit::new().guarded(event(&subject), Position(last));
            Ok(log.append(commit).await.context("a commit failed")?.last.0)
        }
    })
    .await
}

/// Runs the writers, each on a subject of its own, each write after the one before.
async fn side<F, W>(writers: usize, time: Duration, write: F) -> anyhow::Result<Side>
where
    F: Fn(Arc<Subject>, u64) -> W + Clone + Send + 'static,
    W: Future<Output = anyhow::Result<u64>> + Send,
{
    let workspace = WorkspaceId(Uuid::now_v7());
    let start = Arc::new(Barrier::new(writers + 1));
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (start, write) = (start.clone(), write.clone());
            tokio::spawn(async move {
                let subject = Arc::new(Subject::query(workspace, QueryId(Uuid::now_v7())));
                let (mut last, mut latencies) = (0, Vec::new());
                start.wait().await;
                let begun = Instant::now();
                while begun.elapsed() < time {
                    let sent = Instant::now();
                    last = write(subject.clone(), last).await?;
                    latencies.push(sent.elapsed());
                }
                anyhow::Ok(latencies)
            })
        })
        .collect();
    start.wait().await;
    let begun = Instant::now();
    let latencies = try_join_all(tasks).await.map_err(|e| anyhow!("a writer failed: {e}"))?;
    let took = begun.elapsed();
    let latencies = latencies.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok(Side { latencies, took })
}
