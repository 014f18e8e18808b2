//! Content hashes of tables, to prove read models equal.

use std::collections::{BTreeMap, BTreeSet};

use deadpool_postgres::Pool;
use tokio_postgres::{GenericClient, IsolationLevel};

use crate::{Schema, store::Error};

/// A table that is not what a fresh fold makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The hash of what is there, `None` where the table is missing.
    pub found: Option<String>,
    /// The hash of what should be there, `None` where the table should not be.
    pub folded: Option<String>,
}

/// A hash per table of a schema over all its rows, whatever their order; equal content has equal
/// hashes. `checkpoint` is left out: it says how far and when, not what.
///
/// # Errors
/// When PostgreSQL does not answer.
pub async fn checksum(pool: &Pool, schema: &Schema) -> Result<BTreeMap<String, String>, Error> {
    let mut client = pool.get().await?;
    // All tables as of one moment.
    let tx = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let sums = checksum_in(&*tx, schema).await?;
    tx.commit().await?;
    Ok(sums)
}

/// The same within a transaction.
pub(crate) async fn checksum_in(
    client: &impl GenericClient,
    schema: &Schema,
) -> Result<BTreeMap<String, String>, Error> {
    // How a row is written as text depends on these.
    client
        .batch_execute(
            "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL extra_float_digits = 1",
        )
        .await?;
    let tables = client
        .query(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = $1 AND tablename <> 'checkpoint'",
            &[&schema.as_str()],
        )
        .await?;
    let mut sums = BTreeMap::new();
    for row in tables {
        let table: String = row.get(0);
        let sql = include_str!("checksum.sql").replace("{table}", &format!("{schema}.\"{table}\""));
        let sum: String = client.query_one(&sql, &[]).await?.get(0);
        sums.insert(table, sum);
    }
    Ok(sums)
}

/// Where two schemas' hashes differ.
pub(crate) fn differences(
    found: &BTreeMap<String, String>,
    folded: &BTreeMap<String, String>,
) -> Vec<Difference> {
    let tables: BTreeSet<&String> = found.keys().chain(folded.keys()).collect();
    tables
        .into_iter()
        .filter(|table| found.get(*table) != folded.get(*table))
        .map(|table| Difference {
            table: table.clone(),
            found: found.get(table).cloned(),
            folded: folded.get(table).cloned(),
        })
        .collect()
}
