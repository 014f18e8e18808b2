//! Which workspaces have changed, as the projector tells it with each commit.

use std::collections::HashMap;

use weir_events::{Position, WorkspaceId};

/// How many workspaces are known at a time. When there are more, everything is forgotten, and each answer has to be
/// verified once again.
const WORKSPACES: usize = 100_000;

/// What one commit of the projector changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hint {
    /// Where the models were before.
    from: Position,
    /// Where they are after it.
    to: Position,
    /// Whose rows it changed, at most; `None` where that is not told.
    workspaces: Option<Vec<WorkspaceId>>,
}

impl Hint {
    /// From what was notified: `<to> <from> <workspace>,<workspace>`, of which a projector that says less, or that
    /// changed too many workspaces, leaves out the end.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let to = Position(parts.next()?.parse().ok()?);
        let from = parts.next().and_then(|from| from.parse().ok()).map_or(to, Position);
        let workspaces = parts.next().and_then(|ids| ids.split(',').map(|id| id.parse().ok()).collect());
        Some(Self { from, to, workspaces })
    }
}

/// For each workspace the last position at which it changed, told without a gap from one position on.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// What happened up to here is not known.
    since: Position,
    /// Up to here is everything known.
    until: Position,
    last: HashMap<WorkspaceId, Position>,
}

impl Changes {
    /// Begins anew: of what was before that position, nothing is known.
    pub(crate) fn restart(&mut self, at: Position) {
        self.last.clear();
        (self.since, self.until) = (at, at);
    }

    /// Takes in what a commit changed. After a gap nothing is known any more.
    pub(crate) fn heard(&mut self, hint: &Hint) {
        if hint.to <= self.until {
            return;
        }
        match &hint.workspaces {
            Some(workspaces) if hint.from == self.until && self.last.len() < WORKSPACES => {
                self.until = hint.to;
                self.last.extend(workspaces.iter().map(|workspace| (*workspace, hint.to)));
            }
            _ => self.restart(hint.to),
        }
    }

    /// Up to where everything is known.
    pub(crate) fn until(&self) -> Position {
        self.until
    }

    /// Whether it is known that a workspace has not changed after a position.
    pub(crate) fn none_after(&self, position: Position, workspace: WorkspaceId) -> bool {
        position >= self.since && self.last.get(&workspace).is_none_or(|last| *last <= position)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const A: WorkspaceId = WorkspaceId(Uuid::from_u128(1));
    const B: WorkspaceId = WorkspaceId(Uuid::from_u128(2));

    fn hint(text: &str) -> Hint {
        Hint::parse(&text.replace('A', &A.to_string()).replace('B', &B.to_string())).unwrap()
    }

    #[test]
    fn what_changed_is_known_from_where_it_was_told_without_a_gap() {
        let mut changes = Changes::default();
        changes.restart(Position(10));
        changes.heard(&hint("12 10 A"));
        changes.heard(&hint("15 12 A,B"));
        changes.heard(&hint("17 15 A"));
        assert_eq!(changes.until(), Position(17));
        for (workspace, from, known) in
            [(A, 17, true), (A, 16, false), (B, 15, true), (B, 14, false), (B, 9, false)]
        {
            assert_eq!(changes.none_after(Position(from), workspace), known, "{workspace} {from}");
        }
        let nobody = WorkspaceId(Uuid::nil());
        assert!(changes.none_after(Position(10), nobody) && !changes.none_after(Position(9), nobody));
    }

    #[test]
    fn after_a_gap_or_a_hint_that_says_too_little_nothing_is_known() {
        for gap in ["16 13 A", "13", "13 12", "13 12 nonsense"] {
            let mut changes = Changes::default();
            changes.restart(Position(12));
            changes.heard(&hint(gap));
            let until = changes.until();
            assert!(until > Position(12), "{gap}");
            assert!(!changes.none_after(Position(12), B), "{gap}");
            assert!(changes.none_after(until, B), "{gap}");
            // What comes again says nothing new.
            changes.heard(&hint("12 10 A"));
            assert_eq!(changes.until(), until);
        }
        assert_eq!(Hint::parse("x"), None);
    }
}
