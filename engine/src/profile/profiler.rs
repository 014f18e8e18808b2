//! All columns of a table.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;

use super::Profile;
use super::column::Column;
use super::random::mixed;
use super::tally::{Sizes, Tally};

/// Sees a table's batches as they come, and says in the end what is in it.
///
/// Tables made by several writers have one each, of the same schema, and these are merged.
#[derive(Debug, Clone)]
pub struct Profiler {
    rows: u64,
    columns: Vec<Column>,
    /// Whole rows; `None` once there were some that cannot be compared.
    whole: Option<Tally<()>>,
    hashes: Vec<u64>,
    row_hashes: Vec<u64>,
}

impl Profiler {
    /// For a table of this schema, of which nothing is seen yet.
    pub fn new(schema: &Schema) -> Self {
        let sizes = Sizes::of(schema.fields().len());
        Self {
            rows: 0,
            columns: schema.fields().iter().map(|field| Column::new(field, sizes)).collect(),
            whole: Some(Tally::new(Sizes::of(1))),
            hashes: Vec::new(),
            row_hashes: Vec::new(),
        }
    }

    /// Sees some rows, which have the columns of the schema.
    pub fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        self.row_hashes.clear();
        self.row_hashes.resize(batch.num_rows(), 1);
        let mut comparable = batch.num_columns() == self.columns.len();
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            comparable &= column.see(array, &mut self.hashes);
            for (row, hash) in self.row_hashes.iter_mut().zip(&self.hashes) {
                *row = (row.rotate_left(23) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            }
        }
        if !comparable {
            self.whole = None;
        }
        if let Some(whole) = &mut self.whole {
            for row in &mut self.row_hashes {
                *row = mixed(*row);
            }
            whole.see(&self.row_hashes, |_| ());
        }
    }

    /// As if this one had seen what the other, which is of the same schema, saw as well.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for (mine, theirs) in self.columns.iter_mut().zip(other.columns) {
            mine.merge(theirs);
        }
        match (&mut self.whole, other.whole) {
            (Some(mine), Some(theirs)) => mine.merge(theirs),
            (whole, _) => *whole = None,
        }
    }

    /// What was seen.
    pub fn finish(&self) -> Profile {
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut likely_keys = Vec::new();
        for column in &self.columns {
            let (profile, unique) = column.finish();
            if unique {
                likely_keys.push(profile.name.clone());
            }
            columns.push(profile);
        }
        let whole = self.whole.as_ref().filter(|_| self.rows > 0);
        let duplicate_rows = whole.map(|rows| 1.0 - rows.distinct(self.rows) as f64 / self.rows as f64);
        Profile { rows: self.rows, duplicate_rows, likely_keys, columns }
    }
}
