//! People as rows.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_events::{Position, UserId, WorkspaceId};
use weir_infra::http::Problem;

use super::{Accounts, Email};

/// Someone with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id, which is all that events know of them.
    pub id: UserId,
    /// Their e-mail address as they typed it.
    pub email: String,
    /// What they want to be called.
    pub name: String,
    /// Their personal workspace.
    pub workspace: WorkspaceId,
    /// When they registered.
    pub created_at: DateTime<Utc>,
}

/// Someone with what is only for checking who they are.
pub(super) struct Record {
    pub(super) user: User,
    pub(super) password_hash: String,
    /// Where the log has their personal workspace, once it is known to have it.
    pub(super) position: Option<Position>,
}

/// The columns that [`Record::read`] reads, for a table alias `u`.
pub(super) const COLUMNS: &str =
    "u.id, u.email, u.name, u.workspace_id, u.created_at, u.password_hash, u.workspace_position";

impl Record {
    /// Reads [`COLUMNS`] from the column numbered `at` on.
    pub(super) fn read(row: &Row, at: usize) -> Result<Self, tokio_postgres::Error> {
        let position: Option<i64> = row.try_get(at + 6)?;
        Ok(Self {
            user: User {
                id: UserId(row.try_get(at)?),
                email: row.try_get(at + 1)?,
                name: row.try_get(at + 2)?,
                workspace: WorkspaceId(row.try_get(at + 3)?),
                created_at: row.try_get(at + 4)?,
            },
            password_hash: row.try_get(at + 5)?,
            position: position.map(|p| Position(p.unsigned_abs())),
        })
    }
}

impl Accounts {
    pub(super) async fn record_by_email(&self, email: &Email) -> Result<Option<Record>, Problem> {
        let client = self.0.pool.get().await?;
        let sql = format!("SELECT {COLUMNS} FROM accounts.users u WHERE u.email_key = $1");
        let statement = client.prepare_cached(&sql).await?;
        let row = client.query_opt(&statement, &[&email.key()]).await?;
        Ok(row.map(|row| Record::read(&row, 0)).transpose()?)
    }

    /// Someone by their address; `None` where nobody has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_by_email(&self, email: &Email) -> Result<Option<User>, Problem> {
        Ok(self.record_by_email(email).await?.map(|r| r.user))
    }

    /// Those of these people who have an account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn users(&self, ids: &[UserId]) -> Result<Vec<User>, Problem> {
        let client = self.0.pool.get().await?;
        let sql = format!("SELECT {COLUMNS} FROM accounts.users u WHERE u.id = ANY($1)");
        let statement = client.prepare_cached(&sql).await?;
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = client.query(&statement, &[&ids]).await?;
        let records: Result<Vec<User>, _> =
            rows.iter().map(|row| Record::read(row, 0).map(|r| r.user)).collect();
        Ok(records?)
    }
}
