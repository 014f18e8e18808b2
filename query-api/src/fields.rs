//! `fields=a,b.c`: which fields an answer can be reduced to.
//!
//! That is read from the OpenAPI document, so that it cannot differ from what is documented; a
//! field that does not exist is refused instead of left out in silence.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use utoipa::ToSchema;
use weir_infra::http::{Code, Fields, Problem};

/// The schemas of the OpenAPI document.
static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let mut document = serde_json::to_value(crate::openapi()).unwrap_or_default();
    document.pointer_mut("/components/schemas").map(Value::take).unwrap_or_default()
});

/// Finds out what fields there are, which takes a moment the first time.
pub(crate) fn known_fields() {
    LazyLock::force(&SCHEMAS);
}

/// Reads `a,b.c` for an answer of type `T`.
///
/// # Errors
/// 422 for a field that `T` does not have.
pub(crate) fn parse<T: ToSchema>(text: &str) -> Result<Fields, Problem> {
    let fields = Fields::parse(text)?;
    let schema = SCHEMAS.get(T::name().as_ref()).unwrap_or(&Value::Null);
    for path in text.split(',').map(str::trim) {
        let steps: Vec<_> = path.split('.').collect();
        if !known(schema, &steps) {
            let detail = format!("There is no field {path:?} here.");
            return Err(Problem::new(Code::InvalidParameter, detail.clone()).field(
                "fields",
                "unknown_field",
                detail,
            ));
        }
    }
    Ok(fields)
}

/// Whether the schema has a field on that path. A schema without declared fields has any.
fn known(schema: &Value, path: &[&str]) -> bool {
    let Some(schema) = schema.as_object() else { return false };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
        return SCHEMAS.get(name).is_some_and(|s| known(s, path));
    }
    if let Some(items) = schema.get("items") {
        return known(items, path);
    }
    for variants in ["oneOf", "anyOf", "allOf"] {
        if let Some(variants) = schema.get(variants).and_then(Value::as_array) {
            return variants.iter().any(|variant| known(variant, path));
        }
    }
    let Some((step, rest)) = path.split_first() else { return true };
    match schema.get("properties") {
        Some(properties) => properties.get(step).is_some_and(|inner| known(inner, rest)),
        None => is_open(schema),
    }
}

/// Whether a schema says nothing of its fields.
fn is_open(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        None => true,
        Some(Value::String(t)) => t == "object",
        Some(Value::Array(types)) => types.iter().any(|t| t == "object"),
        Some(_) => false,
    }
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
