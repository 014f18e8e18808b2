//! `PUT /api/v1/me/model`

use actix_web::{HttpResponse, web::Data};
use serde::Deserialize;
use utoipa::ToSchema;
use weir_infra::{
    auth::Person,
    http::{Json, Problem, RequestContext},
    llm::Key,
};

use super::ModelView;
use crate::{
    accounts::model_key::{OwnModel, Provider},
    app::App,
};

/// A language model to be called with a key of one's own.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutModel {
    /// Where the key goes: `installation` for the model that this installation configured, or `openai` or
    /// `anthropic`. No other address can be named.
    #[schema(example = "openai")]
    provider: String,
    /// The model's name there. May be left out for `installation`.
    #[serde(default)]
    #[schema(example = "gpt-5-mini")]
    model: Option<String>,
    /// The key. It is kept sealed, used for one's own questions only, and never shown again.
    #[schema(value_type = String, format = Password)]
    key: Key,
}

/// Bring a key for a language model
///
/// From then on one's own questions are answered by it, those that API keys ask in one's name included. What the
/// model is told then leaves for that provider.
#[utoipa::path(
    put,
    path = "/api/v1/me/model",
    operation_id = "put_my_model",
    tag = "accounts",
    request_body = PutModel,
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The model; of the key only its last four characters", body = ModelView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_body`, `invalid_value`", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "`model_not_configured`: keys are not kept here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    person: Person,
    app: Data<App>,
    request: RequestContext,
    Json(body): Json<PutModel>,
) -> Result<HttpResponse, Problem> {
    let models = app.models();
    let keys = models.keys()?;
    let provider = Provider::of(&body.provider).ok_or_else(|| {
        // Whatever stands there is not repeated: it may be the key.
        let all = Provider::ALL.map(Provider::as_str).join(", ");
        Problem::invalid("provider", "unknown", format!("A provider is one of {all}."))
    })?;
    let model = body.model.map(|m| m.trim().to_owned()).filter(|m| !m.is_empty());
    let own = OwnModel { provider, model, key: body.key };
    models.check(&own)?;
    keys.put(person.user, &own, request.now).await?;
    Ok(HttpResponse::Ok().json(ModelView::new(models, Some(&own))))
}
