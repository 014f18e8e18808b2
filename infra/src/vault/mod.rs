//! Free text in events: sealed on its way into the log, opened for those who may read it, and erased by destroying the
//! key. See `docs/erasure.md`.
//!
//! - [`Vault`]: the keys, in PostgreSQL, and what they seal and open.
//! - [`SealingLog`]: an event log in which all free text is sealed, and which shows it opened.
//!
//! What folds events without reading texts (the projector, the archiver) works on the log itself.

mod log;
#[cfg(test)]
mod tests;
mod token;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use chrono::Utc;
use deadpool_postgres::Pool;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};
use tokio_postgres::types::ToSql;
use uuid::Uuid;
use weir_events::{
    Position, UserId, WorkspaceId,
    text::{TOKEN, Text},
};

use crate::{
    auth::SigningKey,
    http::{Code, Problem},
    seal::Seal,
};

pub use log::SealingLog;
pub use token::ERASED;
use token::{Kind, Mint, Token};

/// For how long keys are used without another look at PostgreSQL: what other processes destroy is gone here after it.
const FRESH: Duration = Duration::from_secs(5);
/// For how long at most, where PostgreSQL does not answer. A key cannot be destroyed either then.
const STALE: Duration = Duration::from_secs(600);
/// The pause after a look that failed.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a look may take where the keys of the last one would do.
const PATIENCE: Duration = Duration::from_secs(1);
/// How far the clocks of two processes may be apart.
const SKEW: Duration = Duration::from_secs(60);
/// Workspaces whose keys are held.
const WORKSPACES: u64 = 10_000;
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a nonce; it stands before what is sealed.
const NONCE: usize = 24;

/// Keys cannot be had: PostgreSQL does not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the keys of texts cannot be had: {0}")]
pub struct Unavailable(String);

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::new(Code::DatabaseUnavailable, "The database does not answer. Try again in a moment.")
            .retry_after(Duration::from_secs(2))
            .cause(error)
    }
}

/// Whose texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// Everything in the workspace, its members' included.
    Workspace,
    /// What one member asked there.
    Member(UserId),
}

/// The keys of texts. Clones share it.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    pool: Pool,
    seal: Seal,
    mint: Mint,
    rings: moka::sync::Cache<WorkspaceId, Arc<Slot>>,
}

/// Where a workspace's keys are held.
#[derive(Default)]
struct Slot {
    held: RwLock<Option<Held>>,
    /// Of those who need them at once one looks.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Held {
    ring: Arc<Ring>,
    /// Before the look that found them.
    at: Instant,
    /// Not before this is there another look.
    next: Instant,
}

/// The keys of a workspace.
struct Ring {
    keys: HashMap<Uuid, XChaCha20Poly1305>,
    /// The key of each holder; the nil id stands for the workspace.
    of: BTreeMap<Uuid, Uuid>,
    /// Holders who get none: what is still written of theirs is erased already.
    closed: HashSet<Uuid>,
    /// When they were looked for, in milliseconds since 1970.
    looked_ms: u64,
    version: u64,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

impl Vault {
    /// Over the keys in a database, which are sealed themselves, under the installation's secret.
    pub fn new(pool: Pool, key: &SigningKey) -> Self {
        let rings = moka::sync::Cache::new(WORKSPACES);
        let mint = Mint::new(&key.derive("tokens of free text in events"));
        Self(Arc::new(Inner { pool, seal: Seal::new(key, "keys of free text in events"), mint, rings }))
    }

    /// A number that becomes another one when a key of the workspace is made or destroyed: what was made from opened
    /// texts holds for as long as it stays.
    ///
    /// # Errors
    /// When the keys cannot be had.
    pub async fn version(&self, workspace: WorkspaceId) -> Result<u64, Unavailable> {
        Ok(self.ring(workspace).await?.version)
    }

    /// A JSON text with everything in it opened that was sealed in that workspace; what was erased is told as
    /// [`ERASED`], and as null where it was a JSON value.
    ///
    /// # Errors
    /// When the keys cannot be had.
    pub async fn open(&self, workspace: WorkspaceId, json: Bytes) -> Result<Bytes, Unavailable> {
        let tokens = self.0.mint.find(workspace, &json);
        if tokens.is_empty() {
            return Ok(json);
        }
        let ring = self.ring_for(workspace, tokens.iter().map(|(_, token)| token)).await?;
        Ok(token::replace(&json, &tokens, |token| ring.open(workspace, token)).into())
    }

    /// The same for a text that is not JSON.
    ///
    /// # Errors
    /// When the keys cannot be had.
    pub async fn open_text(&self, workspace: WorkspaceId, text: String) -> Result<String, Unavailable> {
        match self.0.mint.of(workspace, &text) {
            None => Ok(text),
            Some(token) => {
                let ring = self.ring_for(workspace, [&token]).await?;
                Ok(token::text_of(&token, ring.open(workspace, &token)))
            }
        }
    }

    /// Destroys keys, once for the event that asks for it. Whatever they sealed cannot be read by anyone any more, nor
    /// what is written from then on, until [`Self::reopen`].
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn destroy(
        &self,
        workspace: WorkspaceId,
        whose: Whose,
        asked: Position,
    ) -> Result<(), Problem> {
        let holder = match whose {
            Whose::Workspace => None,
            Whose::Member(user) => Some(user.0),
        };
        let asked = i64::try_from(asked.0).map_err(Problem::internal)?;
        self.exclusively(workspace, include_str!("destroy.sql"), &[&workspace.0, &holder, &asked]).await?;
        self.forget(workspace);
        Ok(())
    }

    /// Lets a member whose texts were erased, and who comes back, write some that can be read.
    ///
    /// # Errors
    /// When PostgreSQL does not answer.
    pub async fn reopen(&self, workspace: WorkspaceId, member: UserId) -> Result<(), Problem> {
        let client = self.0.pool.get().await?;
        let reopen = "DELETE FROM accounts.closed_texts WHERE workspace_id = $1 AND holder = $2";
        if client.execute(&client.prepare_cached(reopen).await?, &[&workspace.0, &member.0]).await? > 0 {
            self.forget(workspace);
        }
        Ok(())
    }

    /// Runs a statement while nobody else makes or destroys keys of the workspace.
    async fn exclusively(
        &self,
        workspace: WorkspaceId,
        statement: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<(), Problem> {
        let mut client = self.0.pool.get().await?;
        let transaction = client.transaction().await?;
        let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        let name = format!("text keys of {workspace}");
        transaction.execute(&transaction.prepare_cached(lock).await?, &[&name]).await?;
        transaction.execute(&transaction.prepare_cached(statement).await?, params).await?;
        Ok(transaction.commit().await?)
    }

    /// Looks at a workspace's keys again before they are used.
    pub fn forget(&self, workspace: WorkspaceId) {
        self.0.rings.invalidate(&workspace);
    }

    /// The keys, with one of `holder` among them unless they get none.
    async fn ring_with(&self, workspace: WorkspaceId, holder: Uuid) -> Result<Arc<Ring>, Unavailable> {
        let ring = self.ring(workspace).await?;
        if ring.of.contains_key(&holder) {
            return Ok(ring);
        }
        // Also where they got none a moment ago: they may have come back.
        self.make(workspace, holder).await.map_err(|error| Unavailable(error.to_string()))?;
        let slot = self.slot(workspace);
        let _one = slot.looking.lock().await;
        let ring = self.look(workspace, &slot).await?;
        match ring.of.contains_key(&holder) || ring.is_closed(holder) {
            true => Ok(ring),
            false => Err(Unavailable("one was destroyed while it was made".to_owned())),
        }
    }

    async fn make(&self, workspace: WorkspaceId, holder: Uuid) -> Result<(), Problem> {
        let (id, key): (_, [u8; KEY]) = (Uuid::now_v7(), rand::random());
        let sealed = self.0.seal.seal(&name(workspace, holder, id), &key).map_err(Problem::internal)?;
        let params: &[&(dyn ToSql + Sync)] = &[&id, &workspace.0, &holder, &sealed, &Utc::now()];
        self.exclusively(workspace, include_str!("make.sql"), params).await
    }

    /// The keys, new enough to know all of the tokens' that are still there.
    async fn ring_for<'t>(
        &self,
        workspace: WorkspaceId,
        tokens: impl IntoIterator<Item = &'t Token>,
    ) -> Result<Arc<Ring>, Unavailable> {
        let ring = self.ring(workspace).await?;
        let skew = u64::try_from(SKEW.as_millis()).unwrap_or_default();
        // A key that was made after the look may be there.
        let unseen = |token: &Token| {
            !ring.keys.contains_key(&token.key)
                && made_ms(token.key).is_none_or(|made| made + skew > ring.looked_ms)
        };
        if !tokens.into_iter().any(unseen) {
            return Ok(ring);
        }
        let slot = self.slot(workspace);
        let _one = slot.looking.lock().await;
        self.look(workspace, &slot).await
    }

    fn slot(&self, workspace: WorkspaceId) -> Arc<Slot> {
        self.0.rings.get_with(workspace, Arc::default)
    }

    /// The keys as they were a moment ago.
    async fn ring(&self, workspace: WorkspaceId) -> Result<Arc<Ring>, Unavailable> {
        let slot = self.slot(workspace);
        let due = |held: &Held| held.next <= Instant::now();
        if let Some(held) = slot.held().filter(|held| !due(held)) {
            return Ok(held.ring);
        }
        let _one = slot.looking.lock().await;
        let held = match slot.held() {
            Some(held) if !due(&held) => return Ok(held.ring),
            held => held.filter(|held| held.at.elapsed() < STALE),
        };
        let Some(held) = held else { return self.look(workspace, &slot).await };
        match timeout(PATIENCE, self.look(workspace, &slot)).await {
            Ok(Ok(ring)) => Ok(ring),
            outcome => {
                let error = outcome.map_or_else(
                    |_| "it takes too long".to_owned(),
                    |failed| failed.map_or_else(|error| error.to_string(), |_| String::new()),
                );
                tracing::warn!(%workspace, error, "keys of texts could not be looked at again");
                slot.hold(Held { next: Instant::now() + PAUSE, ..held.clone() });
                Ok(held.ring)
            }
        }
    }

    /// Looks at PostgreSQL.
    async fn look(&self, workspace: WorkspaceId, slot: &Slot) -> Result<Arc<Ring>, Unavailable> {
        let at = Instant::now();
        let looked_ms = u64::try_from(Utc::now().timestamp_millis()).unwrap_or_default();
        let rows = async {
            let client = self.0.pool.get().await?;
            let statement = client.prepare_cached(include_str!("ring.sql")).await?;
            Ok::<_, Problem>(client.query(&statement, &[&workspace.0]).await?)
        };
        let rows = rows.await.map_err(|error| Unavailable(error.to_string()))?;
        let (mut keys, mut of, mut digest) = (HashMap::new(), BTreeMap::new(), Sha256::new());
        let mut closed = HashSet::new();
        for row in rows {
            let columns =
                || Ok::<_, tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let (id, holder, sealed): (Option<Uuid>, Uuid, Option<&[u8]>) =
                columns().map_err(|error| Unavailable(error.to_string()))?;
            let Some((id, sealed)) = id.zip(sealed) else {
                closed.insert(holder);
                continue;
            };
            let key = self.0.seal.open(&name(workspace, holder, id), sealed);
            // Also of one that cannot be used: it must not be replaced before anybody notices.
            of.insert(holder, id);
            digest.update(id.as_bytes());
            match key.and_then(|key| <[u8; KEY]>::try_from(key).ok()) {
                Some(key) => drop(keys.insert(id, XChaCha20Poly1305::new(&key.into()))),
                None => {
                    tracing::error!(%workspace, key = %id, "a key of texts was sealed under another secret")
                }
            }
        }
        let version = digest.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
        let ring = Arc::new(Ring { keys, of, closed, looked_ms, version });
        slot.hold(Held { ring: ring.clone(), at, next: at + FRESH });
        Ok(ring)
    }
}

impl Slot {
    fn held(&self) -> Option<Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, held: Held) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
    }
}

impl Ring {
    fn is_closed(&self, holder: Uuid) -> bool {
        self.closed.contains(&holder) || self.closed.contains(&Uuid::nil())
    }

    /// What a holder's texts are sealed with: their key, which must be there, or one that is forgotten at once.
    fn sealer(&self, holder: Uuid) -> Result<(Uuid, Cow<'_, XChaCha20Poly1305>), Unavailable> {
        let Some(&id) = self.of.get(&holder) else {
            let key: [u8; KEY] = rand::random();
            return match self.is_closed(holder) {
                true => Ok((Uuid::now_v7(), Cow::Owned(XChaCha20Poly1305::new(&key.into())))),
                false => Err(Unavailable("one is missing".to_owned())),
            };
        };
        let other = || Unavailable("one was sealed under another secret of the installation".to_owned());
        Ok((id, Cow::Borrowed(self.keys.get(&id).ok_or_else(other)?)))
    }

    /// Seals a text of a holder.
    fn seal(
        &self,
        mint: &Mint,
        workspace: WorkspaceId,
        holder: Uuid,
        text: Text<'_>,
    ) -> Result<(), Unavailable> {
        let (id, key) = self.sealer(holder)?;
        let sealed = |kind, plain: &[u8]| {
            let nonce: [u8; NONCE] = rand::random();
            let payload = Payload { msg: plain, aad: workspace.0.as_bytes() };
            let sealed = key
                .encrypt(&XNonce::from(nonce), payload)
                .map_err(|_| Unavailable("a text is too long to be sealed".to_owned()))?;
            Ok(mint.encode(workspace, kind, id, &[&nonce[..], &sealed].concat()))
        };
        match text {
            Text::Plain(text) => *text = sealed(Kind::Text, text.as_bytes())?,
            Text::Json(value) => *value = Value::String(sealed(Kind::Json, value.to_string().as_bytes())?),
        }
        Ok(())
    }

    /// What was sealed; `None` where its key was destroyed, or where it was sealed in another workspace.
    fn open(&self, workspace: WorkspaceId, token: &Token) -> Option<Vec<u8>> {
        let (nonce, sealed) = token.sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: workspace.0.as_bytes() };
        self.keys.get(&token.key)?.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    /// The same in an event that is decoded already.
    fn open_in(&self, mint: &Mint, workspace: WorkspaceId, text: Text<'_>) {
        match text {
            Text::Plain(text) => {
                if let Some(token) = mint.of(workspace, text) {
                    *text = token::text_of(&token, self.open(workspace, &token));
                }
            }
            Text::Json(value) => {
                if let Some(token) = value.as_str().and_then(|text| mint.of(workspace, text)) {
                    let opened = self.open(workspace, &token);
                    *value = opened.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
                }
            }
        }
    }
}

/// When a key was made, by its id.
fn made_ms(key: Uuid) -> Option<u64> {
    let (seconds, nanos) = key.get_timestamp()?.to_unix();
    Some(seconds * 1000 + u64::from(nanos) / 1_000_000)
}

/// What a key is sealed to.
fn name(workspace: WorkspaceId, holder: Uuid, id: Uuid) -> Vec<u8> {
    [&workspace.0.as_bytes()[..], holder.as_bytes(), id.as_bytes()].concat()
}

/// Whether there is anything to open.
fn is_sealed(json: &[u8]) -> bool {
    memchr::memmem::find(json, TOKEN.as_bytes()).is_some()
}
