//! The table of error codes: code, status, title. A client may rely on the code; the title is for
//! people and may change. To add one, add a line.

use std::{borrow::Cow, fmt};

use actix_web::http::StatusCode;

macro_rules! codes {
    ($( $name:ident = $text:literal, $status:ident, $title:literal; )+) => {
        /// What went wrong, in a form that programs can rely on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $( #[doc = $title] $name, )+
        }

        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> StatusCode {
                match self { $( Self::$name => StatusCode::$status, )+ }
            }

            /// A short text for people, the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $( Self::$name => $title, )+ }
            }
        }
    };
}

codes! {
    // The request itself
    BadRequest = "bad_request", BAD_REQUEST, "The request cannot be understood";
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    MalformedMultipart = "malformed_multipart", BAD_REQUEST, "The body is not a readable multipart form";
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "The body does not have the expected form";
    InvalidParameter = "invalid_parameter", UNPROCESSABLE_ENTITY, "A parameter does not have the expected form";
    InvalidCursor = "invalid_cursor", UNPROCESSABLE_ENTITY, "The cursor does not belong to this list";
    InvalidValue = "invalid_value", UNPROCESSABLE_ENTITY, "A value is not allowed";
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The media type is not supported here";
    NotAcceptable = "not_acceptable", NOT_ACCEPTABLE, "None of the accepted media types can be given";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    NotFound = "not_found", NOT_FOUND, "There is no such thing here";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The thing has changed in between";

    // Who is asking
    TokenMissing = "token_missing", UNAUTHORIZED, "A bearer token is needed";
    TokenInvalid = "token_invalid", UNAUTHORIZED, "The bearer token is not valid";
    TokenExpired = "token_expired", UNAUTHORIZED, "The bearer token has expired";
    TokenRevoked = "token_revoked", UNAUTHORIZED, "The bearer token was revoked";
    CredentialsInvalid = "credentials_invalid", UNAUTHORIZED, "The e-mail address or the password is wrong";
    RefreshTokenInvalid = "refresh_token_invalid", UNAUTHORIZED, "The refresh token is not valid";
    RoleTooLow = "role_too_low", FORBIDDEN, "The role does not allow this";
    OperatorRequired = "operator_required", FORBIDDEN, "Only the owner of the installation may do this";
    PersonRequired = "person_required", FORBIDDEN, "An API key cannot do this";
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "Too many attempts";

    // Retrying
    IdempotencyKeyInvalid = "idempotency_key_invalid", UNPROCESSABLE_ENTITY, "The Idempotency-Key is not valid";
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The Idempotency-Key came with another request before";
    RequestInProgress = "request_in_progress", CONFLICT, "A request with this Idempotency-Key is still running";
    Conflict = "conflict", CONFLICT, "Another change came first";

    // Accounts and workspaces
    WorkspaceNotFound = "workspace_not_found", NOT_FOUND, "There is no such workspace";
    MemberNotFound = "member_not_found", NOT_FOUND, "There is no such member";
    UserNotFound = "user_not_found", NOT_FOUND, "There is no such user";
    ApiKeyNotFound = "api_key_not_found", NOT_FOUND, "There is no such API key";
    EmailTaken = "email_taken", CONFLICT, "The e-mail address has an account already";
    AlreadyMember = "already_member", CONFLICT, "The user is a member already";
    LastOwner = "last_owner", CONFLICT, "A workspace needs an owner";
    PersonalWorkspace = "personal_workspace", CONFLICT, "A personal workspace stays with its owner";
    TooManyApiKeys = "too_many_api_keys", CONFLICT, "The workspace has as many API keys as it may have";

    // Datasets, queries, charts
    DatasetNotFound = "dataset_not_found", NOT_FOUND, "There is no such dataset";
    VersionNotFound = "version_not_found", NOT_FOUND, "There is no such version that can be queried";
    ContextNotFound = "context_not_found", NOT_FOUND, "There is no such context";
    ContextInUse = "context_in_use", CONFLICT, "The context is in use";
    InvalidContext = "invalid_context", UNPROCESSABLE_ENTITY, "The context cannot be used";
    QueryNotFound = "query_not_found", NOT_FOUND, "There is no such query";
    RunNotFound = "run_not_found", NOT_FOUND, "There is no such run";
    ResultNotKept = "result_not_kept", NOT_FOUND, "The rows of the run were not kept";
    FileGone = "file_gone", GONE, "The file is gone";
    ResultGone = "result_gone", GONE, "The rows of the run are gone";
    AsOfAhead = "as_of_ahead", UNPROCESSABLE_ENTITY, "The moment has not come yet";
    PastTooLarge = "past_too_large", UNPROCESSABLE_ENTITY, "Too much had happened by then to show it";
    PastNotReady = "past_not_ready", SERVICE_UNAVAILABLE, "The past is still being put together";
    VisualizationNotFound = "visualization_not_found", NOT_FOUND, "There is no such visualization";
    NameTaken = "name_taken", CONFLICT, "The name is taken";
    DatasetNotReady = "dataset_not_ready", CONFLICT, "The dataset is still being read";
    TypesDoNotFit = "types_do_not_fit", UNPROCESSABLE_ENTITY, "Values do not fit the types that are asked for";
    ProfileUnknown = "profile_unknown", NOT_FOUND, "It is not known what the columns hold";
    ImportAddressRefused = "import_address_refused", UNPROCESSABLE_ENTITY, "Files are not fetched from this address";
    ImportFailed = "import_failed", BAD_GATEWAY, "The file could not be fetched";
    ImportTimeout = "import_timeout", GATEWAY_TIMEOUT, "The file took too long to be fetched";
    TooManyImports = "too_many_imports", TOO_MANY_REQUESTS, "As many files are fetched as may be at once";
    TooManyFiles = "too_many_files", TOO_MANY_REQUESTS, "As many files wait to be read as may";
    DatasetRejected = "dataset_rejected", UNPROCESSABLE_ENTITY, "The file could not be read";
    EventNotFound = "event_not_found", NOT_FOUND, "Nothing happened to it at this position";
    NotUndoable = "not_undoable", CONFLICT, "This cannot be taken back";
    ChangedSince = "changed_since", CONFLICT, "It was changed again since";
    ActionNotFound = "action_not_found", NOT_FOUND, "There is no such recommended action";
    QueryNotSaved = "query_not_saved", CONFLICT, "The query is not saved";
    ModelNotConfigured = "model_not_configured", NOT_IMPLEMENTED, "No language model is configured";
    QuestionUnanswered = "question_unanswered", UNPROCESSABLE_ENTITY, "The language model wrote no SQL that can be run";
    TooManyQuestions = "too_many_questions", TOO_MANY_REQUESTS, "Too many questions are asked at once";
    ModelBusy = "model_busy", SERVICE_UNAVAILABLE, "The language model takes no more questions now";
    ModelTimeout = "model_timeout", GATEWAY_TIMEOUT, "The language model did not answer in time";
    ModelUnreachable = "model_unreachable", BAD_GATEWAY, "The language model cannot be reached";
    ModelRefused = "model_refused", BAD_GATEWAY, "The language model's provider refuses to answer";
    ModelMalformed = "model_malformed", BAD_GATEWAY, "The language model's answer cannot be read";
    ModelKeyRefused = "model_key_refused", UNPROCESSABLE_ENTITY, "The provider refuses your key";
    ModelKeyUnreadable = "model_key_unreadable", CONFLICT, "Your key cannot be opened any more";
    InvalidSpec = "invalid_spec", UNPROCESSABLE_ENTITY, "The specification cannot be used";
    InvalidChart = "invalid_chart", UNPROCESSABLE_ENTITY, "The chart cannot be drawn like this";

    WebhookNotFound = "webhook_not_found", NOT_FOUND, "There is no such webhook";
    WebhookInactive = "webhook_inactive", CONFLICT, "The webhook is told of nothing";
    WebhookAddressRefused = "webhook_address_refused", UNPROCESSABLE_ENTITY, "Events are not told at this address";
    TooManyWebhooks = "too_many_webhooks", CONFLICT, "The workspace has as many webhooks as it may have";
    DeliveryNotFound = "delivery_not_found", NOT_FOUND, "There is no such delivery";

    // SQL
    SyntaxError = "syntax_error", UNPROCESSABLE_ENTITY, "The SQL cannot be parsed";
    StatementNotAllowed = "statement_not_allowed", UNPROCESSABLE_ENTITY, "Only one single query can be run";
    FunctionNotAllowed = "function_not_allowed", UNPROCESSABLE_ENTITY, "The function cannot be used here";
    UnknownTable = "unknown_table", UNPROCESSABLE_ENTITY, "There is no such table";
    UnknownColumn = "unknown_column", UNPROCESSABLE_ENTITY, "There is no such column";
    AmbiguousColumn = "ambiguous_column", UNPROCESSABLE_ENTITY, "Several tables have the column";
    UnknownFunction = "unknown_function", UNPROCESSABLE_ENTITY, "There is no such function";
    InvalidQuery = "invalid_query", UNPROCESSABLE_ENTITY, "The parts of the query do not fit together";
    NotSupported = "not_supported", UNPROCESSABLE_ENTITY, "The SQL is not supported";
    DivisionByZero = "division_by_zero", UNPROCESSABLE_ENTITY, "The query divides by zero";
    TimeLimit = "time_limit", UNPROCESSABLE_ENTITY, "The query ran longer than it may";
    MemoryLimit = "memory_limit", UNPROCESSABLE_ENTITY, "The query needs more memory than it may have";
    TooManyQueries = "too_many_queries", TOO_MANY_REQUESTS, "Too many queries run at once";
    StorageUnavailable = "storage_unavailable", SERVICE_UNAVAILABLE, "The blob store is not available";

    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many streams of events are open";

    // Not the caller's fault
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong inside Weir";
    LogUnavailable = "log_unavailable", SERVICE_UNAVAILABLE, "The event log is not available";
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database is not available";
    PositionNotReached = "position_not_reached", SERVICE_UNAVAILABLE, "The read models have not reached the position yet";
    Busy = "busy", SERVICE_UNAVAILABLE, "There is too much to do at the moment";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl From<Code> for Cow<'static, str> {
    fn from(code: Code) -> Self {
        Self::Borrowed(code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice in the table");
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code}");
        }
    }
}
