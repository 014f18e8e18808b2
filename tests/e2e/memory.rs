//! Large files pass through: the server's memory does not grow with them.

use std::time::Duration;

use reqwest::{Body, StatusCode};
use weir_tests::{Weir, expect};

/// How much is uploaded, in MB; `WEIR_TEST_UPLOAD_MB=2000` tries the largest that is promised.
const MEGABYTES: u64 = 300;

/// The most memory that a process has ever had, in bytes.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// About a megabyte of rows, from the given row on.
fn rows(from: u64) -> (u64, String) {
    use std::fmt::Write;
    let mut text = String::with_capacity(1 << 20);
    let mut row = from;
    while text.len() < 1_000_000 {
        let (day, carrier) = (row % 28 + 1, ["UA", "B6", "AA", "DL"][(row % 4) as usize]);
        let delay = (row * 7919) % 100_000;
        let _ = writeln!(
            text,
            "{row},2013-01-{day:02},{carrier},{}.{:03},flight number {row}",
            delay / 1000,
            delay % 1000
        );
        row += 1;
    }
    (row, text)
}

#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_takes_little_memory_however_large_it_is() {
    let megabytes =
        std::env::var("WEIR_TEST_UPLOAD_MB").map_or(MEGABYTES, |mb| mb.parse().expect("a number"));
    let weir = Weir::start().await;
    let ada = weir.register("ada").await;
    // What every upload and query needs, whatever their size.
    ada.upload_sample("airlines.csv").await;
    let before = peak(weir.pid());

    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<String, std::io::Error>>(2);
    let written = tokio::spawn(async move {
        let header = "n,day,carrier,delay,note\n".to_owned();
        sender.send(Ok(header)).await.expect("it is read");
        let mut row = 0;
        for _ in 0..megabytes {
            let (next, text) = rows(row);
            sender.send(Ok(text)).await.expect("it is read to the end");
            row = next;
        }
        row
    });
    let stream =
        futures::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
    let request = ada.post("/api/v1/datasets?name=large").header("content-type", "text/csv");
    let request = request.timeout(Duration::from_secs(600)).body(Body::wrap_stream(stream));
    let upload = expect(request.send().await.unwrap(), StatusCode::ACCEPTED).await;
    let sent = written.await.unwrap();
    let after_upload = peak(weir.pid()).saturating_sub(before);

    let path = format!("/api/v1/datasets/{}", upload["id"].as_str().unwrap());
    let position = upload["position"].as_u64().unwrap();
    let dataset = loop {
        let dataset = ada.read(&format!("{path}?min_position={position}")).await;
        if dataset["status"] != "ingesting" {
            break dataset;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!((&dataset["status"], &dataset["rows"]), (&"ready".into(), &sent.into()), "{dataset}");
    let grown = peak(weir.pid()).saturating_sub(before);
    println!(
        "{megabytes} MB: the server's peak grew by {} MB while they came, and by {} MB until they could be queried",
        after_upload >> 20,
        grown >> 20
    );
    let bound = if megabytes > MEGABYTES { 300 << 20 } else { 150 << 20 };
    assert!(grown < bound, "{} MB", grown >> 20);
}
