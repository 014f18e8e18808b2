//! Following the stream: an ephemeral consumer without acknowledgements, made anew from the last
//! position seen whenever anything is out of order.

use std::{sync::Arc, time::Duration};

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, pull},
};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, MissedTickBehavior};
use weir_events::{Filter, FollowError, Position, Stored};

use super::{
    STREAM,
    link::{Ends, Link},
    wire,
};

/// How many events are asked for at a time.
const PAGE: usize = 2_000;
/// How many bytes of them at most are kept here before they are taken, roughly.
const PAGE_BYTES: usize = 16 * 1024 * 1024;
/// How often a follower looks whether the connection is still the same one.
const LOOK: Duration = Duration::from_millis(100);
/// The longest pause between two tries to go on.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Every event that passes the filter after a position.
pub(super) fn follow(
    link: Arc<Link>,
    filter: &Filter,
    after: Position,
) -> BoxStream<'static, Result<Stored, FollowError>> {
    let follower = Follower {
        link,
        // The server looks every message up that a filter may not fit: none where all of them do.
        filter: if *filter == Filter::All { String::new() } else { filter.to_wildcard() },
        after: after.0,
        source: None,
        pause: Duration::ZERO,
        gone_since: None,
        ended: false,
    };
    stream::unfold(follower, |mut follower| async move {
        let next = follower.next().await?;
        Some((next, follower))
    })
    .boxed()
}

struct Follower {
    link: Arc<Link>,
    filter: String,
    /// The last position that was handed out, or where to begin.
    after: u64,
    source: Option<Source>,
    pause: Duration,
    gone_since: Option<Instant>,
    ended: bool,
}

/// A consumer on one connection.
struct Source {
    messages: pull::Stream,
    connection: Option<u64>,
    /// How many events it has delivered: the next one must be one more.
    delivered: u64,
}

/// Why there is no consumer.
enum Closed {
    /// For now.
    Retry,
    /// For ever.
    For(FollowError),
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Stored, FollowError>> {
        if self.ended {
            return None;
        }
        loop {
            let Some(source) = &mut self.source else {
                if !self.pause.is_zero() {
                    tokio::time::sleep(self.pause).await;
                }
                self.pause = (self.pause * 2).clamp(Duration::from_millis(10), LONGEST_PAUSE);
                match self.open().await {
                    Ok(source) => self.source = Some(source),
                    Err(Closed::Retry) => {}
                    Err(Closed::For(error)) => {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
                continue;
            };
            let Some(message) = source.next(&self.link).await else {
                self.source = None;
                continue;
            };
            let Ok(info) = message.info() else {
                self.source = None;
                continue;
            };
            if info.consumer_sequence != source.delivered + 1 {
                // One was lost on the way: begin again after the last that came.
                self.source = None;
                continue;
            }
            source.delivered += 1;
            let position = info.stream_sequence;
            if position <= self.after {
                continue;
            }
            self.after = position;
            self.pause = Duration::ZERO;
            let message = message.message;
            return Some(Ok(wire::stored(
                position,
                &message.subject,
                message.headers.as_ref(),
                message.payload,
            )));
        }
    }

    async fn open(&mut self) -> Result<Source, Closed> {
        let connection = self.link.connection();
        if connection.is_none() {
            self.pause = self.pause.min(LOOK);
            return Err(Closed::Retry);
        }
        match self.link.ends().await {
            Ok((first, last)) => {
                self.gone_since = None;
                let after = Position(self.after);
                if self.after > last {
                    return Err(Closed::For(FollowError::BeyondHead { after, head: Position(last) }));
                }
                // A stream whose beginning was cut away says so even when nothing is left in it.
                if first > self.after + 1 {
                    return Err(Closed::For(FollowError::Truncated { after, first: Position(first) }));
                }
            }
            Err(Ends::NoStream) => {
                // A server that has just started may not know its streams for a moment.
                let since = *self.gone_since.get_or_insert_with(Instant::now);
                if since.elapsed() > self.link.timeout {
                    return Err(Closed::For(FollowError::Failed("the stream is gone".to_owned())));
                }
                return Err(Closed::Retry);
            }
            Err(Ends::Unknown(_)) => return Err(Closed::Retry),
        }
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: self.after + 1 },
            filter_subject: self.filter.clone(),
            ack_policy: AckPolicy::None,
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: Duration::from_secs(60),
            ..pull::Config::default()
        };
        let opened = async {
            let consumer = self.link.jetstream.create_consumer_on_stream(config, STREAM).await.ok()?;
            let messages = consumer
                .stream()
                .max_messages_per_batch(PAGE)
                .max_bytes_per_batch(PAGE_BYTES)
                .expires(Duration::from_secs(30))
                .heartbeat(Duration::from_secs(10))
                .messages();
            messages.await.ok()
        };
        match self.link.bounded(opened).await {
            Ok(Some(messages)) => Ok(Source { messages, connection, delivered: 0 }),
            Ok(None) | Err(_) => Err(Closed::Retry),
        }
    }
}

impl Source {
    /// The next message, `None` when this consumer is of no more use.
    async fn next(&mut self, link: &Link) -> Option<jetstream::Message> {
        // What has arrived is handed out first; only then is the connection looked at.
        if let std::task::Poll::Ready(message) = futures::poll!(self.messages.next()) {
            return message?.ok();
        }
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                message = self.messages.next() => return message?.ok(),
                _ = look.tick() => {
                    if link.connection() != self.connection {
                        return None;
                    }
                }
            }
        }
    }
}
