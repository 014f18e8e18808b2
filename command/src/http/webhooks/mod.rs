//! Webhooks.

mod change;
mod create;
mod delete;
mod deliveries;
mod get;
mod list;
mod resend;
mod rotate;
mod test;

use actix_web::web;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use uuid::Uuid;
use weir_events::{Wanted, wanted::Unknown};
use weir_infra::http::{Code, Problem, read};

use crate::{directory::Webhook, domain::webhook::Standing};

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    read(cfg, "/api/v1/webhooks", list::list);
    read(cfg, "/api/v1/webhooks/{id}", get::get);
    read(cfg, "/api/v1/webhooks/{id}/deliveries", deliveries::deliveries);
    cfg.route("/api/v1/webhooks", web::post().to(create::create))
        .route("/api/v1/webhooks/{id}", web::patch().to(change::change))
        .route("/api/v1/webhooks/{id}", web::delete().to(delete::delete))
        .route("/api/v1/webhooks/{id}/rotate-secret", web::post().to(rotate::rotate))
        .route("/api/v1/webhooks/{id}/test", web::post().to(test::test))
        .route("/api/v1/webhooks/{id}/deliveries/{delivery_id}/resend", web::post().to(resend::resend));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(
    list::list,
    create::create,
    get::get,
    change::change,
    delete::delete,
    rotate::rotate,
    test::test,
    deliveries::deliveries,
    resend::resend
))]
pub struct Documentation;

/// A webhook, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct WebhookView {
    /// Its id.
    id: Uuid,
    /// Scheme, host and port of its address. The rest may be a token and is not shown.
    #[schema(example = "https://example.org")]
    origin: String,
    /// The types of events that it is told of; all where there are none.
    types: Vec<String>,
    /// The aggregates whose events it is told of; all where there are none.
    aggregates: Vec<String>,
    /// `active`; `paused` by somebody; `disabled` by Weir, because nothing could be delivered.
    #[schema(example = "active")]
    status: &'static str,
    /// Why it is disabled, if it is.
    reason: Option<String>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Who made it.
    created_by: Option<Uuid>,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
    /// Where the event log has the change, in the answer to a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
}

impl From<Webhook> for WebhookView {
    fn from(hook: Webhook) -> Self {
        Self {
            id: hook.id.0,
            origin: hook.origin,
            types: hook.wanted.types().to_vec(),
            aggregates: hook.wanted.aggregates().to_vec(),
            status: match hook.standing {
                Standing::Active => "active",
                Standing::Paused => "paused",
                Standing::Disabled => "disabled",
            },
            reason: hook.reason,
            created_at: hook.created_at,
            created_by: hook.created_by.map(|user| user.0),
            updated_at: hook.updated_at,
            position: None,
        }
    }
}

/// A delivery: an event on its way to a webhook, or one that was.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(super) struct DeliveryView {
    /// Its id. The message's `webhook-id` is `msg_` and this, without hyphens.
    id: Uuid,
    /// The event's place in the log.
    position: u64,
    /// The event.
    event_id: String,
    /// Its type.
    event_type: String,
    /// What it happened to.
    subject: String,
    /// `waiting`, `delivered`, `failed` (given up) or `skipped`.
    #[schema(example = "delivered")]
    status: String,
    /// How often it was tried.
    attempts: i32,
    /// When it was last tried.
    last_tried_at: Option<DateTime<Utc>>,
    /// When it is tried again, while it waits and nothing that happened to the same thing before does.
    next_try_at: Option<DateTime<Utc>>,
    /// The status of the last answer, if there was one.
    response_status: Option<i32>,
    /// How long the last try took.
    response_ms: Option<i64>,
    /// Why the last try did not deliver it.
    error: Option<String>,
}

impl From<crate::webhooks::Delivery> for DeliveryView {
    fn from(delivery: crate::webhooks::Delivery) -> Self {
        Self {
            id: delivery.id,
            position: delivery.position.0,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            subject: delivery.subject,
            status: delivery.status,
            attempts: delivery.attempts,
            last_tried_at: delivery.last_tried_at,
            next_try_at: delivery.due_at,
            response_status: delivery.response_status,
            response_ms: delivery.response_ms,
            error: delivery.error,
        }
    }
}

/// Which events are wanted, checked.
fn wanted(types: Vec<String>, aggregates: Vec<String>) -> Result<Wanted, Problem> {
    Wanted::new(types, aggregates).map_err(|wrong| {
        let first = wrong.first().map_or_else(String::new, |unknown| unknown.detail.clone());
        wrong.into_iter().fold(Problem::new(Code::InvalidValue, first), |problem, unknown| {
            let Unknown { field, code, detail } = unknown;
            problem.field(field, code, detail)
        })
    })
}
