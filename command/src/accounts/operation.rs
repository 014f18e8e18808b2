//! What the owner of the installation asks of its other processes.

use chrono::{DateTime, Utc};
use weir_infra::http::{Code, Problem};

use super::Accounts;

impl Accounts {
    /// Asks the projector to fold a projection anew. Since when that is asked for.
    ///
    /// # Errors
    /// 404 where there is no such projection.
    pub async fn request_rebuild(&self, name: &str) -> Result<DateTime<Utc>, Problem> {
        let client = self.0.pool.get().await?;
        let row = client.query_opt(include_str!("sql/request_rebuild.sql"), &[&name]).await?;
        let row =
            row.ok_or_else(|| Problem::new(Code::NotFound, format!("There is no projection {name:?}.")))?;
        Ok(row.try_get(0)?)
    }
}
