//! `POST /api/v1/queries`

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::header::{HeaderName, HeaderValue},
    web::Data,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Json, MinPosition, Problem, RequestContext, position_header},
};

use crate::{
    app::{App, context, queries::Run},
    http::{
        answer::{Format, QUERY, RUN, Rows, Served, cache_header, respond},
        common::fresh,
    },
};

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// One SQL query over the workspace's datasets, by their names.
    #[serde(default)]
    #[schema(example = "SELECT count(*) FROM flights")]
    sql: Option<String>,
    /// Rows at most; 10,000 by default.
    #[serde(default)]
    limit: Option<u64>,
    /// Not possible yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    /// Not possible yet.
    #[serde(default)]
    question: Option<String>,
    /// Not possible yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    context: Option<Value>,
    /// Not possible yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metrics: Option<Value>,
    /// Not possible yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    dimensions: Option<Value>,
    /// Not possible yet.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    filters: Option<Value>,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryAnswer)]
pub(super) struct AnswerView {
    /// This run.
    run_id: Uuid,
    /// The pattern: SQL that differs only in its literals shares it.
    query_id: Uuid,
    /// The SQL as asked.
    sql: String,
    #[serde(flatten)]
    rows: Rows,
    /// Time to the whole answer, in milliseconds.
    elapsed_ms: f64,
    #[serde(flatten)]
    served: Served,
    /// Where the event log has the run.
    position: u64,
}

impl Ask {
    fn sql(self) -> Result<String, Problem> {
        if self.params.is_some_and(|p| !p.is_null()) {
            let detail = "Parameters are not supported; write the values into the SQL.";
            return Err(Problem::invalid("params", "unsupported", detail));
        }
        if let Some(sql) = self.sql {
            return Ok(sql);
        }
        let others = [&self.context, &self.metrics, &self.dimensions, &self.filters];
        if self.question.is_some() || others.iter().any(|o| o.is_some()) {
            let detail = "Questions and contexts are not configured on this server; ask in SQL.";
            return Err(Problem::new(Code::QuestionUnsupported, detail));
        }
        Err(Problem::invalid("sql", "missing", "There is no SQL to run."))
    }
}

/// Ask in SQL
///
/// One read-only query over the workspace's datasets, each under its name. The answer is JSON, or by
/// Accept `text/csv`, `application/vnd.apache.parquet` or `application/vnd.apache.arrow.stream`;
/// what JSON says around the rows stands in headers then. Every run, answered or not, is written
/// down with its receipt; a caller who goes away cancels it.
#[utoipa::path(
    post,
    path = "/api/v1/queries",
    tag = "queries",
    operation_id = "run_query",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request repeatable")),
    request_body = Ask,
    responses(
        (
            status = 200,
            description = "The rows",
            body = AnswerView,
            headers(
                ("Weir-Position" = u64, description = "Where the event log has the run"),
                ("Weir-Cache" = String, description = "`hit; tier=N` or `miss`"),
                ("Weir-Run-Id" = String, description = "The run"),
                ("Weir-Query-Id" = String, description = "The pattern"),
                ("Weir-Truncated" = bool, description = "Whether a limit cut rows off"),
            )
        ),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "What is wrong with the SQL and where, or which limit it ran into", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "`question_unsupported`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`log_unavailable`, `storage_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn run(
    caller: Caller<Viewer>,
    app: Data<App>,
    request: RequestContext,
    position: MinPosition,
    req: HttpRequest,
    Json(ask): Json<Ask>,
) -> Result<HttpResponse, Problem> {
    let format = Format::wanted(&req)?;
    let limit = ask.limit;
    let sql = ask.sql()?;
    fresh(&app, position).await?;
    let cx = context(&caller, &request);
    let run = match Box::pin(app.ask(&cx, &sql, limit)).await {
        Ok(run) => run,
        Err(failed) => {
            let mut response = failed.problem.error_response();
            if let Some((id, position)) = failed.written {
                position_header(&mut response, position);
                id_header(&mut response, RUN, id.0);
            }
            return Ok(response);
        }
    };
    let Run { id, query_id, ran, elapsed_ms, position } = run;
    let (served, tier) = (Served::from(&ran), ran.tier);
    let mut response = respond(format, &ran.kept.answer, move |rows| AnswerView {
        run_id: id.0,
        query_id: query_id.0,
        sql,
        rows,
        elapsed_ms,
        served,
        position: position.0,
    })
    .await?;
    position_header(&mut response, position);
    cache_header(&mut response, tier);
    id_header(&mut response, RUN, id.0);
    id_header(&mut response, QUERY, query_id.0);
    Ok(response)
}

fn id_header(response: &mut HttpResponse, name: HeaderName, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(name, value);
    }
}
