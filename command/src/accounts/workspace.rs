//! Making and changing workspaces.

use weir_events::{Actor, Position, UserId, WorkspaceId};
use weir_infra::{
    auth::Caller,
    http::{Code, Problem, RequestContext},
};

use super::{Accounts, ERASED, member::lock_members};
use crate::{
    app::{context, context_of},
    domain::workspace::{Change, Changed, Create, Delete, Error, Workspace},
};

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        match e {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Self::new(Code::WorkspaceNotFound, "There is no such workspace."),
            Error::Exists => Self::new(Code::Conflict, "Another workspace has this id."),
            Error::Personal => Self::new(
                Code::PersonalWorkspace,
                "A personal workspace stays with the person that it came with.",
            ),
            Error::NotConfirmed => {
                Self::invalid("name", "not_confirmed", "Say the workspace's name to delete it for good.")
            }
        }
    }
}

impl Accounts {
    /// Makes a workspace that the person owns. Gives its id, its name as it was kept, and where
    /// the log has it.
    ///
    /// # Errors
    /// 422 for a bad name, 503 where the log is away.
    pub async fn create_workspace(
        &self,
        user: UserId,
        personal: WorkspaceId,
        name: &str,
        request: &RequestContext,
    ) -> Result<(WorkspaceId, String, Position), Problem> {
        let id = WorkspaceId(request.derive_or_new(personal, "workspace"));
        let cx = context_of(id, Actor::User(user), request);
        let create = Create { name: name.to_owned(), owner: user, personal: false };
        let done = self.0.executor.execute::<Workspace, _>(&id, &create, &cx).await?;
        let position = self.position(&done).await?;
        Ok((id, done.reply, position))
    }

    /// Deletes the caller's workspace for good. Tells whether everything in it is erased already.
    ///
    /// # Errors
    /// 409 for a personal one, 422 where `name` is not its name, 503 where the log is away.
    pub async fn delete_workspace<R>(
        &self,
        caller: &Caller<R>,
        name: String,
        request: &RequestContext,
    ) -> Result<(bool, Position), Problem> {
        let cx = context(caller, request);
        let mut client = self.0.pool.get().await?;
        // Nobody comes into it meanwhile.
        let lock = lock_members(&mut client, caller.workspace).await?;
        let done = self.0.executor.execute::<Workspace, _>(&caller.workspace, &Delete { name }, &cx).await?;
        // What was decided stands in the log, whatever becomes of the lock.
        lock.commit().await.ok();
        Ok((self.0.erased.wait_for(done.position, ERASED).await, done.position))
    }

    /// Changes the caller's workspace.
    ///
    /// # Errors
    /// 422 for a bad name, 503 where the log is away.
    pub async fn change_workspace<R>(
        &self,
        caller: &Caller<R>,
        change: &Change,
        request: &RequestContext,
    ) -> Result<(Changed, Position), Problem> {
        let cx = context(caller, request);
        let done = self.0.executor.execute::<Workspace, _>(&caller.workspace, change, &cx).await?;
        let position = self.position(&done).await?;
        Ok((done.reply, position))
    }
}
