//! Any table, written and read, is the same table; any bytes at all do no harm.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::Value;
use tokio::runtime::Runtime;
use weir_engine::ingest::{IngestError, ReadOptions};
use weir_engine::sql::{Limits, Table, parse};

use crate::support::Bench;

fn bench() -> &'static (Runtime, Bench) {
    static BENCH: OnceLock<(Runtime, Bench)> = OnceLock::new();
    BENCH.get_or_init(|| (Runtime::new().unwrap(), Bench::new()))
}

fn key() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()
}

/// Columns of a type, each with values as they are written and as they should come back.
fn column(rows: usize) -> impl Strategy<Value = (char, Vec<Option<(String, Value)>>)> {
    let int = any::<i64>().prop_map(|n| (n.to_string(), Value::from(n)));
    let float = (-1e12..1e12f64).prop_map(|n| (format!("{n:?}"), Value::from(n)));
    let boolean = any::<bool>().prop_map(|b| (b.to_string(), Value::from(b)));
    // A letter in front keeps a text from being a number or a marker.
    let text = "x[ a-zA-Z0-9,;\"'\n\r\tüß€-]{0,12}".prop_map(|s| (s.clone(), Value::from(s)));
    let of = move |values: BoxedStrategy<(String, Value)>, kind: char| {
        let cells = prop::collection::vec(prop::option::weighted(0.8, values), rows);
        // The first value is there, so that the column is of its type.
        cells
            .prop_filter("a value in front", |c| c.first().is_some_and(Option::is_some))
            .prop_map(move |cells| (kind, cells))
    };
    prop_oneof![of(int.boxed(), 'i'), of(float.boxed(), 'f'), of(boolean.boxed(), 'b'), of(text.boxed(), 't'),]
}

fn written(cell: &str, quote: bool) -> String {
    let must = cell.contains([',', '"', '\n', '\r', ' ', '\t']);
    if quote || must { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        columns in (1usize..30).prop_flat_map(|rows| prop::collection::vec(column(rows), 2..6)),
        quote in any::<bool>(),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        packed in any::<bool>(),
    ) {
        let rows = columns[0].1.len();
        let mut text: String =
            (0..columns.len()).map(|i| format!("name{i}")).collect::<Vec<_>>().join(",");
        text.push_str(end);
        for row in 0..rows {
            let cells: Vec<String> = columns
                .iter()
                .map(|(kind, cells)| match &cells[row] {
                    Some((cell, _)) => written(cell, quote && *kind == 't'),
                    None => String::new(),
                })
                .collect();
            text.push_str(&cells.join(","));
            text.push_str(end);
        }
        let bytes = if packed {
            use std::io::Write;
            let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gz.write_all(text.as_bytes()).unwrap();
            gz.finish().unwrap()
        } else {
            text.clone().into_bytes()
        };
        let (runtime, bench) = bench();
        let read = runtime.block_on(async {
            let (source, table) = (format!("uploads/{}", key()), format!("tables/{}", key()));
            bench.put(&source, bytes).await;
            let options =
                ReadOptions { delimiter: Some(','), header: Some(true), ..ReadOptions::default() };
            let ingested = bench.engine.ingest(&source, &table, &options, |_| {}).await.unwrap();
            let answer = bench
                .engine
                .query(&parse("SELECT * FROM t").unwrap(), &[Table::new("t", table)], &Limits::default())
                .await
                .unwrap();
            (ingested, answer.to_json_rows().unwrap())
        });
        prop_assert_eq!(read.0.rows, rows as u64);
        for (i, (kind, cells)) in columns.iter().enumerate() {
            let data_type = &read.0.columns[i].data_type;
            let wanted = match kind { 'i' => "int", 'f' => "float", 'b' => "bool", _ => "text" };
            prop_assert_eq!(data_type.as_str(), wanted, "{}", text);
            for (row, cell) in cells.iter().enumerate() {
                let wanted = cell.as_ref().map_or(Value::Null, |(_, value)| value.clone());
                prop_assert_eq!(&read.1[row][i], &wanted, "{}", text);
            }
        }
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..400),
        "[a-c0-9,;\"\n\r \t.-]{0,200}".prop_map(String::into_bytes),
    ]) {
        let (runtime, bench) = bench();
        runtime.block_on(async {
            let (source, table) = (format!("uploads/{}", key()), format!("tables/{}", key()));
            bench.put(&source, bytes.clone()).await;
            match bench.engine.ingest(&source, &table, &ReadOptions::default(), |_| {}).await {
                Ok(ingested) => {
                    let preview = bench.engine.preview(&table, &Limits { rows: 10, ..Limits::default() }, ()).await.unwrap();
                    assert_eq!(preview.rows, ingested.rows.min(10));
                }
                Err(IngestError::Rejected(_)) => assert!(!bench.exists(&table).await),
                Err(other) => panic!("{other:?} for {bytes:?}"),
            }
        });
    }

    #[test]
    fn any_sql_does_no_harm(sql in "[a-z0-9'\"(),.*;=<>+ /-]{0,80}") {
        if let Ok(statement) = parse(&sql) {
            // A pattern of a pattern's own text is itself, where that is SQL.
            let again = parse(&statement.sql).unwrap();
            prop_assert_eq!(again.pattern_hash, statement.pattern_hash);
        }
    }

    #[test]
    fn patterns_do_not_depend_on_literals(a in any::<i32>(), b in "[a-z' ]{0,9}", list in prop::collection::vec(any::<u16>(), 1..9)) {
        let list = list.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
        let sql = format!("SELECT x FROM t WHERE a > {a} AND b = '{}' AND c IN ({list}) LIMIT {}", b.replace('\'', "''"), a.unsigned_abs());
        let plain = parse("select X from T where A > 1 and B = 'b' and C in (1) limit 5").unwrap();
        prop_assert_eq!(parse(&sql).unwrap().pattern, plain.pattern);
    }
}
