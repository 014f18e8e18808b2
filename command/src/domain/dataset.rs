//! Datasets. A dataset holds its name from the upload until it is deleted or its first file turns
//! out to be unreadable: a mended file may then come under the same name.

use weir_events::{
    DatasetId, Event as Any, Subject, WorkspaceId,
    dataset::{
        Deleted, Described, Event, Ingested, ReadOptions, Rejected, Renamed, Reread, Restored, Upload,
        Uploaded,
    },
    name::Kind,
};

use super::{Command, Ctx, Decider, Decision, Invalid, validate};

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
    /// The newest version that can be queried.
    ready: Option<u32>,
    /// Whether the newest version's file turned out to be unreadable.
    rejected: bool,
    deleted: bool,
}

impl State {
    /// Whether the outcome of that version is known, or never will matter.
    pub fn settled(&self, version: u32) -> bool {
        version != self.version || self.rejected || self.ready == Some(version)
    }

    /// Whether its name is reserved for it, unless it is deleted.
    fn names_something(&self) -> bool {
        self.ready.is_some() || !self.rejected
    }

    fn blob(&self) -> String {
        self.upload.as_ref().map(|u| u.blob.clone()).unwrap_or_default()
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
            }
            Event::Reread(e) => {
                state.version = e.version;
                state.upload = Some(e.upload.clone());
                state.options.clone_from(&e.options);
                state.rejected = false;
            }
            Event::Ingested(e) => state.ready = Some(e.version),
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
        let name = validate::name("name", &self.name)?;
        let description = self.description.as_deref().map(validate::description).transpose()?;
        let reply = Received { name: name.clone(), blob: self.upload.blob.clone() };
        let uploaded = Uploaded {
            name: name.clone(),
            description: description.filter(|d| !d.is_empty()),
            version: 1,
            upload: self.upload.clone(),
            options: self.options.clone(),
        };
        Ok(Decision::one(uploaded, reply).reserve(Kind::Dataset, &name, self.id.0))
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
        Ok(Decision::one(self.0.clone(), true))
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
        Ok(if state.ready.is_none() && !state.deleted {
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
        let name = validate::name_or(self.name.as_deref(), &state.name)?;
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
        let name = validate::name_or(self.name.as_deref(), &state.name)?;
        let decision = Decision::one(Restored { name: name.clone() }, name.clone());
        Ok(if state.names_something() { decision.reserve(Kind::Dataset, &name, self.id.0) } else { decision })
    }
}

#[cfg(test)]
#[path = "dataset_tests.rs"]
mod tests;
