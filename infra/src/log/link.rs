//! The connection: requests that notice when it is lost, and single answers from the stream.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use async_nats::{
    Client, HeaderMap, HeaderValue, Message, Request, Subscriber,
    client::traits::Publisher as _,
    connection::State,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
        NATS_EXPECTED_LAST_MESSAGE_ID, NATS_MESSAGE_ID,
    },
    jetstream,
    message::OutboundMessage,
};
use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior};
use weir_events::{Position, Unavailable};

use super::{
    Metrics, Options, STREAM,
    wire::{Ack, Outgoing, Refusal, code},
};

/// How often a waiting request looks whether the connection is still the same one.
const LOOK: Duration = Duration::from_millis(50);
/// How long to wait before asking a server again that is not ready yet.
const PAUSE: Duration = Duration::from_millis(20);

/// What became of messages that were sent.
#[derive(Debug)]
pub(super) enum Sent {
    /// They are in the stream, and this is the last one's position.
    Written(u64),
    /// The single message was there before, at this position.
    Before(u64),
    /// The server did not write them.
    Refused(Refusal),
    /// The server could not take them now.
    NotNow(String),
    /// No answer: they were written, all or none.
    Unknown(String),
}

/// Whether a commit with that id is in the stream.
#[derive(Debug)]
pub(super) enum Seen {
    /// Its first message is at this position.
    At(u64),
    /// It is not there, or too long ago.
    Not,
    /// No answer.
    Unknown,
}

/// The connection to the server, shared by all parts of the log.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) timeout: Duration,
    pub(super) metrics: Metrics,
    direct_get: String,
    batch_prefix: String,
    batches: AtomicU64,
    /// The connection, counted from 1, on which the stream's end was last found whole.
    whole_on: AtomicU64,
}

impl Link {
    pub(super) fn new(client: Client, options: &Options, metrics: Metrics) -> Self {
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(options.timeout);
        Self {
            jetstream,
            timeout: options.timeout,
            metrics,
            direct_get: format!("$JS.API.DIRECT.GET.{STREAM}"),
            batch_prefix: uuid::Uuid::new_v4().simple().to_string()[..12].to_owned(),
            batches: AtomicU64::new(0),
            whole_on: AtomicU64::new(0),
            client,
        }
    }

    /// Which connection this is, counted from 1; `None` while there is none.
    pub(super) fn connection(&self) -> Option<u64> {
        let number = self.client.statistics().connects.load(Ordering::Relaxed);
        (self.client.connection_state() == State::Connected).then_some(number)
    }

    /// Waits for a connection on which the stream's end is known to be whole.
    pub(super) async fn ready(&self) -> Result<(), String> {
        if self.connection() == Some(self.whole_on.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let deadline = Instant::now() + self.timeout;
        let mut why = "there is no connection to the server".to_owned();
        loop {
            if let Some(connection) = self.connection() {
                match self.mend().await {
                    Ok(()) => {
                        self.whole_on.store(connection, Ordering::Relaxed);
                        return Ok(());
                    }
                    Err(reason) => why = reason,
                }
            }
            if Instant::now() >= deadline {
                return Err(why);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits for `answer`, but not longer than the connection lasts, nor than the timeout.
    pub(super) async fn bounded<T>(&self, answer: impl Future<Output = T>) -> Result<T, String> {
        let connection = self.connection();
        let deadline = Instant::now() + self.timeout;
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                _ = look.tick() => {
                    if connection.is_none() || self.connection() != connection {
                        return Err("the connection to the server was lost".to_owned());
                    }
                    if Instant::now() >= deadline {
                        return Err("the server did not answer in time".to_owned());
                    }
                }
            }
        }
    }

    /// Writes messages, all or none: one as it is, several as an atomic batch.
    pub(super) async fn write(&self, messages: Vec<Outgoing>) -> Sent {
        let mut batch = self.batch();
        match batch.add(messages).await {
            Ok(()) => batch.commit().await,
            Err(reason) => Sent::NotNow(reason),
        }
    }

    /// A batch to which messages can be added until it is committed.
    pub(super) fn batch(&self) -> Batch<'_> {
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}{number:x}", self.batch_prefix).into();
        Batch { link: self, id, connection: self.connection(), sent: 0, last: None }
    }

    /// One request. An error means that nobody took it.
    async fn request(
        &self,
        subject: async_nats::Subject,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<Message, String> {
        let request = Request::new().headers(headers).payload(payload).timeout(None);
        self.client.send_request(subject, request).await.map_err(|e| e.to_string())
    }

    /// Whether the stream holds a message with that id, within the time that ids are remembered.
    ///
    /// A message that expects to follow on an id that no message has is never written; but the
    /// server looks for its own id first, and says where that is.
    pub(super) async fn seen(&self, subject: async_nats::Subject, id: &str) -> Seen {
        let mut headers = HeaderMap::new();
        let Ok(id) = id.parse::<async_nats::HeaderValue>() else { return Seen::Not };
        headers.insert(NATS_MESSAGE_ID, id);
        headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, "weir:none");
        match self.write(vec![Outgoing { subject, headers, payload: Bytes::new() }]).await {
            Sent::Before(position) => Seen::At(position),
            Sent::Refused(refusal) if refusal.err_code == code::NOT_LAST_ID => Seen::Not,
            Sent::Refused(_) | Sent::NotNow(_) | Sent::Unknown(_) | Sent::Written(_) => Seen::Unknown,
        }
    }

    /// The message at a position, `None` if there is none.
    pub(super) async fn message(&self, position: u64) -> Result<Option<Message>, String> {
        let question = Request::new().payload(format!("{{\"seq\":{position}}}").into()).timeout(None);
        let answer = self.client.send_request(self.direct_get.clone(), question);
        let message = self.bounded(answer).await?.map_err(|e| e.to_string())?;
        match message.status.map(|s| s.as_u16()) {
            None | Some(200) => Ok(Some(message)),
            Some(404) => Ok(None),
            Some(status) => Err(format!("the server answered with status {status}")),
        }
    }

    /// Asks for several messages; the caller reads them until the status that ends them.
    pub(super) async fn messages(&self, question: String) -> Result<Subscriber, String> {
        let inbox = self.client.new_inbox();
        let answers = self.client.subscribe(inbox.clone()).await.map_err(|e| e.to_string())?;
        let asked = self.client.publish_with_reply(self.direct_get.clone(), inbox, question.into());
        asked.await.map_err(|e| e.to_string())?;
        Ok(answers)
    }

    /// The stream's first and last position, both 0 for a stream that never held anything.
    pub(super) async fn ends(&self) -> Result<(u64, u64), Ends> {
        use jetstream::context::GetStreamErrorKind as Kind;
        let stream = match self.bounded(self.jetstream.get_stream(STREAM)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(e)) => {
                return Err(match e.kind() {
                    Kind::JetStream(e) if e.error_code().0 == code::NO_STREAM => Ends::NoStream,
                    _ => Ends::Unknown(e.to_string()),
                });
            }
            Err(reason) => return Err(Ends::Unknown(reason)),
        };
        let state = &stream.cached_info().state;
        Ok((state.first_sequence, state.last_sequence))
    }

    /// The position of the last event.
    pub(super) async fn head(&self) -> Result<Position, Unavailable> {
        let deadline = Instant::now() + self.timeout;
        loop {
            let why = match self.ends().await {
                Ok((_, last)) => return Ok(Position(last)),
                Err(Ends::NoStream) => "the stream is gone".to_owned(),
                Err(Ends::Unknown(reason)) => reason,
            };
            if Instant::now() + PAUSE >= deadline {
                return Err(Unavailable(why));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Messages that are written all or none. The server takes them in as they are added and stores them
/// when they are committed; what is dropped before that was never there.
pub(super) struct Batch<'a> {
    link: &'a Link,
    id: HeaderValue,
    /// The connection on which it began: the server may have lost what went over another one.
    connection: Option<u64>,
    sent: usize,
    /// Held back, since the last message says that it is the last.
    last: Option<Outgoing>,
}

impl Batch<'_> {
    /// Adds messages. An error means that the batch will not be written.
    pub(super) async fn add(&mut self, messages: Vec<Outgoing>) -> Result<(), String> {
        for message in messages {
            let Some(before) = self.last.replace(message) else { continue };
            let Outgoing { subject, headers, payload } = self.number(before);
            let message = OutboundMessage { subject, reply: None, payload, headers: Some(headers) };
            let sent = self.link.bounded(self.link.client.publish_message(message)).await?;
            sent.map_err(|e| e.to_string())?;
        }
        if self.connection.is_none() || self.link.connection() != self.connection {
            return Err("the connection to the server was lost".to_owned());
        }
        Ok(())
    }

    fn number(&mut self, mut message: Outgoing) -> Outgoing {
        self.sent += 1;
        message.headers.insert(NATS_BATCH_ID, self.id.clone());
        message.headers.insert(NATS_BATCH_SEQUENCE, self.sent.to_string());
        message
    }

    /// Has the server write them. A single message goes as it is.
    pub(super) async fn commit(mut self) -> Sent {
        let Some(mut last) = self.last.take() else {
            return Sent::NotNow("nothing to write".to_owned());
        };
        if self.sent > 0 {
            last = self.number(last);
            last.headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
        }
        let answer = self.link.request(last.subject, last.headers, last.payload);
        let message = match self.link.bounded(answer).await {
            Ok(Ok(message)) => message,
            Ok(Err(reason)) => return Sent::NotNow(reason),
            Err(reason) => return Sent::Unknown(reason),
        };
        match serde_json::from_slice::<Ack>(&message.payload) {
            Ok(Ack { error: Some(refusal), .. }) if code::NOT_NOW.contains(&refusal.err_code) => {
                Sent::NotNow(refusal.description)
            }
            Ok(Ack { error: Some(refusal), .. }) => Sent::Refused(refusal),
            Ok(Ack { seq, duplicate: true, .. }) => Sent::Before(seq),
            Ok(Ack { seq, .. }) if seq > 0 => Sent::Written(seq),
            Ok(_) | Err(_) => Sent::Unknown("the server's answer makes no sense".to_owned()),
        }
    }
}

/// Why the stream's ends are not known.
#[derive(Debug)]
pub(super) enum Ends {
    /// The server knows no such stream.
    NoStream,
    /// No answer.
    Unknown(String),
}
