//! Reading a subject's events, by direct get: many per request, no consumer to create.

use std::collections::HashMap;

use async_nats::Message;
use futures::StreamExt;
use tokio::time::Instant;
use weir_events::{Stored, Unavailable};

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
        let deadline = Instant::now() + self.timeout;
        let mut events: Vec<Stored> = Vec::new();
        loop {
            let next = events.last().map_or(1, |e| e.position.0 + 1);
            let question = format!(
                r#"{{"seq":{next},"next_by_subj":"{subject}","batch":{PAGE},"max_bytes":{PAGE_BYTES}}}"#
            );
            let page = self.bounded(self.page(question, |message| {
                let headers = message.headers.as_ref();
                if let Some((position, subject)) = headers.and_then(wire::address) {
                    events.push(wire::stored(position, subject, headers, message.payload.clone()));
                }
            }));
            match page.await.and_then(|page| page) {
                Ok(End { pending: 0 }) => return Ok(events),
                Ok(_) => {}
                Err(reason) if Instant::now() >= deadline => return Err(Unavailable(reason)),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
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
