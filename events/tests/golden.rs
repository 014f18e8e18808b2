//! Every event version ever shipped, as it stands in somebody's stream: each file must decode,
//! and each current type must be written as its file says. What a type got later without becoming another
//! version has a file of its own, with a `+` and a word after the type.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use weir_events::Event;

fn golden() -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().strip_suffix(".json").unwrap();
            let event_type = name.split('+').next().unwrap().to_owned();
            (event_type, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
        })
        .collect()
}

#[test]
fn every_current_type_has_a_golden_file() {
    let have: BTreeSet<String> = golden().into_iter().map(|(name, _)| name).collect();
    let missing: Vec<_> = Event::types().into_iter().filter(|t| !have.contains(*t)).collect();
    assert!(missing.is_empty(), "no golden file for {missing:?}");
}

#[test]
fn every_golden_file_decodes_and_current_ones_are_written_the_same() {
    let current = Event::types();
    for (name, value) in golden() {
        let event =
            Event::from_json(&name, value.to_string().as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        if current.contains(&name.as_str()) {
            assert_eq!(event.event_type(), name);
            let written: Value = serde_json::from_slice(&event.to_json().unwrap()).unwrap();
            assert_eq!(written, value, "{name} is written differently now");
        }
    }
}

#[test]
fn every_current_golden_file_has_the_form_that_is_published() {
    let schemas = weir_events::schemas();
    assert_eq!(schemas.keys().copied().collect::<BTreeSet<_>>(), Event::types().into_iter().collect());
    for (name, value) in golden() {
        let Some(schema) = schemas.get(&*name) else { continue };
        let form = jsonschema::validator_for(schema).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            form.is_valid(&value),
            "{name}: {}",
            form.iter_errors(&value).map(|e| e.to_string()).collect::<String>()
        );
        // And not any form will do: what is there always must be, and be of its type.
        for field in schema["required"].as_array().into_iter().flatten() {
            let field = field.as_str().unwrap();
            let mut without = value.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!form.is_valid(&without), "{name} without {field}");
            let mut other = value.clone();
            other[field] = serde_json::json!({"no": ["such", "thing"]});
            let free = schema["properties"][field].get("type").is_none_or(|t| t == "object");
            assert!(free || !form.is_valid(&other), "{name} with another {field}");
        }
    }
}

#[test]
fn the_first_upload_version_becomes_the_current_one() {
    let (_, old) = golden().into_iter().find(|(name, _)| name == "weir.dataset.uploaded.v1").unwrap();
    let event = Event::from_json("weir.dataset.uploaded.v1", old.to_string().as_bytes()).unwrap();
    assert_eq!(event.event_type(), "weir.dataset.uploaded.v2");
    let Event::Dataset(weir_events::dataset::Event::Uploaded(uploaded)) = event else { panic!("{event:?}") };
    assert_eq!((uploaded.version, uploaded.upload.bytes), (1, 2_294_215));
}

#[test]
fn an_unknown_type_and_a_bad_payload_are_told_apart() {
    let unknown = Event::from_json("weir.dataset.teleported.v1", b"{}").unwrap_err();
    assert!(matches!(unknown, weir_events::DecodeError::UnknownType(_)), "{unknown}");
    let bad = Event::from_json("weir.dataset.renamed.v1", b"{}").unwrap_err();
    assert!(matches!(bad, weir_events::DecodeError::Payload { .. }), "{bad}");
}
