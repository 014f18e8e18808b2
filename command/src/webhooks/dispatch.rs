//! Events become deliveries, and deliveries are sent until they arrive.
//!
//! Any number of processes do this beside each other. A webhook's cursor moves from one place to another only once, with the
//! deliveries that lie between them, in one transaction. A delivery is sent by whoever holds its lease; what a process that
//! died had in hand is sent again when its lease is over. No transaction is open while a server is spoken to.

use std::{collections::HashMap, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt;
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use weir_events::{Actor, Filter, Position, Start, Stored, WebhookId, WorkspaceId};
use weir_infra::{
    http::{CloudEvent, Problem},
    metrics::prometheus::{self, Registry},
    webhook::{Answer, Message},
};

use super::{
    Webhooks,
    store::{Claim, Verdict},
    told,
};
use crate::{
    directory::Webhook,
    domain::{
        Ctx,
        ctx::Seed,
        webhook::{Disable, Webhooks as Aggregate},
    },
};

/// Events that are read at a time.
const PAGE: usize = 500;
/// Messages that are under way at once.
const AT_ONCE: usize = 16;
/// How much longer than a message may take a lease holds.
const LEASE: TimeDelta = TimeDelta::seconds(5);
/// The longest pause before a message is sent again.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// What other processes made due is looked for this often at least, and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));
/// How often what is old is removed.
const CLEAN: TimeDelta = TimeDelta::minutes(10);

weir_infra::metrics! {
    /// What is told to webhooks.
    pub struct Metrics in "webhooks" {
        /// Tries, by outcome: `delivered`, `later` or `failed`.
        pub tries_total: IntCounterVec["outcome"],
        /// Time that a server took to answer.
        pub answer_seconds: Histogram,
        /// Webhooks that were given up.
        pub disabled_total: IntCounter,
    }
}

/// Tells webhooks of events.
pub struct Dispatcher {
    webhooks: Webhooks,
    metrics: Metrics,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dispatcher")
    }
}

impl Dispatcher {
    /// Of these webhooks.
    ///
    /// # Errors
    /// When the registry already has metrics of these names.
    pub fn new(webhooks: Webhooks, registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self { webhooks, metrics: Metrics::register(registry)? })
    }

    /// Works until shutdown. What is under way then is sent again by the next.
    pub async fn run(self, shutdown: CancellationToken) {
        let this = Arc::new(self);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = this.feed_all() => {}
            () = Arc::clone(&this).send_all() => {}
        }
    }

    /// Makes deliveries of what happens.
    async fn feed_all(&self) {
        let inner = &self.webhooks.0;
        let mut moves = std::pin::pin!(inner.directory.moves());
        let mut fed: HashMap<WebhookId, Position> = HashMap::new();
        loop {
            let mut behind = false;
            for (workspace, last, hook) in inner.directory.active_webhooks() {
                let after = fed.get(&hook.id).copied().unwrap_or_default().max(hook.from);
                if after >= last {
                    continue;
                }
                match self.feed(workspace, last, &hook).await {
                    Ok(to) => {
                        fed.insert(hook.id, to);
                        behind |= to < last;
                    }
                    Err(error) => {
                        tracing::warn!(webhook = %hook.id, %error, "events could not be made deliveries");
                        behind = true;
                    }
                }
            }
            tokio::select! {
                next = moves.next() => if next.is_none() {
                    return std::future::pending().await;
                },
                // Too many wait, or a server is away.
                () = sleep(Duration::from_millis(500)), if behind => {}
            }
        }
    }

    /// Makes deliveries of a webhook's events up to `last`; gives up to where they are.
    async fn feed(
        &self,
        workspace: WorkspaceId,
        last: Position,
        hook: &Webhook,
    ) -> Result<Position, Problem> {
        let inner = &self.webhooks.0;
        // Its row was there before its first event; it goes with the last one.
        let Some(cursor) = inner.store.cursor(hook.id).await? else { return Ok(last) };
        let mut stored = cursor;
        let mut from = cursor.max(hook.from);
        // All of a page finds room once nothing waits any more.
        let page_size = PAGE.min(usize::try_from(inner.options.waiting).unwrap_or(PAGE));
        while from < last {
            let page = inner
                .executor
                .log()
                .read(&Filter::Workspace(workspace), Start::After(from), page_size)
                .await
                .map_err(Problem::internal)?;
            let wanted: Vec<&Stored> = page
                .events
                .iter()
                .filter(|event| told(&event.subject) && hook.wanted.takes_event(event))
                .collect();
            let to = match page.events.last() {
                Some(event) if !page.end => event.position,
                Some(event) => event.position.max(last),
                None => last,
            };
            let moved =
                inner.store.feed(hook.id, (stored, to), &wanted, inner.options.waiting, Utc::now()).await?;
            if !moved {
                // Another process did, or there is no room.
                return Ok(inner.store.cursor(hook.id).await?.unwrap_or(last));
            }
            if !wanted.is_empty() {
                inner.wake.notify_one();
            }
            (stored, from) = (to, to);
        }
        Ok(stored.max(from))
    }

    /// Sends what is due.
    async fn send_all(self: Arc<Self>) {
        let inner = Arc::clone(&self.webhooks.0);
        let mut under_way = JoinSet::new();
        let mut cleaned = DateTime::UNIX_EPOCH;
        loop {
            let now = Utc::now();
            let mut pause = LOOK.1;
            match self.claim(AT_ONCE.saturating_sub(under_way.len())).await {
                Ok((claims, next)) => {
                    pause = next.and_then(|at| (at - Utc::now()).to_std().ok()).unwrap_or(LOOK.1);
                    for claim in claims {
                        let this = Arc::clone(&self);
                        under_way.spawn(async move { this.deliver(claim).await });
                    }
                }
                Err(error) => tracing::warn!(%error, "deliveries could not be looked for"),
            }
            if now - cleaned > CLEAN {
                cleaned = now;
                let there: Vec<Uuid> = inner.directory.all_webhooks().iter().map(|id| id.0).collect();
                if let Err(error) = inner.store.clean(&there, now).await {
                    tracing::warn!(%error, "old deliveries could not be removed");
                }
            }
            tokio::select! {
                () = inner.wake.notified() => {}
                Some(_) = under_way.join_next() => {}
                () = sleep(pause.clamp(LOOK.0, LOOK.1)) => {}
            }
        }
    }

    async fn claim(&self, most: usize) -> Result<(Vec<Claim>, Option<DateTime<Utc>>), Problem> {
        let inner = &self.webhooks.0;
        let active: Vec<Uuid> =
            inner.directory.active_webhooks().iter().map(|(.., hook)| hook.id.0).collect();
        if active.is_empty() || most == 0 {
            return Ok((Vec::new(), None));
        }
        let now = Utc::now();
        let time = TimeDelta::from_std(inner.sender.time()).unwrap_or(LEASE);
        let claims = inner.store.claim(&active, now, now + time + LEASE, most).await?;
        let next = if claims.is_empty() { inner.store.next_due(&active).await? } else { None };
        Ok((claims, next))
    }

    /// Tries a delivery once, and notes what came of it.
    async fn deliver(&self, claim: Claim) {
        let answer = match self.try_once(&claim).await {
            Ok(answer) => answer,
            Err(error) => {
                // Its lease ends, and it is tried again.
                tracing::warn!(delivery = %claim.id, %error, "an event could not be told");
                return;
            }
        };
        let now = Utc::now();
        let verdict = self.verdict(&claim, &answer, now);
        let outcome = match &verdict {
            Verdict::Delivered => "delivered",
            Verdict::Later(_) => "later",
            Verdict::Failed => "failed",
        };
        self.metrics.tries_total.with_label_values(&[outcome]).inc();
        // Given up before it is settled: a process that dies in between gives it up again.
        if matches!(verdict, Verdict::Failed)
            && let Err(error) = self.disable(&claim, &answer).await
        {
            tracing::warn!(webhook = %claim.webhook, %error, "a webhook could not be given up");
            return;
        }
        if let Err(error) = self.webhooks.0.store.settle(&claim, &verdict, &answer, now).await {
            tracing::warn!(delivery = %claim.id, %error, "what came of a delivery could not be noted");
        }
    }

    async fn try_once(&self, claim: &Claim) -> Result<Answer, Problem> {
        let inner = &self.webhooks.0;
        let failed = |error: &str| Answer {
            status: None,
            elapsed_ms: 0,
            error: Some(error.to_owned()),
            retry_after: None,
            gone: false,
        };
        let Some(target) = &claim.target else {
            return Ok(failed("its secret cannot be opened: the installation's was changed"));
        };
        let before = Position(claim.position.0.saturating_sub(1));
        let filter = Filter::Workspace(claim.workspace);
        let page =
            inner.executor.log().read(&filter, Start::After(before), 1).await.map_err(Problem::internal)?;
        let Some(event) = page.events.first().filter(|event| event.position == claim.position) else {
            return Ok(failed("the event is not in the log"));
        };
        let body = serde_json::to_vec(&CloudEvent::from(event)).map_err(Problem::internal)?;
        let message = Message { id: format!("msg_{}", claim.id.simple()), at: Utc::now(), body: body.into() };
        let answer = inner.sender.send(&target.address, &target.secrets, message).await;
        self.metrics.answer_seconds.observe(Duration::from_millis(answer.elapsed_ms).as_secs_f64());
        Ok(answer)
    }

    fn verdict(&self, claim: &Claim, answer: &Answer, now: DateTime<Utc>) -> Verdict {
        let options = &self.webhooks.0.options;
        if answer.error.is_none() {
            return Verdict::Delivered;
        }
        let tried = (now - claim.first_tried_at).to_std().unwrap_or_default();
        if answer.gone || tried >= options.give_up {
            return Verdict::Failed;
        }
        // A random part keeps those apart that failed together.
        let random = rand::random_range(0.8..1.2);
        let pause = pause(options.retry, claim.attempts).mul_f64(random);
        let pause = answer.retry_after.unwrap_or_default().max(pause);
        // The last try is when the time is over.
        let left = options.give_up.saturating_sub(tried);
        let pause = TimeDelta::from_std(pause.min(left)).unwrap_or(TimeDelta::hours(1));
        Verdict::Later(now + pause)
    }

    async fn disable(&self, claim: &Claim, answer: &Answer) -> Result<(), Problem> {
        let why = answer.error.clone().unwrap_or_default();
        let reason = match answer.status {
            Some(status) => format!("{why} (status {status})"),
            None => why,
        };
        let disable = Disable { reason, undelivered: claim.position };
        let cx = Ctx {
            workspace: claim.workspace,
            actor: Actor::System("webhooks"),
            now: Utc::now(),
            correlation: Uuid::now_v7(),
            causation: None,
            traceparent: None,
            seed: Seed::Fresh(Uuid::now_v7()),
            dedup: None,
        };
        let done = self.webhooks.0.executor.execute::<Aggregate, _>(&claim.webhook, &disable, &cx).await;
        match done {
            Ok(done) => {
                if done.wrote {
                    self.metrics.disabled_total.inc();
                    tracing::warn!(webhook = %claim.webhook, "a webhook was given up");
                }
                self.webhooks.seen(done.position).await;
                Ok(())
            }
            Err(crate::app::Error::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The pause after the nth try.
fn pause(first: Duration, attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 12) - 1).unwrap_or_default();
    first.saturating_mul(4_u32.saturating_pow(doublings)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_seconds_to_hours() {
        let first = Duration::from_secs(5);
        let seconds: Vec<_> = (0..9).map(|n| pause(first, n).as_secs()).collect();
        assert_eq!(seconds, [5, 5, 20, 80, 320, 1_280, 5_120, 20_480, 21_600]);
        assert_eq!(pause(first, i32::MAX), LONGEST);
    }
}
