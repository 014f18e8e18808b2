//! What could be done next: simple rules, each with the evidence that it goes by.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_events::{ActionId, ActionKind};

use crate::http::{dashboard::Overview, datasets::Rejection, queries::Query};

/// From so many failures on (and at least half of the runs) a pattern is worth a look.
pub(crate) const FAILURES: i64 = 3;
/// From so many runs on it is worth making a pattern faster, in runs that were answered.
const SLOW_RUNS: i64 = 3;
/// What slow is: the time that 95 % of the runs keep within, in milliseconds.
const SLOW_MS: f64 = 1000.0;
/// From so many runs on a pattern is worth a name.
const FREQUENT: i64 = 5;

/// Something that could be done next.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Action {
    /// Names it, to dismiss it by: the same for as long as there is the same reason for it.
    #[schema(example = "fix_query.018f2b7a-0000-7000-8000-000000000003")]
    pub(crate) id: String,
    /// What kind of thing to do.
    pub(crate) kind: Kind,
    /// How pressing: 1 is the most.
    pub(crate) priority: u8,
    /// What to do, in a few words.
    pub(crate) title: String,
    /// Why, in a sentence.
    pub(crate) detail: String,
    /// What it is about; null for the workspace as a whole.
    pub(crate) subject: Option<Subject>,
    /// The numbers that it goes by.
    #[schema(value_type = Object)]
    pub(crate) evidence: Value,
}

/// What kind of thing to do. In the order in which they are recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ActionKind)]
pub(crate) enum Kind {
    /// There is nothing yet: upload a first file.
    UploadDataset,
    /// A file was rejected: mend it and upload it again.
    FixUpload,
    /// A pattern fails at least half of the time.
    FixQuery,
    /// A pattern takes long.
    SpeedUpQuery,
    /// A pattern is run often and has no name.
    SaveQuery,
    /// There are queries and no chart.
    SaveVisualization,
    /// A dataset was never read.
    QueryDataset,
    /// A dataset was not read for 30 days.
    ReviewDataset,
}

impl From<Kind> for ActionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::UploadDataset => Self::UploadDataset,
            Kind::FixUpload => Self::FixUpload,
            Kind::FixQuery => Self::FixQuery,
            Kind::SpeedUpQuery => Self::SpeedUpQuery,
            Kind::SaveQuery => Self::SaveQuery,
            Kind::SaveVisualization => Self::SaveVisualization,
            Kind::QueryDataset => Self::QueryDataset,
            Kind::ReviewDataset => Self::ReviewDataset,
        }
    }
}

impl From<ActionKind> for Kind {
    fn from(kind: ActionKind) -> Self {
        match kind {
            ActionKind::UploadDataset => Self::UploadDataset,
            ActionKind::FixUpload => Self::FixUpload,
            ActionKind::FixQuery => Self::FixQuery,
            ActionKind::SpeedUpQuery => Self::SpeedUpQuery,
            ActionKind::SaveQuery => Self::SaveQuery,
            ActionKind::SaveVisualization => Self::SaveVisualization,
            ActionKind::QueryDataset => Self::QueryDataset,
            ActionKind::ReviewDataset => Self::ReviewDataset,
        }
    }
}

impl Kind {
    /// What to do, in a few words, with a thing of that name.
    pub(crate) fn title(self, name: Option<&str>) -> String {
        let dataset = || name.unwrap_or("a dataset");
        let query = || name.map_or_else(|| "a query".to_owned(), |name| format!("the query {name}"));
        match self {
            Self::UploadDataset => "Upload a first file".to_owned(),
            Self::FixUpload => format!("Mend the file of {} and upload it again", dataset()),
            Self::FixQuery => format!("Mend {}", query()),
            Self::SpeedUpQuery => format!("Make {} faster", query()),
            Self::SaveQuery => "Give a frequent query a name".to_owned(),
            Self::SaveVisualization => "Save a first chart".to_owned(),
            Self::QueryDataset => format!("Ask something of {}", dataset()),
            Self::ReviewDataset => format!("See whether {} is still needed", dataset()),
        }
    }
}

/// The name of an action of that kind.
fn named(kind: Kind, thing: Option<Uuid>, version: Option<i32>) -> String {
    let version = version.and_then(|v| u32::try_from(v).ok());
    // Each rule below gives what its kind is about.
    ActionId::new(kind.into(), thing, version).map_or_else(|_| String::new(), |id| id.to_string())
}

/// What an action is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ActionSubject)]
pub(crate) struct Subject {
    /// `dataset` or `query`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// Which.
    pub(crate) id: Uuid,
    /// Its name, if it has one.
    pub(crate) name: Option<String>,
}

/// What the rules look at.
pub(crate) struct Facts<'a> {
    pub(crate) overview: &'a Overview,
    /// The patterns that are run most.
    pub(crate) patterns: &'a [Query],
    /// The patterns that fail most, save those whose mending was dismissed.
    pub(crate) failing: &'a [Failing],
    /// The datasets that want attention, save those about which that was dismissed.
    pub(crate) datasets: &'a [Attention],
    /// What was dismissed about the workspace and about its patterns.
    pub(crate) dismissed: &'a HashSet<String>,
}

/// A pattern that fails often, with its last failure.
pub(crate) struct Failing {
    pub(crate) id: Uuid,
    pub(crate) name: Option<String>,
    pub(crate) sql: String,
    pub(crate) runs: i64,
    pub(crate) failures: i64,
    pub(crate) last_run_at: Option<DateTime<Utc>>,
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
}

/// A dataset that wants attention.
pub(crate) struct Attention {
    pub(crate) why: Why,
    pub(crate) id: Uuid,
    pub(crate) name: String,
    pub(crate) rows: Option<i64>,
    pub(crate) bytes: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) file_name: Option<String>,
    pub(crate) rejected_version: Option<i32>,
}

/// Why a dataset wants attention.
pub(crate) enum Why {
    /// Its newest file could not be read.
    Rejected(Rejection),
    /// No query ever read it.
    Unread,
    /// No query read it for a while.
    Unused,
}

/// What could be done next, the most pressing first. A pure function of the facts.
pub(crate) fn recommend(facts: &Facts<'_>) -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    actions.extend(first_steps(facts.overview));
    actions.extend(facts.datasets.iter().map(about_dataset));
    actions.extend(facts.failing.iter().map(about_failing));
    actions.extend(facts.patterns.iter().filter_map(about_slow));
    actions.extend(facts.patterns.iter().filter_map(about_unsaved));
    actions.retain(|action| !facts.dismissed.contains(&action.id));
    // Stable: within a kind the facts' own order stays.
    actions.sort_by_key(|action| (action.priority, action.kind));
    actions
}

fn first_steps(overview: &Overview) -> Option<Action> {
    let answered = overview.queries - overview.failed_queries;
    if !overview.any_upload {
        return Some(Action {
            id: named(Kind::UploadDataset, None, None),
            kind: Kind::UploadDataset,
            priority: 1,
            title: Kind::UploadDataset.title(None),
            detail: "There is no dataset to ask anything of yet.".to_owned(),
            subject: None,
            evidence: json!({ "datasets": 0 }),
        });
    }
    (overview.visualizations == 0 && answered > 0).then(|| Action {
        id: named(Kind::SaveVisualization, None, None),
        kind: Kind::SaveVisualization,
        priority: 2,
        title: Kind::SaveVisualization.title(None),
        detail: format!(
            "{} answered so far, and none is drawn.",
            counted(answered, "query was", "queries were")
        ),
        subject: None,
        evidence: json!({ "queries": answered, "visualizations": 0 }),
    })
}

fn about_dataset(dataset: &Attention) -> Action {
    let name = &dataset.name;
    let (kind, priority, detail, evidence) = match &dataset.why {
        Why::Rejected(rejection) => (
            Kind::FixUpload,
            1,
            rejection.detail.clone(),
            json!({
                "code": rejection.code, "row": rejection.row, "column": rejection.column,
                "found": rejection.found, "file_name": dataset.file_name,
            }),
        ),
        Why::Unread => (
            Kind::QueryDataset,
            3,
            format!("No query has read {name} since it was uploaded."),
            json!({ "created_at": dataset.created_at, "rows": dataset.rows, "queries": 0 }),
        ),
        Why::Unused => (
            Kind::ReviewDataset,
            3,
            format!("No query has read {name} for more than 30 days."),
            json!({ "last_used_at": dataset.last_used_at, "bytes": dataset.bytes }),
        ),
    };
    let subject = Some(Subject { kind: "dataset", id: dataset.id, name: Some(name.clone()) });
    let id = named(kind, Some(dataset.id), dataset.rejected_version);
    Action { id, kind, priority, title: kind.title(Some(name)), detail, subject, evidence }
}

fn about_failing(query: &Failing) -> Action {
    Action {
        id: named(Kind::FixQuery, Some(query.id), None),
        kind: Kind::FixQuery,
        priority: 1,
        title: Kind::FixQuery.title(query.name.as_deref()),
        detail: format!("{} of {} failed.", query.failures, counted(query.runs, "run", "runs")),
        subject: Some(Subject { kind: "query", id: query.id, name: query.name.clone() }),
        evidence: json!({
            "runs": query.runs, "failures": query.failures, "last_run_at": query.last_run_at,
            "last_error": { "code": query.code, "detail": query.detail }, "sql": query.sql,
        }),
    }
}

fn about_slow(query: &Query) -> Option<Action> {
    let answered = query.runs - query.failures;
    let p95_ms = query.p95_ms.filter(|ms| *ms >= SLOW_MS && answered >= SLOW_RUNS)?;
    Some(Action {
        id: named(Kind::SpeedUpQuery, Some(query.id), None),
        kind: Kind::SpeedUpQuery,
        priority: 2,
        title: Kind::SpeedUpQuery.title(query.name.as_deref()),
        detail: format!("One run in twenty takes {:.1} s or more.", p95_ms / 1000.0),
        subject: Some(Subject { kind: "query", id: query.id, name: query.name.clone() }),
        evidence: json!({
            "runs": query.runs, "p50_ms": query.p50_ms, "p95_ms": p95_ms,
            "cache_hit_rate": query.cache_hit_rate, "sql": query.sql,
        }),
    })
}

fn about_unsaved(query: &Query) -> Option<Action> {
    let answered = query.runs - query.failures;
    (query.name.is_none() && answered >= FREQUENT).then(|| Action {
        id: named(Kind::SaveQuery, Some(query.id), None),
        kind: Kind::SaveQuery,
        priority: 2,
        title: Kind::SaveQuery.title(None),
        detail: format!("It was answered {answered} times and has no name yet."),
        subject: Some(Subject { kind: "query", id: query.id, name: None }),
        evidence: json!({ "runs": query.runs, "last_run_at": query.last_run_at, "sql": query.sql }),
    })
}

fn counted(n: i64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn overview() -> Overview {
        Overview { datasets: 2, queries: 4, failed_queries: 1, visualizations: 1, any_upload: true, ..EMPTY }
    }

    fn query(runs: i64) -> Query {
        Query {
            id: Uuid::nil(),
            name: None,
            sql: "SELECT 1".into(),
            pattern: "SELECT ?".into(),
            saved: false,
            saved_at: None,
            saved_by: None,
            runs,
            failures: 0,
            first_run_at: None,
            last_run_at: None,
            p50_ms: Some(5.0),
            p95_ms: Some(9.0),
            cache_hit_rate: Some(0.0),
            position: 1,
        }
    }

    fn dataset(why: Why) -> Attention {
        Attention {
            why,
            id: Uuid::nil(),
            name: "flights".into(),
            rows: Some(3),
            bytes: 10,
            created_at: DateTime::UNIX_EPOCH,
            last_used_at: None,
            file_name: None,
            rejected_version: Some(2),
        }
    }

    fn kinds(facts: &Facts<'_>) -> Vec<Kind> {
        recommend(facts).iter().map(|action| action.kind).collect()
    }

    const EMPTY: Overview = Overview {
        datasets: 0,
        total_bytes: 0,
        total_rows: 0,
        queries: 0,
        failed_queries: 0,
        cache_hits: 0,
        visualizations: 0,
        contexts: 0,
        any_upload: false,
    };
    static NONE: LazyLock<HashSet<String>> = LazyLock::new(HashSet::new);

    fn nothing() -> Facts<'static> {
        Facts { overview: &EMPTY, patterns: &[], failing: &[], datasets: &[], dismissed: &NONE }
    }

    #[test]
    fn an_empty_workspace_wants_a_file() {
        assert_eq!(kinds(&nothing()), [Kind::UploadDataset]);
    }

    #[test]
    fn nothing_to_do_where_all_is_well() {
        assert_eq!(kinds(&Facts { overview: &overview(), patterns: &[query(4)], ..nothing() }), []);
    }

    #[test]
    fn queries_without_a_chart_want_one() {
        let overview = Overview { visualizations: 0, ..overview() };
        assert_eq!(kinds(&Facts { overview: &overview, ..nothing() }), [Kind::SaveVisualization]);
        let none_answered = Overview { failed_queries: 4, ..overview };
        assert_eq!(kinds(&Facts { overview: &none_answered, ..nothing() }), []);
    }

    #[test]
    fn patterns_are_judged_by_their_answered_runs() {
        let slow = Query { p95_ms: Some(1000.0), name: Some("big".into()), ..query(3) };
        let slow_once = Query { p95_ms: Some(9000.0), ..query(2) };
        let mostly_failing = Query { failures: 2, ..query(6) };
        let patterns = [slow, slow_once, mostly_failing, query(5)];
        let facts = Facts { overview: &overview(), patterns: &patterns, ..nothing() };
        assert_eq!(kinds(&facts), [Kind::SpeedUpQuery, Kind::SaveQuery]);
    }

    #[test]
    fn what_is_broken_comes_first_and_says_where() {
        let rejection = Rejection {
            code: "ragged_row".into(),
            detail: "Row 3 has 2 fields instead of 3.".into(),
            row: Some(3),
            column: None,
            found: Some("4,5".into()),
        };
        let datasets = [dataset(Why::Unused), dataset(Why::Unread), dataset(Why::Rejected(rejection))];
        let failing = [Failing {
            id: Uuid::nil(),
            name: Some("monthly".into()),
            sql: "SELECT x".into(),
            runs: 4,
            failures: 3,
            last_run_at: None,
            code: Some("unknown_column".into()),
            detail: None,
        }];
        let (overview, patterns) = (overview(), [query(9)]);
        let facts = Facts {
            overview: &overview,
            patterns: &patterns,
            failing: &failing,
            datasets: &datasets,
            dismissed: &NONE,
        };
        let actions = recommend(&facts);
        let kinds: Vec<Kind> = actions.iter().map(|a| a.kind).collect();
        assert_eq!(
            kinds,
            [Kind::FixUpload, Kind::FixQuery, Kind::SaveQuery, Kind::QueryDataset, Kind::ReviewDataset]
        );
        assert_eq!(actions[0].evidence["row"], 3);
        assert_eq!(actions[1].evidence["last_error"]["code"], "unknown_column");
        let ids: HashSet<String> = actions.iter().map(|a| a.id.clone()).collect();
        assert_eq!(ids.len(), 5, "each has a name of its own: {ids:?}");
        for action in &actions {
            let id: ActionId = action.id.parse().unwrap();
            assert_eq!((Kind::from(id.kind()), id.thing()), (action.kind, Some(Uuid::nil())));
        }
        assert!(actions[0].id.ends_with(".2"), "the next rejection is another matter: {}", actions[0].id);
        assert_eq!(recommend(&Facts { dismissed: &ids, ..facts }), []);
        assert!(actions.iter().all(|a| a.evidence.as_object().is_some_and(|e| !e.is_empty())));
    }
}
