//! The schema, the checkpoint and the fence: what the runtime keeps beside the projections' rows.

use deadpool_postgres::{Client, ClientWrapper, Object, Pool};
use tokio_postgres::{GenericClient, IsolationLevel};
use weir_events::Position;

use crate::{Projections, Schema, Tx, projection::Origin};

/// The channel on which every commit to the live schema notifies, the position as its payload.
pub const CHANNEL: &str = "weir_position";

/// What went wrong with PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection could be had.
    #[error("PostgreSQL is not available: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// A statement failed or the connection broke.
    #[error("PostgreSQL: {}", describe(.0))]
    Statement(#[from] tokio_postgres::Error),
    /// Something took longer than it may.
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    /// Another writer has taken over: what was folded here is void.
    #[error("another writer has taken over")]
    Fenced,
}

/// The server's own words where it said something; the driver's text hides them.
pub(crate) fn describe(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |e| format!("{} ({})", e.message(), e.code().code()))
}

/// By which projections the tables were folded, and how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    origins: Vec<Origin>,
    pub(crate) position: Position,
}

impl Checkpoint {
    /// Whether these projections can go on from here.
    pub(crate) fn fits(&self, projections: &Projections) -> bool {
        self.origins == projections.origins()
    }
}

/// Makes the live schema's tables if they are not there yet, so that they can be read, though
/// empty, before the first event is folded. Tables of other versions are left alone: whoever
/// runs or rebuilds deals with them.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn ensure(pool: &Pool, projections: &Projections) -> Result<(), Error> {
    let mut client = pool.get().await?;
    prepare(&mut client, &Schema::live(), projections).await?;
    Ok(())
}

/// A connection outside of the pool: it ends with its session state, it does not come back.
pub(crate) async fn detached(pool: &Pool) -> Result<ClientWrapper, Error> {
    Ok(Object::take(pool.get().await?))
}

/// Makes the fence's table, and the schema with its tables, where they are not there.
pub(crate) async fn prepare(
    client: &mut Client,
    schema: &Schema,
    projections: &Projections,
) -> Result<(), Error> {
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    // CREATE ... IF NOT EXISTS is not safe against itself in another session.
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('weir projector schema', 0))", &[]).await?;
    tx.batch_execute(include_str!("runner.sql")).await?;
    register(&*tx, schema).await?;
    let there = tx
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&format!("{schema}.checkpoint")])
        .await?
        .get::<_, bool>(0);
    if !there {
        create(&tx, schema, projections).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Gives the schema its row in the fence.
pub(crate) async fn register(client: &impl GenericClient, schema: &Schema) -> Result<(), Error> {
    let sql = "INSERT INTO projector.runner (schema) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute(sql, &[&schema.as_str()]).await?;
    Ok(())
}

/// Makes an empty schema anew, in place of what it was.
pub(crate) async fn recreate(
    client: &mut ClientWrapper,
    schema: &Schema,
    projections: &Projections,
) -> Result<(), Error> {
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    tx.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
    create(&tx, schema, projections).await?;
    tx.commit().await?;
    Ok(())
}

async fn create(tx: &Tx<'_>, schema: &Schema, projections: &Projections) -> Result<(), Error> {
    tx.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}"))
        .await?;
    tx.batch_execute(include_str!("checkpoint.sql")).await?;
    for projection in projections.iter() {
        tx.batch_execute(projection.schema()).await?;
    }
    let origins = projections.origins();
    let names: Vec<_> = origins.iter().map(|o| o.name.as_str()).collect();
    let versions: Vec<_> = origins.iter().map(|o| o.version).collect();
    let tables: Vec<_> = origins.iter().map(|o| o.tables).collect();
    tx.execute(
        "INSERT INTO checkpoint (name, version, position, updated_at, tables) SELECT name, version, 0, now(), tables \
         FROM unnest($1::text[], $2::integer[], $3::uuid[]) AS p (name, version, tables)",
        &[&names, &versions, &tables],
    )
    .await?;
    Ok(())
}

/// The schema's checkpoint; with no projections in it, it stands at the start.
pub(crate) async fn checkpoint(client: &impl GenericClient, schema: &Schema) -> Result<Checkpoint, Error> {
    // An older build's table may lack the last column; nothing fits it then.
    let sql =
        format!("SELECT name, version, position, (to_jsonb(c)->>'tables')::uuid FROM {schema}.checkpoint c");
    let rows = client.query(&sql, &[]).await?;
    let position = rows.iter().map(|r| r.get::<_, i64>(2)).min().unwrap_or_default();
    let mut origins: Vec<_> =
        rows.iter().map(|r| Origin { name: r.get(0), version: r.get(1), tables: r.get(3) }).collect();
    origins.sort();
    Ok(Checkpoint { origins, position: Position(u64::try_from(position).unwrap_or_default()) })
}

/// Removes what an interrupted rebuild or check left beside a schema. Those that are under way hold
/// their schema's lock, and a rebuild's stands for the tables that it has just replaced as well.
pub(crate) async fn sweep(pool: &Pool, schema: &Schema) -> Result<(), Error> {
    let client = detached(pool).await?;
    let [next, old, check] = ["next", "old", "check"].map(|suffix| schema.beside(suffix));
    for (holder, left) in [(&next, &[&next, &old][..]), (&check, &[&check])] {
        let names: Vec<&str> = left.iter().map(|schema| schema.as_str()).collect();
        let there = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = ANY($1))";
        if !client.query_one(there, &[&names]).await?.get::<_, bool>(0) || !lock(&client, holder).await? {
            continue;
        }
        for schema in left {
            client.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
        }
        let unlock = "SELECT pg_advisory_unlock(hashtextextended('weir projector ' || $1, 0))";
        client.execute(unlock, &[&holder.as_str()]).await?;
        tracing::info!(schemas = names.join(", "), "removed what an interrupted rebuild had left");
    }
    Ok(())
}

/// Takes the session's advisory lock for a schema, unless another session holds it.
async fn lock(client: &ClientWrapper, schema: &Schema) -> Result<bool, Error> {
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('weir projector ' || $1, 0))";
    Ok(client.query_one(sql, &[&schema.as_str()]).await?.get(0))
}

/// Tries to become the schema's writer: takes the session's advisory lock and a new epoch, which
/// shuts out whoever had the one before. `None` while another session holds the lock.
pub(crate) async fn lead(client: &ClientWrapper, schema: &Schema) -> Result<Option<i64>, Error> {
    if !lock(client, schema).await? {
        return Ok(None);
    }
    let process = i64::from(std::process::id());
    let row = client
        .query_one(
            "UPDATE projector.runner SET epoch = epoch + 1, process = $2, since = now() \
             WHERE schema = $1 RETURNING epoch",
            &[&schema.as_str(), &process],
        )
        .await?;
    Ok(Some(row.get(0)))
}
