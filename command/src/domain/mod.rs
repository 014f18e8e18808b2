//! What may happen: the rules of Weir, one module per aggregate.
//!
//! A [`Decider`] folds an aggregate's events into the state that its rules need; a [`Command`]
//! looks at that state and decides which events follow. Both are synchronous and pure: the time,
//! the ids and the person who asks come in through [`Ctx`].
//!
//! Deliberately absent: IO of any kind, clocks, randomness, HTTP. The same events and the same
//! context always give the same decision, so a decision that lost a race is simply made again.
//!
//! To add a command: write a struct beside its aggregate's others, implement [`Command`] for it,
//! and write its given/when/then test at the end of the file.

pub mod context;
pub mod ctx;
pub mod dataset;
pub mod member;
pub mod name;
pub mod query;
pub mod undo;
pub mod validate;
pub mod visualization;
pub mod webhook;
pub mod workspace;

#[cfg(test)]
pub(crate) mod spec;

pub use ctx::Ctx;
pub use validate::{FieldError, Invalid};

use weir_events::{Event, Position, Subject, WorkspaceId, name::Kind};

/// An aggregate: where its events are, and how they make up its state.
pub trait Decider: 'static {
    /// What tells one instance from another within a workspace.
    type Id: Copy + Send + Sync;
    /// What the rules need to know. The default is 'nothing happened yet'.
    type State: Default + Send + Sync;
    /// What can happen to it.
    type Event: Clone + Into<Event> + Send + Sync;

    /// The subject of one instance.
    fn subject(workspace: WorkspaceId, id: &Self::Id) -> Subject;

    /// Takes an event of this aggregate out of the common enum; `None` for any other.
    fn own(event: &Event) -> Option<&Self::Event>;

    /// Brings the state up to date with one event.
    fn evolve(state: &mut Self::State, event: &Self::Event);
}

/// Something that was asked for.
pub trait Command<D: Decider> {
    /// What the caller gets to know when it was done.
    type Reply;
    /// Why it cannot be done.
    type Error;

    /// Decides what follows. Called again with a newer state when another writer was first, so it
    /// only borrows the command.
    ///
    /// # Errors
    /// When the rules forbid it; nothing is written then.
    fn decide(&self, state: &D::State, cx: &Ctx) -> Result<Decision<D::Event, Self::Reply>, Self::Error>;
}

/// What follows from a command: all of it is written in one commit, or nothing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<E, R> {
    /// Events of the aggregate, on its subject, guarded by its last position. None at all means
    /// that things already are as they should be.
    pub events: Vec<E>,
    /// Names that are taken or given back with it.
    pub names: Vec<name::Claim>,
    /// Events of other aggregates that happen with it.
    pub also: Vec<Also>,
    /// What the caller gets to know.
    pub reply: R,
}

/// An event of another aggregate in the same commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Also {
    /// Where it is written.
    pub subject: Subject,
    /// What happens.
    pub event: Event,
    /// The last position its subject must have, if that matters.
    pub guard: Option<Position>,
}

impl<E, R> Decision<E, R> {
    /// One event, nothing else.
    pub fn one(event: impl Into<E>, reply: R) -> Self {
        Self { events: vec![event.into()], ..Self::nothing(reply) }
    }

    /// Nothing has to happen.
    pub fn nothing(reply: R) -> Self {
        Self { events: Vec::new(), names: Vec::new(), also: Vec::new(), reply }
    }

    /// The same, of which the caller only gets to know that it was done.
    #[must_use]
    pub fn done(self) -> Decision<E, ()> {
        let Self { events, names, also, reply: _ } = self;
        Decision { events, names, also, reply: () }
    }

    /// Adds an event.
    #[must_use]
    pub fn and(mut self, event: impl Into<E>) -> Self {
        self.events.push(event.into());
        self
    }

    /// Takes a unique name for `holder`.
    #[must_use]
    pub fn reserve(mut self, kind: Kind, name: &str, holder: uuid::Uuid) -> Self {
        self.names.push(name::Claim::Reserve { kind, name: name.to_owned(), holder });
        self
    }

    /// Gives a unique name of `holder` back.
    #[must_use]
    pub fn release(mut self, kind: Kind, name: &str, holder: uuid::Uuid) -> Self {
        self.names.push(name::Claim::Release { kind, name: name.to_owned(), holder });
        self
    }

    /// Trades one unique name of `holder` for another. Names that differ only in case are one
    /// name, so that nothing is traded then.
    #[must_use]
    pub fn rename(self, kind: Kind, old: &str, new: &str, holder: uuid::Uuid) -> Self {
        if weir_events::name::slug(old) == weir_events::name::slug(new) {
            return self;
        }
        self.release(kind, old, holder).reserve(kind, new, holder)
    }

    /// Adds an event of another aggregate, whatever happened there before.
    #[must_use]
    pub fn with(mut self, subject: Subject, event: impl Into<Event>) -> Self {
        self.also.push(Also { subject, event: event.into(), guard: None });
        self
    }

    /// Adds an event of another aggregate whose last position must be `guard`
    /// ([`Position::START`]: it must be new).
    #[must_use]
    pub fn with_guarded(mut self, subject: Subject, event: impl Into<Event>, guard: Position) -> Self {
        self.also.push(Also { subject, event: event.into(), guard: Some(guard) });
        self
    }
}
