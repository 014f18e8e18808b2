//! Datasets. A dataset holds its name from the upload until it is deleted or its first file turns
//! out to be unreadable: a mended file may then come under the same name.
//!
//! Every file that arrives for it is a version of its own, which never changes. While the newest is
//! still being read there is no newer one: what that would differ from is not known yet.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use weir_events::{
    DatasetId, Event as Any, Subject, WorkspaceId,
    dataset::{
        Deleted, Described, Diff, Event, Ingested, ReadOptions, Rejected, Renamed, Reread, Restored, Retyped,
        RolledBack, Upload, Uploaded,
    },
    name::Kind,
};

use super::{
    Command, Ctx, Decider, Decision, Invalid,
    undo::{Before, Part, Undo},
    validate,
};

/// Files that became tables.
#[derive(Debug)]
pub enum Datasets {}

/// What the rules need to know of a dataset.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    name: String,
    description: String,
    /// The newest version; 0 when nothing was uploaded.
    version: u32,
    /// The newest version's file; `None` when nothing was uploaded.
    upload: Option<Upload>,
    /// How that file is to be read.
    options: ReadOptions,
    /// The versions that can be queried, each with the file that it was made of.
    readable: BTreeMap<u32, (Upload, Ingested)>,
    /// By what the requests that brought newer versions are recognised.
    requests: BTreeMap<Uuid, (u32, String)>,
    /// Whether the newest version's file turned out to be unreadable.
    rejected: bool,
    deleted: bool,
}

impl State {
    /// Whether the outcome of that version is known, or never will matter.
    pub fn settled(&self, version: u32) -> bool {
        version != self.version || self.rejected || self.readable.contains_key(&version)
    }

    /// Whether its name is reserved for it, unless it is deleted.
    fn names_something(&self) -> bool {
        !self.readable.is_empty() || !self.rejected
    }

    fn blob(&self) -> String {
        self.upload.as_ref().map(|u| u.blob.clone()).unwrap_or_default()
    }

    /// How a version that was read differs from the newest that can be queried.
    fn diff(&self, read: &Ingested) -> Option<Diff> {
        let (from, (_, before)) = self.readable.last_key_value()?;
        let known: BTreeMap<&str, &str> =
            before.columns.iter().map(|c| (c.name.as_str(), c.data_type.as_str())).collect();
        let mut diff = Diff { from: *from, rows: signed(read.rows) - signed(before.rows), ..Diff::default() };
        for column in &read.columns {
            match known.get(column.name.as_str()) {
                None => diff.added.push(column.name.clone()),
                Some(data_type) if *data_type != column.data_type => diff.retyped.push(Retyped {
                    name: column.name.clone(),
                    from: (*data_type).to_owned(),
                    to: column.data_type.clone(),
                }),
                Some(_) => {}
            }
        }
        let stay: BTreeSet<&str> = read.columns.iter().map(|c| c.name.as_str()).collect();
        let gone = before.columns.iter().filter(|c| !stay.contains(c.name.as_str()));
        diff.removed = gone.map(|c| c.name.clone()).collect();
        Some(diff)
    }

    fn there(&self) -> Result<&Self, Error> {
        if self.version == 0 || self.deleted { Err(Error::NotFound) } else { Ok(self) }
    }
}

impl Decider for Datasets {
    type Id = DatasetId;
    type State = State;
    type Event = Event;

    fn subject(workspace: WorkspaceId, id: &DatasetId) -> Subject {
        Subject::dataset(workspace, *id)
    }

    fn own(event: &Any) -> Option<&Event> {
        match event {
            Any::Dataset(e) => Some(e),
            _ => None,
        }
    }

    fn evolve(state: &mut State, event: &Event) {
        match event {
            Event::Uploaded(e) => {
                if state.version == 0 {
                    state.name.clone_from(&e.name);
                    state.description = e.description.clone().unwrap_or_default();
                }
                state.version = e.version;
                state.upload = Some(e.upload.clone());
                state.options.clone_from(&e.options);
                state.rejected = false;
                if let Some(request) = e.request {
                    state.requests.insert(request, (e.version, e.upload.blob.clone()));
                }
            }
            Event::Reread(e) => {
                state.version = e.version;
                state.upload = Some(e.upload.clone());
                state.options.clone_from(&e.options);
                state.rejected = false;
            }
            Event::RolledBack(e) => {
                state.version = e.ingested.version;
                state.upload = Some(e.upload.clone());
                state.options.clone_from(&e.ingested.options);
                state.rejected = false;
                state.readable.insert(e.ingested.version, (e.upload.clone(), (*e.ingested).clone()));
            }
            Event::Ingested(e) => {
                // The newest version's file: outcomes of others are not written down.
                if let Some(upload) = &state.upload {
                    state.readable.insert(e.version, (upload.clone(), e.clone()));
                }
            }
            Event::Rejected(e) => state.rejected = e.version == state.version,
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

/// Why a dataset does not do as it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is none, or it is deleted.
    #[error("there is no such dataset")]
    NotFound,
    /// Its file is still being read, so that it cannot be read in another way yet.
    #[error("the dataset is still being read")]
    NotReady,
    /// There is no such version that could be queried.
    #[error("there is no version {0} that can be queried")]
    NoSuchVersion(u32),
    /// Something that was typed in is not as it should be.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A file arrived and becomes a new dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Receive {
    /// The new dataset.
    pub id: DatasetId,
    /// Its name.
    pub name: String,
    /// What its uploader said about it.
    pub description: Option<String>,
    /// The file.
    pub upload: Upload,
    /// How to read it.
    pub options: ReadOptions,
}

/// A file that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The dataset's name.
    pub name: String,
    /// Where its file is. Another place than the command said when the command came twice.
    pub blob: String,
}

impl Command<Datasets> for Receive {
    type Reply = Received;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Received>, Error> {
        if state.version > 0 {
            let reply = Received { name: state.name.clone(), blob: state.blob() };
            return Ok(Decision::nothing(reply));
        }
        let name = validate::table_name("name", &self.name)?;
        let description = self.description.as_deref().map(validate::description).transpose()?;
        let reply = Received { name: name.clone(), blob: self.upload.blob.clone() };
        let uploaded = Uploaded {
            name: name.clone(),
            description: description.filter(|d| !d.is_empty()),
            version: 1,
            upload: self.upload.clone(),
            options: self.options.clone(),
            request: None,
        };
        Ok(Decision::one(uploaded, reply).reserve(Kind::Dataset, &name, self.id.0))
    }
}

/// Another file arrived for a dataset and becomes its next version.
#[derive(Debug, Clone, PartialEq)]
pub struct Replace {
    /// Which dataset.
    pub id: DatasetId,
    /// The file.
    pub upload: Upload,
    /// How to read it.
    pub options: ReadOptions,
    /// By what the request is recognised when it comes again.
    pub request: Uuid,
}

/// A file that was received as the next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The dataset's name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// Where its file is. Another place than the command said when the command came twice.
    pub blob: String,
}

impl Command<Datasets> for Replace {
    type Reply = Replaced;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Replaced>, Error> {
        let state = state.there()?;
        let name = state.name.clone();
        if let Some((version, blob)) = state.requests.get(&self.request) {
            return Ok(Decision::nothing(Replaced { name, version: *version, blob: blob.clone() }));
        }
        if !state.settled(state.version) {
            return Err(Error::NotReady);
        }
        let version = state.version + 1;
        let reply = Replaced { name: name.clone(), version, blob: self.upload.blob.clone() };
        let uploaded = Uploaded {
            name: name.clone(),
            description: None,
            version,
            upload: self.upload.clone(),
            options: self.options.clone(),
            request: Some(self.request),
        };
        let decision = Decision::one(uploaded, reply);
        Ok(if state.names_something() {
            decision
        } else {
            // The unreadable file had given its name back.
            decision.reserve(Kind::Dataset, &name, self.id.0)
        })
    }
}

/// An older version is to be the newest again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollBack {
    /// Which dataset.
    pub id: DatasetId,
    /// The version to go back to.
    pub version: u32,
}

impl Command<Datasets> for RollBack {
    /// The number of the version that is the newest from now on.
    type Reply = u32;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, u32>, Error> {
        let state = state.there()?;
        let no_such_version = Error::NoSuchVersion(self.version);
        let (upload, ingested) = state.readable.get(&self.version).ok_or(no_such_version)?;
        if !state.settled(state.version) {
            return Err(Error::NotReady);
        }
        if let Some((newest, (_, read))) = state.readable.last_key_value()
            && read.table == ingested.table
        {
            return Ok(Decision::nothing(*newest));
        }
        let version = state.version + 1;
        let diff = state.diff(ingested);
        let ingested = Ingested { version, diff, ..ingested.clone() };
        Ok(Decision::one(
            RolledBack { from: self.version, upload: upload.clone(), ingested: Box::new(ingested) },
            version,
        ))
    }
}

/// A file was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Complete(pub Ingested);

impl Command<Datasets> for Complete {
    /// Whether this is the reading that counts; false when another was first.
    type Reply = bool;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, bool>, Error> {
        if state.settled(self.0.version) {
            return Ok(Decision::nothing(false));
        }
        Ok(Decision::one(Ingested { diff: state.diff(&self.0), ..self.0.clone() }, true))
    }
}

/// A file cannot be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Whose file.
    pub id: DatasetId,
    /// Why.
    pub reason: Rejected,
}

impl Command<Datasets> for Reject {
    /// Whether this is the outcome that counts; false when another was first.
    type Reply = bool;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, bool>, Error> {
        if state.settled(self.reason.version) {
            return Ok(Decision::nothing(false));
        }
        let decision = Decision::one(self.reason.clone(), true);
        // An older version that can be queried keeps the name.
        Ok(if state.readable.is_empty() && !state.deleted {
            decision.release(Kind::Dataset, &state.name, self.id.0)
        } else {
            decision
        })
    }
}

/// Another name, another description, another way to read the file, or several of these.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Which dataset.
    pub id: DatasetId,
    /// The new name, where there is to be one.
    pub name: Option<String>,
    /// The new description; empty takes it away.
    pub description: Option<String>,
    /// How the newest file is to be read from now on; it is read again, as a new version.
    pub options: Option<ReadOptions>,
}

/// Name and description after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// The name.
    pub name: String,
    /// The description; `None` where there is none.
    pub description: Option<String>,
}

impl Command<Datasets> for Change {
    type Reply = Labels;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, Labels>, Error> {
        let state = state.there()?;
        let name = validate::table_name_or(self.name.as_deref(), &state.name)?;
        let description = validate::description_or(self.description.as_deref(), &state.description)?;
        let reply =
            Labels { name: name.clone(), description: Some(description.clone()).filter(|d| !d.is_empty()) };
        let mut decision = Decision::nothing(reply);
        if name != state.name {
            decision = decision.and(Renamed { name: name.clone() });
            if state.names_something() {
                decision = decision.rename(Kind::Dataset, &state.name, &name, self.id.0);
            }
        }
        if description != state.description {
            decision = decision.and(Described { description });
        }
        if let (Some(options), Some(upload)) = (&self.options, &state.upload) {
            if !state.settled(state.version) {
                return Err(Error::NotReady);
            }
            let reread =
                Reread { version: state.version + 1, upload: upload.clone(), options: options.clone() };
            decision = decision.and(reread);
            if !state.names_something() {
                // The unreadable file had given its name back.
                decision = decision.reserve(Kind::Dataset, &name, self.id.0);
            }
        }
        Ok(decision)
    }
}

/// It is to go; it can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete {
    /// Which dataset.
    pub id: DatasetId,
}

impl Command<Datasets> for Delete {
    type Reply = ();
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, ()>, Error> {
        let state = state.there()?;
        Ok(Decision::one(Deleted {}, ()).release(Kind::Dataset, &state.name, self.id.0))
    }
}

/// It is to come back, under its old name or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// Which dataset.
    pub id: DatasetId,
    /// Its name from now on, where the old one will not do.
    pub name: Option<String>,
}

impl Command<Datasets> for Restore {
    /// The name it has.
    type Reply = String;
    type Error = Error;

    fn decide(&self, state: &State, _: &Ctx) -> Result<Decision<Event, String>, Error> {
        if state.version == 0 {
            return Err(Error::NotFound);
        }
        if !state.deleted {
            return Ok(Decision::nothing(state.name.clone()));
        }
        let name = validate::table_name_or(self.name.as_deref(), &state.name)?;
        let decision = Decision::one(Restored { name: name.clone() }, name.clone());
        Ok(if state.names_something() { decision.reserve(Kind::Dataset, &name, self.id.0) } else { decision })
    }
}

impl Undo for Datasets {
    type Error = Error;

    fn part(_: usize, event: &Event) -> Option<Part> {
        match event {
            Event::Uploaded(e) if e.version == 1 => Some(Part::Presence),
            Event::Uploaded(_) | Event::Reread(_) | Event::RolledBack(_) => Some(Part::Content),
            Event::Renamed(_) => Some(Part::Name),
            Event::Described(_) => Some(Part::Description),
            Event::Deleted(_) | Event::Restored(_) => Some(Part::Presence),
            Event::Ingested(_) | Event::Rejected(_) => None,
        }
    }

    fn touches(part: Part, nth: usize, event: &Event) -> bool {
        // What comes back may do so under another name.
        Self::part(nth, event) == Some(part) || part == Part::Name && matches!(event, Event::Restored(_))
    }

    fn same(part: Part, one: &State, other: &State) -> bool {
        let table = |state: &State| state.readable.last_key_value().map(|(_, (_, read))| read.table.clone());
        match part {
            Part::Name => one.name == other.name,
            Part::Description => one.description == other.description,
            Part::Content => other.settled(other.version) && table(one) == table(other),
            Part::Presence => one.there().is_ok() == other.there().is_ok(),
        }
    }

    fn back(
        id: &DatasetId,
        part: Part,
        before: Before<'_, Self>,
        now: &State,
        cx: &Ctx,
    ) -> Result<Decision<Event, ()>, Option<Error>> {
        let was = before.state;
        let same = Change { id: *id, name: None, description: None, options: None };
        let name = || Change { name: Some(was.name.clone()), ..same.clone() }.decide(now, cx);
        let description =
            || Change { description: Some(was.description.clone()), ..same.clone() }.decide(now, cx);
        Ok(match part {
            Part::Name => name()?.done(),
            Part::Description => description()?.done(),
            Part::Content => {
                let (version, _) = was.readable.last_key_value().ok_or(None)?;
                RollBack { id: *id, version: *version }.decide(now, cx)?.done()
            }
            Part::Presence if was.there().is_ok() => Restore { id: *id, name: None }.decide(now, cx)?.done(),
            Part::Presence => Delete { id: *id }.decide(now, cx)?,
        })
    }
}

fn signed(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
