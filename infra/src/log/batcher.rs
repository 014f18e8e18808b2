//! Group commit: who shares the next write.
//!
//! One write is in flight at a time, and while it is, the next one gathers. A lone commit does not
//! even come here: who finds the lane free writes at once, as a plain message. A few go out one by one, side by side; from
//! [`Options::min_batch`] events on they share an atomic batch, and with it the server's syncs to
//! disk. Commits that must not share a write with others (they are likely to fail, or did) go
//! apart, beside the batch.
//!
//! Two commits of which one guards a subject that the other writes never share a batch: the server
//! checks guards against the stream as it was before the batch.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use weir_events::{AppendError, Appended, Commit, Position, Subject};

use super::{
    Options,
    flight::{self, Kind, Landed},
    link::Link,
    wire::{self, MAX_EVENTS, Outgoing},
};

/// How many bytes share one write, roughly.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many commits go apart at a time.
const MAX_APART: usize = 64;
/// How long at most to wait for writers that are about to come back.
const MAX_PATIENCE: Duration = Duration::from_millis(10);
/// How many subjects' last positions are remembered, at least.
const KNOWN: usize = 16 * 1024;

/// A commit that waits for its turn.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) commit: Commit,
    /// The commit's messages until they are sent; they are made again for another try.
    messages: Option<Vec<Outgoing>>,
    pub(super) events: usize,
    bytes: usize,
    /// A hash of what makes it recognisable when it comes again.
    identity: u64,
    /// What it writes: hash of the subject, and the position it expects there if it guards it.
    pub(super) writes: Vec<(u64, Option<u64>)>,
    /// Whether an earlier try had no answer, so that the stream may hold this very commit.
    pub(super) tried: bool,
    /// Whether it must not share a write.
    pub(super) apart: bool,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Entry {
    pub(super) fn new(
        commit: Commit,
        messages: Vec<Outgoing>,
        reply: oneshot::Sender<Result<Appended, AppendError>>,
        hash: impl Fn(&str) -> u64,
    ) -> Self {
        let mut writes: Vec<(u64, Option<u64>)> = Vec::with_capacity(1);
        for (event, message) in commit.events.iter().zip(&messages) {
            let subject = hash(&message.subject);
            if !writes.iter().any(|(s, _)| *s == subject) {
                let guard = commit.guards.iter().find(|(s, _): &&(Subject, _)| *s == event.subject);
                writes.push((subject, guard.map(|(_, expected)| expected.0)));
            }
        }
        Self {
            identity: messages.first().and_then(Outgoing::id).map(&hash).unwrap_or_default(),
            events: messages.len(),
            bytes: messages.iter().map(Outgoing::size).sum(),
            messages: Some(messages),
            writes,
            commit,
            tried: false,
            apart: false,
            reply,
        }
    }

    /// The messages to send, as they were checked when the commit came in.
    pub(super) fn take_messages(&mut self) -> Vec<Outgoing> {
        self.messages.take().or_else(|| wire::encode(&self.commit, usize::MAX).ok()).unwrap_or_default()
    }

    /// Where it went, from the position of its first event.
    pub(super) fn appended(&self, first: u64) -> Appended {
        Appended { first: Position(first), last: Position(first + self.events as u64 - 1) }
    }

    /// Answers whoever waits for it; nobody may.
    pub(super) fn answer(self, result: Result<Appended, AppendError>) {
        let _ = self.reply.send(result);
    }
}

/// Where guarded subjects stood when this log last wrote them: a hint as to which guards will fail.
/// It forgets the older half when it is full.
#[derive(Debug, Default)]
struct Known {
    recent: HashMap<u64, u64>,
    older: HashMap<u64, u64>,
}

impl Known {
    fn learn(&mut self, subject: u64, position: u64) {
        if self.recent.len() >= KNOWN {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(subject, position);
    }

    fn outdated(&self, subject: u64, expected: u64) -> bool {
        let last = self.recent.get(&subject).or_else(|| self.older.get(&subject));
        last.is_some_and(|last| *last > expected)
    }
}

/// The task that decides who shares the next write.
pub(super) struct Batcher {
    link: Arc<Link>,
    queue: mpsc::Receiver<Entry>,
    room: usize,
    min_batch: usize,
    max_batch: usize,
    waiting: VecDeque<Entry>,
    waiting_events: usize,
    apart: VecDeque<Entry>,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// The right to write what is not apart. Who finds it free may write at once, without a batch.
    lane: Arc<Semaphore>,
    /// Held from the first commit that waits until none does and none is about to come.
    held: Option<OwnedSemaphorePermit>,
    together_in_flight: bool,
    apart_in_flight: bool,
    known: Known,
    /// Until when to wait for the writers that the last write set free, and for how many events.
    gather: Option<(Instant, usize)>,
}

impl Batcher {
    pub(super) fn new(
        link: Arc<Link>,
        queue: mpsc::Receiver<Entry>,
        lane: Arc<Semaphore>,
        options: &Options,
    ) -> Self {
        Self {
            link,
            queue,
            lane,
            held: None,
            room: options.queue.max(MAX_EVENTS),
            min_batch: options.min_batch.max(2),
            max_batch: options.max_batch.clamp(1, MAX_EVENTS),
            waiting: VecDeque::new(),
            waiting_events: 0,
            apart: VecDeque::new(),
            flights: FuturesUnordered::new(),
            together_in_flight: false,
            apart_in_flight: false,
            known: Known::default(),
            gather: None,
        }
    }

    /// Runs until every handle to the log is gone and every waiting commit is answered.
    pub(super) async fn run(mut self) {
        let mut open = true;
        let mut arrived = Vec::with_capacity(MAX_EVENTS);
        while open || !self.waiting.is_empty() || !self.apart.is_empty() || !self.flights.is_empty() {
            self.launch();
            let room = self.waiting.len() + self.apart.len() < self.room;
            let wants_lane = self.held.is_none() && !self.waiting.is_empty();
            let gathering = self.gather.filter(|_| !self.together_in_flight);
            let until = gathering.map_or_else(Instant::now, |(until, _)| until);
            tokio::select! {
                biased;
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.land(landed),
                count = self.queue.recv_many(&mut arrived, MAX_EVENTS), if open && room => {
                    open = count > 0;
                    arrived.drain(..).for_each(|entry| self.wait(entry));
                }
                held = self.lane.clone().acquire_owned(), if wants_lane => self.held = held.ok(),
                () = tokio::time::sleep_until(until), if gathering.is_some() => self.gather = None,
            }
        }
    }

    fn wait(&mut self, entry: Entry) {
        if entry.apart || self.outdated(&entry) {
            self.apart.push_back(entry);
        } else {
            self.waiting_events += entry.events;
            self.waiting.push_back(entry);
        }
    }

    fn outdated(&self, entry: &Entry) -> bool {
        entry.writes.iter().any(|(subject, guard)| guard.is_some_and(|e| self.known.outdated(*subject, e)))
    }

    /// Starts the writes that can start now.
    fn launch(&mut self) {
        if self.held.is_none() && !self.waiting.is_empty() {
            self.held = self.lane.clone().try_acquire_owned().ok();
        }
        if self.held.is_some() && !self.together_in_flight && self.gathered() {
            let entries = self.choose();
            if self.waiting.is_empty() && entries.is_empty() && self.gather.is_none() {
                self.held = None;
            }
            if !entries.is_empty() {
                let events: usize = entries.iter().map(|e| e.events).sum();
                let kind = if events < self.min_batch { Kind::Few } else { Kind::Batch };
                self.together_in_flight = true;
                self.flights.push(Box::pin(flight::fly(self.link.clone(), kind, entries)));
            }
        }
        if !self.apart_in_flight && !self.apart.is_empty() {
            let count = self.apart.len().min(MAX_APART);
            let entries: Vec<_> = self.apart.drain(..count).filter(|e| !e.reply.is_closed()).collect();
            if !entries.is_empty() {
                self.apart_in_flight = true;
                self.flights.push(Box::pin(flight::fly(self.link.clone(), Kind::Apart, entries)));
            }
        }
    }

    /// Whether those who are expected have come, or need no longer be waited for.
    fn gathered(&mut self) -> bool {
        let Some((until, events)) = self.gather else { return true };
        let gathered = self.waiting_events >= events.min(self.max_batch) || Instant::now() >= until;
        if gathered {
            self.gather = None;
        }
        gathered
    }

    /// Takes from those that wait the ones that can share the next write.
    fn choose(&mut self) -> Vec<Entry> {
        let mut together = Vec::new();
        let (mut events, mut bytes) = (0, 0);
        // Subject to whether it is guarded; and the identities of the commits.
        let mut taken: HashMap<u64, bool> = HashMap::new();
        let mut identities: HashSet<u64> = HashSet::new();
        let mut later = VecDeque::new();
        while let Some(entry) = self.waiting.pop_front() {
            let clash = |(s, g): &(u64, Option<u64>)| taken.get(s).is_some_and(|t| *t || g.is_some());
            if entry.reply.is_closed() {
                self.waiting_events -= entry.events;
            } else if self.outdated(&entry) {
                self.waiting_events -= entry.events;
                self.apart.push_back(entry);
            } else if events > 0
                && (events + entry.events > self.max_batch || bytes + entry.bytes > MAX_BATCH_BYTES)
            {
                later.push_back(entry);
                break;
            } else if identities.contains(&entry.identity) || entry.writes.iter().any(clash) {
                later.push_back(entry);
            } else {
                events += entry.events;
                bytes += entry.bytes;
                self.waiting_events -= entry.events;
                identities.insert(entry.identity);
                for (subject, guard) in &entry.writes {
                    *taken.entry(*subject).or_default() |= guard.is_some();
                }
                together.push(entry);
            }
        }
        // Those that were passed over keep their places.
        later.append(&mut self.waiting);
        self.waiting = later;
        together
    }

    /// Takes in what became of a write.
    fn land(&mut self, landed: Landed) {
        for (subject, position) in landed.written {
            self.known.learn(subject, position);
        }
        for entry in landed.again.into_iter().rev() {
            if entry.apart {
                self.apart.push_front(entry);
            } else {
                self.waiting_events += entry.events;
                self.waiting.push_front(entry);
            }
        }
        if landed.kind == Kind::Apart {
            self.apart_in_flight = false;
            return;
        }
        self.together_in_flight = false;
        // The writers that were just answered are about to come back. To wait for them a little
        // makes the next batch whole, instead of two halves that take turns.
        let patience = (landed.took / 4).min(MAX_PATIENCE);
        self.gather = (landed.events > 1 && patience >= Duration::from_micros(300))
            .then(|| (Instant::now() + patience, landed.events + self.waiting_events));
    }
}
