//! Content hashes of tables, to prove read models equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

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

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, found, folded } = self;
        match (found, folded) {
            (Some(found), Some(folded)) => {
                write!(f, "{table}: {} instead of {}", Sum(found), Sum(folded))
            }
            (None, Some(folded)) => write!(f, "{table}: missing, instead of {}", Sum(folded)),
            (Some(found), None) => write!(f, "{table}: {}, where there should be no such table", Sum(found)),
            (None, None) => write!(f, "{table}: made by other projections, so nothing can be compared"),
        }
    }
}

/// A table's hash for people: how many rows, and the start of what they add up to.
struct Sum<'a>(&'a str);

impl fmt::Display for Sum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, hash) = self.0.split_once(':').unwrap_or((self.0, ""));
        write!(f, "{rows} rows with hash {hash}")
    }
}

/// A hash per table of a checkpoint's projections over all its rows, whatever their order; equal content has equal
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
    let counted = format!(
        "SELECT schemaname::text, tablename::text FROM pg_tables \
         WHERE tablename <> 'checkpoint' \
           AND schemaname IN (SELECT $1 UNION ALL SELECT $1 || '_' || name FROM {schema}.checkpoint)"
    );
    let mut sums = BTreeMap::new();
    for row in client.query(&counted, &[&schema.as_str()]).await? {
        let (own, table): (String, String) = (row.get(0), row.get(1));
        let sql = include_str!("checksum.sql").replace("{table}", &format!("\"{own}\".\"{table}\""));
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

#[cfg(test)]
mod tests {
    use super::Difference;

    #[test]
    fn a_difference_can_be_read_by_people() {
        let sum = |rows: u8| Some(format!("{rows}:-17:4"));
        let said = |found, folded| Difference { table: "runs".to_owned(), found, folded }.to_string();
        assert_eq!(said(sum(3), sum(4)), "runs: 3 rows with hash -17:4 instead of 4 rows with hash -17:4");
        assert_eq!(said(None, sum(4)), "runs: missing, instead of 4 rows with hash -17:4");
        assert!(said(sum(3), None).ends_with("no such table"));
        assert!(said(None, None).contains("other projections"));
    }
}
