//! The README's tour, run as it stands there.

use std::{fs, process::Stdio};

use tokio::process::Command;
use weir_tests::{Weir, root};

/// The blocks of one language below a heading of a page, up to the next heading of its kind.
fn blocks(page: &str, heading: &str, language: &str) -> String {
    let text = fs::read_to_string(root().join(page)).expect("the page");
    let (_, rest) = text.split_once(heading).unwrap_or_else(|| panic!("{page} has no {heading:?}"));
    let section = rest.split("\n## ").next().expect("a section");
    let mut script = String::new();
    let mut inside = false;
    for line in section.lines() {
        match line {
            "```" => inside = false,
            fence if fence.strip_prefix("```") == Some(language) => inside = true,
            _ if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    assert!(script.lines().count() > 3, "{page}: what was below {heading:?} is somewhere else now");
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_tour_works_as_written() {
    let tour = blocks("README.md", "## A tour in five minutes", "sh");
    // The guide to contexts goes on from there, and asks for what it shows.
    let contexts = blocks("docs/contexts.md", "# Contexts", "sh");
    let asking = blocks("docs/contexts.md", "## Asking", "json");
    let ask = "curl -sS --fail-with-body $W/queries -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json'";
    let script = format!("{tour}\n{contexts}\n{ask} -d '{asking}'\n");
    let weir = Weir::start().await;
    let script = format!("set -eu\n{}", script.replace("http://localhost:8080", weir.url()));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    for wanted in [
        "United Air Lines Inc.",
        "\"visualizations\": 1",
        "\"datasets\": 5",
        "late_share",
        "Newark Liberty Intl",
    ] {
        assert!(out.contains(wanted), "{wanted} is not in what the tour prints:\n{out}\n{err}");
    }
}
