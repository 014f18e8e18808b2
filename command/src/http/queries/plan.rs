//! `POST /api/v1/queries/plan`

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::{
    auth::{Caller, Viewer},
    http::{Json, MinPosition, Problem, position_header},
};

use super::run::{Ask, Wanted};
use crate::{
    app::App,
    http::{
        answer::{ColumnView, SourceView},
        common::fresh,
    },
};

/// What would be done for a query.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = QueryPlan)]
pub(super) struct PlanView {
    /// The pattern: SQL that differs only in its literals shares it.
    query_id: Uuid,
    /// The SQL as asked, or as it follows from the context.
    sql: String,
    /// The columns that the answer would have.
    columns: Vec<ColumnView>,
    /// What would be read.
    datasets: Vec<SourceView>,
    /// The engine's steps, one a line, each indented below the one that it feeds. For people: its form may change.
    plan: String,
}

/// Plan a query
///
/// The SQL, what it would read, the columns of its answer, and the steps that the engine would take, without taking
/// them: nothing is read, and nothing is written down. It takes its turn among the workspace's queries. `limit` says
/// nothing here.
#[utoipa::path(
    post,
    path = "/api/v1/queries/plan",
    tag = "queries",
    operation_id = "plan_query",
    request_body = Ask,
    responses(
        (status = 200, description = "The plan", body = PlanView),
        (status = 401, description = "No valid token", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`context_not_found`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`dataset_not_ready`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "What is wrong with the SQL and where; `invalid_context` with what is wrong with the request or the context", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_queries`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`storage_unavailable`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("bearer" = []))
)]
pub(super) async fn plan(
    caller: Caller<Viewer>,
    app: Data<App>,
    position: MinPosition,
    Json(ask): Json<Ask>,
) -> Result<HttpResponse, Problem> {
    let wanted = ask.wanted()?;
    fresh(&app, position).await?;
    let at = app.directory().position();
    let sql = match wanted {
        Wanted::Sql(sql) => sql,
        Wanted::Context(context, asked) => app.sql_in(caller.workspace, &context, asked).await?,
        Wanted::Question(_) => {
            let detail = "There is nothing to plan before a model has written the SQL: ask the question.";
            return Err(Problem::invalid("question", "contradiction", detail));
        }
    };
    let plan = Box::pin(app.plan(caller.workspace, &sql)).await?;
    let view = PlanView {
        query_id: plan.query_id.0,
        sql,
        columns: plan.columns.into_iter().map(ColumnView::from).collect(),
        datasets: plan.sources.iter().map(SourceView::from).collect(),
        plan: plan.plan,
    };
    let mut response = HttpResponse::Ok().json(view);
    position_header(&mut response, at);
    Ok(response)
}
