//! PostgreSQL: the pool and the migrations.
//!
//! Two schemas: `accounts`, which the migrations own and which is the only place where personal data
//! lives, and `read`, whose tables belong to the projections: they make them, and make them again,
//! so no migration touches those.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, QueueMode, RecyclingMethod, Runtime};
use tokio_postgres::NoTls;

/// Connections, shared by cloning.
pub type Pool = deadpool_postgres::Pool;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Migrations are applied under this lock, since several processes may start at once.
const MIGRATION_LOCK: i64 = 0x7765_6972;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the other side may leave what was sent unacknowledged before the connection is given up.
/// Without it a machine that vanished holds requests for a quarter of an hour.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Why PostgreSQL cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address makes no sense.
    #[error("database_url: {0}")]
    Url(tokio_postgres::Error),
    /// The pool could not be made.
    #[error("cannot make the connection pool: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
    /// No connection could be had.
    #[error("PostgreSQL is not available: {0}")]
    Unavailable(#[from] deadpool_postgres::PoolError),
    /// A statement failed.
    #[error("PostgreSQL: {}", .0.as_db_error().map_or_else(|| .0.to_string(), ToString::to_string))]
    Statement(#[from] tokio_postgres::Error),
    /// A migration failed.
    #[error("migrating the database failed: {0}")]
    Migration(#[from] refinery::Error),
}

/// Makes a pool of at most `max_size` connections. It connects when it is first used; every wait for
/// a connection is bounded.
///
/// # Errors
/// When the address cannot be read.
pub fn connect(url: &str, max_size: usize) -> Result<Pool, Error> {
    let mut config: tokio_postgres::Config = url.parse().map_err(Error::Url)?;
    config
        .application_name("weir")
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives_idle(Duration::from_secs(30))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .tcp_user_timeout(ACKNOWLEDGE_TIMEOUT);
    let manager =
        Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let wait = Some(Duration::from_secs(10));
    Ok(Pool::builder(manager)
        .max_size(max_size)
        // The one that was used last has its statements prepared.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .create_timeout(wait)
        .wait_timeout(wait)
        .build()?)
}

/// Brings the database to this version's schema. Forward only, and safe to run from several
/// processes at once.
///
/// # Errors
/// When the database does not answer, a migration fails, or the database was migrated by a newer Weir.
pub async fn migrate(pool: &Pool) -> Result<(), Error> {
    let mut client = pool.get().await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
    let result = embedded::migrations::runner().run_async(&mut **client.as_mut()).await;
    let unlocked = client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await;
    for migration in result?.applied_migrations() {
        tracing::info!(migration = %migration, "the database was migrated");
    }
    unlocked?;
    Ok(())
}

/// A short text that changes when the migrations do.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn fingerprint() -> String {
    let sum = embedded::migrations::runner()
        .get_migrations()
        .iter()
        .fold(0_u64, |sum, migration| sum.rotate_left(7) ^ migration.checksum());
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn migrations_apply_from_several_processes_at_once_and_again() {
        let database = testing::empty_database().await;
        let runs = (0..4).map(|_| super::migrate(database.pool()));
        for result in futures::future::join_all(runs).await {
            result.unwrap();
        }
        let client = database.pool().get().await.unwrap();
        let rows = client
            .query("SELECT nspname FROM pg_namespace WHERE nspname IN ('accounts', 'read') ORDER BY 1", &[])
            .await
            .unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(names, ["accounts", "read"]);
    }

    #[tokio::test]
    async fn an_address_that_makes_no_sense_names_the_key() {
        let error = super::connect("postgresql://host:notaport/x", 1).unwrap_err();
        assert!(error.to_string().starts_with("database_url"), "{error}");
    }
}
