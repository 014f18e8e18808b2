//! The fields that answers can be reduced to.

use std::sync::LazyLock;

use utoipa::ToSchema;
use weir_infra::http::{Fields, Problem, Schemas};

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| Schemas::of(&crate::openapi()));

/// Finds out what fields there are, which takes a moment the first time.
pub(crate) fn known_fields() {
    LazyLock::force(&SCHEMAS);
}

/// Reads `a,b.c` for an answer of type `T`.
///
/// # Errors
/// 422 for a field that `T` does not have.
pub(crate) fn parse<T: ToSchema>(text: &str) -> Result<Fields, Problem> {
    SCHEMAS.fields::<T>(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{dashboard::Dashboard, datasets::Dataset, visualizations::Visualization};

    #[test]
    fn unknown_fields_are_refused_at_any_depth() {
        for text in ["nme", "columns.nme", "name.x", "", "name,,id"] {
            assert!(parse::<Dataset>(text).is_err(), "{text:?}");
        }
        assert!(parse::<Dataset>("id, columns.name").is_ok());
        assert!(parse::<Dashboard>("overview.p95_ms,usage.days.date,recent.queries.sql").is_ok());
        assert!(parse::<Visualization>("spec.mark.type").is_ok());
    }
}
