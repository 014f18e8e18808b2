//! An event in words: the rest of a sentence whose subject is whoever did it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use weir_events::{
    ActionId, ActionKind, Event, Recorded, RunId, context, dataset, member, query, text, visualization,
    webhook, workspace,
};

use crate::projections::json;

/// `before` + name + `after`, or `unnamed` where the subject has no name.
pub(super) struct Phrase<'e> {
    pub(super) before: &'static str,
    pub(super) after: Cow<'static, str>,
    pub(super) unnamed: Cow<'static, str>,
    /// What else is worth telling, as JSON.
    pub(super) detail: String,
    pub(super) naming: Naming<'e>,
}

/// What the event says about its subject's name.
pub(super) enum Naming<'e> {
    /// This is it, and the sentence names it.
    Is(&'e str),
    /// This is it from now on, but the sentence names the old one.
    Becomes(Option<&'e str>),
    /// Nothing.
    Stays,
    /// Such a thing has no name.
    Never,
}

fn named<'e>(naming: Naming<'e>, before: &'static str, unnamed: &'static str, detail: Value) -> Phrase<'e> {
    Phrase { before, after: "".into(), unnamed: unnamed.into(), detail: detail.to_string(), naming }
}

fn renamed<'e>(to: &'e str, thing: &str) -> Phrase<'e> {
    Phrase {
        before: "renamed ",
        after: format!(" to {to}").into(),
        unnamed: format!("renamed a {thing} to {to}").into(),
        detail: serde_json::json!({ "to": to }).to_string(),
        naming: Naming::Becomes(Some(to)),
    }
}

/// The detail of a run. A type of its own, since most events are runs.
#[derive(Serialize)]
struct Run<'e> {
    run_id: RunId,
    rows: u64,
    elapsed_ms: f64,
    cache_tier: Option<u8>,
    datasets: Vec<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'e str>,
}

/// How much of a question a sentence repeats, in characters; the detail has it whole.
const QUOTED: usize = 120;

/// `asked "how many?"`.
fn asked(question: &str) -> String {
    format!("asked \"{}\"", text::cut(question, QUOTED))
}

pub(super) fn phrase(event: &Recorded) -> Phrase<'_> {
    match &event.event {
        Event::Workspace(workspace::Event::Created(e)) => {
            named(Naming::Is(&e.name), "created the workspace ", "created a workspace", serde_json::json!({}))
        }
        Event::Workspace(workspace::Event::Renamed(e)) => renamed(&e.name, "workspace"),
        Event::Workspace(workspace::Event::RowsShared(e)) => {
            let text = if e.shared {
                "let language models see rows"
            } else {
                "stopped letting language models see rows"
            };
            named(Naming::Never, "", text, serde_json::json!({ "shared": e.shared }))
        }
        Event::Workspace(workspace::Event::ActionDismissed(e)) => {
            action(e.action, "dismissed the advice to ")
        }
        Event::Workspace(workspace::Event::ActionRestored(e)) => {
            action(e.action, "wants again the advice to ")
        }
        Event::Workspace(workspace::Event::Deleted(_)) => {
            named(Naming::Never, "", "deleted the workspace", serde_json::json!({}))
        }
        Event::Member(e) => member(event, e),
        Event::Dataset(e) => dataset(e),
        Event::Context(e) => context(e),
        Event::Query(e) => query(e),
        Event::Visualization(e) => visualization(e),
        Event::Webhook(e) => webhook(e),
        // Not told: a reservation only accompanies what is.
        Event::Name(_) => named(Naming::Never, "", "", serde_json::json!({})),
    }
}

/// The sentence names no thing: its name may be another one by now, and the detail says which it is.
fn action(action: ActionId, before: &'static str) -> Phrase<'static> {
    let what = match action.kind() {
        ActionKind::UploadDataset => "upload a first file",
        ActionKind::FixUpload => "mend a file",
        ActionKind::FixQuery => "mend a query",
        ActionKind::SpeedUpQuery => "make a query faster",
        ActionKind::SaveQuery => "give a query a name",
        ActionKind::SaveVisualization => "save a first chart",
        ActionKind::QueryDataset => "ask something of a dataset",
        ActionKind::ReviewDataset => "see whether a dataset is still needed",
    };
    Phrase {
        before: "",
        after: "".into(),
        unnamed: format!("{before}{what}").into(),
        detail:
            serde_json::json!({ "action": action, "kind": action.kind().as_str(), "thing": action.thing() })
                .to_string(),
        naming: Naming::Never,
    }
}

fn webhook(happened: &webhook::Event) -> Phrase<'_> {
    use webhook::Event;
    let nothing = || serde_json::json!({});
    match happened {
        Event::Created(e) => {
            let detail = serde_json::json!({ "wanted": e.wanted });
            named(Naming::Is(&e.origin), "made the webhook to ", "made a webhook", detail)
        }
        Event::Changed(e) => {
            let detail = serde_json::json!({ "wanted": e.wanted });
            named(Naming::Is(&e.origin), "changed the webhook to ", "changed a webhook", detail)
        }
        Event::Paused(_) => named(Naming::Stays, "paused the webhook to ", "paused a webhook", nothing()),
        Event::Resumed(e) => {
            let detail = serde_json::json!({ "skip": e.skip });
            named(Naming::Stays, "resumed the webhook to ", "resumed a webhook", detail)
        }
        Event::Disabled(e) => {
            let detail = serde_json::json!({ "reason": e.reason, "undelivered": e.undelivered });
            named(Naming::Stays, "gave up the webhook to ", "gave up a webhook", detail)
        }
        Event::SecretRotated(_) => named(
            Naming::Stays,
            "renewed the secret of the webhook to ",
            "renewed the secret of a webhook",
            nothing(),
        ),
        Event::Deleted(_) => named(Naming::Stays, "deleted the webhook to ", "deleted a webhook", nothing()),
    }
}

fn member(event: &Recorded, happened: &member::Event) -> Phrase<'static> {
    let themselves = event.meta.actor.user().is_some_and(|u| u.to_string() == event.subject.id());
    let (text, detail) = match happened {
        member::Event::Added(e) => {
            let role = e.role.as_str();
            let verb = if themselves { "joined" } else { "added a member" };
            (format!("{verb} as {role}"), serde_json::json!({ "role": role }))
        }
        member::Event::RoleChanged(e) => {
            let role = e.role.as_str();
            (format!("made a member {role}"), serde_json::json!({ "role": role }))
        }
        member::Event::Removed(_) => {
            (if themselves { "left" } else { "removed a member" }.to_owned(), serde_json::json!({}))
        }
        member::Event::Erased(_) => {
            let text =
                if themselves { "erased what they had asked" } else { "erased what a member had asked" };
            (text.to_owned(), serde_json::json!({}))
        }
    };
    Phrase {
        before: "",
        after: "".into(),
        unnamed: text.into(),
        detail: detail.to_string(),
        naming: Naming::Never,
    }
}

fn dataset(happened: &dataset::Event) -> Phrase<'_> {
    match happened {
        dataset::Event::Uploaded(e) => {
            let detail = serde_json::json!({ "version": e.version, "bytes": e.upload.bytes, "file_name": e.upload.file_name });
            let before = if e.version > 1 { "uploaded a new version of " } else { "uploaded " };
            named(Naming::Is(&e.name), before, "uploaded a dataset", detail)
        }
        dataset::Event::Reread(e) => Phrase {
            before: "had ",
            after: " read in another way".into(),
            unnamed: "had a dataset read in another way".into(),
            detail: serde_json::json!({ "version": e.version, "options": e.options }).to_string(),
            naming: Naming::Stays,
        },
        dataset::Event::RolledBack(e) => Phrase {
            before: "took ",
            after: format!(" back to version {}", e.from).into(),
            unnamed: format!("took a dataset back to version {}", e.from).into(),
            detail: serde_json::json!({
                "version": e.ingested.version, "from": e.from, "rows": e.ingested.rows, "diff": e.ingested.diff,
            })
            .to_string(),
            naming: Naming::Stays,
        },
        dataset::Event::Ingested(e) => {
            let (rows, columns) = (e.rows, e.columns.len());
            let size = format!(": {rows} rows, {columns} columns");
            Phrase {
                before: "read ",
                unnamed: format!("read a dataset{size}").into(),
                after: size.into(),
                detail: serde_json::json!({
                    "version": e.version, "rows": rows, "columns": columns, "elapsed_ms": e.elapsed_ms,
                    "diff": e.diff,
                })
                .to_string(),
                naming: Naming::Stays,
            }
        }
        dataset::Event::Rejected(e) => Phrase {
            before: "could not read ",
            after: format!(": {}", e.detail).into(),
            unnamed: format!("could not read a dataset: {}", e.detail).into(),
            detail: serde_json::json!({
                "version": e.version, "code": e.code, "detail": e.detail,
                "row": e.row, "column": e.column, "found": e.found,
            })
            .to_string(),
            naming: Naming::Stays,
        },
        dataset::Event::Renamed(e) => renamed(&e.name, "dataset"),
        dataset::Event::Described(e) => named(
            Naming::Stays,
            "described ",
            "described a dataset",
            serde_json::json!({ "description": e.description }),
        ),
        dataset::Event::Deleted(_) => {
            named(Naming::Stays, "deleted ", "deleted a dataset", serde_json::json!({}))
        }
        dataset::Event::Restored(e) => {
            named(Naming::Is(&e.name), "restored ", "restored a dataset", serde_json::json!({}))
        }
    }
}

fn context(happened: &context::Event) -> Phrase<'_> {
    match happened {
        context::Event::Saved(e) => Phrase {
            after: format!(" {}", e.version).into(),
            ..named(
                Naming::Is(&e.name),
                "saved the context ",
                "saved a context",
                serde_json::json!({ "version": e.version, "status": e.status, "datasets": e.datasets }),
            )
        },
        context::Event::Deleted(_) => {
            named(Naming::Stays, "deleted the context ", "deleted a context", serde_json::json!({}))
        }
        context::Event::Restored(e) => {
            named(Naming::Is(&e.name), "restored the context ", "restored a context", serde_json::json!({}))
        }
    }
}

fn query(happened: &query::Event) -> Phrase<'_> {
    match happened {
        query::Event::Executed(e) => {
            let datasets: Vec<&str> = e.datasets.iter().map(|d| d.name.as_str()).collect();
            let unnamed = match &e.question {
                Some(question) => asked(question).into(),
                None if datasets.is_empty() => "ran a query".into(),
                None => format!("ran a query over {}", datasets.join(", ")).into(),
            };
            let detail = json(&Run {
                run_id: e.run_id,
                rows: e.rows,
                elapsed_ms: e.elapsed_ms,
                cache_tier: e.cache_tier,
                datasets,
                context: e.context.as_ref().map(|c| c.name.as_str()),
                question: e.question.as_deref(),
                model: e.model.as_deref(),
            });
            Phrase { before: "ran ", after: "".into(), unnamed, detail, naming: Naming::Stays }
        }
        query::Event::Failed(e) => {
            let mut detail = serde_json::json!({
                "run_id": e.run_id, "code": e.code, "detail": e.detail, "elapsed_ms": e.elapsed_ms,
            });
            let failed = ", which failed";
            let unnamed = match &e.question {
                Some(question) => {
                    detail["question"] = question.as_str().into();
                    detail["model"] = e.model.as_deref().into();
                    format!("{}{failed}", asked(question)).into()
                }
                None => "ran a query, which failed".into(),
            };
            let detail = detail.to_string();
            Phrase { before: "ran ", after: failed.into(), unnamed, detail, naming: Naming::Stays }
        }
        query::Event::Saved(e) => {
            named(Naming::Is(&e.name), "saved the query ", "saved a query", serde_json::json!({}))
        }
        query::Event::Renamed(e) => renamed(&e.name, "query"),
        query::Event::Unsaved(_) => {
            named(Naming::Becomes(None), "gave up the query ", "gave up a query", serde_json::json!({}))
        }
    }
}

fn visualization(happened: &visualization::Event) -> Phrase<'_> {
    match happened {
        visualization::Event::Saved(e) => named(
            Naming::Is(&e.name),
            "saved the chart ",
            "saved a chart",
            serde_json::json!({ "query_id": e.query_id }),
        ),
        visualization::Event::Renamed(e) => renamed(&e.name, "chart"),
        visualization::Event::Described(e) => named(
            Naming::Stays,
            "described ",
            "described a chart",
            serde_json::json!({ "description": e.description }),
        ),
        visualization::Event::Deleted(_) => {
            named(Naming::Stays, "deleted ", "deleted a chart", serde_json::json!({}))
        }
        visualization::Event::Restored(e) => {
            named(Naming::Is(&e.name), "restored ", "restored a chart", serde_json::json!({}))
        }
    }
}
