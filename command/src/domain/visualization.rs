//! Saved charts.

use serde_json::Value;
use weir_events::{
    Event as Any, QueryId, RunId, Subject, VisualizationId, WorkspaceId,
    name::Kind,
    query::Within,
    visualization::{Deleted, Described, Event, Renamed, Restored, Saved},
};

use super::{
    Command, Ctx, Decider, Decision, Invalid,
    undo::{Before, Part, Undo},
    validate,
};

/// Saved charts.
#[derive(Debug)]
pub enum Visualizations {}

/// What a chart draws and how. Checked before it gets here: the SQL fits the workspace's datasets,
/// the specification is Vega-Lite.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The SQL whose rows it draws.
    pub sql: String,
    /// That SQL's pattern.
    pub query_id: QueryId,
    /// The run that it was made from, if it was.
    pub run_id: Option<RunId>,
    /// The context that its query was asked in, if it was.
    pub context: Option<Box<Within>>,
    /// The Vega-Lite specification, without data.
    pub spec: Value,
    /// The short form that the specification was made from, if it was.
    pub chart: Option<Value>,
}

/// What the rules need to know of a chart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    name: String,
    description: String,
    /// `None` when it was never saved.
    content: Option<Content>,
    deleted: bool,
}

impl State {
    fn there(&self) -> Result<&Content, Error> {
        self.content.as_ref().filter(|_| !self.deleted).ok_or(Error::NotFound)
    }
}

impl Decider for Visualizations {
    type Id = VisualizationId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &VisualizationId) -> Subject {
        Subject::visualization(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Visualization(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Saved(e) => {
                // Another name or description has an event of its own, which follows.
                if state.content.is_none() {
                    state.name.clone_from(&e.name);
                    state.description = e.description.clone().unwrap_or_default();
                }
                state.content = Some(Content {
                    sql: e.sql.clone(),
                    query_id: e.query_id,
                    run_id: e.run_id,
                    context: e.context.clone(),
                    spec: e.spec.clone(),
                    chart: e.chart.clone(),
                });
            }
            Event::Renamed(e) => state.name.clone_from(&e.name),
            Event::Described(e) => state.description.clone_from(&e.description),
            Event::Deleted(_) => state.deleted = true,
            Event::Restored(e) => {
                state.deleted = false;
                state.name.clone_from(&e.name);
            }
        }
    }
}

/// Why a chart does not do as it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none, or it is deleted.
    #[error("there is no such visualization")]
    NotFound,
    /// Something that was typed in is not as it should be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A new chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// Its id.
    pub id: VisualizationId,
    /// Its name.
    pub name: String,
    /// What its author says about it.
    pub description: Option<String>,
    /// What it draws.
    pub content: Content,
}

/// A chart as it is after a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// What its author said about it.
    pub description: Option<String>,
    /// What it draws.
    pub content: Content,
}

impl Chart {
    fn saved(&self) -> Saved {
        let Content { sql, query_id, run_id, context, spec, chart } = self.content.clone();
        let (name, description) = (self.name.clone(), self.description.clone());
        Saved { name, description, sql, query_id, run_id, context, spec, chart }
    }
}

impl Command<Visualizations> for Save {
    type Reply = Chart;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Chart>, Error> {
        if let Some(content) = &state.content {
            // The same command again.
            return Ok(Decision::nothing(chart(&state.name, &state.description, content)));
        }
        let name = validate::name("name", &self.name)?;
        let description = validate::description(self.description.as_deref().unwrap_or_default())?;
        let reply = chart(&name, &description, &self.content);
        Ok(Decision::one(reply.saved(), reply).reserve(Kind::Visualization, &name, self.id.0))
    }
}

fn chart(name: &str, description: &str, content: &Content) -> Chart {
    Chart {
        name: name.to_owned(),
        description: Some(description.to_owned()).filter(|d| !d.is_empty()),
        content: content.clone(),
    }
}

/// Another name, description or content.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which chart.
    pub id: VisualizationId,
    /// The new name, where there is to be one.
    pub name: Option<String>,
    /// The new description; empty takes it away.
    pub description: Option<String>,
    /// What it draws from now on, where that changes.
    pub content: Option<Content>,
}

impl Command<Visualizations> for Change {
    type Reply = Chart;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Chart>, Error> {
        let content = state.there()?;
        let name = validate::name_or(self.name.as_deref(), &state.name)?;
        let description = validate::description_or(self.description.as_deref(), &state.description)?;
        let new = self.content.as_ref().filter(|new| *new != content);
        let mut decision = Decision::nothing(chart(&name, &description, new.unwrap_or(content)));
        if new.is_some() {
            // The largest event comes first: the log has least room for those that follow.
            let saved = decision.reply.saved();
            decision = decision.and(saved);
        }
        if name != state.name {
            decision = decision.and(Renamed { name: name.clone() });
            decision = decision.rename(Kind::Visualization, &state.name, &name, self.id.0);
        }
        if description != state.description {
            decision = decision.and(Described { description });
        }
        Ok(decision)
    }
}

/// It is to go; it can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete {
    /// Which chart.
    pub id: VisualizationId,
}

impl Command<Visualizations> for Delete {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        state.there()?;
        Ok(Decision::one(Deleted {}, ()).release(Kind::Visualization, &state.name, self.id.0))
    }
}

/// It is to come back, under its old name or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// Which chart.
    pub id: VisualizationId,
    /// Its name from now on, where the old one will not do.
    pub name: Option<String>,
}

impl Command<Visualizations> for Restore {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, String>, Error> {
        if state.content.is_none() {
            return Err(Error::NotFound);
        }
        if !state.deleted {
            return Ok(Decision::nothing(state.name.clone()));
        }
        let name = validate::name_or(self.name.as_deref(), &state.name)?;
        let restored = Restored { name: name.clone() };
        Ok(Decision::one(restored, name.clone()).reserve(Kind::Visualization, &name, self.id.0))
    }
}

impl Undo for Visualizations {
    type Error = Error;

    fn part(nth: usize, event: &Event) -> Option<Part> {
        Some(match event {
            Event::Saved(_) if nth > 0 => Part::Content,
            Event::Saved(_) | Event::Deleted(_) | Event::Restored(_) => Part::Presence,
            Event::Renamed(_) => Part::Name,
            Event::Described(_) => Part::Description,
        })
    }

    fn touches(part: Part, nth: usize, event: &Event) -> bool {
        // What comes back may do so under another name.
        Self::part(nth, event) == Some(part) || part == Part::Name && matches!(event, Event::Restored(_))
    }

    fn same(part: Part, one: &State, other: &State) -> bool {
        match part {
            Part::Name => one.name == other.name,
            Part::Description => one.description == other.description,
            Part::Content => one.content == other.content,
            Part::Presence => one.there().is_ok() == other.there().is_ok(),
        }
    }

    fn back(
        id: &VisualizationId,
        part: Part,
        before: Before<'_, Self>,
        now: &State,
        cx: &Ctx,
    ) -> Result<Decision<Event, ()>, Option<Error>> {
        let was = before.state;
        let mut change = Change { id: *id, name: None, description: None, content: None };
        match part {
            Part::Name => change.name = Some(was.name.clone()),
            Part::Description => change.description = Some(was.description.clone()),
            Part::Content => change.content.clone_from(&was.content),
            Part::Presence if was.there().is_ok() => {
                return Ok(Restore { id: *id, name: None }.decide(now, cx)?.done());
            }
            Part::Presence => return Ok(Delete { id: *id }.decide(now, cx)?),
        }
        Ok(change.decide(now, cx)?.done())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        name::Claim,
        spec::given,
        undo::{self, History, Undoing},
    };

    const ID: VisualizationId = VisualizationId(Uuid::from_u128(9));

    fn content(sql: &str) -> Content {
        Content {
            sql: sql.to_owned(),
            query_id: QueryId(Uuid::from_u128(1)),
            run_id: None,
            context: None,
            spec: json!({"mark": "bar"}),
            chart: None,
        }
    }

    fn save(name: &str) -> Save {
        Save { id: ID, name: name.to_owned(), description: None, content: content("SELECT 1") }
    }

    fn saved(name: &str, sql: &str) -> Event {
        chart(name, "", &content(sql)).saved().into()
    }

    fn reserve(name: &str) -> Claim {
        Claim::Reserve { kind: Kind::Visualization, name: name.to_owned(), holder: ID.0 }
    }

    fn release(name: &str) -> Claim {
        Claim::Release { kind: Kind::Visualization, name: name.to_owned(), holder: ID.0 }
    }

    fn change() -> Change {
        Change { id: ID, name: None, description: None, content: None }
    }

    #[test]
    fn a_chart_is_saved_under_its_name() {
        let (_, names) = given::<Visualizations>([]).when(save("Delays")).then([saved("Delays", "SELECT 1")]);
        assert_eq!(names, [reserve("Delays")]);
        let reply = given::<Visualizations>([saved("Delays", "SELECT 1")]).when(save("Other")).then_nothing();
        assert_eq!(reply.name, "Delays");
    }

    #[test]
    fn everything_can_change_at_once() {
        let all = Change {
            id: ID,
            name: Some("Late".to_owned()),
            description: Some("by carrier".to_owned()),
            content: Some(content("SELECT 2")),
        };
        let events = [
            Event::from(chart("Late", "by carrier", &content("SELECT 2")).saved()),
            Event::from(Renamed { name: "Late".to_owned() }),
            Event::from(Described { description: "by carrier".to_owned() }),
        ];
        let (_, names) = given::<Visualizations>([saved("Delays", "SELECT 1")]).when(all).then(events);
        assert_eq!(names, [release("Delays"), reserve("Late")]);
    }

    #[test]
    fn the_same_content_is_no_change() {
        let same = Change { content: Some(content("SELECT 1")), ..change() };
        given::<Visualizations>([saved("Delays", "SELECT 1")]).when(same).then_nothing();
        given::<Visualizations>([]).when(change()).then_error(Error::NotFound);
    }

    #[test]
    fn deleting_frees_the_name_and_restoring_takes_it_again() {
        let history = [saved("Delays", "SELECT 1")];
        let deleted = Event::from(Deleted {});
        let (_, names) =
            given::<Visualizations>(history.clone()).when(Delete { id: ID }).then([deleted.clone()]);
        assert_eq!(names, [release("Delays")]);
        let gone = [history[0].clone(), deleted];
        given::<Visualizations>(gone.clone()).when(change()).then_error(Error::NotFound);
        let restored = Event::from(Restored { name: "Delays".to_owned() });
        let restore = Restore { id: ID, name: None };
        let (_, names) = given::<Visualizations>(gone).when(restore).then([restored]);
        assert_eq!(names, [reserve("Delays")]);
    }

    #[test]
    fn each_part_is_taken_back_on_its_own() {
        let undo = |nth| Undoing::<Visualizations> { id: ID, nth };
        let renamed = |name: &str| Event::from(Renamed { name: name.to_owned() });
        // One command that changed everything.
        let history = [
            saved("Delays", "SELECT 1"),
            saved("Late", "SELECT 2"),
            renamed("Late"),
            Described { description: "by carrier".to_owned() }.into(),
        ];
        let given_all = || given::<History<Visualizations>>(history.clone());
        let before = Event::from(chart("Late", "by carrier", &content("SELECT 1")).saved());
        given_all().when(undo(1)).then([before.clone()]);
        let ((), names) = given_all().when(undo(2)).then([renamed("Delays")]);
        assert_eq!(names, [release("Late"), reserve("Delays")]);
        given_all().when(undo(3)).then([Described { description: String::new() }.into()]);
        given_all().when(undo(0)).then([Deleted {}.into()]);

        let again = [&history[..], &[saved("Late", "SELECT 3")]].concat();
        given::<History<Visualizations>>(again.clone())
            .when(undo(1))
            .then_error(undo::Error::ChangedSince(4));
        let back = [&again[..], &[saved("Late", "SELECT 2")]].concat();
        given::<History<Visualizations>>(back).when(undo(1)).then([before.clone()]);
        let back = [&history[..], &[before]].concat();
        given::<History<Visualizations>>(back).when(undo(1)).then_nothing();
    }
}
