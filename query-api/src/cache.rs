//! Answers kept as ready bytes, in memory, bounded by their size.
//!
//! An entry is served only for the very state of the workspace that it was made from, so it is
//! never stale; what is out of date simply is not found again and makes room in time.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chrono::NaiveDate;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use weir_events::{Position, WorkspaceId};

use crate::{
    position::Positions,
    reader::{Checkpoint, Snapshot},
};

/// What was asked for: one view of one workspace on one day.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct View {
    /// Whose.
    pub(crate) workspace: WorkspaceId,
    /// The path, ids included.
    pub(crate) path: String,
    /// All parameters in one canonical form.
    pub(crate) query: String,
    /// The day (UTC): some numbers are counted back from it.
    pub(crate) today: NaiveDate,
    /// The keys that texts were opened with: once one is destroyed, nothing that was read with it is found.
    pub(crate) keys: u64,
}

impl View {
    /// The entity tag of this view of that state. Nobody can read anything from it.
    pub(crate) fn etag(&self, snapshot: Snapshot) -> String {
        let mut hash = Sha256::new();
        for part in [
            env!("CARGO_PKG_VERSION").as_bytes(),
            self.workspace.0.as_bytes(),
            self.path.as_bytes(),
            self.query.as_bytes(),
            self.today.to_string().as_bytes(),
            &self.keys.to_be_bytes(),
            &snapshot.workspace.0.to_be_bytes(),
            &snapshot.checkpoint.generation.to_be_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        // Weak: compressed or not, it is the same answer.
        format!("W/\"{hex}\"")
    }
}

/// The JSON of an answer.
///
/// An answer that tells the position it was read at is kept without it: the position moves on with
/// every event of any workspace, while all the rest stays as it is.
#[derive(Debug)]
pub(crate) struct Body(Bytes, bool);

impl Body {
    /// Kept as it is.
    pub(crate) fn plain(json: Bytes) -> Self {
        Self(json, false)
    }

    /// An object that gets a first field `position` when it goes out.
    pub(crate) fn positioned(json: Bytes) -> Self {
        Self(json, true)
    }

    /// Whether it tells the position when it goes out.
    pub(crate) fn shows_position(&self) -> bool {
        self.1
    }

    /// Ready to go out.
    pub(crate) fn at(&self, position: Position) -> Bytes {
        if !self.1 {
            return self.0.clone();
        }
        let fields = self.0.strip_prefix(b"{").unwrap_or(&self.0);
        let comma = if fields == b"}" { "" } else { "," };
        [format!("{{\"position\":{position}{comma}").as_bytes(), fields].concat().into()
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its entity tag.
    pub(crate) etag: String,
    /// Its body.
    pub(crate) body: Body,
    /// The workspace's last event in it.
    workspace: Position,
    generation: i64,
    /// The newest position of all at which it was known to be current.
    verified: AtomicU64,
}

impl Entry {
    /// An answer made from that state.
    pub(crate) fn new(etag: String, body: Body, made_from: Snapshot) -> Self {
        Self {
            etag,
            body,
            workspace: made_from.workspace,
            generation: made_from.checkpoint.generation,
            verified: AtomicU64::new(made_from.checkpoint.position.0),
        }
    }

    /// Up to where it is known to be current without asking the database, if it is.
    pub(crate) fn holds(&self, positions: &Positions, workspace: WorkspaceId) -> Option<Position> {
        let position = Position(self.verified.load(Ordering::Relaxed));
        let holds = positions.holds(workspace, Checkpoint { position, generation: self.generation })?;
        self.verified.fetch_max(holds.0, Ordering::Relaxed);
        Some(holds)
    }

    /// Whether it shows a moment of the past that ends at that position.
    pub(crate) fn is_of(&self, position: Position) -> bool {
        self.verified.load(Ordering::Relaxed) == position.0
    }

    /// Whether it shows that state, which is noted if so.
    pub(crate) fn verify(&self, snapshot: Snapshot) -> bool {
        let same = self.workspace == snapshot.workspace && self.generation == snapshot.checkpoint.generation;
        if same {
            self.verified.fetch_max(snapshot.checkpoint.position.0, Ordering::Relaxed);
        }
        same
    }
}

/// The answers.
#[derive(Debug, Clone)]
pub(crate) struct Answers(Cache<View, Arc<Entry>>);

impl Answers {
    /// Room for that many bytes.
    pub(crate) fn new(bytes: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(|view: &View, entry: &Arc<Entry>| {
                let size = view.path.len() + view.query.len() + entry.body.0.len() + entry.etag.len() + 200;
                u32::try_from(size).unwrap_or(u32::MAX)
            })
            .build();
        Self(cache)
    }

    /// The last answer for that view, of whatever state.
    pub(crate) async fn get(&self, view: &View) -> Option<Arc<Entry>> {
        self.0.get(view).await
    }

    /// How many bytes are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }

    /// Keeps an answer.
    pub(crate) async fn put(&self, view: View, entry: Arc<Entry>) {
        self.0.insert(view, entry).await;
    }
}

/// Views that are being read at the moment.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<View, watch::Receiver<()>>>);

/// What to do about a view that is not there.
pub(crate) enum Turn<'a> {
    /// Read it. Whoever waits looks again when this is dropped, whatever came of it.
    Read(Flight<'a>),
    /// Somebody did, just now.
    Waited,
}

/// A view that is being read.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    view: View,
    _over: watch::Sender<()>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.view);
    }
}

impl Flights {
    /// Takes the turn to read a view, or waits for whoever has it.
    pub(crate) async fn turn(&self, view: &View) -> Turn<'_> {
        let waited_for = {
            let mut under_way = self.under_way();
            match under_way.get(view) {
                Some(flight) => Some(flight.clone()),
                None => {
                    let (over, waiting) = watch::channel(());
                    under_way.insert(view.clone(), waiting);
                    return Turn::Read(Flight { flights: self, view: view.clone(), _over: over });
                }
            }
        };
        if let Some(mut flight) = waited_for {
            // Nothing is ever sent: it ends when the flight is over.
            let _ = flight.changed().await;
        }
        Turn::Waited
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<View, watch::Receiver<()>>> {
        // Every change is a single insert or remove, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn view() -> View {
        View {
            workspace: WorkspaceId(Uuid::from_u128(1)),
            path: "/api/v1/datasets".into(),
            query: "5:limit=1:2;".into(),
            today: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
            keys: 1,
        }
    }

    fn snapshot(position: u64, workspace: u64) -> Snapshot {
        let checkpoint = Checkpoint { position: Position(position), generation: 1 };
        Snapshot { checkpoint, workspace: Position(workspace) }
    }

    #[test]
    fn tags_tell_views_apart_and_ignore_what_others_do() {
        let tag = view().etag(snapshot(9, 5));
        assert_eq!(tag, view().etag(snapshot(700, 5)), "another workspace's events");
        assert_ne!(tag, view().etag(snapshot(9, 6)));
        for other in [
            View { workspace: WorkspaceId(Uuid::from_u128(2)), ..view() },
            View { path: "/api/v1/dataset".into(), query: "s5:limit=1:2;".into(), ..view() },
            View { query: String::new(), ..view() },
            View { today: NaiveDate::from_ymd_opt(2026, 3, 2).unwrap(), ..view() },
            View { keys: 2, ..view() },
        ] {
            assert_ne!(tag, other.etag(snapshot(9, 5)), "{other:?}");
        }
    }

    #[test]
    fn the_position_is_put_in_when_it_goes_out() {
        let body = |json: &'static str| Body::positioned(Bytes::from_static(json.as_bytes())).at(Position(7));
        assert_eq!(body(r#"{"a":1}"#), r#"{"position":7,"a":1}"#);
        assert_eq!(body("{}"), r#"{"position":7}"#);
        assert_eq!(Body::plain(Bytes::from_static(b"{}")).at(Position(7)), "{}");
    }

    #[test]
    fn an_entry_is_verified_only_by_the_state_it_was_made_from() {
        let entry = Entry::new(String::new(), Body::plain(Bytes::new()), snapshot(9, 5));
        assert!(entry.verify(snapshot(9, 5)) && entry.verify(snapshot(10, 5)));
        assert!(entry.is_of(Position(10)));
        assert!(!entry.verify(snapshot(11, 11)));
        let mut other = snapshot(11, 5);
        other.checkpoint.generation = 2;
        assert!(!entry.verify(other));
    }

    #[tokio::test]
    async fn of_those_who_want_the_same_one_reads_and_the_others_look_again() {
        let flights = Flights::default();
        let first = flights.turn(&view()).await;
        assert!(matches!(first, Turn::Read(_)));
        let elsewhere = View { query: String::new(), ..view() };
        assert!(matches!(flights.turn(&elsewhere).await, Turn::Read(_)));
        let wanted = view();
        let mut second = Box::pin(flights.turn(&wanted));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(matches!(second.await, Turn::Waited));
        assert!(matches!(flights.turn(&view()).await, Turn::Read(_)), "nothing is left behind");
    }
}
