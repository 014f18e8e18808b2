//! The events of several files in the order of the stream.
//!
//! A file is open only from its first position to its last, so that there are as many open at a time as
//! workspaces did something on one day.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use weir_events::{Position, Stored};
use weir_infra::blob::Blobs;

use crate::{
    Error,
    catalog::File,
    file::{self, Batches},
};

/// Events that are given out at a time, at most; and bytes of payload, one event more or less.
const PIECE: (usize, usize) = (1_000, 4 << 20);
/// Rows that are read of all open files together, about, and of each at least.
const ROWS: (usize, usize) = (65_536, 32);

/// Events of the archive, some at a time.
pub struct Events {
    blobs: Blobs,
    /// Not opened yet, in the order of their first positions.
    files: VecDeque<File>,
    open: Vec<Option<Cursor>>,
    next: BinaryHeap<Reverse<(Position, usize)>>,
    /// Nothing up to here is wanted.
    after: Position,
    /// The last one that was given out.
    at: Position,
}

/// A file that is being read.
struct Cursor {
    batches: Batches,
    ready: VecDeque<Stored>,
}

impl Cursor {
    /// The position of its next event; `None` at its end.
    async fn peek(&mut self) -> Result<Option<Position>, Error> {
        loop {
            if let Some(event) = self.ready.front() {
                return Ok(Some(event.position));
            }
            match self.batches.next().await {
                Some(batch) => self.ready.extend(file::events(&batch?)?),
                None => return Ok(None),
            }
        }
    }
}

impl Events {
    pub(crate) fn new(blobs: Blobs, files: VecDeque<File>, after: Position) -> Self {
        Self { blobs, files, open: Vec::new(), next: BinaryHeap::new(), after, at: after }
    }

    /// The next ones; none at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or events are not in order.
    pub async fn next(&mut self) -> Result<Vec<Stored>, Error> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while events.len() < PIECE.0 && bytes < PIECE.1 {
            self.open_due().await?;
            let Some(Reverse((position, which))) = self.next.pop() else { break };
            let Some(Some(cursor)) = self.open.get_mut(which) else { continue };
            let Some(event) = cursor.ready.pop_front() else { continue };
            match cursor.peek().await? {
                Some(next) => self.next.push(Reverse((next, which))),
                None => self.open[which] = None,
            }
            if position <= self.at {
                return Err(Error::Order(position));
            }
            self.at = position;
            bytes += event.payload.len();
            events.push(event);
        }
        Ok(events)
    }

    /// Opens the files that may have the next event.
    async fn open_due(&mut self) -> Result<(), Error> {
        loop {
            let due = match (self.files.front(), self.next.peek()) {
                (Some(file), Some(Reverse((next, _)))) => file.first <= *next,
                (Some(_), None) => true,
                (None, _) => false,
            };
            let Some(file) = self.files.pop_front_if(|_| due) else { return Ok(()) };
            let rows = (ROWS.0 / (self.next.len() + 1)).clamp(ROWS.1, 1_024);
            let batches = file::open(&self.blobs, &file.key, rows).await?;
            let mut cursor = Cursor { batches, ready: VecDeque::new() };
            // What comes before where reading begins.
            let first = loop {
                match cursor.peek().await? {
                    Some(position) if position <= self.after => drop(cursor.ready.pop_front()),
                    first => break first,
                }
            };
            if let Some(position) = first {
                let which = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
                if which == self.open.len() {
                    self.open.push(None);
                }
                self.open[which] = Some(cursor);
                self.next.push(Reverse((position, which)));
            }
        }
    }

    /// As a stream.
    pub fn stream(self) -> BoxStream<'static, Result<Vec<Stored>, Error>> {
        stream::try_unfold(self, |mut events| async move {
            let piece = events.next().await?;
            Ok::<_, Error>((!piece.is_empty()).then_some((piece, events)))
        })
        .boxed()
    }
}
