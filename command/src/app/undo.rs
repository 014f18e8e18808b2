//! Taking back what happened to a thing at a position.

use weir_events::{ContextId, Event, EventId, Filter, Position, Start};
use weir_infra::http::{Code, Problem};

use super::{App, Done, Error};
use crate::domain::{
    Ctx,
    context::Contexts,
    undo::{self, Part, Undo, Undoing},
};

/// Events of one command that may stand behind what it made of a thing.
const BESIDE: usize = 16;

/// Something that happened to a thing.
struct Happened {
    id: EventId,
    /// Which of the thing's events it is, from 0.
    nth: usize,
    part: Option<Part>,
    /// Where its events are, oldest first.
    positions: Vec<Position>,
}

impl App {
    /// Takes back what the event at a position did to a thing.
    ///
    /// # Errors
    /// `event_not_found`, `not_undoable`, `changed_since`, and whatever speaks against the change that takes it back.
    pub async fn undo<D: Undo>(&self, cx: &Ctx, id: D::Id, at: Position) -> Result<Done<()>, Problem>
    where
        D::Error: Into<Problem>,
    {
        let happened = self.happened::<D>(cx, &id, at).await?;
        self.take_back::<D>(cx, id, happened).await
    }

    /// The same for a context, which does not go where something else was made in it.
    ///
    /// # Errors
    /// As [`Self::undo`], and `context_in_use`.
    pub async fn undo_context(&self, cx: &Ctx, id: ContextId, at: Position) -> Result<Done<()>, Problem> {
        let happened = self.happened::<Contexts>(cx, &id, at).await?;
        let there = self.directory().context(cx.workspace, id).is_some_and(|c| c.deleted_at.is_none());
        if there && happened.part == Some(Part::Presence) {
            self.unused(cx.workspace, id)?;
        }
        self.take_back::<Contexts>(cx, id, happened).await
    }

    /// The thing's event at a position; at the position that a command answered with, the last that it made of it:
    /// what follows there is about names.
    async fn happened<D: Undo>(&self, cx: &Ctx, id: &D::Id, at: Position) -> Result<Happened, Problem> {
        let log = self.executor().log();
        let mut positions = Vec::new();
        let mut found = None;
        let mut last = None;
        for recorded in log.load(&D::subject(cx.workspace, id)).await? {
            let Some(event) = D::own(&recorded.event) else { continue };
            let nth = positions.len();
            if recorded.position <= at {
                found = Some((recorded.meta.id, nth, D::part(nth, event)));
                last = Some((recorded.position, recorded.meta.correlation));
            }
            positions.push(recorded.position);
        }
        if let Some((position, correlation)) = last.filter(|(position, _)| *position < at) {
            let beside = log.read(&Filter::Workspace(cx.workspace), Start::After(position), BESIDE).await?;
            let there = beside.events.iter().find(|event| event.position == at);
            let same = there.and_then(|event| event.decode().ok()).is_some_and(|event| {
                event.meta.correlation == correlation && matches!(event.event, Event::Name(_))
            });
            found = found.filter(|_| same);
        }
        let (id, nth, part) = found.ok_or_else(|| {
            let detail =
                format!("Nothing happened to it at position {at}. Its history says what did, and where.");
            Problem::new(Code::EventNotFound, detail)
        })?;
        Ok(Happened { id, nth, part, positions })
    }

    async fn take_back<D: Undo>(&self, cx: &Ctx, id: D::Id, happened: Happened) -> Result<Done<()>, Problem>
    where
        D::Error: Into<Problem>,
    {
        let Happened { id: event, nth, positions, part: _ } = happened;
        let cx = Ctx { causation: Some(event), ..cx.clone() };
        let done = self.executor().execute(&id, &Undoing::<D> { id, nth }, &cx).await;
        let done = done.map_err(|error| match error {
            Error::Refused(refused) => refusal(refused, &positions),
            error => error.into(),
        })?;
        self.seen(done.position).await;
        Ok(done)
    }
}

impl<E: Into<Problem>> From<undo::Error<E>> for Problem {
    fn from(error: undo::Error<E>) -> Self {
        refusal(error, &[])
    }
}

/// A refusal, with where the later change is.
fn refusal<E: Into<Problem>>(error: undo::Error<E>, positions: &[Position]) -> Problem {
    match error {
        undo::Error::NoSuchEvent => {
            Problem::new(Code::EventNotFound, "Nothing happened to it at this position.")
        }
        undo::Error::NotUndoable => Problem::new(
            Code::NotUndoable,
            "What happened there cannot be taken back: it only followed from something else, or what was before is not \
             known.",
        ),
        undo::Error::ChangedSince(nth) => {
            let place = positions.get(nth).map_or_else(String::new, |at| format!(" at position {at}"));
            let detail = format!(
                "It was changed again since{place}. Take that back first, or change it as you want it."
            );
            Problem::new(Code::ChangedSince, detail)
        }
        undo::Error::Refused(error) => error.into(),
    }
}
