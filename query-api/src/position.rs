//! How far the read models are, watched over one PostgreSQL connection: the projector notifies
//! after each commit, and a look at the checkpoint once per heartbeat makes sure that nothing was
//! missed. So any number of requests can wait for a position without asking the database, and what
//! was read of a workspace is known to hold for as long as nothing happened there.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{StreamExt, stream};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Config, NoTls};
use tokio_util::sync::CancellationToken;
use weir_events::{Position, WorkspaceId};

use crate::{
    changes::{Changes, Hint},
    reader::{self, CHECKPOINT, Checkpoint},
};

/// How often the checkpoint is looked at without a notification.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long what was seen counts as current.
const FRESH: Duration = Duration::from_millis(2500);
/// How long the database may take to answer before the connection is given up.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest pause between attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The newest known checkpoint. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Positions {
    seen: watch::Receiver<Seen>,
    changes: Arc<RwLock<Changes>>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    checkpoint: Checkpoint,
    /// When; `None` while there is no connection.
    at: Option<Instant>,
    /// Since when it has not moved.
    since: Instant,
}

impl Positions {
    /// Watches the checkpoint in `schemas` until `shutdown`, across restarts of the database.
    pub fn start(
        database: Config,
        schemas: &[String],
        shutdown: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let (sender, seen) =
            watch::channel(Seen { checkpoint: Checkpoint::default(), at: None, since: Instant::now() });
        let setup = format!("SET search_path TO {}; LISTEN weir_position", quoted(schemas));
        let changes = Arc::<RwLock<Changes>>::default();
        let heard = changes.clone();
        let task = tokio::spawn(async move {
            let mut pause = Duration::from_millis(50);
            while !shutdown.is_cancelled() {
                let began = Instant::now();
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    result = watch_once(&database, &setup, &sender, &heard) => {
                        let Err(error) = result;
                        sender.send_modify(|seen| seen.at = None);
                        tracing::warn!(error = format!("{error:#}"), "lost sight of the read models' position");
                    }
                }
                pause =
                    if began.elapsed() > LONGEST_PAUSE * 5 { Duration::from_millis(50) } else { pause * 2 };
                tokio::select! {
                    () = shutdown.cancelled() => break,
                    () = sleep(pause.min(LONGEST_PAUSE)) => {}
                }
            }
        });
        (Self { seen, changes }, task)
    }

    /// The checkpoint, unless it could be out of date.
    fn current(&self) -> Option<Checkpoint> {
        let seen = *self.seen.borrow();
        seen.at.filter(|at| at.elapsed() < FRESH).map(|_| seen.checkpoint)
    }

    /// Up to where it is known that what was read of a workspace at a checkpoint still holds; `None` where it does not,
    /// or where only the database can tell.
    pub(crate) fn holds(&self, workspace: WorkspaceId, read_at: Checkpoint) -> Option<Position> {
        let current = self.current()?;
        if read_at.generation != current.generation {
            return None;
        }
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        // At the very position that was seen last nothing can have happened, unless a hint was faster.
        let newest = read_at.position >= current.position.max(changes.until());
        // One that was seen may still have its hint on the way.
        let told = changes.until() >= current.position;
        (newest || (told && changes.none_after(read_at.position, workspace)))
            .then_some(read_at.position.max(current.position))
    }

    /// The newest position that was ever seen.
    pub fn newest(&self) -> Position {
        self.seen.borrow().checkpoint.position
    }

    /// For how long they have not moved.
    pub(crate) fn still(&self) -> Duration {
        self.seen.borrow().since.elapsed()
    }

    /// Waits until the models have reached a position; false when they do not within that time.
    pub async fn reached(&self, position: Position, within: Duration) -> bool {
        let mut seen = self.seen.clone();
        let arrived = seen.wait_for(|seen| seen.checkpoint.position >= position);
        matches!(timeout(within, arrived).await, Ok(Ok(_)))
    }
}

/// Names as they stand in SQL.
pub(crate) fn quoted(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    quoted.join(", ")
}

/// Follows one connection to its end.
async fn watch_once(
    database: &Config,
    setup: &str,
    sender: &watch::Sender<Seen>,
    changes: &RwLock<Changes>,
) -> anyhow::Result<std::convert::Infallible> {
    let (client, mut connection) = timeout(ANSWER, database.connect(NoTls)).await??;
    // One waiting notification is enough: what counts is the checkpoint as it is afterwards.
    let (notify, mut notified) = mpsc::channel::<()>(1);
    let driver = async move {
        let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
        while let Some(message) = messages.next().await {
            if let AsyncMessage::Notification(notification) = message? {
                if let Some(hint) = Hint::parse(notification.payload()) {
                    changes.write().unwrap_or_else(PoisonError::into_inner).heard(&hint);
                }
                let _ = notify.try_send(());
            }
        }
        Ok::<(), tokio_postgres::Error>(())
    };
    let follower = async {
        timeout(ANSWER, client.batch_execute(setup)).await??;
        let statement = timeout(ANSWER, client.prepare(CHECKPOINT)).await??;
        // Until the first look nothing is known; hints are listened to already.
        let mut quiet = true;
        loop {
            let row = timeout(ANSWER, client.query_one(&statement, &[])).await??;
            let (checkpoint, now) = (reader::checkpoint(&row)?, Instant::now());
            if quiet {
                // Moved without a word: whoever moved it does not tell what changed.
                let mut changes = changes.write().unwrap_or_else(PoisonError::into_inner);
                if changes.until() < checkpoint.position {
                    changes.restart(checkpoint.position);
                }
            }
            sender.send_modify(|seen| {
                let moved = seen.checkpoint.position != checkpoint.position;
                let since = if moved { now } else { seen.since };
                *seen = Seen { checkpoint, at: Some(now), since };
            });
            quiet = timeout(HEARTBEAT, notified.recv()).await.is_err();
        }
    };
    tokio::select! {
        result = driver => {
            result?;
            anyhow::bail!("the connection was closed")
        }
        result = follower => result,
    }
}
