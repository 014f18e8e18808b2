//! Carrying a command out: load, decide, append; again where another writer was first.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use uuid::Uuid;
use weir_events::{
    AppendError, Commit, Event, EventLog, Filter, NewEvent, Position, Recorded, Subject, Unavailable,
    log::LoadError,
};
use weir_infra::http::{Code, Problem};

use crate::domain::{Command, Ctx, Decider, Decision, name};

/// How often a decision is made before the command gives up. Each time another writer got through.
const ATTEMPTS: u32 = 10;
/// How long to wait for one event.
const PATIENCE: Duration = Duration::from_secs(2);

/// Carries commands out on a log. Clones share the log.
#[derive(Clone)]
pub struct Executor {
    log: Arc<dyn EventLog>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Executor")
    }
}

/// A command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done<R> {
    /// What the caller gets to know.
    pub reply: R,
    /// Where the log was then: a read at this position sees what the command did.
    pub position: Position,
    /// Whether anything was written; false where things already were as they should be.
    pub wrote: bool,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The rules forbid it.
    #[error("{0}")]
    Refused(E),
    /// A name that it needs is taken.
    #[error(transparent)]
    NameTaken(#[from] name::Taken),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// What happened before cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl<E> From<Unavailable> for Error<E> {
    fn from(e: Unavailable) -> Self {
        Self::Load(e.into())
    }
}

impl<E: Into<Problem>> From<Error<E>> for Problem {
    fn from(e: Error<E>) -> Self {
        match e {
            Error::Refused(e) => e.into(),
            Error::NameTaken(taken) => {
                let detail =
                    format!("The name {:?} is taken by another one. Choose another name.", taken.name);
                Self::new(Code::NameTaken, detail.clone()).field("name", "taken", detail)
            }
            Error::Append(e) => e.into(),
            Error::Load(e) => e.into(),
        }
    }
}

impl Executor {
    /// Over a log.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        Self { log }
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// The event of a subject that is known to be at a position.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn event(&self, subject: &Subject, at: Position) -> Result<Recorded, LoadError> {
        let away = |why: &str| LoadError::from(Unavailable(format!("the event at position {at}: {why}")));
        let before = Position(at.0.saturating_sub(1));
        let mut events = self.log.follow(Filter::Subject(subject.clone()), before);
        match tokio::time::timeout(PATIENCE, events.next()).await {
            Ok(Some(Ok(stored))) if stored.position == at => {
                stored.decode().map_err(|source| LoadError::Decode { position: at, source })
            }
            Ok(Some(Ok(_)) | None) => Err(away("is not there")),
            Ok(Some(Err(e))) => Err(away(&e.to_string())),
            Err(_) => Err(away("takes too long")),
        }
    }

    /// Carries a command out. A command that was carried out before, by its idempotency key, is
    /// done.
    ///
    /// # Errors
    /// See [`Error`]; nothing was written then, save that after [`AppendError::Unavailable`] it
    /// may have been: sending the same keyed command again is safe.
    pub async fn execute<D: Decider, C: Command<D>>(
        &self,
        id: &D::Id,
        command: &C,
        cx: &Ctx,
    ) -> Result<Done<C::Reply>, Error<C::Error>> {
        let subject = D::subject(cx.workspace, id);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt).await;
            }
            let mut state = D::State::default();
            let mut last = Position::START;
            for recorded in self.log.load(&subject).await? {
                last = recorded.position;
                if let Some(event) = D::own(&recorded.event) {
                    D::evolve(&mut state, event);
                }
            }
            let decision = command.decide(&state, cx).map_err(Error::Refused)?;
            drop(state);
            let Decision { events, names, also, reply } = decision;
            let mut commit = Writing { cx, attempt, commit: Commit::new() };
            for event in events {
                commit.guarded(subject.clone(), event.into(), last);
            }
            self.claim(&names, &mut commit).await?;
            for event in also {
                match event.guard {
                    Some(guard) => commit.guarded(event.subject, event.event, guard),
                    None => commit.free(event.subject, event.event),
                }
            }
            let mut commit = commit.commit;
            if commit.events.is_empty() {
                return Ok(Done { reply, position: last, wrote: false });
            }
            commit.dedup.clone_from(&cx.dedup);
            match self.log.append(commit).await {
                Ok(appended) => return Ok(Done { reply, position: appended.last, wrote: true }),
                Err(AppendError::Conflict) => {}
                // It was carried out before. Where it went is not always known any more; then the
                // head is a position at which it surely shows.
                Err(AppendError::Duplicate(_)) => {
                    return Ok(Done { reply, position: self.log.head().await?, wrote: false });
                }
                Err(e) => return Err(e.into()),
            }
        }
        Err(AppendError::Conflict.into())
    }

    /// Adds what taking and giving back names needs. Each name's subject is guarded, so that of two
    /// commands that want one name only one gets through.
    async fn claim<E>(&self, claims: &[name::Claim], commit: &mut Writing<'_>) -> Result<(), Error<E>> {
        let mut seen: HashMap<Subject, (Option<Uuid>, Position)> = HashMap::new();
        for claim in claims {
            let subject = claim.subject(commit.cx.workspace);
            if !seen.contains_key(&subject) {
                let mut holder = None;
                let mut last = Position::START;
                for recorded in self.log.load(&subject).await? {
                    last = recorded.position;
                    if let Event::Name(e) = &recorded.event {
                        name::evolve(&mut holder, e);
                    }
                }
                seen.insert(subject.clone(), (holder, last));
            }
            let Some((holder, last)) = seen.get_mut(&subject) else { continue };
            if let Some(event) = claim.decide(*holder)? {
                name::evolve(holder, &event);
                commit.guarded(subject, event.into(), *last);
            }
        }
        Ok(())
    }
}

/// A commit in the making.
struct Writing<'a> {
    cx: &'a Ctx,
    attempt: u32,
    commit: Commit,
}

impl Writing<'_> {
    fn event(&self, subject: Subject, event: Event) -> NewEvent {
        NewEvent { subject, meta: self.cx.metadata(self.commit.events.len(), self.attempt), event }
    }

    fn guarded(&mut self, subject: Subject, event: Event, last: Position) {
        let event = self.event(subject, event);
        self.commit = std::mem::take(&mut self.commit).guarded(event, last);
    }

    fn free(&mut self, subject: Subject, event: Event) {
        let event = self.event(subject, event);
        self.commit = std::mem::take(&mut self.commit).event(event);
    }
}

/// A short, growing, random pause, so that writers who met do not meet again.
async fn pause(attempt: u32) {
    let most = 2_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
