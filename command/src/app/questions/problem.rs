//! A model that did not answer, as a problem.

use std::time::Duration;

use weir_infra::{
    http::{Code, Problem},
    llm::Error,
};

/// How long a caller is asked to wait where the provider does not say.
const LATER: Duration = Duration::from_secs(10);

/// What the caller gets. Whoever's own key it is learns what the provider said; of the installation's model
/// that goes into the log only.
pub(super) fn problem(error: &Error, own: bool) -> Problem {
    match error {
        Error::Timeout => {
            Problem::new(Code::ModelTimeout, "The language model did not answer in time. Ask again, or ask in SQL.")
        }
        Error::Limited { retry_after } => Problem::new(
            Code::ModelBusy,
            "The language model's provider takes no more questions at the moment. Ask again in a while.",
        )
        .retry_after(retry_after.unwrap_or(LATER)),
        Error::Refused { status: 401 | 403, .. } if own => Problem::new(
            Code::ModelKeyRefused,
            "The provider refuses your key for its language model. Send another one: PUT /api/v1/me/model.",
        ),
        Error::Refused { .. } if own => {
            Problem::new(Code::ModelRefused, format!("The provider of your language model refuses to answer: {error}."))
        }
        Error::Refused { .. } => Problem::new(
            Code::ModelRefused,
            "The language model's provider refuses to answer; why is in the log. Whoever runs this installation \
             can look at it with `weir doctor`.",
        )
        .cause(error),
        Error::Malformed(_) => Problem::new(
            Code::ModelMalformed,
            "What came from the language model's provider cannot be read. Ask again, or ask in SQL.",
        )
        .cause(error),
        Error::Unreachable(_) => Problem::new(
            Code::ModelUnreachable,
            "The language model cannot be reached at the moment. Ask again in a while, or ask in SQL.",
        )
        .retry_after(LATER)
        .cause(error),
    }
}

/// The outcome of a call, for metrics.
pub(super) fn outcome(error: &Error) -> &'static str {
    match error {
        Error::Timeout => "timeout",
        Error::Limited { .. } => "limited",
        Error::Refused { .. } => "refused",
        Error::Malformed(_) => "malformed",
        Error::Unreachable(_) => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_a_code_of_its_own() {
        let refused = |status| Error::Refused { status, reason: Some("model_not_found".to_owned()) };
        for (error, own, code, status) in [
            (Error::Timeout, false, Code::ModelTimeout, 504),
            (Error::Limited { retry_after: None }, false, Code::ModelBusy, 503),
            (refused(401), true, Code::ModelKeyRefused, 422),
            (refused(401), false, Code::ModelRefused, 502),
            (refused(404), true, Code::ModelRefused, 502),
            (Error::Malformed("x"), false, Code::ModelMalformed, 502),
            (Error::Unreachable("10.0.0.7 refused".to_owned()), false, Code::ModelUnreachable, 502),
        ] {
            let problem = problem(&error, own);
            assert_eq!((problem.code(), problem.code().status().as_u16()), (code, status));
            assert!(!problem.detail().contains("10.0.0.7"), "{problem}");
            assert_eq!(problem.detail().contains("model_not_found"), own && status == 502, "{problem}");
        }
    }
}
