//! JSON files.

use serde_json::{Value, json};
use weir_engine::Config;
use weir_engine::ingest::{Limits, ReadOptions};

use crate::support::{Bench, types};

#[tokio::test]
async fn rows_are_found_wherever_they_are() {
    let bench = Bench::new();
    for (text, format, wanted, rows) in [
        (r#"[{"a":1,"b":"x"},{"a":2}]"#, "json", "a int, b text", 2),
        ("{\"a\":1}\n{\"a\":2.5}\n\n", "ndjson", "a float", 2),
        ("\u{feff}{\"a\":1}{\"a\":2}", "ndjson", "a int", 2),
        (r#"{"page":1,"data":{"items":[{"a":true},{"a":null}]}}"#, "json", "a bool", 2),
        (r#"{"a":1,"tags":["x","y"]}"#, "json", "a int, tags list", 1),
        (r#"[1,2,3]"#, "json", "value int", 3),
        (r#"[[1,2],[3]]"#, "json", "value list", 2),
        (r#"[null,{"a":1}]"#, "json", "a int", 2),
        (r#"[{"A":1,"a":2}]"#, "json", "A int, a int", 1),
        (r#"[{"":1,"a\nb":2}]"#, "json", "column_1 int, a b int", 1),
    ] {
        let ingested = bench.ingest(text, &ReadOptions::default()).await.unwrap();
        assert_eq!(
            (types(&ingested).as_str(), ingested.format.as_str(), ingested.rows),
            (wanted, format, rows)
        );
    }
    let ingested = bench.ingest(r#"{"x":{"y":[{"a":1}]}}"#, &ReadOptions::default()).await.unwrap();
    assert_eq!(ingested.options.records.as_deref(), Some("x.y"));
    let several = r#"{"a":[{"n":1}],"b":[{"m":1},{"m":2}],"c":[1,2,3,4]}"#;
    for (records, wanted, rows) in
        [("a", "n int", 1), ("b", "m int", 2), ("c", "value int", 4), (".", "a list, b list, c list", 1)]
    {
        let options = ReadOptions { records: Some(records.to_owned()), ..ReadOptions::default() };
        let ingested = bench.ingest(several, &options).await.unwrap();
        assert_eq!((types(&ingested).as_str(), ingested.rows), (wanted, rows));
    }
}

#[tokio::test]
async fn values_keep_what_they_are() {
    let mut bench = Bench::new();
    let text = r#"[
        {"n": 1, "big": 99999999999999999999, "zip": "02134", "day": "2013-01-31", "at": "2013-01-31T05:00:00Z",
         "mix": 1, "deep": {"x": 1}, "when": "", "special": NaN},
        {"n": -2, "big": 1, "zip": "17", "day": "2014-01-31", "at": "2013-02-01T05:00:00+01:00",
         "mix": "1", "deep": [1, {"y": "z"}], "when": "2013-01-31", "special": 1.5},
        {"n": null, "big": 2, "zip": "x", "mix": true, "deep": "s"}
    ]"#;
    let ingested = bench.load("t", text).await;
    assert_eq!(
        types(&ingested),
        "n int, big text, zip text, day date, at timestamptz, mix text, deep text, when date, special float"
    );
    assert_eq!(ingested.columns[0].missing, [("null".to_owned(), 1)].into());
    assert_eq!(ingested.columns[3].missing, [(String::new(), 1)].into());
    assert!(!ingested.columns[1].nullable);
    let rows = bench.rows("SELECT big, mix, deep FROM t ORDER BY n NULLS LAST").await;
    assert_eq!(
        rows,
        [
            [json!("1"), json!("1"), json!(r#"[1, {"y": "z"}]"#)],
            [json!("99999999999999999999"), json!("1"), json!(r#"{"x": 1}"#)],
            [json!("2"), json!("true"), json!("\"s\"")],
        ]
    );
    let options = ReadOptions { missing: Some(vec!["-999".into()]), ..ReadOptions::default() };
    let marked = bench.ingest(r#"[{"a":-999},{"a":5}]"#, &options).await.unwrap();
    assert_eq!(marked.columns[0].missing, [("-999".to_owned(), 1)].into());
}

#[tokio::test]
async fn nested_values_are_reached_in_sql() {
    let mut bench = Bench::new();
    bench
        .load(
            "t",
            "{\"id\":1,\"Who\":{\"Name\":\"Ada\",\"at\":{\"city\":\"London\"}},\"tags\":[\"x\",\"y\"],\
             \"items\":[{\"n\":1,\"p\":2.5},{\"n\":2}]}\n\
             {\"id\":2,\"Who\":{\"Name\":\"Grace\"},\"tags\":[],\"items\":null}\n",
        )
        .await;
    for (sql, wanted) in [
        ("SELECT t.who.at.city FROM t ORDER BY id", json!([["London"], [null]])),
        ("SELECT who.name FROM t ORDER BY id", json!([["Ada"], ["Grace"]])),
        ("SELECT who['Name'] FROM t ORDER BY id", json!([["Ada"], ["Grace"]])),
        ("SELECT tags[1], array_length(tags) FROM t ORDER BY id", json!([["x", 2], [null, 0]])),
        ("SELECT t.tags[2] FROM t WHERE id = 1", json!([["y"]])),
        ("SELECT tags[1:1] FROM t WHERE id = 1", json!([[["x"]]])),
        ("SELECT items[1].p, items[2]['n'] FROM t ORDER BY id", json!([[2.5, 2], [null, null]])),
        ("SELECT id, unnest(tags) AS tag FROM t ORDER BY tag", json!([[1, "x"], [1, "y"]])),
        (
            "SELECT id, item.n FROM (SELECT id, unnest(items) AS item FROM t) AS s ORDER BY item.n",
            json!([[1, 1], [1, 2]]),
        ),
        ("SELECT count(*) FROM t WHERE array_has(tags, 'y')", json!([[1]])),
        (
            "SELECT who.at.city AS city, count(*) FROM t GROUP BY who.at.city ORDER BY city",
            json!([["London", 1], [null, 1]]),
        ),
    ] {
        let rows: Vec<Value> = bench.rows(sql).await.into_iter().map(Value::Array).collect();
        assert_eq!(Value::Array(rows), wanted, "{sql}");
    }
}

#[tokio::test]
async fn bad_json_is_rejected_with_its_place() {
    let bench = Bench::new();
    for (text, code, row, column) in [
        ("[{\"a\":1},\n{\"a\":tru}]", "invalid_json", Some(2), None),
        ("{\"a\":1}\n{\"a\":1\n", "invalid_json", Some(2), None),
        ("[{\"a\":1}", "invalid_json", Some(1), None),
        ("[{\"a\":1}] x", "invalid_json", Some(1), None),
        ("[{\"a\":1},]", "invalid_json", Some(1), None),
        ("[{\"a\":1} {\"a\":1}]", "invalid_json", Some(1), None),
        ("[{\"b\":{\"a\":1,\n\"a\":2}}]", "duplicate_key", Some(2), Some("b.a")),
        ("[{\"a\":1},2]", "mixed_rows", Some(1), None),
        ("{\"a\":[{}],\"b\":[{}]}", "ambiguous_records", None, None),
        ("[]", "no_rows", None, None),
        ("{}", "no_rows", None, None),
        ("{'a':1}", "invalid_json", Some(1), None),
    ] {
        let rejection = bench.rejected(text).await;
        assert_eq!((rejection.code, rejection.row), (code, row), "{text}: {rejection}");
        if column.is_some() {
            assert_eq!(rejection.column.as_deref(), column);
        }
    }
    let deep = format!("[{}{}]", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(bench.rejected(deep).await.code, "too_deep");
    let files =
        Limits { columns: 3, cell_bytes: 10, row_bytes: 1000, unpacked_bytes: 100_000, ..Limits::default() };
    let bench = Bench::with(Config { files, ..Config::default() });
    assert_eq!(bench.rejected(r#"[{"a":{"b":1,"c":2,"d":3}}]"#).await.code, "too_many_columns");
    assert_eq!(bench.rejected(r#"[{"a":"12345678901"}]"#).await.code, "cell_too_large");
    assert_eq!(bench.rejected(format!("[[{}1]]", "1,".repeat(1000))).await.code, "row_too_large");
    assert_eq!(bench.rejected("{\"a\":1}\n".repeat(20_000)).await.code, "file_too_large");
    let latin = b"[{\"a\":\"M\xfcller\"}]".to_vec();
    assert_eq!(bench.rejected(latin).await.code, "invalid_encoding");
}

#[tokio::test]
async fn a_row_that_grows_beyond_all_bounds_is_refused() {
    // A few megabytes that name five hundred columns once, and half a million objects that have none of them.
    let keys: Vec<String> = (0..500).map(|n| format!("\"k{n}\":1")).collect();
    let text = format!("[{{\"a\":[{{{}}}{}]}}]", keys.join(","), ",{}".repeat(500_000));
    assert_eq!(Bench::new().rejected(text).await.code, "row_too_large");
}
