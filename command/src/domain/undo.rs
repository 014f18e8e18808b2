//! Taking back what was done to a dataset, a chart, a context or the name of a query.
//!
//! Nothing is ever removed from the log: what takes an event back is a change like any other, decided by the rules of
//! its aggregate. It is refused where something else has changed the same part of the thing since, so that nobody's
//! later work is lost without a word.

use std::marker::PhantomData;

use weir_events::{Event as Any, Subject, WorkspaceId};

use super::{Command, Ctx, Decider, Decision};

/// An aggregate whose state is all that happened to it.
#[derive(Debug)]
pub struct History<D>(PhantomData<fn() -> D>);

impl<D: Decider> Decider for History<D> {
    type Id = D::Id;
    /// Its events, oldest first.
    type State = Vec<D::Event>;
    type Event = D::Event;

    fn subject(workspace: WorkspaceId, id: &D::Id) -> Subject {
        D::subject(workspace, id)
    }

    fn own(event: &Any) -> Option<&D::Event> {
        D::own(event)
    }

    fn evolve(events: &mut Vec<D::Event>, event: &D::Event) {
        events.push(event.clone());
    }
}

/// What of a thing an event decides. Later events on the same part decide it anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What it is called.
    Name,
    /// What is said about it.
    Description,
    /// What is in it.
    Content,
    /// Whether it is there.
    Presence,
}

/// An aggregate of which changes can be taken back.
pub trait Undo: Decider + Sized {
    /// Why one of its commands is refused.
    type Error;

    /// The part that an event decides, the `nth` of the thing, from 0; `None` of what is not a person's doing but
    /// what came of it.
    fn part(nth: usize, event: &Self::Event) -> Option<Part>;

    /// Whether the `nth` event may decide a part anew.
    fn touches(part: Part, nth: usize, event: &Self::Event) -> bool {
        Self::part(nth, event) == Some(part)
    }

    /// Whether that part is the same in two states.
    fn same(part: Part, one: &Self::State, other: &Self::State) -> bool;

    /// What brings that part of `now` back to what it was.
    ///
    /// # Errors
    /// What the rules say, or `None` where it is not known what it was.
    fn back(
        id: &Self::Id,
        part: Part,
        before: Before<'_, Self>,
        now: &Self::State,
        cx: &Ctx,
    ) -> Result<Decision<Self::Event, ()>, Option<Self::Error>>;
}

/// What was before an event.
#[derive(Debug)]
pub struct Before<'a, D: Decider> {
    /// All that had happened.
    pub events: &'a [D::Event],
    /// What that made.
    pub state: &'a D::State,
}

/// One event is to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undoing<D: Decider> {
    /// Of which thing.
    pub id: D::Id,
    /// Which of its events, from 0.
    pub nth: usize,
}

/// Why it is not taken back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error<E> {
    /// There is no such event.
    #[error("there is no such event")]
    NoSuchEvent,
    /// It is not something that a person did to the thing, or what was before is not known.
    #[error("the event cannot be taken back")]
    NotUndoable,
    /// The same part was changed again by the thing's event of this number, from 0.
    #[error("it was changed again since")]
    ChangedSince(usize),
    /// The rules forbid what would take it back.
    #[error("{0}")]
    Refused(E),
}

impl<D: Undo> Command<History<D>> for Undoing<D> {
    type Reply = ();
    type Error = Error<D::Error>;

    fn decide(&self, events: &Vec<D::Event>, cx: &Ctx) -> Result<Decision<D::Event, ()>, Self::Error> {
        let (before, rest) = events.split_at_checked(self.nth).ok_or(Error::NoSuchEvent)?;
        let (event, later) = rest.split_first().ok_or(Error::NoSuchEvent)?;
        let part = D::part(self.nth, event).ok_or(Error::NotUndoable)?;
        let was = fold::<D>(before);
        let now = fold::<D>(events);
        let later = (self.nth + 1..).zip(later);
        if let Some((rival, _)) = later.into_iter().find(|(nth, event)| D::touches(part, *nth, event)) {
            // Someone took it back before.
            if D::same(part, &was, &now) {
                return Ok(Decision::nothing(()));
            }
            // Where the later changes were taken back themselves, this one is the next. What went and came again in
            // between is somebody's doing all the same.
            let last = part != Part::Presence && D::same(part, &fold::<D>(&events[..rival]), &now);
            if !last {
                return Err(Error::ChangedSince(rival));
            }
        }
        let before = Before { events: before, state: &was };
        D::back(&self.id, part, before, &now, cx).map_err(|e| e.map_or(Error::NotUndoable, Error::Refused))
    }
}

fn fold<D: Decider>(events: &[D::Event]) -> D::State {
    let mut state = D::State::default();
    for event in events {
        D::evolve(&mut state, event);
    }
    state
}
