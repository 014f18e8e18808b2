//! `POST /api/v1/queries`

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    http::header::{HeaderName, HeaderValue},
    web::Data,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_engine::{
    context::{Order, Params, Request},
    sql,
};
use weir_events::query::Within;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Code, Json, MinPosition, Place, Problem, RequestContext, position_header},
};

use crate::{
    app::{
        App, context,
        contexts::{Checked, In},
        queries::Run,
        questions::{Answered, Question},
    },
    domain::validate,
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
    /// A question in plain language, for which a language model writes the SQL; at most 2,000 characters.
    #[serde(default)]
    question: Option<String>,
    /// A context, by name or id, in its newest version, or `name@1.2.0` in that one. With `sql`, its metrics can be
    /// named like columns; else `metrics` and `dimensions` say what is wanted.
    #[serde(default)]
    #[schema(example = "New York flights")]
    context: Option<String>,
    /// Ids of the context's metrics.
    #[serde(default)]
    metrics: Vec<String>,
    /// Columns to break them down by, as `carrier` or `flights.carrier`.
    #[serde(default)]
    dimensions: Vec<String>,
    /// Ids of the context's filters, or conditions in SQL; all have to hold.
    #[serde(default)]
    filters: Vec<String>,
    /// Values by name: for `$name` in the SQL, a list for `IN ($names)`; or for the parameters of the context's filters.
    #[serde(default)]
    #[schema(value_type = Object)]
    params: Params,
    /// Ids of the relationships to go by, where there are several ways to join.
    #[serde(default)]
    via: Vec<String>,
    /// Columns of the answer to order by.
    #[serde(default)]
    order_by: Vec<By>,
}

/// A column to order by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = r#"an object {"by": "...", "descending": true}"#)]
#[schema(as = OrderBy)]
pub(super) struct By {
    /// A metric or a dimension, as it is asked for.
    by: String,
    /// The largest first.
    #[serde(default)]
    descending: bool,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryAnswer)]
pub(super) struct AnswerView {
    /// This run.
    run_id: Uuid,
    /// The pattern: SQL that differs only in its literals shares it.
    query_id: Uuid,
    /// The SQL as asked, as a language model wrote it, or as it follows from the context.
    sql: String,
    /// The context that it was asked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<ContextView>,
    /// What the context's rules of validation and quality say of the datasets that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<RuleView>,
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

/// A context that a query was asked in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnswerContext)]
struct ContextView {
    /// The context.
    id: Uuid,
    /// Its name.
    name: String,
    /// The version.
    version: String,
}

/// How many rows break a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnswerRule)]
struct RuleView {
    /// The rule.
    id: String,
    /// `validation` or `quality`.
    rule_type: &'static str,
    /// `error`, `warning` or `info`.
    severity: &'static str,
    /// The context's words for rows that break it.
    message: Option<String>,
    /// All rows that it was held against; null where they could not be counted.
    rows: Option<u64>,
    /// The rows that break it.
    broken: Option<u64>,
    /// The rows in which a value is missing that would tell. They do not break it.
    undecided: Option<u64>,
}

impl From<Checked> for RuleView {
    fn from(c: Checked) -> Self {
        Self {
            id: c.id,
            rule_type: c.rule_type,
            severity: c.severity,
            message: c.message,
            rows: c.counts.map(|c| c.rows),
            broken: c.counts.map(|c| c.broken),
            undecided: c.counts.map(|c| c.undecided),
        }
    }
}

/// How something is asked.
pub(super) enum Wanted {
    Sql(String),
    Question(Question),
    Context(String, In),
}

impl Ask {
    pub(super) fn wanted(self) -> Result<Wanted, Problem> {
        let contradiction = |field, detail: &str| Err(Problem::invalid(field, "contradiction", detail));
        let request = Request {
            metrics: self.metrics,
            dimensions: self.dimensions,
            filters: self.filters,
            params: self.params,
            via: self.via,
            order: self.order_by.into_iter().map(|o| Order { by: o.by, descending: o.descending }).collect(),
            limit: None,
        };
        let parts = Request { params: Default::default(), ..request.clone() };
        let requested = parts != Request::default();
        match (self.sql, self.question, self.context) {
            (Some(_), Some(_), _) => contradiction("question", "Ask in SQL or in plain language, not both."),
            (_, Some(_), Some(_)) => contradiction(
                "context",
                "A question in plain language knows all contexts; ask it without one.",
            ),
            (Some(_), _, _) if requested => {
                contradiction("metrics", "Ask in SQL or for metrics and dimensions, not both.")
            }
            (None, Some(_), None) if requested => {
                contradiction("metrics", "Ask in plain language or for metrics and dimensions, not both.")
            }
            (Some(sql), None, context) => {
                let sql = bound(sql, &request.params)?;
                Ok(match context {
                    Some(context) => Wanted::Context(context, In::Sql(sql)),
                    None => Wanted::Sql(sql),
                })
            }
            (None, None, Some(context)) => Ok(Wanted::Context(context, In::Request(request))),
            (None, Some(_), None) if !request.params.is_empty() => {
                contradiction("params", "A question in plain language has its values in its words.")
            }
            (None, Some(question), None) => Ok(Wanted::Question(Question::parse("question", &question)?)),
            (None, None, None) if requested => {
                Err(Problem::invalid("context", "missing", "Metrics and dimensions are those of a context."))
            }
            (None, None, None) => {
                let detail =
                    "There is nothing to run: send `sql`, a `question`, or a `context` with `metrics`.";
                Err(Problem::invalid("sql", "missing", detail))
            }
        }
    }
}

/// SQL with the values in it. Without any it is left as it is: what is wrong with it then, the engine knows better.
fn bound(sql: String, params: &Params) -> Result<String, Problem> {
    if params.is_empty() {
        return Ok(sql);
    }
    sql::bind(&validate::sql("sql", &sql)?, params).map_err(|e| {
        let field = if e.code == sql::Code::SyntaxError { "sql" } else { "params" };
        Problem::new(Code::InvalidValue, e.detail.clone()).place(Place {
            field: Some(field.to_owned()),
            line: e.line,
            column: e.column,
            code: e.code.as_str().into(),
            detail: e.detail,
        })
    })
}

/// Ask in SQL, in plain language, or for a context's metrics
///
/// One read-only query over the workspace's datasets, each under its name; or a question, for which a language
/// model writes such a query: it is checked before it is run, goes back to the model with what is wrong at most
/// three times, and always comes with the answer; or a context with the metrics and dimensions that are wanted, of
/// which the SQL follows. The answer is JSON, or by
/// Accept `text/csv`, `application/vnd.apache.parquet` or `application/vnd.apache.arrow.stream`;
/// what JSON says around the rows stands in headers then. Every run, answered or not, is written
/// down with its receipt; what a context refuses never becomes a run. A caller who goes away cancels it.
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
        (status = 404, description = "`context_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`, `model_key_unreadable`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "What is wrong with the SQL and where, or which limit it ran into; `invalid_context` with what is wrong with the request or the context; `question_unanswered` with the last SQL that a model tried, `model_key_refused`", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`, `too_many_questions`", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "`model_not_configured`, with what to configure", body = Problem, content_type = "application/problem+json"),
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
        Wanted::Sql(sql) => Box::pin(app.ask(&cx, &sql, limit)).await.map(|run| (run, sql, Origin::Person)),
        Wanted::Question(question) => {
            let answered = Box::pin(app.ask_question(&cx, caller.user, &question, limit)).await;
            answered.map(|Answered { run, written, question, model }| {
                (run, written.sql, Origin::Model(question, model, written.explanation, written.rounds))
            })
        }
        Wanted::Context(context, asked) => {
            let answered = Box::pin(app.ask_in(&cx, &context, asked, limit)).await;
            answered.map(|a| (a.run, a.sql, Origin::Context(a.within, a.rules)))
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
    let (mut question, mut model, mut explanation, mut rounds) = (None, None, None, None);
    let (mut context, mut rules) = (None, Vec::new());
    match origin {
        Origin::Person => {}
        Origin::Model(asked, by, why, tries) => {
            (question, model, explanation, rounds) = (Some(asked), Some(by), Some(why), Some(tries));
        }
        Origin::Context(within, checked) => {
            context = Some(ContextView { id: within.id.0, name: within.name, version: within.version });
            rules = checked.into_iter().map(RuleView::from).collect();
        }
    }
    let mut response = respond(format, &ran.kept.answer, move |rows| AnswerView {
        run_id: id.0,
        query_id: query_id.0,
        sql,
        context,
        rules,
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

/// Where the SQL of an answer comes from.
enum Origin {
    Person,
    /// The question, the model, what it says, how often it tried.
    Model(String, String, String, u32),
    Context(Within, Vec<Checked>),
}

fn id_header(response: &mut HttpResponse, name: HeaderName, id: Uuid) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(name, value);
    }
}
