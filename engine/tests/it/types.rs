//! Types that are asked for.

use serde_json::{Value, json};
use weir_engine::ingest::ReadOptions;
use weir_engine::sql::Table;

use crate::support::{Bench, types};

fn asked(types: &[(&str, &str)]) -> ReadOptions {
    let types =
        types.iter().map(|(column, data_type)| ((*column).to_owned(), (*data_type).to_owned())).collect();
    ReadOptions { types, ..ReadOptions::default() }
}

#[tokio::test]
async fn what_does_not_fit_is_shown_before_anything_changes() {
    let bench = Bench::new();
    let mut text = "id,n,zip\n".to_owned();
    (0..300).for_each(|i| text.push_str(&format!("{i},{},0{i}\n", if i % 2 == 0 { "7" } else { "seven" })));
    bench.put("uploads/t", text.clone()).await;
    let options = asked(&[("n", "int"), ("id", "text")]);
    let misfits = bench.engine.try_types("uploads/t", &options).await.unwrap();
    assert_eq!(misfits.rows, 300);
    let columns: Vec<(&str, u64, usize)> =
        misfits.columns.iter().map(|m| (m.column.as_str(), m.count, m.first.len())).collect();
    assert_eq!(columns, [("id", 0, 0), ("n", 150, 100)]);
    assert_eq!((misfits.columns[1].first[0].row, misfits.columns[1].first[0].found.as_str()), (3, "seven"));

    let rejection = bench.rejected_with(text.clone(), &options).await;
    assert_eq!((rejection.code, rejection.row), ("type_mismatch", Some(3)));
    assert_eq!((rejection.column.as_deref(), rejection.found.as_deref()), (Some("n"), Some("seven")));
    let ingested = bench.ingest(text, &ReadOptions { allow_unfit: true, ..options }).await.unwrap();
    assert_eq!(types(&ingested), "id text, n int, zip text");
    assert_eq!((ingested.columns[1].unfit, ingested.columns[1].nullable), (150, true));
}

#[tokio::test]
async fn every_format_takes_types() {
    let mut bench = Bench::new();
    let text = "a,b,c,d\n1,yes,2013-01-01 00:00,NA\n2.0,no,2013-01-02,5\n";
    let options = asked(&[("a", "int"), ("b", "bool"), ("c", "date"), ("d", "float")]);
    bench.put("uploads/c", text).await;
    let ingested = bench.engine.ingest("uploads/c", "tables/c", &options, |_| {}).await.unwrap();
    assert_eq!(types(&ingested), "a int, b bool, c date, d float");
    bench.tables.push(Table::new("c", "tables/c"));
    assert_eq!(
        bench.rows("SELECT a, b, d FROM c ORDER BY a").await,
        [[json!(1), json!(true), Value::Null], [json!(2), json!(false), json!(5.0)]]
    );

    let json_rows = r#"[{"a":"1","b":2,"c":{"x":1}},{"a":"x","b":3,"c":null}]"#;
    let options = ReadOptions { allow_unfit: true, ..asked(&[("a", "int"), ("b", "text"), ("c", "text")]) };
    let ingested = bench.ingest(json_rows, &options).await.unwrap();
    assert_eq!((types(&ingested).as_str(), ingested.columns[0].unfit), ("a int, b text, c text", 1));

    // The engine's own tables are Parquet.
    let table = std::fs::read(bench.dir.path().join("blobs/tables/c")).unwrap();
    let ingested = bench.ingest(table, &asked(&[("a", "text"), ("c", "timestamp")])).await.unwrap();
    assert_eq!(types(&ingested), "a text, b bool, c timestamp, d float");
}

#[tokio::test]
async fn nonsense_is_told() {
    let bench = Bench::new();
    for (types, code, column) in
        [(&[("a", "varchar")][..], "invalid_option", "a"), (&[("aa", "int")], "unknown_column", "aa")]
    {
        let rejection = bench.rejected_with("a,b\n1,2\n", &asked(types)).await;
        assert_eq!((rejection.code, rejection.column.as_deref()), (code, Some(column)));
    }
    let nested = bench.rejected_with(r#"[{"a":{"x":1}}]"#, &asked(&[("a", "int")])).await;
    assert_eq!(nested.code, "invalid_option");
}
