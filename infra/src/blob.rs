//! The blob store: uploads, tables and results.
//!
//! Keys: `uploads/<workspace>/<dataset>/<uuid>`, `tables/<workspace>/<dataset>/<version>-<uuid>.parquet`,
//! `results/<workspace>/<hash or run>.arrow`. A blob is written once and never changed, save for results that were
//! found damaged: those are written again.

use std::{path::Path, sync::Arc};

use object_store::{ObjectStore, local::LocalFileSystem, memory::InMemory};

mod synced;

/// The store, shared by cloning.
pub type Blobs = Arc<dyn ObjectStore>;

/// Why the blob store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder cannot be made or used.
    #[error("blob_url: the folder {folder} cannot be used: {source}")]
    Folder {
        /// Which folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// The store refused.
    #[error("blob_url: {0}")]
    Store(#[from] object_store::Error),
    /// Not an address that this build knows.
    #[error("blob_url: `{0}` is neither a folder nor one of file:///folder, memory:///")]
    Unknown(String),
}

/// Opens the store in a folder, given as a path or `file://` address, or one in memory
/// (`memory:///`), which is gone with the process.
///
/// # Errors
/// When the address is of another kind, or the folder cannot be used.
pub fn open(location: &str) -> Result<Blobs, Error> {
    match location.split_once("://") {
        None => folder(location),
        Some(("file", path)) => folder(path),
        Some(("memory", _)) => Ok(Arc::new(InMemory::new())),
        Some(_) => Err(Error::Unknown(location.to_owned())),
    }
}

fn folder(path: &str) -> Result<Blobs, Error> {
    let failed = |source| Error::Folder { folder: path.to_owned(), source };
    std::fs::create_dir_all(path).map_err(failed)?;
    let root = Path::new(path).canonicalize().map_err(failed)?;
    let files = LocalFileSystem::new_with_prefix(&root)?;
    Ok(Arc::new(synced::Synced::new(files, root)))
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, PutPayload, WriteMultipart, path::Path as Key};

    use super::*;

    #[tokio::test]
    async fn what_is_put_can_be_got() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("blobs").display().to_string();
        for location in [path.clone(), format!("file://{path}"), "memory:///".to_owned()] {
            let blobs = open(&location).unwrap();
            let key = Key::from("uploads/w/d/u");
            blobs.put(&key, PutPayload::from_static(b"1,2,3")).await.unwrap();
            assert_eq!(&blobs.get(&key).await.unwrap().bytes().await.unwrap()[..], b"1,2,3", "{location}");
            let key = Key::from("uploads/w/d/large");
            let mut parts = WriteMultipart::new(blobs.put_multipart(&key).await.unwrap());
            parts.write(&[7; 100_000]);
            parts.finish().await.unwrap();
            assert_eq!(blobs.head(&key).await.unwrap().size, 100_000, "{location}");
        }
    }

    #[test]
    fn an_unknown_address_names_the_key() {
        let error = open("ftp://example.org/x").unwrap_err();
        assert!(error.to_string().starts_with("blob_url: `ftp://"), "{error}");
    }
}
