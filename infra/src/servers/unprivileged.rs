//! PostgreSQL refuses to run as root: the user it runs as then, and what that user can reach.

use std::{
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// A user to run a server as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl User {
    /// The user to run PostgreSQL as: `None` unless Weir runs as root.
    pub fn needed() -> Option<Self> {
        rustix::process::geteuid().is_root().then(|| {
            let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
            Self::pick(&users)
        })
    }

    fn pick(passwd: &str) -> Self {
        let find = |name: &str| {
            passwd.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                let &[found, _, uid, gid, ..] = fields.as_slice() else { return None };
                (found == name).then_some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
            })
        };
        // Containers without either still know the number that everyone uses for nobody.
        find("postgres").or_else(|| find("nobody")).unwrap_or(Self { uid: 65534, gid: 65534 })
    }

    /// The owner of a file or folder that is there already.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn owner_of(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        Ok(Self { uid: metadata.uid(), gid: metadata.gid() })
    }

    /// Whether this user can enter every folder on the way to a path, and the path itself if it is a folder.
    pub fn reaches(&self, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        path.ancestors().all(|step| {
            std::fs::metadata(step).is_ok_and(|m| {
                let shift = if m.uid() == self.uid {
                    6
                } else if m.gid() == self.gid {
                    3
                } else {
                    0
                };
                m.mode() >> shift & 0o1 == 1
            })
        })
    }

    /// Gives a file or folder to this user.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

/// A new folder that every user can enter, for a data folder that the unprivileged user cannot.
///
/// # Errors
/// When none can be made.
pub fn reachable_folder() -> io::Result<PathBuf> {
    // A name that nobody can guess, so that in a folder which all can write nobody made it before.
    let name = format!("weir-{}", &super::secret::generate()[..16]);
    let mut last = io::Error::other("no folder to try");
    for parent in ["/var/lib", "/var/tmp"] {
        let folder = Path::new(parent).join(&name);
        let made = std::fs::create_dir(&folder)
            .and_then(|()| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)));
        match made {
            Ok(()) => return Ok(folder),
            Err(error) => last = io::Error::new(error.kind(), format!("{}: {error}", folder.display())),
        }
    }
    Err(last)
}

/// Copies a folder with all that is in it; links become what they point to.
///
/// # Errors
/// When anything cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if std::fs::metadata(entry.path())?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
            let mode = std::fs::metadata(&target)?.permissions().mode() | 0o444;
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_postgres_then_nobody_then_a_number() {
        let nobody = "root:x:0:0::/root:/bin/sh\nnobody:x:65533:65532::/:/bin/false\n";
        assert_eq!(User::pick(nobody), User { uid: 65533, gid: 65532 });
        let both = format!("{nobody}postgres:x:70:71::/var/lib/postgresql:/bin/sh\n");
        assert_eq!(User::pick(&both), User { uid: 70, gid: 71 });
        assert_eq!(User::pick(""), User { uid: 65534, gid: 65534 });
    }

    #[test]
    fn a_folder_behind_a_private_one_is_not_reached() {
        let private = tempfile::tempdir().unwrap();
        let inner = private.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let stranger = User { uid: 4_000_000_001, gid: 4_000_000_001 };
        mode(private.path(), 0o700);
        mode(&inner, 0o755);
        assert!(!stranger.reaches(&inner));
        mode(private.path(), 0o711);
        assert!(stranger.reaches(&inner));
        assert!(!stranger.reaches(&inner.join("missing")));
        let owner = User::owner_of(&inner).unwrap();
        mode(&inner, 0o055);
        assert!(!owner.reaches(&inner), "the owner's own bits decide for the owner");
        mode(&inner, 0o755);
    }
}
