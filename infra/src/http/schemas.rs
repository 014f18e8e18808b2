//! `fields=a,b.c`: which fields an answer can be reduced to.
//!
//! That is read from the OpenAPI document, so that it cannot differ from what is documented; a
//! field that does not exist is refused instead of left out in silence.

use serde_json::{Map, Value};
use utoipa::{ToSchema, openapi::OpenApi};

use super::{Code, Fields, Problem};

/// The schemas of an OpenAPI document.
#[derive(Debug)]
pub struct Schemas(Value);

impl Schemas {
    /// Those of that document.
    pub fn of(document: &OpenApi) -> Self {
        let mut document = serde_json::to_value(document).unwrap_or_default();
        Self(document.pointer_mut("/components/schemas").map(Value::take).unwrap_or_default())
    }

    /// Reads `a,b.c` for an answer of type `T`.
    ///
    /// # Errors
    /// 422 for a field that `T` does not have.
    pub fn fields<T: ToSchema>(&self, text: &str) -> Result<Fields, Problem> {
        let fields = Fields::parse(text)?;
        let schema = self.0.get(T::name().as_ref()).unwrap_or(&Value::Null);
        for path in text.split(',').map(str::trim) {
            let steps: Vec<_> = path.split('.').collect();
            if !self.known(schema, &steps) {
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
    fn known(&self, schema: &Value, path: &[&str]) -> bool {
        let Some(schema) = schema.as_object() else { return false };
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.rsplit('/').next()) {
            return self.0.get(name).is_some_and(|s| self.known(s, path));
        }
        if let Some(items) = schema.get("items") {
            return self.known(items, path);
        }
        for variants in ["oneOf", "anyOf", "allOf"] {
            if let Some(variants) = schema.get(variants).and_then(Value::as_array) {
                return variants.iter().any(|variant| self.known(variant, path));
            }
        }
        let Some((step, rest)) = path.split_first() else { return true };
        match schema.get("properties") {
            Some(properties) => properties.get(step).is_some_and(|inner| self.known(inner, rest)),
            None => is_open(schema),
        }
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
