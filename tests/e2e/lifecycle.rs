//! Starting, stopping, and what a second instance is told.

use std::process::Stdio;

use rustix::process::{Pid, Signal, test_kill_process};
use tokio::process::Command;
use weir_tests::{Weir, binary, signal};

fn alive(pid: u64) -> bool {
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // A zombie is dead: nobody has collected it yet. Where there is no /proc, it counts as alive.
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| s.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')));
    test_kill_process(process).is_ok() && !zombie
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
    let pids = ["nats_pid", "postgres_pid"].map(|key| (key, runtime[key].as_u64().unwrap()));
    assert!(pids.iter().all(|(_, pid)| alive(*pid)), "{pids:?}");
    assert_eq!(weir.stop().await, Some(0));
    for (key, pid) in pids {
        assert!(!alive(pid), "{key} {pid} is still there");
    }
}

/// The folders that processes spill to.
fn spilled(weir: &Weir) -> Vec<String> {
    let entries = std::fs::read_dir(weir.data().join("spill")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "lock").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_instance_left_behind_does_not_block_the_next_start() {
    let mut weir = Weir::start().await;
    let ada = weir.register("ada").await;
    let killed = spilled(&weir);
    assert_eq!(killed.len(), 1, "{killed:?}");
    weir.kill().await;
    assert_eq!(spilled(&weir), killed, "it had no time to tidy up");
    weir.restart().await;
    let restarted = spilled(&weir);
    assert_eq!(restarted.len(), 1, "{restarted:?}");
    assert_ne!(restarted, killed);
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
    for word in ["nats", "postgres", "cache", "reachable"] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains("degraded") && !text.contains("wrong"), "nothing is amiss: {text}");
    assert!(!text.contains("password="), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_stream_that_keeps_less_than_it_should() {
    let weir = Weir::start().await;
    let nats = weir.runtime()["nats_url"].as_str().unwrap().to_owned();
    let client = weir_infra::nats::connect(&nats).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let mut config = jetstream.get_stream("WEIR_EVENTS").await.unwrap().cached_info().config.clone();
    config.max_age = std::time::Duration::from_secs(24 * 60 * 60);
    jetstream.update_stream(config).await.unwrap();
    let output =
        Command::new(binary()).arg("doctor").arg("--data-dir").arg(weir.data()).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    assert!(text.lines().any(|line| line.starts_with("WRONG") && line.contains("max_age")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_alone_needs_what_the_others_use() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary())
        .args(["query-api", "--data-dir"])
        .arg(folder.path().join("data"))
        .env("WEIR_NATS_URL", "nats://127.0.0.1:1")
        .env("WEIR_DATABASE_URL", "postgresql://weir@127.0.0.1:1/none")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(error.starts_with("weir: signing_key: ") && error.lines().count() == 1, "{error}");
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
