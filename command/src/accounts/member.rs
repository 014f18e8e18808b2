//! Who is in a workspace: add, change the role, remove.

use weir_events::{Position, UserId, member::Role};
use weir_infra::{
    auth::Caller,
    http::{Code, Problem, RequestContext},
};

use super::{Accounts, Email, User, ctx};
use crate::domain::{
    Command, Decider,
    member::{Add, ChangeRole, Error, Member, Others, Remove},
};

impl From<Error> for Problem {
    fn from(e: Error) -> Self {
        match e {
            Error::AlreadyMember => {
                Self::new(Code::AlreadyMember, "The user is a member of this workspace already.")
            }
            Error::NotMember => Self::new(Code::MemberNotFound, "There is no such member in this workspace."),
            Error::LastOwner => Self::new(
                Code::LastOwner,
                "This is the only owner of the workspace. Make someone else an owner first.",
            ),
            Error::PersonalOwner => Self::new(
                Code::PersonalWorkspace,
                "A personal workspace stays with the person that it came with.",
            ),
        }
    }
}

impl Accounts {
    /// Brings someone with an account into the caller's workspace.
    ///
    /// # Errors
    /// 404 `user_not_found`, 409 `already_member`, 503 where a server is away.
    pub async fn add_member<R>(
        &self,
        caller: &Caller<R>,
        email: &Email,
        role: Role,
        request: &RequestContext,
    ) -> Result<(User, Position), Problem> {
        let user = self.user_by_email(email).await?.ok_or_else(|| {
            Problem::new(Code::UserNotFound, "Nobody with this e-mail address has an account here.")
        })?;
        let position = self.change(caller, user.id, &Add { role }, request).await?;
        Ok((user, position))
    }

    /// Changes what a member may do.
    ///
    /// # Errors
    /// 404 `member_not_found`, 409 where the workspace would be left without its owner.
    pub async fn change_role<R>(
        &self,
        caller: &Caller<R>,
        user: UserId,
        role: Role,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        let lock = self.lock_owners(caller).await?;
        let command = ChangeRole { role, others: self.others(caller, user).await? };
        let position = self.change(caller, user, &command, request).await?;
        lock.release().await;
        Ok(position)
    }

    /// Takes someone out of the caller's workspace. Their API keys there stop working.
    ///
    /// # Errors
    /// 404 `member_not_found`, 409 where the workspace would be left without its owner.
    pub async fn remove_member<R>(
        &self,
        caller: &Caller<R>,
        user: UserId,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        let lock = self.lock_owners(caller).await?;
        let command = Remove { others: self.others(caller, user).await? };
        let position = self.change(caller, user, &command, request).await?;
        lock.release().await;
        Ok(position)
    }

    async fn change<R, C: Command<Member, Error = Error>>(
        &self,
        caller: &Caller<R>,
        user: UserId,
        command: &C,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        let cx = ctx(request, caller.workspace, caller.actor.clone());
        let done = self.0.executor.execute::<Member, _>(&user, command, &cx).await?;
        self.position(&done).await
    }

    /// Each membership has a subject of its own, so nothing in the log keeps two owners from
    /// removing each other at the same moment: whoever takes an owner away holds this lock.
    async fn lock_owners<R>(&self, caller: &Caller<R>) -> Result<OwnersLock, Problem> {
        let client = self.0.pool.get().await?;
        client.batch_execute("BEGIN").await?;
        let lock = OwnersLock { client: Some(client) };
        let key = i64::from_be_bytes(first_eight(caller.workspace.0.as_bytes()));
        if let Some(client) = &lock.client {
            client.execute("SELECT pg_advisory_xact_lock($1)", &[&key]).await?;
        }
        Ok(lock)
    }

    /// What the log says of the other owners now. The directory says who they may be.
    async fn others<R>(&self, caller: &Caller<R>, user: UserId) -> Result<Others, Problem> {
        let workspaces = self.workspaces();
        let personal = workspaces.workspace(caller.workspace).is_some_and(|w| w.personal && w.owner == user);
        for member in workspaces.members(caller.workspace) {
            if member.user == user || member.role != Role::Owner {
                continue;
            }
            let mut state = crate::domain::member::State::default();
            for recorded in
                self.0.executor.log().load(&Member::subject(caller.workspace, &member.user)).await?
            {
                if let Some(event) = Member::own(&recorded.event) {
                    Member::evolve(&mut state, event);
                }
            }
            if state.role == Some(Role::Owner) {
                return Ok(Others { owners: true, personal });
            }
        }
        Ok(Others { owners: false, personal })
    }
}

fn first_eight(bytes: &[u8; 16]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *bytes;
    [a, b, c, d, e, f, g, h]
}

/// Held while an owner is taken away. Dropped without being released (an error, a caller who went
/// away) it takes its connection out of the pool, which ends the transaction and the lock with it.
struct OwnersLock {
    client: Option<deadpool_postgres::Object>,
}

impl OwnersLock {
    async fn release(mut self) {
        if let Some(client) = self.client.take()
            && client.batch_execute("COMMIT").await.is_err()
        {
            drop(deadpool_postgres::Object::take(client));
        }
    }
}

impl Drop for OwnersLock {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(deadpool_postgres::Object::take(client));
        }
    }
}
