//! Numbers that overflow, values that grow large out of little, and queries that are nested deep.

use std::time::Duration;

use serde_json::json;
use weir_engine::sql::{Code, Limits};

use crate::support::{Bench, patient};

#[tokio::test]
async fn integers_fail_where_they_would_wrap_around() {
    let bench = Bench::new();
    let t = "(VALUES (9223372036854775807), (1)) t(x)";
    for sql in [
        "SELECT 9223372036854775807 + 1".to_owned(),
        "SELECT 127::tinyint + 1::tinyint".to_owned(),
        format!("SELECT sum(x) FROM {t}"),
        format!("SELECT sum(DISTINCT x) FROM {t}"),
        format!("SELECT sum(x) OVER () FROM {t}"),
        format!("SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {t}"),
        format!("SELECT x % 2, sum(x) FROM {t} GROUP BY 1"),
        format!("SELECT max(x * 2) FROM {t}"),
        format!("SELECT count(*) FROM {t} GROUP BY x + 1"),
        format!("SELECT x FROM {t} ORDER BY x + 1"),
        format!("SELECT * FROM {t} JOIN (VALUES (2)) u(y) ON x + y < 1"),
        format!("SELECT -(-x - 1) FROM {t}"),
    ] {
        assert_eq!(bench.error(&sql).await.code, Code::InvalidValue, "{sql}");
    }
    // Only the end result counts, and columns are called as ever.
    let answer =
        bench.query("SELECT sum(x), sum(x - 1) FROM (VALUES (9223372036854775807), (1), (-1)) t(x)").await;
    assert_eq!(answer.columns()[1].name, "sum(t.x - Int64(1))");
    assert_eq!(answer.to_json_rows().unwrap()[0][0], json!(9_223_372_036_854_775_807_i64));
}

#[tokio::test]
async fn what_grows_out_of_little_is_refused() {
    let bench = Bench::flights().await;
    let columns: Vec<String> = (0..50).map(|i| format!("repeat('x', {})", 100_000_000 + i)).collect();
    for sql in [
        "SELECT length(repeat('x', 1000000000))".to_owned(),
        "SELECT repeat('x', 1000000) FROM generate_series(1, 100000)".to_owned(),
        "SELECT max(length(lpad(carrier, 100000000, 'é'))) FROM flights".to_owned(),
        "SELECT length(replace(repeat('x', 100000), 'x', repeat('y', 10000)))".to_owned(),
        format!("SELECT {}", columns.join(", ")),
        "WITH RECURSIVE r AS (SELECT 'x' s UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r".to_owned(),
        "SELECT value % 10, array_agg(repeat('y', 100)) FROM generate_series(1, 10000000) GROUP BY 1".to_owned(),
        "SELECT max(length(s)) FROM (SELECT string_agg(value::text, ',') OVER () s FROM generate_series(1, 100000))".to_owned(),
        "SELECT (SELECT string_agg(value::text, ',') FROM generate_series(1, 100000)) FROM generate_series(1, 1000000)".to_owned(),
    ] {
        assert_eq!(bench.error(&sql).await.code, Code::MemoryLimit, "{sql}");
    }
    assert_eq!(bench.rows("SELECT length(repeat('x', 1000000))").await, [[json!(1_000_000)]]);
}

#[tokio::test]
async fn a_query_gives_back_what_it_held_when_it_has_ended() {
    let bench = Bench::new();
    let (held, mut ended) = tokio::sync::oneshot::channel::<()>();
    let sql = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let statement = weir_engine::sql::parse(sql).unwrap();
    let limits = Limits { time: Duration::from_millis(300), ..patient() };
    let error = bench.engine.query_holding(&statement, &[], &limits, held).await.unwrap_err();
    assert_eq!(error.code, Code::TimeLimit);
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut ended).await.unwrap().is_err());
}

#[tokio::test]
async fn what_one_call_would_work_on_for_ages_is_refused_or_stopped() {
    let bench = Bench::new();
    for sql in [
        "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
        "SELECT strpos(repeat('a', 50000000), repeat('a', 25000000) || 'b')",
    ] {
        let error = bench.try_query(sql, &patient()).await.unwrap_err();
        assert!(matches!(error.code, Code::InvalidValue | Code::MemoryLimit), "{sql}: {error}");
    }
    // Many that are each allowed: in parts, so that it ends when nobody waits any more.
    let sql = "SELECT sum(levenshtein(repeat('a', 3000), repeat('b', 3000) || x)) FROM generate_series(1, 8000) t(x)";
    let (held, mut ended) = tokio::sync::oneshot::channel::<()>();
    let statement = weir_engine::sql::parse(sql).unwrap();
    let limits = Limits { time: Duration::from_millis(300), ..patient() };
    let error = bench.engine.query_holding(&statement, &[], &limits, held).await.unwrap_err();
    assert_eq!(error.code, Code::TimeLimit);
    assert!(tokio::time::timeout(Duration::from_secs(60), &mut ended).await.unwrap().is_err());
    // What is short is as it was.
    let answer =
        bench.query("SELECT levenshtein(x, 'b'), strpos(x, 'c') FROM (VALUES ('abc'), (NULL)) t(x)").await;
    assert_eq!(
        answer.to_json_rows().unwrap(),
        [[2.into(), 3.into()], [serde_json::Value::Null, serde_json::Value::Null]]
    );
}

#[tokio::test]
async fn long_sums_of_constants_are_planned_at_once() {
    let bench = Bench::new();
    let limits = Limits { time: Duration::from_secs(20), ..patient() };
    let answer = bench.try_query(&format!("SELECT {}", vec!["1"; 499].join("+")), &limits).await.unwrap();
    assert_eq!(answer.to_json_rows().unwrap(), [[serde_json::Value::from(499)]]);
}

#[tokio::test]
async fn what_cannot_be_reckoned_with_or_written_is_refused() {
    let bench = Bench::new();
    let t = "(VALUES (1), (2)) t(x)";
    for sql in [
        format!(
            "SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 18446744073709551615 PRECEDING AND CURRENT ROW) FROM {t}"
        ),
        format!(
            "SELECT count(*) OVER (ORDER BY x ROWS BETWEEN CURRENT ROW AND 18446744073709551615 FOLLOWING) FROM {t}"
        ),
        "SELECT to_timestamp_seconds(9223372036854775807)".to_owned(),
        "SELECT arrow_cast(2147483647, 'Date32')".to_owned(),
    ] {
        let error = bench.try_query(&sql, &patient()).await.unwrap_err();
        assert!(matches!(error.code, Code::InvalidValue | Code::InvalidQuery), "{sql}: {error}");
    }
}

#[tokio::test]
async fn deep_queries_overflow_no_stack() {
    let bench = Bench::flights().await;
    for sql in [
        format!("SELECT {} FROM flights", vec!["dep_delay"; 499].join("+")),
        format!("SELECT {} FROM flights", vec!["carrier"; 499].join("||")),
        format!(
            "SELECT {} FROM flights",
            (0..249).map(|i| format!("day <> {i}")).collect::<Vec<_>>().join(" AND ")
        ),
        format!("SELECT day {} FROM flights", "is null ".repeat(490)),
        format!("SELECT 'a' {}", "similar to 'a' ".repeat(490)),
    ] {
        // On a stack like those of the HTTP workers; an answer or an error, but no abort.
        let text = sql.clone();
        let read =
            std::thread::Builder::new().stack_size(2 << 20).spawn(move || weir_engine::sql::parse(&text));
        if let Ok(statement) = read.unwrap().join().unwrap() {
            let _ = bench.engine.query(&statement, &bench.tables, &patient()).await;
        }
    }
}
