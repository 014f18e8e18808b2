//! Names for queries. What a name stands for is looked up here: the rules read no runs.

use weir_events::{Event, QueryId, Subject, WorkspaceId, query::Event as Happened};
use weir_infra::http::Problem;

use super::{App, Done, Error, queries::UNPARSED};
use crate::{
    directory::Query,
    domain::{
        Ctx,
        query::{self, Rename, Save, Unsave},
    },
};

impl App {
    /// Gives a query a name.
    ///
    /// # Errors
    /// When nobody ran it or the name is taken.
    pub async fn save_query(&self, cx: &Ctx, id: QueryId, name: String) -> Result<Done<String>, Problem> {
        let query = self.query(cx.workspace, id).await?;
        let subject = Subject::query(cx.workspace, id);
        let run = self.executor().event(&subject, query.run).await;
        let (sql, pattern, within) = match run.map_err(Error::<query::Error>::from)?.event {
            Event::Query(Happened::Executed(e)) => (e.sql, e.pattern, e.context),
            Event::Query(Happened::Failed(e)) => (e.sql, e.pattern, None),
            _ => return Err(Problem::internal("a query's run is no run")),
        };
        self.execute(&id, &Save { id, name, sql, pattern, within, was: query.saved }, cx).await
    }

    /// Gives a saved query another name.
    ///
    /// # Errors
    /// When it is not saved or the name is taken.
    pub async fn rename_query(&self, cx: &Ctx, id: QueryId, name: String) -> Result<Done<String>, Problem> {
        let was = self.query(cx.workspace, id).await?.saved;
        self.execute(&id, &Rename { id, name, was }, cx).await
    }

    /// Gives a saved query up.
    ///
    /// # Errors
    /// When it is not saved.
    pub async fn unsave_query(&self, cx: &Ctx, id: QueryId) -> Result<Done<()>, Problem> {
        let was = self.query(cx.workspace, id).await?.saved;
        self.execute(&id, &Unsave { id, was }, cx).await
    }

    /// A query that was run, also where another process answered a moment ago. What cannot be
    /// parsed is none.
    async fn query(&self, workspace: WorkspaceId, id: QueryId) -> Result<Query, Problem> {
        if id == UNPARSED.0 {
            return Err(query::Error::NotFound.into());
        }
        if let Some(query) = self.directory().query(workspace, id) {
            return Ok(query);
        }
        self.seen(self.executor().log().head().await?).await;
        Ok(self.directory().query(workspace, id).ok_or(query::Error::NotFound)?)
    }
}
