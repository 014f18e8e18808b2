//! `POST /api/v1/admin/projections/{name}/rebuild`

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use weir_infra::{
    auth::Operator,
    http::{Path, Problem},
};

use crate::accounts::Accounts;

/// A rebuild that was asked for.
#[derive(Debug, Serialize, ToSchema)]
struct RequestedRebuild {
    /// The projection.
    name: String,
    /// Since when it is asked for; asked for twice, it is done once.
    requested_at: DateTime<Utc>,
}

/// Fold a projection anew
///
/// The process that writes does it beside the tables that serve, and exchanges them when it is done;
/// `GET /api/v1/admin/projections` tells how far it is. For the owner of the installation only.
#[utoipa::path(
    post,
    path = "/api/v1/admin/projections/{name}/rebuild",
    tag = "operations",
    operation_id = "rebuild_projection",
    params(
        ("name" = String, Path, description = "The projection"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable"),
    ),
    responses(
        (status = 202, description = "It will be", body = RequestedRebuild),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`operator_required`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn rebuild(
    _: Operator,
    accounts: Data<Accounts>,
    Path(name): Path<String>,
) -> Result<HttpResponse, Problem> {
    let requested_at = accounts.request_rebuild(&name).await?;
    Ok(HttpResponse::build(StatusCode::ACCEPTED).json(RequestedRebuild { name, requested_at }))
}
