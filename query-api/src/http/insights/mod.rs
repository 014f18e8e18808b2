//! `GET /api/v1/insights`: what is used most, what is asked, and what could be done next.

pub(crate) mod actions;

use std::collections::HashSet;

use actix_web::HttpResponse;
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Row, types::Json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use weir_events::{ActionId, action::About};
use weir_infra::http::Problem;

use self::actions::{Action, Attention, Facts, Failing, Kind, Subject, Why};
use super::{
    dashboard::Overview,
    datasets::Rejection,
    queries::Query,
    usage::{DEFAULT_DAYS, Period},
};
use crate::{
    http::Unanswered,
    latency::rate,
    params::Common,
    read::{Read, Then},
    reader::{Decoded, Reader},
};

/// The statement of the most used datasets.
pub(crate) const MOST_USED: &str = include_str!("most_used.sql");
/// The statement of the patterns that are run most.
pub(crate) const PATTERNS: &str = include_str!("patterns.sql");
/// The statement of the patterns that fail most.
pub(crate) const FAILING: &str = include_str!("failing.sql");
/// The statement of the datasets that want attention.
pub(crate) const DATASETS: &str = include_str!("datasets.sql");

/// The statement of what was dismissed.
pub(crate) const DISMISSED: &str = include_str!("dismissed.sql");

/// How many patterns the rules look at: those that are run most.
const LOOKED_AT: i64 = 50;

/// What can be learnt from a workspace's use.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Insights {
    /// The datasets that were read most in the last 30 days.
    pub(crate) most_used_datasets: Vec<UsedDataset>,
    /// The query patterns that are run most.
    pub(crate) query_patterns: Vec<Query>,
    /// What could be done next, the most pressing first.
    pub(crate) recommended_actions: Vec<Action>,
    /// What is recommended no more because someone dismissed it, the last first.
    pub(crate) dismissed_actions: Vec<Dismissed>,
}

/// An action that someone dismissed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = DismissedAction)]
pub(crate) struct Dismissed {
    /// Names it.
    pub(crate) id: String,
    /// What kind of thing to do.
    pub(crate) kind: Kind,
    /// What to do, in a few words.
    pub(crate) title: String,
    /// What it is about; null for the workspace as a whole.
    pub(crate) subject: Option<Subject>,
    /// When it was dismissed.
    pub(crate) dismissed_at: DateTime<Utc>,
    /// Who dismissed it.
    pub(crate) dismissed_by: Option<Uuid>,
}

impl Dismissed {
    fn from_row(row: &Row) -> Decoded<Option<Self>> {
        let id: String = row.try_get("action")?;
        // A newer version of this program may know kinds that this one does not.
        let Ok(action) = id.parse::<ActionId>() else { return Ok(None) };
        let kind = Kind::from(action.kind());
        let name: Option<String> = row.try_get("name")?;
        let type_ = if action.kind().about() == About::Query { "query" } else { "dataset" };
        Ok(Some(Self {
            id,
            kind,
            title: kind.title(name.as_deref()),
            subject: action.thing().map(|id| Subject { kind: type_, id, name }),
            dismissed_at: row.try_get("at")?,
            dismissed_by: row.try_get("user_id")?,
        }))
    }
}

/// How much a dataset is read.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct UsedDataset {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// Its rows.
    pub(crate) rows: Option<i64>,
    /// The runs that read it in the last 30 days.
    pub(crate) queries: i64,
    /// Their share of all reading, from 0 to 1.
    pub(crate) share: Option<f64>,
    /// When a query last read it.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

impl UsedDataset {
    fn from_row(row: &Row) -> Decoded<Self> {
        let queries = row.try_get("queries")?;
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            rows: row.try_get("rows")?,
            queries,
            share: rate(queries, row.try_get("all_queries")?),
            last_used_at: row.try_get("last_used_at")?,
        })
    }
}

/// What the insights are made of.
pub(crate) struct Found {
    most_used: Vec<UsedDataset>,
    patterns: Vec<(Query, Vec<String>)>,
    failing: Vec<Failing>,
    datasets: Vec<Attention>,
    dismissed: Vec<Dismissed>,
    limit: usize,
}

impl Found {
    /// Reads it, for at most `limit` insights of each kind.
    pub(crate) async fn read(db: &Reader<'_>, today: NaiveDate, limit: usize) -> Result<Self, Problem> {
        let Period { from, to } = Period::last(DEFAULT_DAYS, today);
        let many = i64::try_from(limit).unwrap_or(LOOKED_AT);
        let patterns_wanted = many.max(LOOKED_AT);
        let unused_since = from.and_time(NaiveTime::MIN).and_utc();
        let (most_used, patterns, failing, datasets, dismissed) = futures::try_join!(
            async { db.all(MOST_USED, &[&from, &to, &many], UsedDataset::from_row).await },
            async { db.all(PATTERNS, &[&patterns_wanted], pattern).await },
            async { db.all(FAILING, &[&actions::FAILURES, &many], failing).await },
            async { db.all(DATASETS, &[&unused_since, &many], attention).await },
            async { db.all(DISMISSED, &[&many], Dismissed::from_row).await },
        )?;
        let dismissed = dismissed.into_iter().flatten().collect();
        Ok(Self { most_used, patterns, failing, datasets, dismissed, limit })
    }

    /// What can be learnt from it.
    pub(crate) fn into_insights(mut self, overview: &Overview) -> Insights {
        let mut dismissed: HashSet<String> = self.dismissed.iter().map(|d| d.id.clone()).collect();
        let mut patterns = Vec::with_capacity(self.patterns.len());
        for (pattern, about_it) in self.patterns {
            patterns.push(pattern);
            dismissed.extend(about_it);
        }
        let facts = Facts {
            overview,
            patterns: &patterns,
            failing: &self.failing,
            datasets: &self.datasets,
            dismissed: &dismissed,
        };
        let mut recommended_actions = actions::recommend(&facts);
        recommended_actions.truncate(self.limit);
        patterns.truncate(self.limit);
        // What is about the workspace as a whole comes first from the tables, whenever it was.
        self.dismissed.sort_by_key(|d| std::cmp::Reverse(d.dismissed_at));
        self.dismissed.truncate(self.limit);
        Insights {
            most_used_datasets: self.most_used,
            query_patterns: patterns,
            recommended_actions,
            dismissed_actions: self.dismissed,
        }
    }
}

fn pattern(row: &Row) -> Decoded<(Query, Vec<String>)> {
    Ok((Query::from_row(row)?, row.try_get("dismissed")?))
}

fn failing(row: &Row) -> Decoded<Failing> {
    Ok(Failing {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        sql: row.try_get("sql")?,
        runs: row.try_get("runs")?,
        failures: row.try_get("failures")?,
        last_run_at: row.try_get("last_run_at")?,
        code: row.try_get("code")?,
        detail: row.try_get("detail")?,
    })
}

fn attention(row: &Row) -> Decoded<Attention> {
    let why: &str = row.try_get("why")?;
    let rejection: Option<Json<Rejection>> = row.try_get("reason")?;
    Ok(Attention {
        why: match (why, rejection) {
            ("rejected", Some(rejection)) => Why::Rejected(rejection.0),
            ("unused", _) => Why::Unused,
            _ => Why::Unread,
        },
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        rows: row.try_get("rows")?,
        bytes: row.try_get("upload_bytes")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
        file_name: row.try_get("file_name")?,
        rejected_version: row.try_get("rejected_version")?,
    })
}

/// How much.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read one by one, so that unknown ones can be refused")]
pub(crate) struct Filter {
    /// The most entries in each list; 20 unless said otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Show insights
///
/// What is used most, what is asked, and what could be done next, with the evidence.
#[utoipa::path(
    get,
    path = "/api/v1/insights",
    tag = "dashboard",
    operation_id = "get_insights",
    params(Filter, Common, Then),
    responses(
        (status = 200, description = "The insights", body = Insights),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read) -> Result<HttpResponse, Problem> {
    let limit = read.params.number("limit", 1..=200).and_then(|n| usize::try_from(n).ok()).unwrap_or(20);
    let wanted = read.whole::<Insights>()?;
    let today = read.today();
    read.answer(wanted, async |db| {
        let (overview, found) = futures::try_join!(Overview::read(db), Found::read(db, today, limit))?;
        Ok(found.into_insights(&overview))
    })
    .await
}
