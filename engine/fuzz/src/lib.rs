//! What must hold of any bytes that the engine is given to read.
//!
//! Each function panics where it does not. They are the fuzz targets, and the engine's tests call the very same
//! ones with the corpus and what comes of changing it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::runtime::Runtime;
use weir_engine::context::{self, Catalog, Entry, Level, Request};
use weir_engine::ingest::{IngestError, Limits, ReadOptions};
use weir_engine::{Column, Config, Engine, sql};

/// Delimited text. The first byte chooses how it is read.
pub fn csv(data: &[u8]) {
    let Some((choice, text)) = data.split_first() else { return };
    let chosen = |bit: u8| choice >> bit & 1 == 1;
    let options = ReadOptions {
        delimiter: Some([',', ';', '\t', '|'][usize::from(choice & 3)]),
        header: chosen(2).then(|| chosen(3)),
        allow_ragged: chosen(4),
        encoding: chosen(5).then(|| if chosen(6) { "windows-1252" } else { "utf-16le" }.to_owned()),
        ..ReadOptions::default()
    };
    ingest(text, &options);
}

/// JSON, and whatever else a file turns out to be.
pub fn json(data: &[u8]) {
    ingest(data, &ReadOptions::default());
}

/// A context in any of its forms. What can be read can be written and read again, and what is compiled is SQL.
pub fn context(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let catalog = catalog();
    for finding in context::check(text, None, Level::Full, &catalog) {
        assert!(!finding.detail.contains("could not be worked on"), "a panic: {finding:?}");
        assert!(
            finding.line.is_none_or(|line| (1..=lines(text)).contains(&line)),
            "no such line: {finding:?}"
        );
    }
    let Ok(read) = context::parse(text) else { return };
    // The notes behind it are no part of YAML.
    let forms: [fn(&context::Context) -> String; 2] = [context::markdown, context::yaml];
    for write in forms {
        let written = write(&read);
        let again =
            context::parse(&written).unwrap_or_else(|e| panic!("{e:?} in what was written:\n{written}"));
        assert_eq!(write(&again), written, "it changed on its way through");
    }
    // Where it is left out there is a line that says so.
    assert!(context::prompt_facts(&read, &catalog).len() <= context::MAX_FACTS + 100);
    let dimension = read.datasets.first().and_then(|d| d.columns.first()).map(|column| column.name.clone());
    for metric in read.metrics.iter().take(4) {
        let request = Request {
            metrics: vec![metric.id.clone()],
            dimensions: dimension.iter().cloned().collect(),
            filters: read.filters.iter().map(|filter| filter.id.clone()).take(1).collect(),
            ..Request::default()
        };
        if let Ok(compiled) = context::compile(&read, &request, &catalog) {
            sql::parse(&compiled.sql).unwrap_or_else(|e| panic!("{e:?} in {}", compiled.sql));
        }
    }
    for rule in context::rules(&read, &catalog).into_iter().filter_map(|rule| rule.sql.ok()) {
        sql::parse(&rule).unwrap_or_else(|e| panic!("{e:?} in {rule}"));
    }
}

/// SQL and its fingerprint, which is the same however the query is laid out.
pub fn sql(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let read = match sql::parse(text) {
        Ok(read) => read,
        Err(error) => {
            assert_ne!(error.code, sql::Code::Internal, "a panic: {error:?}");
            return;
        }
    };
    let laid_out = format!("\n\t/* what\n is asked */ {text}\n-- and no more");
    if laid_out.len() > sql::MAX_BYTES {
        return;
    }
    let again = sql::parse(&laid_out).unwrap_or_else(|e| panic!("{e:?} in {laid_out}"));
    assert_eq!(again.normalized, read.normalized);
    assert_eq!(again.pattern, read.pattern);
    assert_eq!(again.pattern_hash, read.pattern_hash);
    assert_eq!(again.tables, read.tables);
    assert_eq!(again.volatile, read.volatile);
}

fn lines(text: &str) -> u32 {
    u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX)
}

/// The datasets that the corpus speaks of.
fn catalog() -> Catalog {
    let entry = |id: u32, name: &str, columns: &[(&str, &str)]| Entry {
        id: format!("00000000-0000-0000-0000-{id:012}"),
        name: name.to_owned(),
        version: 1,
        columns: columns.iter().map(|(name, data_type)| Column::new(*name, *data_type)).collect(),
    };
    Catalog {
        datasets: vec![
            entry(
                1,
                "flights",
                &[("carrier", "text"), ("tailnum", "text"), ("dep_delay", "float"), ("day", "date")],
            ),
            entry(2, "airlines", &[("carrier", "text"), ("name", "text")]),
            entry(3, "planes", &[("tailnum", "text"), ("seats", "int")]),
        ],
    }
}

struct Fuzzed {
    runtime: Runtime,
    engine: Engine,
    blobs: Arc<dyn ObjectStore>,
}

/// One engine for all inputs. Its limits are low, so that little is enough to reach them.
fn fuzzed() -> &'static Fuzzed {
    static FUZZED: OnceLock<Fuzzed> = OnceLock::new();
    FUZZED.get_or_init(|| {
        let blobs: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let files = Limits {
            columns: 200,
            cell_bytes: 4 << 10,
            row_bytes: 16 << 10,
            unpacked_bytes: 4 << 20,
            workbook_bytes: 1 << 20,
        };
        let spill_dir = std::env::temp_dir().join(format!("weir-fuzz-{}", std::process::id()));
        let config = Config { files, spill_dir, ..Config::default() };
        Fuzzed {
            runtime: Runtime::new().expect("no threads"),
            engine: Engine::new(Arc::clone(&blobs), config).expect("no engine"),
            blobs,
        }
    })
}

/// A file becomes a table that its profile agrees with, or is rejected and leaves nothing.
fn ingest(bytes: &[u8], options: &ReadOptions) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let Fuzzed { runtime, engine, blobs } = fuzzed();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (source, table) = (format!("uploads/{number}"), format!("tables/{number}"));
    runtime.block_on(async {
        let (file, made) = (Path::from(source.as_str()), Path::from(table.as_str()));
        blobs.put(&file, bytes.to_vec().into()).await.expect("no memory");
        match engine.ingest(&source, &table, options, |_| {}).await {
            Ok(found) => {
                assert_eq!(found.rows, found.profile.rows);
                let profiled = found.profile.columns.iter();
                for (column, profile) in found.columns.iter().zip(profiled) {
                    assert_eq!(column.name, profile.name);
                    assert_eq!(profile.count + profile.nulls, found.rows, "{}", column.name);
                }
                assert_eq!(found.columns.len(), found.profile.columns.len());
                assert_eq!(blobs.head(&made).await.expect("no table").size, found.table_bytes);
                blobs.delete(&made).await.expect("no table");
            }
            Err(IngestError::Rejected(_)) => assert!(blobs.head(&made).await.is_err(), "something is left"),
            Err(IngestError::Failed(detail)) => panic!("{detail}"),
        }
        blobs.delete(&file).await.expect("no file");
    });
}
