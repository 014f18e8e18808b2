//! Specifications that come from outside.

use std::io::Read;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::Location;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::SpecError;

/// The schema as its makers publish it, compressed.
const SCHEMA_GZ: &[u8] = include_bytes!("../../assets/vega-lite-v6.schema.json.gz");

/// A specification's values, counted one by one; charts with data written into them are larger.
const MAX_VALUES: usize = 20_000;
const MAX_DEPTH: usize = 32;
const MAX_ERRORS: usize = 20;

/// Checks a specification against the Vega-Lite schema and our own rules: bounded size, and nothing
/// in it makes a browser fetch from elsewhere, since a chart's data are its query's answer. `data` may be
/// left out; it stands for the named data set `rows` then.
///
/// The first call of a process compiles the schema, which takes a good part of a second.
///
/// # Errors
///
/// Everything found wrong, at most 20.
pub fn validate_spec(spec: &Value) -> Result<(), Vec<SpecError>> {
    let mut errors = Vec::new();
    measure(spec)?;
    if !spec.is_object() {
        return Err(vec![error("", "A specification is a JSON object.")]);
    }
    if let Some(schema) = spec.get("$schema") {
        let known = |s: &str| s.contains("vega-lite/v6") || s.contains("vega-lite/v5");
        if !schema.as_str().is_some_and(known) {
            errors.push(error("/$schema", "Only Vega-Lite specifications, version 6, can be shown."));
            return Err(errors);
        }
    }
    outside(spec, &mut String::new(), &mut errors);
    // The grammar wants data named, and here they can only be the query's.
    let mut whole = spec.clone();
    if whole.get("data").is_none() {
        whole["data"] = serde_json::json!({"name": "rows"});
    }
    match validator() {
        Ok(validator) if !validator.is_valid(&whole) => {
            for problem in validator.iter_errors(&whole) {
                explain(&problem, &mut errors);
                if errors.len() >= MAX_ERRORS {
                    break;
                }
            }
        }
        Ok(_) => {}
        Err(reason) => {
            tracing::error!(%reason, "the Vega-Lite schema could not be compiled");
            errors.push(error("", "Specifications cannot be checked at the moment."));
        }
    }
    errors.dedup();
    errors.truncate(MAX_ERRORS);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn validator() -> Result<&'static Validator, &'static str> {
    static VALIDATOR: OnceLock<Result<Validator, String>> = OnceLock::new();
    let compile = || {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(SCHEMA_GZ).read_to_end(&mut text).map_err(|e| e.to_string())?;
        let schema: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
        jsonschema::draft7::new(&schema).map_err(|e| e.to_string())
    };
    VALIDATOR.get_or_init(compile).as_ref().map_err(String::as_str)
}

fn error(path: &str, detail: impl Into<String>) -> SpecError {
    SpecError { path: path.to_owned(), detail: detail.into() }
}

/// Bounds a specification before anything walks over it by recursion.
fn measure(spec: &Value) -> Result<(), Vec<SpecError>> {
    let mut open = vec![(spec, 1)];
    let mut values = 0;
    while let Some((value, depth)) = open.pop() {
        values += 1;
        if depth > MAX_DEPTH {
            return Err(vec![error("", format!("The specification nests deeper than {MAX_DEPTH} levels."))]);
        }
        if values > MAX_VALUES {
            let detail = format!("The specification holds more than {MAX_VALUES} values.");
            return Err(vec![error("", detail)]);
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|v| (v, depth + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Finds what would be fetched: data and images by address, and a viewer's options, which can name a
/// configuration to be fetched. Values and field names are data and pass.
fn outside(value: &Value, path: &mut String, errors: &mut Vec<SpecError>) {
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                match name.as_str() {
                    "values" | "datasets" => {}
                    "url" | "href" => errors.push(error(
                        path,
                        "Addresses are not allowed: a chart's data come from its query, as the data set 'rows'.",
                    )),
                    "usermeta" => {
                        errors.push(error(path, "A viewer's options are not part of a saved chart."));
                    }
                    _ => outside(inner, path, errors),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                path.push_str(&format!("/{i}"));
                outside(inner, path, errors);
                path.truncate(length);
            }
        }
        Value::String(text) if text == "image" && (path.ends_with("/mark") || path.ends_with("/type")) => {
            errors.push(error(path, "Images are not allowed: they are fetched from elsewhere."));
        }
        _ => {}
    }
}

/// Turns a problem into sentences. Of a choice between forms only the one that came closest is told:
/// that a bar chart lacks what a map of layers has helps nobody.
fn explain(problem: &ValidationError<'_>, errors: &mut Vec<SpecError>) {
    if errors.len() >= MAX_ERRORS {
        return;
    }
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        problem.kind()
    else {
        let detail: String = problem.to_string().chars().take(300).collect();
        errors.push(error(problem.instance_path().as_str(), detail));
        return;
    };
    let misfit = |branch: &&Vec<ValidationError<'_>>| {
        (branch.iter().map(|e| misfits(e, problem.instance_path())).sum::<usize>(), branch.len())
    };
    match context.iter().min_by_key(misfit) {
        Some(branch) if !branch.is_empty() => branch.iter().for_each(|e| explain(e, errors)),
        _ => errors.push(error(problem.instance_path().as_str(), "This is none of the forms allowed here.")),
    }
}

/// In how many ways a value itself, as opposed to what is inside of it, is not of a form.
fn misfits(problem: &ValidationError<'_>, path: &Location) -> usize {
    if problem.instance_path() != path {
        return 0;
    }
    match problem.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let branches = context.iter().map(|b| b.iter().map(|e| misfits(e, path)).sum());
            branches.min().unwrap_or(1)
        }
        // Another type altogether is never what was meant.
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. } => 10,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(spec: Value) -> Vec<SpecError> {
        validate_spec(&spec).unwrap_err()
    }

    #[test]
    fn accepts_what_vega_lite_accepts() {
        let unit = json!({
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "data": {"name": "rows"},
            "mark": "bar",
            "encoding": {"x": {"field": "a", "type": "nominal"}, "y": {"aggregate": "mean", "field": "b"}}
        });
        assert_eq!(validate_spec(&unit), Ok(()));
        let layered = json!({
            "data": {"values": [{"url": "a value named url is data"}]},
            "layer": [{"mark": "line", "encoding": {"x": {"field": "a"}}}, {"mark": {"type": "rule"}}]
        });
        assert_eq!(validate_spec(&layered), Ok(()));
    }

    #[test]
    fn says_where_it_is_wrong() {
        let found = errors(json!({"mark": "bar", "encoding": {"x": {"field": "a", "type": "nominell"}}}));
        assert!(found.iter().any(|e| e.path.starts_with("/encoding/x")), "{found:?}");
        let found = errors(json!({"mark": "blob", "encoding": {}}));
        assert!(found.iter().any(|e| e.path == "/mark"), "{found:?}");
        assert_eq!(errors(json!([]))[0].path, "");
        assert_eq!(
            errors(json!({"$schema": "https://vega.github.io/schema/vega/v5.json"}))[0].path,
            "/$schema"
        );
        assert!(!errors(json!({})).is_empty());
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        let elsewhere = "https://elsewhere.example/x";
        for (path, spec) in [
            ("/data/url", json!({"data": {"url": elsewhere}, "mark": "bar"})),
            ("/layer/0/data/url", json!({"layer": [{"data": {"url": elsewhere}, "mark": "bar"}]})),
            (
                "/transform/0/from/data/url",
                json!({"mark": "bar", "transform": [{"lookup": "a", "from": {"data": {"url": elsewhere}, "key": "a"}}]}),
            ),
            ("/mark", json!({"mark": "image", "encoding": {}})),
            ("/mark/type", json!({"mark": {"type": "image"}})),
            ("/encoding/url", json!({"mark": "point", "encoding": {"url": {"field": "a"}}})),
            ("/usermeta", json!({"mark": "bar", "usermeta": {"embedOptions": {"config": elsewhere}}})),
        ] {
            assert!(errors(spec.clone()).iter().any(|e| e.path == path), "{spec}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let mut deep = json!({"mark": "bar"});
        for _ in 0..100 {
            deep = json!({"hconcat": [deep]});
        }
        assert!(errors(deep)[0].detail.contains("deeper"));
        let wide: Vec<Value> = (0..MAX_VALUES).map(Value::from).collect();
        assert!(errors(json!({"mark": "bar", "data": {"values": wide}}))[0].detail.contains("more than"));
    }
}
