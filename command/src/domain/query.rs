//! Query patterns. A pattern comes to be by being run; saving gives it a name and pins the SQL
//! that the name stands for.
//!
//! The name has a subject of its own. It is guarded, and a pattern that is run all the time would
//! never let a guard on its runs through.

use weir_events::{
    Event as Any, QueryId, Subject, WorkspaceId,
    name::Kind,
    query::{Event, Renamed, Saved, Unsaved, Within},
};

use super::{
    Command, Ctx, Decider, Decision, Invalid,
    undo::{Before, Part, Undo},
    validate,
};

/// What query patterns are saved as.
#[derive(Debug)]
pub enum Queries {}

/// What the rules need to know of a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing happened on its own subject. It may have been saved in an older stream, which has
    /// that among the runs.
    #[default]
    Untouched,
    /// It is saved under this name.
    Saved(String),
    /// It was given up.
    Unsaved,
}

impl State {
    /// The name it is saved under, given the one that it had in an older stream.
    fn name<'a>(&'a self, was: &'a Option<String>) -> Option<&'a String> {
        match self {
            Self::Untouched => was.as_ref(),
            Self::Saved(name) => Some(name),
            Self::Unsaved => None,
        }
    }
}

impl Decider for Queries {
    type Id = QueryId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &QueryId) -> Subject {
        Subject::saved(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Query(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Saved(e) => *state = State::Saved(e.name.clone()),
            Event::Renamed(e) => *state = State::Saved(e.name.clone()),
            Event::Unsaved(_) => *state = State::Unsaved,
            // They stand on the pattern's subject.
            Event::Executed(_) | Event::Failed(_) => {}
        }
    }
}

/// Why a query does not do as it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody ran it here.
    #[error("there is no such query")]
    NotFound,
    /// It was run but has no name.
    #[error("the query is not saved")]
    NotSaved,
    /// Something that was typed in is not as it should be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// It is to have a name. A query that has one already is renamed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// Which query.
    pub id: QueryId,
    /// Its name.
    pub name: String,
    /// The SQL that was answered last, or where none was, that was run last.
    pub sql: String,
    /// Its pattern.
    pub pattern: String,
    /// The context that it was asked in, if it was.
    pub within: Option<Within>,
    /// The name that it had before its name had a subject of its own.
    pub was: Option<String>,
}

impl Command<Queries> for Save {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, cx: &Ctx) -> Result<Decision<Event, String>, Error> {
        if state.name(&self.was).is_some() {
            return Rename { id: self.id, name: self.name.clone(), was: self.was.clone() }.decide(state, cx);
        }
        let name = validate::name("name", &self.name)?;
        let saved = Saved {
            name: name.clone(),
            sql: self.sql.clone(),
            pattern: self.pattern.clone(),
            context: self.within.clone(),
        };
        Ok(Decision::one(saved, name.clone()).reserve(Kind::Query, &name, self.id.0))
    }
}

/// A saved query is to have another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// Which query.
    pub id: QueryId,
    /// Its new name.
    pub name: String,
    /// The name that it had before its name had a subject of its own.
    pub was: Option<String>,
}

impl Command<Queries> for Rename {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, String>, Error> {
        let old = state.name(&self.was).ok_or(Error::NotSaved)?;
        let name = validate::name("name", &self.name)?;
        if name == *old {
            return Ok(Decision::nothing(name));
        }
        let renamed = Renamed { name: name.clone() };
        Ok(Decision::one(renamed, name.clone()).rename(Kind::Query, old, &name, self.id.0))
    }
}

/// A saved query is given up; its runs stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsave {
    /// Which query.
    pub id: QueryId,
    /// The name that it had before its name had a subject of its own.
    pub was: Option<String>,
}

impl Command<Queries> for Unsave {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let name = state.name(&self.was).ok_or(Error::NotSaved)?;
        Ok(Decision::one(Unsaved {}, ()).release(Kind::Query, name, self.id.0))
    }
}

impl Undo for Queries {
    type Error = Error;

    fn part(_: usize, event: &Event) -> Option<Part> {
        match event {
            Event::Saved(_) | Event::Unsaved(_) => Some(Part::Presence),
            Event::Renamed(_) => Some(Part::Name),
            Event::Executed(_) | Event::Failed(_) => None,
        }
    }

    fn same(part: Part, one: &State, other: &State) -> bool {
        match (one, other) {
            (State::Saved(one), State::Saved(other)) => part == Part::Presence || one == other,
            (one, other) => matches!(one, State::Saved(_)) == matches!(other, State::Saved(_)),
        }
    }

    fn back(
        id: &QueryId,
        part: Part,
        before: Before<'_, Self>,
        now: &State,
        cx: &Ctx,
    ) -> Result<Decision<Event, ()>, Option<Error>> {
        let id = *id;
        let State::Saved(name) = before.state else {
            // What it was called in an older stream stands among the runs and is not seen from here.
            let saved = part == Part::Presence && matches!(now, State::Saved(_));
            return if saved { Ok(Unsave { id, was: None }.decide(now, cx)?) } else { Err(None) };
        };
        let name = name.clone();
        if part == Part::Name {
            return Ok(Rename { id, name, was: None }.decide(now, cx)?.done());
        }
        let saved = before.events.iter().rev().find_map(|event| match event {
            Event::Saved(saved) => Some(saved.clone()),
            _ => None,
        });
        let Saved { sql, pattern, context, .. } = saved.ok_or(None)?;
        Ok(Save { id, name, sql, pattern, within: context, was: None }.decide(now, cx)?.done())
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

    const ID: QueryId = QueryId(Uuid::from_u128(5));

    fn saved(name: &str) -> Event {
        Saved {
            name: name.to_owned(),
            sql: "SELECT 1".to_owned(),
            pattern: "SELECT ?".to_owned(),
            context: None,
        }
        .into()
    }

    fn renamed(name: &str) -> Event {
        Renamed { name: name.to_owned() }.into()
    }

    fn save(name: &str, was: Option<&str>) -> Save {
        Save {
            id: ID,
            name: name.to_owned(),
            sql: "SELECT 1".to_owned(),
            pattern: "SELECT ?".to_owned(),
            within: None,
            was: was.map(str::to_owned),
        }
    }

    fn unsave(was: Option<&str>) -> Unsave {
        Unsave { id: ID, was: was.map(str::to_owned) }
    }

    #[test]
    fn saving_takes_the_name_and_pins_the_sql() {
        let (name, names) = given::<Queries>([]).when(save("One", None)).then([saved("One")]);
        assert_eq!(name, "One");
        assert_eq!(names, [Claim::Reserve { kind: Kind::Query, name: "One".to_owned(), holder: ID.0 }]);
    }

    #[test]
    fn saving_again_renames() {
        given::<Queries>([saved("One")]).when(save("One", None)).then_nothing();
        let (_, names) = given::<Queries>([saved("One")]).when(save("Uno", None)).then([renamed("Uno")]);
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn giving_up_frees_the_name() {
        let (_, names) = given::<Queries>([saved("One")]).when(unsave(None)).then([Event::from(Unsaved {})]);
        assert_eq!(names, [Claim::Release { kind: Kind::Query, name: "One".to_owned(), holder: ID.0 }]);
        given::<Queries>([saved("One"), Unsaved {}.into()]).when(unsave(None)).then_error(Error::NotSaved);
        given::<Queries>([]).when(unsave(None)).then_error(Error::NotSaved);
    }

    #[test]
    fn the_name_of_an_older_stream_counts_until_something_happens() {
        let (_, names) = given::<Queries>([]).when(save("Uno", Some("One"))).then([renamed("Uno")]);
        assert_eq!(names.len(), 2, "the old name is free again");
        given::<Queries>([]).when(unsave(Some("One"))).then([Event::from(Unsaved {})]);
        given::<Queries>([Unsaved {}.into()]).when(unsave(Some("One"))).then_error(Error::NotSaved);
        let (_, names) =
            given::<Queries>([renamed("Uno")]).when(unsave(Some("One"))).then([Unsaved {}.into()]);
        assert_eq!(names, [Claim::Release { kind: Kind::Query, name: "Uno".to_owned(), holder: ID.0 }]);
    }

    #[test]
    fn names_are_taken_back() {
        let undo = |nth| Undoing::<Queries> { id: ID, nth };
        let past = |events: &[Event]| given::<History<Queries>>(events.to_vec());
        past(&[saved("One")]).when(undo(0)).then([Unsaved {}.into()]);
        let ((), names) = past(&[saved("One"), renamed("Uno")]).when(undo(1)).then([renamed("One")]);
        assert_eq!(names.len(), 2);
        let given_up = [saved("One"), renamed("Uno"), Unsaved {}.into()];
        past(&given_up).when(undo(2)).then([saved("Uno")]);
        past(&given_up).when(undo(1)).then_error(undo::Error::Refused(Error::NotSaved));
        past(&given_up).when(undo(0)).then_nothing();
        let again = [&given_up[..], &[saved("Eins")]].concat();
        past(&again).when(undo(0)).then_error(undo::Error::ChangedSince(2));
        past(&again).when(undo(2)).then_nothing();
        // What it was called in an older stream is not known here.
        past(&[renamed("Uno")]).when(undo(0)).then_error(undo::Error::NotUndoable);
        past(&[Unsaved {}.into()]).when(undo(0)).then_error(undo::Error::NotUndoable);
    }
}
