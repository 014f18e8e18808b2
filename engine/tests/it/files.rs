//! Files of many kinds.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use weir_engine::ingest::{IngestError, Limits, Phase, ReadOptions};
use weir_engine::{Column, Config};

use crate::support::{Bench, types};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn column<'a>(columns: &'a [Column], name: &str) -> &'a Column {
    columns.iter().find(|c| c.name == name).unwrap()
}

#[tokio::test]
async fn flights_get_the_types_they_have() {
    let bench = Bench::new();
    let flights = include_bytes!("../data/flights.csv");
    let ingested = bench.ingest(gz(flights), &ReadOptions::default()).await.unwrap();
    assert_eq!((ingested.rows, ingested.format.as_str()), (200, "csv.gz"));
    assert_eq!(column(&ingested.columns, "time_hour").data_type, "timestamptz");
    assert_eq!(column(&ingested.columns, "carrier").data_type, "text");
    assert_eq!(column(&ingested.columns, "arr_delay").data_type, "int");
    assert_eq!(ingested.options.delimiter, Some(','));
    assert_eq!(ingested.options.header, Some(true));
    assert_eq!(ingested.options.encoding.as_deref(), Some("utf-8"));

    let planes = bench.ingest(include_str!("../data/planes.csv"), &ReadOptions::default()).await.unwrap();
    let speed = column(&planes.columns, "speed");
    assert_eq!((speed.data_type.as_str(), speed.nullable), ("int", true));
    assert_eq!(speed.missing["NA"], planes.rows - 2);
    let weather = bench.ingest(include_str!("../data/weather.csv"), &ReadOptions::default()).await.unwrap();
    assert_eq!(column(&weather.columns, "wind_gust").data_type, "float");
}

#[tokio::test]
async fn every_row_counts_for_the_type() {
    let mut text = "n,when\n".to_owned();
    for i in 0..100_000 {
        text.push_str(&format!("{i},2013-01-01\n"));
    }
    text.push_str("02134,2013-01-01 05:00\n");
    let ingested = Bench::new().ingest(text, &ReadOptions::default()).await.unwrap();
    assert_eq!(types(&ingested), "n text, when timestamp");
    assert_eq!(ingested.rows, 100_001);
}

/// Files for Excel say in their first line what separates their fields.
#[tokio::test]
async fn a_first_line_may_name_the_separator() {
    for (text, wanted) in [
        ("sep=;\r\na;b\r\n1,5;x\r\n", "a text, b text"),
        ("\u{feff}SEP=|\na|b\n1|2\n", "a int, b int"),
        ("sep=\t\na\tb\n1\t2\n", "a int, b int"),
        // Not so these.
        ("sep=x\n1\n", "sep=x int"),
        ("sep=;b\n1;2\n", "sep= int, b int"),
    ] {
        let ingested = Bench::new().ingest(text, &ReadOptions::default()).await.unwrap();
        assert_eq!((types(&ingested).as_str(), ingested.rows), (wanted, 1), "{text:?}");
    }
    // The line counts where the file is told about.
    let rejection = Bench::new().rejected("sep=;\na;b\n1;2;3\n").await;
    assert_eq!((rejection.code, rejection.row), ("ragged_row", Some(3)));
}

/// Where an integer is among floats it may be somebody's number: it is a float only if that is the same to the digit.
#[tokio::test]
async fn no_integer_is_rounded() {
    let long = "9".repeat(400);
    for (cells, wanted) in [
        ("9007199254740992,0.5", "float"),
        ("9007199254740993,0.5", "text"),
        ("-9007199254740993,NaN", "text"),
        ("1.0,9223372036854775807", "text"),
        ("100000000000000000000,0.5", "float"),
        ("100000000000000000001,0.5", "text"),
        (&format!("{long},0.5"), "text"),
        ("1e-400,1", "text"),
        ("0e-400,1", "float"),
        ("0.12345678901234567890,1", "float"),
        ("9223372036854775807,1", "int"),
    ] {
        let text = format!("v\n{}\n", cells.replace(',', "\n"));
        let ingested = Bench::new().ingest(text, &ReadOptions::default()).await.unwrap();
        assert_eq!(types(&ingested), format!("v {wanted}"), "{cells}");
    }
    let json = r#"[{"v": 9007199254740993}, {"v": 0.5}]"#;
    let ingested = Bench::new().ingest(json, &ReadOptions::default()).await.unwrap();
    assert_eq!(types(&ingested), "v text");
}

/// The first rows promise what the others are. One that breaks the promise counts as if it had come first.
#[tokio::test]
async fn what_comes_late_counts_as_what_comes_first() {
    let mut bench = Bench::new();
    for (n, (usual, odd)) in [
        ("7", "x"),
        ("7", "007"),
        ("7", "1.5"),
        ("7", "NA"),
        ("7", "99999999999999999999"),
        ("1.5", "NaN"),
        ("1.5", "9007199254740993"),
        ("9007199254740993", "1.5"),
        ("1.5", "9007199254740992"),
        ("1.5", "1e-400"),
        ("1.5", ""),
        ("2013-01-31", "2013-01-31 05:00"),
        ("2013-01-31 05:00", "2013-01-31 05:00:00.123456789"),
        ("2013-01-31 05:00", "2013-01-31T05:00:00Z"),
        ("true", "maybe"),
        ("a", "\"NA\""),
        ("a", "7"),
        ("", "7"),
        ("", "a"),
    ]
    .into_iter()
    .enumerate()
    {
        // Whether NA is a text or missing here depends on the other column.
        let usual = format!("{usual},NA\n").repeat(25_000);
        let odd = format!("{odd},b\n");
        let early = bench.load(&format!("early{n}"), format!("v,t\n{odd}{usual}")).await;
        let late = bench.load(&format!("late{n}"), format!("v,t\n{usual}{odd}")).await;
        assert_eq!(late.columns, early.columns, "{odd}");
        assert_eq!((late.rows, &late.options), (early.rows, &early.options), "{odd}");
        let both = ["early", "late"].map(|table| {
            format!(
                "SELECT CAST(v AS text) AS v, t, count(*) AS n FROM {table}{n} GROUP BY 1, 2 ORDER BY 1, 2"
            )
        });
        assert_eq!(bench.rows(&both[0]).await, bench.rows(&both[1]).await, "{odd}");
    }
    // Without a header the first row is one like the others.
    let usual = "1,x\n".repeat(25_000);
    let early = bench.load("early", format!("2.5,x\n{usual}")).await;
    let late = bench.load("late", format!("{usual}2.5,x\n")).await;
    assert_eq!((types(&late), late.rows), ("column_1 float, column_2 text".to_owned(), 25_001));
    assert_eq!(late.columns, early.columns);
}

#[tokio::test]
async fn markers_are_missing_or_not() {
    let mut bench = Bench::new();
    let kept = bench.load("kept", "code,n\nNA,1\nDE,2\n,3\n").await;
    assert_eq!(column(&kept.columns, "code").missing, [(String::new(), 1)].into());
    assert_eq!(
        bench.rows("SELECT code FROM kept ORDER BY n").await,
        [[json!("NA")], [json!("DE")], [Value::Null]]
    );

    let taken = bench.load("taken", "code,n\nNA,1\nDE,NA\nN/A,3\n").await;
    assert_eq!(column(&taken.columns, "code").missing, [("NA".to_owned(), 1)].into());
    assert_eq!(bench.rows("SELECT count(code), count(n) FROM taken").await, [[json!(2), json!(2)]]);

    let options = ReadOptions { missing_in_text: Some(vec!["".into()]), ..ReadOptions::default() };
    let corrected = bench.ingest("code,n\nNA,1\nDE,NA\n", &options).await.unwrap();
    assert!(column(&corrected.columns, "code").missing.is_empty());
    assert!(!column(&corrected.columns, "code").nullable);

    let options = ReadOptions { missing: Some(vec!["-999".into()]), ..ReadOptions::default() };
    let own = bench.ingest("a,b\n-999,NA\n5,x\n,y\n", &options).await.unwrap();
    assert_eq!(types(&own), "a int, b text");
    assert_eq!(column(&own.columns, "a").missing, [("-999".to_owned(), 1), (String::new(), 1)].into());
}

#[tokio::test]
async fn quoted_nothing_is_a_text() {
    let mut bench = Bench::new();
    bench.load("t", "a,n\n\"\",1\n,2\n\"x\"\"y\nz\",3\n").await;
    assert_eq!(
        bench.rows("SELECT a FROM t ORDER BY n").await,
        [[json!("")], [Value::Null], [json!("x\"y\nz")]]
    );
}

#[tokio::test]
async fn dialects_are_found_out() {
    let bench = Bench::new();
    for (text, wanted, delimiter, header) in [
        ("a;b\r\n1;x\r\n2;y\r\n", "a int, b text", ';', true),
        ("a\tb\n1\t2.5", "a int, b float", '\t', true),
        ("a|b\n1|true\n", "a int, b bool", '|', true),
        ("1,x\n2,y\n", "column_1 int, column_2 text", ',', false),
        ("a,a,,b\n1,2,3,4\n", "a int, a_2 int, column_3 int, b int", ',', true),
        ("\u{feff}a,b\n1,2\n", "a int, b int", ',', true),
        ("only\n1\n\n3\n", "only int", ',', true),
        ("a,b\n\n1,2\n\n\n3,4\n\n", "a int, b int", ',', true),
        ("a , b\n 1 , 2013-01-01 \n", "a int, b date", ',', true),
    ] {
        let ingested = bench.ingest(text, &ReadOptions::default()).await.unwrap();
        assert_eq!(types(&ingested), wanted, "{text:?}");
        assert_eq!(ingested.options.delimiter, Some(delimiter), "{text:?}");
        assert_eq!(ingested.options.header, Some(header), "{text:?}");
    }
}

#[tokio::test]
async fn encodings_are_found_out() {
    let mut bench = Bench::new();
    for (i, (encoding, name)) in
        [(encoding_rs::WINDOWS_1252, "windows-1252"), (encoding_rs::UTF_8, "utf-8")].into_iter().enumerate()
    {
        let (bytes, _, _) = encoding.encode("name,n\nMüller,1\nÉlan – café,2\n");
        let table = format!("t{i}");
        let ingested = bench.load(&table, bytes.into_owned()).await;
        assert_eq!(ingested.options.encoding.as_deref(), Some(name));
        let rows = bench.rows(&format!("SELECT name FROM {table} ORDER BY n")).await;
        assert_eq!(rows, [[json!("Müller")], [json!("Élan – café")]]);
    }
    for big in [false, true] {
        let mut bytes = if big { vec![0xfe, 0xff] } else { vec![0xff, 0xfe] };
        for unit in "name,n\nMüller,1\n".encode_utf16() {
            bytes.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        }
        let table = format!("wide{big}");
        bench.load(&table, bytes).await;
        assert_eq!(bench.rows(&format!("SELECT name, n FROM {table}")).await, [[json!("Müller"), json!(1)]]);
    }
    let options = ReadOptions { encoding: Some("iso-8859-2".into()), ..ReadOptions::default() };
    bench.ingest(b"a\n\xb1\n".to_vec(), &options).await.unwrap();
    let options = ReadOptions { encoding: Some("klingon".into()), ..ReadOptions::default() };
    assert_eq!(bench.rejected_with_fresh("a\n1\n", &options).await, "unknown_encoding");
    let damaged = b"name\nM\xc3\xbcller\nJ\xc3\xa4ger\nx\xffy\n".to_vec();
    let fresh = Bench::new().rejected(damaged).await;
    assert_eq!((fresh.code, fresh.row), ("invalid_encoding", Some(4)));
}

impl Bench {
    async fn rejected_with_fresh(&self, text: &str, options: &ReadOptions) -> &'static str {
        Bench::new().rejected_with(text, options).await.code
    }
}

#[tokio::test]
async fn bad_files_are_rejected_with_their_place() {
    let bench = Bench::new();
    let ragged = bench.rejected("a,b,c\n1,2,3\n\"x\ny\",2,3\n1,2\n").await;
    assert_eq!((ragged.code, ragged.row, ragged.found.as_deref()), ("ragged_row", Some(5), Some("1,2")));
    assert!(ragged.detail.contains("has 2 fields; the first row has 3"), "{ragged}");
    let open = bench.rejected("a,b\n1,2\n3,\"4\n5,6\n").await;
    assert_eq!((open.code, open.row), ("unterminated_quote", Some(3)));
    for (bytes, code) in [
        (b"".to_vec(), "empty_file"),
        (b"\n \n\n".to_vec(), "empty_file"),
        (b"\xef\xbb\xbf".to_vec(), "empty_file"),
        (b"a,b\n".to_vec(), "no_rows"),
        (b"a,b\n1,\0\n".to_vec(), "binary_file"),
        (b"PK\x03\x04zip".to_vec(), "binary_file"),
        ((1u8..=31).cycle().take(1000).collect(), "binary_file"),
        (gz(b""), "empty_file"),
        (gz(&b"a,b\n1,2\n".repeat(10_000))[..200].to_vec(), "corrupt_gzip"),
        (b"\x1f\x8bnot gzip at all".to_vec(), "corrupt_gzip"),
    ] {
        assert_eq!(bench.rejected(bytes.clone()).await.code, code, "{bytes:?}");
    }
    let options = ReadOptions { delimiter: Some('"'), ..ReadOptions::default() };
    assert_eq!(bench.rejected_with("a\n1\n", &options).await.code, "invalid_option");
}

#[tokio::test]
async fn packed_files_may_follow_one_another_and_nothing_else_may() {
    let several = [gz(b"a,b\n1,2\n"), gz(b""), gz(b"3,4\n")].concat();
    let ingested = Bench::new().ingest(several.clone(), &ReadOptions::default()).await.unwrap();
    assert_eq!((ingested.rows, ingested.format.as_str()), (2, "csv.gz"));
    let end = several.len();
    let bench = Bench::new();
    for trailing in [b"5,6\n".as_slice(), b"\n", b"\x1f\x8c", &[0; 512]] {
        let rejected = bench.rejected([several.as_slice(), trailing].concat()).await;
        assert_eq!(rejected.code, "corrupt_gzip");
        let detail =
            format!("The gzip data end after {end} bytes, and what follows them in the file is not gzip.");
        assert_eq!(rejected.detail, detail, "{trailing:?}");
    }
    let cut = bench.rejected([several.as_slice(), MEMBER].concat()).await;
    assert_eq!((cut.code, cut.detail.contains("ends too early")), ("corrupt_gzip", true), "{cut}");
    let mut flipped = several;
    flipped[end - 6] ^= 1;
    let damaged = bench.rejected(flipped).await;
    assert_eq!((damaged.code, damaged.detail.contains("checksum")), ("corrupt_gzip", true), "{damaged}");
}

/// The beginning of a gzip member.
const MEMBER: &[u8] = b"\x1f\x8b\x08\0";

#[tokio::test]
async fn what_a_packed_file_unpacks_to_is_what_counts() {
    let unpacked_bytes = 1 << 20;
    let csv = Limits { unpacked_bytes, ..Limits::default() };
    let bench = || Bench::with(Config { files: csv.clone(), ..Config::default() });
    let fits = b"1,2\n".repeat(1 << 18);
    assert_eq!(fits.len() as u64, unpacked_bytes);
    assert_eq!(bench().ingest(gz(&fits), &ReadOptions::default()).await.unwrap().rows, 1 << 18);
    let bench = bench();
    // Bombs are small, whether they are one member or many.
    let bomb = gz(&b"1,2\n".repeat(4 << 20));
    assert!((bomb.len() as u64) < unpacked_bytes);
    let many = gz(&b"1,2\n".repeat(1 << 10)).repeat(300);
    for (kind, packed) in [("one", bomb), ("many", many), ("not packed", [fits, b"3,4\n".to_vec()].concat())]
    {
        let rejected = bench.rejected(packed).await;
        assert_eq!(rejected.code, "file_too_large", "{kind}");
        assert_eq!(rejected.detail, "The file holds more than 1048576 bytes of text.", "{kind}");
    }
}

#[tokio::test]
async fn damage_far_into_a_packed_file_leaves_no_table() {
    let bench = Bench::new();
    let mut text = Vec::new();
    for i in 0..300_000u64 {
        writeln!(text, "{i},{}", i * 7919 % 10_007).unwrap();
    }
    let mut packed = gz(&text);
    packed.truncate(packed.len() - 10);
    assert_eq!(bench.rejected(packed).await.code, "corrupt_gzip");
}

#[tokio::test]
async fn ragged_rows_are_filled_when_allowed() {
    let mut bench = Bench::new();
    let options = ReadOptions { allow_ragged: true, ..ReadOptions::default() };
    bench.put("uploads/r", "a,b,c\n1,2\n1,2,3,4\n").await;
    let ingested = bench.engine.ingest("uploads/r", "tables/r.parquet", &options, |_| {}).await.unwrap();
    assert_eq!(types(&ingested), "a int, b int, c int");
    bench.tables.push(weir_engine::sql::Table::new("r", "tables/r.parquet"));
    assert_eq!(bench.rows("SELECT c FROM r ORDER BY c NULLS FIRST").await, [[Value::Null], [json!(3)]]);
}

#[tokio::test]
async fn limits_hold() {
    let csv =
        Limits { columns: 3, cell_bytes: 10, row_bytes: 1000, unpacked_bytes: 2000, ..Limits::default() };
    let bench = Bench::with(Config { files: csv, ..Config::default() });
    assert_eq!(bench.rejected("a,b,c,d\n1,2,3,4\n").await.code, "too_many_columns");
    let large = bench.rejected("a,b\n1,2\n3,12345678901\n").await;
    assert_eq!((large.code, large.row, large.column.as_deref()), ("cell_too_large", Some(3), Some("b")));
    assert_eq!(bench.rejected(gz(&b"1,2\n".repeat(1000))).await.code, "file_too_large");
    assert_eq!(bench.rejected(format!("a\n{}\n", "x".repeat(1500))).await.code, "row_too_large");
    assert_eq!(bench.rejected(format!("a\n\"{}\n", "x\n".repeat(700))).await.code, "unterminated_quote");
}

#[tokio::test]
async fn progress_is_told_and_a_missing_file_is_no_rejection() {
    let bench = Bench::new();
    let mut text = "n,m\n".to_owned();
    (0..50_000).for_each(|i| text.push_str(&format!("{i},{}\n", i * 3)));
    bench.put("uploads/p", text).await;
    let seen = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let told = seen.clone();
    let progress = move |p: weir_engine::ingest::Progress| {
        let counter = if p.phase == Phase::Reading { &told.0 } else { &told.1 };
        assert!(p.bytes <= p.total_bytes && p.rows >= counter.load(Ordering::Relaxed));
        counter.store(p.rows, Ordering::Relaxed);
    };
    bench.engine.ingest("uploads/p", "tables/p.parquet", &ReadOptions::default(), progress).await.unwrap();
    // The types are guessed from the first rows and hold for all.
    assert_eq!((seen.0.load(Ordering::Relaxed), seen.1.load(Ordering::Relaxed)), (20_000, 50_000));

    let missing =
        bench.engine.ingest("uploads/none", "tables/n.parquet", &ReadOptions::default(), |_| {}).await;
    assert!(matches!(missing, Err(IngestError::Failed(_))));
}

#[tokio::test]
async fn dropping_the_future_leaves_nothing_behind() {
    let bench = Bench::new();
    let row = format!("{},{}\n", "x".repeat(500), 5);
    bench.put("uploads/big", row.repeat(100_000)).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let progress = move |p: weir_engine::ingest::Progress| {
        let _ = tell.send(p.phase);
    };
    let options = ReadOptions::default();
    let mut work = Box::pin(bench.engine.ingest("uploads/big", "tables/big.parquet", &options, progress));
    loop {
        tokio::select! {
            done = &mut work => panic!("{done:?}"),
            phase = told.recv() => if phase == Some(Phase::Writing) { break },
        }
    }
    drop(work);
    // The sender goes when the reading thread has ended.
    while told.recv().await.is_some() {}
    assert!(!bench.exists("tables/big.parquet").await);
}
