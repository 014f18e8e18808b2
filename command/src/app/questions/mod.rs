//! Questions in plain language: a language model writes SQL, which is checked like everyone's before it runs.
//!
//! - [`models`]: which model answers whom. [`cache`]: answers that need not be asked for again.
//! - [`facts`], [`relevant`], [`prompt`]: what the model is told, and what it is not.
//! - [`reply`], [`rounds`]: what it says, and what becomes of SQL that does not fit.
//! - [`charts`]: charts from words.
//!
//! A model sees names, types, what people wrote about their data, and questions that were answered well;
//! rows only where the workspace's owner allows it. What people wrote stands between marks that it cannot
//! imitate. What the model writes is trusted no more than what anyone else types: it is parsed, can only
//! name the workspace's own datasets, and is planned before it is run.

mod cache;
mod charts;
mod facts;
pub mod models;
mod problem;
mod prompt;
mod relevant;
mod reply;
mod rounds;

use std::{fmt, time::Instant};

use weir_events::{UserId, WorkspaceId};
use weir_infra::{
    cache::Shared,
    http::{Code, Problem},
};

use super::{
    App, Config,
    queries::{FailedRun, Origin, Run},
    turns::Turns,
};
use crate::domain::Ctx;

pub use charts::{FromWords, Reader};
pub use models::{Models, Provider};
use rounds::Unwritten;

/// The longest question, in characters.
pub const QUESTION_MAX: usize = 2_000;

/// How often a model may try to write SQL for one question.
pub const ROUNDS: u32 = 3;

/// What asking needs besides queries.
pub(super) struct Parts {
    models: Models,
    answers: cache::Answers,
    profiles: facts::Profiles,
    turns: Turns,
}

impl Parts {
    pub(super) fn new(models: Models, shared: Shared, config: &Config) -> Self {
        Self {
            models,
            answers: cache::Answers::new(config.model_cache_bytes, config.model_cache_ttl, shared),
            profiles: facts::profiles(),
            turns: Turns::new(config.concurrent_questions),
        }
    }

    /// Forgets what is in memory.
    pub(super) fn clear(&self) {
        self.answers.clear();
        self.profiles.invalidate_all();
    }
}

/// A question, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question(String);

impl Question {
    /// A question: at most [`QUESTION_MAX`] characters, white space around it cut off.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters besides line breaks and tabs in it.
    pub fn parse(field: &'static str, raw: &str) -> Result<Self, Problem> {
        let text = raw.trim();
        if text.is_empty() {
            return Err(Problem::invalid(field, "empty", "There are no words."));
        }
        if text.chars().count() > QUESTION_MAX {
            let detail = format!("At most {QUESTION_MAX} characters can be asked.");
            return Err(Problem::invalid(field, "too_long", detail));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            let detail = "There are no control characters in words besides line breaks and tabs.";
            return Err(Problem::invalid(field, "control_character", detail));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SQL that a model wrote for a question.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Written {
    /// The SQL. It fits the workspace's datasets.
    pub sql: String,
    /// What the model says that it does.
    pub explanation: String,
    /// How often the model tried.
    pub rounds: u32,
}

/// A question that was answered.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The run of its SQL.
    pub run: Run,
    /// That SQL.
    pub written: Written,
    /// The question.
    pub question: String,
    /// The model that wrote the SQL.
    pub model: String,
}

impl App {
    /// Which models there are.
    pub fn models(&self) -> &Models {
        &self.0.questions.models
    }

    /// Answers a question in plain language. Dropped before the answer is there, model and query are
    /// cancelled.
    ///
    /// # Errors
    /// When there is no model, it cannot be reached, or writes nothing that can be run; and as for SQL. A
    /// question for which SQL was tried is written down as a failed run.
    pub async fn ask_question(
        &self,
        cx: &Ctx,
        user: UserId,
        question: &Question,
        limit: Option<u64>,
    ) -> Result<Answered, FailedRun> {
        let started = Instant::now();
        self.rows(limit)?;
        let chosen = self.models().of(user).await?;
        let model = chosen.model.name().to_owned();
        let origin = Origin { question: Some((question.to_string(), model.clone())), ..Origin::default() };
        let written = match Box::pin(self.write_sql(cx.workspace, question, &chosen)).await {
            Ok(written) => written,
            Err(Unwritten::Problem(problem)) => return Err(problem.into()),
            Err(Unwritten::Unanswered(tried)) => {
                let mut problem = Problem::new(Code::QuestionUnanswered, tried.detail());
                if let Some(sql) = &tried.sql {
                    problem = problem.sql(sql);
                }
                let sql = tried.sql.unwrap_or_default();
                return Err(self.write_unanswered(cx, sql, origin, started, problem).await);
            }
        };
        match Box::pin(self.ask_for(cx, &written.sql, limit, started, origin)).await {
            Ok(run) => Ok(Answered { run, written, question: question.to_string(), model }),
            // Whoever asked in words did not see the SQL that is at fault.
            Err(failed) => Err(FailedRun { problem: failed.problem.sql(&written.sql), ..failed }),
        }
    }

    /// Whether language models may see the workspace's rows.
    fn rows_shared(&self, workspace: WorkspaceId) -> bool {
        use crate::accounts::Workspaces as _;
        self.directory().workspace(workspace).is_some_and(|w| w.rows_shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_trimmed_and_bounded() {
        assert_eq!(Question::parse("question", " how\nmany? ").unwrap().as_str(), "how\nmany?");
        for bad in ["", " \n", "a\0b", &"x".repeat(QUESTION_MAX + 1)] {
            assert_eq!(Question::parse("question", bad).unwrap_err().code(), Code::InvalidValue);
        }
    }
}
