//! The extractors through which every handler learns who is asking.

use std::{fmt, marker::PhantomData};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderName};
use futures::future::LocalBoxFuture;
use weir_events::{Actor, UserId, WorkspaceId, member::Role};

use super::{Authenticator, Identity, SessionId, authenticator::no_such_workspace};
use crate::http::{Code, Problem};

/// Picks the workspace of a request.
pub const WORKSPACE: HeaderName = HeaderName::from_static("weir-workspace");

/// The least role that a handler asks for, as a type.
pub trait MinimumRole: Send + Sync + 'static {
    /// The role.
    const ROLE: Role;
}

/// Anyone in the workspace.
#[derive(Debug, Clone, Copy)]
pub struct Viewer;
/// Those who may change things.
#[derive(Debug, Clone, Copy)]
pub struct Editor;
/// Those who manage the workspace.
#[derive(Debug, Clone, Copy)]
pub struct Owner;

impl MinimumRole for Viewer {
    const ROLE: Role = Role::Viewer;
}
impl MinimumRole for Editor {
    const ROLE: Role = Role::Editor;
}
impl MinimumRole for Owner {
    const ROLE: Role = Role::Owner;
}

/// Who is asking, for which workspace, and that they may.
///
/// Answers 401 without a valid token, 404 `workspace_not_found` for a workspace that the asker is
/// not in, 403 `role_too_low` below `R`.
pub struct Caller<R> {
    /// The person, or the one in whose name the program acts.
    pub user: UserId,
    /// For the events.
    pub actor: Actor,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// What they may do there; at least `R`.
    pub role: Role,
    minimum: PhantomData<R>,
}

impl<R> Clone for Caller<R> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone(), ..*self }
    }
}

impl<R> fmt::Debug for Caller<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("actor", &self.actor)
            .field("workspace", &self.workspace)
            .field("role", &self.role)
            .finish()
    }
}

impl<R: MinimumRole> Caller<R> {
    /// The asker in another workspace than the one that the header picks: for paths that name it.
    ///
    /// # Errors
    /// As the extractor's.
    pub async fn in_workspace(req: &HttpRequest, workspace: WorkspaceId) -> Result<Self, Problem> {
        let authenticator = Authenticator::of(req)?;
        let identity = authenticator.identify(req).await?;
        Self::checked(&authenticator, &identity, Some(workspace)).await
    }

    async fn checked(
        authenticator: &Authenticator,
        identity: &Identity,
        requested: Option<WorkspaceId>,
    ) -> Result<Self, Problem> {
        let (workspace, role) = authenticator.authorize(identity, requested).await?;
        if role < R::ROLE {
            return Err(Problem::new(
                Code::RoleTooLow,
                format!("This needs the role {}; yours here is {}.", R::ROLE.as_str(), role.as_str()),
            ));
        }
        Ok(Self { user: identity.user(), actor: identity.actor(), workspace, role, minimum: PhantomData })
    }
}

/// The workspace that the header picks; what is no id names no workspace.
pub(crate) fn requested_workspace(req: &HttpRequest) -> Result<Option<WorkspaceId>, Problem> {
    let Some(value) = req.headers().get(WORKSPACE) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    text.trim().parse().map(Some).map_err(|_| no_such_workspace(text))
}

impl<R: MinimumRole> FromRequest for Caller<R> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let authenticator = Authenticator::of(&req)?;
            let identity = authenticator.identify(&req).await?;
            Self::checked(&authenticator, &identity, requested_workspace(&req)?).await
        })
    }
}

/// Whoever has a valid token, for what is about no workspace in particular.
impl FromRequest for Identity {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move { Authenticator::of(&req)?.identify(&req).await })
    }
}

/// A person with an access token, for what belongs to their account. Answers 401 without a valid
/// token and 403 `person_required` to an API key.
#[derive(Debug, Clone)]
pub struct Person {
    /// The person.
    pub user: UserId,
    /// Their personal workspace.
    pub workspace: WorkspaceId,
    /// The session of the token.
    pub session: SessionId,
}

impl FromRequest for Person {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            match Authenticator::of(&req)?.identify(&req).await? {
                Identity::Person { user, personal, session } => {
                    Ok(Self { user, workspace: personal, session })
                }
                Identity::Program(_) => Err(Problem::new(
                    Code::PersonRequired,
                    "This belongs to a person's account; log in and use the access token.",
                )),
            }
        })
    }
}
