//! Parquet and Arrow files, as others write them.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryArray, Date64Array, Decimal128Array, DictionaryArray, FixedSizeListArray, Float32Array,
    Int8Array, Int32Builder, Int64Array, LargeStringArray, ListArray, MapBuilder, NullArray, RecordBatch,
    StringArray, StringBuilder, StructArray, TimestampMillisecondArray, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding};
use datafusion::parquet::file::properties::WriterProperties;
use serde_json::json;
use weir_engine::Config;
use weir_engine::ingest::{Limits, ReadOptions};

use crate::support::{Bench, types};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, a)| a).collect())
        .unwrap()
}

/// Columns of many types; `plain` leaves out what Parquet has no word for.
fn sample(plain: bool) -> RecordBatch {
    let keys: DictionaryArray<Int32Type> = vec!["a", "b", "a"].into_iter().collect();
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![Some(3)]),
    ]);
    let inner =
        Fields::from(vec![Field::new("x", DataType::Int8, true), Field::new("y", DataType::Utf8, true)]);
    let nested = StructArray::new(
        inner,
        vec![
            Arc::new(Int8Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("p"), None, Some("q")])),
        ],
        None,
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for row in 0..3 {
        map.keys().append_value(format!("k{row}"));
        map.values().append_value(row);
        map.append(true).unwrap();
    }
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..3).map(|row| Some(vec![Some(row), Some(row + 1)])),
        2,
    );
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("i8", Arc::new(Int8Array::from(vec![Some(1), None, Some(-3)]))),
        ("u64", Arc::new(UInt64Array::from(vec![1, 2, u64::MAX]))),
        ("f32", Arc::new(Float32Array::from(vec![0.1, 2.5, -1.0]))),
        ("text", Arc::new(StringArray::from(vec![Some("x"), Some(""), None]))),
        ("large", Arc::new(LargeStringArray::from(vec!["x", "ü", "z"]))),
        ("dictionary", Arc::new(keys)),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"\x01"[..], b"", b"\xff"]))),
        (
            "money",
            Arc::new(Decimal128Array::from(vec![150, 275, -1]).with_precision_and_scale(10, 2).unwrap()),
        ),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2]).with_timezone("+02:00"))),
        ("list", Arc::new(list)),
        ("nested", Arc::new(nested)),
        ("map", Arc::new(map.finish())),
        ("fixed", Arc::new(fixed)),
    ];
    if !plain {
        columns.push(("day", Arc::new(Date64Array::from(vec![0, 86_400_000, 172_800_000]))));
        columns.push(("nothing", Arc::new(NullArray::new(3))));
    }
    batch(columns)
}

const TYPES: &str = "i8 int, u64 decimal, f32 float, text text, large text, dictionary text, bytes binary, \
                     money decimal, at timestamptz, list list, nested struct, map list, fixed list";

fn parquet(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    out
}

fn arrow(batch: &RecordBatch, file: bool, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut out = Vec::new();
    if file {
        let mut writer = FileWriter::try_new_with_options(&mut out, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer = StreamWriter::try_new_with_options(&mut out, &batch.schema(), options).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
    }
    out
}

const SQL: &str = "SELECT i8, u64, text, large, dictionary, money, at, list[1], nested.x, nested.y, map[1].value, \
                   fixed[2] FROM t ORDER BY large";

async fn check(bytes: Vec<u8>, format: &str, more: &str) {
    let mut bench = Bench::new();
    let ingested = bench.load("t", bytes).await;
    assert_eq!((types(&ingested), ingested.format.as_str()), (format!("{TYPES}{more}"), format));
    assert_eq!(ingested.columns[0].missing, [("null".to_owned(), 1)].into());
    let rows = bench.rows(SQL).await;
    assert_eq!(rows[0][..6], [json!(1), json!("1"), json!("x"), json!("x"), json!("a"), json!("1.50")]);
    assert_eq!(rows[0][7..], [json!(1), json!(1), json!("p"), json!(0), json!(1)]);
    assert_eq!(rows[2][..2], [json!(null), json!("2")]);
    assert_eq!(rows[1][1], json!(u64::MAX.to_string()));
}

#[tokio::test]
async fn parquet_of_every_kind_is_read() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
    ] {
        let properties = WriterProperties::builder().set_compression(codec);
        check(parquet(&sample(true), properties.build()), "parquet", "").await;
    }
    for encoding in [Encoding::DELTA_BYTE_ARRAY, Encoding::DELTA_LENGTH_BYTE_ARRAY] {
        for version in [
            datafusion::parquet::file::properties::WriterVersion::PARQUET_1_0,
            datafusion::parquet::file::properties::WriterVersion::PARQUET_2_0,
        ] {
            let texts: Vec<String> = (0..5000).map(|n| format!("prefix {n} of many")).collect();
            let rows = batch(vec![("text", Arc::new(StringArray::from(texts.clone())))]);
            let properties = WriterProperties::builder()
                .set_dictionary_enabled(false)
                .set_writer_version(version)
                .set_encoding(encoding)
                .set_compression(Compression::SNAPPY);
            let mut bench = Bench::new();
            assert_eq!(bench.load("t", parquet(&rows, properties.build())).await.rows, 5000);
            let found = bench.rows("SELECT count(DISTINCT text), min(text), max(text) FROM t").await;
            assert_eq!(found, [[json!(5000), json!(texts.iter().min()), json!(texts.iter().max())]]);
        }
    }
}

#[tokio::test]
async fn arrow_files_and_streams_are_read() {
    for file in [true, false] {
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            check(arrow(&sample(false), file, compression), "arrow", ", day date, nothing text").await;
        }
    }
}

#[tokio::test]
async fn names_are_made_unique_and_types_that_cannot_be_are_told() {
    let twice = batch(vec![
        ("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
        ("a", Arc::new(Int64Array::from(vec![2]))),
    ]);
    let ingested = Bench::new().ingest(arrow(&twice, true, None), &ReadOptions::default()).await.unwrap();
    assert_eq!(types(&ingested), "a int, a_2 int");
    let spans = datafusion::arrow::array::IntervalYearMonthArray::from(vec![1]);
    let rejection = Bench::new().rejected(arrow(&batch(vec![("s", Arc::new(spans))]), false, None)).await;
    assert_eq!((rejection.code, rejection.column.as_deref()), ("unsupported_type", Some("s")));
    let none = batch(vec![("a", Arc::new(Int64Array::from(Vec::<i64>::new())) as ArrayRef)]);
    assert_eq!(Bench::new().rejected(arrow(&none, true, None)).await.code, "no_rows");
    assert_eq!(Bench::new().rejected(parquet(&none, WriterProperties::default())).await.code, "no_rows");
}

#[tokio::test]
async fn a_file_cut_anywhere_is_rejected() {
    let bench = Bench::new();
    let rows = batch(vec![
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef),
        ("t", Arc::new(StringArray::from(vec!["x", "y", "z"]))),
    ]);
    for whole in [parquet(&rows, WriterProperties::default()), arrow(&rows, true, None)] {
        for length in 1..whole.len() {
            let rejection = bench.rejected(whole[..length].to_vec()).await;
            // What begins a file is no file, and looks like text as long as it says little.
            let expected = ["corrupt_file", "binary_file", "no_rows", "too_many_columns"];
            assert!(expected.contains(&rejection.code) || length < 9, "{length}: {rejection}");
        }
    }
}

#[tokio::test]
async fn parquet_that_lies_is_rejected() {
    let bench = Bench::new();
    let numbers = batch(vec![("n", Arc::new(Int64Array::from((0..1000).collect::<Vec<_>>())) as ArrayRef)]);
    let honest = parquet(&numbers, WriterProperties::default());
    // Every byte of the footer, and of the first page's header, made into another.
    let length = u32::from_le_bytes(honest[honest.len() - 8..honest.len() - 4].try_into().unwrap()) as usize;
    let footer = honest.len() - 8 - length;
    for at in (4..40).chain(footer..honest.len()) {
        for flip in [0x01, 0x40, 0xff] {
            let mut lying = honest.clone();
            lying[at] ^= flip;
            match bench.ingest(lying, &ReadOptions::default()).await {
                Ok(ingested) => assert_eq!(ingested.rows, 1000, "byte {at}"),
                Err(weir_engine::ingest::IngestError::Rejected(_)) => {}
                Err(other) => panic!("byte {at}: {other:?}"),
            }
        }
    }
    let huge = [&b"PAR1"[..], &[0; 40], &u32::MAX.to_le_bytes(), b"PAR1"].concat();
    assert_eq!(Bench::new().rejected(huge).await.code, "corrupt_file");
    // Lists of structs, each one level down: a schema deeper than any stack.
    let mut deep = b"\x15\x02\x19\xfc\x80\x80\x04".to_vec();
    (0..65_536).for_each(|_| deep.extend(b"\x48\x01a\x15\x02\x00"));
    let bytes = [&b"PAR1"[..], &deep, &(deep.len() as u32).to_le_bytes(), b"PAR1"].concat();
    assert_eq!(Bench::new().rejected(bytes).await.code, "corrupt_file");
}

#[tokio::test]
async fn columnar_bombs_are_refused() {
    let files = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let small = || Bench::with(Config { files: files.clone(), ..Config::default() });
    let zeros = batch(vec![("n", Arc::new(Int64Array::from(vec![0; 1 << 20])) as ArrayRef)]);
    for codec in [Compression::GZIP(Default::default()), Compression::ZSTD(Default::default())] {
        let properties = WriterProperties::builder().set_compression(codec).set_dictionary_enabled(false);
        let bomb = parquet(&zeros, properties.build());
        assert!(bomb.len() < 1 << 20);
        assert_eq!(small().rejected(bomb).await.code, "file_too_large");
    }
    // One long text in a dictionary, in every row: small in the file, gigabytes as values.
    let long = "x".repeat(1 << 20);
    let keys: DictionaryArray<Int32Type> = std::iter::repeat_n(long.as_str(), 3000).collect();
    let rows = batch(vec![("t", Arc::new(keys) as ArrayRef)]);
    let mut bench = Bench::new();
    assert_eq!(bench.load("t", arrow(&rows, true, None)).await.rows, 3000);
    assert_eq!(bench.rows("SELECT count(*) FROM t WHERE length(t) = 1048576").await, [[json!(3000)]]);
    let cells = Limits { cell_bytes: 1000, ..Limits::default() };
    let strict = Bench::with(Config { files: cells, ..Config::default() });
    assert_eq!(strict.rejected(arrow(&rows, false, None)).await.code, "cell_too_large");
}
