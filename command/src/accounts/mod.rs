//! Accounts: people, how they prove who they are, their workspaces, and what acts in their name.
//!
//! - [`register`], [`login`], [`session`]: how one gets tokens, refreshes and loses them.
//! - [`api_key`]: what programs hold. [`model_key`]: keys for language models.
//! - [`workspace`], [`member`]: who is where, as events.
//! - [`Email`], [`Password`]: what people type in, once it was checked.
//! - [`Workspaces`]: what is needed of the directory, which is a fold of the stream.
//!
//! Personal data, hashes of secrets and sealed keys are rows in the schema `accounts` and stand nowhere
//! else; events carry ids. A registration touches both: the row comes first and fixes the ids, the
//! events follow, guarded to be the first on their subjects. What a crash in between leaves out is
//! appended at the next registration with the same password, login or refresh. Of several
//! registrations at once one is answered with the account; to the others the address is taken.
//!
//! Deliberately absent: HTTP (see `http`), verification of access tokens (see `weir_infra::auth`).

pub mod api_key;
mod attempts;
mod email;
pub mod login;
pub mod member;
pub mod model_key;
mod operation;
mod password;
pub mod register;
pub mod session;
mod user;
pub mod workspace;
pub mod workspaces;

pub use attempts::Limit;
pub use email::Email;
pub use password::{Hashing, Password};
pub use session::SignedIn;
pub use user::User;
pub use workspaces::{Member, Workspace, Workspaces};

use std::{fmt, sync::Arc, time::Duration};

use chrono::TimeDelta;
use uuid::Uuid;
use weir_events::{Position, WorkspaceId};
use weir_infra::{
    auth::{Authenticator, SigningKey, hmac_sha256},
    http::{IdempotencyKey, Problem},
    postgres::Pool,
};

use self::{attempts::Attempts, password::Passwords};
use crate::{
    app::{Done, Executor},
    process::erase::Erased,
};

/// How long a command waits for the directory to have seen what it wrote, so that the caller's
/// next request finds it. Longer only costs the caller a retry.
const SEEN: Duration = Duration::from_secs(2);

/// How long a command waits for what is to be erased. It is erased either way.
const ERASED: Duration = Duration::from_secs(10);

/// How strict accounts are.
#[derive(Debug, Clone)]
pub struct Options {
    /// Failed logins per account.
    pub per_account: Limit,
    /// Failed logins and registrations per address.
    pub per_address: Limit,
    /// How long a refresh token is valid.
    pub refresh_ttl: TimeDelta,
    /// How expensive guessing a password is.
    pub hashing: Hashing,
    /// API keys per workspace.
    pub api_keys: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            per_account: Limit { attempts: 10, window: Duration::from_secs(5 * 60) },
            per_address: Limit { attempts: 100, window: Duration::from_secs(5 * 60) },
            refresh_ttl: TimeDelta::days(7),
            hashing: Hashing::default(),
            api_keys: 1000,
        }
    }
}

/// The accounts. One per process, as `web::Data<Accounts>`; clones share everything.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    pool: Pool,
    executor: Executor,
    workspaces: Arc<dyn Workspaces>,
    authenticator: Authenticator,
    erased: Erased,
    passwords: Passwords,
    attempts: Attempts,
    /// From which the secrets of keyed requests are derived.
    secrets: [u8; 32],
    options: Options,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Accounts {
    /// Accounts in that database and the executor's log. `key` is the one that `authenticator` was made with.
    pub fn new(
        pool: Pool,
        executor: Executor,
        workspaces: Arc<dyn Workspaces>,
        authenticator: Authenticator,
        erased: Erased,
        key: &SigningKey,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner {
            pool,
            executor,
            workspaces,
            authenticator,
            erased,
            passwords: Passwords::new(options.hashing),
            attempts: Attempts::new(options.per_account, options.per_address),
            secrets: key.derive("accounts: secrets of keyed requests"),
            options,
        }))
    }

    /// Workspaces and members, from memory.
    pub fn workspaces(&self) -> &dyn Workspaces {
        &*self.0.workspaces
    }

    /// How far the log is, for commands that write no event; `None` while it does not answer.
    pub async fn head(&self) -> Option<Position> {
        self.0.executor.log().head().await.ok()
    }

    /// A position at which everything that a command brought about shows, and that the directory
    /// has seen, where it got there in time.
    async fn position<R>(&self, done: &Done<R>) -> Result<Position, Problem> {
        // What was there already may have come with events on other subjects.
        let position = if done.wrote { done.position } else { self.0.executor.log().head().await? };
        self.seen(position).await;
        Ok(position)
    }

    async fn seen(&self, position: Position) {
        if !self.0.workspaces.wait_for(position, SEEN).await {
            tracing::debug!(%position, "the directory is behind");
        }
    }

    /// 256 secret bits: derived from the key where the request has one, so that its repetition
    /// makes the same secret, else random.
    #[expect(clippy::disallowed_methods, reason = "secrets are made here")]
    fn entropy(&self, key: Option<&IdempotencyKey>, label: &str) -> [u8; 32] {
        let Some(key) = key else { return rand::random() };
        hmac_sha256(&self.0.secrets, &[key.derive(WorkspaceId(Uuid::nil()), label).as_bytes()])
    }
}
