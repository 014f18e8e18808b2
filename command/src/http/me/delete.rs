//! `DELETE /api/v1/me/model`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{auth::Person, http::Problem};

use crate::app::App;

/// Take my key for a language model back
///
/// It is forgotten. One's questions are answered by the installation's model again, where there is one.
#[utoipa::path(
    delete,
    path = "/api/v1/me/model",
    operation_id = "delete_my_model",
    tag = "accounts",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Forgotten; also where there was none"),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "`model_not_configured`: keys are not kept here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(person: Person, app: Data<App>) -> Result<HttpResponse, Problem> {
    app.models().keys()?.delete(person.user).await?;
    Ok(HttpResponse::NoContent().finish())
}
