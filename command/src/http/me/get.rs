//! `GET /api/v1/me/model`

use actix_web::{HttpResponse, web::Data};
use weir_infra::{
    auth::Person,
    http::{Problem, params::Common},
};

use super::ModelView;
use crate::{app::App, http::read::Read};

/// Show the language model that answers me
///
/// Of a key of one's own only the last four characters.
#[utoipa::path(
    get,
    path = "/api/v1/me/model",
    operation_id = "get_my_model",
    tag = "accounts",
    params(Common),
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The model", body = ModelView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`person_required`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`model_key_unreadable`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is unknown or makes no sense", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`database_unavailable`, `position_not_reached`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(mut read: Read<Person>, app: Data<App>) -> Result<HttpResponse, Problem> {
    let fields = read.fields::<ModelView>()?;
    let models = app.models();
    let own = match models.keys() {
        Ok(keys) => keys.of(read.who.user).await?,
        // Where none are kept nobody has one.
        Err(_) => None,
    };
    read.answer(&ModelView::new(models, own.as_ref()), fields.as_ref())
}
