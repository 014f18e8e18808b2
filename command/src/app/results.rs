//! Results of queries: looked for in memory, then in the cache that processes share, then in the blob
//! store, and computed only where none of them has it. What is found lower down fills what is above.
//!
//! A result's key is a hash of everything that it was computed from, so a result is never stale and
//! nothing is ever invalidated: a new version of a dataset makes other keys. A tier that fails is a
//! tier that has nothing.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStoreExt, path::Path};
use tokio::sync::Mutex;
use weir_engine::{Answer, ENGINE, sql::Statement};
use weir_events::{RunId, WorkspaceId, query::Source};
use weir_infra::{
    blob::Blobs,
    cache::{Key, Namespace, Shared, seal},
};

use super::queries::Failure;

/// What a cached result takes besides its rows, about, in bytes.
const OVERHEAD: u64 = 1_024;
/// What sealed bytes in the blob store are.
const KIND: &str = "results";

weir_infra::metrics! {
    /// What becomes of looks for results.
    pub struct Metrics in "results" {
        /// Looks for results, by outcome: `hit`, `miss`, `error` (there is none to find) or `uncacheable`; and by the
        /// tier that had it: 1 is memory, 2 the shared cache, 3 the blob store, `none` where it was computed.
        pub looks_total: IntCounterVec["outcome", "tier"],
        /// Queries that the engine was given.
        pub computed_total: IntCounter,
        /// Results in the blob store that were not what had been written.
        pub damaged_total: IntCounter,
    }
}

/// An answer, shared by everyone who gets it.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The rows.
    pub answer: Arc<Answer>,
    /// What it was computed from; `None` where computing it again may give another.
    content: Option<Key>,
    /// Whether the blob store probably has it: another process put it into the shared cache.
    there: bool,
    /// Its key in the blob store, once it is known to be there.
    stored: Arc<Mutex<Option<String>>>,
}

impl Kept {
    /// An answer that is this run's alone.
    fn volatile(answer: Answer) -> Self {
        Self { answer: Arc::new(answer), content: None, there: false, stored: Arc::default() }
    }

    /// Whether nobody else can ever be given it.
    pub(super) fn is_volatile(&self) -> bool {
        self.content.is_none()
    }
}

/// What a result depends on, and nothing else: it is never stale. `bytes` is where it is cut off, and `erasures` how often
/// something was erased in the workspace: what was kept before is not found any more.
pub(super) fn key(
    workspace: WorkspaceId,
    erasures: u64,
    statement: &Statement,
    rows: usize,
    bytes: usize,
    sources: &[Source],
) -> Key {
    let begun = Key::of(workspace)
        .part(ENGINE.as_bytes())
        .part(&erasures.to_be_bytes())
        .part(statement.normalized.as_bytes())
        .part(&(rows as u64).to_be_bytes())
        .part(&(bytes as u64).to_be_bytes());
    let add = |content: weir_infra::cache::Content, source: &Source| {
        // The name too: datasets may have traded names since.
        content
            .part(source.name.to_lowercase().as_bytes())
            .part(source.id.0.as_bytes())
            .part(&source.version.to_be_bytes())
    };
    sources.iter().fold(begun, add).key()
}

/// The tiers.
pub(super) struct Results {
    memory: moka::future::Cache<Key, Kept>,
    shared: Shared,
    blobs: Blobs,
    /// Answers up to this size in memory go to the blob store, in bytes.
    kept_bytes: u64,
    metrics: Metrics,
}

impl Results {
    pub(super) fn new(
        memory_bytes: u64,
        shared: Shared,
        blobs: Blobs,
        kept_bytes: u64,
        metrics: Metrics,
    ) -> Self {
        let weight = |_: &Key, kept: &Kept| u32::try_from(kept.answer.bytes + OVERHEAD).unwrap_or(u32::MAX);
        let memory = moka::future::Cache::builder().max_capacity(memory_bytes).weigher(weight).build();
        Self { memory, shared, blobs, kept_bytes, metrics }
    }

    /// Computes what may be another answer each time.
    pub(super) async fn uncached(
        &self,
        compute: impl Future<Output = Result<Answer, Failure>>,
    ) -> Result<Kept, Failure> {
        self.count("uncacheable", None);
        self.metrics.computed_total.inc();
        Ok(Kept::volatile(compute.await?))
    }

    /// The result under a key and the tier that had it, else what `compute` gives. Of those who look for
    /// the same at once one does so and the others wait for it; where that one goes away, the next takes over.
    pub(super) async fn find(
        &self,
        workspace: WorkspaceId,
        key: Key,
        compute: impl Future<Output = Result<Answer, Failure>>,
    ) -> Result<(Kept, Option<u8>), Failure> {
        let mut tier = None;
        let look = async {
            let answer = match self.below(workspace, &key).await {
                Some((answer, from)) => {
                    tier = Some(from);
                    answer
                }
                None => {
                    self.metrics.computed_total.inc();
                    compute.await?
                }
            };
            Ok::<_, Failure>(self.kept(workspace, key, answer, tier))
        };
        let entry = match self.memory.entry(key).or_try_insert_with(Box::pin(look)).await {
            Ok(entry) => entry,
            Err(failure) => {
                self.count("error", None);
                return Err((*failure).clone());
            }
        };
        let tier = if entry.is_fresh() { tier } else { Some(1) };
        self.count(if tier.is_some() { "hit" } else { "miss" }, tier);
        Ok((entry.into_value(), tier))
    }

    fn count(&self, outcome: &str, tier: Option<u8>) {
        let tier = tier.map_or("none".to_owned(), |tier| tier.to_string());
        self.metrics.looks_total.with_label_values(&[outcome, &tier]).inc();
    }

    /// What the tiers below memory have.
    async fn below(&self, workspace: WorkspaceId, key: &Key) -> Option<(Answer, u8)> {
        if let Some(content) = self.shared.get(Namespace::Results, key).await
            && let Some(answer) = decoded(content).await
        {
            return Some((answer, 2));
        }
        let content = self.in_store(workspace, key).await?;
        Some((decoded(content).await?, 3))
    }

    /// What the blob store has, if it is whole.
    async fn in_store(&self, workspace: WorkspaceId, key: &Key) -> Option<Bytes> {
        if self.kept_bytes == 0 {
            return None;
        }
        let path = path(workspace, key);
        let object = match self.blobs.get(&path).await {
            Ok(object) => object,
            Err(object_store::Error::NotFound { .. }) => return None,
            Err(error) => {
                tracing::warn!(%path, %error, "a result could not be looked for");
                return None;
            }
        };
        // In the store it takes about what it does in memory.
        let fits = object.meta.size <= self.kept_bytes.saturating_mul(2).saturating_add(1 << 20);
        let content = match fits {
            true => object.bytes().await.ok().and_then(|sealed| seal::open(KIND, key, &sealed)),
            false => None,
        };
        if content.is_none() {
            self.metrics.damaged_total.inc();
            tracing::warn!(%path, "a result in the blob store is damaged; it is computed again");
        }
        content
    }

    /// An answer for memory, on its way to the shared cache where that lacks it. Nobody waits for that.
    fn kept(&self, workspace: WorkspaceId, key: Key, answer: Answer, from: Option<u8>) -> Kept {
        let stored = (from == Some(3)).then(|| path(workspace, &key).to_string());
        let kept = Kept {
            answer: Arc::new(answer),
            content: Some(key),
            there: from == Some(2),
            stored: Arc::new(Mutex::new(stored)),
        };
        if from != Some(2) && self.shared.takes(Namespace::Results, kept.answer.bytes) {
            let (shared, answer) = (self.shared.clone(), kept.answer.clone());
            tokio::spawn(async move {
                if let Some(content) = encoded(answer).await {
                    shared.put(Namespace::Results, &key, content).await;
                }
            });
        }
        kept
    }

    /// Whether an answer is small enough to be kept in the blob store.
    fn keeps(&self, answer: &Answer) -> bool {
        self.kept_bytes > 0 && answer.bytes <= self.kept_bytes
    }

    /// The key in the blob store under which an answer can be had again, for a receipt: put there now
    /// where it is not yet. `None` where it is too large or the store fails: it can be computed again.
    /// Only what runs answered is stored: what is looked at for suggestions would never be asked for.
    pub(super) async fn stored(&self, workspace: WorkspaceId, kept: &Kept, run: RunId) -> Option<String> {
        // Whoever puts it there holds this meanwhile.
        let mut stored = kept.stored.lock().await;
        if stored.is_none() && self.keeps(&kept.answer) {
            let path = match &kept.content {
                Some(key) => path(workspace, key),
                None => Path::from(format!("results/{workspace}/{run}.arrow")),
            };
            *stored = if kept.there && self.blobs.head(&path).await.is_ok() {
                Some(path.to_string())
            } else {
                let content = encoded(kept.answer.clone()).await?;
                let bytes = match &kept.content {
                    Some(key) => seal::seal(KIND, key, content),
                    None => content,
                };
                self.put(&path, bytes).await
            };
        }
        stored.clone()
    }

    async fn put(&self, path: &Path, bytes: Vec<u8>) -> Option<String> {
        match self.blobs.put(path, bytes.into()).await {
            Ok(_) => Some(path.to_string()),
            Err(error) => {
                tracing::warn!(%path, %error, "a result was not kept");
                None
            }
        }
    }

    /// Removes an answer that no receipt names and nobody can find.
    pub(super) async fn forget(&self, key: &str) {
        if let Ok(path) = Path::parse(key)
            && let Err(error) = self.blobs.delete(&path).await
        {
            tracing::warn!(key, %error, "a result that no run names could not be removed");
        }
    }
}

fn path(workspace: WorkspaceId, key: &Key) -> Path {
    Path::from(format!("results/{workspace}/{key}.arrow"))
}

/// Off the threads that serve requests, since it can take a while.
async fn encoded(answer: Arc<Answer>) -> Option<Vec<u8>> {
    match tokio::task::spawn_blocking(move || answer.to_arrow_stream()).await {
        Ok(Ok(content)) => Some(content),
        Ok(Err(error)) => {
            tracing::warn!(%error, "a result was not kept");
            None
        }
        Err(_) => None,
    }
}

/// The same the other way. What cannot be read is none.
async fn decoded(content: Bytes) -> Option<Answer> {
    let read = tokio::task::spawn_blocking(move || Answer::from_arrow_stream(&content)).await;
    read.ok()?.inspect_err(|error| tracing::warn!(%error, "a result was not read back")).ok()
}
