//! API keys in PostgreSQL.

use async_trait::async_trait;
use weir_events::{ApiKeyId, UserId, WorkspaceId};

use super::{ApiKey, ApiKeys};
use crate::http::Problem;
use deadpool_postgres::Pool;

/// The API keys in schema `accounts`.
#[derive(Clone)]
pub struct PostgresApiKeys(pub Pool);

impl std::fmt::Debug for PostgresApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostgresApiKeys")
    }
}

#[async_trait]
impl ApiKeys for PostgresApiKeys {
    async fn find(&self, id: ApiKeyId) -> Result<Option<ApiKey>, Problem> {
        let client = self.0.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT user_id, workspace_id, role, secret_hash FROM accounts.api_keys
                 WHERE id = $1 AND deleted_at IS NULL",
            )
            .await?;
        let Some(row) = client.query_opt(&statement, &[&id.0]).await? else { return Ok(None) };
        let role: String = row.try_get(2)?;
        let hash: Vec<u8> = row.try_get(3)?;
        Ok(Some(ApiKey {
            id,
            user: UserId(row.try_get(0)?),
            workspace: WorkspaceId(row.try_get(1)?),
            role: role.parse().map_err(Problem::internal)?,
            secret_hash: hash
                .try_into()
                .map_err(|_| Problem::internal("an API key's hash has a wrong length"))?,
        }))
    }
}
