//! The schemas, the checkpoint and the fence: what the runtime keeps beside the projections' rows.

use std::time::Duration;

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

/// What a build has to do with the tables that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It made them: it can go on from where they are.
    Same,
    /// They are of an older build: these projections have to be folded anew.
    Older(Vec<&'static str>),
    /// They are of the same versions, but of other definitions, which no release should be: these
    /// projections have to be folded anew, by whoever has its turn to write.
    Other(Vec<&'static str>),
    /// They are of a newer build: this one must leave them alone.
    Newer,
}

impl Checkpoint {
    /// Whether the tables of these projections were made by this build.
    pub(crate) fn fits(&self, projections: &Projections) -> bool {
        projections.origins().iter().all(|origin| self.origins.contains(origin))
    }

    /// Whether they count exactly these projections.
    pub(crate) fn is_of(&self, projections: &Projections) -> bool {
        self.origins == projections.origins()
    }

    pub(crate) fn relation(&self, projections: &Projections) -> Relation {
        let (mut older, mut other, mut newer) = (Vec::new(), Vec::new(), false);
        for projection in projections.iter() {
            let Some(found) = self.origins.iter().find(|o| o.name == projection.name()) else {
                older.push(projection.name());
                continue;
            };
            if found.version < projection.version() {
                older.push(projection.name());
            } else if found.version > projection.version() {
                newer = true;
            } else if found.tables != Some(projection.tables()) {
                other.push(projection.name());
            }
        }
        let unknown = self.origins.iter().any(|o| !projections.names().contains(&o.name.as_str()));
        match (older.is_empty(), newer || unknown) {
            (_, true) if newer || older.is_empty() => Relation::Newer,
            (false, _) => Relation::Older([older, other].concat()),
            _ if other.is_empty() => Relation::Same,
            _ => Relation::Other(other),
        }
    }

    /// Names that it counts and this build does not have.
    pub(crate) fn unknown(&self, projections: &Projections) -> Vec<String> {
        let names = projections.names();
        self.origins.iter().map(|o| &o.name).filter(|n| !names.contains(&n.as_str())).cloned().collect()
    }
}

/// Makes the live schemas' tables if they are not there yet, so that they can be read, though
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

/// Makes the runtime's own tables, and the schemas with theirs, where they are not there.
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
    if !exists(&*tx, schema).await? {
        create(&tx, schema, projections).await?;
        index(&tx, schema, projections).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Whether the schema has a checkpoint.
pub(crate) async fn exists(client: &impl GenericClient, schema: &Schema) -> Result<bool, Error> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    Ok(client.query_one(sql, &[&format!("{schema}.checkpoint")]).await?.get(0))
}

/// Gives the schema its row in the fence.
pub(crate) async fn register(client: &impl GenericClient, schema: &Schema) -> Result<(), Error> {
    let sql = "INSERT INTO projector.runner (schema) VALUES ($1) ON CONFLICT DO NOTHING";
    client.execute(sql, &[&schema.as_str()]).await?;
    Ok(())
}

/// Makes a schema anew and empty, in place of what it was, with or without the indexes that [`index`] makes.
pub(crate) async fn recreate(
    client: &mut ClientWrapper,
    schema: &Schema,
    projections: &Projections,
    indexed: bool,
) -> Result<(), Error> {
    remove(&**client, schema).await?;
    let tx = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    create(&tx, schema, projections).await?;
    if indexed {
        index(&tx, schema, projections).await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn create(tx: &Tx<'_>, schema: &Schema, projections: &Projections) -> Result<(), Error> {
    tx.batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}"))
        .await?;
    tx.batch_execute(include_str!("checkpoint.sql")).await?;
    for projection in projections.iter() {
        let own = schema.of(projection.name());
        tx.batch_execute(&format!("CREATE SCHEMA {own}; SET LOCAL search_path TO {own}")).await?;
        tx.batch_execute(&projection.tables_and_indexes().0).await?;
    }
    count(tx, schema, projections, Position::START).await
}

/// Makes the indexes that only reads need, where they are not there. Over rows that are there already this costs less
/// than keeping them up to date with each of the rows.
pub(crate) async fn index(tx: &Tx<'_>, schema: &Schema, projections: &Projections) -> Result<(), Error> {
    // Enough to sort a million rows without a file.
    tx.batch_execute("SET LOCAL maintenance_work_mem = '128MB'").await?;
    for projection in projections.iter() {
        let own = schema.of(projection.name());
        let indexes = projection.tables_and_indexes().1;
        tx.batch_execute(&format!("SET LOCAL search_path TO {own}; {indexes}")).await?;
    }
    Ok(())
}

/// Counts projections in a checkpoint, from a position on.
async fn count(
    tx: &Tx<'_>,
    schema: &Schema,
    projections: &Projections,
    position: Position,
) -> Result<(), Error> {
    let origins = projections.origins();
    let names: Vec<_> = origins.iter().map(|o| o.name.as_str()).collect();
    let versions: Vec<_> = origins.iter().map(|o| o.version).collect();
    let tables: Vec<_> = origins.iter().map(|o| o.tables).collect();
    let sql = format!(
        "INSERT INTO {schema}.checkpoint (name, version, position, updated_at, tables) \
         SELECT name, version, $4, now(), tables \
         FROM unnest($1::text[], $2::integer[], $3::uuid[]) AS p (name, version, tables) \
         ON CONFLICT (name) DO UPDATE SET version = excluded.version, position = excluded.position, \
             updated_at = excluded.updated_at, tables = excluded.tables"
    );
    tx.execute(&sql, &[&names, &versions, &tables, &number(position)]).await?;
    Ok(())
}

/// The schema's checkpoint; with no projections in it, it stands at the start.
pub(crate) async fn checkpoint(client: &impl GenericClient, schema: &Schema) -> Result<Checkpoint, Error> {
    let sql = format!("SELECT name, version, position, tables FROM {schema}.checkpoint c");
    let rows = client.query(&sql, &[]).await?;
    let position = rows.iter().map(|r| r.get::<_, i64>(2)).min().unwrap_or_default();
    let mut origins: Vec<_> =
        rows.iter().map(|r| Origin { name: r.get(0), version: r.get(1), tables: r.get(3) }).collect();
    origins.sort();
    Ok(Checkpoint { origins, position: Position(u64::try_from(position).unwrap_or_default()) })
}

/// Puts freshly folded tables in the place of the live ones, which nobody finds any more, and the
/// same with the dead letters. Whoever wrote the old ones is shut out, and goes on from the new
/// ones' checkpoint. Within the transaction that holds the fence of the live schema.
pub(crate) async fn change_over(
    held: &Tx<'_>,
    projections: &Projections,
    gone: &[String],
    position: Position,
    whole: bool,
) -> Result<(), Error> {
    let (live, next, old) = (Schema::live(), Schema::next(), Schema::old());
    let names = projections.names();
    let mut renames = String::new();
    let there = "SELECT nspname::text FROM pg_namespace WHERE nspname = ANY($1)";
    let replaced: Vec<String> = names.iter().map(|n| (*n).to_owned()).chain(gone.iter().cloned()).collect();
    let wanted: Vec<_> = replaced.iter().map(|n| live.of(n).as_str().to_owned()).collect();
    let there: Vec<String> = held.query(there, &[&wanted]).await?.iter().map(|r| r.get(0)).collect();
    let mut retired = Vec::new();
    for name in &replaced {
        if there.iter().any(|t| *t == live.of(name).as_str()) {
            renames += &format!("ALTER SCHEMA {} RENAME TO \"{}\";", live.of(name), old.of(name).as_str());
            retired.push(old.of(name).as_str().to_owned());
        }
    }
    for name in &names {
        renames += &format!("ALTER SCHEMA {} RENAME TO \"{}\";", next.of(name), live.of(name).as_str());
    }
    held.batch_execute(&renames).await?;
    held.execute(
        "INSERT INTO projector.retired (schema) SELECT unnest($1::text[]) \
         ON CONFLICT (schema) DO UPDATE SET at = excluded.at",
        &[&retired],
    )
    .await?;
    held.execute(&format!("DELETE FROM {live}.checkpoint WHERE name = ANY($1)"), &[&gone]).await?;
    count(held, &live, projections, position).await?;
    // What nobody could read may be readable to those that were folded anew, but not to the rest.
    let letters =
        format!("DELETE FROM {live}.dead_letters WHERE projection = ANY($1) OR (projection = '*' AND $2)");
    held.execute(&letters, &[&replaced, &whole]).await?;
    held.batch_execute(&format!(
        "INSERT INTO {live}.dead_letters SELECT * FROM {next}.dead_letters ON CONFLICT DO NOTHING;
         DROP SCHEMA {next} CASCADE"
    ))
    .await?;
    let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
    held.execute("DELETE FROM projector.requests WHERE name = ANY($1)", &[&names]).await?;
    held.execute("UPDATE projector.runner SET epoch = epoch + 1 WHERE schema = $1", &[&live.as_str()])
        .await?;
    held.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &position.to_string()]).await?;
    Ok(())
}

/// A schema and those of its projections.
async fn family(client: &impl GenericClient, schema: &Schema) -> Result<Vec<String>, Error> {
    let sql = "SELECT nspname::text FROM pg_namespace \
               WHERE nspname = $1 OR starts_with(nspname, $1 || '_') ORDER BY 1";
    Ok(client.query(sql, &[&schema.as_str()]).await?.iter().map(|row| row.get(0)).collect())
}

/// Removes a schema and those of its projections; never the live ones.
pub(crate) async fn remove(client: &impl GenericClient, schema: &Schema) -> Result<(), Error> {
    debug_assert_ne!(*schema, Schema::live(), "those of others begin with its name");
    for name in family(client, schema).await? {
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS \"{name}\" CASCADE")).await?;
    }
    Ok(())
}

/// Removes what an interrupted rebuild or check left. Those that are under way hold their schema's
/// lock.
pub(crate) async fn sweep(pool: &Pool) -> Result<(), Error> {
    let client = detached(pool).await?;
    for schema in [Schema::next(), Schema::check()] {
        if family(&*client, &schema).await?.is_empty() || !lock(&client, &schema).await? {
            continue;
        }
        remove(&*client, &schema).await?;
        unlock(&client, &schema).await?;
        tracing::info!(%schema, "removed what an interrupted fold had left");
    }
    Ok(())
}

/// Removes tables that were replaced so long ago.
pub(crate) async fn bury(pool: &Pool, grace: Duration) -> Result<(), Error> {
    let client = pool.get().await?;
    let due =
        "SELECT schema FROM projector.retired WHERE at <= clock_timestamp() - make_interval(secs => $1)";
    for row in client.query(due, &[&grace.as_secs_f64()]).await? {
        let schema: String = row.get(0);
        // Waits for those who still read from it.
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE")).await?;
        client.execute("DELETE FROM projector.retired WHERE schema = $1", &[&schema]).await?;
        tracing::info!(schema, "removed tables that were replaced");
    }
    Ok(())
}

/// Projections that someone wants to be folded anew.
pub(crate) async fn requests(client: &impl GenericClient) -> Result<Vec<String>, Error> {
    let rows = client.query("SELECT name FROM projector.requests ORDER BY name", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Asks for projections to be folded anew.
pub(crate) async fn request(client: &impl GenericClient, names: &[&'static str]) -> Result<(), Error> {
    let sql = "INSERT INTO projector.requests (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";
    client.execute(sql, &[&names]).await?;
    Ok(())
}

/// Where the first events lie that nobody could read.
pub(crate) async fn unreadable(client: &impl GenericClient) -> Result<Vec<Position>, Error> {
    let sql = format!(
        "SELECT position FROM {}.dead_letters WHERE projection = '*' ORDER BY position LIMIT 1000",
        Schema::live()
    );
    let rows = client.query(&sql, &[]).await?;
    Ok(rows.iter().map(|row| Position(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default())).collect())
}

/// Takes the session's advisory lock for a schema, unless another session holds it.
pub(crate) async fn lock(client: &ClientWrapper, schema: &Schema) -> Result<bool, Error> {
    let sql = "SELECT pg_try_advisory_lock(hashtextextended('weir projector ' || $1, 0))";
    Ok(client.query_one(sql, &[&schema.as_str()]).await?.get(0))
}

/// Whose turn it is to write.
pub(crate) async fn epoch(client: &impl GenericClient, schema: &Schema) -> Result<i64, Error> {
    let sql = "SELECT epoch FROM projector.runner WHERE schema = $1";
    Ok(client.query_one(sql, &[&schema.as_str()]).await?.get(0))
}

/// Gives the lock back.
pub(crate) async fn unlock(client: &ClientWrapper, schema: &Schema) -> Result<(), Error> {
    let sql = "SELECT pg_advisory_unlock(hashtextextended('weir projector ' || $1, 0))";
    client.execute(sql, &[&schema.as_str()]).await?;
    Ok(())
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

pub(crate) fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}
