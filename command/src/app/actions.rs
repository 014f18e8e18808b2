//! Recommended actions that nobody wants to hear of. What is recommended is worked out when it is read; here it is
//! only seen to that what an action is about is there.

use weir_events::{ActionId, DatasetId, QueryId, WorkspaceId, action::About};
use weir_infra::http::{Code, Problem};

use super::{App, Done};
use crate::domain::{
    Ctx,
    workspace::{Dismiss, Restore},
};

impl App {
    /// Recommends an action no more.
    ///
    /// # Errors
    /// `action_not_found` where there is nothing that it could be about.
    pub async fn dismiss_action(&self, cx: &Ctx, action: ActionId) -> Result<Done<()>, Problem> {
        self.about_something(cx.workspace, action).await?;
        self.execute(&cx.workspace, &Dismiss { action }, cx).await
    }

    /// Lets a dismissed action be recommended again.
    ///
    /// # Errors
    /// As [`Self::dismiss_action`].
    pub async fn restore_action(&self, cx: &Ctx, action: ActionId) -> Result<Done<()>, Problem> {
        self.about_something(cx.workspace, action).await?;
        self.execute(&cx.workspace, &Restore { action }, cx).await
    }

    /// Whether there is what the action is about, also where another process wrote of it a moment ago. So there are no
    /// more dismissals than there are things.
    async fn about_something(&self, workspace: WorkspaceId, action: ActionId) -> Result<(), Problem> {
        if self.is_known(workspace, action) {
            return Ok(());
        }
        self.seen(self.executor().log().head().await?).await;
        if self.is_known(workspace, action) {
            return Ok(());
        }
        Err(no_such_action())
    }

    fn is_known(&self, workspace: WorkspaceId, action: ActionId) -> bool {
        let dataset = || self.directory().dataset(workspace, DatasetId(action.thing()?));
        match action.kind().about() {
            About::Workspace => true,
            About::Dataset => dataset().is_some(),
            About::Version => dataset().is_some_and(|d| action.version().is_some_and(|v| v <= d.version)),
            About::Query => {
                action.thing().is_some_and(|id| self.directory().query(workspace, QueryId(id)).is_some())
            }
        }
    }
}

/// There is nothing of that name, or nothing that it could be about.
pub(crate) fn no_such_action() -> Problem {
    Problem::new(
        Code::ActionNotFound,
        "There is no such action in this workspace. Its id stands with it among the insights.",
    )
}
