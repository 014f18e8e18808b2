//! Planning without running.

use std::time::Duration;

use weir_engine::Column;
use weir_engine::sql::{Code, Limits, SqlError, parse};

use crate::support::Bench;

async fn check(bench: &Bench, sql: &str) -> Result<Vec<Column>, SqlError> {
    bench.engine.check(&parse(sql)?, &bench.tables, &Limits::default(), ()).await
}

#[tokio::test]
async fn a_plan_has_the_columns_of_the_answer() {
    let bench = Bench::flights().await;
    for sql in [
        "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay FROM flights f \
         JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name",
        "SELECT * FROM flights",
        "SELECT 1",
        "EXPLAIN SELECT 1",
        "WITH x AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT sum(a) OVER () FROM x",
    ] {
        assert_eq!(check(&bench, sql).await.unwrap(), bench.query(sql).await.columns(), "{sql}");
    }
}

#[tokio::test]
async fn nothing_is_run() {
    let bench = Bench::flights().await;
    // This would run for hours.
    let endless = "SELECT count(*) AS n FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b \
        WHERE a.value * b.value = -1";
    assert_eq!(check(&bench, endless).await.unwrap()[0].name, "n");
    // And this would fail at its first row.
    assert!(check(&bench, "SELECT CAST(carrier AS INT) FROM airlines").await.is_ok());
}

#[tokio::test]
async fn what_is_wrong_is_told_as_when_it_is_run() {
    let bench = Bench::flights().await;
    for (sql, code) in [
        ("SELECT nme FROM airlines", Code::UnknownColumn),
        ("SELECT * FROM airlinez", Code::UnknownTable),
        ("SELECT carrier, count(*) FROM flights", Code::InvalidQuery),
        ("SELECT sqrtt(1)", Code::UnknownFunction),
        ("DROP TABLE flights", Code::StatementNotAllowed),
        ("SELECT * FROM information_schema.tables", Code::UnknownTable),
    ] {
        let error = check(&bench, sql).await.unwrap_err();
        assert_eq!(error.code, code, "{sql}: {error}");
        if let Ok(statement) = parse(sql) {
            let ran = bench.engine.query(&statement, &bench.tables, &Limits::default()).await.unwrap_err();
            assert_eq!((ran.code, ran.detail), (error.code, error.detail), "{sql}");
        }
    }
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let late = bench.engine.check(&parse("SELECT * FROM flights").unwrap(), &bench.tables, &limits, ()).await;
    assert_eq!(late.unwrap_err().code, Code::TimeLimit);
}
