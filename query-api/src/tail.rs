//! The newest events of all workspaces, kept once for everyone who subscribes.
//!
//! One follower of the log fills a ring of bounded size. Who subscribes goes at a pace of their own: events are taken
//! from the ring where they are still there, else from the log, page by page. So a slow reader costs as much memory as
//! a fast one, and an event of one workspace wakes nobody of another.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::StreamExt;
use tokio::{sync::watch, task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;
use weir_events::{EventLog, Filter, Position, Start, Stored, Unavailable, Wanted, WorkspaceId};

use crate::http::events::frame;

/// Bytes that the ring holds at most.
const RING_BYTES: usize = 16 << 20;
/// Events that are handed on at a time.
const PIECE: usize = 100;
/// Bytes that are handed on at a time, one event more or less.
const PIECE_BYTES: usize = 256 << 10;
/// What lies between two of a workspace's streams that are told of the same event. A thousand at once would keep the
/// answers waiting that go out by the same threads.
const APART: Duration = Duration::from_micros(50);
/// Events after which texts of earlier ones cannot be read any more.
const ERASES: [&str; 2] = ["weir.member.erased.v1", "weir.workspace.deleted.v1"];
/// The pause before the log is followed again after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The newest events. Cheap to clone.
#[derive(Clone)]
pub struct Tail(Arc<Inner>);

struct Inner {
    log: Arc<dyn EventLog>,
    ring: Mutex<Ring>,
    /// Where each workspace's last event is, for those who wait for the next one.
    waiting: Mutex<HashMap<WorkspaceId, watch::Sender<Position>>>,
    closing: CancellationToken,
}

#[derive(Default)]
struct Ring {
    /// All events after this one are in it, up to the last.
    after: Position,
    last: Position,
    events: VecDeque<Arc<Framed>>,
    bytes: usize,
}

/// An event, ready to be sent.
pub(crate) struct Framed {
    position: Position,
    workspace: WorkspaceId,
    kind: String,
    subject: String,
    /// As it goes out.
    pub(crate) bytes: Bytes,
}

impl Framed {
    fn of(event: &Stored) -> Option<Self> {
        let workspace = event.subject.split('.').nth(1)?.parse().ok()?;
        let header = |name| event.headers.get(name).unwrap_or_default().to_owned();
        Some(Self {
            position: event.position,
            workspace,
            kind: header(weir_events::envelope::header::TYPE),
            subject: header(weir_events::envelope::header::SUBJECT),
            bytes: frame(event),
        })
    }

    fn is(&self, workspace: WorkspaceId, wanted: &Wanted) -> bool {
        self.workspace == workspace && wanted.takes(&self.kind, &self.subject)
    }
}

/// What the ring knows of the events after a position.
enum Found {
    /// Those that are wanted, and up to where was looked.
    Here(Vec<Arc<Framed>>, Position),
    /// They have left it; it goes up to here.
    Gone(Position),
}

impl Ring {
    fn push(&mut self, event: Framed) {
        self.last = event.position;
        if ERASES.contains(&&*event.kind) {
            // What comes before it may show what is erased now; the log does not.
            self.events.clear();
            (self.bytes, self.after) = (0, event.position);
            return;
        }
        self.bytes += event.bytes.len();
        self.events.push_back(Arc::new(event));
        while self.bytes > RING_BYTES
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.bytes.len();
            self.after = oldest.position;
        }
    }

    fn find(&self, after: Position, workspace: WorkspaceId, wanted: &Wanted) -> Found {
        if after < self.after {
            return Found::Gone(self.last);
        }
        let (mut found, mut bytes) = (Vec::new(), 0);
        let first = self.events.partition_point(|event| event.position <= after);
        for event in self.events.range(first..).filter(|event| event.is(workspace, wanted)) {
            bytes += event.bytes.len();
            found.push(event.clone());
            if found.len() == PIECE || bytes > PIECE_BYTES {
                let until = event.position;
                return Found::Here(found, until);
            }
        }
        Found::Here(found, self.last.max(after))
    }
}

impl Tail {
    /// Follows the log until `shutdown`. Streams of those who subscribe end when `closing` says so.
    pub fn start(
        log: Arc<dyn EventLog>,
        closing: CancellationToken,
        shutdown: CancellationToken,
    ) -> (Self, JoinHandle<()>) {
        let inner = Inner { log, ring: Mutex::default(), waiting: Mutex::default(), closing };
        let tail = Self(Arc::new(inner));
        let inner = tail.0.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    why = inner.follow() => {
                        tracing::warn!(why, "the log cannot be followed for subscribers; it is tried again");
                    }
                }
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = sleep(PAUSE) => {}
                }
            }
        });
        (tail, task)
    }

    /// When no stream may go on.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// The log.
    pub(crate) fn log(&self) -> &Arc<dyn EventLog> {
        &self.0.log
    }

    /// Subscribes to a workspace's events after a position; `None` when it has `most` who do.
    pub(crate) fn subscribe(
        &self,
        workspace: WorkspaceId,
        wanted: Wanted,
        after: Position,
        most: usize,
    ) -> Option<Subscription> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = waiting.entry(workspace).or_insert_with(|| watch::Sender::new(Position::START));
        if sender.receiver_count() >= most {
            return None;
        }
        let place = u32::try_from(sender.receiver_count()).unwrap_or(u32::MAX);
        let changed = sender.subscribe();
        drop(waiting);
        Some(Subscription { tail: self.clone(), workspace, wanted, after, changed, place })
    }
}

impl Inner {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fills the ring, and says why it no longer can.
    async fn follow(&self) -> String {
        let head = match self.log.head().await {
            Ok(head) => head,
            Err(error) => return error.to_string(),
        };
        *self.ring() = Ring { after: head, last: head, ..Ring::default() };
        // Whoever waits looks at the log for what happened meanwhile.
        let all: Vec<_> =
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        all.into_iter().for_each(|workspace| self.wake(workspace, head));
        let mut events = self.log.follow(Filter::All, head);
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return error.to_string(),
            };
            let position = event.position;
            match Framed::of(&event) {
                Some(framed) => {
                    let workspace = framed.workspace;
                    self.ring().push(framed);
                    self.wake(workspace, position);
                }
                // An event that belongs to nobody is wanted by nobody.
                None => self.ring().last = position,
            }
        }
        "the stream of events ended".to_owned()
    }

    fn wake(&self, workspace: WorkspaceId, position: Position) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = waiting.get(&workspace)
            && sender.send(position).is_err()
        {
            waiting.remove(&workspace);
        }
    }
}

/// A workspace's events, from a position on. Dropping it ends it.
pub(crate) struct Subscription {
    tail: Tail,
    workspace: WorkspaceId,
    wanted: Wanted,
    after: Position,
    changed: watch::Receiver<Position>,
    /// How many there were before it.
    place: u32,
}

impl Subscription {
    /// Up to where everything was handed on: whoever comes back begins after it.
    pub(crate) fn position(&self) -> Position {
        self.after
    }

    /// Whose events.
    pub(crate) fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The next events, as soon as there are any. Nothing is lost when it is dropped before it is done.
    ///
    /// # Errors
    /// When the log does not answer.
    pub(crate) async fn next(&mut self) -> Result<Vec<Arc<Framed>>, Unavailable> {
        loop {
            self.changed.borrow_and_update();
            let found = self.tail.0.ring().find(self.after, self.workspace, &self.wanted);
            match found {
                Found::Here(events, until) => {
                    self.after = until;
                    if !events.is_empty() {
                        return Ok(events);
                    }
                    // The sender is there for as long as anyone waits.
                    let _ = self.changed.changed().await;
                    if self.place > 0 {
                        sleep(APART * self.place).await;
                    }
                }
                Found::Gone(last) => {
                    let filter = Filter::Workspace(self.workspace);
                    let page = self.tail.0.log.read(&filter, Start::After(self.after), PIECE).await?;
                    let until = page.events.last().map_or(self.after, |event| event.position);
                    // Up to where the ring was when the log was read, nothing else is in the log.
                    self.after = if page.end { until.max(last) } else { until };
                    let events = page.events.iter().filter_map(Framed::of).map(Arc::new);
                    let events: Vec<_> = events.filter(|e| e.is(self.workspace, &self.wanted)).collect();
                    if !events.is_empty() {
                        return Ok(events);
                    }
                }
            }
        }
    }
}
