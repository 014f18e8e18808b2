//! Starting, stopping, and what a second instance is told.

use std::process::Stdio;

use rustix::process::Signal;
use tokio::process::Command;
use weir_tests::{Weir, binary, signal};

fn alive(pid: u64) -> bool {
    // A zombie is dead: nobody has collected it yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| s.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_instance_is_refused_and_an_orderly_stop_takes_the_children_along() {
    let mut weir = Weir::start().await;
    let output = Command::new(binary())
        .args(["up", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(weir.data())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(&weir.pid().to_string()), "it names the process that holds the folder: {error}");

    let runtime = weir.runtime();
    assert_eq!(weir.stop().await, Some(0));
    for key in ["nats_pid", "postgres_pid"] {
        let pid = runtime[key].as_u64().unwrap();
        assert!(!alive(pid), "{key} {pid} is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_instance_left_behind_does_not_block_the_next_start() {
    let mut weir = Weir::start().await;
    let ada = weir.register("ada").await;
    weir.kill().await;
    weir.restart().await;
    let mut ada = ada;
    weir.url().clone_into(&mut ada.url);
    assert_eq!(ada.read("/api/v1/me").await["user"]["name"], "ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_knows_what_is_reachable() {
    let weir = Weir::start().await;
    let output =
        Command::new(binary()).arg("doctor").arg("--data-dir").arg(weir.data()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    assert!(output.status.success(), "{text}");
    for word in ["nats", "postgres", "redis", "reachable"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains("password="), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_is_started_again() {
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    for key in ["nats_pid", "postgres_pid"] {
        signal(u32::try_from(weir.runtime()[key].as_u64().unwrap()).unwrap(), Signal::KILL);
    }
    let mut again = false;
    for _ in 0..300 {
        let answer = ada.get("/api/v1/dashboard").send().await;
        if answer.is_ok_and(|a| a.status().is_success()) {
            again = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(again, "the dashboard came back within 30 seconds");
    ada.upload_sample("airlines.csv").await;
}
