//! The conversation: SQL that does not fit goes back to the model with what is wrong, a few times at most.

use std::collections::HashMap;

use tokio::task::spawn_blocking;
use weir_engine::{
    context as format,
    sql::{self, SqlError},
};
use weir_events::WorkspaceId;
use weir_infra::{
    http::{Code, Problem},
    llm::{Message, Reply},
};

use super::{
    App, Question, ROUNDS, Written, cache, facts,
    models::Chosen,
    problem::{outcome, problem},
    prompt::{self, Material},
    relevant::Wanted,
    reply::{self, Said},
};
use crate::app::queries::Failure;

/// Datasets that a model is told about, if there is room; of others it gets the names.
const DATASETS: usize = 40;
/// Names of others.
const OTHERS: usize = 1_000;
/// Contexts that a model is told about.
const CONTEXTS: usize = 20;
/// Questions that were answered well.
const APPROVED: usize = 30;
/// Datasets of which rows are shown, and how many, where the workspace shares its rows.
const SHOWN: (usize, usize) = (5, 3);

/// Why there is no SQL.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Nothing came from the model, or something else is away.
    Problem(Problem),
    /// The model wrote nothing that can be run.
    Unanswered(Tried),
}

impl From<Problem> for Unwritten {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// What a model tried last.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    /// Its last SQL, if there was any.
    pub(super) sql: Option<String>,
    /// What is wrong with it; or why the model says that the data cannot answer.
    reason: Reason,
    rounds: u32,
}

#[derive(Debug, Clone)]
enum Reason {
    Wrong(SqlError),
    Declined(String),
    Unreadable,
}

impl Tried {
    /// A sentence about it for whoever asked.
    pub(super) fn detail(&self) -> String {
        let times = if self.rounds == 1 { "once".to_owned() } else { format!("{} times", self.rounds) };
        match &self.reason {
            Reason::Wrong(error) => {
                format!("The language model tried {times}, and its SQL still cannot be run: {}", error.detail)
            }
            Reason::Declined(why) if why.is_empty() => {
                "The language model says that the data cannot answer this.".to_owned()
            }
            Reason::Declined(why) => {
                format!("The language model says that the data cannot answer this: {why}")
            }
            Reason::Unreadable => format!("The language model tried {times} and wrote no SQL."),
        }
    }
}

impl App {
    /// SQL for a question, from the model or from what it said before.
    pub(super) async fn write_sql(
        &self,
        workspace: WorkspaceId,
        question: &Question,
        chosen: &Chosen,
    ) -> Result<Written, Unwritten> {
        let mut messages = self.prompt(workspace, question).await?;
        let key = cache::key(workspace, chosen, &messages);
        let lookups = &self.0.metrics.model_cache_total;
        if let Some(written) = self.0.questions.answers.get::<Written>(&key).await
            && self.plans(workspace, &written.sql).await?.is_ok()
        {
            lookups.with_label_values(&["hit"]).inc();
            return Ok(written);
        }
        lookups.with_label_values(&["miss"]).inc();
        let _turn = self.model_turn(workspace).await?;
        let mut tried = Tried { sql: None, reason: Reason::Unreadable, rounds: 0 };
        for rounds in 1..=ROUNDS {
            let reply = self.said(chosen, &messages).await?.text;
            tried.rounds = rounds;
            match reply::read(&reply) {
                Said::Sql { sql, explanation } => match self.plans(workspace, &sql).await? {
                    Ok(()) => {
                        let written = Written { sql, explanation, rounds };
                        self.0.questions.answers.put(key, &written).await;
                        return Ok(written);
                    }
                    Err(error) => {
                        messages.extend(prompt::correction(&reply, Some(&sql), &error));
                        tried = Tried { sql: Some(sql), reason: Reason::Wrong(error), rounds };
                    }
                },
                Said::Declined { why } => {
                    return Err(Unwritten::Unanswered(Tried { reason: Reason::Declined(why), ..tried }));
                }
                Said::Unreadable => messages.extend(prompt::reminder(&reply)),
            }
        }
        Err(Unwritten::Unanswered(tried))
    }

    /// One call of a model, counted.
    pub(super) async fn said(&self, chosen: &Chosen, messages: &[Message]) -> Result<Reply, Problem> {
        let metrics = &self.0.metrics;
        let timer = metrics.model_seconds.start_timer();
        let replied = chosen.model.complete(messages).await;
        timer.observe_duration();
        let outcome = replied.as_ref().map_or_else(outcome, |_| "ok");
        metrics.model_calls_total.with_label_values(&[outcome]).inc();
        let reply = replied.map_err(|e| problem(&e, chosen.own.is_some()))?;
        metrics.model_tokens_total.with_label_values(&["read"]).inc_by(reply.read);
        metrics.model_tokens_total.with_label_values(&["written"]).inc_by(reply.written);
        Ok(reply)
    }

    /// A turn among the workspace's questions.
    pub(super) async fn model_turn(
        &self,
        workspace: WorkspaceId,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
        self.0.questions.turns.take(workspace, self.config().query_wait).await.map_err(|_| {
            let detail = "As many questions of this workspace are with the language model as may be at once. \
                          Try again in a moment.";
            Problem::new(Code::TooManyQuestions, detail).retry_after(std::time::Duration::from_secs(2))
        })
    }

    /// Whether SQL fits the workspace's datasets: planned, not run. What is wrong with it is for the model to
    /// correct; what is away or busy is not its fault.
    async fn plans(&self, workspace: WorkspaceId, sql: &str) -> Result<Result<(), SqlError>, Problem> {
        let statement = match sql::parse(sql) {
            Ok(statement) => statement,
            Err(error) => return Ok(Err(error)),
        };
        match self.columns(workspace, &statement).await {
            Ok(_) => Ok(Ok(())),
            Err(Failure::Sql(e))
                if !matches!(e.code, sql::Code::StorageUnavailable | sql::Code::Internal) =>
            {
                Ok(Err(e))
            }
            Err(failure) => Err(failure.problem("question")),
        }
    }

    /// What a model is told about a workspace and a question.
    async fn prompt(&self, workspace: WorkspaceId, question: &Question) -> Result<Vec<Message>, Problem> {
        let (directory, wanted) = (self.directory().clone(), Wanted::new(question.as_str()));
        // Looking at all names of a large workspace takes a while.
        let choosing = spawn_blocking(move || {
            directory.best_datasets(workspace, (DATASETS, OTHERS), |dataset| wanted.of_dataset(dataset))
        });
        let (datasets, others) = choosing.await.map_err(Problem::internal)?;
        let rows_shared = self.rows_shared(workspace);
        let rows = if rows_shared { self.first_rows(workspace, &datasets).await } else { HashMap::new() };
        let material = Material {
            question: question.to_string(),
            facts: self.facts(&datasets, self.told_by_contexts(workspace).await?).await,
            approved: self.directory().approved(workspace, APPROVED),
            datasets,
            others,
            rows,
            rows_shared,
        };
        Ok(prompt::messages(&material, self.config().prompt_bytes))
    }

    /// What the workspace's contexts say. Drafts and those that are not to be used any more say nothing.
    async fn told_by_contexts(&self, workspace: WorkspaceId) -> Result<Vec<facts::Context>, Problem> {
        let app = self.clone();
        let telling = spawn_blocking(move || {
            let catalog = app.catalog(workspace);
            let mut names = app.directory().context_names(workspace, CONTEXTS);
            names.sort();
            let found = names.iter().filter_map(|name| app.find_context(workspace, name).ok());
            found
                .filter(|found| found.context.status() == format::Status::Active)
                .map(|found| facts::Context {
                    name: found.within.name,
                    text: format::prompt_facts(&found.context, &catalog),
                })
                .collect()
        });
        telling.await.map_err(Problem::internal)
    }

    /// The first rows of the first datasets. One that cannot be read has none to show.
    async fn first_rows(
        &self,
        workspace: WorkspaceId,
        datasets: &[crate::directory::Dataset],
    ) -> HashMap<weir_events::DatasetId, Vec<Vec<serde_json::Value>>> {
        let mut found = HashMap::new();
        for dataset in datasets.iter().take(SHOWN.0) {
            let Some(ready) = &dataset.ready else { continue };
            if let Ok(answer) = self.preview(workspace, &ready.table, SHOWN.1).await
                && let Ok(rows) = answer.to_json_rows()
            {
                found.insert(dataset.id, rows);
            }
        }
        found
    }
}
