//! Who is in a workspace: add, change the role, remove.

use std::net::IpAddr;

use deadpool_postgres::{Object, Transaction};
use weir_events::{Position, UserId, WorkspaceId, member::Role};
use weir_infra::{
    auth::Caller,
    http::{Code, Problem, RequestContext},
};

use super::{Accounts, ERASED, Email};
use crate::{
    app::context,
    domain::{
        Command, Decider,
        member::{Add, ChangeRole, Erase, Error, Member, Others, Remove},
        workspace::{self, Workspace},
    },
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
    /// Brings someone with an account into the caller's workspace. Everyone owns a workspace, so
    /// this tells anyone whether an address has an account: it counts as an attempt, from the
    /// caller's address and of the caller's account.
    ///
    /// # Errors
    /// 404 `user_not_found`, 409 `already_member`, 429 `too_many_attempts`, 503 where a server is away.
    pub async fn add_member<R>(
        &self,
        caller: &Caller<R>,
        email: &Email,
        role: Role,
        address: IpAddr,
        request: &RequestContext,
    ) -> Result<(UserId, Position), Problem> {
        self.0.attempts.look_up(address, caller.user, request.now)?;
        let user = self.user_by_email(email).await?.ok_or_else(|| {
            Problem::new(Code::UserNotFound, "Nobody with this e-mail address has an account here.")
        })?;
        // Whoever comes back while their erasure goes on would lose what they ask from then on.
        if let Some(erasure) = self.workspaces().erasure_of(user.id, caller.workspace)
            && !self.0.erased.wait_for(erasure, ERASED).await
        {
            let detail = "What they asked here before is being erased. Try again in a moment.";
            return Err(Problem::new(Code::Busy, detail).retry_after(ERASED));
        }
        let mut client = self.0.pool.get().await?;
        let lock = lock_members(&mut client, caller.workspace).await?;
        self.exists(caller.workspace).await?;
        let position = self.change(caller, user.id, &Add { role }, request).await?;
        // What was decided stands in the log, whatever becomes of the lock.
        lock.commit().await.ok();
        Ok((user.id, position))
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
        let mut client = self.0.pool.get().await?;
        let lock = lock_members(&mut client, caller.workspace).await?;
        let command = ChangeRole { role, others: self.others(caller, user).await? };
        let position = self.change(caller, user, &command, request).await?;
        // What was decided stands in the log, whatever becomes of the lock.
        lock.commit().await.ok();
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
        let mut client = self.0.pool.get().await?;
        let lock = lock_members(&mut client, caller.workspace).await?;
        let command = Remove { others: self.others(caller, user).await? };
        let position = self.change(caller, user, &command, request).await?;
        // What was decided stands in the log, whatever becomes of the lock.
        lock.commit().await.ok();
        Ok(position)
    }

    /// The same, and erases what they asked there, also when they have left before. Tells whether that is done already.
    ///
    /// # Errors
    /// As [`Self::remove_member`].
    pub async fn erase_member<R>(
        &self,
        caller: &Caller<R>,
        user: UserId,
        request: &RequestContext,
    ) -> Result<(bool, Position), Problem> {
        let mut client = self.0.pool.get().await?;
        let lock = lock_members(&mut client, caller.workspace).await?;
        let command = Erase { others: self.others(caller, user).await? };
        let position = self.change(caller, user, &command, request).await?;
        // What was decided stands in the log, whatever becomes of the lock.
        lock.commit().await.ok();
        let asked = self.workspaces().erasure_of(user, caller.workspace).unwrap_or(position);
        Ok((self.0.erased.wait_for(asked, ERASED).await, position))
    }

    async fn change<R, C: Command<Member, Error = Error>>(
        &self,
        caller: &Caller<R>,
        user: UserId,
        command: &C,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        let cx = context(caller, request);
        let done = self.0.executor.execute::<Member, _>(&user, command, &cx).await?;
        self.position(&done).await
    }

    /// Whether the log has the workspace now.
    async fn exists(&self, workspace: WorkspaceId) -> Result<(), Problem> {
        let mut state = crate::domain::workspace::State::default();
        for recorded in self.0.executor.log().load(&Workspace::subject(workspace, &workspace)).await? {
            if let Some(event) = Workspace::own(&recorded.event) {
                Workspace::evolve(&mut state, event);
            }
        }
        state.created.map(drop).ok_or_else(|| workspace::Error::NotFound.into())
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

/// Each membership has a subject of its own, so nothing in the log keeps two owners from removing each other at the same
/// moment, or a workspace from getting a member while it is deleted: whoever changes who is in it holds this lock. It
/// ends with its transaction, also where that is dropped halfway.
pub(super) async fn lock_members(
    client: &mut Object,
    workspace: WorkspaceId,
) -> Result<Transaction<'_>, Problem> {
    let transaction = client.transaction().await?;
    let key = i64::from_be_bytes(first_eight(workspace.0.as_bytes()));
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&key]).await?;
    Ok(transaction)
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, poll_fn},
        pin::pin,
        task::Poll,
    };

    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_lock_that_is_dropped_anywhere_leaves_no_transaction() {
        let database = weir_infra::testing::database().await;
        let mut client = database.pool().get().await.unwrap();
        for wakes in 0.. {
            let locked = {
                let mut locking = pin!(lock_members(&mut client, WorkspaceId(Uuid::nil())));
                let mut left = wakes;
                // Dropped when it would go on for the nth time.
                poll_fn(|cx| {
                    if left == 0 {
                        return Poll::Ready(false);
                    }
                    left -= 1;
                    locking.as_mut().poll(cx).map(|lock| lock.is_ok())
                })
                .await
            };
            // Each statement is a transaction of its own again.
            let sql = "SELECT pg_current_xact_id()::text";
            let first: String = client.query_one(sql, &[]).await.unwrap().get(0);
            let second: String = client.query_one(sql, &[]).await.unwrap().get(0);
            assert_ne!(first, second, "after {wakes} steps");
            if locked {
                assert!(wakes > 1, "it has been dropped halfway");
                break;
            }
        }
    }
}
