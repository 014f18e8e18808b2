//! What is wrong with a context, or with what was asked of it, and where.

use serde::Serialize;

/// So many findings are told at once; whoever reads further would not remember the first.
pub const MAX_FINDINGS: usize = 100;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kinds of findings, as stable codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The code as it goes into answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

codes! {
    /// The name is missing, too short or long, or has other characters than it may have.
    InvalidName = "INVALID_NAME",
    /// The version is missing or no semantic version.
    InvalidVersion = "INVALID_VERSION",
    /// The description is missing, too short or too long.
    InvalidDescription = "INVALID_DESCRIPTION",
    /// Neither `single_dataset` nor `multi_dataset`, or not what the datasets say.
    InvalidContextType = "INVALID_CONTEXT_TYPE",
    /// No dataset is named, or one does not say which it is.
    MissingDatasetId = "MISSING_DATASET_ID",
    /// What should name a dataset can be no UUID and no name.
    InvalidDatasetId = "INVALID_DATASET_ID",
    /// There is no such dataset.
    DatasetNotFound = "DATASET_NOT_FOUND",
    /// A relationship, a metric, a rule or a filter names a dataset that the context does not have.
    UnknownDatasetInRelationship = "UNKNOWN_DATASET_IN_RELATIONSHIP",
    /// There is no such column in the dataset.
    ColumnNotFound = "COLUMN_NOT_FOUND",
    /// No known way to join.
    InvalidJoinType = "INVALID_JOIN_TYPE",
    /// Relationships or metrics lead in a circle.
    CircularDependency = "CIRCULAR_DEPENDENCY",
    /// Neither error, warning nor info.
    InvalidSeverity = "INVALID_SEVERITY",
    /// Neither validation, quality nor constraint.
    InvalidRuleType = "INVALID_RULE_TYPE",
    /// A rule without a condition.
    EmptyRuleCondition = "EMPTY_RULE_CONDITION",
    /// An expression or a condition that cannot be read or means nothing here.
    InvalidExpression = "INVALID_EXPRESSION",
    /// Two things of a kind with one id.
    DuplicateId = "DUPLICATE_ID",
    /// Two ways to join are equally short.
    AmbiguousPath = "AMBIGUOUS_PATH",
    /// A join would count rows more than once.
    FanOut = "FAN_OUT",
    /// Several datasets and nothing that joins them.
    NoRelationships = "NO_RELATIONSHIPS",
    /// Two relationships join the same columns.
    DuplicateRelationship = "DUPLICATE_RELATIONSHIP",
    /// The text is neither YAML nor Markdown that could be read.
    InvalidSyntax = "INVALID_SYNTAX",
    /// The text, or a part of it, is larger, deeper or more than it may be.
    TooLarge = "TOO_LARGE",
    /// A key that means nothing there.
    UnknownKey = "UNKNOWN_KEY",
    /// A key that has to be there is not.
    MissingKey = "MISSING_KEY",
    /// A value of another kind than belongs there, or none of those that may be there.
    InvalidValue = "INVALID_VALUE",
    /// The context has no such metric.
    UnknownMetric = "UNKNOWN_METRIC",
    /// The context has no such filter.
    UnknownFilter = "UNKNOWN_FILTER",
    /// The context has no such relationship.
    UnknownRelationship = "UNKNOWN_RELATIONSHIP",
    /// A parameter was given that nothing asks for.
    UnknownParameter = "UNKNOWN_PARAMETER",
    /// A parameter has no value and no default.
    MissingParameter = "MISSING_PARAMETER",
    /// A parameter's value is not of its type.
    InvalidParameter = "INVALID_PARAMETER",
    /// No relationships lead from one dataset to the other within `max_join_depth`.
    NoPath = "NO_PATH",
    /// Neither metrics nor dimensions were asked for, or something twice.
    InvalidRequest = "INVALID_REQUEST",
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The context cannot be used so.
    Error,
    /// It can, and is probably not what was meant.
    Warning,
}

/// Something wrong, in a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// A sentence that says what and why.
    pub detail: String,
    /// Where in the context, as in `metrics[2].expression`; empty for the whole.
    pub path: String,
    /// The line in the file, the first being 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The character in that line, the first being 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What was probably meant, where a name was mistyped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
}

impl Finding {
    pub(crate) fn error(code: Code, detail: impl Into<String>) -> Self {
        let (path, near) = (String::new(), None);
        Self { code, severity: Severity::Error, detail: detail.into(), path, line: None, column: None, near }
    }

    pub(crate) fn warning(code: Code, detail: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, detail) }
    }

    /// The same with the nearest of the names that there are, told in the sentence too.
    pub(crate) fn near<'a>(mut self, written: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        self.near = crate::near::near(written, names.iter().copied()).first().map(|n| (*n).to_owned());
        match &self.near {
            Some(_) => self.detail.push_str(&crate::near::hint(written, names.iter().copied())),
            None if names.is_empty() => {}
            None => {
                let more = if names.len() > 12 { ", ..." } else { "" };
                let first: Vec<&str> = names.iter().take(12).copied().collect();
                self.detail.push_str(&format!(" There are: {}{more}.", first.join(", ")));
            }
        }
        self
    }

    pub(crate) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn at(mut self, line: u64, column: u64) -> Self {
        (self.line, self.column) = (u32::try_from(line).ok(), u32::try_from(column).ok());
        self
    }

    /// Whether the context cannot be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}: ")?;
        }
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

/// Findings in the order of the file, each once and not too many.
pub(crate) fn ordered(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| {
        let place = |f: &Finding| (f.line.unwrap_or(u32::MAX), f.column.unwrap_or(u32::MAX));
        // Those without a place come last, errors before warnings at the same one.
        (place(a), a.severity).cmp(&(place(b), b.severity))
    });
    findings.dedup();
    findings.truncate(MAX_FINDINGS);
    findings
}
