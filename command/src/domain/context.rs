//! Contexts. A context holds its name until it is deleted; every version of it stays as it was saved.

use std::collections::BTreeMap;

use weir_events::{
    ContextId, Event as Any, Subject, WorkspaceId,
    context::{Deleted, Event, Restored, Saved},
    name::Kind,
};

use super::{
    Command, Ctx, Decider, Decision,
    undo::{Before, Part, Undo},
};

/// What datasets mean and how they join.
#[derive(Debug)]
pub enum Contexts {}

/// What the rules need to know of a context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    name: String,
    /// The hashes of all versions that were saved.
    versions: BTreeMap<String, String>,
    /// The one that was saved last.
    newest: String,
    deleted: bool,
}

impl State {
    fn there(&self) -> Result<&Self, Error> {
        if self.versions.is_empty() || self.deleted { Err(Error::NotFound) } else { Ok(self) }
    }
}

impl Decider for Contexts {
    type Id = ContextId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &ContextId) -> Subject {
        Subject::context(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Context(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Saved(e) => {
                state.name.clone_from(&e.name);
                state.versions.insert(e.version.clone(), e.sha256.clone());
                state.newest.clone_from(&e.version);
            }
            Event::Deleted(_) => state.deleted = true,
            Event::Restored(_) => state.deleted = false,
        }
    }
}

/// Why a context does not do as it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none, or it is deleted.
    #[error("there is no such context")]
    NotFound,
    /// It was deleted, so that its name may be another's by now.
    #[error("the context is deleted")]
    Deleted,
    /// There is another text under this version, which does not change any more.
    #[error("there is a version {0} already")]
    VersionTaken(String),
}

/// A version is to be saved. The text was checked before it gets here, and has that version in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// Which context; a new one where nothing was saved yet.
    pub id: ContextId,
    /// The version.
    pub version: Saved,
}

impl Command<Contexts> for Save {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        if state.deleted {
            return Err(Error::Deleted);
        }
        let Saved { name, version, sha256, .. } = &self.version;
        match state.versions.get(version) {
            Some(known) if known == sha256 && state.newest == *version => return Ok(Decision::nothing(())),
            Some(known) if known != sha256 => return Err(Error::VersionTaken(version.clone())),
            // An older one counts again.
            Some(_) | None => {}
        }
        let decision = Decision::one(self.version.clone(), ());
        Ok(if state.versions.is_empty() {
            decision.reserve(Kind::Context, name, self.id.0)
        } else {
            // Only in case, which reserves the same name.
            decision
        })
    }
}

/// It is to go; it can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete {
    /// Which context.
    pub id: ContextId,
}

impl Command<Contexts> for Delete {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let state = state.there()?;
        Ok(Decision::one(Deleted {}, ()).release(Kind::Context, &state.name, self.id.0))
    }
}

/// It is to come back, under the name that stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// Which context.
    pub id: ContextId,
}

impl Command<Contexts> for Restore {
    /// Its name.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, String>, Error> {
        if state.versions.is_empty() {
            return Err(Error::NotFound);
        }
        let name = state.name.clone();
        if !state.deleted {
            return Ok(Decision::nothing(name));
        }
        let restored = Restored { name: name.clone() };
        Ok(Decision::one(restored, name.clone()).reserve(Kind::Context, &name, self.id.0))
    }
}

impl Undo for Contexts {
    type Error = Error;

    fn part(nth: usize, event: &Event) -> Option<Part> {
        Some(match event {
            Event::Saved(_) if nth > 0 => Part::Content,
            Event::Saved(_) | Event::Deleted(_) | Event::Restored(_) => Part::Presence,
        })
    }

    fn same(part: Part, one: &State, other: &State) -> bool {
        match part {
            Part::Presence => one.there().is_ok() == other.there().is_ok(),
            _ => one.newest == other.newest,
        }
    }

    fn back(
        id: &ContextId,
        part: Part,
        before: Before<'_, Self>,
        now: &State,
        cx: &Ctx,
    ) -> Result<Decision<Event, ()>, Option<Error>> {
        Ok(match part {
            Part::Presence if before.state.there().is_ok() => Restore { id: *id }.decide(now, cx)?.done(),
            Part::Presence => Delete { id: *id }.decide(now, cx)?,
            _ => {
                let saved = before.events.iter().rev().find_map(|event| match event {
                    Event::Saved(version) => Some(version.clone()),
                    _ => None,
                });
                Save { id: *id, version: saved.ok_or(None)? }.decide(now, cx)?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        name::Claim,
        spec::given,
        undo::{self, History, Undoing},
    };

    const ID: ContextId = ContextId(Uuid::from_u128(7));

    fn saved(version: &str, sha256: &str) -> Saved {
        Saved {
            name: "Flights".to_owned(),
            version: version.to_owned(),
            status: "active".to_owned(),
            description: "Departures from New York".to_owned(),
            text: "name: Flights".to_owned(),
            sha256: sha256.to_owned(),
            datasets: Vec::new(),
            metrics: vec!["delay".to_owned()],
            relationships: 0,
        }
    }

    fn save(version: &str, sha256: &str) -> Save {
        Save { id: ID, version: saved(version, sha256) }
    }

    fn reserve() -> Claim {
        Claim::Reserve { kind: Kind::Context, name: "Flights".to_owned(), holder: ID.0 }
    }

    #[test]
    fn the_first_version_takes_the_name() {
        let event = Event::from(saved("1.0.0", "a"));
        let ((), names) = given::<Contexts>([]).when(save("1.0.0", "a")).then([event]);
        assert_eq!(names, [reserve()]);
    }

    #[test]
    fn later_versions_stand_beside_it() {
        let event = Event::from(saved("1.1.0", "b"));
        let first = saved("1.0.0", "a").into();
        let ((), names) = given::<Contexts>([first]).when(save("1.1.0", "b")).then([event]);
        assert_eq!(names, []);
    }

    #[test]
    fn a_version_never_changes() {
        let history = [saved("1.0.0", "a").into(), saved("1.1.0", "b").into()];
        let taken = Error::VersionTaken("1.0.0".to_owned());
        given::<Contexts>(history.clone()).when(save("1.0.0", "c")).then_error(taken);
        given::<Contexts>(history.clone()).when(save("1.1.0", "b")).then_nothing();
        // The older text counts again.
        given::<Contexts>(history).when(save("1.0.0", "a")).then([saved("1.0.0", "a").into()]);
    }

    #[test]
    fn deleting_frees_the_name_and_restoring_takes_it_again() {
        let first = Event::from(saved("1.0.0", "a"));
        let gone = Event::from(Deleted {});
        let ((), names) = given::<Contexts>([first.clone()]).when(Delete { id: ID }).then([gone.clone()]);
        let release = Claim::Release { kind: Kind::Context, name: "Flights".to_owned(), holder: ID.0 };
        assert_eq!(names, [release]);
        let history = [first, gone];
        given::<Contexts>(history.clone()).when(Delete { id: ID }).then_error(Error::NotFound);
        given::<Contexts>(history.clone()).when(save("1.0.1", "b")).then_error(Error::Deleted);
        let back = Event::from(Restored { name: "Flights".to_owned() });
        let (name, names) = given::<Contexts>(history).when(Restore { id: ID }).then([back]);
        assert_eq!((name.as_str(), names), ("Flights", vec![reserve()]));
        given::<Contexts>([]).when(Restore { id: ID }).then_error(Error::NotFound);
    }

    #[test]
    fn the_version_before_counts_again() {
        let undo = |nth| Undoing::<Contexts> { id: ID, nth };
        let (one, two) = (Event::from(saved("1.0.0", "a")), Event::from(saved("1.1.0", "b")));
        let history = [one.clone(), two.clone()];
        let ((), names) = given::<History<Contexts>>(history.clone()).when(undo(1)).then([one.clone()]);
        assert_eq!(names, []);
        given::<History<Contexts>>([one.clone(), two.clone(), one.clone()]).when(undo(1)).then_nothing();
        given::<History<Contexts>>([one.clone(), two, saved("1.2.0", "c").into()])
            .when(undo(1))
            .then_error(undo::Error::ChangedSince(2));
        given::<History<Contexts>>(history).when(undo(0)).then([Deleted {}.into()]);
        let back = Event::from(Restored { name: "Flights".to_owned() });
        given::<History<Contexts>>([one, Deleted {}.into()]).when(undo(1)).then([back]);
    }
}
