//! Workspaces: made with their owner in one commit, renamed, opened to language models; and which of the actions that
//! are recommended in them nobody wants to hear of.

use std::collections::BTreeSet;

use weir_events::{
    ActionId, Event as AnyEvent, Position, Subject, UserId, WorkspaceId,
    member::{self, Role},
    workspace::{ActionDismissed, ActionRestored, Created, Deleted, Event, Renamed, RowsShared},
};

use super::{Command, Ctx, Decider, Decision, Invalid, validate};

/// The aggregate. Its id is the workspace's own.
#[derive(Debug, Clone, Copy)]
pub enum Workspace {}

/// What the rules need to know of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Present once it was created.
    pub created: Option<Basics>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The actions that were dismissed.
    pub dismissed: BTreeSet<ActionId>,
}

/// A workspace that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basics {
    /// What people call it.
    pub name: String,
    /// Who made it.
    pub owner: UserId,
    /// Whether it came with its owner's account.
    pub personal: bool,
    /// Whether language models may see its rows.
    pub rows_shared: bool,
}

impl Decider for Workspace {
    type Id = WorkspaceId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, _: &WorkspaceId) -> Subject {
        Subject::workspace(workspace)
    }

    fn own(event: &AnyEvent) -> Option<&Event> {
        match event {
            AnyEvent::Workspace(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Created(e) => {
                state.created = Some(Basics {
                    name: e.name.clone(),
                    owner: e.owner,
                    personal: e.personal,
                    rows_shared: false,
                });
            }
            Event::Renamed(e) => {
                if let Some(basics) = &mut state.created {
                    basics.name.clone_from(&e.name);
                }
            }
            Event::RowsShared(e) => {
                if let Some(basics) = &mut state.created {
                    basics.rows_shared = e.shared;
                }
            }
            Event::ActionDismissed(e) => {
                state.dismissed.insert(e.action);
            }
            Event::ActionRestored(e) => {
                state.dismissed.remove(&e.action);
            }
            Event::Deleted(_) => *state = State { deleted: true, ..State::default() },
        }
    }
}

/// Why a workspace command is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NotFound,
    /// Someone else's workspace has this id.
    #[error("another workspace has this id")]
    Exists,
    /// The name is not one.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It came with an account and goes with it.
    #[error("a personal workspace stays with its owner")]
    Personal,
    /// What was said to confirm it is not its name.
    #[error("the name is another one")]
    NotConfirmed,
}

/// Makes a workspace and its owner's membership. Made again by the same owner it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// What people will call it.
    pub name: String,
    /// Who will own it.
    pub owner: UserId,
    /// Whether it comes with the owner's account.
    pub personal: bool,
}

impl Command<Workspace> for Create {
    /// The name as it was kept.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, cx: &Ctx) -> Result<Decision<Event, String>, Error> {
        match &state.created {
            _ if state.deleted => Err(Error::Exists),
            Some(basics) if basics.owner == self.owner && basics.personal == self.personal => {
                Ok(Decision::nothing(basics.name.clone()))
            }
            Some(_) => Err(Error::Exists),
            None => {
                let name = validate::name("name", &self.name)?;
                let created = Created { name: name.clone(), owner: self.owner, personal: self.personal };
                let member = Subject::member(cx.workspace, self.owner);
                let added = member::Event::from(member::Added { role: Role::Owner });
                Ok(Decision::one(created, name).with_guarded(member, added, Position::START))
            }
        }
    }
}

/// Changes what is known of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The new name.
    pub name: Option<String>,
    /// Whether language models may see its rows.
    pub share_rows: Option<bool>,
}

/// A workspace after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The name as it is kept.
    pub name: String,
    /// Whether language models may see its rows.
    pub rows_shared: bool,
}

impl Command<Workspace> for Change {
    type Reply = Changed;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Changed>, Error> {
        let basics = state.created.as_ref().ok_or(Error::NotFound)?;
        let name = validate::name_or(self.name.as_deref(), &basics.name)?;
        let rows_shared = self.share_rows.unwrap_or(basics.rows_shared);
        let mut decision = Decision::nothing(Changed { name: name.clone(), rows_shared });
        if name != basics.name {
            decision = decision.and(Renamed { name });
        }
        if rows_shared != basics.rows_shared {
            decision = decision.and(RowsShared { shared: rows_shared });
        }
        Ok(decision)
    }
}

/// Recommends an action no more, to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dismiss {
    /// Which one. Whether there is what it is about was looked up.
    pub action: ActionId,
}

impl Command<Workspace> for Dismiss {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        state.created.as_ref().ok_or(Error::NotFound)?;
        if state.dismissed.contains(&self.action) {
            return Ok(Decision::nothing(()));
        }
        Ok(Decision::one(ActionDismissed { action: self.action }, ()))
    }
}

/// Lets a dismissed action be recommended again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// Which one.
    pub action: ActionId,
}

impl Command<Workspace> for Restore {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        state.created.as_ref().ok_or(Error::NotFound)?;
        if !state.dismissed.contains(&self.action) {
            return Ok(Decision::nothing(()));
        }
        Ok(Decision::one(ActionRestored { action: self.action }, ()))
    }
}

/// Deletes it for good, with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Its name, said again by whoever wants that.
    pub name: String,
}

impl Command<Workspace> for Delete {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let basics = state.created.as_ref().ok_or(Error::NotFound)?;
        if basics.personal {
            return Err(Error::Personal);
        }
        if self.name.trim() != basics.name {
            return Err(Error::NotConfirmed);
        }
        Ok(Decision::one(Deleted {}, ()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::spec::{ctx, given};

    fn ada() -> UserId {
        UserId(Uuid::from_u128(1))
    }

    fn created(name: &str) -> Event {
        Created { name: name.to_owned(), owner: ada(), personal: false }.into()
    }

    fn create(name: &str, owner: u128) -> Create {
        Create { name: name.to_owned(), owner: UserId(Uuid::from_u128(owner)), personal: false }
    }

    #[test]
    fn comes_with_its_owner() {
        let decision = create(" Team ", 1).decide(&State::default(), &ctx()).unwrap();
        assert_eq!(decision.events, [created("Team")]);
        assert_eq!(decision.also.len(), 1);
        assert_eq!(decision.also[0].subject, Subject::member(ctx().workspace, ada()));
        assert_eq!(decision.also[0].event, member::Event::from(member::Added { role: Role::Owner }).into());
        assert_eq!(decision.also[0].guard, Some(Position::START));
    }

    #[test]
    fn made_again_it_stays_as_it_is() {
        let reply = given::<Workspace>([created("Team")]).when(create("Other", 1)).then_nothing();
        assert_eq!(reply, "Team");
        given::<Workspace>([created("Team")]).when(create("Team", 2)).then_error(Error::Exists);
    }

    #[test]
    fn is_deleted_by_its_name_and_never_comes_back() {
        let delete = |name: &str| Delete { name: name.to_owned() };
        let deleted = Event::from(Deleted {});
        given::<Workspace>([created("Team")]).when(delete(" Team ")).then([deleted.clone()]);
        given::<Workspace>([created("Team")]).when(delete("team")).then_error(Error::NotConfirmed);
        given::<Workspace>([]).when(delete("")).then_error(Error::NotFound);
        let personal = Created { name: "Ada".into(), owner: ada(), personal: true };
        given::<Workspace>([personal.into()]).when(delete("Ada")).then_error(Error::Personal);
        let gone = [created("Team"), deleted];
        given::<Workspace>(gone.clone()).when(delete("Team")).then_error(Error::NotFound);
        given::<Workspace>(gone.clone()).when(create("Team", 1)).then_error(Error::Exists);
        given::<Workspace>(gone).when(change(Some("b"), None)).then_error(Error::NotFound);
    }

    fn change(name: Option<&str>, share_rows: Option<bool>) -> Change {
        Change { name: name.map(str::to_owned), share_rows }
    }

    #[test]
    fn is_renamed_where_it_exists() {
        let rename = |name: &str| change(Some(name), None);
        given::<Workspace>([created("a")]).when(rename("b")).then([Renamed { name: "b".into() }.into()]);
        given::<Workspace>([created("a")]).when(rename(" a ")).then_nothing();
        given::<Workspace>([]).when(rename("b")).then_error(Error::NotFound);
        let basics = Basics { name: "a".into(), owner: ada(), personal: false, rows_shared: false };
        let error = rename("").decide(&State { created: Some(basics), ..State::default() }, &ctx());
        assert!(matches!(error, Err(Error::Invalid(_))));
    }

    #[test]
    fn an_action_is_dismissed_once_and_recommended_again() {
        let [action, other] = ["save_visualization", "upload_dataset"].map(|id| id.parse().unwrap());
        let dismissed = |action| Event::from(ActionDismissed { action });
        let restored = |action| Event::from(ActionRestored { action });
        let dismiss = |action| Dismiss { action };
        let restore = |action| Restore { action };
        given::<Workspace>([]).when(dismiss(action)).then_error(Error::NotFound);
        given::<Workspace>([]).when(restore(action)).then_error(Error::NotFound);
        given::<Workspace>([created("a")]).when(restore(action)).then_nothing();
        given::<Workspace>([created("a")]).when(dismiss(action)).then([dismissed(action)]);
        let past = [created("a"), dismissed(action)];
        given::<Workspace>(past.clone()).when(dismiss(action)).then_nothing();
        given::<Workspace>(past.clone()).when(dismiss(other)).then([dismissed(other)]);
        given::<Workspace>(past.clone()).when(restore(action)).then([restored(action)]);
        let again = [&past[..], &[restored(action)]].concat();
        given::<Workspace>(again.clone()).when(restore(action)).then_nothing();
        given::<Workspace>(again).when(dismiss(action)).then([dismissed(action)]);
        let gone = [&past[..], &[Deleted {}.into()]].concat();
        given::<Workspace>(gone).when(restore(action)).then_error(Error::NotFound);
    }

    #[test]
    fn rows_are_kept_from_models_until_someone_says_otherwise() {
        let share = |shared| change(None, Some(shared));
        let shared = |shared| Event::from(RowsShared { shared });
        given::<Workspace>([created("a")]).when(share(false)).then_nothing();
        given::<Workspace>([created("a")]).when(share(true)).then([shared(true)]);
        given::<Workspace>([created("a"), shared(true)]).when(share(true)).then_nothing();
        given::<Workspace>([created("a"), shared(true)]).when(share(false)).then([shared(false)]);
        let (reply, _) = given::<Workspace>([created("a")])
            .when(change(Some("b"), Some(true)))
            .then([Renamed { name: "b".into() }.into(), shared(true)]);
        assert_eq!(reply, Changed { name: "b".into(), rows_shared: true });
        given::<Workspace>([]).when(share(true)).then_error(Error::NotFound);
    }
}
