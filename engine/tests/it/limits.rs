//! What a query may use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_engine::Config;
use weir_engine::sql::{Code, Limits, parse};

use crate::support::{Bench, patient};

/// Runs for hours, without growing: one join rejects every pair, the other gives out every pair.
const ENDLESS: [&str; 2] = [
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b",
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b \
     WHERE a.value * b.value = -1",
];

#[tokio::test]
async fn rows_and_bytes_are_cut() {
    let bench = Bench::flights().await;
    let limits = Limits { rows: 10, ..Limits::default() };
    let cut = bench.try_query("SELECT * FROM flights", &limits).await.unwrap();
    assert_eq!((cut.rows, cut.truncated), (10, true));
    let limits = Limits { rows: 200, ..Limits::default() };
    let whole = bench.try_query("SELECT * FROM flights", &limits).await.unwrap();
    assert_eq!((whole.rows, whole.truncated), (200, false));
    let limits = Limits { rows: 10_000_000, bytes: 1 << 20, ..Limits::default() };
    let cut = bench.try_query("SELECT * FROM generate_series(1, 10000000)", &limits).await.unwrap();
    assert!(cut.truncated && cut.bytes <= 1 << 20 && cut.rows > 1000, "{} rows", cut.rows);
    // A few rows count for themselves, not for the thousands that were computed along with them.
    let limits = Limits { rows: 5, bytes: 16 << 10, ..Limits::default() };
    let few = bench.try_query("SELECT * FROM generate_series(1, 20000)", &limits).await.unwrap();
    assert_eq!((few.rows, few.truncated), (5, true));
    assert!(few.bytes < 4 << 10, "{} bytes", few.bytes);
    let limits = Limits { rows: 10_000_000, bytes: 1 << 20, ..Limits::default() };
    let huge = bench
        .try_query("SELECT repeat('x', 100000000)", &Limits { time: patient().time, ..limits })
        .await
        .unwrap_err();
    assert_eq!(huge.code, Code::MemoryLimit);
}

#[tokio::test]
async fn time_is_up() {
    let bench = Bench::new();
    let limits = Limits { time: Duration::from_millis(300), ..Limits::default() };
    let begun = Instant::now();
    for endless in ENDLESS {
        assert_eq!(bench.try_query(endless, &limits).await.unwrap_err().code, Code::TimeLimit);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // The threads are free again.
    assert_eq!(bench.rows("SELECT 1").await, [[json!(1)]]);
}

/// Work that takes minutes or days without giving out a row. Some of it is refused, most has to be stopped.
const BURNING: [&str; 8] = [
    "SELECT length(btrim(repeat('a', 10000000), repeat('b', 10000000) || 'a'))",
    "SELECT array_has_any((SELECT array_agg('x' || value) FROM generate_series(1, 300000)), \
     (SELECT array_agg('y' || value) FROM generate_series(1, 300000)))",
    "SELECT count(*) FROM (SELECT 1 AS k, value AS x FROM generate_series(1, 300000)) a \
     JOIN (SELECT 1 AS k, value AS y FROM generate_series(1, 300000)) b ON a.k = b.k AND a.x * b.y = -1",
    "SELECT count(*) FROM (SELECT value % 2 AS k, value AS x FROM generate_series(1, 300000)) a \
     WHERE NOT EXISTS (SELECT 1 FROM (SELECT value % 2 AS k, value AS y FROM generate_series(1, 300000)) b \
     WHERE a.k = b.k AND a.x * b.y = -1)",
    "SELECT sum(m) FROM (SELECT median(value) OVER \
     (ORDER BY value ROWS BETWEEN 100000 PRECEDING AND CURRENT ROW) AS m FROM generate_series(1, 200000)) s",
    "SELECT regexp_count(repeat('a', 50000000), '')",
    ENDLESS[0],
    ENDLESS[1],
];

#[tokio::test]
async fn nothing_burns_on_when_nobody_waits() {
    let bench = Bench::new();
    for sql in BURNING {
        let statement = parse(sql).unwrap();
        let limits = Limits { time: Duration::from_secs(3600), ..Limits::default() };
        // Held for as long as a thread works on it.
        let held = Arc::new(());
        let working = Arc::downgrade(&held);
        let query = bench.engine.query_holding(&statement, &[], &limits, held);
        let cut_off = tokio::time::timeout(Duration::from_millis(500), query).await;
        let begun = Instant::now();
        while working.strong_count() > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "{sql} goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Ok(answer) = cut_off {
            assert!([Code::InvalidValue, Code::MemoryLimit].contains(&answer.unwrap_err().code), "{sql}");
        }
    }
}

#[tokio::test]
async fn memory_is_bounded_and_sorts_spill() {
    let bench = Bench::new();
    let hungry = "SELECT count(*) FROM (SELECT value, array_agg(value) FROM generate_series(1, 3000000) GROUP BY value)";
    let limits = Limits { memory: 4 << 20, ..Limits::default() };
    let error = bench.try_query(hungry, &limits).await.unwrap_err();
    assert_eq!(error.code, Code::MemoryLimit, "{error:?}");

    // The rows and their keys take more than what this query may hold.
    let sort = "SELECT max(CASE WHEN n = 600000 THEN value END) FROM \
                (SELECT value, row_number() OVER (ORDER BY md5(value::text)) AS n FROM generate_series(1, 600000))";
    let roomy = bench.rows(sort).await;
    let limits = Limits { memory: 24 << 20, ..patient() };
    let spilled = bench.try_query(sort, &limits).await.unwrap();
    assert_eq!(spilled.to_json_rows().unwrap(), roomy);
}

#[tokio::test]
async fn a_join_that_does_not_fit_is_run_again_as_one_that_spills() {
    let bench = Bench::new();
    // Either side's texts alone are more than what the query may hold.
    let side = "(SELECT value, repeat('x', 100) || value AS text FROM generate_series(1, 400000))";
    let join =
        format!("SELECT count(*), max(a.text), min(b.text) FROM {side} a JOIN {side} b ON a.value = b.value");
    let roomy = bench.rows(&join).await;
    let limits = Limits { memory: 40 << 20, ..patient() };
    let spilled = bench.try_query(&join, &limits).await.unwrap();
    assert_eq!(spilled.to_json_rows().unwrap(), roomy);
}

#[tokio::test]
async fn what_is_spilled_is_bounded() {
    let bench = Bench::with(Config { spill_bytes: 64 << 10, target_partitions: 2, ..Config::default() });
    let sort = "SELECT max(n) FROM \
                (SELECT row_number() OVER (ORDER BY md5(value::text)) AS n FROM generate_series(1, 600000))";
    let limits = Limits { memory: 16 << 20, ..patient() };
    let error = bench.try_query(sort, &limits).await.unwrap_err();
    assert_eq!(error.code, Code::MemoryLimit, "{error:?}");
    assert!(error.detail.contains("disk"), "{error:?}");
    bench.rows("SELECT 1").await;
}

#[tokio::test]
async fn all_queries_together_are_bounded() {
    let bench = Bench::with(Config { memory_bytes: 8 << 20, target_partitions: 2, ..Config::default() });
    let hungry = "SELECT cardinality(array_agg(value)) FROM generate_series(1, 3000000)";
    let error = bench.try_query(hungry, &Limits::default()).await.unwrap_err();
    assert_eq!(error.code, Code::MemoryLimit, "{error:?}");
    // What it held was given back.
    assert_eq!(
        bench.rows("SELECT sum(value) FROM generate_series(1, 100000)").await,
        [[json!(5_000_050_000u64)]]
    );
}
