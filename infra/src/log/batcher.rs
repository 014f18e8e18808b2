//! Group commit: who shares the next write.
//!
//! One write is in flight at a time, and while it is, the next one gathers. A lone commit does not
//! even come here: who finds the lane free writes at once, as a plain message. A few go out one by
//! one, side by side; from [`Options::min_batch`] events on they share an atomic batch, and with it
//! the server's syncs to disk. A batch is open before it is due: commits that join it are on their
//! way to the server while the write before it is being synced, and while their callers' neighbours
//! are still making up their minds. Commits that must not share a write with others (they are
//! likely to fail, or did) go apart, beside the batch.
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
/// From how many events on two halves that take turns are faster than one batch: while the server
/// stores one, the writers of the other make up their next commits.
const MANY: usize = 400;
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

/// What the commits of one write touch, so that no other write at the same time touches it too.
#[derive(Debug, Default)]
struct Claims {
    /// Hash of a subject, and whether a commit guards it.
    subjects: HashMap<u64, bool>,
    identities: HashSet<u64>,
}

impl Claims {
    /// Whether the commit must wait until this write is over. Commits that guard nothing may share
    /// a subject.
    fn clash(&self, entry: &Entry) -> bool {
        let taken = |(subject, guard): &(u64, Option<u64>)| {
            self.subjects.get(subject).is_some_and(|guarded| *guarded || guard.is_some())
        };
        self.identities.contains(&entry.identity) || entry.writes.iter().any(taken)
    }

    fn add(&mut self, entry: &Entry) {
        self.identities.insert(entry.identity);
        for (subject, guard) in &entry.writes {
            *self.subjects.entry(*subject).or_default() |= guard.is_some();
        }
    }
}

/// A batch that commits can join.
struct Open {
    joining: mpsc::UnboundedSender<Entry>,
    claims: Claims,
    events: usize,
    bytes: usize,
}

/// The task that decides who shares the next write.
pub(super) struct Batcher {
    link: Arc<Link>,
    queue: mpsc::Receiver<Entry>,
    room: usize,
    min_batch: usize,
    max_batch: usize,
    /// Those that are in no write yet.
    waiting: VecDeque<Entry>,
    waiting_events: usize,
    apart: VecDeque<Entry>,
    /// The next batch, once it is worth one.
    open: Option<Open>,
    /// What the write in flight touches.
    claimed: Option<Claims>,
    apart_in_flight: bool,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    /// The right to write what is not apart. Who finds it free may write at once, without a batch.
    lane: Arc<Semaphore>,
    /// Held from the first commit that waits until none does and none is about to come.
    held: Option<OwnedSemaphorePermit>,
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
            open: None,
            claimed: None,
            apart_in_flight: false,
            flights: FuturesUnordered::new(),
            known: Known::default(),
            gather: None,
        }
    }

    /// Runs until every handle to the log is gone and every waiting commit is answered.
    pub(super) async fn run(mut self) {
        let mut queue_open = true;
        let mut arrived = Vec::with_capacity(MAX_EVENTS);
        while queue_open || !self.waiting.is_empty() || !self.apart.is_empty() || !self.flights.is_empty() {
            self.launch();
            let room = self.waiting.len() + self.apart.len() < self.room;
            let wants_lane = self.held.is_none() && !self.waiting.is_empty();
            let gathering = self.gather.filter(|_| self.claimed.is_none());
            let until = gathering.map_or_else(Instant::now, |(until, _)| until);
            tokio::select! {
                biased;
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.land(landed),
                count = self.queue.recv_many(&mut arrived, MAX_EVENTS), if queue_open && room => {
                    queue_open = count > 0;
                    arrived.drain(..).for_each(|entry| self.arrive(entry));
                }
                held = self.lane.clone().acquire_owned(), if wants_lane => self.held = held.ok(),
                () = tokio::time::sleep_until(until), if gathering.is_some() => self.gather = None,
                // Nothing is under way: what waited was given up by its callers.
                else => {}
            }
        }
    }

    fn arrive(&mut self, entry: Entry) {
        if entry.apart || self.outdated(&entry) {
            self.apart.push_back(entry);
        } else if let Some(entry) = self.join(entry) {
            self.wait(entry);
        }
    }

    fn wait(&mut self, entry: Entry) {
        self.waiting_events += entry.events;
        self.waiting.push_back(entry);
    }

    fn outdated(&self, entry: &Entry) -> bool {
        entry.writes.iter().any(|(subject, guard)| guard.is_some_and(|e| self.known.outdated(*subject, e)))
    }

    /// Takes the commit into the open batch, or gives it back where there is none that it fits.
    fn join(&mut self, entry: Entry) -> Option<Entry> {
        let Some(open) = &mut self.open else { return Some(entry) };
        let full = open.events > 0
            && (open.events + entry.events > self.max_batch || open.bytes + entry.bytes > MAX_BATCH_BYTES);
        let clash = open.claims.clash(&entry) || self.claimed.as_ref().is_some_and(|c| c.clash(&entry));
        if full || clash {
            return Some(entry);
        }
        open.claims.add(&entry);
        open.events += entry.events;
        open.bytes += entry.bytes;
        // The flight listens until the batch is closed.
        open.joining.send(entry).err().map(|unsent| unsent.0)
    }

    /// Lets those that wait join the open batch, in their order.
    fn fill(&mut self) {
        for _ in 0..self.waiting.len() {
            let Some(entry) = self.waiting.pop_front() else { break };
            self.waiting_events -= entry.events;
            if !entry.reply.is_closed() {
                self.arrive(entry);
            }
        }
    }

    /// Starts the writes that can start now.
    fn launch(&mut self) {
        if self.held.is_none() && !self.waiting.is_empty() {
            self.held = self.lane.clone().try_acquire_owned().ok();
        }
        if self.held.is_some() {
            if self.open.is_none() && self.worth_a_batch() {
                let (joining, joins) = mpsc::unbounded_channel();
                let (claims, events, bytes) = (Claims::default(), 0, 0);
                self.open = Some(Open { joining, claims, events, bytes });
                self.flights.push(Box::pin(flight::together(self.link.clone(), joins)));
                self.fill();
            }
            if self.claimed.is_none() && self.gathered() {
                self.depart();
            }
        }
        if !self.apart_in_flight {
            let mut entries = Vec::new();
            while entries.len() < MAX_APART
                && let Some(entry) = self.apart.pop_front()
            {
                if !entry.reply.is_closed() {
                    entries.push(entry);
                }
            }
            if !entries.is_empty() {
                self.apart_in_flight = true;
                self.flights.push(Box::pin(flight::separately(self.link.clone(), Kind::Apart, entries)));
            }
        }
    }

    /// Whether so many wait, or are about to come back together, that they should share a write.
    fn worth_a_batch(&self) -> bool {
        let coming = self.gather.map_or(0, |(_, events)| events);
        self.waiting_events.max(coming) >= self.min_batch && !self.waiting.is_empty()
    }

    /// Whether those who are expected have come, or need no longer be waited for.
    fn gathered(&mut self) -> bool {
        let Some((until, events)) = self.gather else { return true };
        let here = self.waiting_events + self.open.as_ref().map_or(0, |open| open.events);
        let gathered = here >= events.min(self.max_batch) || Instant::now() >= until;
        if gathered {
            self.gather = None;
        }
        gathered
    }

    /// Sends off the open batch, or the few that wait.
    fn depart(&mut self) {
        if let Some(open) = self.open.take() {
            self.claimed = Some(open.claims);
            return;
        }
        let (mut few, mut later) = (Vec::new(), VecDeque::new());
        let mut claims = Claims::default();
        while let Some(entry) = self.waiting.pop_front() {
            if entry.reply.is_closed() {
                self.waiting_events -= entry.events;
            } else if self.outdated(&entry) {
                self.waiting_events -= entry.events;
                self.apart.push_back(entry);
            } else if claims.clash(&entry) {
                later.push_back(entry);
            } else {
                claims.add(&entry);
                self.waiting_events -= entry.events;
                few.push(entry);
            }
        }
        self.waiting = later;
        if few.is_empty() {
            self.held = None;
        } else {
            self.claimed = Some(claims);
            self.flights.push(Box::pin(flight::separately(self.link.clone(), Kind::Few, few)));
        }
    }

    /// Takes in what became of a write.
    fn land(&mut self, landed: Landed) {
        self.link.metrics.wrote(landed.kind.name(), landed.events);
        for (subject, position) in landed.written {
            self.known.learn(subject, position);
        }
        if landed.kind == Kind::Apart {
            self.apart_in_flight = false;
        } else {
            self.claimed = None;
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
            return;
        }
        self.fill();
        // The writers that were just answered are about to come back. To wait for them a little
        // makes the next batch whole, instead of two halves that take turns.
        let patience = (landed.took / 2).min(MAX_PATIENCE);
        let here = self.waiting_events + self.open.as_ref().map_or(0, |open| open.events);
        let all = landed.events + here;
        let expected = if all >= MANY { all / 2 } else { all };
        self.gather = (landed.events > 1 && patience >= Duration::from_micros(300))
            .then(|| (Instant::now() + patience, expected));
    }
}
