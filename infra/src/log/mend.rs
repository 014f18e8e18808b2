//! Completing the commit that a crash cut in two.
//!
//! A single server writes the messages of an atomic batch one after the other. Killed in between,
//! it comes back with the first few of them and forgets the rest. Commits of one event are whole
//! even so, acknowledged ones are never touched, but at most one commit of several events is cut.
//! So that it can be completed by anyone, at any time, the first message of such a commit carries
//! the others ([`REST`]), and nothing is written on a new connection before the stream's end has
//! been looked at. Each message says its place in its commit; when the last one of the stream is
//! not the last of its commit, the others are appended. Two who do so at once are told apart by
//! the position that they expect to follow on. A cluster needs none of this: its replicas take a
//! batch as one.

use async_nats::header::NATS_EXPECTED_LAST_SEQUENCE;

use super::{
    link::{Ends, Link, Sent},
    wire::{self, REST},
};

/// How often to look again when the server refuses what is missing.
const TRIES: usize = 3;

impl Link {
    /// Completes the last commit if it is not whole. An error means that it is not known to be.
    pub(super) async fn mend(&self) -> Result<(), String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let last = match self.ends().await {
                Ok((_, 0)) => return Ok(()),
                Ok((_, last)) => last,
                Err(Ends::NoStream) => return Err("the stream is gone".to_owned()),
                Err(Ends::Unknown(reason)) => return Err(reason),
            };
            let Some(message) = self.message(last).await? else { return Ok(()) };
            let Some((place, count)) = wire::place(message.headers.as_ref()) else { return Ok(()) };
            if place >= count {
                return Ok(());
            }
            let first = (last + 1).saturating_sub(place as u64);
            let first = self.message(first).await?.and_then(|m| m.headers);
            let rest = first.as_ref().and_then(|h| h.get(REST));
            let Some(mut rest) = rest.and_then(|rest| wire::unwritten(rest.as_str(), place)) else {
                tracing::error!(position = last, "the stream ends within a commit that cannot be completed");
                return Ok(());
            };
            tracing::warn!(position = last, missing = rest.len(), "completing the commit that a crash cut");
            if let Some(next) = rest.first_mut() {
                next.headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
            }
            match self.write(rest).await {
                Sent::Written(_) => {
                    self.metrics.mended_total.inc();
                    return Ok(());
                }
                // Somebody else completed it, or is about to: look again.
                Sent::Refused(refusal) => why = refusal.description,
                Sent::Before(_) => "somebody else completes it".clone_into(&mut why),
                Sent::NotNow(reason) | Sent::Unknown(reason) => return Err(reason),
            }
        }
        Err(format!("the last commit could not be completed: {why}"))
    }
}
