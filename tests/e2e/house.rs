//! The shape of the code: which crate may use which, and what the domain may not touch.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use weir_tests::root;

#[test]
fn the_crate_graph_is_the_committed_one() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let mut edges = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let name = dependency["name"].as_str().expect("a name");
            if name.starts_with("weir") && dependency["kind"].is_null() {
                edges.insert(format!("{} -> {name}", package["name"].as_str().expect("a name")));
            }
        }
    }
    let found = edges.into_iter().collect::<Vec<_>>().join("\n");
    let committed = fs::read_to_string(root().join("tests/crate-graph.txt")).expect("the committed graph");
    assert_eq!(
        found.trim(),
        committed.trim(),
        "an arrow between crates changed: say why, then change the file"
    );
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("text")));
        }
    }
}

#[test]
fn the_domain_touches_nothing_outside() {
    let mut files = Vec::new();
    sources(&root().join("command/src/domain"), &mut files);
    assert!(files.len() >= 5, "the domain is somewhere else now");
    for (path, text) in files {
        for word in [
            "tokio",
            "async_nats",
            "postgres",
            "actix",
            "reqwest",
            "weir_infra",
            "weir_engine",
            "object_store",
            "std::fs",
            "std::env",
            "std::net",
            "std::thread",
            "Utc::now",
            "SystemTime",
            "Instant",
            "now_v7",
            "new_v4",
            "rand::",
            "async fn",
        ] {
            let line = text.lines().position(|l| !l.trim_start().starts_with("//") && l.contains(word));
            assert!(line.is_none(), "{path}:{} has {word}", line.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn the_committed_documents_about_events_are_what_the_binary_says() {
    for (arguments, file) in
        [(&["asyncapi"][..], "asyncapi.json"), (&["asyncapi", "--guide"], "docs/events.md")]
    {
        let output = Command::new(weir_tests::binary()).args(arguments).output().expect("weir runs");
        let committed = fs::read_to_string(root().join(file)).expect(file);
        let found = String::from_utf8(output.stdout).expect("text");
        assert!(
            found == committed,
            "events changed: look at the difference in {file} after `make generate`, then commit it"
        );
    }
}

#[test]
fn the_committed_openapi_document_is_what_the_binary_says() {
    let output = Command::new(weir_tests::binary()).arg("openapi").output().expect("weir runs");
    let found: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let committed = fs::read_to_string(root().join("openapi.json")).expect("openapi.json");
    let committed: Value = serde_json::from_str(&committed).expect("a document");
    assert!(
        found == committed,
        "the API changed: look at the difference after `make generate`, then commit it"
    );
}
