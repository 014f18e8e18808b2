//! Registering: a row, then the personal workspace.

use std::net::IpAddr;

use uuid::Uuid;
use weir_events::{Actor, Position, UserId, WorkspaceId};
use weir_infra::http::{Code, Problem, RequestContext};

use super::{Accounts, Email, Password, SignedIn, ctx, user::Record};
use crate::domain::{
    validate,
    workspace::{Create, Workspace},
};

/// What a personal workspace is called at first: nothing that says whose it is.
const PERSONAL: &str = "Personal";

/// Someone new.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Where they can be reached; also what they log in with.
    pub email: Email,
    /// Their password.
    pub password: Password,
    /// What they want to be called.
    pub name: String,
}

impl Accounts {
    /// Makes an account with its personal workspace and logs in.
    ///
    /// # Errors
    /// 409 `email_taken`, 422 for what is not allowed, 429 after too many from one address, 503
    /// where a server is away: the same request then completes what was begun.
    pub async fn register(
        &self,
        new: Registration,
        address: IpAddr,
        request: &RequestContext,
    ) -> Result<SignedIn, Problem> {
        new.password.check()?;
        let name = validate::name("name", &new.name)?;
        self.0.attempts.register(address, request.now)?;

        let hash = self.0.passwords.hash(&new.password).await?;
        let nobody = WorkspaceId(Uuid::nil());
        let user = UserId(request.derive_or_new(nobody, "user"));
        let workspace = WorkspaceId(request.derive_or_new(nobody, "workspace"));
        let inserted = {
            let client = self.0.pool.get().await?;
            let statement = client.prepare_cached(include_str!("sql/register.sql")).await?;
            let (email, key) = (new.email.as_str(), new.email.key());
            client
                .execute(&statement, &[&user.0, &email, &key, &name, &hash, &workspace.0, &request.now])
                .await?
        };
        let record = self
            .record_by_email(&new.email)
            .await?
            .ok_or_else(|| Problem::internal("an account that was just made is gone"))?;
        if inserted == 0 {
            // Taken, unless this is what a request of the same person left behind.
            let same = record.user.id == user || record.position.is_none();
            let hash = Some(record.password_hash.clone());
            if !same || !self.0.passwords.verify(&new.password, hash).await? {
                return Err(Problem::new(
                    Code::EmailTaken,
                    "There is an account with this e-mail address. Log in, or use another address.",
                )
                .field("email", "taken", "There is an account with this e-mail address."));
            }
        }
        let position = self.settle(&record, request).await?;
        self.begin_session(record.user, position, request).await
    }

    /// Makes sure that the log has a person's personal workspace, and says where. A crash between
    /// row and events is healed here.
    pub(super) async fn settle(
        &self,
        record: &Record,
        request: &RequestContext,
    ) -> Result<Position, Problem> {
        if let Some(position) = record.position {
            return Ok(position);
        }
        let user = &record.user;
        let mut cx = ctx(request, user.workspace, Actor::User(user.id));
        // The guards say all: whichever request comes first makes it.
        cx.dedup = None;
        let create = Create { name: PERSONAL.to_owned(), owner: user.id, personal: true };
        let done = self.0.executor.execute::<Workspace, _>(&user.workspace, &create, &cx).await?;
        let position = self.position(&done).await?;
        let client = self.0.pool.get().await?;
        let statement = client
            .prepare_cached(
                "UPDATE accounts.users SET workspace_position = $2 WHERE id = $1 AND workspace_position IS NULL",
            )
            .await?;
        let kept = i64::try_from(position.0).map_err(Problem::internal)?;
        client.execute(&statement, &[&user.id.0, &kept]).await?;
        Ok(position)
    }
}
