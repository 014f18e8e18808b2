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
    app::{
        App, context,
        queries::Run,
        questions::{Answered, Question},
    },
    http::{
        answer::{Format, QUERY, RUN, Rows, Served, cache_header, respond},
        common::fresh,
    },
};

/// A question, in SQL or in plain language.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    /// One SQL query over the workspace's datasets, by their names; this or `question`.
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
    /// A question in plain language, for which a language model writes the SQL; at most 2,000 characters.
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
    /// The SQL as asked, or as a language model wrote it.
    sql: String,
    /// The question, where one was asked in plain language.
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<String>,
    /// The language model that wrote the SQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// What that model says that its SQL computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<String>,
    /// How often the model tried before its SQL fitted, 1 to 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<u32>,
    #[serde(flatten)]
    rows: Rows,
    /// Time to the whole answer, in milliseconds.
    elapsed_ms: f64,
    #[serde(flatten)]
    served: Served,
    /// Where the event log has the run.
    position: u64,
}

/// How something is asked.
enum Wanted {
    Sql(String),
    Question(Question),
}

impl Ask {
    fn wanted(self) -> Result<Wanted, Problem> {
        if self.params.is_some_and(|p| !p.is_null()) {
            let detail = "Parameters are not supported; write the values into the SQL.";
            return Err(Problem::invalid("params", "unsupported", detail));
        }
        match (self.sql, self.question) {
            (Some(_), Some(_)) => {
                let detail = "Ask in SQL or in plain language, not both.";
                return Err(Problem::invalid("question", "contradiction", detail));
            }
            (Some(sql), None) => return Ok(Wanted::Sql(sql)),
            (None, Some(question)) => return Ok(Wanted::Question(Question::parse("question", &question)?)),
            (None, None) => {}
        }
        let others = [&self.context, &self.metrics, &self.dimensions, &self.filters];
        if others.iter().any(|o| o.is_some()) {
            let detail = "Contexts are not configured on this server; ask in SQL or in plain language.";
            return Err(Problem::new(Code::QuestionUnsupported, detail));
        }
        Err(Problem::invalid("sql", "missing", "There is no SQL to run."))
    }
}

/// Ask in SQL or in plain language
///
/// One read-only query over the workspace's datasets, each under its name; or a question, for which a language
/// model writes such a query: it is checked before it is run, goes back to the model with what is wrong at most
/// three times, and always comes with the answer. The answer is JSON, or by
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
                ("Weir-Cache" = String, description = "`hit; tier=1` or `miss`"),
                ("Weir-Run-Id" = String, description = "The run"),
                ("Weir-Query-Id" = String, description = "The pattern"),
                ("Weir-Truncated" = bool, description = "Whether a limit cut rows off"),
            )
        ),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "`not_acceptable`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`, `model_key_unreadable`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "What is wrong with the SQL and where, or which limit it ran into; `question_unanswered` with the last SQL that a model tried, `model_key_refused`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`, `too_many_questions`", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "`model_not_configured`, with what to configure; `question_unsupported`", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "`model_unreachable`, `model_refused`, `model_malformed`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`model_busy`, `log_unavailable`, `storage_unavailable`", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`model_timeout`", body = Problem, content_type = "application/problem+json"),
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
    let wanted = ask.wanted()?;
    fresh(&app, position).await?;
    let cx = context(&caller, &request);
    let asked = match wanted {
        Wanted::Sql(sql) => Box::pin(app.ask(&cx, &sql, limit)).await.map(|run| (run, sql, None)),
        Wanted::Question(question) => {
            let answered = Box::pin(app.ask_question(&cx, caller.user, &question, limit)).await;
            answered.map(|Answered { run, written, question, model }| {
                (run, written.sql, Some((question, model, written.explanation, written.rounds)))
            })
        }
    };
    let (run, sql, origin) = match asked {
        Ok(asked) => asked,
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
    let (question, model, explanation, rounds) = match origin {
        Some((question, model, explanation, rounds)) => {
            (Some(question), Some(model), Some(explanation), Some(rounds))
        }
        None => (None, None, None, None),
    };
    let mut response = respond(format, &ran.kept.answer, move |rows| AnswerView {
        run_id: id.0,
        query_id: query_id.0,
        sql,
        question,
        model,
        explanation,
        rounds,
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
