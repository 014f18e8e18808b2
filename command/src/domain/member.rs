//! Memberships: who is in a workspace and what they may do there.

use weir_events::{
    Event as AnyEvent, Subject, UserId, WorkspaceId,
    member::{Added, Erased, Event, Removed, Role, RoleChanged},
};

use super::{Command, Ctx, Decider, Decision, ctx::Seed};

/// The aggregate. Its id is the user's.
#[derive(Debug, Clone, Copy)]
pub enum Member {}

/// What the rules need to know of a membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What they may do; `None` where they are not in the workspace.
    pub role: Option<Role>,
    /// Whether they ever were. What they asked can be erased again then: something may have been under way.
    pub known: bool,
}

impl Decider for Member {
    type Id = UserId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, user: &UserId) -> Subject {
        Subject::member(workspace, *user)
    }

    fn own(event: &AnyEvent) -> Option<&Event> {
        match event {
            AnyEvent::Member(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Added(e) => *state = State { role: Some(e.role), known: true },
            Event::RoleChanged(e) => state.role = Some(e.role),
            Event::Removed(_) => state.role = None,
            Event::Erased(_) => {}
        }
    }
}

/// Why a membership command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They are in the workspace already.
    #[error("the user is a member already")]
    AlreadyMember,
    /// They are not in the workspace.
    #[error("there is no such member")]
    NotMember,
    /// Nobody else would own the workspace.
    #[error("a workspace needs an owner")]
    LastOwner,
    /// A personal workspace stays with its owner.
    #[error("a personal workspace stays with its owner")]
    PersonalOwner,
}

/// What was found out about the rest of the workspace before something is taken from a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Others {
    /// Whether someone else owns it too. Whoever finds that out keeps it true until the decision
    /// is written.
    pub owners: bool,
    /// Whether this is the personal workspace of the member.
    pub personal: bool,
}

impl Others {
    fn spare(self, role: Role) -> Result<(), Error> {
        match role {
            Role::Owner if self.personal => Err(Error::PersonalOwner),
            Role::Owner if !self.owners => Err(Error::LastOwner),
            _ => Ok(()),
        }
    }
}

/// Brings someone into the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Add {
    /// What they may do.
    pub role: Role,
}

impl Command<Member> for Add {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, cx: &Ctx) -> Result<Decision<Event, ()>, Error> {
        match state.role {
            None => Ok(Decision::one(Added { role: self.role }, ())),
            // A repetition of a request that was carried out and not answered.
            Some(role) if role == self.role && matches!(cx.seed, Seed::Keyed(_)) => Ok(Decision::nothing(())),
            Some(_) => Err(Error::AlreadyMember),
        }
    }
}

/// Changes what a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeRole {
    /// What they may do from now on.
    pub role: Role,
    /// The rest of the workspace.
    pub others: Others,
}

impl Command<Member> for ChangeRole {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let role = state.role.ok_or(Error::NotMember)?;
        if role == self.role {
            return Ok(Decision::nothing(()));
        }
        self.others.spare(role)?;
        Ok(Decision::one(RoleChanged { role: self.role }, ()))
    }
}

/// Takes someone out of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remove {
    /// The rest of the workspace.
    pub others: Others,
}

impl Command<Member> for Remove {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let role = state.role.ok_or(Error::NotMember)?;
        self.others.spare(role)?;
        Ok(Decision::one(Removed {}, ()))
    }
}

/// Takes someone out, where they are still in, and erases what they asked in the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erase {
    /// Who else is in the workspace.
    pub others: Others,
}

impl Command<Member> for Erase {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        match state.role {
            Some(role) => {
                self.others.spare(role)?;
                Ok(Decision::one(Removed {}, ()).and(Erased {}))
            }
            None if state.known => Ok(Decision::one(Erased {}, ())),
            None => Err(Error::NotMember),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::spec::{ctx, given};

    const ALONE: Others = Others { owners: false, personal: false };
    const SHARED: Others = Others { owners: true, personal: false };
    const PERSONAL: Others = Others { owners: true, personal: true };

    fn added(role: Role) -> Event {
        Added { role }.into()
    }

    #[test]
    fn joins_once() {
        given::<Member>([]).when(Add { role: Role::Viewer }).then([added(Role::Viewer)]);
        given::<Member>([added(Role::Viewer)])
            .when(Add { role: Role::Editor })
            .then_error(Error::AlreadyMember);
        let fresh = Ctx { seed: Seed::Fresh(Uuid::nil()), ..ctx() };
        let state = State { role: Some(Role::Viewer), known: true };
        assert_eq!(Add { role: Role::Viewer }.decide(&state, &fresh), Err(Error::AlreadyMember));
        given::<Member>([added(Role::Viewer)]).when(Add { role: Role::Viewer }).then_nothing();
        given::<Member>([added(Role::Viewer), Removed {}.into()])
            .when(Add { role: Role::Editor })
            .then([added(Role::Editor)]);
    }

    #[test]
    fn the_last_owner_stays_one() {
        let demote = |others| ChangeRole { role: Role::Editor, others };
        given::<Member>([added(Role::Owner)]).when(demote(ALONE)).then_error(Error::LastOwner);
        given::<Member>([added(Role::Owner)]).when(Remove { others: ALONE }).then_error(Error::LastOwner);
        given::<Member>([added(Role::Owner)])
            .when(demote(SHARED))
            .then([RoleChanged { role: Role::Editor }.into()]);
        given::<Member>([added(Role::Owner)]).when(Remove { others: SHARED }).then([Removed {}.into()]);
        given::<Member>([added(Role::Editor)]).when(Remove { others: ALONE }).then([Removed {}.into()]);
    }

    #[test]
    fn a_personal_workspace_keeps_its_owner() {
        given::<Member>([added(Role::Owner)])
            .when(Remove { others: PERSONAL })
            .then_error(Error::PersonalOwner);
        let demote = ChangeRole { role: Role::Viewer, others: PERSONAL };
        given::<Member>([added(Role::Owner)]).when(demote).then_error(Error::PersonalOwner);
    }

    #[test]
    fn what_someone_asked_is_erased_with_them_or_after_them() {
        let (removed, erased) = (Event::from(Removed {}), Event::from(Erased {}));
        let erase = |others| Erase { others };
        let viewer = added(Role::Viewer);
        given::<Member>([viewer.clone()]).when(erase(ALONE)).then([removed.clone(), erased.clone()]);
        given::<Member>([viewer.clone(), removed.clone()]).when(erase(ALONE)).then([erased.clone()]);
        let gone = [viewer.clone(), removed.clone(), erased.clone()];
        given::<Member>(gone).when(erase(ALONE)).then([erased]);
        given::<Member>([]).when(erase(SHARED)).then_error(Error::NotMember);
        given::<Member>([added(Role::Owner)]).when(erase(ALONE)).then_error(Error::LastOwner);
        given::<Member>([added(Role::Owner)]).when(erase(PERSONAL)).then_error(Error::PersonalOwner);
    }

    #[test]
    fn only_members_change() {
        given::<Member>([]).when(Remove { others: SHARED }).then_error(Error::NotMember);
        given::<Member>([])
            .when(ChangeRole { role: Role::Owner, others: SHARED })
            .then_error(Error::NotMember);
        given::<Member>([added(Role::Viewer)])
            .when(ChangeRole { role: Role::Viewer, others: ALONE })
            .then_nothing();
    }
}
