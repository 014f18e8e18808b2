//! TPC-H's tables, as the engine writes tables.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use datafusion::arrow::{
    array::{RecordBatch, RecordBatchReader},
    compute::cast,
    datatypes::{DataType, Field, Schema},
};
use tokio::task::JoinSet;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, RegionGenerator,
    SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, RegionArrow, SupplierArrow,
};
use weir_engine::ingest::TableWriter;

/// A table in its file.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

impl Stored {
    /// Its key among the blobs.
    pub(super) fn key(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

type Rows = Box<dyn RecordBatchReader + Send>;

/// The tables, made where they are not there already.
///
/// # Errors
/// When a file cannot be written.
pub(super) async fn tables(folder: &Path, scale: f64) -> anyhow::Result<Vec<Stored>> {
    let rows: [(&'static str, Rows); 7] = [
        ("lineitem", Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)))),
        ("orders", Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1)))),
        ("customer", Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1)))),
        ("part", Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1)))),
        ("supplier", Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1)))),
        ("nation", Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1)))),
        ("region", Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1)))),
    ];
    let mut tables = Vec::new();
    let mut writing = JoinSet::new();
    for (name, rows) in rows {
        let path = folder.join(format!("{name}-{scale}.parquet"));
        if !path.exists() {
            let path = path.clone();
            writing.spawn_blocking(move || {
                write(rows, &path).with_context(|| format!("cannot write {}", path.display()))
            });
        }
        tables.push(Stored { name, path });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    Ok(tables)
}

/// Under another name until it is whole, so that what is there can be used again.
fn write(rows: Rows, path: &Path) -> anyhow::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let fields = rows.schema();
    let fields = fields.fields().iter().map(|field| Field::new(field.name(), plain(field.data_type()), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut table = TableWriter::new(File::create(&unfinished)?, schema.clone())?;
    for batch in rows {
        let batch = batch?;
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        table.write(&RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)?)?;
    }
    table.finish()?;
    fs::rename(unfinished, path)?;
    Ok(())
}

/// The type that a column of a CSV file would have had.
fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal128(..) => DataType::Float64,
        DataType::Utf8View => DataType::Utf8,
        integer if integer.is_integer() => DataType::Int64,
        other => other.clone(),
    }
}
