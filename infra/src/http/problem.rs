//! Errors as callers see them: `application/problem+json`, RFC 9457.

use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{Method, StatusCode, header},
};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use weir_events::{AppendError, Unavailable, log::LoadError};

use super::Code;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error that a caller gets. What it says is meant for them: the inside of a 5xx is kept apart
/// as the cause, which is logged once, at the edge, and never sent.
#[derive(Debug, Clone)]
pub struct Problem(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    body: Body,
    retry_after: Option<Duration>,
    allow: Vec<Method>,
    challenge: bool,
    cause: Option<String>,
}

/// What went wrong, as RFC 9457 has it.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Body {
    /// Where the code is explained, relative to this server.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#name_taken")]
    kind: String,
    /// A short text, the same for every occurrence of the code.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 409)]
    status: u16,
    /// A stable code that programs can rely on.
    #[schema(value_type = String, example = "name_taken")]
    code: Code,
    /// A sentence about this occurrence.
    detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// The SQL that a language model wrote, where that is what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    sql: Option<String>,
    /// The places that are at fault, where they are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Place>,
}

/// One place in the request that is at fault.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ProblemPlace)]
pub struct Place {
    /// The field of the body, or the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The line in the text, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// A stable code for what is wrong there.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// A sentence about it.
    pub detail: String,
}

impl Problem {
    /// A problem with what there is to say about this occurrence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            body: Body {
                kind: format!("/docs/errors#{code}"),
                title: code.title(),
                status: code.status().as_u16(),
                code,
                detail: detail.into(),
                instance: None,
                sql: None,
                errors: Vec::new(),
            },
            retry_after: None,
            allow: Vec::new(),
            challenge: code.status() == StatusCode::UNAUTHORIZED,
            cause: None,
        }))
    }

    /// A failure inside Weir. The caller learns nothing of the cause.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            Code::Internal,
            "The request failed for a reason that was logged; it may work when tried again.",
        )
        .cause(cause)
    }

    /// PostgreSQL does not answer.
    pub fn database_unavailable(cause: impl fmt::Display) -> Self {
        Self::new(
            Code::DatabaseUnavailable,
            "The database does not answer at the moment. Try again in a little while.",
        )
        .retry_after(AWAY)
        .cause(cause)
    }

    /// A value that is not allowed, with the one field that holds it.
    pub fn invalid(
        field: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        Self::new(Code::InvalidValue, detail.clone()).field(field, code, detail)
    }

    /// Names a field of the body or a parameter that is at fault.
    #[must_use]
    pub fn field(
        self,
        name: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        self.place(Place {
            field: Some(name.into()),
            code: code.into(),
            detail: detail.into(),
            ..Place::default()
        })
    }

    /// Adds a place that is at fault.
    #[must_use]
    pub fn place(mut self, place: Place) -> Self {
        self.0.body.errors.push(place);
        self
    }

    /// Says when to try again; rounded up to whole seconds.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Says which methods the path has.
    #[must_use]
    pub fn allow(mut self, methods: &[Method]) -> Self {
        self.0.allow = methods.to_vec();
        self
    }

    /// Shows the SQL at fault to someone who did not write it.
    #[must_use]
    pub fn sql(mut self, sql: &str) -> Self {
        self.0.body.sql = Some(sql.to_owned());
        self
    }

    /// What led to it, for the log only.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.0.body.code
    }

    /// The sentence about this occurrence.
    pub fn detail(&self) -> &str {
        &self.0.body.detail
    }

    pub(super) fn log_cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Fills in the path that was asked for.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.0.body.instance.get_or_insert_with(|| path.to_owned());
        self
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always have a JSON form.
        serde_json::to_vec(&self.0.body).unwrap_or_default()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.body.code, self.0.body.detail)?;
        self.0.cause.iter().try_for_each(|cause| write!(f, " ({cause})"))
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.body.code.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        if let Some(wait) = self.0.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.insert_header((header::RETRY_AFTER, seconds.max(1)));
        }
        if !self.0.allow.is_empty() {
            response.insert_header(header::Allow(self.0.allow.clone()));
        }
        if self.0.challenge {
            let error = match self.0.body.code {
                Code::TokenMissing => "Bearer realm=\"weir\"",
                _ => "Bearer realm=\"weir\", error=\"invalid_token\"",
            };
            response.insert_header((header::WWW_AUTHENTICATE, error));
        }
        let mut response = response.body(self.to_bytes());
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        Body::schema()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Body::schemas(schemas);
    }
}

/// How long a caller is asked to wait for a server that is away.
const AWAY: Duration = Duration::from_secs(2);

fn log_unavailable(cause: impl fmt::Display) -> Problem {
    Problem::new(
        Code::LogUnavailable,
        "The event log does not answer at the moment. Try again in a little while.",
    )
    .retry_after(AWAY)
    .cause(cause)
}

impl From<AppendError> for Problem {
    fn from(e: AppendError) -> Self {
        match e {
            AppendError::Conflict => Self::new(
                Code::Conflict,
                "Another change came first. Look at the thing again, then try again.",
            ),
            AppendError::Duplicate(_) => Self::new(Code::Conflict, "This command was carried out before."),
            AppendError::Unavailable(cause) => log_unavailable(cause),
            AppendError::TooLarge { size, limit } => Self::new(
                Code::PayloadTooLarge,
                format!("What the command has to record takes {size} bytes; at most {limit} are possible."),
            ),
            AppendError::Invalid(cause) => Self::internal(cause),
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(e: Unavailable) -> Self {
        log_unavailable(e.0)
    }
}

impl From<LoadError> for Problem {
    fn from(e: LoadError) -> Self {
        match e {
            LoadError::Unavailable(e) => e.into(),
            e @ LoadError::Decode { .. } => Self::internal(e),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(e: anyhow::Error) -> Self {
        Self::internal(format!("{e:#}"))
    }
}

/// The blob store. Where a blob that is missing has a meaning, its reader looks for that first.
impl From<object_store::Error> for Problem {
    fn from(e: object_store::Error) -> Self {
        let detail = "The blob store does not answer at the moment. Try again in a little while.";
        Self::new(Code::StorageUnavailable, detail).retry_after(AWAY).cause(with_sources(&e))
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(e: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let away = match e.code() {
            // Not the server's word: the connection is gone, or the values do not fit.
            None => e.is_closed() || std::error::Error::source(&e).is_some_and(|s| s.is::<std::io::Error>()),
            // A server that goes down says so with class 57; one that is full with class 53.
            Some(code) => {
                *code == SqlState::ADMIN_SHUTDOWN
                    || *code == SqlState::CRASH_SHUTDOWN
                    || *code == SqlState::CANNOT_CONNECT_NOW
                    || code.code().starts_with("53")
            }
        };
        let cause = with_sources(&e);
        if away { Self::database_unavailable(cause) } else { Self::internal(cause) }
    }
}

impl From<deadpool_postgres::PoolError> for Problem {
    fn from(e: deadpool_postgres::PoolError) -> Self {
        match e {
            deadpool_postgres::PoolError::Backend(e) => e.into(),
            e => Self::database_unavailable(with_sources(&e)),
        }
    }
}

/// An error with everything that led to it, for the log.
fn with_sources(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(e) = source {
        text.push_str(": ");
        text.push_str(&e.to_string());
        source = e.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.to_bytes()).unwrap()
    }

    #[test]
    fn has_the_form_of_rfc_9457() {
        let problem = Problem::new(Code::NameTaken, "There is a dataset named flights.")
            .field("name", "taken", "Choose another name.")
            .at("/api/v1/datasets");
        assert_eq!(
            json(&problem),
            serde_json::json!({
                "type": "/docs/errors#name_taken",
                "title": "The name is taken",
                "status": 409,
                "code": "name_taken",
                "detail": "There is a dataset named flights.",
                "instance": "/api/v1/datasets",
                "errors": [{"field": "name", "code": "taken", "detail": "Choose another name."}],
            })
        );
        let response = problem.error_response();
        assert_eq!(response.status(), 409);
        assert_eq!(response.headers().get("content-type").unwrap(), MEDIA_TYPE);
    }

    #[test]
    fn tells_nothing_of_the_inside() {
        let problem = Problem::internal("connection to 10.0.0.7 refused");
        assert!(!String::from_utf8(problem.to_bytes()).unwrap().contains("10.0.0.7"));
        assert_eq!(problem.log_cause(), Some("connection to 10.0.0.7 refused"));
    }

    #[tokio::test]
    async fn a_database_is_away_only_when_its_connection_is() {
        let database = crate::testing::database().await;
        let client = database.pool().get().await.unwrap();
        let row = client.query_one("SELECT 'text'", &[]).await.unwrap();
        let not_a_number = row.try_get::<_, i32>(0).unwrap_err();
        assert_eq!(Problem::from(not_a_number).code(), Code::Internal);
        let no_such_column = row.try_get::<_, i32>("n").unwrap_err();
        assert_eq!(Problem::from(no_such_column).code(), Code::Internal);
        let wrong_parameter = client.query_one("SELECT $1::int", &[&"text"]).await.unwrap_err();
        assert_eq!(Problem::from(wrong_parameter).code(), Code::Internal);
        let no_such_table = client.query_one("SELECT * FROM nothing", &[]).await.unwrap_err();
        assert_eq!(Problem::from(no_such_table).code(), Code::Internal);

        let ended = client.query_one("SELECT pg_terminate_backend(pg_backend_pid())", &[]).await.unwrap_err();
        assert_eq!(Problem::from(ended).code(), Code::DatabaseUnavailable);
        let closed = client.query_one("SELECT 1", &[]).await.unwrap_err();
        assert_eq!(Problem::from(closed).code(), Code::DatabaseUnavailable);
        let nobody = tokio_postgres::connect("postgresql://weir@127.0.0.1:1/none", tokio_postgres::NoTls);
        assert_eq!(Problem::from(nobody.await.err().unwrap()).code(), Code::DatabaseUnavailable);
    }

    #[test]
    fn a_blob_store_that_does_not_answer_is_unavailable() {
        let error = object_store::Error::Generic { store: "S3", source: "10.0.0.7 refused".into() };
        let problem = Problem::from(error);
        assert_eq!(problem.code(), Code::StorageUnavailable);
        assert_eq!(problem.error_response().headers().get("retry-after").unwrap(), "2");
        assert!(!String::from_utf8(problem.to_bytes()).unwrap().contains("10.0.0.7"));
    }

    #[test]
    fn says_when_to_come_back_and_how_to_authenticate() {
        let away = Problem::from(AppendError::Unavailable("nobody there".into())).error_response();
        assert_eq!(away.status(), 503);
        assert_eq!(away.headers().get("retry-after").unwrap(), "2");
        let short = Problem::new(Code::Busy, "").retry_after(Duration::from_millis(20)).error_response();
        assert_eq!(short.headers().get("retry-after").unwrap(), "1");
        let missing = Problem::new(Code::TokenMissing, "").error_response();
        assert_eq!(missing.headers().get("www-authenticate").unwrap(), "Bearer realm=\"weir\"");
    }
}
