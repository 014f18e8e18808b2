//! A body becomes a blob: streamed, hashed on the way, never whole in memory, and nothing is left
//! of one that did not arrive whole or was not wanted.

use bytes::Bytes;
use object_store::{ObjectStoreExt, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use weir_engine::ingest::{self, IngestError};
use weir_events::{
    AppendError, DatasetId, WorkspaceId,
    dataset::{self as dataset_events, Upload},
};
use weir_infra::{
    blob::Blobs,
    http::{Code, Place, Problem},
};

use super::{App, Done, Error, queries::Failure};
use crate::domain::{
    Command, Ctx,
    dataset::{self, Datasets, Received, Replaced},
    workspace,
};

/// How much goes to the store at once, in bytes.
const PART: usize = 5 << 20;
/// How many parts may be under way; with [`PART`] this bounds the memory of an upload.
const PARTS: usize = 3;

/// A blob that is being written. Dropped, nothing of it remains.
#[derive(Debug)]
pub struct Incoming {
    blobs: Blobs,
    key: Path,
    /// `None` once it is finished or given up.
    writer: Option<WriteMultipart>,
    hash: Sha256,
    bytes: u64,
    limit: u64,
}

/// A blob that arrived whole. Dropped without [`Arrived::keep`], it is removed.
#[derive(Debug)]
pub struct Arrived {
    blobs: Blobs,
    key: Path,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    kept: bool,
}

fn unavailable(e: impl std::fmt::Display) -> Problem {
    Problem::new(Code::StorageUnavailable, "The file could not be stored at the moment. Try again.")
        .retry_after(std::time::Duration::from_secs(2))
        .cause(e)
}

impl Incoming {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// `payload_too_large` over the limit, `storage_unavailable` when the store fails.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), Problem> {
        self.bytes += chunk.len() as u64;
        if self.bytes > self.limit {
            return Err(too_large(self.limit));
        }
        self.hash.update(&chunk);
        let Some(writer) = &mut self.writer else { return Err(Problem::internal("written after its end")) };
        writer.wait_for_capacity(PARTS).await.map_err(unavailable)?;
        writer.put(chunk);
        Ok(())
    }

    /// The body is complete.
    ///
    /// # Errors
    /// `storage_unavailable` when the store fails.
    pub async fn finish(mut self) -> Result<Arrived, Problem> {
        let Some(writer) = self.writer.take() else { return Err(Problem::internal("finished twice")) };
        // From here on the whole blob may be there: whoever drops this removes it.
        let hash = std::mem::take(&mut self.hash).finalize();
        let arrived = Arrived {
            blobs: self.blobs.clone(),
            key: self.key.clone(),
            bytes: self.bytes,
            sha256: hex(&hash),
            kept: false,
        };
        writer.finish().await.map_err(unavailable)?;
        Ok(arrived)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        let (Some(writer), Ok(runtime)) = (self.writer.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let key = self.key.clone();
        runtime.spawn(async move {
            if let Err(error) = writer.abort().await {
                tracing::warn!(%key, %error, "parts of a broken upload could not be removed");
            }
        });
    }
}

impl Arrived {
    /// Its key in the blob store.
    pub fn key(&self) -> &str {
        self.key.as_ref()
    }

    /// An event names it, or may name it: it stays.
    fn keep(mut self) {
        self.kept = true;
    }

    /// Nobody wants it.
    async fn discard(mut self) {
        self.kept = true;
        remove(self.blobs.clone(), self.key.clone()).await;
    }
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.kept, tokio::runtime::Handle::try_current()) {
            runtime.spawn(remove(self.blobs.clone(), self.key.clone()));
        }
    }
}

async fn remove(blobs: Blobs, key: Path) {
    match blobs.delete(&key).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
        Err(error) => tracing::warn!(%key, %error, "an unwanted upload could not be removed"),
    }
}

/// More than may be uploaded.
pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(Code::PayloadTooLarge, format!("A file may have at most {limit} bytes."))
}

impl App {
    /// Opens the blob for a dataset's file. A repeated upload writes to a place of its own.
    ///
    /// # Errors
    /// `too_many_files` where enough of them wait to be read, `storage_unavailable` when the store fails.
    pub async fn incoming(&self, cx: &Ctx, dataset: DatasetId) -> Result<Incoming, Problem> {
        let most = self.config().waiting_files;
        if self.directory().waiting_files(cx.workspace) >= most {
            let detail = format!("{most} files of this workspace wait to be read, which is as many as may.");
            return Err(
                Problem::new(Code::TooManyFiles, detail).retry_after(std::time::Duration::from_secs(10))
            );
        }
        let key = Path::from(format!("uploads/{}/{dataset}/{}", cx.workspace, Uuid::now_v7()));
        let upload = self.blobs().put_multipart(&key).await.map_err(unavailable)?;
        Ok(Incoming {
            blobs: self.blobs().clone(),
            key,
            writer: Some(WriteMultipart::new_with_chunk_size(upload, PART)),
            hash: Sha256::new(),
            bytes: 0,
            limit: self.config().upload_bytes,
        })
    }

    /// A file arrived: makes the dataset or its next version, or removes the file where that is refused.
    /// Goes on to its end when the caller goes away, so that file and event stay in step.
    ///
    /// # Errors
    /// When it is refused or cannot be written.
    pub async fn receive<C>(
        &self,
        cx: &Ctx,
        id: DatasetId,
        arrived: Arrived,
        command: impl FnOnce(&Arrived) -> C,
    ) -> Result<Done<C::Reply>, Problem>
    where
        C: Command<Datasets, Error = dataset::Error> + Send + Sync + 'static,
        C::Reply: Taken + Send,
    {
        let (app, cx, command) = (self.clone(), cx.clone(), command(&arrived));
        let task = tokio::spawn(async move {
            if app.directory().is_deleted(cx.workspace) {
                arrived.discard().await;
                return Err(workspace::Error::NotFound.into());
            }
            let done = app.executor().execute(&id, &command, &cx).await;
            let outcome = if done.is_ok() { "received" } else { "refused" };
            app.0.metrics.uploads_total.with_label_values(&[outcome]).inc();
            match &done {
                Ok(done) if done.reply.blob() == arrived.key() => {
                    app.0.metrics.upload_bytes_total.inc_by(arrived.bytes);
                    arrived.keep();
                }
                // The log may have taken it or not; a file too many is better than one too few.
                Err(Error::Append(AppendError::Unavailable(_))) => arrived.keep(),
                Ok(_) | Err(_) => arrived.discard().await,
            }
            let done = done?;
            app.seen(done.position).await;
            Ok(done)
        });
        task.await.map_err(Problem::internal)?
    }
}

impl App {
    /// Whether all values of a file fit the types that are asked for.
    ///
    /// # Errors
    /// `types_do_not_fit` with how many do not in each column, and the first of them; `dataset_rejected` where
    /// the file cannot be read so at all.
    pub async fn fits(
        &self,
        workspace: WorkspaceId,
        file: &Upload,
        options: &dataset_events::ReadOptions,
    ) -> Result<(), Problem> {
        let turn = self.0.turns.take(workspace, self.config().query_wait).await;
        let _turn = turn.map_err(|busy| Failure::from(busy).problem("types"))?;
        let options = read_options(options);
        let misfits = self.engine().try_types(&file.blob, &options).await.map_err(|error| match error {
            IngestError::Rejected(rejection) => Problem::new(Code::DatasetRejected, rejection.detail.clone())
                .place(Place {
                    field: rejection.column,
                    line: rejection.row,
                    column: None,
                    code: rejection.code.into(),
                    detail: rejection.detail,
                }),
            IngestError::Failed(reason) => unavailable(reason),
        })?;
        let unfit: Vec<_> = misfits.columns.iter().filter(|c| c.count > 0).collect();
        if unfit.is_empty() {
            return Ok(());
        }
        let said =
            unfit.iter().map(|c| format!("{} in {:?}, which shall be {}", c.count, c.column, c.data_type));
        let detail = format!(
            "Of {} rows these values do not fit: {}. Say allow_unfit to have them become missing.",
            misfits.rows,
            said.collect::<Vec<_>>().join("; ")
        );
        let places = unfit.iter().flat_map(|c| c.first.iter().map(move |value| (c, value)));
        Err(places.fold(Problem::new(Code::TypesDoNotFit, detail), |problem, (column, value)| {
            problem.place(Place {
                field: Some(column.column.clone()),
                line: Some(value.row),
                column: None,
                code: "type_mismatch".into(),
                detail: value.found.clone(),
            })
        }))
    }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// How to read a file, for the engine.
pub(crate) fn read_options(o: &dataset_events::ReadOptions) -> ingest::ReadOptions {
    ingest::ReadOptions {
        delimiter: o.delimiter,
        header: o.header,
        missing: o.missing.clone(),
        missing_in_text: o.missing_in_text.clone(),
        encoding: o.encoding.clone(),
        allow_ragged: o.allow_ragged,
        sheet: o.sheet.clone(),
        records: o.records.clone(),
        types: o.types.clone(),
        allow_unfit: o.allow_unfit,
    }
}

/// What tells which file a command took: a command that came before took another one.
pub trait Taken {
    /// The file's key in the blob store.
    fn blob(&self) -> &str;
}

impl Taken for Received {
    fn blob(&self) -> &str {
        &self.blob
    }
}

impl Taken for Replaced {
    fn blob(&self) -> &str {
        &self.blob
    }
}

/// What is known of a file besides its bytes.
pub fn upload(arrived: &Arrived, file_name: Option<String>, content_type: Option<String>) -> Upload {
    Upload {
        blob: arrived.key().to_owned(),
        bytes: arrived.bytes,
        sha256: arrived.sha256.clone(),
        file_name,
        content_type,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn incoming(blobs: &Blobs, key: &Path, upload: Box<dyn object_store::MultipartUpload>) -> Incoming {
        Incoming {
            blobs: blobs.clone(),
            key: key.clone(),
            writer: Some(WriteMultipart::new_with_chunk_size(upload, PART)),
            hash: Sha256::new(),
            bytes: 0,
            limit: 10,
        }
    }

    #[tokio::test]
    async fn what_is_too_large_or_unwanted_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = weir_infra::blob::open(&folder.path().display().to_string()).unwrap();
        let key = Path::from("uploads/w/d/u");

        let mut large = incoming(&blobs, &key, blobs.put_multipart(&key).await.unwrap());
        large.write(Bytes::from_static(b"12345678")).await.unwrap();
        let problem = large.write(Bytes::from_static(b"90a")).await.unwrap_err();
        assert_eq!(problem.code(), Code::PayloadTooLarge);
        large.writer.take().unwrap().abort().await.unwrap();

        let mut whole = incoming(&blobs, &key, blobs.put_multipart(&key).await.unwrap());
        whole.write(Bytes::from_static(b"abc")).await.unwrap();
        let arrived = whole.finish().await.unwrap();
        assert_eq!(arrived.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(blobs.head(&key).await.unwrap().size, 3);
        arrived.discard().await;
        let left: Vec<_> = blobs.list(None).try_collect().await.unwrap();
        assert_eq!(left, []);
        let files = walk(folder.path());
        assert_eq!(files, 0, "no parts either");
    }

    fn walk(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        entries.map(|p| if p.is_dir() { walk(&p) } else { 1 }).sum()
    }
}
