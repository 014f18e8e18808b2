//! given/when/then: a decision's test in three lines.

use std::fmt::Debug;

use chrono::DateTime;
use uuid::Uuid;
use weir_events::{Actor, UserId, WorkspaceId};

use super::{Command, Ctx, Decider, Decision, ctx::Seed, name::Claim};

/// A context in which nothing surprises: the same workspace, person, time and ids each time.
pub(crate) fn ctx() -> Ctx {
    Ctx {
        workspace: WorkspaceId(Uuid::from_u128(0xa)),
        actor: Actor::User(UserId(Uuid::from_u128(0xb))),
        now: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        correlation: Uuid::from_u128(0xc),
        causation: None,
        traceparent: None,
        seed: Seed::Keyed(Uuid::from_u128(0xd)),
        dedup: None,
    }
}

/// What happened before.
pub(crate) fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    let mut state = D::State::default();
    for event in events {
        D::evolve(&mut state, &event);
    }
    Given(state)
}

pub(crate) struct Given<D: Decider>(D::State);

impl<D: Decider> Given<D> {
    /// What is asked for now.
    pub(crate) fn when<C: Command<D>>(self, command: C) -> When<D, C> {
        When(command.decide(&self.0, &ctx()))
    }
}

pub(crate) struct When<D: Decider, C: Command<D>>(Result<Decision<D::Event, C::Reply>, C::Error>);

impl<D: Decider, C: Command<D>> When<D, C>
where
    C::Error: Debug + PartialEq,
    C::Reply: Debug,
    D::Event: Debug + PartialEq,
{
    /// Exactly these events follow, in this order; gives the rest of the decision.
    #[track_caller]
    pub(crate) fn then(self, events: impl IntoIterator<Item = D::Event>) -> (C::Reply, Vec<Claim>) {
        let decision = self.0.expect("the command is accepted");
        assert_eq!(decision.events, events.into_iter().collect::<Vec<_>>());
        (decision.reply, decision.names)
    }

    /// Nothing has to happen.
    #[track_caller]
    pub(crate) fn then_nothing(self) -> C::Reply {
        let (reply, names) = self.then([]);
        assert_eq!(names, []);
        reply
    }

    /// It is refused for this reason.
    #[track_caller]
    pub(crate) fn then_error(self, error: C::Error) {
        assert_eq!(self.0.expect_err("the command is refused"), error);
    }
}
