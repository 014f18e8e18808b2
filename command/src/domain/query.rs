//! Query patterns. A pattern comes to be by being run; saving gives it a name and pins the SQL
//! that the name stands for.

use weir_events::{
    Event as Any, QueryId, Subject, WorkspaceId,
    name::Kind,
    query::{Event, Renamed, Saved, Unsaved},
};

use super::{Command, Ctx, Decider, Decision, Invalid, validate};

/// Query patterns.
#[derive(Debug)]
pub enum Queries {}

/// What the rules need to know of a pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The newest SQL that was run, and its pattern.
    asked: Option<(String, String)>,
    /// The newest SQL that was answered, and its pattern: better to save than one that failed.
    answered: Option<(String, String)>,
    /// The name it is saved under.
    saved: Option<String>,
}

impl Decider for Queries {
    type Id = QueryId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &QueryId) -> Subject {
        Subject::query(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Query(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Executed(e) => state.answered = Some((e.sql.clone(), e.pattern.clone())),
            Event::Failed(e) => state.asked = Some((e.sql.clone(), e.pattern.clone())),
            Event::Saved(e) => state.saved = Some(e.name.clone()),
            Event::Renamed(e) => state.saved = Some(e.name.clone()),
            Event::Unsaved(_) => state.saved = None,
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
}

impl Command<Queries> for Save {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, cx: &Ctx) -> Result<Decision<Event, String>, Error> {
        if state.saved.is_some() {
            return Rename { id: self.id, name: self.name.clone() }.decide(state, cx);
        }
        let (sql, pattern) = state.answered.as_ref().or(state.asked.as_ref()).ok_or(Error::NotFound)?;
        let name = validate::name("name", &self.name)?;
        let saved = Saved { name: name.clone(), sql: sql.clone(), pattern: pattern.clone() };
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
}

impl Command<Queries> for Rename {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, String>, Error> {
        let old = saved_name(state)?;
        let name = validate::name("name", &self.name)?;
        if name == *old {
            return Ok(Decision::nothing(name));
        }
        let renamed = Renamed { name: name.clone() };
        Ok(Decision::one(renamed, name.clone()).rename(Kind::Query, old, &name, self.id.0))
    }
}

/// A saved query is given up; its runs stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsave {
    /// Which query.
    pub id: QueryId,
}

impl Command<Queries> for Unsave {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let name = saved_name(state)?;
        Ok(Decision::one(Unsaved {}, ()).release(Kind::Query, name, self.id.0))
    }
}

fn saved_name(state: &State) -> Result<&String, Error> {
    let known = state.asked.is_some() || state.answered.is_some();
    state.saved.as_ref().ok_or(if known { Error::NotSaved } else { Error::NotFound })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use weir_events::{
        RunId,
        query::{Executed, Failed},
    };

    use super::*;
    use crate::domain::{name::Claim, spec::given};

    const ID: QueryId = QueryId(Uuid::from_u128(5));

    fn executed(sql: &str) -> Event {
        Executed {
            run_id: RunId(Uuid::nil()),
            sql: sql.to_owned(),
            pattern: "SELECT ?".to_owned(),
            datasets: Vec::new(),
            engine: "engine".to_owned(),
            rows: 1,
            bytes: 8,
            truncated: false,
            elapsed_ms: 1.0,
            cache_tier: None,
            result_hash: String::new(),
            result: None,
        }
        .into()
    }

    fn failed(sql: &str) -> Event {
        Failed {
            run_id: RunId(Uuid::nil()),
            sql: sql.to_owned(),
            pattern: "SELECT ?".to_owned(),
            code: "time_limit".to_owned(),
            detail: String::new(),
            elapsed_ms: 1.0,
        }
        .into()
    }

    fn saved(name: &str, sql: &str) -> Event {
        Saved { name: name.to_owned(), sql: sql.to_owned(), pattern: "SELECT ?".to_owned() }.into()
    }

    fn save(name: &str) -> Save {
        Save { id: ID, name: name.to_owned() }
    }

    #[test]
    fn what_was_answered_last_is_saved() {
        let history = [executed("SELECT 1"), executed("SELECT 2"), failed("SELECT 3")];
        let (name, names) = given::<Queries>(history).when(save("Two")).then([saved("Two", "SELECT 2")]);
        assert_eq!(name, "Two");
        assert_eq!(names, [Claim::Reserve { kind: Kind::Query, name: "Two".to_owned(), holder: ID.0 }]);
        given::<Queries>([failed("SELECT 3")]).when(save("Three")).then([saved("Three", "SELECT 3")]);
    }

    #[test]
    fn what_nobody_ran_cannot_be_saved() {
        given::<Queries>([]).when(save("x")).then_error(Error::NotFound);
        given::<Queries>([]).when(Unsave { id: ID }).then_error(Error::NotFound);
    }

    #[test]
    fn saving_again_renames() {
        let history = [executed("SELECT 1"), saved("One", "SELECT 1")];
        given::<Queries>(history.clone()).when(save("One")).then_nothing();
        let renamed = Event::from(Renamed { name: "Uno".to_owned() });
        let (_, names) = given::<Queries>(history).when(save("Uno")).then([renamed]);
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn giving_up_frees_the_name() {
        let history = [executed("SELECT 1"), saved("One", "SELECT 1")];
        let (_, names) =
            given::<Queries>(history.clone()).when(Unsave { id: ID }).then([Event::from(Unsaved {})]);
        assert_eq!(names, [Claim::Release { kind: Kind::Query, name: "One".to_owned(), holder: ID.0 }]);
        let gone = history.into_iter().chain([Event::from(Unsaved {})]);
        given::<Queries>(gone).when(Unsave { id: ID }).then_error(Error::NotSaved);
    }
}
