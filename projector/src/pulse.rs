//! Signs of life: a writer that holds its lock and gives none is frozen, and is put to an end.
//!
//! The lock of a process that was killed is free as soon as the system closes its connection. One
//! that is stopped, or cut off, keeps its connection and with it the lock, and perhaps a transaction.
//! Whoever stands by has the database end that connection. What the frozen one wrote is then
//! rolled back, and when it wakes up it finds its connection gone: nothing it does can count.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::Pool;
use tokio::{task::JoinHandle, time::sleep};
use tokio_postgres::GenericClient;

use crate::{
    Schema,
    store::{Error, detached},
};

/// How often a writer gives a sign.
const EVERY: Duration = Duration::from_millis(500);

/// After how long without one it is taken for frozen, in seconds.
const FROZEN: f64 = 2.5;

const BEAT: &str = "
    INSERT INTO projector.pulse (schema, at, events_per_second) VALUES ($1, clock_timestamp(), $2)
    ON CONFLICT (schema) DO UPDATE SET at = excluded.at, events_per_second = excluded.events_per_second";

const FAILED: &str = "
    INSERT INTO projector.pulse (schema, at, error, error_at) VALUES ($1, '-infinity', $2, clock_timestamp())
    ON CONFLICT (schema) DO UPDATE SET error = excluded.error, error_at = excluded.error_at";

/// Ends the connection that holds a schema's lock and whose last sign of life is too old.
const REPLACE: &str = "
    SELECT pg_terminate_backend(l.pid)
    FROM pg_locks l
    -- Not one that got the lock a moment ago and is about to give its first sign.
    JOIN pg_stat_activity a ON a.pid = l.pid
        AND a.state_change < clock_timestamp() - make_interval(secs => $2)
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('weir projector ' || $1, 0)
      AND EXISTS (SELECT FROM projector.pulse
                  WHERE schema = $1 AND at < clock_timestamp() - make_interval(secs => $2))";

/// Gives signs of life for as long as it lives.
pub(crate) struct Pulse {
    events: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Pulse {
    /// Gives the first sign before it returns: a lock that is held has one.
    pub(crate) async fn start(pool: &Pool, schema: &Schema) -> Result<Self, Error> {
        // A connection of its own: the pool may be exhausted, and a writer must not seem dead for that.
        let client = detached(pool).await?;
        // A sign that is lost with the database does not matter.
        client.batch_execute("SET synchronous_commit = off").await?;
        client.execute(BEAT, &[&schema.as_str(), &0.0_f64]).await?;
        let events = Arc::new(AtomicU64::new(0));
        let (counted, pool, schema) = (events.clone(), pool.clone(), schema.clone());
        let task = tokio::spawn(async move {
            let (mut client, mut rate, mut since) = (Some(client), Rate::default(), Instant::now());
            loop {
                sleep(EVERY).await;
                let seconds = std::mem::replace(&mut since, Instant::now()).elapsed().as_secs_f64();
                let rate = rate.next(counted.swap(0, Ordering::Relaxed), seconds);
                if client.is_none() {
                    client = detached(&pool).await.ok();
                }
                if let Some(connection) = &client
                    && let Err(error) = connection.execute(BEAT, &[&schema.as_str(), &rate]).await
                {
                    tracing::debug!(%error, "a sign of life could not be given");
                    client = None;
                }
            }
        });
        Ok(Self { events, task })
    }

    /// Counts events for the rate.
    pub(crate) fn folded(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Events a second over the last ten seconds or so.
#[derive(Default)]
struct Rate(f64);

impl Rate {
    fn next(&mut self, events: u64, seconds: f64) -> f64 {
        let weight = 1.0 - (-seconds / 10.0).exp();
        self.0 += weight * (events as f64 / seconds.max(1e-6) - self.0);
        // Not a trickle that never ends.
        if self.0 < 1e-3 {
            self.0 = 0.0;
        }
        self.0
    }
}

/// Ends the writer of a schema if it is frozen; whether it was.
pub(crate) async fn replace_frozen(client: &impl GenericClient, schema: &Schema) -> Result<bool, Error> {
    let ended = client.query(REPLACE, &[&schema.as_str(), &FROZEN]).await?;
    if !ended.is_empty() {
        tracing::warn!(%schema, "the process that writes gives no sign of life: its connection was ended");
    }
    Ok(!ended.is_empty())
}

/// Notes what went wrong, for whoever looks.
pub(crate) async fn failed(pool: &Pool, schema: &Schema, reason: &str) -> Result<(), Error> {
    pool.get().await?.execute(FAILED, &[&schema.as_str(), &reason]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Rate;

    #[test]
    fn the_rate_follows_and_comes_to_rest() {
        let mut rate = Rate::default();
        for _ in 0..100 {
            rate.next(500, 0.5);
        }
        assert!((rate.0 - 1_000.0).abs() < 10.0, "{}", rate.0);
        for _ in 0..300 {
            rate.next(0, 0.5);
        }
        assert_eq!(rate.0, 0.0);
    }
}
