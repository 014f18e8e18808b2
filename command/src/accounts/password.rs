//! Passwords: argon2id, off the threads that serve requests, a bounded number at a time.

use std::{fmt, sync::Arc, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use weir_infra::http::{Code, Problem};

/// The shortest password, in characters.
const MIN_CHARS: usize = 10;
/// The longest, in bytes.
const MAX_BYTES: usize = 1024;
/// How long a request waits for its turn to hash.
const TURN: Duration = Duration::from_secs(10);

/// A password as it was typed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

impl Password {
    /// Checks that it can be chosen as one.
    ///
    /// # Errors
    /// When it is too short or too long.
    pub fn check(&self) -> Result<(), Problem> {
        if self.0.chars().count() < MIN_CHARS {
            let detail = format!("A password has at least {MIN_CHARS} characters.");
            return Err(Problem::invalid("password", "too_short", detail));
        }
        if self.0.len() > MAX_BYTES {
            let detail = format!("A password has at most {MAX_BYTES} bytes.");
            return Err(Problem::invalid("password", "too_long", detail));
        }
        Ok(())
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// How expensive guessing a password is.
#[derive(Debug, Clone, Copy)]
pub struct Hashing {
    /// Memory per hash, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Hashes at the same time.
    pub at_once: usize,
}

impl Default for Hashing {
    /// The first choice of OWASP's Password Storage Cheat Sheet with one lane, and as many at once
    /// as there are processors, at most eight.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self { memory_kib: 19 * 1024, passes: 2, at_once: processors.min(8) }
    }
}

#[derive(Clone)]
pub(super) struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new(hashing: Hashing) -> Self {
        // Out of range they fall back to the library's defaults, which are OWASP's too.
        let params = Params::new(hashing.memory_kib, hashing.passes, 1, None).unwrap_or_default();
        Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            turns: Arc::new(Semaphore::new(hashing.at_once.max(1))),
        }
    }

    /// Hashes a password, with a random salt, in PHC form.
    pub(super) async fn hash(&self, password: &Password) -> Result<String, Problem> {
        let password = password.clone();
        self.in_turn(move |argon2| {
            argon2.hash_password(password.0.as_bytes()).map(|h| h.to_string()).map_err(Problem::internal)
        })
        .await?
    }

    /// Whether a password is the one that was hashed. Without a hash (nobody has this address) it
    /// takes as long and says no.
    pub(super) async fn verify(&self, password: &Password, hash: Option<String>) -> Result<bool, Problem> {
        let password = password.clone();
        self.in_turn(move |argon2| {
            let bytes = &password.0.as_bytes()[..password.0.len().min(MAX_BYTES + 1)];
            let Some(hash) = hash else {
                argon2.hash_password(bytes).map_err(Problem::internal)?;
                return Ok(false);
            };
            let hash = PasswordHash::new(&hash).map_err(Problem::internal)?;
            Ok(argon2.verify_password(bytes, &hash).is_ok())
        })
        .await?
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            Problem::new(Code::Busy, "Too many people are logging in at the moment. Try again in a moment.")
                .retry_after(Duration::from_secs(1))
        };
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_| busy())?
            .map_err(|_| busy())?;
        let argon2 = self.argon2.clone();
        tokio::task::spawn_blocking(move || {
            let result = work(&argon2);
            drop(turn);
            result
        })
        .await
        .map_err(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Passwords {
        Passwords::new(Hashing { memory_kib: 64, passes: 1, at_once: 1 })
    }

    #[tokio::test]
    async fn only_the_password_that_was_hashed_fits() {
        let passwords = cheap();
        let right = Password::from("correct horse battery".to_owned());
        let hash = passwords.hash(&right).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(&right).await.unwrap(), "salted");
        assert!(passwords.verify(&right, Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(&Password::from("wrong".to_owned()), Some(hash)).await.unwrap());
        assert!(!passwords.verify(&right, None).await.unwrap());
    }

    #[test]
    fn lengths_are_bounded() {
        let check = |text: &str| Password::from(text.to_owned()).check();
        assert!(check("123456789").is_err());
        assert!(check("äöüäöüäöüä").is_ok());
        assert!(check(&"x".repeat(1024)).is_ok());
        assert!(check(&"x".repeat(1025)).is_err());
    }

    #[test]
    fn the_default_is_what_owasp_names() {
        let hashing = Hashing::default();
        assert_eq!((hashing.memory_kib, hashing.passes), (19_456, 2));
    }
}
