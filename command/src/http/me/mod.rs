//! What belongs to the person who asks: the language model that they brought a key for.

mod delete;
mod get;
mod put;

use actix_web::web;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use weir_infra::http::read;

use crate::{accounts::model_key::OwnModel, app::questions::Models};

/// The routes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    read(cfg, "/api/v1/me/model", get::get);
    cfg.route("/api/v1/me/model", web::put().to(put::put))
        .route("/api/v1/me/model", web::delete().to(delete::delete));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(get::get, put::put, delete::delete))]
pub struct Documentation;

/// The language model that answers someone's questions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MyModel)]
pub(super) struct ModelView {
    /// Whether one answers at all.
    configured: bool,
    /// Whether it is called with a key of one's own.
    own: bool,
    /// Where it is: `installation`, `openai` or `anthropic`.
    #[schema(example = "openai")]
    provider: Option<&'static str>,
    /// Its name there.
    #[schema(example = "gpt-5-mini")]
    model: Option<String>,
    /// The last four characters of one's own key. The key itself is never shown again.
    #[schema(example = "x9Qa")]
    key_ending: Option<String>,
}

impl ModelView {
    fn new(models: &Models, own: Option<&OwnModel>) -> Self {
        let house = models.house().map(|m| m.name().to_owned());
        match own {
            Some(own) => Self {
                configured: true,
                own: true,
                provider: Some(own.provider.as_str()),
                model: own.model.clone().or(house),
                key_ending: Some(own.key.ending().to_owned()),
            },
            None => Self {
                configured: house.is_some(),
                own: false,
                provider: house.as_ref().map(|_| "installation"),
                model: house,
                key_ending: None,
            },
        }
    }
}
