//! Who is in which workspace, for a process that has no command side.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Pool;
use moka::future::Cache;
use tokio::time::timeout;
use weir_events::{UserId, WorkspaceId, member::Role};
use weir_infra::{auth::Memberships, http::Problem};

use crate::{
    position::Positions,
    reader::{self, Checkpoint, setup},
};

/// How many memberships are remembered.
const REMEMBERED: u64 = 10_000;
/// How long PostgreSQL may take over one.
const ANSWER: Duration = Duration::from_secs(10);

/// Memberships as the read models have them. What was found is believed until something happens in the workspace, so
/// that a removal counts as soon as it can be read.
pub struct ReadMemberships {
    pool: Pool,
    positions: Positions,
    setup: String,
    known: Cache<(UserId, WorkspaceId), (Checkpoint, Option<Role>)>,
}

impl ReadMemberships {
    /// Memberships in `schemas` of that database.
    pub fn new(pool: Pool, positions: Positions, schemas: &[String]) -> Self {
        Self { pool, positions, setup: setup(schemas), known: Cache::new(REMEMBERED) }
    }

    async fn look_up(
        &self,
        user: UserId,
        workspace: WorkspaceId,
    ) -> Result<(Checkpoint, Option<Role>), Problem> {
        let mut client = self.pool.get().await?;
        let tx = client.build_transaction().read_only(true).start().await?;
        let row = async {
            let statement = tx.prepare_cached(MEMBER).await?;
            tx.query_one(&statement, &[&workspace.0, &user.0]).await
        };
        let ((), row) = futures::try_join!(tx.batch_execute(&self.setup), row)?;
        let role: Option<String> = row.try_get("role")?;
        let role = role.map(|r| r.parse()).transpose().map_err(Problem::internal)?;
        Ok((reader::checkpoint(&row)?, role))
    }
}

/// A membership and the position at which it was looked up.
pub(crate) const MEMBER: &str = include_str!("member.sql");

#[async_trait]
impl Memberships for ReadMemberships {
    async fn role(&self, user: UserId, workspace: WorkspaceId) -> Result<Option<Role>, Problem> {
        if let Some((read_at, role)) = self.known.get(&(user, workspace)).await
            && self.positions.holds(workspace, read_at).is_some()
        {
            return Ok(role);
        }
        let found = timeout(ANSWER, self.look_up(user, workspace)).await;
        let late = |_| Problem::database_unavailable("a membership was not read in time");
        let (read_at, role) = found.map_err(late)??;
        self.known.insert((user, workspace), (read_at, role)).await;
        Ok(role)
    }
}
