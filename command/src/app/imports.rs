//! Files that are fetched rather than sent.

use std::time::Duration;

use weir_events::DatasetId;
use weir_infra::{
    fetch::{Download, Error},
    http::{Code, Problem},
};

use super::{
    App,
    uploads::{Arrived, too_large},
};
use crate::domain::Ctx;

/// When to come back, where all turns are taken: fetching a file takes a while.
const LATER: Duration = Duration::from_secs(10);

/// A file that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes, in the blob store.
    pub arrived: Arrived,
    /// Where it was found, without what may be secret.
    pub source: String,
    /// The name that it has there.
    pub file_name: Option<String>,
    /// The media type that the server gave.
    pub content_type: Option<String>,
}

impl App {
    /// Fetches a file into the blob store. `wanted` may look at what is known of it before its bytes are
    /// fetched. Dropped, nothing of it remains.
    ///
    /// # Errors
    /// When the address is none that files are fetched from, or the file cannot be had.
    pub async fn fetch(
        &self,
        cx: &Ctx,
        dataset: DatasetId,
        url: &str,
        wanted: impl FnOnce(&Download) -> Result<(), Problem>,
    ) -> Result<Fetched, Problem> {
        let turn = self.0.imports.take(cx.workspace, self.config().query_wait).await;
        let _turn = turn.map_err(|_| {
            Problem::new(Code::TooManyImports, "This workspace fetches as many files as it may at once.")
                .retry_after(LATER)
        })?;
        let mut download = self.0.fetcher.open(url).await.map_err(problem)?;
        let limit = self.config().upload_bytes;
        if download.length.is_some_and(|bytes| bytes > limit) {
            return Err(too_large(limit));
        }
        wanted(&download)?;
        let mut incoming = self.incoming(cx, dataset).await?;
        while let Some(chunk) = download.chunk().await.map_err(problem)? {
            incoming.write(chunk).await?;
        }
        let arrived = incoming.finish().await?;
        let Download { source, file_name, content_type, .. } = download;
        Ok(Fetched { arrived, source, file_name, content_type })
    }
}

fn problem(error: Error) -> Problem {
    let mut detail = error.to_string();
    if let Some(first) = detail.get(..1) {
        detail = format!("{}{}.", first.to_uppercase(), &detail[1..]);
    }
    match error {
        Error::Invalid(_) | Error::NotPublic => {
            Problem::new(Code::ImportAddressRefused, detail.clone()).field("url", "refused", detail)
        }
        Error::TooSlow(_) => Problem::new(Code::ImportTimeout, detail),
        Error::Unreachable | Error::TooManyRedirects | Error::Refused(_) | Error::Broken => {
            Problem::new(Code::ImportFailed, detail)
        }
    }
}
