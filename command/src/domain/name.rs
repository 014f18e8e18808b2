//! Unique names: a name is held by one thing at a time. Who holds it is a fold of the events on
//! the name's own subject; taking and giving back ride in the commit of the thing that is named.

use uuid::Uuid;
use weir_events::{
    Subject, WorkspaceId,
    name::{Event, Kind, Released, Reserved},
};

/// What a decision wants of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is to be taken.
    Reserve {
        /// Among which names.
        kind: Kind,
        /// The name.
        name: String,
        /// Who is to hold it.
        holder: Uuid,
    },
    /// It is given back.
    Release {
        /// Among which names.
        kind: Kind,
        /// The name.
        name: String,
        /// Who holds it.
        holder: Uuid,
    },
}

/// Someone else holds the name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name {name:?} is taken")]
pub struct Taken {
    /// The name.
    pub name: String,
}

impl Claim {
    /// The subject of the name.
    pub fn subject(&self, workspace: WorkspaceId) -> Subject {
        let (Self::Reserve { kind, name, .. } | Self::Release { kind, name, .. }) = self;
        Subject::name(workspace, *kind, name)
    }

    /// What has to be written, given who holds the name now; `None` when nothing has to be.
    ///
    /// # Errors
    /// [`Taken`] when someone else holds a name that is to be taken.
    pub fn decide(&self, holder_now: Option<Uuid>) -> Result<Option<Event>, Taken> {
        match self {
            Self::Reserve { name, holder, .. } => match holder_now {
                Some(other) if other != *holder => Err(Taken { name: name.clone() }),
                Some(_) => Ok(None),
                None => Ok(Some(Reserved { holder: *holder }.into())),
            },
            // Another's name is never given back; one that nobody holds already is.
            Self::Release { holder, .. } => Ok((holder_now == Some(*holder)).then(|| Released {}.into())),
        }
    }
}

/// Brings the holder up to date with one event.
pub fn evolve(holder: &mut Option<Uuid>, event: &Event) {
    match event {
        Event::Reserved(e) => *holder = Some(e.holder),
        Event::Released(_) => *holder = None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reserve(holder: u128) -> Claim {
        Claim::Reserve { kind: Kind::Dataset, name: "Flights".to_owned(), holder: Uuid::from_u128(holder) }
    }

    fn release(holder: u128) -> Claim {
        Claim::Release { kind: Kind::Dataset, name: "Flights".to_owned(), holder: Uuid::from_u128(holder) }
    }

    #[test]
    fn a_free_name_is_taken_and_a_taken_one_refused() {
        let one = Uuid::from_u128(1);
        assert_eq!(reserve(1).decide(None), Ok(Some(Reserved { holder: one }.into())));
        assert_eq!(reserve(2).decide(Some(one)), Err(Taken { name: "Flights".to_owned() }));
        assert_eq!(reserve(1).decide(Some(one)), Ok(None));
    }

    #[test]
    fn only_its_holder_gives_a_name_back() {
        let one = Uuid::from_u128(1);
        assert_eq!(release(1).decide(Some(one)), Ok(Some(Released {}.into())));
        assert_eq!(release(2).decide(Some(one)), Ok(None));
        assert_eq!(release(1).decide(None), Ok(None));
    }

    #[test]
    fn spellings_that_differ_in_case_share_a_subject() {
        let workspace = WorkspaceId(Uuid::nil());
        let lower = Claim::Reserve { kind: Kind::Dataset, name: "flights".to_owned(), holder: Uuid::nil() };
        assert_eq!(lower.subject(workspace), reserve(1).subject(workspace));
    }
}
