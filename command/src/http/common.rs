//! What several endpoints share.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use weir_infra::http::{Code, MinPosition, Problem};

use crate::{app::App, directory::Directory};

/// How long a request waits for the position that it asks for.
const FRESH: Duration = Duration::from_secs(5);
/// The longest wait that a caller may ask for.
const LONGEST_WAIT: u64 = 60;

/// Waits until the directory is where the caller wants it.
pub(super) async fn fresh(app: &App, position: MinPosition) -> Result<(), Problem> {
    reached(app.directory(), position).await
}

/// The same for those who have no [`App`].
pub(super) async fn reached(directory: &Directory, position: MinPosition) -> Result<(), Problem> {
    match position.0 {
        Some(position) if !directory.wait_for(position, FRESH).await => {
            let detail = format!("Position {position} has not been reached yet. Try again in a moment.");
            Err(Problem::new(Code::PositionNotReached, detail).retry_after(Duration::from_secs(1)))
        }
        _ => Ok(()),
    }
}

/// `Prefer: wait=N`: how long the caller would wait for the outcome (RFC 7240).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefer(pub(super) Option<Duration>);

impl Prefer {
    fn read(values: impl Iterator<Item = String>) -> Self {
        let seconds =
            values.flat_map(|v| v.split(',').map(str::to_owned).collect::<Vec<_>>()).find_map(|p| {
                let (name, value) = p.split_once('=')?;
                let wait = name.trim().eq_ignore_ascii_case("wait");
                let value = value.split(';').next().unwrap_or_default().trim().trim_matches('"');
                wait.then(|| value.parse::<u64>().ok()).flatten()
            });
        Self(seconds.filter(|s| *s > 0).map(|s| Duration::from_secs(s.min(LONGEST_WAIT))))
    }

    /// Says that the preference was followed.
    pub(super) fn applied(self, response: &mut HttpResponse) {
        if let Some(wait) = self.0
            && let Ok(value) = header::HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
        {
            response.headers_mut().insert(header::HeaderName::from_static("preference-applied"), value);
        }
    }
}

impl FromRequest for Prefer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let values = req.headers().get_all("prefer").filter_map(|v| v.to_str().ok()).map(str::to_owned);
        ready(Ok(Self::read(values)))
    }
}

/// Tells `null` from a field that is not there.
pub(super) fn nullable<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(d).map(Some)
}

/// The body of a restore; may be left out.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreBody {
    /// Its name from now on, where someone else took the old one.
    #[serde(default)]
    pub(super) name: Option<String>,
}

/// The body of a restore: nothing at all, or JSON.
pub(super) fn restore_body(bytes: &[u8]) -> Result<RestoreBody, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(RestoreBody::default());
    }
    serde_json::from_slice(bytes).map_err(|e| {
        Problem::new(Code::InvalidBody, format!("The body does not have the expected form: {e}."))
    })
}

/// A thing that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedView {
    /// What was deleted.
    pub(super) id: Uuid,
    /// `deleted`.
    #[schema(example = "deleted")]
    pub(super) status: &'static str,
    /// Where the event log has it.
    pub(super) position: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<u64> {
        Prefer::read([value.to_owned()].into_iter()).0.map(|w| w.as_secs())
    }

    #[test]
    fn the_wait_is_read_and_bounded() {
        assert_eq!(wait("wait=10"), Some(10));
        assert_eq!(wait("respond-async, WAIT = 5; x=y"), Some(5));
        assert_eq!(wait("wait=600"), Some(60));
        assert_eq!(wait("wait=soon"), None);
        assert_eq!(wait("return=minimal"), None);
        assert_eq!(wait("wait=0"), None);
    }
}
