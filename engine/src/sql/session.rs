//! Sessions: what a query can reach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, SchemaProvider, TableFunction, TableProvider,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::MemoryPool;
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionStateDefaults, TaskContext};
use datafusion::logical_expr::ScalarUDF;
use datafusion::optimizer::Analyzer;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionConfig;
use datafusion_functions_nested::planner::FieldAccessPlanner;
use futures::StreamExt;
use object_store::ObjectStore;

use super::analyze::Guarded;
use super::arithmetic::CheckedConstants;
use super::growth::{Allowance, Bounded};
use super::membership::Memberships;
use super::memory::{QueryPool, Total};
use super::sum::CheckedSum;
use super::{Code, Limits, ReadError, Rows, Source, SqlError, Table, pushdown};
use crate::{Config, SetupError};

const CATALOG: &str = "weir";
const SCHEMA: &str = "public";

/// The only address there is, known to the engine alone.
const STORE: &str = "weir://blobs";

/// Functions that would tell where a table lies in the store.
const WITHHELD: [&str; 2] = ["input_file_name", "file_row_index"];

/// Rows that are worked on at a time.
const BATCH_ROWS: usize = 16 << 10;

/// Schemas that are remembered; tables never change under their key.
const REMEMBERED: usize = 4096;

/// Makes a session for each query from one template.
pub(crate) struct Sessions {
    template: SessionState,
    runtime: Arc<RuntimeEnv>,
    total: Arc<Total>,
    schemas: Mutex<HashMap<String, SchemaRef>>,
}

impl Sessions {
    pub(crate) fn new(blobs: Arc<dyn ObjectStore>, config: &Config) -> std::result::Result<Self, SetupError> {
        let setup = |e: DataFusionError| SetupError::Query(e.strip_backtrace());
        // The usual registry begins with the machine's own file system in it.
        let stores = DefaultObjectStoreRegistry::new();
        stores.deregister_store(ObjectStoreUrl::local_filesystem().as_ref()).map_err(setup)?;
        stores.register_store(ObjectStoreUrl::parse(STORE).map_err(setup)?.as_ref(), blobs);
        let spill = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![config.spill_dir.clone()]))
            .with_max_temp_directory_size(config.spill_bytes);
        let runtime = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(stores))
            .with_disk_manager_builder(spill)
            .build_arc()
            .map_err(setup)?;

        let mut session = SessionConfig::new()
            .with_target_partitions(config.target_partitions.max(1))
            .with_batch_size(BATCH_ROWS)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(false);
        let options = session.options_mut();
        options.sql_parser.collect_spans = true;
        options.explain.logical_plan_only = true;
        // Row groups and pages are passed over by their statistics. Filters within pages cost more than they save
        // where rows that match are spread evenly, as they mostly are.
        options.execution.parquet.pushdown_filters = false;
        // What a join or a sort learns while it runs is handed to scans by the names of columns, and with two
        // of one name the wrong one is filtered: rows are lost in silence (apache/datafusion#25244, mended by
        // #25259 after 55.2). Until that is released, nothing is handed down.
        options.optimizer.enable_dynamic_filter_pushdown = false;
        options.optimizer.enable_join_dynamic_filter_pushdown = false;
        options.optimizer.enable_topk_dynamic_filter_pushdown = false;
        options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
        options.execution.time_zone = Some("+00:00".to_owned());

        let mut functions = SessionStateDefaults::default_scalar_functions();
        functions.retain(|f| !WITHHELD.contains(&f.name()));
        functions.extend(lists());
        let functions = functions.into_iter().map(Bounded::wrap).collect();
        let table_functions: Vec<Arc<TableFunction>> = SessionStateDefaults::default_table_functions();
        let mut aggregates = SessionStateDefaults::default_aggregate_functions();
        aggregates.retain(|f| f.name() != "sum");
        aggregates.push(Arc::new(CheckedSum::default().into()));
        let mut planners = SessionStateDefaults::default_expr_planners();
        // What is nested: list[1]. Structs are the core's own business: column.field.
        planners.push(Arc::new(FieldAccessPlanner));
        planners.push(Arc::new(CheckedConstants));
        let mut analyzer = Analyzer::new().rules;
        analyzer.push(Arc::new(Memberships));
        analyzer.push(Arc::new(Guarded));
        let template = SessionStateBuilder::new()
            .with_analyzer_rules(analyzer)
            .with_physical_optimizer_rules(pushdown::rules())
            .with_config(session)
            .with_runtime_env(runtime.clone())
            .with_expr_planners(planners)
            .with_scalar_functions(functions)
            .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
            .with_aggregate_functions(aggregates)
            .with_window_functions(SessionStateDefaults::default_window_functions())
            .with_table_function_list(table_functions)
            .build();
        let total = Arc::new(Total::new(config.memory_bytes));
        Ok(Self { template, runtime, total, schemas: Mutex::default() })
    }

    /// A session in which these tables are all there is, with the names of their columns.
    pub(super) async fn open(
        &self,
        tables: &[Table],
        limits: &Limits,
    ) -> std::result::Result<(SessionState, Vec<SchemaRef>), SqlError> {
        let pool: Arc<dyn MemoryPool> = Arc::new(QueryPool::new(limits.memory, self.total.clone()));
        let runtime = RuntimeEnv { memory_pool: pool.clone(), ..self.runtime.as_ref().clone() };
        let mut config = self.template.config().clone();
        config.options_mut().extensions.insert(Allowance::new(pool, limits.memory));
        // What each part of a sort sets aside to merge with; the usual ten megabytes would be all that
        // a small query has.
        let share = limits.memory / (8 * config.target_partitions());
        config.options_mut().execution.sort_spill_reservation_bytes = share.min(10 << 20);
        let state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_config(config)
            .with_runtime_env(Arc::new(runtime))
            .build();
        let mut given = Given::default();
        let mut schemas = Vec::with_capacity(tables.len());
        for table in tables {
            let key = match &table.source {
                Source::File(key) => key,
                Source::Rows(rows) => {
                    let provider = StreamingTable::try_new(rows.schema(), vec![Streamed::of(rows)])?;
                    let (schema, name) = table.name.split_once('.').unwrap_or((SCHEMA, &table.name));
                    given.add(schema, name, Arc::new(provider));
                    schemas.push(rows.schema());
                    continue;
                }
            };
            let (provider, schema) = self.table(&state, key).await.map_err(|e| {
                tracing::warn!(reason = %e, key, "a table could not be opened");
                let detail = format!("The table '{}' could not be read.", table.name);
                SqlError::new(Code::StorageUnavailable, detail)
            })?;
            given.add(SCHEMA, &table.name, provider);
            schemas.push(schema);
        }
        let catalog = Arc::new(given);
        let mut state = SessionStateBuilder::new_from_existing(state).with_catalog_list(catalog).build();
        // now() and its kin are this moment, the same all through the query.
        state.mark_start_execution();
        Ok((state, schemas))
    }

    async fn table(&self, state: &SessionState, key: &str) -> Result<(Arc<dyn TableProvider>, SchemaRef)> {
        let path =
            object_store::path::Path::parse(key).map_err(|e| DataFusionError::External(Box::new(e)))?;
        let url = ListingTableUrl::parse(format!("{STORE}/{path}"))?;
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension("");
        let known = self.schemas.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        let schema = match known {
            Some(schema) => schema,
            None => {
                let schema = options.infer_schema(state, &url).await?;
                let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
                if schemas.len() >= REMEMBERED {
                    schemas.clear();
                }
                schemas.insert(key.to_owned(), schema.clone());
                schema
            }
        };
        let config = ListingTableConfig::new(url).with_listing_options(options).with_schema(schema.clone());
        Ok((Arc::new(ListingTable::try_new(config)?), schema))
    }
}

/// Functions on lists: those whose results are no larger than the lists.
fn lists() -> Vec<Arc<ScalarUDF>> {
    use datafusion_functions_nested::{
        array_has, cardinality, empty, extract, flatten, length, min_max, position, reverse, set_ops, sort,
    };
    vec![
        array_has::array_has_udf(),
        array_has::array_has_all_udf(),
        array_has::array_has_any_udf(),
        cardinality::cardinality_udf(),
        empty::array_empty_udf(),
        extract::array_any_value_udf(),
        extract::array_element_udf(),
        extract::array_slice_udf(),
        flatten::flatten_udf(),
        length::array_length_udf(),
        min_max::array_max_udf(),
        min_max::array_min_udf(),
        position::array_position_udf(),
        reverse::array_reverse_udf(),
        set_ops::array_distinct_udf(),
        sort::array_sort_udf(),
    ]
}

/// The table that a name means: the one so written, else the only one that differs in case alone.
pub(super) fn find<'a>(name: &str, tables: &'a [Table]) -> std::result::Result<&'a Table, SqlError> {
    position(name, tables.iter().map(|t| t.name.as_str())).map(|at| &tables[at]).ok_or_else(|| {
        let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
        let mut hint = crate::near::hint(name, names.iter().copied());
        if hint.is_empty() {
            hint = super::error::listed(&names);
        }
        SqlError::new(Code::UnknownTable, format!("There is no table '{name}'.{hint}"))
    })
}

fn position<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> Option<usize> {
    if let Some(at) = names.clone().position(|n| n == name) {
        return Some(at);
    }
    let wanted = name.to_lowercase();
    let mut alike = names.enumerate().filter(|(_, n)| n.to_lowercase() == wanted);
    match (alike.next(), alike.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

/// A catalog of the tables that are given, by schema.
#[derive(Debug, Clone, Default)]
struct Given(HashMap<String, Tables>);

impl Given {
    fn add(&mut self, schema: &str, name: &str, table: Arc<dyn TableProvider>) {
        self.0.entry(schema.to_owned()).or_default().0.push((name.to_owned(), table));
    }
}

impl CatalogProviderList for Given {
    fn register_catalog(
        &self,
        _name: String,
        _catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        (name == CATALOG).then(|| Arc::new(self.clone()) as _)
    }
}

impl CatalogProvider for Given {
    fn schema_names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match self.0.get(name) {
            Some(tables) => Some(Arc::new(tables.clone()) as _),
            None => (name == SCHEMA).then(|| Arc::new(Tables::default()) as _),
        }
    }
}

/// Rows in no file as a part of a plan.
#[derive(Debug)]
struct Streamed {
    rows: Arc<dyn Rows>,
    schema: SchemaRef,
}

impl Streamed {
    fn of(rows: &Arc<dyn Rows>) -> Arc<dyn PartitionStream> {
        Arc::new(Self { rows: Arc::clone(rows), schema: rows.schema() })
    }
}

impl PartitionStream for Streamed {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        // What fails is storage, wherever it is: nothing is wrong with the SQL.
        let failed = |e: ReadError| DataFusionError::IoError(std::io::Error::other(e));
        let batches = self.rows.read().map(move |batch| batch.map_err(failed));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

#[derive(Debug, Clone, Default)]
struct Tables(Vec<(String, Arc<dyn TableProvider>)>);

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let at = position(name, self.0.iter().map(|(n, _)| n.as_str()));
        Ok(at.map(|at| self.0[at].1.clone()))
    }

    fn table_exist(&self, name: &str) -> bool {
        position(name, self.0.iter().map(|(n, _)| n.as_str())).is_some()
    }
}
