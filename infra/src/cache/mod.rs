//! The cache that processes share: Redis or Valkey, where one is given.
//!
//! It can be gone, slow, full or emptied at any moment, and callers notice nothing but the time: a
//! look that fails is a miss, a write that fails is dropped. Whoever uses it must be able to do
//! without, and everything in it says by itself whether it is whole ([`seal`]).
//!
//! - Keys hash the workspace along with what a value was made from ([`Key`]), so that no workspace
//!   ever meets another's, a change makes another key, and keys tell nothing. Times to live only
//!   bound what is kept; nothing is ever invalidated.
//! - Waits are bounded, and a server that is late or lost is left alone for a while ([`link`]).
//!
//! To cache another kind of thing: a [`Namespace`], its time in [`Ttls`], its setting in the binary.

mod inspect;
mod key;
mod link;
pub mod seal;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prometheus::Registry;
use redis::{Cmd, FromRedisValue, cmd};
use tokio::sync::Semaphore;

pub use inspect::{Found, InspectError, flush, inspect};
pub use key::{Content, Key};
use link::{Link, Times, Use};

use crate::{auth::SigningKey, seal::Seal};

/// Values that may be on their way to the server at once; with their largest size this bounds memory.
const WRITES: usize = 16;

crate::metrics! {
    /// What the shared cache does.
    struct Metrics in "shared_cache" {
        /// Whether the server is connected.
        connected: IntGauge,
        /// Times of looks and writes, by what they were for and how they ended: `hit`, `miss`, `damaged` (it was
        /// not what had been written), `stored`, `error`, `late`, `skipped` (the server is left alone) or `too_large`.
        seconds: HistogramVec["namespace", "outcome"],
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// Answers of queries.
    Results,
    /// Answers of language models.
    Llm,
}

impl Namespace {
    /// As it stands in keys and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Llm => "llm",
        }
    }
}

/// How long values stay; where it is nothing, none of the kind are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// Answers of queries. An hour.
    pub results: Duration,
    /// Answers of language models. A week.
    pub llm: Duration,
}

impl Ttls {
    fn of(&self, namespace: Namespace) -> Duration {
        match namespace {
            Namespace::Results => self.results,
            Namespace::Llm => self.llm,
        }
    }
}

/// How to use the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What all keys begin with, so that several installations may share one server. `weir`.
    pub prefix: String,
    /// How long connecting may take. Nobody waits for it. 500 ms.
    pub connect: Duration,
    /// How long a look or a write may take. 50 ms.
    pub wait: Duration,
    /// The largest value that is sent, in bytes. 1 MiB.
    pub value_bytes: usize,
    /// How long values stay.
    pub ttls: Ttls,
}

/// Bytes by which a value grows when it is encrypted.
const CIPHER: usize = 40;

impl Default for Options {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3_600);
        Self {
            prefix: "weir".to_owned(),
            connect: Duration::from_millis(500),
            wait: Duration::from_millis(50),
            value_bytes: 1 << 20,
            ttls: Ttls { results: HOUR, llm: HOUR * 24 * 7 },
        }
    }
}

/// Why the shared cache cannot be used at all. A server that does not answer is no reason.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none. It is not shown: it may hold a password.
    #[error("redis_url: not an address such as redis://host:6379 or rediss://user:password@host:6380/0")]
    Address,
    /// The prefix would not do in a key.
    #[error("redis_prefix: 1 to 64 letters, digits, `-`, `_`, `.` or `:`")]
    Prefix,
    /// The registry has metrics of these names.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// The shared cache, or nothing where no server is given. Clones share it.
#[derive(Clone)]
pub struct Shared(Option<Arc<Inner>>);

struct Inner {
    link: Arc<Link>,
    options: Options,
    /// Encrypts values: whoever reads the server's memory or files learns nothing.
    cipher: Seal,
    metrics: Metrics,
    writes: Semaphore,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.0.as_ref().map(|inner| &inner.options)).finish()
    }
}

/// How a look or a write ended, as the metrics have it.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Hit,
    Miss,
    Damaged,
    Stored,
    Error,
    Late,
    Skipped,
    TooLarge,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Damaged => "damaged",
            Self::Stored => "stored",
            Self::Error => "error",
            Self::Late => "late",
            Self::Skipped => "skipped",
            Self::TooLarge => "too_large",
        }
    }
}

impl Shared {
    /// Without a server: every look is a miss.
    pub fn off() -> Self {
        Self(None)
    }

    /// With the server at an address. Connects when it is first used. Values are encrypted with a key that is derived
    /// from the installation's secret.
    ///
    /// # Errors
    /// When address or prefix make no sense.
    pub fn open(url: &str, key: &SigningKey, options: Options, registry: &Registry) -> Result<Self, Error> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if !(1..=64).contains(&options.prefix.len()) || !options.prefix.chars().all(fine) {
            return Err(Error::Prefix);
        }
        let client = redis::Client::open(url).map_err(|_| Error::Address)?;
        let metrics = Metrics::register(registry)?;
        let times = Times { connect: options.connect, wait: options.wait };
        let link = Arc::new(Link::new(client, times, metrics.connected.clone()));
        let cipher = Seal::new(key, "shared cache");
        Ok(Self(Some(Arc::new(Inner { link, options, cipher, metrics, writes: Semaphore::new(WRITES) }))))
    }

    /// Begins to connect, so that the first use finds it done.
    pub fn warm(&self) {
        if let Some(inner) = &self.0 {
            inner.link.lease();
        }
    }

    /// Waits until it is connected, for as long as that may take. `false` when it is not, or where there is no server.
    pub async fn connected(&self) -> bool {
        match &self.0 {
            Some(inner) => inner.link.connected().await,
            None => false,
        }
    }

    /// The value under a key, as it was put there.
    pub async fn get(&self, namespace: Namespace, key: &Key) -> Option<Bytes> {
        let inner = self.0.as_ref().filter(|inner| !inner.options.ttls.of(namespace).is_zero())?;
        let started = Instant::now();
        let (outcome, value) = inner.look(namespace, key).await;
        inner.count(namespace, outcome, started);
        value
    }

    /// Puts a value there, where the server takes it. It is dropped where too many are on their way.
    pub async fn put(&self, namespace: Namespace, key: &Key, value: Vec<u8>) {
        let Some(inner) = self.0.as_ref().filter(|inner| !inner.options.ttls.of(namespace).is_zero()) else {
            return;
        };
        let started = Instant::now();
        let outcome = inner.write(namespace, key, value).await;
        inner.count(namespace, outcome, started);
    }

    /// Whether a value of that size in bytes would be sent: for those to whom making it is work.
    pub fn takes(&self, namespace: Namespace, bytes: u64) -> bool {
        self.0.as_ref().is_some_and(|inner| {
            let fits = usize::try_from(bytes).is_ok_and(|bytes| bytes <= inner.options.value_bytes);
            if !fits {
                inner.count(namespace, Outcome::TooLarge, Instant::now());
            }
            fits && !inner.options.ttls.of(namespace).is_zero()
        })
    }
}

impl Inner {
    async fn look(&self, namespace: Namespace, key: &Key) -> (Outcome, Option<Bytes>) {
        // No more than a value can be: something else under the key must not fill the memory.
        let mut command = cmd("GETRANGE");
        let most = self.options.value_bytes + CIPHER + seal::BYTES;
        command.arg(self.name(namespace, key)).arg(0).arg(most);
        match self.ask::<Bytes>(&command).await {
            // What is not there is an empty text.
            Ok(sealed) if sealed.is_empty() => (Outcome::Miss, None),
            Ok(sealed) => {
                let encrypted = seal::open(namespace.name(), key, &sealed);
                match encrypted.and_then(|bytes| self.cipher.open(key.bytes(), &bytes)) {
                    Some(value) => (Outcome::Hit, Some(value.into())),
                    None => (Outcome::Damaged, None),
                }
            }
            Err(outcome) => (outcome, None),
        }
    }

    async fn write(&self, namespace: Namespace, key: &Key, value: Vec<u8>) -> Outcome {
        if value.len() > self.options.value_bytes {
            return Outcome::TooLarge;
        }
        let Ok(_permit) = self.writes.try_acquire() else { return Outcome::Skipped };
        let Ok(encrypted) = self.cipher.seal(key.bytes(), &value) else { return Outcome::TooLarge };
        let sealed = seal::seal(namespace.name(), key, encrypted);
        let mut command = cmd("SET");
        let ttl = self.options.ttls.of(namespace).as_millis().max(1);
        command
            .arg(self.name(namespace, key))
            .arg(sealed)
            .arg("PX")
            .arg(u64::try_from(ttl).unwrap_or(u64::MAX));
        match self.ask::<()>(&command).await {
            Ok(()) => Outcome::Stored,
            Err(outcome) => outcome,
        }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Outcome> {
        let Some(mut lease) = self.link.lease() else { return Err(Outcome::Skipped) };
        let asked = command.query_async::<T>(&mut lease.connection);
        match tokio::time::timeout(self.options.wait, asked).await {
            Ok(Ok(value)) => {
                self.link.used(&lease, Use::Answered);
                Ok(value)
            }
            Ok(Err(error)) => {
                // A server that refuses, because it is full for example, has answered.
                let lost = error.is_io_error() || error.is_unrecoverable_error();
                self.link.used(&lease, if lost { Use::Lost } else { Use::Answered });
                tracing::debug!(%error, "the shared cache refused");
                Err(Outcome::Error)
            }
            Err(_) => {
                self.link.used(&lease, Use::Late);
                Err(Outcome::Late)
            }
        }
    }

    fn name(&self, namespace: Namespace, key: &Key) -> String {
        format!("{}:{}:{key}", self.options.prefix, namespace.name())
    }

    fn count(&self, namespace: Namespace, outcome: Outcome, started: Instant) {
        let labels = [namespace.name(), outcome.name()];
        self.metrics.seconds.with_label_values(&labels).observe(started.elapsed().as_secs_f64());
    }
}
