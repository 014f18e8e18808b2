//! What a projection is, and the form in which the runtime holds many of them.

use std::{future::Future, marker::PhantomData, sync::Arc};

use bytes::{BufMut, BytesMut};
use futures::future::BoxFuture;
use tokio_postgres::{
    binary_copy::BinaryCopyInWriter,
    types::{IsNull, ToSql, Type, to_sql_checked},
};
use uuid::Uuid;
use weir_events::Recorded;

/// The transaction in which a batch is written.
pub type Tx<'a> = deadpool_postgres::Transaction<'a>;

/// A read model: a pure fold over events, and one set-based write of what was folded.
///
/// - `fold` sees every event once per batch, in order, and does nothing but remember what the
///   batch changes. It may not look at anything but its arguments.
/// - `write` brings that into the tables, with one statement per table whatever the batch's size.
///   What depends on earlier state is settled there, in SQL.
/// - Events may be cut into batches at any place: the tables must come out the same. They must
///   hold nothing that is not in the events, such as the time of writing.
/// - Neither has to be idempotent: the checkpoint moves in the same transaction.
pub trait Projection: Send + Sync + 'static {
    /// Its name in `checkpoint`.
    const NAME: &'static str;
    /// Raised with every change to its tables or its fold: the read models are built anew then.
    const VERSION: i32;
    /// The DDL of its tables, without schema names. Where many rows are folded that nobody reads yet, `CREATE INDEX`
    /// comes after them: `write` may find rows by nothing but primary keys.
    const SCHEMA: &'static str;
    /// Whether `write` copies rows with [`copy`]. Such are written by themselves, after all others.
    const COPIES: bool = false;
    /// What a batch changes.
    type Delta: Default + Send + Sync + 'static;

    /// Takes in one event.
    fn fold(delta: &mut Self::Delta, event: &Recorded);

    /// Writes what was folded. The transaction's `search_path` is the schema of the tables.
    fn write(
        tx: &Tx<'_>,
        delta: Self::Delta,
    ) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send;
}

/// A projection without its types.
pub(crate) trait Erased: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> i32;
    fn schema(&self) -> &'static str;
    /// The DDL of its tables without, and that of, the indexes which only reads need.
    fn tables_and_indexes(&self) -> (String, String) {
        parts(self.schema())
    }
    /// A short form of the DDL of its tables.
    fn tables(&self) -> Uuid {
        digest(self.schema())
    }
    /// A fold that has seen nothing.
    fn begin(&self) -> Box<dyn Folded>;
}

/// What one projection has made of a batch so far.
pub(crate) trait Folded: Send + Sync {
    fn copies(&self) -> bool;
    fn fold(&mut self, event: &Recorded);
    fn write<'a>(self: Box<Self>, tx: &'a Tx<'_>) -> BoxFuture<'a, Result<(), tokio_postgres::Error>>;
}

struct Of<P>(PhantomData<P>);

struct Delta<P: Projection>(P::Delta);

impl<P: Projection> Erased for Of<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> i32 {
        P::VERSION
    }

    fn schema(&self) -> &'static str {
        P::SCHEMA
    }

    fn begin(&self) -> Box<dyn Folded> {
        Box::new(Delta::<P>(P::Delta::default()))
    }
}

impl<P: Projection> Folded for Delta<P> {
    fn copies(&self) -> bool {
        P::COPIES
    }

    fn fold(&mut self, event: &Recorded) {
        P::fold(&mut self.0, event);
    }

    fn write<'a>(self: Box<Self>, tx: &'a Tx<'_>) -> BoxFuture<'a, Result<(), tokio_postgres::Error>> {
        Box::pin(P::write(tx, self.0))
    }
}

/// A list of projections. Clones are cheap.
#[derive(Clone, Default)]
pub struct Projections(Vec<Arc<dyn Erased>>);

impl Projections {
    /// None at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with<P: Projection>(mut self) -> Self {
        self.0.push(Arc::new(Of::<P>(PhantomData)));
        self
    }

    /// Those of these names.
    pub fn only<S: AsRef<str>>(&self, names: &[S]) -> Self {
        let wanted = |p: &&Arc<dyn Erased>| names.iter().any(|name| name.as_ref() == p.name());
        Self(self.0.iter().filter(wanted).cloned().collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.iter().map(Erased::name).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn Erased> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// A batch's fold through all of them, in order.
    pub(crate) fn begin(&self) -> Vec<Box<dyn Folded>> {
        self.iter().map(Erased::begin).collect()
    }

    /// What each projection's tables must have been made by, sorted by name.
    pub(crate) fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<_> = self
            .iter()
            .map(|p| Origin { name: p.name().to_owned(), version: p.version(), tables: Some(p.tables()) })
            .collect();
        origins.sort();
        origins
    }

    /// Names and versions, in order.
    pub fn versions(&self) -> Vec<(&'static str, i32)> {
        self.iter().map(|p| (p.name(), p.version())).collect()
    }
}

impl std::fmt::Debug for Projections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.versions()).finish()
    }
}

/// What a projection's tables were made by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) name: String,
    pub(crate) version: i32,
    pub(crate) tables: Option<Uuid>,
}

/// A short form of DDL that changes when its meaning may have: comments and layout do not count.
fn digest(ddl: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, bare(ddl).as_bytes())
}

/// DDL without comments and layout.
fn bare(ddl: &str) -> String {
    let lines = ddl.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// DDL without the making of indexes, and the making of indexes, which may be there already.
fn parts(ddl: &str) -> (String, String) {
    const INDEX: &str = "CREATE INDEX ";
    let (mut tables, mut indexes) = (String::new(), String::new());
    let bare = bare(ddl);
    for statement in bare.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        match statement.strip_prefix(INDEX) {
            Some(index) => indexes += &format!("{INDEX}IF NOT EXISTS {index};\n"),
            None => tables += &format!("{statement};\n"),
        }
    }
    (tables, indexes)
}

/// Runs one statement, prepared once per connection.
pub(crate) async fn execute(
    tx: &Tx<'_>,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<(), tokio_postgres::Error> {
    let statement = tx.prepare_cached(sql).await?;
    tx.execute(&statement, params).await.map(drop)
}

/// Begins to copy rows into a table; `finish` ends it. The cheapest way there is to write many of them, where none
/// of them can be there yet: a row that is fails the batch. In a transaction that has failed already the connection
/// would be lost over it: the client ends a copying that the server never began.
pub(crate) async fn copy(
    tx: &Tx<'_>,
    sql: &str,
    types: &[Type],
) -> Result<BinaryCopyInWriter, tokio_postgres::Error> {
    let statement = tx.prepare_cached(sql).await?;
    Ok(BinaryCopyInWriter::new(tx.copy_in(&statement).await?, types))
}

/// JSON as text for a `jsonb` column.
#[derive(Debug)]
pub(crate) struct JsonText<'a>(pub(crate) &'a str);

impl ToSql for JsonText<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        // The version of the binary form, which is the text itself.
        out.put_u8(1);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::{digest, parts};

    #[test]
    fn indexes_are_told_from_tables() {
        let ddl = "-- A; and b.\nCREATE TABLE a (b text);\nCREATE INDEX a_b\n  ON a (b);\nCREATE UNIQUE INDEX c ON a (b);";
        let (tables, indexes) = parts(ddl);
        assert_eq!(tables, "CREATE TABLE a (b text);\nCREATE UNIQUE INDEX c ON a (b);\n");
        assert_eq!(indexes, "CREATE INDEX IF NOT EXISTS a_b ON a (b);\n");
    }

    #[test]
    fn only_the_meaning_of_ddl_counts() {
        let plain = digest("CREATE TABLE a (b text);");
        assert_eq!(digest("-- About a.\nCREATE TABLE a (\n    b text -- the b\n);").get_version_num(), 5);
        assert_eq!(digest("-- About a.\nCREATE  TABLE a\n(b text);"), plain);
        assert_ne!(digest("CREATE TABLE a (b bigint);"), plain);
    }
}
