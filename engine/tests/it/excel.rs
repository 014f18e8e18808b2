//! Excel workbooks.

use std::io::{Cursor, Read, Write};

use rust_xlsxwriter::{Format, Formula, Workbook};
use serde_json::{Value, json};
use weir_engine::Config;
use weir_engine::ingest::{Limits, ReadOptions};
use zip::write::SimpleFileOptions;

use crate::support::{Bench, types};

fn book(make: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut book = Workbook::new();
    make(&mut book);
    book.save_to_buffer().unwrap()
}

fn sheet(name: &str) -> ReadOptions {
    ReadOptions { sheet: Some(name.to_owned()), ..ReadOptions::default() }
}

/// The workbook with one of its parts made into another.
fn with_part(bytes: &[u8], part: &str, make: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut file = from.by_index(index).unwrap();
        let name = file.name().unwrap().into_owned();
        let mut text = Vec::new();
        file.read_to_end(&mut text).unwrap();
        to.start_file(name.clone(), SimpleFileOptions::default()).unwrap();
        let text = if name == part { make(std::str::from_utf8(&text).unwrap()) } else { text };
        to.write_all(&text).unwrap();
    }
    to.finish().unwrap().into_inner()
}

#[tokio::test]
async fn cells_become_what_they_mean() {
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let span = Format::new().set_num_format("[h]:mm:ss");
    let bytes = book(|book| {
        let sheet = book.add_worksheet();
        for (column, name) in
            ["n", "day", "at", "span", "ok", "zip", "digits", "sum", "err", "mix"].iter().enumerate()
        {
            sheet.write(3, column as u16 + 1, *name).unwrap();
        }
        for (at, row) in [4u32, 5, 7].into_iter().enumerate() {
            sheet.write(row, 1, at as f64 + if at == 2 { 0.5 } else { 0.0 }).unwrap();
            sheet.write_with_format(row, 2, 41_305.0 + at as f64, &day).unwrap();
            sheet.write_with_format(row, 3, 41_305.0 + at as f64 / 4.0, &moment).unwrap();
            sheet.write_with_format(row, 4, 26.5 / 24.0, &span).unwrap();
            sheet.write(row, 5, at == 1).unwrap();
            sheet.write(row, 6, format!("0213{at}")).unwrap();
            sheet.write(row, 7, format!("{}", at * 10)).unwrap();
            sheet.write_formula(row, 8, Formula::new("=1+1").set_result("2")).unwrap();
            if at == 0 {
                sheet.write_formula(row, 9, Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
                sheet.write(row, 10, 5).unwrap();
            } else {
                sheet.write(row, 9, 7).unwrap();
                sheet.write(row, 10, "x").unwrap();
            }
        }
    });
    let mut bench = Bench::new();
    let ingested = bench.load("t", bytes).await;
    assert_eq!(
        types(&ingested),
        "n float, day date, at timestamp, span text, ok bool, zip text, digits int, sum int, err int, mix text"
    );
    assert_eq!((ingested.format.as_str(), ingested.rows), ("xlsx", 3));
    assert_eq!(ingested.columns[8].missing, [("#DIV/0!".to_owned(), 1)].into());
    assert!(!ingested.columns[0].nullable);
    let rows = bench.rows("SELECT day, at, span, zip, sum, mix FROM t ORDER BY n").await;
    assert_eq!(
        rows[0],
        [
            json!("2013-01-31"),
            json!("2013-01-31T00:00:00"),
            json!("26:30:00"),
            json!("02130"),
            json!(2),
            json!("5")
        ]
    );
}

#[tokio::test]
async fn every_sheet_can_be_had() {
    let bytes = book(|book| {
        book.add_worksheet().set_name("blank").unwrap();
        let first = book.add_worksheet().set_name("Sales 2024").unwrap();
        first.write(0, 0, "a").unwrap();
        first.write(1, 0, 1).unwrap();
        let second = book.add_worksheet().set_name("other").unwrap();
        second.write(0, 0, "b").unwrap();
        second.write(0, 1, "c").unwrap();
        second.write(1, 0, "x").unwrap();
        second.write(2, 1, 2.5).unwrap();
    });
    let bench = Bench::new();
    let found = bench.ingest(bytes.clone(), &ReadOptions::default()).await.unwrap();
    assert_eq!((types(&found).as_str(), found.options.sheet.as_deref()), ("a int", Some("Sales 2024")));
    let names: Vec<(&str, u64, u64)> =
        found.sheets.iter().map(|s| (s.name.as_str(), s.rows, s.columns)).collect();
    assert_eq!(names[1..], [("Sales 2024", 2, 1), ("other", 3, 2)]);
    for name in ["other", "OTHER", "3"] {
        let found = bench.ingest(bytes.clone(), &sheet(name)).await.unwrap();
        assert_eq!(
            (types(&found).as_str(), found.options.sheet.as_deref()),
            ("b text, c float", Some("other"))
        );
    }
    let unknown = bench.rejected_with_new(bytes.clone(), &sheet("none")).await;
    assert_eq!(unknown.0, "unknown_sheet");
    assert!(unknown.1.contains("'Sales 2024'"), "{}", unknown.1);
    assert_eq!(bench.rejected_with_new(bytes, &sheet("blank")).await.0, "no_rows");
}

impl Bench {
    /// A rejection in a fresh place, since the table of an earlier file may be there.
    async fn rejected_with_new(&self, bytes: Vec<u8>, options: &ReadOptions) -> (&'static str, String) {
        let rejection = Bench::new().rejected_with(bytes, options).await;
        (rejection.code, rejection.detail)
    }
}

#[tokio::test]
async fn headers_may_be_merged_or_empty() {
    let bytes = book(|book| {
        let sheet = book.add_worksheet();
        sheet.merge_range(0, 0, 0, 1, "wide", &Format::new()).unwrap();
        sheet.write(0, 3, "end").unwrap();
        for row in 1..4u32 {
            for column in 0..4u16 {
                sheet.write(row, column, row * 10 + u32::from(column)).unwrap();
            }
        }
    });
    let ingested = Bench::new().ingest(bytes, &ReadOptions::default()).await.unwrap();
    assert_eq!(types(&ingested), "wide int, wide_2 int, column_3 int, end int");
}

#[tokio::test]
async fn old_workbooks_are_read() {
    let mut bench = Bench::new();
    let bytes = include_bytes!("../data/people.xls");
    let ingested = bench.load("p", bytes.to_vec()).await;
    assert_eq!(types(&ingested), "name text, born date, tall float, member bool, zip text, score int");
    assert_eq!((ingested.format.as_str(), ingested.options.sheet.as_deref()), ("xls", Some("people")));
    let rows = bench.rows("SELECT name, born, tall, member, zip FROM p ORDER BY score").await;
    assert_eq!(rows[0], [json!("Ada"), Value::Null, json!(1.65), json!(true), json!("02134")]);
    assert_eq!(rows[2], [json!("Müller"), json!("2001-01-31"), Value::Null, json!(true), json!("99999")]);
}

#[tokio::test]
async fn bombs_and_lies_are_refused() {
    let small = book(|book| {
        let sheet = book.add_worksheet();
        sheet.write(0, 0, "a").unwrap();
        sheet.write(1, 0, "x").unwrap();
    });
    let files = Limits { workbook_bytes: 1 << 20, ..Limits::default() };
    let bench = Bench::with(Config { files, ..Config::default() });
    assert!(bench.ingest(small.clone(), &ReadOptions::default()).await.is_ok());
    let sheet = "xl/worksheets/sheet1.xml";
    let bomb = with_part(&small, sheet, |text| {
        let rows = "<row><c><v>1</v></c></row>".repeat(100_000);
        text.replace("</sheetData>", &format!("{rows}</sheetData>")).into_bytes()
    });
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let rejected = |bytes: Vec<u8>| {
        let files = Limits { workbook_bytes: 1 << 20, ..Limits::default() };
        async move { Bench::with(Config { files, ..Config::default() }).rejected(bytes).await }
    };
    assert_eq!(rejected(bomb.clone()).await.code, "file_too_large");
    // The archive's directory says that the part is small.
    let mut lying = bomb;
    let name = lying.windows(sheet.len()).rposition(|w| w == sheet.as_bytes()).unwrap();
    lying[name - 22..name - 18].copy_from_slice(&100u32.to_le_bytes());
    let code = rejected(lying).await.code;
    assert!(["corrupt_file", "file_too_large"].contains(&code), "{code}");
    let many = with_part(&small, "xl/sharedStrings.xml", |text| {
        text.replacen("uniqueCount=\"2\"", "uniqueCount=\"99999999999999\"", 1).into_bytes()
    });
    assert_eq!(rejected(many).await.code, "corrupt_file");
    // A text that is there once and in every cell.
    let again = book(|book| {
        let sheet = book.add_worksheet();
        for row in 0..2_000 {
            sheet.write(row, 0, "x".repeat(1_000)).unwrap();
        }
    });
    assert!(again.len() < 40_000, "{}", again.len());
    assert_eq!(rejected(again).await.code, "file_too_large");
    let far = with_part(&small, sheet, |text| text.replace("A2", "XFD1048576").into_bytes());
    assert_eq!(rejected(far).await.code, "too_many_columns");
}

#[tokio::test]
async fn other_archives_are_told_by_name() {
    let bench = Bench::new();
    let archive = |name: &str| {
        let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
        to.start_file(name, SimpleFileOptions::default()).unwrap();
        to.write_all(b"x").unwrap();
        to.finish().unwrap().into_inner()
    };
    for (name, what) in [
        ("word/document.xml", "Word"),
        ("content.xml", "OpenDocument"),
        ("a.csv", "zip"),
        ("xl/workbook.bin", ".xlsb"),
    ] {
        let rejection = bench.rejected(archive(name)).await;
        assert_eq!(rejection.code, "binary_file");
        assert!(rejection.detail.contains(what), "{rejection}");
    }
}
