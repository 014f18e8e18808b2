//! Webhooks: where events are told, and whether they are.

use weir_events::{
    Event as Any, Position, Subject, Wanted, WebhookId, WorkspaceId,
    webhook::{Changed, Created, Deleted, Disabled, Event, Paused, Resumed, SecretRotated},
};

use super::{Command, Ctx, Decider, Decision};

/// Who is told of events.
#[derive(Debug)]
pub enum Webhooks {}

/// Whether a webhook is told of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Active,
    /// Somebody paused it.
    Paused,
    /// Weir gave it up.
    Disabled,
}

/// What the rules need to know of a webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State(Option<There>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct There {
    origin: String,
    wanted: Wanted,
    standing: Standing,
}

impl State {
    fn there(&self) -> Result<&There, Error> {
        self.0.as_ref().ok_or(Error::NotFound)
    }
}

impl Decider for Webhooks {
    type Id = WebhookId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &WebhookId) -> Subject {
        Subject::webhook(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Webhook(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(State(state): &mut State, event: &Event) {
        if let Event::Created(e) = event {
            *state = Some(There {
                origin: e.origin.clone(),
                wanted: e.wanted.clone(),
                standing: Standing::Active,
            });
        }
        let Some(there) = state else { return };
        match event {
            Event::Created(_) | Event::SecretRotated(_) => {}
            Event::Changed(e) => {
                there.origin.clone_from(&e.origin);
                there.wanted.clone_from(&e.wanted);
            }
            Event::Paused(_) => there.standing = Standing::Paused,
            Event::Resumed(_) => there.standing = Standing::Active,
            Event::Disabled(_) => there.standing = Standing::Disabled,
            Event::Deleted(_) => *state = None,
        }
    }
}

/// Why a webhook stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none, or not any more.
    #[error("there is no such webhook")]
    NotFound,
}

/// Makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Scheme, host and port of its address.
    pub origin: String,
    /// Which events it is told of.
    pub wanted: Wanted,
}

impl Command<Webhooks> for Create {
    type Reply = ();
    type Error = Error;

    fn decide(&self, State(state): &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        // Its id is new, or comes from a request that made it already.
        if state.is_some() {
            return Ok(Decision::nothing(()));
        }
        Ok(Decision::one(Created { origin: self.origin.clone(), wanted: self.wanted.clone() }, ()))
    }
}

/// Changes what it is told of, where, and whether; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The origin of its new address, which may be the old one's.
    pub origin: Option<String>,
    /// Which events it is told of.
    pub wanted: Option<Wanted>,
    /// Whether it is told of any.
    pub active: Option<bool>,
    /// Where it is resumed: whether it is not told of what happened meanwhile.
    pub skip: bool,
}

impl Command<Webhooks> for Change {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let there = state.there()?;
        let mut decision = Decision::nothing(());
        let wanted = self.wanted.as_ref().unwrap_or(&there.wanted);
        // Another path of the same server is another address, too.
        if self.origin.is_some() || *wanted != there.wanted {
            let origin = self.origin.as_ref().unwrap_or(&there.origin).clone();
            decision = decision.and(Changed { origin, wanted: wanted.clone() });
        }
        match (self.active, there.standing) {
            (Some(false), Standing::Active) => decision = decision.and(Paused {}),
            (Some(true), Standing::Paused | Standing::Disabled) => {
                decision = decision.and(Resumed { skip: self.skip });
            }
            _ => {}
        }
        Ok(decision)
    }
}

/// Signs with another secret from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotateSecret;

impl Command<Webhooks> for RotateSecret {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        state.there()?;
        Ok(Decision::one(SecretRotated {}, ()))
    }
}

/// Gives it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disable {
    /// Why.
    pub reason: String,
    /// The event that could not be delivered.
    pub undelivered: Position,
}

impl Command<Webhooks> for Disable {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        match state.there()?.standing {
            Standing::Active => {
                let Position(undelivered) = self.undelivered;
                Ok(Decision::one(Disabled { reason: self.reason.clone(), undelivered }, ()))
            }
            // Somebody was faster, another message perhaps.
            Standing::Paused | Standing::Disabled => Ok(Decision::nothing(())),
        }
    }
}

/// Deletes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete;

impl Command<Webhooks> for Delete {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        state.there()?;
        Ok(Decision::one(Deleted {}, ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::given;

    fn wanted(kind: &str) -> Wanted {
        Wanted::new(vec![kind.to_owned()], Vec::new()).unwrap()
    }

    fn created() -> Event {
        Created { origin: "https://a".into(), wanted: Wanted::default() }.into()
    }

    fn disabled() -> Event {
        Disabled { reason: "gone".into(), undelivered: 7 }.into()
    }

    fn active(active: bool) -> Change {
        Change { active: Some(active), ..Change::default() }
    }

    #[test]
    fn is_made_once() {
        let create = || Create { origin: "https://a".into(), wanted: Wanted::default() };
        given::<Webhooks>([]).when(create()).then([created()]);
        given::<Webhooks>([created()]).when(create()).then_nothing();
    }

    #[test]
    fn only_what_is_different_is_changed() {
        let to = |kind: &str| Change { wanted: Some(wanted(kind)), ..Change::default() };
        let changed = |origin: &str, wanted| Event::from(Changed { origin: origin.into(), wanted });
        given::<Webhooks>([created()])
            .when(to("weir.query"))
            .then([changed("https://a", wanted("weir.query"))]);
        given::<Webhooks>([created()]).when(Change::default()).then_nothing();
        let same = Change { wanted: Some(Wanted::default()), ..Change::default() };
        given::<Webhooks>([created()]).when(same).then_nothing();
        let elsewhere = Change { origin: Some("https://a".into()), ..Change::default() };
        given::<Webhooks>([created()]).when(elsewhere).then([changed("https://a", Wanted::default())]);
        given::<Webhooks>([]).when(to("weir.query")).then_error(Error::NotFound);
    }

    #[test]
    fn is_paused_resumed_and_given_up() {
        let (paused, resumed) = (Event::from(Paused {}), Event::from(Resumed { skip: false }));
        given::<Webhooks>([created()]).when(active(false)).then([paused.clone()]);
        given::<Webhooks>([created(), paused.clone()]).when(active(false)).then_nothing();
        given::<Webhooks>([created(), paused.clone()]).when(active(true)).then([resumed.clone()]);
        given::<Webhooks>([created()]).when(active(true)).then_nothing();
        given::<Webhooks>([created(), disabled()]).when(active(true)).then([resumed]);
        given::<Webhooks>([created(), disabled()]).when(active(false)).then_nothing();
        let skipping = Change { skip: true, ..active(true) };
        given::<Webhooks>([created(), paused.clone()]).when(skipping).then([Resumed { skip: true }.into()]);
        let disable = || Disable { reason: "gone".into(), undelivered: Position(7) };
        given::<Webhooks>([created()]).when(disable()).then([disabled()]);
        given::<Webhooks>([created(), paused]).when(disable()).then_nothing();
        given::<Webhooks>([created(), disabled()]).when(disable()).then_nothing();
    }

    #[test]
    fn what_is_deleted_is_gone() {
        given::<Webhooks>([created()]).when(Delete).then([Deleted {}.into()]);
        given::<Webhooks>([created()]).when(RotateSecret).then([SecretRotated {}.into()]);
        let gone = [created(), Event::from(Deleted {})];
        given::<Webhooks>(gone.clone()).when(Delete).then_error(Error::NotFound);
        given::<Webhooks>(gone.clone()).when(RotateSecret).then_error(Error::NotFound);
        given::<Webhooks>(gone.clone()).when(active(true)).then_error(Error::NotFound);
        let disable = Disable { reason: String::new(), undelivered: Position(1) };
        given::<Webhooks>(gone).when(disable).then_error(Error::NotFound);
    }
}
