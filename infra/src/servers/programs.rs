//! Where the server programs are, and whether they are new enough.

use std::{
    cmp::Ordering,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

/// A dotted version number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Vec<u32>);

impl Version {
    /// The first dotted number in what a program says of itself, such as `nats-server: v2.15.1` or
    /// `postgres (PostgreSQL) 18.4 (Debian 18.4-1)`.
    pub fn find_in(text: &str) -> Option<Self> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let digits: &str = &text[start..];
        let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
        let parts =
            digits[..end].trim_end_matches('.').split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self(parts))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// A program that Weir can run as its child.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Its file name.
    pub name: &'static str,
    /// The oldest version that does.
    pub needed: &'static str,
    /// Programs that must lie in the same folder.
    pub beside: &'static [&'static str],
    /// What to set instead, to use a server that runs elsewhere.
    pub instead: &'static str,
}

/// Older ones lack atomic batches, or lose acknowledged messages.
pub const NATS: Wanted =
    Wanted { name: "nats-server", needed: "2.14.4", beside: &[], instead: "WEIR_NATS_URL" };
/// Older ones lack SQL that the read models use.
pub const POSTGRES: Wanted =
    Wanted { name: "postgres", needed: "16", beside: &["initdb"], instead: "WEIR_DATABASE_URL" };

/// Older ones cannot hide their title, by which they are told apart. Either serves; Weir does without as well.
const REDIS: [Wanted; 2] = [
    Wanted { name: "redis-server", needed: "6.2", beside: &[], instead: "WEIR_REDIS_URL" },
    Wanted { name: "valkey-server", needed: "7.2", beside: &[], instead: "WEIR_REDIS_URL" },
];

/// The first Redis or Valkey in the folders that is new enough, if there is one.
pub fn redis(folders: &[PathBuf]) -> Option<Program> {
    REDIS.iter().find_map(|wanted| wanted.find(folders).ok())
}

/// A program that was found and is new enough.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where, with links resolved.
    pub path: PathBuf,
    /// Its version.
    pub version: Version,
}

/// No program that does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is none.
    #[error(
        "{name}: none found, needed >= {needed}; run `make run`, which fetches it, install one, or set {instead}"
    )]
    Missing {
        /// Its file name.
        name: &'static str,
        /// The oldest version that does.
        needed: &'static str,
        /// What to set instead.
        instead: &'static str,
    },
    /// There are only ones that do not serve.
    #[error(
        "{name}: found {found}, needed >= {needed}; run `make run`, which fetches it, install a newer one, or set {instead}"
    )]
    Unfit {
        /// Its file name.
        name: &'static str,
        /// What was found, with versions and paths.
        found: String,
        /// The oldest version that does.
        needed: &'static str,
        /// What to set instead.
        instead: &'static str,
    },
}

impl Wanted {
    /// Looks into the folders in their order and takes the first program that is new enough.
    ///
    /// # Errors
    /// When there is none, saying what was found.
    pub fn find(&self, folders: &[PathBuf]) -> Result<Program, FindError> {
        let mut unfit = Vec::new();
        for folder in folders {
            let path = folder.join(self.name);
            let Ok(path) = path.canonicalize() else { continue };
            match self.examine(&path) {
                Ok(program) => return Ok(program),
                Err(why) => {
                    let line = format!("{why} at {}", path.display());
                    if !unfit.contains(&line) {
                        unfit.push(line);
                    }
                }
            }
        }
        let Self { name, needed, instead, .. } = *self;
        if unfit.is_empty() {
            return Err(FindError::Missing { name, needed, instead });
        }
        Err(FindError::Unfit { name, found: unfit.join(", "), needed, instead })
    }

    fn examine(&self, path: &Path) -> Result<Program, String> {
        let out = Command::new(path)
            .arg("--version")
            .output()
            .map_err(|error| format!("one that fails ({error})"))?;
        let said = String::from_utf8_lossy(&out.stdout);
        let version = Version::find_in(&said).ok_or_else(|| "one that tells no version".to_owned())?;
        if Version::find_in(self.needed).is_some_and(|needed| version < needed) {
            return Err(version.to_string());
        }
        match self.beside.iter().find(|name| !path.with_file_name(name).exists()) {
            Some(name) => Err(format!("{version} without {name} beside it")),
            None => Ok(Program { path: path.to_owned(), version }),
        }
    }
}

/// The folders to look into: those given, then the `PATH`, then where Debian keeps PostgreSQL.
pub fn folders(first: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = first.to_vec();
    all.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort_by_key(|path| std::cmp::Reverse(Version::find_in(&path.to_string_lossy())));
    all.extend(debian);
    all
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(folder: &Path, name: &str, says: &str) {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn versions_are_read_from_what_programs_say() {
        for (said, version) in [
            ("nats-server: v2.15.1", "2.15.1"),
            ("nats-server: v2.14.0-RC.1", "2.14.0"),
            ("postgres (PostgreSQL) 18.4 (Debian 18.4-1.pgdg120+1)", "18.4"),
            ("postgres (PostgreSQL) 17beta1", "17"),
        ] {
            assert_eq!(Version::find_in(said).unwrap().to_string(), version, "{said}");
        }
        assert_eq!(Version::find_in("no number"), None);
    }

    #[test]
    fn versions_compare_number_by_number() {
        let v = |text| Version::find_in(text).unwrap();
        assert!(v("2.14.4") > v("2.9.25"));
        assert!(v("2.14.4") >= v("2.14.4"));
        assert!(v("2.14.3") < v("2.14.4"));
        assert!(v("15.18") < v("16"));
        assert!(v("16.0") >= v("16"));
    }

    #[test]
    fn an_old_program_is_refused_by_name_and_version() {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "nats-server", "nats-server: v2.14.3");
        let error = NATS.find(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("found 2.14.3 at") && error.contains("needed >= 2.14.4"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn a_newer_program_further_back_is_taken() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, version) in [(&old, "15.18"), (&new, "16.1")] {
            program(folder.path(), "postgres", &format!("postgres (PostgreSQL) {version}"));
            program(folder.path(), "initdb", "");
        }
        let found = POSTGRES.find(&[old.path().to_owned(), new.path().to_owned()]).unwrap();
        assert_eq!(found.version.to_string(), "16.1");
    }

    #[test]
    fn a_program_without_its_companion_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        program(folder.path(), "postgres", "postgres (PostgreSQL) 17.2");
        let error = POSTGRES.find(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("17.2 without initdb beside it"), "{error}");
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = NATS.find(&[folder.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("none found") && error.contains("WEIR_NATS_URL"), "{error}");
    }
}
