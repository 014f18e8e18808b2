//! Actions that are recommended: what kind of thing to do, and what it is about.
//!
//! They follow from what happened and are in no event until someone dismisses one. What names it then has to name the
//! same the next time that the recommendation is worked out: see [`ActionId`].

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident = $text:literal about $about:ident ),+ $(,)?) => {
        /// What kind of thing to do. Events name them: none is ever taken away.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ActionKind {
            $( $(#[$doc])* $name, )+
        }

        impl ActionKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As it stands in an id.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text, )+ }
            }

            /// What such an action is about.
            pub fn about(self) -> About {
                match self { $( Self::$name => About::$about, )+ }
            }
        }
    };
}

kinds! {
    /// Upload a first file.
    UploadDataset = "upload_dataset" about Workspace,
    /// Mend a file that was rejected.
    FixUpload = "fix_upload" about Version,
    /// Mend a pattern that fails.
    FixQuery = "fix_query" about Query,
    /// Make a pattern faster.
    SpeedUpQuery = "speed_up_query" about Query,
    /// Give a pattern a name.
    SaveQuery = "save_query" about Query,
    /// Save a first chart.
    SaveVisualization = "save_visualization" about Workspace,
    /// Ask something of a dataset.
    QueryDataset = "query_dataset" about Dataset,
    /// See whether a dataset is needed.
    ReviewDataset = "review_dataset" about Dataset,
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The workspace as a whole.
    Workspace,
    /// A dataset.
    Dataset,
    /// A version of a dataset.
    Version,
    /// A query pattern.
    Query,
}

/// Names a recommended action: `upload_dataset`, `fix_query.<query>`, `fix_upload.<dataset>.<version>`.
///
/// The version is there because the next file that is rejected is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ActionId {
    kind: ActionKind,
    thing: Option<Uuid>,
    version: Option<u32>,
}

/// The text names no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an action is named by its kind and what it is about, as in fix_query.<id>")]
pub struct InvalidAction;

impl ActionId {
    /// The action of that kind about that thing, in that version; whatever its kind is not about is left out.
    ///
    /// # Errors
    /// When something is missing that its kind is about.
    pub fn new(kind: ActionKind, thing: Option<Uuid>, version: Option<u32>) -> Result<Self, InvalidAction> {
        let thing = if kind.about() == About::Workspace { None } else { Some(thing.ok_or(InvalidAction)?) };
        let version = if kind.about() == About::Version { Some(version.ok_or(InvalidAction)?) } else { None };
        Ok(Self { kind, thing, version })
    }

    /// What kind of thing to do.
    pub fn kind(self) -> ActionKind {
        self.kind
    }

    /// The dataset or the query that it is about.
    pub fn thing(self) -> Option<Uuid> {
        self.thing
    }

    /// The version that it is about.
    pub fn version(self) -> Option<u32> {
        self.version
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(thing) = self.thing {
            write!(f, ".{thing}")?;
        }
        if let Some(version) = self.version {
            write!(f, ".{version}")?;
        }
        Ok(())
    }
}

impl FromStr for ActionId {
    type Err = InvalidAction;

    fn from_str(text: &str) -> Result<Self, InvalidAction> {
        let mut parts = text.split('.');
        let kind = parts.next().unwrap_or_default();
        let kind = ActionKind::ALL.iter().find(|k| k.as_str() == kind).ok_or(InvalidAction)?;
        let thing = parts.next().map(str::parse).transpose().map_err(|_| InvalidAction)?;
        let version = parts.next().map(str::parse).transpose().map_err(|_| InvalidAction)?;
        let id = Self::new(*kind, thing, version)?;
        // Of each action there is one name only.
        if id.to_string() == text { Ok(id) } else { Err(InvalidAction) }
    }
}

impl TryFrom<String> for ActionId {
    type Error = InvalidAction;

    fn try_from(text: String) -> Result<Self, InvalidAction> {
        text.parse()
    }
}

impl From<ActionId> for String {
    fn from(id: ActionId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_one_name() {
        let thing = "018f2b7a-0000-7000-8000-000000000003";
        for name in [
            "upload_dataset".to_owned(),
            format!("query_dataset.{thing}"),
            format!("fix_query.{thing}"),
            format!("fix_upload.{thing}.2"),
        ] {
            assert_eq!(name.parse::<ActionId>().unwrap().to_string(), name);
        }
        for wrong in [
            String::new(),
            "rest".to_owned(),
            "fix_query".to_owned(),
            "fix_query.x".to_owned(),
            format!("upload_dataset.{thing}"),
            format!("fix_upload.{thing}"),
            format!("fix_upload.{thing}.02"),
            format!("fix_query.{thing}.1"),
            format!("fix_query.{}", thing.to_uppercase()),
        ] {
            assert_eq!(wrong.parse::<ActionId>(), Err(InvalidAction), "{wrong}");
        }
    }
}
