//! `GET /api/v1/contexts/{id}/export`

use actix_web::{
    HttpResponse,
    http::header::{ContentDisposition, DispositionParam, DispositionType},
};
use tokio_postgres::Row;
use utoipa::IntoParams;
use uuid::Uuid;
use weir_engine::context::{Context, json, markdown, parse, to_osi, yaml};
use weir_infra::http::{Code, Path, Problem};

use super::not_found;
use crate::{
    http::Unanswered,
    params::Fresh,
    read::{Read, Then},
    reader::Decoded,
    words::words,
};

/// The statement.
pub(crate) const VERSION: &str = include_str!("version.sql");

words! {
    /// The forms in which a context can be had.
    #[schema(as = ContextFormat)]
    enum Format {
        /// YAML between lines `---` with Markdown behind it, in one fixed order of keys.
        Markdown = "markdown",
        /// Bare YAML.
        Yaml = "yaml",
        /// JSON.
        Json = "json",
        /// Open Semantic Interchange, in YAML.
        Osi = "osi",
        /// The very text that was saved.
        Original = "original",
    }
}

/// What is wanted.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described: the parameters are taken one by one")]
pub(crate) struct Wanted {
    /// markdown (the default), yaml, json, osi, or original, which is the very text that was saved.
    format: Option<String>,
    /// The version; the newest by default.
    version: Option<String>,
}

struct Saved {
    name: String,
    version: String,
    text: String,
}

/// Take a context out as a file
///
/// In a form that can be taken in again, here or elsewhere. Open Semantic Interchange knows joins by equality
/// only: a context with others is refused in that form with `invalid_context`.
#[utoipa::path(
    get,
    path = "/api/v1/contexts/{id}/export",
    tag = "contexts",
    operation_id = "export_context",
    params(("id" = Uuid, Path, description = "The context"), Wanted, Fresh, Then),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/markdown"),
            (String = "application/yaml"),
            (String = "application/json"),
        )),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn export(mut read: Read, id: Path<Uuid>) -> Result<HttpResponse, Problem> {
    let format = read.params.one_of("format", Format::WORDS).map_or("markdown", |word| word);
    let version = read.params.text("version");
    read.params.finish()?;
    let (saved, position) = read
        .look_up(async |db| {
            let found = db.first(VERSION, &[&id.0, &version], from_row).await?;
            found.ok_or_else(|| match &version {
                None => not_found(id.0),
                Some(version) => Problem::new(
                    Code::ContextNotFound,
                    format!("There is no version {version:?} of it, or no context {}.", id.0),
                ),
            })
        })
        .await?;
    let etag = format!("W/\"{}.{}.{format}\"", id.0, saved.version);
    if read.knows(&etag) {
        return Ok(read.not_modified(&etag, position));
    }
    let (kind, extension) = match format {
        "yaml" => ("application/yaml", "yaml"),
        "json" => ("application/json", "json"),
        "osi" => ("application/yaml", "osi.yaml"),
        _ => ("text/markdown; charset=utf-8", "md"),
    };
    let name = format!("{}-{}.{extension}", saved.name.replace(' ', "-"), saved.version);
    let text = read.state().0.sources.vault.open_text(read.workspace(), saved.text).await?;
    let body = written(&text, format)?;
    let response = HttpResponse::Ok()
        .content_type(kind)
        .insert_header(ContentDisposition {
            disposition: DispositionType::Attachment,
            parameters: vec![DispositionParam::Filename(name)],
        })
        .body(body);
    Ok(read.finish(response, &etag, position))
}

fn from_row(row: &Row) -> Decoded<Saved> {
    Ok(Saved { name: row.try_get("name")?, version: row.try_get("version")?, text: row.try_get("text")? })
}

fn written(text: &str, format: &str) -> Result<String, Problem> {
    if format == "original" {
        return Ok(text.to_owned());
    }
    // It was read before it was saved.
    let context: Context = parse(text).map_err(|findings| {
        Problem::internal(findings.first().map_or_else(|| "a context".to_owned(), ToString::to_string))
    })?;
    Ok(match format {
        "yaml" => yaml(&context),
        "json" => json(&context),
        "osi" => to_osi(&context, false).map_err(|findings| {
            let first = findings.first().map_or_else(String::new, |f| f.detail.clone());
            findings.iter().fold(Problem::new(Code::InvalidContext, first), |problem, f| {
                problem.field(f.path.as_str(), f.code.as_str(), f.detail.clone())
            })
        })?,
        _ => markdown(&context),
    })
}
