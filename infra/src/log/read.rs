//! Reading what is there, by direct get: many events per request, no consumer to create.

use std::collections::HashMap;

use async_nats::Message;
use chrono::SecondsFormat;
use futures::StreamExt;
use tokio::time::Instant;
use weir_events::{Page, Position, Start, Stored, Unavailable};

use super::{link::Link, wire};

/// How many events one request asks for.
const PAGE: usize = 1_000;
/// How many bytes of events the server sends for one request, roughly.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// The end of what one request gave.
struct End {
    /// How many more there are.
    pending: u64,
}

impl Link {
    /// All events of a subject, oldest first.
    pub(super) async fn subject_events(&self, subject: &str) -> Result<Vec<Stored>, Unavailable> {
        let mut events: Vec<Stored> = Vec::new();
        loop {
            let after = events.last().map_or(Position::START, |e| e.position);
            let page = self.events(subject, Start::After(after), PAGE).await?;
            events.extend(page.events);
            if page.end {
                return Ok(events);
            }
        }
    }

    /// Events on subjects that fit a wildcard, oldest first.
    pub(super) async fn events(
        &self,
        subject: &str,
        start: Start,
        limit: usize,
    ) -> Result<Page, Unavailable> {
        let start = match start {
            Start::After(position) => format!(r#""seq":{}"#, position.0.saturating_add(1)),
            Start::Since(time) => {
                format!(r#""start_time":"{}""#, time.to_rfc3339_opts(SecondsFormat::Nanos, true))
            }
        };
        let batch = limit.clamp(1, PAGE);
        let question =
            format!(r#"{{{start},"next_by_subj":"{subject}","batch":{batch},"max_bytes":{PAGE_BYTES}}}"#);
        let deadline = Instant::now() + self.timeout;
        loop {
            let mut events = Vec::new();
            let page = self.bounded(self.page(question.clone(), |message| {
                let headers = message.headers.as_ref();
                if let Some((position, subject)) = headers.and_then(wire::address) {
                    events.push(wire::stored(position, subject, headers, message.payload.clone()));
                }
            }));
            match page.await.and_then(|page| page) {
                Ok(End { pending }) => return Ok(Page { events, end: pending == 0 }),
                Err(reason) if Instant::now() >= deadline => return Err(Unavailable(reason)),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    /// Where the last event on subjects that fit a wildcard is.
    pub(super) async fn last(&self, subject: &str) -> Result<Position, Unavailable> {
        let question = format!(r#"{{"last_by_subj":"{subject}"}}"#);
        let deadline = Instant::now() + self.timeout;
        loop {
            let answer = async {
                let mut answers = self.messages(question.clone()).await?;
                answers.next().await.ok_or_else(|| "the connection to the server was closed".to_owned())
            };
            let why = match self.bounded(answer).await.and_then(|answer| answer) {
                Ok(message) => match (message.status.map(|s| s.as_u16()), message.headers) {
                    (Some(404), _) => return Ok(Position::START),
                    (None | Some(200), headers) => match headers.as_ref().and_then(wire::address) {
                        Some((position, _)) => return Ok(Position(position)),
                        None => "the server answered without a position".to_owned(),
                    },
                    (Some(status), _) => format!("the server answered with status {status}"),
                },
                Err(reason) => reason,
            };
            if Instant::now() >= deadline {
                return Err(Unavailable(why));
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Where the last event of each of these subjects is, as far as the server says.
    pub(super) async fn last_positions(&self, subjects: &[&str]) -> Result<HashMap<String, u64>, String> {
        let subjects = serde_json::to_string(subjects).map_err(|e| e.to_string())?;
        let question = format!(r#"{{"multi_last":{subjects},"batch":{PAGE}}}"#);
        let mut last = HashMap::new();
        let page = self.page(question, |message| {
            if let Some((position, subject)) = message.headers.as_ref().and_then(wire::address) {
                last.insert(subject.to_owned(), position);
            }
        });
        self.bounded(page).await.and_then(|page| page)?;
        Ok(last)
    }

    async fn page(&self, question: String, mut each: impl FnMut(&Message)) -> Result<End, String> {
        let mut answers = self.messages(question).await?;
        while let Some(message) = answers.next().await {
            match message.status.map(|s| s.as_u16()) {
                None | Some(200) => each(&message),
                Some(204) => {
                    let pending = message.headers.as_ref().and_then(|h| h.get("Nats-Num-Pending"));
                    let pending = pending.and_then(|p| p.as_str().parse().ok()).unwrap_or(0);
                    return Ok(End { pending });
                }
                Some(404) => return Ok(End { pending: 0 }),
                Some(status) => return Err(format!("the server answered with status {status}")),
            }
        }
        Err("the connection to the server was closed".to_owned())
    }
}
