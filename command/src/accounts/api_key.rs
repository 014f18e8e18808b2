//! API keys: what programs hold. Each belongs to one workspace and acts in its maker's name, with
//! never more than its own role and never more than its maker's at the time.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use weir_events::{ApiKeyId, UserId, WorkspaceId, member::Role};
use weir_infra::{
    auth::{ApiKeySecret, Caller},
    http::{Code, Problem, RequestContext},
};

use super::Accounts;
use crate::domain::validate;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub user: UserId,
    /// When.
    pub created_at: DateTime<Utc>,
}

fn read(row: &Row) -> Result<ApiKey, Problem> {
    let role: String = row.try_get(2)?;
    Ok(ApiKey {
        id: ApiKeyId(row.try_get(0)?),
        name: row.try_get(1)?,
        role: role.parse().map_err(Problem::internal)?,
        user: UserId(row.try_get(3)?),
        created_at: row.try_get(4)?,
    })
}

impl Accounts {
    /// Makes an API key and gives its secret, this once.
    ///
    /// # Errors
    /// 403 where the role is above the maker's, 404 `api_key_not_found` where it is the repetition of
    /// a request whose key was deleted, 409 `too_many_api_keys`, 422 for a bad name.
    pub async fn create_api_key<R>(
        &self,
        caller: &Caller<R>,
        name: &str,
        role: Role,
        request: &RequestContext,
    ) -> Result<(ApiKey, ApiKeySecret), Problem> {
        let name = validate::name("name", name)?;
        if role > caller.role {
            let detail =
                format!("Your role here is {}; a key of yours cannot have more.", caller.role.as_str());
            return Err(Problem::new(Code::RoleTooLow, detail.clone()).field("role", "too_high", detail));
        }
        let id = ApiKeyId(request.derive_or_new(caller.workspace, "api key"));
        let secret = ApiKeySecret::from_entropy(id, self.entropy(request.idempotency.as_ref(), "api key"));
        let hash = secret.hash();
        let client = self.0.pool.get().await?;
        let statement = client.prepare_cached(include_str!("sql/create_api_key.sql")).await?;
        let role = role.as_str();
        let row = client
            .query_opt(
                &statement,
                &[
                    &id.0,
                    &caller.workspace.0,
                    &caller.user.0,
                    &name,
                    &role,
                    &&hash[..],
                    &request.now,
                    &self.0.options.api_keys,
                ],
            )
            .await?;
        let row = row.ok_or_else(|| {
            Problem::new(
                Code::TooManyApiKeys,
                format!("A workspace has at most {} API keys.", self.0.options.api_keys),
            )
        })?;
        if row.try_get("deleted")? {
            return Err(Problem::new(
                Code::ApiKeyNotFound,
                "This request made an API key before, which was deleted since. \
                 Use a new Idempotency-Key for a new one.",
            ));
        }
        Ok((read(&row)?, secret))
    }

    /// The API keys of a workspace, or only those of one person there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_keys(&self, workspace: WorkspaceId, of: Option<UserId>) -> Result<Vec<ApiKey>, Problem> {
        let client = self.0.pool.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT id, name, role, user_id, created_at FROM accounts.api_keys
                 WHERE workspace_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR user_id = $2)",
            )
            .await?;
        let rows = client.query(&statement, &[&workspace.0, &of.map(|u| u.0)]).await?;
        rows.iter().map(read).collect()
    }

    /// Deletes an API key: it is refused from now on. Owners delete anyone's, others their own.
    ///
    /// # Errors
    /// 404 `api_key_not_found` where the caller has no such key.
    pub async fn delete_api_key<R>(
        &self,
        caller: &Caller<R>,
        id: ApiKeyId,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let any = caller.role == Role::Owner;
        let client = self.0.pool.get().await?;
        let statement = client
            .prepare_cached(
                "UPDATE accounts.api_keys SET deleted_at = $5
                 WHERE id = $1 AND workspace_id = $2 AND deleted_at IS NULL AND ($3 OR user_id = $4)",
            )
            .await?;
        let deleted =
            client.execute(&statement, &[&id.0, &caller.workspace.0, &any, &caller.user.0, &now]).await?;
        if deleted == 0 {
            return Err(Problem::new(Code::ApiKeyNotFound, format!("There is no API key {id} here.")));
        }
        self.0.authenticator.revocations().revoke_api_key(id, now);
        Ok(())
    }
}
