//! `GET /api/v1/runs/{run_id}/result`

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ContentDisposition, DispositionParam, DispositionType},
    web,
};
use bytes::Bytes;
use object_store::{ObjectStoreExt, path::Path as Key};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_engine::{Answer, JsonRows};
use weir_infra::{
    cache::seal,
    http::{Code, Path, Problem, accepted},
};

use super::{Run, get::GET, not_found};
use crate::{
    http::Unanswered,
    params::Fresh,
    read::{Read, Then},
    reader::Decoded,
};

/// The kept answer of a run.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunResult<'a> {
    /// The run.
    pub(crate) run_id: Uuid,
    /// The pattern of its SQL.
    pub(crate) query_id: Uuid,
    /// Names and types of the columns.
    pub(crate) columns: Vec<ResultColumn>,
    /// The rows, each a list in the order of the columns. Decimals are text, so that no digit is
    /// lost; floats that JSON cannot write are the texts `NaN`, `Infinity` and `-Infinity`. A value
    /// that is missing is null.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub(crate) rows: JsonRows<'a>,
    /// How many rows.
    pub(crate) row_count: u64,
    /// Whether a limit cut the answer.
    pub(crate) truncated: bool,
    /// SHA-256 over the answer's content, in hex.
    pub(crate) result_hash: Option<&'a str>,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ResultColumn {
    /// Its name; an answer may repeat one.
    pub(crate) name: String,
    /// Its type, as in datasets, or `decimal`, `time`, `interval`, `list`, `struct`, `binary`.
    #[serde(rename = "type")]
    pub(crate) data_type: String,
}

/// Bytes, for the API's description.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only described: the bytes themselves are served")]
pub(crate) struct Binary(Vec<u8>);

/// The forms in which an answer can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
    Parquet,
    Arrow,
}

impl Form {
    /// In the order of preference among equals.
    const ALL: [Self; 4] = [Self::Json, Self::Csv, Self::Parquet, Self::Arrow];

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrows",
        }
    }
}

struct Kept {
    run: Run,
    key: Option<String>,
    hash: Option<String>,
}

/// Give a run's rows again
///
/// In the form that `Accept` asks for: JSON, CSV, Parquet or an Arrow stream.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}/result",
    tag = "runs",
    operation_id = "get_run_result",
    params(("run_id" = Uuid, Path, description = "The run"), Fresh, Then),
    responses(
        (status = 200, description = "The rows", content(
            (RunResult<'_> = "application/json"),
            (String = "text/csv"),
            (Binary = "application/vnd.apache.parquet"),
            (Binary = "application/vnd.apache.arrow.stream"),
        )),
        (status = 406, description = "None of the accepted forms can be given", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "The rows were kept and are gone", body = Problem,
            content_type = "application/problem+json"),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn result(
    mut read: Read,
    req: HttpRequest,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    read.params.finish()?;
    let form =
        accepted(req.headers(), &Form::ALL.map(|form| (form, form.media_type()))).ok_or_else(|| {
            let forms = Form::ALL.map(Form::media_type).join(", ");
            Problem::new(Code::NotAcceptable, format!("The rows can be had as {forms}."))
        })?;
    let (kept, position) =
        read.look_up(async |db| db.first(GET, &[&id.0], kept).await?.ok_or_else(|| not_found(id.0))).await?;
    // What a run answered never changes.
    let etag = format!("W/\"{}.{}\"", id.0, form.extension());
    if kept.key.is_some() && read.knows(&etag) {
        return Ok(read.not_modified(&etag, position));
    }
    let bytes = fetch(&read, &kept, form).await?;
    let body = match form {
        Form::Arrow => bytes,
        // Decoding and encoding take a while for large answers: not on the threads that serve.
        form => web::block(move || encode(&kept, &bytes, form)).await.map_err(Problem::internal)??,
    };
    let response = HttpResponse::Ok()
        .content_type(form.media_type())
        .insert_header(ContentDisposition {
            disposition: DispositionType::Inline,
            parameters: vec![DispositionParam::Filename(format!("{}.{}", id.0, form.extension()))],
        })
        .body(body);
    Ok(read.finish(response, &etag, position))
}

fn kept(row: &Row) -> Decoded<Kept> {
    Ok(Kept { run: Run::from_row(row)?, key: row.try_get("result_key")?, hash: row.try_get("result_hash")? })
}

async fn fetch(read: &Read, kept: &Kept, form: Form) -> Result<Bytes, Problem> {
    let Some(key) = &kept.key else {
        let detail = match &kept.run.error {
            Some(error) => format!("The run failed with {}, so there are no rows.", error.code),
            None => "The rows of this run were not kept; run the query again.".to_owned(),
        };
        return Err(Problem::new(Code::ResultNotKept, detail));
    };
    let key = Key::parse(key).map_err(Problem::internal)?;
    let state = read.state();
    let object = state.0.sources.blobs.get(&key).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => {
            Problem::new(Code::ResultGone, "The rows of this run are gone; run the query again.")
        }
        error => error.into(),
    })?;
    if object.meta.size > state.0.options.result_bytes {
        let detail = format!(
            "These {} bytes are too many to be read back as {}.",
            object.meta.size,
            form.media_type()
        );
        return Err(Problem::new(Code::PayloadTooLarge, detail));
    }
    Ok(seal::without(&object.bytes().await?))
}

fn encode(kept: &Kept, bytes: &[u8], form: Form) -> Result<Bytes, Problem> {
    let answer = Answer::from_arrow_stream(bytes).map_err(Problem::internal)?;
    let encoded = match form {
        Form::Csv => answer.to_csv(),
        Form::Parquet => answer.to_parquet(),
        Form::Arrow => answer.to_arrow_stream(),
        Form::Json => {
            let result = RunResult {
                run_id: kept.run.run_id,
                query_id: kept.run.query_id,
                columns: answer
                    .columns()
                    .into_iter()
                    .map(|c| ResultColumn { name: c.name, data_type: c.data_type })
                    .collect(),
                rows: answer.json_rows(),
                row_count: answer.rows,
                truncated: kept.run.truncated.unwrap_or_default(),
                result_hash: kept.hash.as_deref(),
            };
            return serde_json::to_vec(&result).map(Bytes::from).map_err(Problem::internal);
        }
    };
    encoded.map(Bytes::from).map_err(Problem::internal)
}
