//! Registering: a row, then the personal workspace.

use std::net::IpAddr;

use uuid::Uuid;
use weir_events::{Actor, Position, UserId, WorkspaceId};
use weir_infra::http::{Code, Problem, RequestContext};

use super::{Accounts, Email, Password, SignedIn, user::Record};
use crate::{
    app::context_of,
    domain::{
        validate,
        workspace::{Create, Workspace},
    },
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
        // A repetition of a keyed request has the ids of the first try, so it finds its own account.
        let own = request.idempotency.is_some() && record.user.id == user;
        if inserted == 0 {
            // Taken, unless it is its own or was left unfinished by someone with the same password.
            let open = own || (record.position.is_none() && !keyed(record.user.id));
            let hash = Some(record.password_hash.clone());
            if !open || !self.0.passwords.verify(&new.password, hash).await? {
                return Err(taken());
            }
        }
        let settled = self.settle(&record, request).await?;
        // Of several that found it unfinished one finished it; to the others it is an account that
        // is there.
        if !own && !settled.first {
            return Err(taken());
        }
        self.begin_session(record.user, settled.position, request).await
    }

    /// Makes sure that the log has a person's personal workspace. A crash between row and events is
    /// healed here.
    pub(super) async fn settle(&self, record: &Record, request: &RequestContext) -> Result<Settled, Problem> {
        if let Some(position) = record.position {
            return Ok(Settled { position, first: false });
        }
        let user = &record.user;
        let mut cx = context_of(user.workspace, Actor::User(user.id), request);
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
        let first = client.execute(&statement, &[&user.id.0, &kept]).await? == 1;
        Ok(Settled { position, first })
    }
}

/// An account whose personal workspace is in the log.
pub(super) struct Settled {
    /// Where.
    pub(super) position: Position,
    /// Whether it was this request that found out; of any number at once it is one.
    first: bool,
}

/// Whether an account was made by a keyed request, which alone may finish registering it: its
/// repetition is told that it made the account, so nobody else may be.
fn keyed(user: UserId) -> bool {
    user.0.get_version() == Some(uuid::Version::Custom)
}

fn taken() -> Problem {
    Problem::new(
        Code::EmailTaken,
        "There is an account with this e-mail address. Log in, or use another address.",
    )
    .field("email", "taken", "There is an account with this e-mail address.")
}
