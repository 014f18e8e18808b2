//! The past, for the read side: from the projector, with its failures told as problems.

use std::time::Duration;

use async_trait::async_trait;
use weir_events::{AsOf, WorkspaceId};
use weir_infra::http::{Code, Problem};
use weir_projector::PastError;
use weir_query_api::Moment;

/// The projector's past as the read side wants it.
pub(crate) struct Past(pub(crate) weir_projector::Past);

#[async_trait]
impl weir_query_api::Past for Past {
    async fn at(&self, workspace: WorkspaceId, as_of: AsOf) -> Result<Moment, Problem> {
        let moment = self.0.at(workspace, as_of).await.map_err(problem)?;
        Ok(Moment { position: moment.position, time: moment.time, schemas: moment.path })
    }
}

fn problem(error: PastError) -> Problem {
    let soon = |seconds| Duration::from_secs(seconds);
    match error {
        PastError::Ahead { head } => {
            let detail = format!("The last event of all is at position {head}.");
            Problem::new(Code::AsOfAhead, &*detail).field("as_of", "ahead", &*detail)
        }
        PastError::TooLarge { limit } => {
            let detail = format!("More than {limit} events had happened in the workspace by then.");
            Problem::new(Code::PastTooLarge, &*detail).field("as_of", "too_large", &*detail)
        }
        PastError::NotYet => {
            let detail = "The workspace's events up to then are still being read. Ask again.";
            Problem::new(Code::PastNotReady, detail).retry_after(soon(2))
        }
        PastError::Busy => {
            let detail = "Too many moments of the past are being put together. Ask again in a little while.";
            Problem::new(Code::Busy, detail).retry_after(soon(5))
        }
        PastError::Unavailable(error) => {
            Problem::new(Code::LogUnavailable, "The event log does not answer. Ask again in a little while.")
                .retry_after(soon(2))
                .cause(error)
        }
        PastError::Log(error) => Problem::internal(error),
        PastError::Database(error) => Problem::database_unavailable(error),
    }
}
