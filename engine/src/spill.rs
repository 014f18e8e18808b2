//! Where queries spill: a folder of this engine's own, below the one that is configured.
//!
//! Several processes may be given the same folder, and a killed one takes nothing away. So each
//! engine holds a lock on its own folder, which the system releases however the process ends, and
//! removes those that nobody holds.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// What the names of the engines' folders begin with.
const OWN: &str = "weir-";
/// The query engine's folders; they stand here where an engine had no folder of its own.
const INNER: &str = "datafusion-";
const LOCK: &str = "lock";

/// A folder to spill to, removed when dropped.
pub(crate) struct Spill {
    folder: PathBuf,
    _lock: File,
}

impl Spill {
    /// Takes a new folder below `root`, which is made if it does not exist, and removes what engines
    /// that are gone left there.
    pub(crate) fn take(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        // Held until the new folder is locked: a folder without a lock is nobody's.
        let turn = lock_file(root)?;
        turn.lock()?;
        sweep(root)?;
        let folder = make(root)?;
        let lock = lock_file(&folder)?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // What a query that is being cancelled writes at this moment goes at the next start.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))
}

/// Process ids come again, in containers all the time: the first name that is free.
fn make(root: &Path) -> io::Result<PathBuf> {
    let pid = std::process::id();
    for n in 0_u32.. {
        let folder = root.join(format!("{OWN}{pid}-{n}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !(name.starts_with(OWN) || name.starts_with(INNER)) || !entry.file_type()?.is_dir() {
            continue;
        }
        let folder = entry.path();
        if held(&folder) {
            continue;
        }
        // Something of it may belong to someone else; that must not keep Weir from starting.
        match fs::remove_dir_all(&folder) {
            Ok(()) => tracing::info!(folder = %folder.display(), "removed what a query had spilled"),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "spilled data cannot be removed");
            }
        }
    }
    Ok(())
}

/// Whether an engine still uses a folder, or that cannot be known.
fn held(folder: &Path) -> bool {
    match File::options().write(true).open(folder.join(LOCK)) {
        Ok(lock) => match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        },
        Err(e) => e.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != LOCK)
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_nobody_holds_is_removed_and_what_is_held_stays() {
        let root = tempfile::tempdir().unwrap();
        for leftover in ["datafusion-abc", "weir-1-0/datafusion-def", "elsewhere"] {
            fs::create_dir_all(root.path().join(leftover)).unwrap();
            fs::write(root.path().join(leftover).join("spilled"), "rows").unwrap();
        }
        // As a killed process leaves it: the file is there and nobody has it locked.
        lock_file(&root.path().join("weir-1-0")).unwrap();

        let first = Spill::take(root.path()).unwrap();
        let pid = std::process::id();
        assert_eq!(names(root.path()), ["elsewhere".to_owned(), format!("weir-{pid}-0")]);
        fs::write(first.folder().join("spilled"), "rows").unwrap();

        let second = Spill::take(root.path()).unwrap();
        assert_ne!(first.folder(), second.folder());
        assert!(first.folder().join("spilled").exists(), "it is in use");
        drop(first);
        assert_eq!(names(root.path()), ["elsewhere".to_owned(), format!("weir-{pid}-1")]);
        drop(second);
        assert_eq!(names(root.path()), ["elsewhere"]);
    }
}
