//! Rows as they leave: JSON, CSV, Parquet or Arrow, by the Accept header.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};
use bytes::Bytes;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_engine::{Answer, Column, EncodeError};
use weir_events::query::Source;
use weir_infra::http::{Code, Problem, accepted};

use crate::app::queries::Ran;

/// Which tier served an answer.
pub(super) const CACHE: HeaderName = HeaderName::from_static("weir-cache");
/// The run, where the body has no place for it.
pub(super) const RUN: HeaderName = HeaderName::from_static("weir-run-id");
/// The pattern, where the body has no place for it.
pub(super) const QUERY: HeaderName = HeaderName::from_static("weir-query-id");
/// Whether rows were cut off, where the body has no place for it.
pub(super) const TRUNCATED: HeaderName = HeaderName::from_static("weir-truncated");

/// A form of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// With everything around them.
    Json,
    /// UTF-8 with a header.
    Csv,
    /// A file.
    Parquet,
    /// An IPC stream.
    Arrow,
}

impl Format {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Json, "application/json"),
        (Self::Csv, "text/csv"),
        (Self::Parquet, "application/vnd.apache.parquet"),
        (Self::Arrow, "application/vnd.apache.arrow.stream"),
    ];

    /// The form that the caller likes best.
    pub(super) fn wanted(req: &HttpRequest) -> Result<Self, Problem> {
        accepted(req.headers(), &Self::ALL).ok_or_else(|| {
            let all = Self::ALL.map(|(_, media)| media).join(", ");
            Problem::new(Code::NotAcceptable, format!("Rows can be had as {all}."))
        })
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
        }
    }
}

/// A column of an answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AnswerColumn)]
pub(super) struct ColumnView {
    /// Its name; two columns may share one.
    name: String,
    /// `int`, `float`, `decimal`, `bool`, `date`, `time`, `timestamp`, `timestamptz`, `interval`,
    /// `text`, `list`, `struct` or `binary`.
    #[serde(rename = "type")]
    data_type: String,
}

impl From<Column> for ColumnView {
    fn from(column: Column) -> Self {
        Self { name: column.name, data_type: column.data_type }
    }
}

/// Which tier served an answer.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = AnswerCache)]
pub(super) struct CacheView {
    /// Whether it came from a cache.
    hit: bool,
    /// Which: 1 is memory, 2 the cache that processes share, 3 the blob store; null where it was
    /// computed.
    tier: Option<u8>,
}

/// A version of a dataset that was read.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = AnswerSource)]
pub(super) struct SourceView {
    /// The dataset.
    id: Uuid,
    /// Its name at that time.
    name: String,
    /// The version.
    version: u32,
}

impl From<&Source> for SourceView {
    fn from(s: &Source) -> Self {
        Self { id: s.id.0, name: s.name.clone(), version: s.version }
    }
}

/// The rows of an answer and what is known of them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rows {
    /// The columns, in order.
    columns: Vec<ColumnView>,
    /// The rows, each an array of values in column order. Decimals are text, so that no digit is
    /// lost; floats that JSON cannot write are the texts `NaN`, `Infinity` and `-Infinity`. A value
    /// that is missing is null.
    #[schema(value_type = Vec<Vec<Object>>)]
    #[serde(serialize_with = "rows")]
    rows: Arc<Answer>,
    /// How many rows.
    row_count: u64,
    /// Whether a limit cut rows off.
    truncated: bool,
}

/// Straight from the answer into the body.
fn rows<S: Serializer>(answer: &Answer, serializer: S) -> Result<S::Ok, S::Error> {
    answer.json_rows().serialize(serializer)
}

impl From<Arc<Answer>> for Rows {
    fn from(answer: Arc<Answer>) -> Self {
        let columns = answer.columns().into_iter().map(ColumnView::from);
        Self { columns: columns.collect(), row_count: answer.rows, truncated: answer.truncated, rows: answer }
    }
}

/// How an answer was served.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Served {
    /// From where.
    cache: CacheView,
    /// What was read.
    datasets: Vec<SourceView>,
    /// The position of the event log up to which `weir.events`, `weir.runs` or `weir.usage` was read, if one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_to: Option<u64>,
}

impl From<&Ran> for Served {
    fn from(ran: &Ran) -> Self {
        Self {
            cache: CacheView { hit: ran.tier.is_some(), tier: ran.tier },
            datasets: ran.sources.iter().map(Into::into).collect(),
            events_to: ran.past.map(|position| position.0),
        }
    }
}

/// Writes rows in a form; `json` puts them into the body that the endpoint has. Off the threads
/// that serve requests, since that can take a while.
pub(super) async fn respond<T: Serialize>(
    format: Format,
    answer: &Arc<Answer>,
    json: impl FnOnce(Rows) -> T + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let shared = answer.clone();
    let body = tokio::task::spawn_blocking(move || -> Result<Bytes, Problem> {
        let failed = |e: EncodeError| Problem::internal(e);
        Ok(match format {
            Format::Json => serde_json::to_vec(&json(shared.into())).map_err(Problem::internal)?,
            Format::Csv => shared.to_csv().map_err(failed)?,
            Format::Parquet => shared.to_parquet().map_err(failed)?,
            Format::Arrow => shared.to_arrow_stream().map_err(failed)?,
        }
        .into())
    })
    .await
    .map_err(Problem::internal)??;
    let mut response = HttpResponse::Ok().content_type(format.media_type()).body(body);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    headers.insert(TRUNCATED, HeaderValue::from_static(if answer.truncated { "true" } else { "false" }));
    Ok(response)
}

/// Says which tier served the answer.
pub(super) fn cache_header(response: &mut HttpResponse, tier: Option<u8>) {
    let value = match tier {
        None => HeaderValue::from_static("miss"),
        Some(1) => HeaderValue::from_static("hit; tier=1"),
        Some(2) => HeaderValue::from_static("hit; tier=2"),
        Some(3) => HeaderValue::from_static("hit; tier=3"),
        Some(_) => HeaderValue::from_static("hit"),
    };
    response.headers_mut().insert(CACHE, value);
}
