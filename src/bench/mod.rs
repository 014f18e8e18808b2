//! `weir bench`: measurements of Weir beside what it is built on, in one run on one machine.
//!
//! Every measurement prints a [`Report`]: what the part underneath reaches by itself (the ceiling),
//! what Weir reaches with it, and the ratio. To add one: a module with `Args` and `run`, and one
//! line in [`Bench`].

pub(crate) mod append;
pub(crate) mod cache;
pub(crate) mod ingest;
pub(crate) mod project;
pub(crate) mod query;
pub(crate) mod read;
pub(crate) mod subscribe;

mod load;
mod process;
mod python;
mod server;

use std::fmt::Write as _;

use serde::Serialize;

/// What to measure.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Commits into the event log, beside plain guarded publishes to the same server.
    Append(append::Args),
    /// A CSV file to a table with its profile, beside DuckDB's plain copy of it into Parquet.
    Ingest(ingest::Args),
    /// TPC-H queries over tables of Weir's, beside DuckDB over the same files.
    Query(query::Args),
    /// The projector over a backlog, beside its rows written without any folding; rebuilds; time to visibility.
    Project(project::Args),
    /// Results of queries in their tiers, beside answers from memory alone.
    Cache(cache::Args),
    /// The dashboard over HTTP, beside the same bytes from the same HTTP server with nothing around them.
    Read(read::Args),
    /// Commands while a thousand subscribers follow the events, beside the same commands without them.
    Subscribe(subscribe::Args),
}

impl Bench {
    /// Measures and prints.
    ///
    /// # Errors
    /// When the measurement could not be made.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Append(args) => append::run(args).await,
            Self::Ingest(args) => ingest::run(args).await,
            Self::Project(args) => Box::pin(project::run(args)).await,
            Self::Query(args) => query::run(args).await,
            Self::Cache(args) => Box::pin(cache::run(args)).await,
            Self::Read(args) => Box::pin(read::run(args)).await,
            Self::Subscribe(args) => Box::pin(subscribe::run(args)).await,
        }
    }
}

/// The outcome of a measurement.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What was measured.
    pub(crate) name: &'static str,
    /// The numbers.
    pub(crate) cases: Vec<Case>,
    /// What to know about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// One number of Weir's, and the same of what it is built on.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    /// What the number says.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// What the part underneath reaches, where it is there to be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ceiling: Option<f64>,
    /// What Weir reaches.
    pub(crate) weir: f64,
    /// Weir's number divided by the ceiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// The unit of the ratio.
    pub(crate) ratio_unit: &'static str,
    /// What should be reached, where there is a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wanted: Option<Target>,
}

/// What should be reached.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    /// This ratio or more.
    AtLeast(f64),
    /// This ratio or less.
    AtMost(f64),
    /// This number or more, whatever the ceiling.
    Reach(f64),
}

impl Case {
    /// A pair of numbers.
    pub(crate) fn new(
        name: String,
        unit: &'static str,
        ceiling: impl Into<Option<f64>>,
        weir: f64,
        wanted: Option<Target>,
    ) -> Self {
        let ceiling = ceiling.into();
        let ratio = ceiling.map(|ceiling| weir / ceiling);
        Self { name, unit, ceiling, weir, ratio, ratio_unit: "times the ceiling", wanted }
    }

    fn met(&self) -> Option<bool> {
        Some(match self.wanted? {
            Target::AtLeast(limit) => self.ratio? >= limit,
            Target::AtMost(limit) => self.ratio? <= limit,
            Target::Reach(number) => self.weir >= number,
        })
    }
}

impl Report {
    /// Prints the report, as one JSON object or as a table.
    ///
    /// # Errors
    /// When a number is not one.
    #[expect(clippy::print_stdout, reason = "the report is what the command is for")]
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            print!("{}", self.table());
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let width = self.cases.iter().map(|c| c.name.len()).max().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<width$}  {:>12}  {:>12}  {:<10}  {:>6}  wanted",
            self.name, "ceiling", "weir", "unit", "ratio"
        );
        for case in &self.cases {
            let wanted = match case.wanted {
                Some(Target::AtLeast(limit)) => format!(">= {limit}"),
                Some(Target::AtMost(limit)) => format!("<= {limit}"),
                Some(Target::Reach(number)) => format!("{number} {}", case.unit),
                None => String::new(),
            };
            let met = match case.met() {
                Some(true) => " met",
                Some(false) => " MISSED",
                None => "",
            };
            let _ = writeln!(
                text,
                "{:<width$}  {:>12}  {:>12.2}  {:<10}  {:>6}  {wanted}{met}",
                case.name,
                number(case.ceiling),
                case.weir,
                case.unit,
                number(case.ratio)
            );
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        text
    }
}

/// A number that may not be there.
fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"))
}
