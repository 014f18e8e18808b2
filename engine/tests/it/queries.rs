//! Answers that are right, and errors that help.

use serde_json::{Value, json};
use weir_engine::Answer;
use weir_engine::sql::{Code, Limits, parse};

use crate::support::Bench;

#[tokio::test]
async fn joins_and_aggregates() {
    let bench = Bench::flights().await;
    let sql = "SELECT a.name, count(*) AS flights, avg(f.arr_delay) AS delay FROM flights f \
               JOIN airlines a ON f.carrier = a.carrier GROUP BY a.name ORDER BY flights DESC, a.name";
    let answer = bench.query(sql).await;
    let columns: Vec<_> = answer.columns().into_iter().map(|c| (c.name, c.data_type)).collect();
    let wanted = [("name", "text"), ("flights", "int"), ("delay", "float")];
    assert_eq!(columns, wanted.map(|(n, t)| (n.to_owned(), t.to_owned())));
    let rows = answer.to_json_rows().unwrap();
    assert_eq!(rows[0], [json!("United Air Lines Inc."), json!(33), json!(3.333_333_333_333_333_5)]);
    assert_eq!(rows[1][..2], [json!("ExpressJet Airlines Inc."), json!(30)]);
    assert_eq!(rows.iter().map(|r| r[1].as_u64().unwrap()).sum::<u64>(), 200);
    assert!(!answer.truncated);
    // The same data give the same answer, by its hash too.
    assert_eq!(answer.hash, bench.query(sql).await.hash);
    assert_ne!(answer.hash, bench.query("SELECT 1").await.hash);
}

#[tokio::test]
async fn values_become_json() {
    let mut bench = Bench::new();
    bench
        .load("t", "i,f,b,d,ts,tz,s\n1,0.1,true,2013-01-31,2013-01-31 05:00:00.25,2013-01-31T05:00:00+01:00,x\n,,,,,,\n")
        .await;
    let rows = bench.rows("SELECT * FROM t ORDER BY i").await;
    let first = json!([1, 0.1, true, "2013-01-31", "2013-01-31T05:00:00.250", "2013-01-31T04:00:00Z", "x"]);
    assert_eq!(json!(rows[0]), first);
    assert!(rows[1].iter().all(Value::is_null));
    let rows = bench
        .rows(
            "SELECT CAST(1.50 AS DECIMAL(10,2)), (SELECT array_agg(i ORDER BY i NULLS LAST) FROM t), \
             named_struct('a', 1, 'b', 'x'), 'NaN'::double, NULL, decode('6869', 'hex'), TIME '05:00:00', \
             arrow_cast(0.1, 'Float32')",
        )
        .await;
    assert_eq!(
        json!(rows[0]),
        json!(["1.50", [1, null], {"a": 1, "b": "x"}, "NaN", null, "aGk=", "05:00:00", 0.1])
    );
}

#[tokio::test]
async fn floats_that_json_cannot_write_are_told_from_what_is_missing() {
    let mut bench = Bench::new();
    bench.load("t", "n,f\n1,NaN\n2,Inf\n3,-Infinity\n4,\n5,0.5\n").await;
    let wide = bench.query("SELECT f FROM t ORDER BY n").await;
    let narrow = bench.query("SELECT arrow_cast(f, 'Float32') AS f FROM t ORDER BY n").await;
    for answer in [wide, narrow] {
        let rows = answer.to_json_rows().unwrap();
        assert_eq!(json!(rows), json!([["NaN"], ["Infinity"], ["-Infinity"], [null], [0.5]]));
        let csv = String::from_utf8(answer.to_csv().unwrap()).unwrap();
        assert_eq!(csv, "f\nNaN\nInfinity\n-Infinity\n\n0.5\n");
        let back = Answer::from_arrow_stream(&answer.to_arrow_stream().unwrap()).unwrap();
        assert_eq!(back.hash, answer.hash);
    }
    let inside =
        bench.rows("SELECT named_struct('f', 'NaN'::double), array_agg(f ORDER BY n DESC) FROM t").await;
    assert_eq!(json!(inside[0]), json!([{"f": "NaN"}, [0.5, null, "-Infinity", "Infinity", "NaN"]]));
    assert_ne!(
        bench.query("SELECT 'NaN'::double AS f").await.hash,
        bench.query("SELECT NULL::double AS f").await.hash
    );
}

/// What a file says of its smallest and largest values leaves NaN out, which nobody may take for all there is.
#[tokio::test]
async fn a_nan_is_in_every_answer_that_it_belongs_to() {
    let mut bench = Bench::new();
    bench.load("two", "x,y\nNaN,1\n1.5,2\n").await;
    assert_eq!(json!(bench.rows("SELECT x FROM two ORDER BY y").await), json!([["NaN"], [1.5]]));
    let counts = "SELECT sum(x), count(*) FILTER (WHERE isnan(x)), count(*) FILTER (WHERE x = 1.5) FROM two";
    assert_eq!(json!(bench.rows(counts).await), json!([["NaN", 1, 1]]));
    bench.load("three", "x,y\nNaN,1\n1.5,2\n3.5,3\n").await;
    for (sql, wanted) in [
        ("SELECT max(x) FROM three", json!("NaN")),
        ("SELECT max(x) FROM three WHERE y > 0", json!("NaN")),
        ("SELECT count(*) FROM three WHERE x > 100", json!(1)),
        ("SELECT count(*) FROM three WHERE x + 0 > 100", json!(1)),
        ("SELECT count(*) FROM three WHERE x = CAST('NaN' AS double)", json!(1)),
        ("SELECT min(x) FROM three", json!(1.5)),
    ] {
        assert_eq!(json!(bench.rows(sql).await), json!([[wanted]]), "{sql}");
    }
    // And deep inside of values.
    bench.load("nested", r#"[{"a": {"x": NaN}}, {"a": {"x": 1.5}}]"#).await;
    let deep = "SELECT max(a.x), count(*) FILTER (WHERE isnan(a.x)) FROM nested WHERE a.x > 100";
    assert_eq!(json!(bench.rows(deep).await), json!([["NaN", 1]]));
}

/// A filter above a join is about the column that it says, whatever other table has one of that name.
#[tokio::test]
async fn a_filter_is_about_its_own_tables_column() {
    let mut bench = Bench::new();
    bench.load("a", "k,s,j\n1,x,1\n2,,\n").await;
    bench.load("b", "k,j,s\n1,1,p\n9,5,p\n8,-1,p\n7,,p\n").await;
    let filter = "WHERE a.j IS NULL AND b.s IS NOT NULL AND a.s IS NULL ORDER BY 1";
    for join in ["a RIGHT JOIN b", "b LEFT JOIN a"] {
        let sql = format!("SELECT b.k FROM {join} ON a.k = b.k AND b.j > 0 {filter}");
        assert_eq!(json!(bench.rows(&sql).await), json!([[7], [8], [9]]), "{join}");
    }
}

#[tokio::test]
async fn answers_leave_in_four_forms() {
    let bench = Bench::flights().await;
    let answer = bench.query("SELECT carrier, name FROM airlines ORDER BY carrier LIMIT 2").await;
    assert_eq!(
        String::from_utf8(answer.to_csv().unwrap()).unwrap(),
        "carrier,name\n9E,Endeavor Air Inc.\nAA,American Airlines Inc.\n"
    );
    let mut json = Vec::new();
    answer.write_json_rows(&mut json).unwrap();
    assert_eq!(json, br#"[["9E","Endeavor Air Inc."],["AA","American Airlines Inc."]]"#);
    assert_eq!(&answer.to_parquet().unwrap()[..4], b"PAR1");
    let back = Answer::from_arrow_stream(&answer.to_arrow_stream().unwrap()).unwrap();
    assert_eq!((back.rows, &back.hash, back.truncated, back.bytes), (2, &answer.hash, false, answer.bytes));
    assert!(Answer::from_arrow_stream(b"nonsense").is_err());
    let empty = bench.query("SELECT carrier FROM airlines WHERE false").await;
    assert_eq!(empty.to_csv().unwrap(), b"carrier\n");
    assert_eq!(Answer::from_arrow_stream(&empty.to_arrow_stream().unwrap()).unwrap().rows, 0);
    let quoted = bench.query("SELECT 'a,\"b\"' AS \"x,y\", '' AS e, NULL AS n").await;
    assert_eq!(String::from_utf8(quoted.to_csv().unwrap()).unwrap(), "\"x,y\",e,n\n\"a,\"\"b\"\"\",\"\",\n");
}

#[tokio::test]
async fn names_are_found_whatever_their_case() {
    let mut bench = Bench::new();
    bench.load("My Sales", "Region,Total,year\nNorth,5,2013\nSouth,7,2014\n").await;
    for sql in [
        "SELECT Region, Total FROM \"My Sales\" ORDER BY total",
        "SELECT region, s.TOTAL FROM \"my sales\" s WHERE Year > 2000 ORDER BY Total",
        "SELECT \"Region\", \"Total\" FROM \"My Sales\" ORDER BY 2",
    ] {
        assert_eq!(bench.rows(sql).await, [[json!("North"), json!(5)], [json!("South"), json!(7)]], "{sql}");
    }
    // A name that the query gives wins over a column's.
    let rows = bench.rows("SELECT upper(Region) AS region FROM \"My Sales\" ORDER BY region DESC").await;
    assert_eq!(rows, [[json!("SOUTH")], [json!("NORTH")]]);
    let sql = "SELECT region FROM (SELECT lower(\"Region\") AS region FROM \"My Sales\") ORDER BY 1";
    assert_eq!(bench.rows(sql).await, [[json!("north")], [json!("south")]]);
}

#[tokio::test]
async fn errors_say_what_and_where() {
    let bench = Bench::flights().await;
    for (sql, code, place, says) in [
        ("SELECT *\nFROM flihgts", Code::UnknownTable, Some((2, 6)), "Did you mean 'flights'?"),
        ("SELECT 1 FROM other.flights", Code::UnknownTable, Some((1, 15)), "other.flights"),
        ("SELECT arr_dely\nFROM flights", Code::UnknownColumn, Some((1, 8)), "'arr_delay'"),
        ("SELECT f.carier FROM flights f", Code::UnknownColumn, Some((1, 8)), "'carrier'"),
        ("SELECT year FROM flights, planes", Code::AmbiguousColumn, None, "'year'"),
        ("SELECT nosuch(1)", Code::UnknownFunction, None, "nosuch"),
        ("SELECT *\nFROM flights WHERE )", Code::SyntaxError, Some((2, 20)), ""),
        ("SELECT carrier, count(*) FROM flights", Code::InvalidQuery, None, "carrier"),
        ("SELECT 1 / (carrier = 'UA')::int FROM flights", Code::DivisionByZero, None, "zero"),
        ("SELECT 1 / 0", Code::DivisionByZero, None, "zero"),
        ("SELECT CAST(carrier AS INT) FROM flights", Code::InvalidValue, None, ""),
        ("SELECT 9223372036854775807 + count(*) FROM flights", Code::InvalidValue, None, ""),
    ] {
        let error = bench.error(sql).await;
        assert_eq!(error.code, code, "{sql}: {error:?}");
        assert!(error.detail.contains(says), "{sql}: {error:?}");
        if let Some((line, column)) = place {
            assert_eq!((error.line, error.column), (Some(line), Some(column)), "{sql}: {error:?}");
        }
        for inside in ["weir.public", "tables/", ".parquet", "DataFusion", "weir://"] {
            assert!(!error.detail.contains(inside), "{sql}: {error:?}");
        }
    }
}

#[tokio::test]
async fn explain_shows_the_plan_and_not_the_store() {
    let bench = Bench::flights().await;
    let text = bench.rows("EXPLAIN SELECT count(*) FROM flights").await;
    let text = json!(text).to_string();
    assert!(text.contains("TableScan"), "{text}");
    assert!(!text.contains("tables/") && !text.contains("parquet"), "{text}");
}

#[tokio::test]
async fn a_lost_table_is_the_stores_fault() {
    let mut bench = Bench::new();
    bench.tables.push(weir_engine::sql::Table::new("gone", "tables/gone.parquet"));
    let error = bench.error("SELECT * FROM gone").await;
    assert_eq!(error.code, Code::StorageUnavailable, "{error:?}");
    assert!(!error.detail.contains("parquet"), "{error:?}");
}

#[tokio::test]
async fn previews_and_statements_without_tables() {
    let bench = Bench::flights().await;
    let preview =
        bench.engine.preview(&bench.keys[0], &Limits { rows: 5, ..Limits::default() }, ()).await.unwrap();
    assert_eq!((preview.rows, preview.truncated), (5, true));
    assert_eq!(bench.rows("VALUES (1, 'a'), (2, 'b')").await.len(), 2);
    assert_eq!(bench.rows("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n").await, [[json!(15)]]);
    let statement = parse("SELECT count(*) AS n FROM generate_series(1, 10)").unwrap();
    assert!(statement.tables.is_empty(), "{statement:?}");
    let answer = bench.engine.query(&statement, &[], &Limits::default()).await.unwrap();
    assert_eq!(answer.to_json_rows().unwrap(), [[json!(10)]]);
}

#[tokio::test]
async fn now_is_one_moment_all_through_a_query() {
    let bench = Bench::new();
    let sql = "SELECT count(DISTINCT t) AS moments, min(t) > TIMESTAMP '2020-01-01' AS late, \
               count(DISTINCT d) AS days FROM (SELECT now() AS t, current_date AS d \
               FROM generate_series(1, 1000))";
    assert_eq!(bench.rows(sql).await, [[json!(1), json!(true), json!(1)]]);
}
