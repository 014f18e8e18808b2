//! Any table in any format comes back as it was; damage of any kind does no harm.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::ipc::writer::FileWriter;
use datafusion::parquet::arrow::ArrowWriter;
use proptest::prelude::*;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use weir_engine::ingest::{IngestError, Ingested, ReadOptions};
use weir_engine::sql::{Limits, Table, parse};

use crate::support::Bench;

fn bench() -> &'static (Runtime, Bench) {
    static BENCH: OnceLock<(Runtime, Bench)> = OnceLock::new();
    BENCH.get_or_init(|| (Runtime::new().unwrap(), Bench::new()))
}

fn key() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    format!("hostile-{}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

type Row = (Option<i64>, Option<f64>, Option<bool>, Option<String>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        prop::option::weighted(0.8, -1_000_000_000_000_000i64..1_000_000_000_000_000),
        // A fraction, so that a column of them is one of floats in any format.
        prop::option::weighted(0.8, (-1_000_000i64..1_000_000).prop_map(|n| n as f64 + 0.5)),
        prop::option::weighted(0.8, any::<bool>()),
        prop::option::weighted(0.8, "x[ a-zA-Z0-9,;\"'üß€{}\\[\\]\\\\:-]{0,12}"),
    );
    let first = (any::<i32>(), any::<bool>())
        .prop_map(|(n, b)| (Some(n.into()), Some(0.5), Some(b), Some("x".into())));
    (first, prop::collection::vec(row, 0..30)).prop_map(|(first, rest)| [vec![first], rest].concat())
}

fn record_batch(rows: &[Row]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("i", DataType::Int64, true),
        Field::new("f", DataType::Float64, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("t", DataType::Utf8, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|r| r.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| r.1).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|r| r.2).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|r| r.3.as_deref()).collect::<StringArray>()),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn written(rows: &[Row], format: &str) -> Vec<u8> {
    let object = |r: &Row| json!({"i": r.0, "f": r.1, "b": r.2, "t": r.3}).to_string();
    let objects: Vec<String> = rows.iter().map(object).collect();
    let mut out = Vec::new();
    match format {
        "json" => out = format!("[{}]", objects.join(",\n")).into_bytes(),
        "ndjson" => out = (objects.join("\n") + "\n").into_bytes(),
        "parquet" => {
            let batch = record_batch(rows);
            let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        }
        "arrow" => {
            let batch = record_batch(rows);
            let mut writer = FileWriter::try_new(&mut out, &batch.schema()).unwrap();
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
        }
        _ => {
            let mut book = Workbook::new();
            let sheet = book.add_worksheet();
            for (column, name) in ["i", "f", "b", "t"].into_iter().enumerate() {
                sheet.write(0, column as u16, name).unwrap();
            }
            for (at, (i, f, b, t)) in rows.iter().enumerate() {
                let row = at as u32 + 1;
                if let Some(i) = i {
                    sheet.write(row, 0, *i as f64).unwrap();
                }
                if let Some(f) = f {
                    sheet.write(row, 1, *f).unwrap();
                }
                if let Some(b) = b {
                    sheet.write(row, 2, *b).unwrap();
                }
                if let Some(t) = t {
                    sheet.write_string(row, 3, t).unwrap();
                }
            }
            out = book.save_to_buffer().unwrap();
        }
    }
    out
}

const CELLS: &str = "SELECT i, f, b, t FROM t";
const ALL: &str = "SELECT * FROM t";

/// How it was read, and what is in it.
async fn read(bytes: Vec<u8>, sql: &str) -> Result<(Ingested, Vec<Vec<Value>>), IngestError> {
    let bench = &bench().1;
    let (source, table) = (format!("uploads/{}", key()), format!("tables/{}", key()));
    bench.put(&source, bytes).await;
    let ingested = bench.engine.ingest(&source, &table, &ReadOptions::default(), |_| {}).await;
    if ingested.is_err() {
        assert!(!bench.exists(&table).await);
    }
    let ingested = ingested?;
    let answer = bench
        .engine
        .query(&parse(sql).unwrap(), &[Table::new("t", table)], &Limits::default())
        .await
        .unwrap();
    Ok((ingested, answer.to_json_rows().unwrap()))
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_the_same_in_every_format(rows in rows()) {
        // A sheet has no row for nothing.
        let filled: Vec<Row> = rows.iter().filter(|r| **r != (None, None, None, None)).cloned().collect();
        for format in ["json", "ndjson", "parquet", "arrow", "xlsx"] {
            if format == "ndjson" && filled.len() < 2 {
                continue;
            }
            let bytes = written(&filled, format);
            let (ingested, found) = bench().0.block_on(read(bytes.clone(), CELLS)).unwrap();
            prop_assert_eq!(&ingested.format, format);
            let wanted: Vec<Vec<Value>> =
                filled.iter().map(|r| vec![json!(r.0), json!(r.1), json!(r.2), json!(r.3)]).collect();
            prop_assert_eq!(&found, &wanted, "{}", format);
            if format.ends_with("json") {
                for (packed, suffix) in [(gz(&bytes), ".gz"), (zst(&bytes), ".zst")] {
                    let (packed, same) = bench().0.block_on(read(packed, CELLS)).unwrap();
                    prop_assert_eq!(packed.format, format!("{format}{suffix}"));
                    prop_assert_eq!((packed.columns, same), (ingested.columns.clone(), found.clone()));
                }
            }
        }
    }

    #[test]
    fn damage_does_no_harm(
        rows in rows(),
        format in prop::sample::select(vec!["json", "parquet", "arrow", "xlsx", "xls", "zst"]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = match format {
            "xls" => include_bytes!("../data/people.xls").to_vec(),
            "zst" => zst(&written(&rows, "json")),
            format => written(&rows, format),
        };
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        match bench().0.block_on(read(bytes, ALL)) {
            Ok(_) | Err(IngestError::Rejected(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_text_like_json_does_no_harm(text in "[\\[{][\\[\\]{}\",:0-9a-ntrueflsx.\\\\\n -]{0,80}") {
        match bench().0.block_on(read(text.into_bytes(), ALL)) {
            Ok(_) | Err(IngestError::Rejected(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn zstd_is_unpacked_within_bounds() {
    let bench = Bench::new();
    let text = b"a,b\n1,2\n".to_vec();
    let several = [zst(b"a,b\n1,2\n"), b"\x50\x2a\x4d\x18\x03\0\0\0xyz".to_vec(), zst(b"3,4\n")].concat();
    let ingested = bench.ingest(several.clone(), &ReadOptions::default()).await.unwrap();
    assert_eq!((ingested.rows, ingested.format.as_str()), (2, "csv.zst"));
    let tabs = bench.ingest(zst(b"a\tb\n1\t2\n"), &ReadOptions::default()).await.unwrap();
    assert_eq!(tabs.format, "tsv.zst");
    let packed = zst(&text.repeat(1000));
    let fresh = Bench::new();
    let cut = fresh.rejected(packed[..packed.len() - 1].to_vec()).await;
    assert_eq!((cut.code, cut.detail.contains("ends too early")), ("corrupt_zstd", true), "{cut}");
    let trailing = fresh.rejected([several, b"5,6\n".to_vec()].concat()).await;
    assert_eq!(
        (trailing.code, trailing.detail.contains("is not zstd")),
        ("corrupt_zstd", true),
        "{trailing}"
    );
    // A frame that wants two gigabytes to look back into.
    let wide = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00".to_vec();
    let rejected = fresh.rejected(wide).await;
    assert_eq!(rejected.code, "corrupt_zstd", "{rejected}");
    let inner = fresh.rejected(zst(&zst(&text))).await;
    assert_eq!(inner.code, "binary_file");
    let unpacked_bytes = 1 << 20;
    let files = weir_engine::ingest::Limits { unpacked_bytes, ..weir_engine::ingest::Limits::default() };
    let bench = Bench::with(weir_engine::Config { files, ..weir_engine::Config::default() });
    let bomb = zst(&vec![b'1'; 64 << 20]);
    assert!(bomb.len() < 1 << 16);
    let code = bench.rejected(bomb).await.code;
    assert!(["file_too_large", "row_too_large"].contains(&code), "{code}");
}
