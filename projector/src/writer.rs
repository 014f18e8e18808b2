//! Writes batches: rows, checkpoint and fence in one transaction.

use std::{collections::BTreeSet, time::Duration};

use deadpool_postgres::{ClientWrapper, Pool};
use futures::future::{join_all, join4};
use tokio::time::timeout;
use tokio_postgres::Statement;
use weir_events::{Position, Recorded};

use crate::{
    Projections, Schema, Tx,
    projection::execute,
    pulse::Pulse,
    reader::{self, Batch, Dead},
    store::{self, CHANNEL, Error, number},
};

/// What holds for the whole session. The plans of the projections' statements must never depend
/// on statistics: each looks a few thousand rows up by primary key, in tables of any size, and a
/// plan made while a table was empty must serve when it is not.
const SESSION: &str = "
    SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET jit = off;
    SET TimeZone = 'UTC';
    SET idle_in_transaction_session_timeout = '60s'";

/// Fresh tables that nobody reads yet need not wait for the disk with every batch: the commit that
/// swaps them in waits for all of it. Live ones do wait, so that what has once been read is there
/// after a crash, too.
const FRESH: &str = "SET synchronous_commit = off";

const FENCE: &str = "SELECT epoch FROM projector.runner WHERE schema = $1 FOR UPDATE";

const MOVE: &str = "UPDATE checkpoint SET position = $1, updated_at = now() WHERE position = $2";

const NOTIFY: &str = "SELECT pg_notify($1, $2)";

/// How many workspaces a notification names at most: PostgreSQL takes 8,000 bytes, and an id has 36.
const HINTED: usize = 200;

const BURY: &str = include_str!("bury.sql");

/// What to do about tables that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tables {
    /// Go on from where they are.
    Keep,
    /// Begin anew.
    Fresh,
    /// Begin anew, for now without the indexes that only reads need: see [`Writer::index`].
    Bare,
    /// Go on if they were begun by the same projections, else begin anew as [`Self::Bare`].
    Resume,
}

/// What came of an attempt to become the writer.
pub(crate) enum Turn {
    /// It is this one's.
    Mine(Writer),
    /// Another session's: the connection is good for another attempt.
    Taken(ClientWrapper),
}

/// The one writer of a schema.
pub(crate) struct Writer {
    client: ClientWrapper,
    schema: Schema,
    projections: Projections,
    epoch: i64,
    position: Position,
    patience: Duration,
    fence: Statement,
    path: String,
    pulse: Pulse,
}

impl Writer {
    /// Becomes the writer over a connection of its own, unless another session is. Its tables must
    /// be there, unless they are to be fresh.
    pub(crate) async fn open(
        pool: &Pool,
        mut client: ClientWrapper,
        schema: &Schema,
        projections: &Projections,
        tables: Tables,
        patience: Duration,
    ) -> Result<Turn, Error> {
        let open = async {
            client.batch_execute(SESSION).await?;
            if tables != Tables::Keep {
                client.batch_execute(FRESH).await?;
                store::register(&*client, schema).await?;
            }
            let Some(epoch) = store::lead(&client, schema).await? else { return Ok(Turn::Taken(client)) };
            let pulse = Pulse::start(pool, schema).await?;
            let kept = tables == Tables::Resume
                && store::exists(&*client, schema).await?
                && store::checkpoint(&*client, schema).await?.is_of(projections);
            if tables != Tables::Keep && !kept {
                store::recreate(&mut client, schema, projections, tables == Tables::Fresh).await?;
            }
            let position = store::checkpoint(&*client, schema).await?.position;
            let fence = client.prepare(FENCE).await?;
            Ok(Turn::Mine(Self {
                client,
                schema: schema.clone(),
                projections: projections.clone(),
                epoch,
                position,
                patience,
                fence,
                path: search_path(schema, projections),
                pulse,
            }))
        };
        timeout(patience, open).await.map_err(|_| Error::Timeout)?
    }

    /// What shuts this one out when it changes.
    pub(crate) fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Lets others write at once, not only when the connection has ended.
    pub(crate) async fn close(self) -> Result<(), Error> {
        // However often this connection took it.
        self.client.execute("SELECT pg_advisory_unlock_all()", &[]).await?;
        Ok(())
    }

    /// What it writes.
    pub(crate) fn projections(&self) -> &Projections {
        &self.projections
    }

    /// Up to where everything is written.
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// Makes the indexes of tables that were begun without, when most of their rows are there. False if there are rows
    /// that these cannot hold: then the tables are empty again and have them, so that such rows are refused one by one.
    pub(crate) async fn index(&mut self) -> Result<bool, Error> {
        let tx = self.client.transaction().await?;
        let epoch = tx.query_opt(&self.fence, &[&self.schema.0]).await?;
        if epoch.map(|row| row.get(0)) != Some(self.epoch) {
            return Err(Error::Fenced);
        }
        match store::index(&tx, &self.schema, &self.projections).await {
            Err(Error::Statement(error)) if refused(&error) => {
                tx.rollback().await?;
                store::recreate(&mut self.client, &self.schema, &self.projections, true).await?;
                self.position = Position::START;
                Ok(false)
            }
            made => {
                made?;
                tx.commit().await?;
                Ok(true)
            }
        }
    }

    /// Writes a batch and returns how many of its events could not be folded. What the tables
    /// refuse, whatever the reason lies in, is narrowed down to the events at fault.
    ///
    /// After an error this writer is spent: whether the batch is there, only the checkpoint knows.
    pub(crate) async fn write(&mut self, batch: Batch) -> Result<usize, Error> {
        let mut dead = 0;
        let mut todo = vec![batch];
        while let Some(mut batch) = todo.pop() {
            let events = batch.len();
            let patience = self.patience;
            match timeout(patience, self.commit(&mut batch)).await.map_err(|_| Error::Timeout)? {
                Ok(()) => {
                    dead += batch.dead.len();
                    self.pulse.folded(events);
                }
                Err(Error::Statement(error)) if refused(&error) => match batch.events.len() {
                    0 => return Err(Error::Statement(error)),
                    1 => {
                        dead += timeout(patience, self.commit_one(&mut batch))
                            .await
                            .map_err(|_| Error::Timeout)??;
                        self.pulse.folded(events);
                    }
                    _ => {
                        let (first, second) = batch.halves();
                        todo.extend([second, first]);
                    }
                },
                Err(error) => return Err(error),
            }
        }
        Ok(dead)
    }

    /// All of it in one transaction. Its statements go out at once, one behind the other, but for those that copy rows: each
    /// of these only when all before it have succeeded.
    async fn commit(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let folded = batch.folded(&self.projections);
        let (copied, folded): (Vec<_>, Vec<_>) = folded.into_iter().partition(|folded| folded.copies());
        let tx = self.client.transaction().await?;
        let (path, epoch, written, moved) = join4(
            tx.batch_execute(&self.path),
            tx.query_opt(&self.fence, &[&self.schema.0]),
            join_all(folded.into_iter().map(|f| f.write(&tx))),
            conclude(
                &tx,
                &self.projections,
                &self.schema,
                &batch.dead,
                (self.position, batch.last),
                &batch.events,
            ),
        )
        .await;
        path?;
        if epoch?.map(|row| row.get(0)) != Some(self.epoch) {
            return Err(Error::Fenced);
        }
        // Behind the first failure every other statement fails too, for that reason alone.
        let failures = written.into_iter().filter_map(Result::err);
        if let Some(error) = first_cause(failures) {
            return Err(error.into());
        }
        moved?;
        for folded in copied {
            folded.write(&tx).await?;
        }
        tx.commit().await?;
        self.position = batch.last;
        Ok(())
    }

    /// The same for a single event that something refuses: the other projections take it.
    async fn commit_one(&mut self, batch: &mut Batch) -> Result<usize, Error> {
        let mut dead = batch.dead.clone();
        let mut tx = self.client.transaction().await?;
        tx.batch_execute(&self.path).await?;
        let epoch = tx.query_opt(&self.fence, &[&self.schema.0]).await?;
        if epoch.map(|row| row.get(0)) != Some(self.epoch) {
            return Err(Error::Fenced);
        }
        for projection in self.projections.iter() {
            let part = tx.transaction().await?;
            let folded = batch.folded_by(projection);
            match folded.write(&part).await {
                Ok(()) => part.commit().await?,
                Err(error) if refused(&error) => {
                    part.rollback().await?;
                    let reason = store::describe(&error);
                    let of = |event| reader::refused(event, projection.name(), reason.clone());
                    dead.extend(batch.events.iter().map(of));
                }
                Err(error) => return Err(error.into()),
            }
        }
        conclude(&tx, &self.projections, &self.schema, &dead, (self.position, batch.last), &batch.events)
            .await?;
        tx.commit().await?;
        self.position = batch.last;
        Ok(dead.len())
    }
}

/// Dead letters, checkpoint, notification.
async fn conclude(
    tx: &Tx<'_>,
    projections: &Projections,
    schema: &Schema,
    dead: &[Dead],
    (from, to): (Position, Position),
    events: &[Recorded],
) -> Result<(), Error> {
    if !dead.is_empty() {
        let positions: Vec<_> = dead.iter().map(|d| number(d.position)).collect();
        let names: Vec<_> = dead.iter().map(|d| d.projection).collect();
        let subjects: Vec<_> = dead.iter().map(|d| d.subject.as_str()).collect();
        let reasons: Vec<_> = dead.iter().map(|d| d.reason.as_str()).collect();
        let at: Vec<_> = dead.iter().map(|d| d.at).collect();
        execute(tx, BURY, &[&positions, &names, &subjects, &reasons, &at]).await?;
    }
    let statement = tx.prepare_cached(MOVE).await?;
    let moved = tx.execute(&statement, &[&number(to), &number(from)]).await?;
    // Whoever else moved it has folded these events.
    if moved != projections.len() as u64 {
        return Err(Error::Fenced);
    }
    if *schema == Schema::live() {
        execute(tx, NOTIFY, &[&CHANNEL, &hint(from, to, events)]).await?;
    }
    Ok(())
}

/// Where the models were, where they are now, and which workspaces the events are of: so whoever keeps answers knows
/// which still hold. Too many workspaces for a notification are left out.
fn hint(from: Position, to: Position, events: &[Recorded]) -> String {
    let workspaces: BTreeSet<_> = events.iter().map(|event| event.subject.workspace_id()).collect();
    let mut hint = format!("{to} {from}");
    if workspaces.len() <= HINTED {
        let ids: Vec<String> = workspaces.iter().map(ToString::to_string).collect();
        hint = format!("{hint} {}", ids.join(","));
    }
    hint
}

fn search_path(schema: &Schema, projections: &Projections) -> String {
    let path: Vec<String> = schema.path(projections).iter().map(|name| format!("\"{name}\"")).collect();
    format!("SET LOCAL search_path TO {}", path.join(", "))
}

/// Whether the data are at fault, not the server: values that a column cannot hold, broken
/// constraints, rows too large for an index.
fn refused(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| ["21", "22", "23", "54"].contains(&&code.code()[..2]))
}

/// The failure that made the others fail.
fn first_cause(errors: impl Iterator<Item = tokio_postgres::Error>) -> Option<tokio_postgres::Error> {
    let aborted = tokio_postgres::error::SqlState::IN_FAILED_SQL_TRANSACTION;
    let mut first = None;
    for error in errors {
        if error.code() != Some(&aborted) {
            return Some(error);
        }
        first.get_or_insert(error);
    }
    first
}
