//! The index of read models. To add one: a folder here with `mod.rs` (fold and write),
//! `schema.sql` and its statements, and one line in [`all`].

mod activity;
mod contexts;
mod datasets;
mod dismissals;
mod latency;
mod members;
mod overview;
mod queries;
mod runs;
mod usage;
mod visualizations;
mod workspaces;

use uuid::Uuid;
use weir_events::Recorded;

use crate::Projections;

/// Every read model of Weir.
pub fn all() -> Projections {
    Projections::new()
        .with::<workspaces::Workspaces>()
        .with::<members::Members>()
        .with::<datasets::Datasets>()
        .with::<contexts::Contexts>()
        .with::<queries::Queries>()
        .with::<runs::Runs>()
        .with::<visualizations::Visualizations>()
        .with::<dismissals::Dismissals>()
        .with::<activity::Activity>()
        .with::<usage::Usage>()
        .with::<overview::Overview>()
}

/// The workspace and the id of the thing that an event happened to. Only the subjects of names
/// have no UUID: the runtime lets no other event without one through.
fn keys(event: &Recorded) -> Option<(Uuid, Uuid)> {
    Some((event.subject.workspace_id().0, event.subject.id().parse().ok()?))
}

/// The position as PostgreSQL holds it.
fn position(event: &Recorded) -> i64 {
    int(event.position.0)
}

/// The person behind an event.
fn person(event: &Recorded) -> Option<Uuid> {
    event.meta.actor.user().map(|u| u.0)
}

/// A count as PostgreSQL holds it. Nothing real reaches the bound.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A version number as PostgreSQL holds it.
fn version(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// A value as JSON text for a `jsonb` column.
fn json(value: &impl serde::Serialize) -> String {
    // The values come from decoded JSON, so they have a JSON form.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
