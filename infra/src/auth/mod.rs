//! Who is asking, and what they may do.
//!
//! - [`SigningKey`]: the installation's secret, from which every other key is derived.
//! - [`Tokens`], [`Claims`]: access tokens (JWT, HS256, 30 minutes).
//! - [`Caller`] with [`Viewer`], [`Editor`], [`Owner`]: the extractor that every handler which
//!   works in a workspace takes; [`Person`] for what belongs to an account, [`Operator`] for what
//!   belongs to the installation.
//! - [`Authenticator`]: what stands behind the extractors, with the ports [`Memberships`] and
//!   [`ApiKeys`].
//! - [`Revocations`]: which sessions and API keys ended before their time.
//!
//! Access tokens are believed without asking a database. What ended early is known to every
//! process from [`Revocations`], which asks PostgreSQL every two seconds: a logged out session is
//! refused at once by the process that logged it out, within two seconds by the others, and while
//! PostgreSQL is away what was known before still counts.
//!
//! Deliberately absent: passwords, refresh tokens and how accounts come to be (see `weir-command`).

mod api_key;
mod authenticator;
mod caller;
mod credentials;
mod operator;
mod revocation;
mod signing_key;
mod token;

pub use api_key::{ApiKeySecret, hash_secret};
pub use authenticator::{ApiKey, ApiKeys, Authenticator, Identity, Memberships};
pub(crate) use caller::requested_workspace;
pub use caller::{Caller, Editor, MinimumRole, Owner, Person, Viewer, WORKSPACE};
pub use credentials::PostgresApiKeys;
pub use operator::{Operator, Operators};
pub use revocation::Revocations;
pub use signing_key::{SigningKey, SigningKeyError, hmac_sha256};
pub use token::{ACCESS_TOKEN_TTL, Claims, SessionId, TokenError, Tokens};

#[cfg(test)]
mod tests;
