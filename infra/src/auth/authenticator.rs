//! What stands behind the extractors.

use std::{fmt, sync::Arc, time::Duration};

use actix_web::{HttpMessage, HttpRequest, http::header, web};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use moka::future::Cache;
use sha2::{Digest, Sha256};
use weir_events::{Actor, ApiKeyId, UserId, WorkspaceId, member::Role};

use super::{ApiKeySecret, Claims, Revocations, SessionId, SigningKey, TokenError, Tokens};
use crate::http::{Code, Problem};

/// How long an API key is remembered. A deleted one is refused earlier: see [`Revocations`].
const API_KEY_TTL: Duration = Duration::from_secs(60);
/// How many are remembered.
const API_KEYS: u64 = 10_000;
/// How many access tokens are remembered as signed by this installation, with what they say. Whether they still hold is
/// asked at each request.
const TOKENS: u64 = 10_000;

/// Who is in which workspace.
#[async_trait]
pub trait Memberships: Send + Sync {
    /// The role of a user in a workspace; `None` where they are not a member, or there is no such
    /// workspace: from outside the two look the same.
    ///
    /// # Errors
    /// 503 when it cannot be found out at the moment, with what is away.
    async fn role(&self, user: UserId, workspace: WorkspaceId) -> Result<Option<Role>, Problem>;
}

/// What is kept of an API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Who made it; it acts in their name.
    pub user: UserId,
    /// The one workspace that it is for.
    pub workspace: WorkspaceId,
    /// What it may do at most; never more than its maker may at the time.
    pub role: Role,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
}

/// Where API keys are kept.
#[async_trait]
pub trait ApiKeys: Send + Sync {
    /// The key, where there is one that was not deleted.
    ///
    /// # Errors
    /// When it cannot be found out at the moment.
    async fn find(&self, id: ApiKeyId) -> Result<Option<ApiKey>, Problem>;
}

/// Who is asking, before it is known for which workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A person with an access token.
    Person {
        /// The person.
        user: UserId,
        /// Their personal workspace.
        personal: WorkspaceId,
        /// The session of the token.
        session: SessionId,
    },
    /// A program with an API key.
    Program(ApiKey),
}

impl Identity {
    /// The person, or the one in whose name the program acts.
    pub fn user(&self) -> UserId {
        match self {
            Self::Person { user, .. } => *user,
            Self::Program(key) => key.user,
        }
    }

    /// For the events.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Person { user, .. } => Actor::User(*user),
            Self::Program(key) => Actor::ApiKey(key.id, key.user),
        }
    }

    /// The workspace that is meant where the request names none.
    pub fn default_workspace(&self) -> WorkspaceId {
        match self {
            Self::Person { personal, .. } => *personal,
            Self::Program(key) => key.workspace,
        }
    }
}

/// Finds out who is asking and what they may do. One per process, as
/// `web::Data<Authenticator>`; clones share everything.
#[derive(Clone)]
pub struct Authenticator {
    tokens: Tokens,
    memberships: Arc<dyn Memberships>,
    api_keys: Arc<dyn ApiKeys>,
    revocations: Revocations,
    cached_keys: Cache<ApiKeyId, Option<ApiKey>>,
    /// By their hash: a copy of memory is no copy of tokens.
    signed: moka::sync::Cache<[u8; 32], Claims>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

impl Authenticator {
    /// An authenticator over its ports.
    pub fn new(
        key: &SigningKey,
        memberships: Arc<dyn Memberships>,
        api_keys: Arc<dyn ApiKeys>,
        revocations: Revocations,
    ) -> Self {
        Self {
            tokens: Tokens::new(key),
            memberships,
            api_keys,
            revocations,
            cached_keys: Cache::builder().max_capacity(API_KEYS).time_to_live(API_KEY_TTL).build(),
            signed: moka::sync::Cache::new(TOKENS),
        }
    }

    /// Issues and verifies access tokens under the same key.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What ended early.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Who is asking. Found out once per request, then remembered in it.
    ///
    /// # Errors
    /// 401 with the reason, or 503 where an API key cannot be looked up.
    pub async fn identify(&self, req: &HttpRequest) -> Result<Identity, Problem> {
        if let Some(known) = req.extensions().get::<Identity>() {
            return Ok(known.clone());
        }
        let now = crate::http::RequestContext::now(req);
        let identity = self.authenticate(bearer(req)?, now).await?;
        req.extensions_mut().insert(identity.clone());
        Ok(identity)
    }

    /// Who holds this token.
    ///
    /// # Errors
    /// 401 with the reason, or 503 where an API key cannot be looked up.
    pub async fn authenticate(&self, token: &str, now: DateTime<Utc>) -> Result<Identity, Problem> {
        if ApiKeySecret::looks_like(token) {
            return self.api_key(token).await.map(Identity::Program);
        }
        let claims = self.claims(token, now).map_err(|e| match e {
            TokenError::Invalid => Problem::new(Code::TokenInvalid, "The access token is not valid; log in."),
            TokenError::Expired => {
                Problem::new(Code::TokenExpired, "The access token has expired; refresh it or log in.")
            }
        })?;
        if self.revocations.session_revoked(claims.sid) {
            return Err(Problem::new(Code::TokenRevoked, "The session was ended; log in."));
        }
        Ok(Identity::Person { user: claims.sub, personal: claims.workspace, session: claims.sid })
    }

    /// What a token says that holds by itself. The signature of one that was seen before is not computed again.
    fn claims(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, TokenError> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(claims) = self.signed.get(&hash) {
            return claims.hold(now).map(|()| claims);
        }
        let claims = self.tokens.verify(token, now)?;
        self.signed.insert(hash, claims.clone());
        Ok(claims)
    }

    async fn api_key(&self, token: &str) -> Result<ApiKey, Problem> {
        let refused =
            || Problem::new(Code::TokenInvalid, "The API key is not valid; it may have been deleted.");
        let presented = ApiKeySecret::parse(token).ok_or_else(refused)?;
        if self.revocations.api_key_revoked(presented.id) {
            return Err(refused());
        }
        let key = self
            .cached_keys
            .try_get_with(presented.id, self.api_keys.find(presented.id))
            .await
            .map_err(|e| (*e).clone())?
            .ok_or_else(refused)?;
        let same: bool = subtle::ConstantTimeEq::ct_eq(&presented.hash()[..], &key.secret_hash[..]).into();
        if same { Ok(key) } else { Err(refused()) }
    }

    /// The workspace that a request means, and what the asker may do there.
    ///
    /// # Errors
    /// 404 `workspace_not_found` where the asker is not in it, 503 where that cannot be found out.
    pub async fn authorize(
        &self,
        identity: &Identity,
        requested: Option<WorkspaceId>,
    ) -> Result<(WorkspaceId, Role), Problem> {
        let workspace = requested.unwrap_or_else(|| identity.default_workspace());
        let not_found = || no_such_workspace(workspace);
        match identity {
            // The token says so, and it never changes: a personal workspace stays with its owner.
            Identity::Person { personal, .. } if workspace == *personal => Ok((workspace, Role::Owner)),
            Identity::Person { user, .. } => {
                let role = self.memberships.role(*user, workspace).await?;
                Ok((workspace, role.ok_or_else(not_found)?))
            }
            Identity::Program(key) if key.workspace == workspace => {
                let role = self.memberships.role(key.user, workspace).await?;
                Ok((workspace, role.ok_or_else(not_found)?.min(key.role)))
            }
            Identity::Program(_) => Err(not_found()),
        }
    }

    pub(super) fn of(req: &HttpRequest) -> Result<web::Data<Self>, Problem> {
        req.app_data::<web::Data<Self>>()
            .cloned()
            .ok_or_else(|| Problem::internal("the application has no Authenticator"))
    }
}

pub(super) fn no_such_workspace(workspace: impl fmt::Display) -> Problem {
    Problem::new(
        Code::WorkspaceNotFound,
        format!("There is no workspace {workspace} that you are a member of."),
    )
}

/// The bearer token of a request.
fn bearer(req: &HttpRequest) -> Result<&str, Problem> {
    let missing = || {
        Problem::new(Code::TokenMissing, "Send an access token or an API key: Authorization: Bearer <token>.")
    };
    let value = req.headers().get(header::AUTHORIZATION).ok_or_else(missing)?;
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}
