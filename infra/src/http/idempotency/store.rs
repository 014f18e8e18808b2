//! Where claims and answers are kept: a JetStream bucket.

#![expect(clippy::disallowed_methods, reason = "leases end by the clock, and parts need new names")]

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream::{
    self, ErrorCode,
    kv::{self, CreateErrorKind, Operation, UpdateErrorKind},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use moka::future::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{
    key::{IdempotencyKey, hex},
    reply::Head,
};
use crate::{
    auth::{SigningKey, hmac_sha256},
    http::{Code, Problem},
    seal::Seal,
};

const BUCKET: &str = "WEIR_REPLIES";
/// How long answers are kept: 24 hours, and a little, so that a long answer's parts, which are
/// written first, outlive that.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60 + 600);
/// How long a claim holds without being renewed. A crash blocks its keys for as long.
const LEASE: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How much of an answer goes into one message, in bytes; NATS takes 1 MiB by default.
const CHUNK: usize = 512 * 1024;
/// Rounds of claiming before giving up on a key that many fight for.
const ROUNDS: usize = 8;
/// How long a single exchange with the bucket may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many keyed requests without a known caller are remembered of one address, per span of time.
const STRANGERS: (u32, Duration) = (100, Duration::from_secs(5 * 60));
/// How many addresses are counted at once.
const ADDRESSES: u64 = 10_000;

/// How the answers are kept.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Servers of a cluster that keep them.
    pub replicas: usize,
    /// How much room they have, in bytes. Once it is used up, answers are not kept until old ones
    /// have run out: a repetition then runs again, under the same ids.
    pub max_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { replicas: 1, max_bytes: 1 << 30 }
    }
}

/// Keeps the answers to keyed requests, sealed under a key derived from the signing key. Clones
/// share everything.
#[derive(Clone)]
pub struct ReplyStore(Arc<Inner>);

struct Inner {
    bucket: kv::Store,
    seal: Seal,
    name_key: [u8; 32],
    strangers: Cache<IpAddr, Arc<AtomicU32>>,
    claims: TaskTracker,
}

impl std::fmt::Debug for ReplyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplyStore(WEIR_REPLIES)")
    }
}

/// The bucket could not be opened or made.
#[derive(Debug, thiserror::Error)]
#[error("the bucket {BUCKET} cannot be opened: {0}")]
pub struct OpenError(String);

/// What a key is good for.
pub(super) enum Claim {
    /// Nobody else uses it: the request may run.
    Mine(Lease),
    /// The first request has not been answered yet.
    Running,
    /// It has been.
    Done(Stored),
    /// The bucket is full: the request runs without being remembered.
    NoRoom,
}

/// An answer that is kept.
pub(super) struct Stored {
    pub(super) head: Head,
    name: String,
    body: Body,
}

/// What stands under a key.
#[derive(Serialize, Deserialize)]
enum Entry {
    Running { until: DateTime<Utc> },
    Done { head: Head, body: Body },
}

#[derive(Clone, Serialize, Deserialize)]
enum Body {
    /// Follows the entry in the same message.
    Inline(#[serde(skip)] Bytes),
    /// Stands in messages of its own.
    Parts { batch: Uuid, count: u32 },
}

impl ReplyStore {
    /// Opens the bucket, and makes it where it is not there yet.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses the bucket.
    pub async fn open(client: async_nats::Client, key: &SigningKey) -> Result<Self, OpenError> {
        Self::open_with(client, key, Options::default()).await
    }

    /// The same with other options.
    ///
    /// # Errors
    /// When JetStream does not answer or refuses the bucket.
    pub async fn open_with(
        client: async_nats::Client,
        key: &SigningKey,
        options: Options,
    ) -> Result<Self, OpenError> {
        let config = kv::Config {
            bucket: BUCKET.to_owned(),
            description: "Answers to requests with an Idempotency-Key, sealed".to_owned(),
            history: 1,
            max_age: KEPT,
            // What does not fit is refused; nothing is pushed out for it.
            max_bytes: i64::try_from(options.max_bytes).unwrap_or(i64::MAX),
            num_replicas: options.replicas,
            ..kv::Config::default()
        };
        let bucket = jetstream::new(client)
            .create_or_update_key_value(config)
            .await
            .map_err(|e| OpenError(e.to_string()))?;
        Ok(Self(Arc::new(Inner {
            bucket,
            seal: Seal::new(key, "replies: seal"),
            name_key: key.derive("replies: names"),
            strangers: Cache::builder().max_capacity(ADDRESSES).time_to_live(STRANGERS.1).build(),
            claims: TaskTracker::new(),
        })))
    }

    /// Waits until every claim of this process has ended: that of a request which was cancelled is
    /// given back after the request. For the end of a process that serves no more.
    pub async fn settled(&self) {
        self.0.claims.close();
        self.0.claims.wait().await;
    }

    /// Whether one more request without a known caller is remembered for this address: whoever
    /// need not say who he is must not fill the bucket.
    pub(super) async fn admits(&self, address: IpAddr) -> bool {
        let count = self.0.strangers.get_with(address, async { Arc::default() }).await;
        count.fetch_add(1, Ordering::Relaxed) < STRANGERS.0
    }

    /// Claims a key for a request.
    pub(super) async fn claim(&self, key: &IdempotencyKey) -> Result<Claim, Problem> {
        let name = hex(&hmac_sha256(&self.0.name_key, &[key.scope()]));
        for _ in 0..ROUNDS {
            let running = Entry::Running { until: lease_end() };
            let value = self.sealed(&name, &running, &[])?;
            match within(self.0.bucket.create(&name, value)).await? {
                Ok(revision) => return Ok(Claim::Mine(self.lease(name, revision))),
                Err(e) if e.kind() == CreateErrorKind::AlreadyExists => {}
                Err(e) if full(&e) => return Ok(Claim::NoRoom),
                Err(e) => return Err(away(e)),
            }
            let Some(found) = within(self.0.bucket.entry(&name)).await?.map_err(away)? else { continue };
            if found.operation != Operation::Put {
                continue;
            }
            match self.opened(&name, &found.value) {
                Some(Entry::Done { head, body }) => return Ok(Claim::Done(Stored { head, name, body })),
                Some(Entry::Running { until }) if until > Utc::now() => return Ok(Claim::Running),
                // Its process died, or the signing key was changed: it is taken over.
                Some(Entry::Running { .. }) | None => {}
            }
            let value = self.sealed(&name, &Entry::Running { until: lease_end() }, &[])?;
            match within(self.0.bucket.update(&name, value, found.revision)).await? {
                Ok(revision) => return Ok(Claim::Mine(self.lease(name, revision))),
                Err(e) if e.kind() == UpdateErrorKind::WrongLastRevision => {}
                Err(e) if full(&e) => return Ok(Claim::NoRoom),
                Err(e) => return Err(away(e)),
            }
        }
        Ok(Claim::Running)
    }

    /// Keeps an answer in place of its claim.
    pub(super) async fn keep(&self, lease: Lease, head: Head, body: Bytes) -> Result<(), Problem> {
        let (entry, inline) = if body.len() <= CHUNK {
            (Entry::Done { head, body: Body::Inline(Bytes::new()) }, body)
        } else {
            let batch = Uuid::new_v4();
            let mut count = 0_u32;
            for chunk in body.chunks(CHUNK) {
                let name = part_name(&lease.name, batch, count);
                let value = self.seal_bytes(&name, chunk)?;
                within(self.0.bucket.put(&name, value)).await?.map_err(away)?;
                count += 1;
            }
            (Entry::Done { head, body: Body::Parts { batch, count } }, Bytes::new())
        };
        let value = self.sealed(&lease.name, &entry, &inline)?;
        lease.finish(value).await
    }

    /// The body of an answer that is kept; `None` where it has run out.
    pub(super) async fn body(&self, stored: &Stored) -> Result<Option<Vec<u8>>, Problem> {
        match &stored.body {
            Body::Inline(bytes) => Ok(Some(bytes.to_vec())),
            Body::Parts { batch, count } => {
                let mut whole = Vec::new();
                for n in 0..*count {
                    let name = part_name(&stored.name, *batch, n);
                    let part = within(self.0.bucket.get(&name)).await?.map_err(away)?;
                    let Some(part) = part.and_then(|p| self.open_bytes(&name, &p)) else { return Ok(None) };
                    whole.extend_from_slice(&part);
                }
                Ok(Some(whole))
            }
        }
    }

    fn lease(&self, name: String, revision: u64) -> Lease {
        let (done, finished) = oneshot::channel();
        self.0.claims.spawn(self.clone().hold(name.clone(), revision, finished));
        Lease { name, done: Some(done) }
    }

    /// Renews a claim until its holder is done with it. Owns the revision, so that renewing and
    /// finishing never get in each other's way.
    async fn hold(self, name: String, mut revision: u64, mut finished: oneshot::Receiver<Finish>) {
        let bucket = &self.0.bucket;
        loop {
            tokio::select! {
                finish = &mut finished => {
                    match finish {
                        Ok(Finish { value: Some(value), answer }) => {
                            let kept = async {
                                within(bucket.update(&name, value, revision)).await?.map_err(away)
                            };
                            let kept = kept.await;
                            if kept.is_err() {
                                // A repetition need not wait for the end of the lease. Where the
                                // answer is there in spite of the error, its revision is another.
                                let _ = within(bucket.delete_expect_revision(&name, Some(revision))).await;
                            }
                            // Nobody may be waiting any more.
                            let _ = answer.send(kept.map(|_| ()));
                        }
                        Ok(Finish { value: None, answer }) => {
                            let freed = async {
                                within(bucket.delete_expect_revision(&name, Some(revision))).await?.map_err(away)
                            };
                            let _ = answer.send(freed.await);
                        }
                        // The request was dropped. What fails here runs out with the lease.
                        Err(_) => {
                            let _ = within(bucket.delete_expect_revision(&name, Some(revision))).await;
                        }
                    }
                    return;
                }
                () = tokio::time::sleep(RENEW) => {
                    let Ok(value) = self.sealed(&name, &Entry::Running { until: lease_end() }, &[]) else { return };
                    match within(bucket.update(&name, value, revision)).await {
                        Ok(Ok(renewed)) => revision = renewed,
                        Ok(Err(e)) if e.kind() == UpdateErrorKind::WrongLastRevision => {
                            tracing::warn!("a claim on an Idempotency-Key ran out while its request was running");
                            return;
                        }
                        // Away for the moment; the next round may come through.
                        Ok(Err(_)) | Err(_) => {}
                    }
                }
            }
        }
    }

    fn sealed(&self, name: &str, entry: &Entry, inline: &[u8]) -> Result<Bytes, Problem> {
        let head = serde_json::to_vec(entry).map_err(Problem::internal)?;
        let mut plain = Vec::with_capacity(4 + head.len() + inline.len());
        plain.extend_from_slice(&u32::try_from(head.len()).map_err(Problem::internal)?.to_be_bytes());
        plain.extend_from_slice(&head);
        plain.extend_from_slice(inline);
        self.seal_bytes(name, &plain)
    }

    fn opened(&self, name: &str, value: &[u8]) -> Option<Entry> {
        let plain = self.open_bytes(name, value)?;
        let (len, rest) = plain.split_first_chunk()?;
        let (head, inline) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        match serde_json::from_slice(head).ok()? {
            Entry::Done { head, body: Body::Inline(_) } => {
                Some(Entry::Done { head, body: Body::Inline(Bytes::copy_from_slice(inline)) })
            }
            entry => Some(entry),
        }
    }

    /// Seals bytes to the name that they stand under, so that they cannot be moved to another.
    fn seal_bytes(&self, name: &str, plain: &[u8]) -> Result<Bytes, Problem> {
        Ok(self.0.seal.seal(name.as_bytes(), plain).map_err(Problem::internal)?.into())
    }

    fn open_bytes(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        self.0.seal.open(name.as_bytes(), value)
    }
}

/// A claim on a key while its request runs. Dropping it gives the key back.
pub(super) struct Lease {
    name: String,
    done: Option<oneshot::Sender<Finish>>,
}

struct Finish {
    /// The answer to keep, or nothing to give the key back.
    value: Option<Bytes>,
    answer: oneshot::Sender<Result<(), Problem>>,
}

impl Lease {
    /// Gives the key back, so that a repetition runs anew. Where that fails the claim runs out by
    /// itself.
    pub(super) async fn release(self) {
        if let Err(problem) = self.end(None).await {
            tracing::debug!(error = %problem, "a claim on an Idempotency-Key runs out by itself");
        }
    }

    async fn finish(self, value: Bytes) -> Result<(), Problem> {
        self.end(Some(value)).await
    }

    async fn end(mut self, value: Option<Bytes>) -> Result<(), Problem> {
        let (answer, answered) = oneshot::channel();
        let lost = || Problem::internal("the claim on the key was lost");
        let done = self.done.take().ok_or_else(lost)?;
        done.send(Finish { value, answer }).map_err(|_| lost())?;
        answered.await.map_err(|_| lost())?
    }
}

fn part_name(name: &str, batch: Uuid, n: u32) -> String {
    format!("{name}.{}.{n}", batch.simple())
}

fn lease_end() -> DateTime<Utc> {
    Utc::now() + LEASE
}

/// Bounds the wait for the bucket.
async fn within<T>(exchange: impl Future<Output = T>) -> Result<T, Problem> {
    tokio::time::timeout(TIMEOUT, exchange).await.map_err(away)
}

/// Whether JetStream has no room for a message.
fn full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(e) = error {
        if let Some(refusal) = e.downcast_ref::<jetstream::Error>() {
            return refusal.error_code() == ErrorCode::STREAM_STORE_FAILED;
        }
        error = e.source();
    }
    false
}

fn away(cause: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::LogUnavailable,
        "The event log, which also remembers keyed requests, does not answer at the moment.",
    )
    .retry_after(Duration::from_secs(2))
    .cause(cause)
}
