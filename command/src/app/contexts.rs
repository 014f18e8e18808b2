//! Contexts: checked and saved under a version, found again, and turned into SQL.

use std::{collections::HashSet, sync::Arc, time::Instant};

use sha2::{Digest, Sha256};
use weir_engine::{
    context::{self as format, Catalog, Entry, Finding, Level, Request},
    sql,
};
use weir_events::{ContextId, DatasetId, WorkspaceId, context::Saved, query::Within};
use weir_infra::http::{Code, Place, Problem};

use super::{
    App, Done, Error,
    queries::{FailedRun, Origin, Run},
    uploads::hex,
};
use crate::{
    directory::{self, Named, Ready},
    domain::{
        Ctx,
        context::{self, Delete, Save},
        validate,
    },
};

/// The largest file, in bytes: an event holds it whole, and has to fit into one message.
pub const MAX_BYTES: usize = 256 << 10;

/// Datasets that a context is held against, at most.
const DATASETS: usize = 10_000;

/// Rules that are checked with an answer, at most.
const RULES: usize = 50;

/// How often another version is tried where someone else was first.
const ATTEMPTS: usize = 20;

/// Parsed contexts by workspace and text, which never change. Clones share it.
pub(super) type Active = moka::sync::Cache<(WorkspaceId, String), Arc<format::Context>>;

pub(super) fn active() -> Active {
    // A parsed context takes several times its text.
    let weight = |_: &(WorkspaceId, String), context: &Arc<format::Context>| {
        u32::try_from(context.description.len() + 4_096 * (1 + context.datasets.len())).unwrap_or(u32::MAX)
    };
    moka::sync::Cache::builder().max_capacity(32 << 20).weigher(weight).build()
}

/// A version of a context that was found.
pub struct Found {
    /// Which one.
    pub within: Within,
    /// What it says.
    pub context: Arc<format::Context>,
}

/// What is asked in a context.
pub enum In {
    /// SQL that may name metrics.
    Sql(String),
    /// Metrics by dimensions.
    Request(Request),
}

/// An answer in a context.
#[derive(Debug)]
pub struct AnsweredIn {
    /// The run.
    pub run: Run,
    /// The SQL that followed.
    pub sql: String,
    /// The context.
    pub within: Within,
    /// What its rules say of the datasets that were read.
    pub rules: Vec<Checked>,
}

/// What a rule says of the rows that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The rule.
    pub id: String,
    /// `validation` or `quality`.
    pub rule_type: &'static str,
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// The context's words for rows that break it.
    pub message: Option<String>,
    /// How many rows there are; `None` where they could not be counted.
    pub counts: Option<Counts>,
}

/// How many rows a rule was held against, and how many of them break it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Those that break it.
    pub broken: u64,
    /// Those in which a value is missing that would tell.
    pub undecided: u64,
}

/// A context that was saved.
#[derive(Debug)]
pub struct Kept {
    /// Its id.
    pub id: ContextId,
    /// The version, as it is in the log.
    pub version: Saved,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<Finding>,
    /// Whether it is the first of its name.
    pub made: bool,
}

impl App {
    /// The datasets of a workspace, as contexts see them.
    pub fn catalog(&self, workspace: WorkspaceId) -> Catalog {
        let datasets = self.directory().readable(workspace, DATASETS).into_iter();
        let entries = datasets.filter_map(|d| Some(entry(d.id, d.name, d.ready.as_deref()?)));
        Catalog { datasets: entries.collect() }
    }

    /// Those that a context names; all of them where one is missing, so that it can be said which was meant.
    fn catalog_of(&self, workspace: WorkspaceId, context: &format::Context) -> Catalog {
        let mut datasets: Vec<Entry> = Vec::new();
        for wanted in &context.datasets {
            let found = match wanted.dataset_id.parse() {
                Ok(id) => self
                    .directory()
                    .dataset(workspace, id)
                    .filter(|d| d.deleted_at.is_none())
                    .and_then(|dataset| Some(entry(id, dataset.name, dataset.ready.as_deref()?))),
                Err(_) => match self.directory().table(workspace, &wanted.dataset_id) {
                    Some(Named::Ready { id, name, ready }) => Some(entry(id, name, &ready)),
                    _ => None,
                },
            };
            match found {
                Some(found) if datasets.iter().all(|d| d.id != found.id) => datasets.push(found),
                Some(_) => {}
                None => return self.catalog(workspace),
            }
        }
        Catalog { datasets }
    }

    /// All that is wrong with a text, up to a level.
    pub fn check_context(
        &self,
        workspace: WorkspaceId,
        text: &str,
        dataset: Option<&str>,
        level: Level,
    ) -> Vec<Finding> {
        format::check(text, dataset, level, &self.catalog(workspace))
    }

    /// Saves a text as a version of the context that it names. A text under a version that has another
    /// one gets the next patch; one that is the newest already changes nothing.
    ///
    /// # Errors
    /// `invalid_context` with all that is wrong. A draft only has to have the form of a context.
    pub async fn save_context(
        &self,
        cx: &Ctx,
        text: &str,
        dataset: Option<&str>,
    ) -> Result<Done<Kept>, Problem> {
        if text.len() > MAX_BYTES {
            let detail = format!("A context has at most {MAX_BYTES} bytes; this has {}.", text.len());
            return Err(Problem::new(Code::PayloadTooLarge, detail));
        }
        let parsed = format::parse_for(text, dataset).map_err(|findings| invalid(&findings))?;
        let level = if parsed.status() == format::Status::Draft { Level::Schema } else { Level::Full };
        let catalog = self.catalog(cx.workspace);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            parsed.validate(level, &catalog).into_iter().partition(Finding::is_error);
        if !errors.is_empty() {
            return Err(invalid(&errors));
        }
        for _ in 0..ATTEMPTS {
            let known = self.directory().context_named(cx.workspace, &parsed.name);
            let (text, version) = versioned(text, &parsed, known.as_ref())?;
            let id = known.as_ref().map_or_else(|| ContextId(cx.id("context")), |k| k.id);
            let version = saved(&parsed, text, version, &catalog);
            let command = Save { id, version: version.clone() };
            match self.executor().execute(&id, &command, cx).await {
                Ok(done) => {
                    self.seen(done.position).await;
                    let kept = Kept { id, version, warnings, made: known.is_none() };
                    return Ok(Done { reply: kept, position: done.position, wrote: done.wrote });
                }
                // Someone else saved a version, or the first one, a moment ago.
                Err(
                    Error::NameTaken(_)
                    | Error::Refused(context::Error::VersionTaken(_) | context::Error::Deleted),
                ) => self.seen(self.executor().log().head().await?).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(Problem::new(Code::Conflict, "Others save this context at the same time. Try again."))
    }

    /// Deletes a context; one in use only where that is `forced`.
    ///
    /// # Errors
    /// `context_in_use` with what uses it.
    pub async fn delete_context(&self, cx: &Ctx, id: ContextId, forced: bool) -> Result<Done<()>, Problem> {
        if !forced {
            self.unused(cx.workspace, id)?;
        }
        self.execute(&id, &Delete { id }, cx).await
    }

    /// Whether nothing was made in a context.
    ///
    /// # Errors
    /// `context_in_use`, with what was.
    pub(super) fn unused(&self, workspace: WorkspaceId, id: ContextId) -> Result<(), Problem> {
        let uses = self.directory().uses(workspace, id);
        if uses.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "{} saved queries and charts were made in this context. Delete it with force=true all the same: \
             they keep their SQL.",
            uses.len()
        );
        let uses = uses.into_iter().take(100);
        Err(uses.fold(Problem::new(Code::ContextInUse, detail), |problem, (what, name)| {
            problem.field(what, "uses_context", name)
        }))
    }

    /// The context of a name or an id, in its newest version or with `@1.2.0` behind it in that one.
    ///
    /// # Errors
    /// `context_not_found`.
    pub fn find_context(&self, workspace: WorkspaceId, wanted: &str) -> Result<Found, Problem> {
        let look = |wanted: &str| match wanted.parse::<ContextId>() {
            Ok(id) => self.directory().context(workspace, id).filter(|c| c.deleted_at.is_none()),
            Err(_) => self.directory().context_named(workspace, wanted),
        };
        let found = look(wanted).map(|c| (c.newest.clone(), c)).or_else(|| {
            let (name, version) = wanted.rsplit_once('@')?;
            let context = look(name)?;
            Some((context.versions.get(version)?.clone(), context))
        });
        let (version, context) = found.ok_or_else(|| {
            let names = self.directory().context_names(workspace, 1_000);
            let hint = weir_engine::near_hint(wanted, names.iter().map(String::as_str));
            Problem::new(
                Code::ContextNotFound,
                format!("There is no context {wanted:?} in this workspace.{hint}"),
            )
            .field("context", "context_not_found", "There is no such context.")
        })?;
        let key = (workspace, version.sha256.clone());
        let parsed = match self.0.contexts.get(&key) {
            Some(parsed) => parsed,
            None => {
                let parsed = format::parse(&version.text).map_err(|findings| invalid(&findings))?;
                let parsed = Arc::new(parsed);
                self.0.contexts.insert(key, parsed.clone());
                parsed
            }
        };
        let within = Within { id: context.id, name: context.name, version: version.version.clone() };
        Ok(Found { within, context: parsed })
    }

    /// Answers what is asked in a context, and says how many rows break its rules.
    ///
    /// # Errors
    /// `invalid_context` with all that is wrong with the request or with the parts that it needs; then as
    /// for SQL.
    pub async fn ask_in(
        &self,
        cx: &Ctx,
        wanted: &str,
        asked: In,
        limit: Option<u64>,
    ) -> Result<AnsweredIn, FailedRun> {
        let started = Instant::now();
        let (Found { within, context }, catalog, sql) = self.compiled(cx.workspace, wanted, asked).await?;
        let origin = Origin { context: Some(within.clone()), ..Origin::default() };
        let run = Box::pin(self.ask_for(cx, &sql, limit, started, origin)).await;
        let run = run.map_err(|failed| FailedRun { problem: failed.problem.sql(&sql), ..failed })?;
        let rules = self.check_rules(cx.workspace, &context, &catalog, &run).await;
        Ok(AnsweredIn { run, sql, within, rules })
    }

    /// The SQL that follows from what is asked in a context.
    ///
    /// # Errors
    /// As [`Self::ask_in`], before anything is run.
    pub async fn sql_in(&self, workspace: WorkspaceId, wanted: &str, asked: In) -> Result<String, Problem> {
        Ok(self.compiled(workspace, wanted, asked).await?.2)
    }

    async fn compiled(
        &self,
        workspace: WorkspaceId,
        wanted: &str,
        asked: In,
    ) -> Result<(Found, Catalog, String), Problem> {
        let found = self.find_context(workspace, wanted)?;
        let catalog = match &asked {
            In::Sql(_) => self.catalog(workspace),
            In::Request(_) => self.catalog_of(workspace, &found.context),
        };
        let (parsed, known) = (found.context.clone(), catalog.clone());
        // Reading and planning a large one takes a while.
        let sql = tokio::task::spawn_blocking(move || match asked {
            In::Sql(sql) => {
                let sql = validate::sql("sql", &sql)?;
                format::expand(&parsed, &sql, &known).map_err(|f| invalid(&f))
            }
            In::Request(request) => {
                format::compile(&parsed, &request, &known).map(|c| c.sql).map_err(|f| invalid(&f))
            }
        });
        let sql = sql.await.map_err(Problem::internal)??;
        Ok((found, catalog, sql))
    }

    /// Counts the rows that break the rules of validation and quality over the datasets that a run read.
    /// The counts are cached like any other result.
    async fn check_rules(
        &self,
        workspace: WorkspaceId,
        context: &format::Context,
        catalog: &Catalog,
        run: &Run,
    ) -> Vec<Checked> {
        let read: HashSet<String> = run.ran.sources.iter().map(|s| s.id.to_string()).collect();
        let concern = |rule: &format::RuleCheck| rule.datasets.iter().all(|d| read.contains(&d.id));
        let mut checked = Vec::new();
        for rule in format::rules(context, catalog).into_iter().filter(concern).take(RULES) {
            let counts = match &rule.sql {
                Ok(sql) => self.count(workspace, sql).await,
                Err(_) => None,
            };
            checked.push(Checked {
                id: rule.id,
                rule_type: rule.rule_type.as_str(),
                severity: rule.severity.as_str(),
                message: rule.message,
                counts,
            });
        }
        checked
    }

    async fn count(&self, workspace: WorkspaceId, sql: &str) -> Option<Counts> {
        let statement = sql::parse(sql).ok()?;
        let ran = self.answer(workspace, &statement, 1).await.ok()?;
        let rows = ran.kept.answer.to_json_rows().ok()?;
        let count = |at: usize| rows.first()?.get(at)?.as_u64();
        Some(Counts { rows: count(0)?, broken: count(1)?, undecided: count(2)? })
    }
}

/// A version of a dataset, as contexts see it.
fn entry(id: DatasetId, name: String, ready: &Ready) -> Entry {
    let columns = ready.columns.iter();
    let columns = columns.map(|c| weir_engine::Column::new(c.name.as_str(), c.data_type.as_str()));
    Entry { id: id.to_string(), name, version: ready.version, columns: columns.collect() }
}

/// What is wrong with a context, as a problem with all places.
pub(crate) fn invalid(findings: &[Finding]) -> Problem {
    let first = findings.iter().find(|f| f.is_error()).or(findings.first());
    let detail = first.map_or_else(|| "The context cannot be used.".to_owned(), |f| f.detail.clone());
    findings.iter().fold(Problem::new(Code::InvalidContext, detail), |problem, finding| {
        problem.place(Place {
            field: Some(finding.path.clone()).filter(|path| !path.is_empty()),
            line: finding.line.map(u64::from),
            column: finding.column.map(u64::from),
            code: finding.code.as_str().into(),
            detail: finding.detail.clone(),
        })
    })
}

/// The text and the version that it is to be saved under.
fn versioned(
    text: &str,
    parsed: &format::Context,
    known: Option<&directory::Context>,
) -> Result<(String, String), Problem> {
    let own = format::version(&parsed.version).map_err(|finding| invalid(&[finding]))?;
    let Some(known) = known else { return Ok((text.to_owned(), own.to_string())) };
    let with = |version: &_| {
        format::with_version(text, version).unwrap_or_else(|| {
            // It has no place for one.
            let mut context = parsed.clone();
            context.version = version.to_string();
            format::markdown(&context)
        })
    };
    let same = |version: &str, text: &str| known.versions.get(version).is_some_and(|v| *v.text == *text);
    if same(&own.to_string(), text) || !known.versions.contains_key(&own.to_string()) {
        return Ok((text.to_owned(), own.to_string()));
    }
    // What was saved under the next patch once is found there again.
    if let Ok(newest) = format::version(&known.newest.version) {
        let text = with(&newest);
        if same(&known.newest.version, &text) {
            return Ok((text, known.newest.version.clone()));
        }
    }
    let mut next = own;
    while known.versions.contains_key(&next.to_string()) {
        next = format::bump_patch(&next);
    }
    Ok((with(&next), next.to_string()))
}

fn saved(parsed: &format::Context, text: String, version: String, catalog: &Catalog) -> Saved {
    let found = parsed.datasets.iter().filter_map(|d| catalog.find(&d.dataset_id)?.id.parse().ok());
    let mut seen = HashSet::new();
    let sha256 = hex(&Sha256::digest(text.as_bytes()));
    Saved {
        name: parsed.name.clone(),
        version,
        status: parsed.status().as_str().to_owned(),
        description: parsed.description.clone(),
        text,
        sha256,
        datasets: found.filter(|id| seen.insert(*id)).collect(),
        metrics: parsed.metrics.iter().map(|m| m.id.clone()).collect(),
        relationships: u32::try_from(parsed.relationships.len()).unwrap_or(u32::MAX),
    }
}
