//! An engine in a folder of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;
use tempfile::TempDir;
use weir_engine::ingest::{IngestError, Ingested, ReadOptions, Rejection};
use weir_engine::sql::{self, Limits, SqlError, Table};
use weir_engine::{Answer, Config, Engine};

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) blobs: Arc<dyn ObjectStore>,
    pub(crate) dir: TempDir,
    pub(crate) tables: Vec<Table>,
    /// Where they are, in the same order.
    pub(crate) keys: Vec<String>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Config { memory_bytes: 256 << 20, target_partitions: 2, ..Config::default() })
    }

    pub(crate) fn with(config: Config) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("blobs")).unwrap();
        let blobs: Arc<dyn ObjectStore> =
            Arc::new(LocalFileSystem::new_with_prefix(dir.path().join("blobs")).unwrap());
        let config = Config { spill_dir: dir.path().join("spill"), ..config };
        let engine = Engine::new(blobs.clone(), config).unwrap();
        Self { engine, blobs, dir, tables: Vec::new(), keys: Vec::new() }
    }

    /// Four of nycflights13's tables, cut down, and the airlines in full.
    pub(crate) async fn flights() -> Self {
        let mut bench = Self::new();
        for (name, text) in [
            ("flights", include_str!("../data/flights.csv")),
            ("airlines", include_str!("../data/airlines.csv")),
            ("airports", include_str!("../data/airports.csv")),
            ("planes", include_str!("../data/planes.csv")),
            ("weather", include_str!("../data/weather.csv")),
        ] {
            bench.load(name, text).await;
        }
        bench
    }

    pub(crate) async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) {
        self.blobs.put(&Path::from(key), bytes.into().into()).await.unwrap();
    }

    pub(crate) async fn exists(&self, key: &str) -> bool {
        self.blobs.head(&Path::from(key)).await.is_ok()
    }

    pub(crate) async fn ingest(
        &self,
        bytes: impl Into<Vec<u8>>,
        options: &ReadOptions,
    ) -> Result<Ingested, IngestError> {
        self.put("uploads/file", bytes).await;
        self.engine.ingest("uploads/file", "tables/file.parquet", options, |_| {}).await
    }

    pub(crate) async fn rejected(&self, bytes: impl Into<Vec<u8>>) -> Rejection {
        self.rejected_with(bytes, &ReadOptions::default()).await
    }

    pub(crate) async fn rejected_with(&self, bytes: impl Into<Vec<u8>>, options: &ReadOptions) -> Rejection {
        match self.ingest(bytes, options).await {
            Err(IngestError::Rejected(rejection)) => {
                assert!(!self.exists("tables/file.parquet").await, "a rejected file left a table");
                rejection
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads a file into a table that queries can name.
    pub(crate) async fn load(&mut self, name: &str, text: impl Into<Vec<u8>>) -> Ingested {
        // What is under a key never changes, so each table has one of its own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = format!("tables/{}.parquet", NEXT.fetch_add(1, Ordering::Relaxed));
        self.put("uploads/file", text).await;
        let ingested =
            self.engine.ingest("uploads/file", &key, &ReadOptions::default(), |_| {}).await.unwrap();
        self.tables.push(Table::new(name, key.as_str()));
        self.keys.push(key);
        ingested
    }

    pub(crate) async fn try_query(&self, sql: &str, limits: &Limits) -> Result<Answer, SqlError> {
        self.engine.query(&sql::parse(sql)?, &self.tables, limits).await
    }

    pub(crate) async fn query(&self, sql: &str) -> Answer {
        self.try_query(sql, &patient()).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"))
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.query(sql).await.to_json_rows().unwrap()
    }

    pub(crate) async fn error(&self, sql: &str) -> SqlError {
        self.try_query(sql, &patient()).await.expect_err(sql)
    }
}

/// Names and types, one text.
pub(crate) fn types(ingested: &Ingested) -> String {
    let columns: Vec<String> =
        ingested.columns.iter().map(|c| format!("{} {}", c.name, c.data_type)).collect();
    columns.join(", ")
}

/// Limits for what is not about time: a busy machine makes nothing fail.
pub(crate) fn patient() -> Limits {
    Limits { time: std::time::Duration::from_secs(300), ..Limits::default() }
}
