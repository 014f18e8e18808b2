//! `GET /api/v1/usage`: what a workspace did, day by day.

use actix_web::HttpResponse;
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use weir_infra::http::Problem;

use crate::{
    http::Unanswered,
    latency::{Latencies, rate},
    params::{Common, Params},
    read::{Read, Then},
    reader::{Decoded, Reader},
};

/// The days' statement.
pub(crate) const DAYS: &str = include_str!("days.sql");
/// The statement that counts people over all days.
pub(crate) const USERS: &str = include_str!("users.sql");

/// Days when nothing else is asked for.
pub(crate) const DEFAULT_DAYS: u64 = 30;
/// The most days in one answer.
const MAX_DAYS: i64 = 366;

/// What a workspace did, day by day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Usage {
    /// The first day.
    pub(crate) from: NaiveDate,
    /// The last day.
    pub(crate) to: NaiveDate,
    /// Every day from the first to the last.
    pub(crate) days: Vec<Day>,
    /// All of them together.
    pub(crate) totals: Totals,
}

/// What a workspace did on a day (UTC).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = UsageDay)]
pub(crate) struct Day {
    /// The day.
    pub(crate) date: NaiveDate,
    /// What was done on it.
    #[serde(flatten)]
    pub(crate) totals: Totals,
}

/// What was done in some time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = UsageTotals)]
pub(crate) struct Totals {
    /// Files that arrived.
    pub(crate) uploads: i64,
    /// Runs of queries.
    pub(crate) queries: i64,
    /// Those of them that failed.
    pub(crate) failed_queries: i64,
    /// Charts that were saved.
    pub(crate) visualizations: i64,
    /// People who did anything.
    pub(crate) active_users: i64,
    /// The median time of answered runs, in milliseconds, within 5 %.
    pub(crate) p50_ms: Option<f64>,
    /// The time that 95 % of answered runs kept within, in milliseconds, within 5 %.
    pub(crate) p95_ms: Option<f64>,
    /// The share of answered runs that a cache served, from 0 to 1.
    pub(crate) cache_hit_rate: Option<f64>,
}

/// A day, and what is needed to add it to others.
pub(crate) struct Counted {
    date: NaiveDate,
    pub(crate) totals: Totals,
    cache_hits: i64,
    pub(crate) latencies: Latencies,
}

impl Counted {
    pub(crate) fn from_row(row: &Row) -> Decoded<Self> {
        let latencies = Latencies::from_row(row)?;
        let mut totals = Totals {
            uploads: row.try_get("uploads")?,
            queries: row.try_get("queries")?,
            failed_queries: row.try_get("failed_queries")?,
            visualizations: row.try_get("visualizations")?,
            active_users: row.try_get("active_users")?,
            ..Totals::default()
        };
        let cache_hits = row.try_get("cache_hits")?;
        totals.finish(&latencies, cache_hits);
        Ok(Self { date: row.try_get("day")?, totals, cache_hits, latencies })
    }

    pub(crate) fn into_day(self) -> Day {
        Day { date: self.date, totals: self.totals }
    }
}

impl Totals {
    fn finish(&mut self, latencies: &Latencies, cache_hits: i64) {
        self.p50_ms = latencies.percentile(0.5);
        self.p95_ms = latencies.percentile(0.95);
        self.cache_hit_rate = rate(cache_hits, self.queries - self.failed_queries);
    }

    /// All days together. Who was active on several days is one person.
    pub(crate) fn of(days: &[Counted], active_users: i64) -> Self {
        let mut sum = Self { active_users, ..Self::default() };
        let (mut latencies, mut cache_hits) = (Latencies::default(), 0);
        for day in days {
            sum.uploads += day.totals.uploads;
            sum.queries += day.totals.queries;
            sum.failed_queries += day.totals.failed_queries;
            sum.visualizations += day.totals.visualizations;
            cache_hits += day.cache_hits;
            latencies.add(&day.latencies);
        }
        sum.finish(&latencies, cache_hits);
        sum
    }
}

/// Some days in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// The first.
    pub(crate) from: NaiveDate,
    /// The last.
    pub(crate) to: NaiveDate,
}

impl Period {
    /// That many days, the last of which is `to`.
    pub(crate) fn last(days: u64, to: NaiveDate) -> Self {
        Self { from: to.checked_sub_days(Days::new(days.saturating_sub(1))).unwrap_or(to), to }
    }

    /// Takes `days`, or `from` and `to`.
    pub(crate) fn take(params: &mut Params, today: NaiveDate) -> Self {
        let days = params.number("days", 1..=MAX_DAYS);
        let from: Option<NaiveDate> = params.take("from", "a date such as 2026-01-31");
        let to: Option<NaiveDate> = params.take("to", "a date such as 2026-01-31");
        if days.is_some() && from.is_some() {
            params.refuse("days", "contradiction", "cannot stand beside `from`");
        }
        let to = to.unwrap_or(today);
        let days = days.and_then(|d| u64::try_from(d).ok()).unwrap_or(DEFAULT_DAYS);
        let period = from.map_or(Self::last(days, to), |from| Self { from, to });
        let length = (period.to - period.from).num_days();
        if !(0..MAX_DAYS).contains(&length) {
            params.refuse(
                "from",
                "out_of_range",
                format!("must be at most {MAX_DAYS} days before `to`, and not after it"),
            );
        }
        period
    }

    pub(crate) async fn days(&self, db: &Reader<'_>) -> Result<Vec<Counted>, Problem> {
        db.all(DAYS, &[&self.from, &self.to], Counted::from_row).await
    }
}

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by Period::take")]
pub(crate) struct Filter {
    /// How many days, the last being `to`; 30 unless said otherwise.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u32>,
    /// The first day, in place of `days`.
    from: Option<NaiveDate>,
    /// The last day, today (UTC) unless said otherwise.
    to: Option<NaiveDate>,
}

/// Show usage by day
///
/// Days are those of UTC; days without anything are there with zeroes.
#[utoipa::path(
    get,
    path = "/api/v1/usage",
    tag = "dashboard",
    operation_id = "get_usage",
    params(Filter, Common, Then),
    responses(
        (status = 200, description = "The days", body = Usage),
        Unanswered,
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get(mut read: Read) -> Result<HttpResponse, Problem> {
    let today = read.today();
    let period = Period::take(&mut read.params, today);
    let wanted = read.whole::<Usage>()?;
    read.answer(wanted, async |db| {
        let Period { from, to } = period;
        let users = async { db.first(USERS, &[&from, &to], |row| row.try_get("active_users")).await };
        let (days, users) = futures::try_join!(period.days(db), users)?;
        let totals = Totals::of(&days, users.unwrap_or_default());
        Ok(Usage { from, to, days: days.into_iter().map(Counted::into_day).collect(), totals })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn take(query: &str) -> Option<Period> {
        let mut params = Params::parse(query);
        let period = Period::take(&mut params, date("2026-03-01"));
        params.finish().is_ok().then_some(period)
    }

    #[test]
    fn periods_end_today_unless_said_otherwise() {
        assert_eq!(take(""), Some(Period { from: date("2026-01-31"), to: date("2026-03-01") }));
        assert_eq!(take("days=1"), Some(Period { from: date("2026-03-01"), to: date("2026-03-01") }));
        assert_eq!(take("days=2&to=2026-02-01").map(|p| p.from), Some(date("2026-01-31")));
        assert_eq!(take("from=2026-02-27").map(|p| p.to), Some(date("2026-03-01")));
    }

    #[test]
    fn periods_that_make_no_sense_are_refused() {
        for query in
            ["days=0", "days=367", "from=2026-03-02", "from=2020-01-01", "days=3&from=2026-02-27", "to=x"]
        {
            assert_eq!(take(query), None, "{query}");
        }
    }
}
