//! Contexts: checked, saved, deleted, restored.

mod delete;
mod restore;
mod save;
mod undo;
mod validate;

use std::borrow::Cow;

use actix_web::{HttpMessage, HttpRequest, web};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use weir_engine::context::{self as format, Finding};
use weir_infra::http::{Code, Problem};

use crate::app::contexts::invalid;

/// The routes. Each guards its method, so that other methods of a path may be served elsewhere.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.route("/api/v1/contexts", web::post().to(save::save))
        .route("/api/v1/contexts/validate", web::post().to(validate::validate))
        .route("/api/v1/contexts/{id}", web::delete().to(delete::delete))
        .route("/api/v1/contexts/{id}/restore", web::post().to(restore::restore))
        .route("/api/v1/contexts/{id}/undo", web::post().to(undo::undo));
}

/// The routes' part of the API's description.
#[derive(Debug, OpenApi)]
#[openapi(paths(save::save, validate::validate, delete::delete, restore::restore, undo::undo))]
pub struct Documentation;

/// A context that comes as JSON; `text/markdown` and `application/yaml` are the file itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ContextBody)]
struct Body {
    /// The file: YAML between lines `---` with Markdown behind it, bare YAML, or plain Markdown.
    content: String,
    /// The dataset, by name or id, that a plain text without one is about.
    #[serde(default)]
    dataset: Option<String>,
    /// How far to look: `schema`, `semantic` or `full`; only for validation, `full` by default.
    #[serde(default)]
    level: Option<String>,
    /// `weir` (the default), or `osi` for a file in the Open Semantic Interchange form.
    #[serde(default)]
    format: Option<String>,
}

impl Body {
    /// Out of a request in whatever form.
    fn read(req: &HttpRequest, bytes: &Bytes) -> Result<Self, Problem> {
        let kind = req.content_type();
        if kind.eq_ignore_ascii_case("application/json") {
            return serde_json::from_slice(bytes).map_err(|e| {
                let code = if e.is_data() { Code::InvalidBody } else { Code::MalformedJson };
                Problem::new(code, format!("The body does not have the expected form: {e}."))
            });
        }
        let texts = [
            "",
            "text/markdown",
            "text/plain",
            "text/yaml",
            "application/yaml",
            "application/x-yaml",
            "text/x-yaml",
        ];
        if !texts.iter().any(|text| kind.eq_ignore_ascii_case(text)) {
            let detail = "A context is text/markdown, application/yaml, or JSON with its `content`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        let content = String::from_utf8(bytes.to_vec())
            .map_err(|_| Problem::new(Code::InvalidBody, "The context is not UTF-8."))?;
        Ok(Self { content, dataset: None, level: None, format: None })
    }
}

/// The file in Weir's own form.
fn text(body: &Body) -> Result<Cow<'_, str>, Problem> {
    let osi = match body.format.as_deref() {
        // What earlier drafts of the interchange begin with.
        None => body.content.lines().any(|line| line.starts_with("semantic_model:")),
        Some("weir") => false,
        Some("osi") => true,
        Some(_) => {
            return Err(Problem::invalid("format", "unknown", "A format is one of weir, osi."));
        }
    };
    if !osi {
        return Ok(Cow::Borrowed(&body.content));
    }
    let context = format::from_osi(&body.content).map_err(|findings| invalid(&findings))?;
    Ok(Cow::Owned(format::markdown(&context)))
}

/// Something wrong with a context.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContextFinding)]
struct FindingView {
    /// A stable code, such as `COLUMN_NOT_FOUND`.
    code: &'static str,
    /// A sentence for people.
    detail: String,
    /// Where in the context, as in `metrics[2].expression`; empty for the whole.
    path: String,
    /// The line in the file, the first being 1, where it is known.
    line: Option<u64>,
    /// The character in that line, the first being 1.
    column: Option<u64>,
    /// What was probably meant, where a name was mistyped.
    near: Option<String>,
}

impl From<&Finding> for FindingView {
    fn from(f: &Finding) -> Self {
        Self {
            code: f.code.as_str(),
            detail: f.detail.clone(),
            path: f.path.clone(),
            line: f.line.map(u64::from),
            column: f.column.map(u64::from),
            near: f.near.clone(),
        }
    }
}
