//! Webhooks in PostgreSQL: addresses and secrets, cursors, deliveries.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use uuid::Uuid;
use weir_events::{Position, Stored, WebhookId, WorkspaceId, envelope::header};
use weir_infra::{
    auth::SigningKey,
    http::Problem,
    postgres::Pool,
    seal::Seal,
    webhook::{Address, Answer, Secret},
};

/// How long settled deliveries stay, and how many of each webhook.
const KEPT: (TimeDelta, i64) = (TimeDelta::days(7), 1_000);
/// How long a row may be without an event that speaks of it.
const ORPHAN: TimeDelta = TimeDelta::hours(1);
/// Deliveries that are under way to one webhook at once.
const AT_ONCE: i64 = 4;

/// A message that is on its way to a webhook, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id; the message's is made of it.
    pub id: Uuid,
    /// The event.
    pub position: Position,
    /// Its id.
    pub event_id: String,
    /// Its type.
    pub event_type: String,
    /// What it happened to.
    pub subject: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was last tried.
    pub last_tried_at: Option<DateTime<Utc>>,
    /// When it is tried again, while it waits.
    pub due_at: Option<DateTime<Utc>>,
    /// The status of the last answer, if there was one.
    pub response_status: Option<i32>,
    /// How long the last try took, in milliseconds.
    pub response_ms: Option<i64>,
    /// Why the last try did not deliver it, if it did not.
    pub error: Option<String>,
    /// `waiting`, `delivered`, `failed` or `skipped`.
    pub status: String,
}

const DELIVERY: &str = "id, position, event_id, event_type, subject, attempts, last_tried_at, due_at, response_status, \
                        response_ms, error, coalesce(outcome, 'waiting') AS status";

fn delivery(row: &Row) -> Result<Delivery, tokio_postgres::Error> {
    let status: String = row.try_get("status")?;
    Ok(Delivery {
        id: row.try_get("id")?,
        position: position(row.try_get("position")?),
        event_id: row.try_get("event_id")?,
        event_type: row.try_get("event_type")?,
        subject: row.try_get("subject")?,
        attempts: row.try_get("attempts")?,
        last_tried_at: row.try_get("last_tried_at")?,
        due_at: Some(row.try_get("due_at")?).filter(|_| status == "waiting"),
        response_status: row.try_get("response_status")?,
        response_ms: row.try_get("response_ms")?,
        error: row.try_get("error")?,
        status,
    })
}

fn position(value: i64) -> Position {
    Position(u64::try_from(value).unwrap_or_default())
}

fn number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

/// Where messages go and what they are signed with.
pub(super) struct Target {
    pub(super) address: String,
    pub(super) secrets: Vec<Secret>,
}

/// A delivery that is to be tried now, by whoever holds the lease.
pub(super) struct Claim {
    pub(super) id: Uuid,
    pub(super) webhook: WebhookId,
    pub(super) workspace: WorkspaceId,
    pub(super) position: Position,
    pub(super) attempts: i32,
    pub(super) first_tried_at: DateTime<Utc>,
    pub(super) lease: Uuid,
    /// `None` where it cannot be opened: the installation has another secret now.
    pub(super) target: Option<Target>,
}

/// What comes of a try.
pub(super) enum Verdict {
    Delivered,
    /// It is tried again then.
    Later(DateTime<Utc>),
    Failed,
}

pub(super) struct Store {
    pool: Pool,
    addresses: Seal,
    secrets: Seal,
}

impl Store {
    pub(super) fn new(pool: Pool, key: &SigningKey) -> Self {
        Self {
            pool,
            addresses: Seal::new(key, "webhooks: addresses"),
            secrets: Seal::new(key, "webhooks: secrets"),
        }
    }

    pub(super) async fn put(
        &self,
        id: WebhookId,
        workspace: WorkspaceId,
        address: &Address,
        secret: &Secret,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let (address, secret) = (self.seal_address(id, address)?, self.seal_secret(id, secret)?);
        let client = self.pool.get().await?;
        let insert =
            "INSERT INTO webhooks.hooks (id, workspace_id, sealed_address, sealed_secret, created_at)
                      VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let statement = client.prepare_cached(insert).await?;
        client.execute(&statement, &[&id.0, &workspace.0, &address, &secret, &now]).await?;
        Ok(())
    }

    /// Whether that is its address already.
    pub(super) async fn has(&self, id: WebhookId, address: &Address) -> Result<bool, Problem> {
        let client = self.pool.get().await?;
        let select = "SELECT sealed_address FROM webhooks.hooks WHERE id = $1";
        let row = client.query_opt(&client.prepare_cached(select).await?, &[&id.0]).await?;
        let Some(row) = row else { return Ok(false) };
        Ok(self.open_address(id, row.try_get(0)?).as_deref() == Some(address.as_str()))
    }

    pub(super) async fn move_to(&self, id: WebhookId, address: &Address) -> Result<(), Problem> {
        let sealed = self.seal_address(id, address)?;
        let client = self.pool.get().await?;
        let update = "UPDATE webhooks.hooks SET sealed_address = $2 WHERE id = $1";
        client.execute(&client.prepare_cached(update).await?, &[&id.0, &sealed]).await?;
        Ok(())
    }

    pub(super) async fn rotate(
        &self,
        id: WebhookId,
        secret: &Secret,
        until: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let select = "SELECT sealed_secret FROM webhooks.hooks WHERE id = $1 FOR UPDATE";
        let row = transaction.query_opt(&transaction.prepare_cached(select).await?, &[&id.0]).await?;
        let Some(row) = row else { return Ok(()) };
        // A request that comes again has rotated already.
        if self.open_secret(id, row.try_get(0)?).as_ref() != Some(secret) {
            let sealed = self.seal_secret(id, secret)?;
            let update = "UPDATE webhooks.hooks
                          SET sealed_old_secret = sealed_secret, old_until = $3, sealed_secret = $2 WHERE id = $1";
            transaction
                .execute(&transaction.prepare_cached(update).await?, &[&id.0, &sealed, &until])
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(super) async fn remove(&self, id: WebhookId) -> Result<(), Problem> {
        let client = self.pool.get().await?;
        let delete = "DELETE FROM webhooks.hooks WHERE id = $1";
        client.execute(&client.prepare_cached(delete).await?, &[&id.0]).await?;
        Ok(())
    }

    pub(super) async fn target(&self, id: WebhookId, now: DateTime<Utc>) -> Result<Option<Target>, Problem> {
        let client = self.pool.get().await?;
        let select =
            "SELECT sealed_address, sealed_secret, CASE WHEN old_until > $2 THEN sealed_old_secret END AS old
                      FROM webhooks.hooks WHERE id = $1";
        let row = client.query_opt(&client.prepare_cached(select).await?, &[&id.0, &now]).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(self.open(id, row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    }

    pub(super) async fn deliveries(&self, id: WebhookId) -> Result<Vec<Delivery>, Problem> {
        let client = self.pool.get().await?;
        let select = format!("SELECT {DELIVERY} FROM webhooks.deliveries WHERE webhook_id = $1");
        let rows = client.query(&client.prepare_cached(&select).await?, &[&id.0]).await?;
        Ok(rows.iter().map(delivery).collect::<Result<_, _>>()?)
    }

    pub(super) async fn resend(
        &self,
        id: WebhookId,
        delivery_id: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Option<Delivery>, Problem> {
        let client = self.pool.get().await?;
        let update = format!(
            "UPDATE webhooks.deliveries
             SET outcome = NULL, settled_at = NULL, attempts = 0, first_tried_at = NULL, due_at = $3
             WHERE webhook_id = $1 AND id = $2 RETURNING {DELIVERY}"
        );
        let statement = client.prepare_cached(&update).await?;
        let row = client.query_opt(&statement, &[&id.0, &delivery_id, &now]).await?;
        Ok(row.as_ref().map(delivery).transpose()?)
    }

    pub(super) async fn resume(&self, id: WebhookId, now: DateTime<Utc>, skip: bool) -> Result<(), Problem> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/resume.sql")).await?;
        client.execute(&statement, &[&id.0, &now, &skip]).await?;
        Ok(())
    }

    /// Up to where its events are deliveries; `None` where it has no row.
    pub(super) async fn cursor(&self, id: WebhookId) -> Result<Option<Position>, Problem> {
        let client = self.pool.get().await?;
        let select = "SELECT cursor FROM webhooks.hooks WHERE id = $1";
        let row = client.query_opt(&client.prepare_cached(select).await?, &[&id.0]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.map(position))
    }

    /// Makes events deliveries and moves the cursor from one place to another, unless another process was first or
    /// too many wait already.
    pub(super) async fn feed(
        &self,
        id: WebhookId,
        (from, to): (Position, Position),
        events: &[&Stored],
        most: i64,
        now: DateTime<Utc>,
    ) -> Result<bool, Problem> {
        let mut client = self.pool.get().await?;
        let transaction = client.transaction().await?;
        let count = "SELECT count(*) FROM webhooks.deliveries WHERE webhook_id = $1 AND settled_at IS NULL";
        let row = transaction.query_one(&transaction.prepare_cached(count).await?, &[&id.0]).await?;
        let waiting: i64 = row.try_get(0)?;
        let more = i64::try_from(events.len()).unwrap_or(i64::MAX);
        if more > 0 && waiting.saturating_add(more) > most {
            return Ok(false);
        }
        let advance = "UPDATE webhooks.hooks SET cursor = $3 WHERE id = $1 AND cursor = $2";
        let advance = transaction.prepare_cached(advance).await?;
        if transaction.execute(&advance, &[&id.0, &number(from), &number(to)]).await? == 0 {
            return Ok(false);
        }
        if !events.is_empty() {
            let text =
                |name| events.iter().map(|e| e.headers.get(name).unwrap_or_default()).collect::<Vec<_>>();
            // The same for whoever makes it: what was sent is recognised when it comes again.
            let ids: Vec<_> =
                events.iter().map(|e| Uuid::new_v5(&id.0, &e.position.0.to_be_bytes())).collect();
            let positions: Vec<_> = events.iter().map(|e| number(e.position)).collect();
            let (event_ids, types, subjects) = (text(header::ID), text(header::TYPE), text(header::SUBJECT));
            let insert = transaction.prepare_cached(include_str!("sql/insert.sql")).await?;
            transaction
                .execute(&insert, &[&id.0, &now, &ids, &positions, &event_ids, &types, &subjects])
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes deliveries to be tried now; nobody else tries them until `until`.
    pub(super) async fn claim(
        &self,
        hooks: &[Uuid],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<Claim>, Problem> {
        let lease = Uuid::new_v4();
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/claim.sql")).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = client.query(&statement, &[&hooks, &now, &lease, &until, &AT_ONCE, &most]).await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            let webhook = WebhookId(row.try_get("webhook_id")?);
            claims.push(Claim {
                id: row.try_get("id")?,
                webhook,
                workspace: WorkspaceId(row.try_get("workspace_id")?),
                position: position(row.try_get("position")?),
                attempts: row.try_get("attempts")?,
                first_tried_at: row.try_get("first_tried_at")?,
                lease,
                target: self.open(
                    webhook,
                    row.try_get("sealed_address")?,
                    row.try_get("sealed_secret")?,
                    row.try_get("sealed_old_secret")?,
                ),
            });
        }
        Ok(claims)
    }

    /// When the next one can be tried.
    pub(super) async fn next_due(&self, hooks: &[Uuid]) -> Result<Option<DateTime<Utc>>, Problem> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/next_due.sql")).await?;
        Ok(client.query_one(&statement, &[&hooks]).await?.try_get(0)?)
    }

    /// Notes what came of a try, if its lease still holds.
    pub(super) async fn settle(
        &self,
        claim: &Claim,
        verdict: &Verdict,
        answer: &Answer,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let (outcome, due) = match verdict {
            Verdict::Delivered => (Some("delivered"), None),
            Verdict::Failed => (Some("failed"), None),
            Verdict::Later(at) => (None, Some(*at)),
        };
        let status = answer.status.map(i32::from);
        let elapsed = i64::try_from(answer.elapsed_ms).unwrap_or(i64::MAX);
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/settle.sql")).await?;
        client
            .execute(
                &statement,
                &[&claim.id, &claim.lease, &outcome, &now, &due, &status, &elapsed, &answer.error],
            )
            .await?;
        Ok(())
    }

    /// Removes what is settled and old, and rows of webhooks that are not there (any more).
    pub(super) async fn clean(&self, there: &[Uuid], now: DateTime<Utc>) -> Result<(), Problem> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/clean.sql")).await?;
        client.execute(&statement, &[&(now - KEPT.0), &KEPT.1]).await?;
        let orphans = "DELETE FROM webhooks.hooks WHERE id <> ALL ($1) AND created_at < $2";
        client.execute(&client.prepare_cached(orphans).await?, &[&there, &(now - ORPHAN)]).await?;
        Ok(())
    }

    fn seal_address(&self, id: WebhookId, address: &Address) -> Result<Vec<u8>, Problem> {
        self.addresses.seal(id.0.as_bytes(), address.as_str().as_bytes()).map_err(Problem::internal)
    }

    fn seal_secret(&self, id: WebhookId, secret: &Secret) -> Result<Vec<u8>, Problem> {
        self.secrets.seal(id.0.as_bytes(), secret.bytes()).map_err(Problem::internal)
    }

    fn open_address(&self, id: WebhookId, sealed: &[u8]) -> Option<String> {
        String::from_utf8(self.addresses.open(id.0.as_bytes(), sealed)?).ok()
    }

    fn open_secret(&self, id: WebhookId, sealed: &[u8]) -> Option<Secret> {
        let bytes = self.secrets.open(id.0.as_bytes(), sealed)?;
        Some(<[u8; 32]>::try_from(bytes).ok()?.into())
    }

    fn open(&self, id: WebhookId, address: &[u8], secret: &[u8], old: Option<&[u8]>) -> Option<Target> {
        let mut secrets = vec![self.open_secret(id, secret)?];
        secrets.extend(old.and_then(|old| self.open_secret(id, old)));
        Some(Target { address: self.open_address(id, address)?, secrets })
    }
}
