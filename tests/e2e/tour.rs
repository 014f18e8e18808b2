//! The README's tour, run as it stands there.

use std::{fs, process::Stdio};

use tokio::process::Command;
use weir_tests::{Weir, root};

/// The `sh` blocks between the tour's heading and the next one.
fn tour() -> String {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, rest) = readme.split_once("## A tour in five minutes").expect("the tour's heading");
    let section = rest.split("\n## ").next().expect("a section");
    let mut script = String::new();
    let mut inside = false;
    for line in section.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_tour_works_as_written() {
    let script = tour();
    assert!(script.lines().count() > 10, "the tour is somewhere else now");
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
    for wanted in ["United Air Lines Inc.", "\"visualizations\": 1", "\"datasets\": 5"] {
        assert!(out.contains(wanted), "{wanted} is not in what the tour prints:\n{out}\n{err}");
    }
}
