//! A child's log: appended to across restarts, put aside once it has grown large.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
};

const LARGE: u64 = 8 << 20;
const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 12;

/// An open log.
pub(super) struct Log {
    file: File,
    path: PathBuf,
    /// Where this start of the server begins in it.
    from: u64,
}

/// Opens a log for a new start of its server.
pub(super) fn open(path: &Path) -> io::Result<Log> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|m| m.len() > LARGE) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let from = file.metadata()?.len();
    Ok(Log { file, path: path.to_owned(), from })
}

impl Log {
    pub(super) fn writer(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// The last lines that this start of the server wrote.
    pub(super) fn tail(&self) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(self.from.max(end.saturating_sub(TAIL_BYTES))))?;
            let mut bytes = Vec::new();
            file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
            }
            Err(error) => format!("(the log cannot be read: {error})"),
        }
    }
}
