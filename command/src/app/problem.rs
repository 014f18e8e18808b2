//! Refusals as problems.

use std::time::Duration;

use weir_engine::sql::{self, SqlError};
use weir_infra::http::{Code, Place, Problem};

use crate::domain::{Invalid, context, dataset, query, visualization};

impl From<Invalid> for Problem {
    fn from(e: Invalid) -> Self {
        let problem = Self::new(Code::InvalidValue, e.to_string());
        e.0.into_iter().fold(problem, |p, wrong| p.field(wrong.field, wrong.code, wrong.detail))
    }
}

impl From<dataset::Error> for Problem {
    fn from(e: dataset::Error) -> Self {
        match e {
            dataset::Error::NotFound => {
                Self::new(Code::DatasetNotFound, "There is no such dataset in this workspace.")
            }
            dataset::Error::NotReady => Self::new(
                Code::DatasetNotReady,
                "The newest file is still being read. Try again once that is done.",
            )
            .retry_after(Duration::from_secs(2)),
            dataset::Error::NoSuchVersion(version) => Self::new(
                Code::VersionNotFound,
                format!("The dataset has no version {version} that can be queried."),
            ),
            dataset::Error::Invalid(e) => e.into(),
        }
    }
}

impl From<context::Error> for Problem {
    fn from(e: context::Error) -> Self {
        match e {
            context::Error::NotFound => {
                Self::new(Code::ContextNotFound, "There is no such context in this workspace.")
            }
            context::Error::Deleted | context::Error::VersionTaken(_) => {
                Self::new(Code::Conflict, "Another change to this context came first. Try again.")
            }
        }
    }
}

impl From<query::Error> for Problem {
    fn from(e: query::Error) -> Self {
        match e {
            query::Error::NotFound => Self::new(
                Code::QueryNotFound,
                "There is no such query in this workspace. Run it first; its id is in the answer.",
            ),
            query::Error::NotSaved => Self::new(
                Code::QueryNotSaved,
                "The query is not saved, so it has no name to change or give up.",
            ),
            query::Error::Invalid(e) => e.into(),
        }
    }
}

impl From<visualization::Error> for Problem {
    fn from(e: visualization::Error) -> Self {
        match e {
            visualization::Error::NotFound => {
                Self::new(Code::VisualizationNotFound, "There is no such visualization in this workspace.")
            }
            visualization::Error::Invalid(e) => e.into(),
        }
    }
}

/// What is wrong with SQL that stands in the field `field`, and where.
pub(crate) fn sql_problem(field: &'static str, e: &SqlError) -> Problem {
    let code = match e.code {
        sql::Code::TooLong => return Problem::invalid(field, "too_long", e.detail.clone()),
        sql::Code::SyntaxError => Code::SyntaxError,
        sql::Code::StatementNotAllowed => Code::StatementNotAllowed,
        sql::Code::FunctionNotAllowed => Code::FunctionNotAllowed,
        sql::Code::UnknownTable => Code::UnknownTable,
        sql::Code::UnknownColumn => Code::UnknownColumn,
        sql::Code::AmbiguousColumn => Code::AmbiguousColumn,
        sql::Code::UnknownFunction => Code::UnknownFunction,
        sql::Code::InvalidQuery => Code::InvalidQuery,
        sql::Code::NotSupported => Code::NotSupported,
        sql::Code::InvalidValue => Code::InvalidValue,
        sql::Code::DivisionByZero => Code::DivisionByZero,
        sql::Code::TimeLimit => Code::TimeLimit,
        sql::Code::MemoryLimit => Code::MemoryLimit,
        sql::Code::StorageUnavailable => {
            return Problem::new(Code::StorageUnavailable, e.detail.clone())
                .retry_after(std::time::Duration::from_secs(2));
        }
        sql::Code::Internal => return Problem::internal(&e.detail),
    };
    Problem::new(code, e.detail.clone()).place(Place {
        field: Some(field.to_owned()),
        line: e.line,
        column: e.column,
        code: code.as_str().into(),
        detail: e.detail.clone(),
    })
}
