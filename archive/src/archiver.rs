//! Writes the stream into files, each event once, and merges small files.
//!
//! A part of the stream is written file by file, one for each workspace and day in it. Files are named in the
//! database before they are written, and one transaction makes all of them count and moves the position on: only
//! from where this archiver began, and only if nobody struck its files off the list meanwhile. Whatever breaks off
//! before that has written nothing that anyone reads, and the next archiver removes it.

#![expect(clippy::disallowed_methods, reason = "each file that is begun needs a new name")]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use deadpool_postgres::{ClientWrapper, Object};
use object_store::{ObjectStoreExt, path::Path};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::{EventLog, Filter, Position, Start, Stored};

use crate::{
    Archive, Error,
    catalog::File,
    file::Upload,
    int,
    merge::Events,
    rows::{day, workspace},
};

/// How the archive is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long events wait for others at most until they are written into a file.
    pub time: Duration,
    /// From how many waiting events on they are written at once.
    pub events: u64,
    /// How much payload one part may have, in bytes: it is held in memory while it is written.
    pub bytes: usize,
    /// So many files of a workspace's day are merged into one.
    pub merge: usize,
    /// A file that large is merged with no other, in bytes.
    pub file_bytes: u64,
    /// How long files stay after others took their place, for those who read them still.
    pub keep: Duration,
}

impl Default for Options {
    /// Ten minutes, 50,000 events, 32 MiB, 8 files of less than 64 MiB, a day.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(600),
            events: 50_000,
            bytes: 32 << 20,
            merge: 8,
            file_bytes: 64 << 20,
            keep: Duration::from_secs(24 * 3_600),
        }
    }
}

/// What one turn did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Where the archive ends now.
    pub position: Position,
    /// Events that were written.
    pub events: u64,
    /// Files that were written.
    pub files: u64,
}

/// How long to wait after a failure, and before asking again whether another archiver has gone.
const PAUSE: Duration = Duration::from_secs(2);
/// Events that are read at a time.
const PAGE: usize = 1_000;
/// Which archiver may write: one connection to the database has this lock.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('weir archive', 0))";

/// Follows a log and writes it into the archive.
pub struct Archiver {
    archive: Archive,
    log: Arc<dyn EventLog>,
    options: Options,
}

impl Archiver {
    /// Of that log, into that archive.
    pub fn new(archive: Archive, log: Arc<dyn EventLog>, options: Options) -> Self {
        Self { archive, log, options }
    }

    /// Works until it is told to stop. Of several archivers one works, and the others stand by.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                ended = self.lead() => ended,
                () = stop.cancelled() => return,
            };
            if let Err(error) = ended {
                tracing::warn!(%error, "the archive waits");
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Works for as long as it is the one that may; comes back at once where another one is.
    async fn lead(&self) -> Result<(), Error> {
        let mut turn = self.turn().await?;
        if !turn.client.query_one(LOCK, &[]).await?.get::<_, bool>(0) {
            return Ok(());
        }
        turn.sweep().await?;
        let look = self.options.time.clamp(Duration::from_millis(50), Duration::from_secs(1));
        let mut behind: Option<Instant> = None;
        loop {
            let position = turn.position().await?;
            let head = self.log.head().await?;
            if position > head {
                return Err(Error::Ahead { archive: position, head });
            }
            let waited = match (position < head, behind) {
                (false, _) => Duration::ZERO,
                (true, since) => behind.insert(since.unwrap_or_else(Instant::now)).elapsed(),
            };
            if position < head && (waited >= self.options.time || head.0 - position.0 >= self.options.events)
            {
                turn.write(head).await?;
                turn.merge().await?;
                turn.sweep_old().await?;
                behind = None;
            } else {
                tokio::time::sleep(look).await;
            }
        }
    }

    /// Writes everything there is up to now and merges, without waiting for time or for more events.
    ///
    /// # Errors
    /// See [`Error`]; the archive is whole all the same, and may be tried again.
    pub async fn catch_up(&self) -> Result<Report, Error> {
        let mut turn = self.turn().await?;
        let head = self.log.head().await?;
        let report = turn.write(head).await?;
        turn.merge().await?;
        Ok(report)
    }

    async fn turn(&self) -> Result<Turn<'_>, Error> {
        // A connection of its own, which ends with what it holds: the lock, and a transaction that was begun.
        let client = Object::take(self.archive.pool.get().await?);
        Ok(Turn { archiver: self, client })
    }
}

/// A connection that writes.
struct Turn<'a> {
    archiver: &'a Archiver,
    client: ClientWrapper,
}

/// Events of a workspace's day.
type Groups = BTreeMap<(Uuid, NaiveDate), Vec<Stored>>;

impl Turn<'_> {
    async fn position(&self) -> Result<Position, Error> {
        let row = self.client.query_one("SELECT position FROM archive.progress", &[]).await?;
        Ok(Position(u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()))
    }

    /// Writes up to a position, part by part.
    async fn write(&mut self, target: Position) -> Result<Report, Error> {
        let mut report = Report { position: self.position().await?, ..Report::default() };
        while report.position < target {
            let (groups, last) = self.read(report.position, target).await?;
            let mut files = Vec::with_capacity(groups.len());
            for ((workspace, day), events) in groups {
                report.events += events.len() as u64;
                files.push(self.put(workspace, day, Source::Held(events)).await?);
            }
            report.files += files.len() as u64;
            self.commit(report.position, last, &files).await?;
            report.position = last;
        }
        Ok(report)
    }

    /// The events of the next part, and where it ends.
    async fn read(&self, after: Position, target: Position) -> Result<(Groups, Position), Error> {
        let Options { events: most, bytes: room, .. } = self.archiver.options;
        let (mut groups, mut count, mut bytes, mut last) = (Groups::new(), 0, 0, after);
        loop {
            let page = self.archiver.log.read(&Filter::All, Start::After(last), PAGE).await?;
            for event in page.events {
                if event.position > target || count >= most || bytes >= room {
                    return Ok((groups, last));
                }
                last = event.position;
                count += 1;
                bytes += event.payload.len() + 512;
                groups.entry((workspace(&event), day(&event))).or_default().push(event);
            }
            if page.end || last >= target {
                // Positions without an event are behind it as well.
                return Ok((groups, last.max(target)));
            }
        }
    }

    /// Writes a file that nobody reads yet.
    async fn put(&self, workspace: Uuid, day: NaiveDate, source: Source) -> Result<File, Error> {
        let (first, last) = source.ends();
        let key = format!("events/{workspace}/{day}/{first}-{last}-{}.parquet", Uuid::now_v7().simple());
        let named = &[
            &key as &(dyn tokio_postgres::types::ToSql + Sync),
            &workspace,
            &day,
            &int(first.0),
            &int(last.0),
        ];
        self.client.execute(include_str!("statements/name.sql"), named).await?;
        let mut upload = Upload::new(&self.archiver.archive.blobs, &Path::from(key.as_str()))?;
        let mut count = 0;
        match source {
            Source::Held(events) => {
                count = events.len() as u64;
                upload.write(&events).await?;
            }
            Source::Files(mut events, ..) => loop {
                let piece = events.next().await?;
                if piece.is_empty() {
                    break;
                }
                count += piece.len() as u64;
                upload.write(&piece).await?;
            },
        }
        let bytes = upload.finish().await?;
        Ok(File { key, workspace, day, first, last, events: count, bytes })
    }

    /// Makes files count, and moves the position on: all of it or nothing.
    async fn commit(&mut self, from: Position, to: Position, files: &[File]) -> Result<(), Error> {
        let tx = self.client.transaction().await?;
        let moved = "UPDATE archive.progress SET position = $2 WHERE position = $1";
        if tx.execute(moved, &[&int(from.0), &int(to.0)]).await? != 1 || !live(&tx, files).await? {
            return Err(Error::Overtaken);
        }
        tx.commit().await?;
        Ok(())
    }

    /// Merges the small files of each workspace's day where there are many.
    async fn merge(&mut self) -> Result<(), Error> {
        let (most, limit) = (int(self.archiver.options.merge as u64), int(self.archiver.options.file_bytes));
        loop {
            let rows = self.client.query(include_str!("statements/small.sql"), &[&limit, &most]).await?;
            let mut files: Vec<File> = rows.iter().map(File::from_row).collect();
            let mut bytes = 0;
            files.retain(|file| {
                bytes += file.bytes;
                bytes <= self.archiver.options.file_bytes.saturating_mul(2)
            });
            let (Some(first), Some(last)) = (files.first(), files.iter().map(|f| f.last).max()) else {
                return Ok(());
            };
            if files.len() < 2 {
                return Ok(());
            }
            let (workspace, day, begin) = (first.workspace, first.day, first.first);
            let events =
                Events::new(self.archiver.archive.blobs.clone(), files.clone().into(), Position::START);
            let merged = self.put(workspace, day, Source::Files(Box::new(events), begin, last)).await?;
            let tx = self.client.transaction().await?;
            let keys: Vec<&str> = files.iter().map(|f| f.key.as_str()).collect();
            let gone = tx.execute(include_str!("statements/retire.sql"), &[&keys]).await?;
            let whole = merged.events == files.iter().map(|f| f.events).sum::<u64>();
            if !whole || gone != keys.len() as u64 || !live(&tx, std::slice::from_ref(&merged)).await? {
                return Err(Error::Overtaken);
            }
            tx.commit().await?;
        }
    }

    /// Removes what an archiver left that broke off, and files that others took the place of long ago.
    async fn sweep(&self) -> Result<(), Error> {
        // First off the list, so that the one who named them, should it still live, cannot make them count.
        let strike = "DELETE FROM archive.files WHERE state = 'writing' RETURNING key";
        for row in self.client.query(strike, &[]).await? {
            self.remove(row.get(0)).await?;
        }
        self.sweep_old().await
    }

    async fn sweep_old(&self) -> Result<(), Error> {
        let keep = self.archiver.options.keep.as_secs_f64();
        let old = "SELECT key FROM archive.files WHERE state = 'gone' AND since < now() - make_interval(secs => $1)";
        for row in self.client.query(old, &[&keep]).await? {
            let key: &str = row.get(0);
            self.remove(key).await?;
            self.client.execute("DELETE FROM archive.files WHERE key = $1", &[&key]).await?;
        }
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        match self.archiver.archive.blobs.delete(&Path::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What goes into a file.
enum Source {
    /// Some events of one part.
    Held(Vec<Stored>),
    /// Those of files, with their first and last positions.
    Files(Box<Events>, Position, Position),
}

impl Source {
    fn ends(&self) -> (Position, Position) {
        match self {
            Self::Held(events) => {
                let at = |event: Option<&Stored>| event.map_or(Position::START, |e| e.position);
                (at(events.first()), at(events.last()))
            }
            Self::Files(_, first, last) => (*first, *last),
        }
    }
}

/// Makes files count that were only named; false if one of them is on the list no more.
async fn live(tx: &tokio_postgres::Transaction<'_>, files: &[File]) -> Result<bool, Error> {
    let keys: Vec<&str> = files.iter().map(|f| f.key.as_str()).collect();
    let events: Vec<i64> = files.iter().map(|f| int(f.events)).collect();
    let bytes: Vec<i64> = files.iter().map(|f| int(f.bytes)).collect();
    let changed = tx.execute(include_str!("statements/live.sql"), &[&keys, &events, &bytes]).await?;
    Ok(changed == files.len() as u64)
}
