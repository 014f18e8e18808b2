//! What ended before its time.

#![expect(clippy::disallowed_methods, reason = "a background task has no request to take its time from")]

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use weir_events::ApiKeyId;

use super::{ACCESS_TOKEN_TTL, SessionId};
use crate::http::Problem;
use deadpool_postgres::Pool;

/// How often PostgreSQL is asked.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long a revocation is kept: longer than any token or remembered key can live.
const KEPT: TimeDelta = TimeDelta::minutes(ACCESS_TOKEN_TTL.num_minutes() + 5);

/// Sessions and API keys that ended early, as far as tokens and remembered keys of them may still
/// be about. Clones share it; bounded by what can end within 35 minutes.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    sessions: Recent<SessionId>,
    api_keys: Recent<ApiKeyId>,
}

#[derive(Debug)]
struct Recent<T>(HashMap<T, DateTime<Utc>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Recent<T> {
    fn add(&mut self, id: T, at: DateTime<Utc>) {
        self.0.insert(id, at);
    }

    fn forget_before(&mut self, before: DateTime<Utc>) {
        self.0.retain(|_, at| *at >= before);
    }
}

impl Revocations {
    /// Nothing ended yet, as far as is known: see [`Revocations::refresh`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends a session in this process at once.
    pub fn revoke_session(&self, session: SessionId, at: DateTime<Utc>) {
        self.write().sessions.add(session, at);
    }

    /// Ends an API key in this process at once.
    pub fn revoke_api_key(&self, key: ApiKeyId, at: DateTime<Utc>) {
        self.write().api_keys.add(key, at);
    }

    /// Whether a session ended early.
    pub fn session_revoked(&self, session: SessionId) -> bool {
        self.read().sessions.0.contains_key(&session)
    }

    /// Whether an API key was deleted.
    pub fn api_key_revoked(&self, key: ApiKeyId) -> bool {
        self.read().api_keys.0.contains_key(&key)
    }

    /// Learns what other processes ended.
    ///
    /// # Errors
    /// When PostgreSQL does not answer; what is known stays.
    pub async fn refresh(&self, pool: &Pool, now: DateTime<Utc>) -> Result<(), Problem> {
        let since = now - KEPT;
        let client = pool.get().await?;
        let statement = client.prepare_cached(include_str!("revoked.sql")).await?;
        let rows = client.query(&statement, &[&since]).await?;
        let mut known = self.write();
        for row in rows {
            let (is_session, id, at): (bool, uuid::Uuid, DateTime<Utc>) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            if is_session {
                known.sessions.add(SessionId(id), at);
            } else {
                known.api_keys.add(ApiKeyId(id), at);
            }
        }
        known.sessions.forget_before(since);
        known.api_keys.forget_before(since);
        Ok(())
    }

    /// Refreshes until shutdown. Call [`Revocations::refresh`] once before serving, so that no
    /// request is answered on less knowledge than the process could have.
    pub async fn keep_fresh(self, pool: Pool, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failing = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.refresh(&pool, Utc::now()).await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("revoked sessions and keys are being followed again");
                }
                Ok(()) => {}
                Err(e) if !failing => {
                    failing = true;
                    tracing::warn!(error = %e, "revoked sessions and keys cannot be looked up; what was known stays");
                }
                Err(_) => {}
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        // Every change is a single insert or retain, so a panic leaves nothing half done.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
