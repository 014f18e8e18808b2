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

/// A specification's values, counted one by one.
const MAX_VALUES: usize = 20_000;
const MAX_DEPTH: usize = 32;
const MAX_ERRORS: usize = 20;

const NOT_VEGA_LITE: &str = "not_vega_lite";
const TOO_LARGE: &str = "too_large";
const FOREIGN: &str = "foreign_data";
const NOT_ALLOWED: &str = "not_allowed";

/// Checks a specification against the Vega-Lite schema and our own rules: bounded size, and all data
/// are the query's answer, so that a chart shows what its query says and makes no browser fetch from
/// elsewhere. That answer is the named data set `rows`; `data` may be left out and stands for it then.
/// A view that draws no data at all, such as a rule at a fixed height, has `null` there.
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
        return Err(vec![error("", NOT_VEGA_LITE, "A specification is a JSON object.")]);
    }
    if let Some(schema) = spec.get("$schema") {
        let known = |s: &str| s.contains("vega-lite/v6") || s.contains("vega-lite/v5");
        if !schema.as_str().is_some_and(known) {
            errors.push(error(
                "/$schema",
                NOT_VEGA_LITE,
                "Only Vega-Lite specifications, version 6, can be shown.",
            ));
            return Err(errors);
        }
    }
    foreign(spec, &mut String::new(), &mut errors);
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
            errors.push(error("", NOT_VEGA_LITE, "Specifications cannot be checked at the moment."));
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

fn error(path: &str, code: &'static str, detail: impl Into<String>) -> SpecError {
    SpecError { path: path.to_owned(), code, detail: detail.into() }
}

/// Bounds a specification before anything walks over it by recursion.
fn measure(spec: &Value) -> Result<(), Vec<SpecError>> {
    let mut open = vec![(spec, 1)];
    let mut values = 0;
    while let Some((value, depth)) = open.pop() {
        values += 1;
        if depth > MAX_DEPTH {
            let detail = format!("The specification nests deeper than {MAX_DEPTH} levels.");
            return Err(vec![error("", TOO_LARGE, detail)]);
        }
        if values > MAX_VALUES {
            let detail = format!("The specification holds more than {MAX_VALUES} values.");
            return Err(vec![error("", TOO_LARGE, detail)]);
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|v| (v, depth + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|v| (v, depth + 1))),
            _ => {}
        }
    }
    Ok(())
}

/// Finds data that are not the query's, and what would be fetched: images by address, and a viewer's
/// options, which can name a configuration to be fetched. Names of fields are data where values stand,
/// and pass.
fn foreign(value: &Value, path: &mut String, errors: &mut Vec<SpecError>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                below(path, name, |path| match name.as_str() {
                    "data" => data(inner, path, errors),
                    "datasets" => {
                        errors.push(error(path, FOREIGN, format!("Data sets cannot be added. {QUERY}")));
                    }
                    "values" | "value" => {}
                    "element" if path.contains("/bind/") => {
                        errors.push(error(
                            path,
                            NOT_ALLOWED,
                            "Inputs stand beside their chart, nowhere else.",
                        ));
                    }
                    "keyvals" if inner.is_object() => {
                        errors.push(error(path, FOREIGN, format!("Data cannot be generated. {QUERY}")));
                    }
                    "width" | "height" if inner.as_f64().is_some_and(|size| size > LARGEST) => {
                        let detail = format!("A chart has at most {LARGEST} pixels each way.");
                        errors.push(error(path, NOT_ALLOWED, detail));
                    }
                    "url" | "href" => errors.push(error(path, NOT_ALLOWED, "Addresses are not allowed.")),
                    "usermeta" => {
                        let detail = "A viewer's options are not part of a saved chart.";
                        errors.push(error(path, NOT_ALLOWED, detail));
                    }
                    _ => foreign(inner, path, errors),
                });
            }
        }
        Value::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                below(path, &i.to_string(), |path| foreign(inner, path, errors));
            }
        }
        Value::String(text) if text.contains('\0') => {
            errors.push(error(path, NOT_ALLOWED, "Texts have no zero bytes in them."));
        }
        Value::String(text) if text == "image" && (path.ends_with("/mark") || path.ends_with("/type")) => {
            errors.push(error(path, NOT_ALLOWED, "Images are not allowed: they are fetched from elsewhere."));
        }
        _ => {}
    }
}

/// The largest chart, in pixels each way.
const LARGEST: f64 = 20_000.0;

const QUERY: &str = "A chart's data come from its query, as the data set 'rows'.";

/// Finds what a view's data, or those that it looks up, are besides the query's.
fn data(source: &Value, path: &mut String, errors: &mut Vec<SpecError>) {
    // What is no object is null or no Vega-Lite.
    for (name, inner) in source.as_object().into_iter().flatten() {
        let wrong = match name.as_str() {
            "name" if inner != "rows" => "There is no other data set.",
            "url" => "Addresses are not allowed.",
            "values" => "Values cannot be written into a chart.",
            "sequence" | "sphere" | "graticule" => "Data cannot be generated.",
            _ => continue,
        };
        below(path, name, |path| errors.push(error(path, FOREIGN, format!("{wrong} {QUERY}"))));
    }
}

/// Goes one step down a JSON pointer.
fn below(path: &mut String, step: &str, work: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    work(path);
    path.truncate(length);
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
        errors.push(error(problem.instance_path().as_str(), NOT_VEGA_LITE, detail));
        return;
    };
    let misfit = |branch: &&Vec<ValidationError<'_>>| {
        (branch.iter().map(|e| misfits(e, problem.instance_path())).sum::<usize>(), branch.len())
    };
    match context.iter().min_by_key(misfit) {
        Some(branch) if !branch.is_empty() => branch.iter().for_each(|e| explain(e, errors)),
        _ => {
            let detail = "This is none of the forms allowed here.";
            errors.push(error(problem.instance_path().as_str(), NOT_VEGA_LITE, detail));
        }
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
            "data": {"name": "rows", "format": {"parse": {"a": "date"}}},
            "params": [{
                "name": "chosen", "select": {"type": "point", "fields": ["url", "data"]},
                "value": [{"url": "names of fields are data", "data": 5}]
            }],
            "layer": [
                {"mark": "line", "encoding": {"x": {"field": "a", "axis": {"values": [1, 2]}}}},
                {"data": null, "mark": {"type": "rule"}, "encoding": {"y": {"datum": 5}}}
            ]
        });
        assert_eq!(validate_spec(&layered), Ok(()));
        let looked_up = json!({
            "mark": "bar",
            "transform": [{"lookup": "a", "from": {"data": {"name": "rows"}, "key": "b", "fields": ["c"]}}]
        });
        assert_eq!(validate_spec(&looked_up), Ok(()));
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
    fn all_data_are_the_querys() {
        let sources = [
            ("values", json!({"values": [{"a": 1}]})),
            ("values", json!({"name": "rows", "values": [{"a": 1}]})),
            ("sequence", json!({"sequence": {"start": 0, "stop": 10, "step": 1}})),
            ("sphere", json!({"sphere": true})),
            ("graticule", json!({"graticule": {"step": [15, 15]}})),
            ("url", json!({"url": "/api/v1/datasets/1/download"})),
            ("name", json!({"name": "others"})),
        ];
        for (key, data) in sources {
            let view = json!({"data": data, "mark": "bar"});
            let from = json!({"data": data, "key": "a", "fields": ["b"]});
            for (path, spec) in [
                ("/data", view.clone()),
                ("/layer/0/data", json!({"layer": [view]})),
                ("/hconcat/1/data", json!({"hconcat": [{"mark": "bar"}, view]})),
                ("/vconcat/0/data", json!({"vconcat": [view]})),
                ("/concat/0/layer/0/data", json!({"concat": [{"layer": [view]}]})),
                ("/spec/data", json!({"facet": {"field": "a"}, "spec": view})),
                ("/spec/data", json!({"repeat": ["a", "b"], "spec": view})),
                (
                    "/transform/0/from/data",
                    json!({"mark": "bar", "transform": [{"lookup": "a", "from": from}]}),
                ),
            ] {
                let found = errors(spec.clone());
                let wanted = format!("{path}/{key}");
                let about = found.iter().find(|e| e.path == wanted);
                let about = about.unwrap_or_else(|| panic!("{wanted} is not in {found:?} about {spec}"));
                assert!(about.code == FOREIGN && about.detail.ends_with(QUERY), "{about:?}");
            }
        }
        let added = json!({"datasets": {"rows": [{"a": 1}]}, "mark": "bar"});
        assert!(errors(added).iter().any(|e| e.path == "/datasets" && e.code == FOREIGN));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let mut deep = json!({"mark": "bar"});
        for _ in 0..100 {
            deep = json!({"hconcat": [deep]});
        }
        assert!(errors(deep)[0].detail.contains("deeper"));
        let wide: Vec<Value> = (0..MAX_VALUES).map(Value::from).collect();
        let wide = json!({"mark": "bar", "encoding": {"x": {"field": "a", "axis": {"values": wide}}}});
        assert!(errors(wide)[0].detail.contains("more than"));
    }
}
