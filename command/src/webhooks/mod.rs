//! Webhooks: other people's servers that are told of events.
//!
//! - What a webhook is, and whether it is told, are events like everything; the [directory](crate::directory) knows them.
//! - `store`: addresses and secrets, how far each was told, and deliveries, in PostgreSQL.
//! - [`Dispatcher`]: events become deliveries, and deliveries are sent until they arrive.
//!
//! The log is the queue: a webhook has a cursor in it, and only what is on its way is a row. So nothing is lost by a
//! crash, nothing is held for a server that is away for long but its place, and it is told at least once.

mod dispatch;
mod store;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use uuid::Uuid;
use weir_events::{Position, Subject, Wanted, WebhookId, WorkspaceId};
use weir_infra::{
    auth::{Caller, Owner, SigningKey, hmac_sha256},
    http::{Code, Problem, RequestContext},
    postgres::Pool,
    webhook::{Address, Answer, Message, Secret, Sender},
};

pub use dispatch::{Dispatcher, Metrics};
pub use store::Delivery;
use store::Store;

use crate::{
    app::{Executor, context},
    directory::{Directory, Webhook},
    domain::webhook::{Change, Create, Delete, Error, RotateSecret, Webhooks as Aggregate},
};

/// How long the secret before still signs beside a new one.
const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// How long a command waits for the directory to see it. It is carried out either way.
const SEEN: Duration = Duration::from_secs(2);

/// Limits, each with its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Webhooks of a workspace. 20.
    pub most: usize,
    /// Deliveries of one webhook that wait at a time. 1,000.
    pub waiting: i64,
    /// The pause before a message is sent again; each one is four times as long, up to six hours. 5 s.
    pub retry: Duration,
    /// How long a message is sent again before the webhook is given up. A day.
    pub give_up: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { most: 20, waiting: 1_000, retry: Duration::from_secs(5), give_up: day }
    }
}

/// The webhooks. Clones share everything.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    store: Store,
    executor: Executor,
    directory: Directory,
    sender: Sender,
    /// From which the secrets of keyed requests are derived.
    secrets: [u8; 32],
    options: Options,
    /// Told when there is something to do.
    wake: tokio::sync::Notify,
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => not_found(),
        }
    }
}

fn not_found() -> Problem {
    Problem::new(Code::WebhookNotFound, "There is no such webhook in this workspace.")
}

/// What is to change of a webhook; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The new address.
    pub address: Option<String>,
    /// Which events it is told of.
    pub wanted: Option<Wanted>,
    /// Whether it is told of any.
    pub active: Option<bool>,
    /// Where it is resumed: whether it is not told of what happened meanwhile.
    pub skip: bool,
}

impl Webhooks {
    /// With the keys that secrets are sealed under.
    pub fn new(
        pool: Pool,
        executor: Executor,
        directory: Directory,
        sender: Sender,
        key: &SigningKey,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner {
            store: Store::new(pool, key),
            executor,
            directory,
            sender,
            secrets: key.derive("webhooks: secrets of keyed requests"),
            options,
            wake: tokio::sync::Notify::new(),
        }))
    }

    /// The webhooks of a workspace, oldest first.
    pub fn list(&self, workspace: WorkspaceId) -> Vec<Webhook> {
        let mut all = self.0.directory.webhooks(workspace);
        all.sort_by_key(|hook| (hook.created_at, hook.id));
        all
    }

    /// One of them.
    ///
    /// # Errors
    /// 404 `webhook_not_found`.
    pub fn get(&self, workspace: WorkspaceId, id: WebhookId) -> Result<Webhook, Problem> {
        self.0.directory.webhook(workspace, id).ok_or_else(not_found)
    }

    /// Makes one and gives its secret, this once.
    ///
    /// # Errors
    /// 409 `too_many_webhooks`, 422 `webhook_address_refused`, 503 where a server is away.
    pub async fn create(
        &self,
        caller: &Caller<Owner>,
        address: &str,
        wanted: Wanted,
        request: &RequestContext,
    ) -> Result<(Webhook, Secret, Position), Problem> {
        let id = WebhookId(request.derive_or_new(caller.workspace, "webhook"));
        let others = self.0.directory.webhooks(caller.workspace).iter().filter(|hook| hook.id != id).count();
        if others >= self.0.options.most {
            let detail = format!("A workspace has at most {} webhooks.", self.0.options.most);
            return Err(Problem::new(Code::TooManyWebhooks, detail));
        }
        let address = self.address(address)?;
        let secret = self.secret(request, "secret");
        // Before the event: a row that no event speaks of is nobody's and goes away.
        self.0.store.put(id, caller.workspace, &address, &secret, request.now).await?;
        let create = Create { origin: address.origin(), wanted };
        let done = self.0.executor.execute::<Aggregate, _>(&id, &create, &context(caller, request)).await?;
        self.seen(done.position).await;
        Ok((self.get(caller.workspace, id)?, secret, done.position))
    }

    /// Changes one.
    ///
    /// # Errors
    /// 404 `webhook_not_found`, 422 `webhook_address_refused`, 503 where a server is away.
    pub async fn change(
        &self,
        caller: &Caller<Owner>,
        id: WebhookId,
        changes: Changes,
        request: &RequestContext,
    ) -> Result<(Webhook, Position), Problem> {
        self.get(caller.workspace, id)?;
        let address = changes.address.as_deref().map(|text| self.address(text)).transpose()?;
        let different = match &address {
            Some(address) => !self.0.store.has(id, address).await?,
            None => false,
        };
        let change = Change {
            origin: address.as_ref().filter(|_| different).map(Address::origin),
            wanted: changes.wanted,
            active: changes.active,
            skip: changes.skip,
        };
        let done = self.0.executor.execute::<Aggregate, _>(&id, &change, &context(caller, request)).await?;
        if let Some(address) = address.filter(|_| different) {
            self.0.store.move_to(id, &address).await?;
        }
        self.seen(done.position).await;
        if changes.active == Some(true) && done.wrote {
            self.0.store.resume(id, request.now, changes.skip).await?;
        }
        self.0.wake.notify_one();
        Ok((self.get(caller.workspace, id)?, done.position))
    }

    /// Signs with a new secret, which is given this once; for a day with the old one, too.
    ///
    /// # Errors
    /// 404 `webhook_not_found`, 503 where a server is away.
    pub async fn rotate(
        &self,
        caller: &Caller<Owner>,
        id: WebhookId,
        request: &RequestContext,
    ) -> Result<(Secret, Position), Problem> {
        self.get(caller.workspace, id)?;
        let secret = self.secret(request, &format!("secret of {id}"));
        let done =
            self.0.executor.execute::<Aggregate, _>(&id, &RotateSecret, &context(caller, request)).await?;
        self.0.store.rotate(id, &secret, request.now + OVERLAP).await?;
        Ok((secret, done.position))
    }

    /// Deletes one, with what is on its way to it.
    ///
    /// # Errors
    /// 404 `webhook_not_found`, 503 where a server is away.
    pub async fn delete(
        &self,
        caller: &Caller<Owner>,
        id: WebhookId,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        self.get(caller.workspace, id)?;
        let done = self.0.executor.execute::<Aggregate, _>(&id, &Delete, &context(caller, request)).await?;
        self.0.store.remove(id).await?;
        self.seen(done.position).await;
        Ok(done.position)
    }

    /// Sends a message that tells of nothing, now and once.
    ///
    /// # Errors
    /// 404 `webhook_not_found`, 503 where the database is away.
    pub async fn test(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        now: DateTime<Utc>,
    ) -> Result<Answer, Problem> {
        self.get(workspace, id)?;
        let target = self.0.store.target(id, now).await?.ok_or_else(not_found)?;
        let message_id = Uuid::now_v7();
        let body = json!({
            "specversion": "1.0", "id": message_id, "source": "/weir", "type": "weir.webhook.test",
            "subject": format!("webhook/{id}"), "time": now, "datacontenttype": "application/json",
            "workspace": workspace, "data": {},
        });
        let message = Message { id: format!("msg_{message_id}"), at: now, body: body.to_string().into() };
        Ok(self.0.sender.send(&target.address, &target.secrets, message).await)
    }

    /// Its deliveries, the newest first: what is on its way, and what was settled lately.
    ///
    /// # Errors
    /// 404 `webhook_not_found`, 503 where the database is away.
    pub async fn deliveries(&self, workspace: WorkspaceId, id: WebhookId) -> Result<Vec<Delivery>, Problem> {
        self.get(workspace, id)?;
        self.0.store.deliveries(id).await
    }

    /// Sends a delivery again, as the same message.
    ///
    /// # Errors
    /// 404 `webhook_not_found` or `delivery_not_found`, 409 `webhook_inactive`, 503 where the database is away.
    pub async fn resend(
        &self,
        workspace: WorkspaceId,
        id: WebhookId,
        delivery: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Delivery, Problem> {
        let hook = self.get(workspace, id)?;
        if hook.standing != crate::domain::webhook::Standing::Active {
            let detail = "The webhook is told of nothing at the moment. Resume it first.";
            return Err(Problem::new(Code::WebhookInactive, detail));
        }
        let delivery = self.0.store.resend(id, delivery, now).await?.ok_or_else(|| {
            Problem::new(
                Code::DeliveryNotFound,
                "There is no such delivery of this webhook, or not any more.",
            )
        })?;
        self.0.wake.notify_one();
        Ok(delivery)
    }

    fn address(&self, text: &str) -> Result<Address, Problem> {
        self.0.sender.address(text).map_err(|error| {
            let detail = error.to_string();
            Problem::new(Code::WebhookAddressRefused, detail.clone()).field("url", "refused", detail)
        })
    }

    fn secret(&self, request: &RequestContext, label: &str) -> Secret {
        match &request.idempotency {
            Some(key) => {
                let derived = key.derive(WorkspaceId(Uuid::nil()), label);
                hmac_sha256(&self.0.secrets, &[derived.as_bytes()]).into()
            }
            None => rand::random::<[u8; 32]>().into(),
        }
    }

    async fn seen(&self, position: Position) {
        if !self.0.directory.wait_for(position, SEEN).await {
            tracing::warn!(%position, "the directory is behind");
        }
    }
}

/// Whether an event is told to webhooks at all: what happens to webhooks is not, or they would tell of themselves.
fn told(subject: &str) -> bool {
    subject.parse::<Subject>().is_ok_and(|s| s.aggregate() != weir_events::Aggregate::Webhook)
}
