//! `GET /api/v1/dashboard`: everything at a glance, all of it at one position.

use actix_web::HttpResponse;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{List, Problem};

use super::{
    activity::{self, Activity},
    contexts::{self, Context},
    datasets::{self, Dataset},
    insights::{self, Insights},
    runs::{self, Run},
    usage::{Counted, DEFAULT_DAYS, Day, Period, Totals},
    visualizations::{self, Visualization},
};
use crate::{
    http::Unanswered,
    latency::rate,
    params::Common,
    read::{Read, Then},
    reader::{Decoded, Reader},
};

/// The overview's statement.
pub(crate) const OVERVIEW: &str = include_str!("overview.sql");

/// How many recent things of each kind.
const RECENT: u32 = 10;
/// How many charts in the gallery.
const GALLERY: u32 = 12;
/// How many entries of activity.
const ACTIVITY: u32 = 20;
/// How many insights of each kind.
const INSIGHTS: usize = 5;

/// Everything at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Dashboard {
    /// The position in the event stream that all of it shows.
    #[serde(skip_serializing_if = "comes_later")]
    #[schema(required = true, minimum = 0)]
    pub(crate) position: u64,
    /// The moment that it shows; null for the present.
    pub(crate) as_of: Option<DateTime<Utc>>,
    /// The sums.
    pub(crate) overview: DashboardOverview,
    /// What was done last.
    pub(crate) recent: Recent,
    /// The newest charts.
    pub(crate) gallery: Vec<Visualization>,
    /// What happened last.
    pub(crate) activity: Vec<Activity>,
    /// What can be learnt from it.
    pub(crate) insights: Insights,
    /// The last 30 days.
    pub(crate) usage: UsageDays,
}

/// The position is put in when the answer goes out: see [`crate::cache::Body`].
fn comes_later(_: &u64) -> bool {
    true
}

/// The sums at the top.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Overview)]
pub(crate) struct DashboardOverview {
    /// Datasets that can be queried.
    pub(crate) datasets: i64,
    /// The bytes of their files, as they were received.
    pub(crate) total_bytes: i64,
    /// Their rows.
    pub(crate) total_rows: i64,
    /// Runs of queries.
    pub(crate) queries: i64,
    /// Those of today (UTC).
    pub(crate) queries_today: i64,
    /// Those that failed.
    pub(crate) failed_queries: i64,
    /// The median time of the last 30 days' answered runs, in milliseconds, within 5 %.
    pub(crate) p50_ms: Option<f64>,
    /// The time that 95 % of the last 30 days' answered runs kept within, in milliseconds, within 5 %.
    pub(crate) p95_ms: Option<f64>,
    /// The share of all answered runs that a cache served, from 0 to 1.
    pub(crate) cache_hit_rate: Option<f64>,
    /// Saved charts.
    pub(crate) visualizations: i64,
    /// Contexts that are not deleted.
    pub(crate) contexts: i64,
}

/// What was done last.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Recent {
    /// The last runs of queries.
    pub(crate) queries: Vec<Run>,
    /// The last uploads.
    pub(crate) uploads: Vec<Dataset>,
    /// The charts that were saved last.
    pub(crate) visualizations: Vec<RecentVisualization>,
    /// The contexts that were changed last.
    pub(crate) contexts: Vec<Context>,
}

/// A chart without its specification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct RecentVisualization {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: String,
    /// What its author said about it.
    pub(crate) description: Option<String>,
    /// The pattern of the SQL that it draws.
    pub(crate) query_id: Uuid,
    /// When it was first saved.
    pub(crate) created_at: DateTime<Utc>,
    /// Who saved it first.
    pub(crate) created_by: Option<Uuid>,
    /// When it was last changed.
    pub(crate) updated_at: DateTime<Utc>,
}

/// Usage by day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct UsageDays {
    /// Every day, the last being today (UTC).
    pub(crate) days: Vec<Day>,
}

/// The sums as they are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overview {
    pub(crate) datasets: i64,
    pub(crate) total_bytes: i64,
    pub(crate) total_rows: i64,
    pub(crate) queries: i64,
    pub(crate) failed_queries: i64,
    pub(crate) cache_hits: i64,
    pub(crate) visualizations: i64,
    pub(crate) contexts: i64,
    /// Whether there is any dataset, in whatever state, that is not deleted.
    pub(crate) any_upload: bool,
}

impl Overview {
    pub(crate) async fn read(db: &Reader<'_>) -> Result<Self, Problem> {
        Ok(db.first(OVERVIEW, &[], Self::from_row).await?.unwrap_or_default())
    }

    fn from_row(row: &Row) -> Decoded<Self> {
        Ok(Self {
            datasets: row.try_get("datasets")?,
            total_bytes: row.try_get("total_bytes")?,
            total_rows: row.try_get("total_rows")?,
            queries: row.try_get("queries")?,
            failed_queries: row.try_get("failed_queries")?,
            cache_hits: row.try_get("cache_hits")?,
            visualizations: row.try_get("visualizations")?,
            contexts: row.try_get("contexts")?,
            any_upload: row.try_get("any_upload")?,
        })
    }

    /// With what the last days, today being the last, say beside it.
    fn with(self, days: &[Counted]) -> DashboardOverview {
        let Totals { p50_ms, p95_ms, .. } = Totals::of(days, 0);
        DashboardOverview {
            datasets: self.datasets,
            total_bytes: self.total_bytes,
            total_rows: self.total_rows,
            queries: self.queries,
            queries_today: days.last().map_or(0, |day| day.totals.queries),
            failed_queries: self.failed_queries,
            p50_ms,
            p95_ms,
            cache_hit_rate: rate(self.cache_hits, self.queries - self.failed_queries),
            visualizations: self.visualizations,
            contexts: self.contexts,
        }
    }
}

/// Show the dashboard
///
/// Everything at a glance, consistent: all of it is as of one position.
#[utoipa::path(
    get,
    path = "/api/v1/dashboard",
    tag = "dashboard",
    operation_id = "get_dashboard",
    params(Common, Then),
    responses(
        (status = 200, description = "The dashboard", body = Dashboard),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read) -> Result<HttpResponse, Problem> {
    let wanted = read.whole_with_position::<Dashboard>()?;
    let (today, as_of) = (read.today(), read.as_of());
    // Boxed, so that the handler's own state stays small.
    read.answer(wanted, async |db| Box::pin(load(db, today, as_of)).await).await
}

/// Reads it all.
pub(crate) async fn load(
    db: &Reader<'_>,
    today: NaiveDate,
    as_of: Option<DateTime<Utc>>,
) -> Result<Dashboard, Problem> {
    let period = Period::last(DEFAULT_DAYS, today);
    let none = activity::Filter::default();
    let recent_activity = activity::LIST.first(ACTIVITY)?;
    // All on their way before the first answer is back.
    let (overview, days, queries, uploads, gallery, contexts, activity, insights) = futures::try_join!(
        Overview::read(db),
        period.days(db),
        runs::list::newest(db, RECENT),
        datasets::list::newest(db, RECENT, today),
        visualizations::list::newest(db, GALLERY),
        contexts::list::newest(db, RECENT),
        none.read(&recent_activity, db),
        insights::Found::read(db, today, INSIGHTS),
    )?;
    let recent = gallery.items.iter().take(RECENT as usize).map(RecentVisualization::of).collect();
    let List { items: activity, .. } = activity;
    Ok(Dashboard {
        position: 0,
        as_of,
        overview: overview.with(&days),
        recent: Recent {
            queries: queries.items,
            uploads: uploads.items,
            visualizations: recent,
            contexts: contexts.items,
        },
        gallery: gallery.items,
        activity,
        insights: insights.into_insights(&overview),
        usage: UsageDays { days: days.into_iter().map(Counted::into_day).collect() },
    })
}

impl RecentVisualization {
    fn of(chart: &Visualization) -> Self {
        Self {
            id: chart.id,
            name: chart.name.clone(),
            description: chart.description.clone(),
            query_id: chart.query_id,
            created_at: chart.created_at,
            created_by: chart.created_by,
            updated_at: chart.updated_at,
        }
    }
}
