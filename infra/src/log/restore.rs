//! Filling an empty stream with events that have their positions already.

use std::time::Duration;

use async_nats::{
    HeaderMap, HeaderValue,
    header::{HeaderName, NATS_EXPECTED_LAST_SEQUENCE},
};
use futures::{StreamExt, stream};
use weir_events::{Position, Stored, Unavailable};

use super::{
    JetStreamLog,
    link::{Ends, Sent},
    wire::Outgoing,
};

/// Messages that are on their way at the same time.
const WINDOW: usize = 256;
/// How often the same message is sent without any being written, and the pause before.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Why a stream could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There are events already: whose positions they would take is not for this to decide.
    #[error("the event log is not empty: it ends at position {0}")]
    NotEmpty(Position),
    /// An event is missing: those after it would get other positions than they had.
    #[error("there is no event for position {wanted}; the next one is at {found}")]
    Gap {
        /// The position that comes next.
        wanted: Position,
        /// The position of the next event that there is.
        found: Position,
    },
    /// An event has a header that no message can have.
    #[error("the event at position {0} has a header that cannot be written")]
    Header(Position),
    /// The server did not write an event, or wrote it somewhere else. What was written before it is there.
    #[error("the event at position {position} was not written: {reason}")]
    Refused {
        /// Which.
        position: Position,
        /// Why.
        reason: String,
    },
    /// The server does not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl JetStreamLog {
    /// Whether there is nothing in the log, as filling it wants.
    ///
    /// # Errors
    /// [`RestoreError::NotEmpty`] where there is something, also if all of it was removed.
    pub async fn empty(&self) -> Result<(), RestoreError> {
        match self.link.ends().await {
            Ok((_, 0)) => Ok(()),
            Ok((_, last)) => Err(RestoreError::NotEmpty(Position(last))),
            Err(Ends::NoStream) => Err(Unavailable("the stream is gone".to_owned()).into()),
            Err(Ends::Unknown(reason)) => Err(Unavailable(reason).into()),
        }
    }

    /// Writes events at the very positions that they had, beginning after `last`; the position of the last one
    /// then. The server is told with each what it must come after, so that no other writer can come between.
    ///
    /// # Errors
    /// See [`RestoreError`].
    pub async fn restore(&self, last: Position, events: Vec<Stored>) -> Result<Position, RestoreError> {
        let mut next = last;
        let mut outgoing = Vec::with_capacity(events.len());
        for event in events {
            next = Position(next.0 + 1);
            if event.position != next {
                return Err(RestoreError::Gap { wanted: next, found: event.position });
            }
            outgoing.push((next, message(event)?));
        }
        let (mut written, mut tries) = (0, 0);
        while written < outgoing.len() {
            match self.send(&outgoing[written..]).await {
                Ok(()) => return Ok(next),
                Err(error) if tries == TRIES => return Err(error),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
            // What the server has not taken in is asked for again, from where it is now.
            let end = self.link.head().await?;
            let there = usize::try_from(end.0.saturating_sub(last.0)).unwrap_or(usize::MAX);
            if end < last || there > outgoing.len() || there < written {
                let reason = format!("the log ends at position {end} now: somebody else writes to it");
                return Err(RestoreError::Refused { position: next, reason });
            }
            tries = if there > written { 0 } else { tries + 1 };
            written = there;
        }
        Ok(next)
    }

    /// Sends messages side by side, in order.
    async fn send(&self, messages: &[(Position, Outgoing)]) -> Result<(), RestoreError> {
        let mut answers = stream::iter(messages)
            .map(|(at, message)| async move { (*at, self.link.write(vec![message.clone()]).await) })
            .buffered(WINDOW);
        while let Some((position, sent)) = answers.next().await {
            let refused = |reason: String| RestoreError::Refused { position, reason };
            match sent {
                Sent::Written(at) if at == position.0 => {}
                Sent::Written(at) | Sent::Before(at) => {
                    return Err(refused(format!("it is at position {at}")));
                }
                Sent::Refused(refusal) => return Err(refused(refusal.description)),
                Sent::NotNow(reason) | Sent::Unknown(reason) => return Err(refused(reason)),
            }
        }
        Ok(())
    }
}

fn message(event: Stored) -> Result<Outgoing, RestoreError> {
    let mut headers = HeaderMap::new();
    for (name, value) in event.headers.iter() {
        let name: HeaderName = name.parse().map_err(|_| RestoreError::Header(event.position))?;
        let value: HeaderValue = value.parse().map_err(|_| RestoreError::Header(event.position))?;
        headers.insert(name, value);
    }
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(event.position.0 - 1));
    Ok(Outgoing { subject: event.subject.into(), headers, payload: event.payload })
}
