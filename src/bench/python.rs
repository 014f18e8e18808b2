//! Programs of others to measure beside, as children that speak JSON.

use std::{path::Path, process::Stdio};

use anyhow::{Context, ensure};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{io::AsyncWriteExt, process::Command};

/// Runs a Python script that reads one JSON object and writes one.
///
/// # Errors
/// When Python does not start, or the script fails: with the last line that it says.
pub(super) async fn run<T: DeserializeOwned>(
    python: &Path,
    script: &str,
    job: &impl Serialize,
) -> anyhow::Result<T> {
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("{} does not start", python.display()))?;
    let mut input = child.stdin.take().context("the child has no input")?;
    // A child without the module is gone before it reads: what it says is then the better reason.
    let written = input.write_all(&serde_json::to_vec(job)?).await;
    drop(input);
    let output = child.wait_with_output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", errors.lines().last().unwrap_or("the child failed"));
    written?;
    Ok(serde_json::from_slice(&output.stdout)?)
}
