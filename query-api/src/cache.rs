//! Answers kept as ready bytes, in memory, bounded by their size.
//!
//! An entry is served only for the very state of the workspace that it was made from, so it is
//! never stale; what is out of date simply is not found again and makes room in time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use chrono::NaiveDate;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use weir_events::{Position, WorkspaceId};

use crate::reader::{Checkpoint, Snapshot};

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

    /// Whether nothing at all has happened since it was last verified.
    pub(crate) fn is_current(&self, checkpoint: Checkpoint) -> bool {
        self.generation == checkpoint.generation
            && self.verified.load(Ordering::Relaxed) == checkpoint.position.0
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

    /// Keeps an answer.
    pub(crate) async fn put(&self, view: View, entry: Arc<Entry>) {
        self.0.insert(view, entry).await;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn view() -> View {
        View {
            workspace: WorkspaceId(Uuid::from_u128(1)),
            path: "/api/v1/datasets".into(),
            query: "5:limit=1:2;".into(),
            today: NaiveDate::from_ymd_opt(2026, 3, 1).unwrap(),
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
    fn an_entry_serves_only_the_state_it_was_made_from() {
        let entry = Entry::new(String::new(), Body::plain(Bytes::new()), snapshot(9, 5));
        assert!(entry.is_current(snapshot(9, 5).checkpoint));
        assert!(!entry.is_current(snapshot(10, 5).checkpoint), "not without a look");
        assert!(entry.verify(snapshot(10, 5)));
        assert!(entry.is_current(snapshot(10, 5).checkpoint));
        assert!(!entry.verify(snapshot(11, 11)));
        assert!(!entry.is_current(snapshot(11, 11).checkpoint));
    }
}
