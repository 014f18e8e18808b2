//! Requests over contexts, answered by the engine and by counting on one's fingers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use weir_engine::Column;
use weir_engine::context::{self, Catalog, Code, Entry, Request};

use crate::support::{Bench, patient};
use weir_engine::sql;

/// A small generator, so that a case is one number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Join {
    Inner,
    Left,
    Right,
    Outer,
}

/// Table `child` hangs on table `parent`, which comes before it; both have a column `k<child>`.
#[derive(Debug)]
struct Link {
    parent: usize,
    child: usize,
    parent_is_left: bool,
    many_parents: bool,
    many_children: bool,
    /// Said by a cardinality, and otherwise by keys or by nothing.
    declared: bool,
    join: Join,
}

#[derive(Debug)]
struct Case {
    links: Vec<Link>,
    /// For each table its columns, and for each row its cells.
    tables: Vec<BTreeMap<String, Vec<Option<i64>>>>,
    /// The table and the kind of aggregate.
    metrics: Vec<(usize, usize)>,
    dimensions: Vec<usize>,
    filter: Option<(usize, i64)>,
}

const AGGREGATES: [(&str, bool); 7] = [
    ("COUNT(*)", true),
    ("SUM({t}.v)", true),
    ("AVG({t}.v)", true),
    ("SUM({t}.v) * 1.0 / COUNT(*)", true),
    ("MIN({t}.v)", false),
    ("COUNT(DISTINCT {t}.v)", false),
    ("COUNT(CASE WHEN {t}.v IS NULL THEN 1 END) + 1", true),
];

fn case(seed: u64) -> Case {
    let mut dice = Dice(seed);
    dice.roll(2);
    let count = 2 + dice.roll(3) as usize;
    let links: Vec<Link> = (1..count)
        .map(|child| {
            let join = [Join::Inner, Join::Left, Join::Left, Join::Right, Join::Outer][dice.roll(5) as usize];
            Link {
                parent: dice.roll(child as u64) as usize,
                child,
                parent_is_left: dice.chance(60),
                many_parents: dice.chance(80),
                many_children: dice.chance(20),
                declared: dice.chance(80),
                join,
            }
        })
        .collect();
    let mut tables = Vec::new();
    for table in 0..count {
        let rows = 1 + dice.roll(6) as usize;
        let mut columns = BTreeMap::new();
        // The first cell is always there, so that every column has a type.
        let cells = |dice: &mut Dice, missing: u64, values: u64| -> Vec<Option<i64>> {
            let one = |i: usize, dice: &mut Dice| {
                (i == 0 || !dice.chance(missing)).then(|| dice.roll(values) as i64)
            };
            (0..rows).map(|i| one(i, dice)).collect()
        };
        columns.insert("v".to_owned(), cells(&mut dice, 20, 5));
        columns.insert("g".to_owned(), cells(&mut dice, 20, 3));
        for link in links.iter().filter(|l| l.parent == table || l.child == table) {
            let many = if link.parent == table { link.many_parents } else { link.many_children };
            let key = !link.declared && !many;
            let mut column = cells(&mut dice, if key { 0 } else { 15 }, 6);
            if !many {
                // One row for each value, in any order, and values that nobody has.
                let mut free: Vec<i64> = (0..7).collect();
                for cell in column.iter_mut().flatten() {
                    *cell = free.swap_remove(dice.roll(free.len() as u64) as usize);
                }
            }
            columns.insert(format!("k{}", link.child), column);
        }
        tables.push(columns);
    }
    let some = |dice: &mut Dice, first: u64| {
        if dice.chance(first) { 0 } else { dice.roll(count as u64) as usize }
    };
    let mut metrics: Vec<(usize, usize)> = (0..=dice.roll(3))
        .map(|_| (some(&mut dice, 65), dice.roll(AGGREGATES.len() as u64) as usize))
        .collect();
    metrics.sort_unstable();
    metrics.dedup();
    let mut dimensions: Vec<usize> = (0..dice.roll(3)).map(|_| some(&mut dice, 0)).collect();
    dimensions.sort_unstable();
    dimensions.dedup();
    let filter = dice.chance(30).then(|| (some(&mut dice, 30), dice.roll(2) as i64));
    Case { links, tables, metrics, dimensions, filter }
}

impl Case {
    fn csv(&self, table: usize) -> String {
        let columns = &self.tables[table];
        let names: Vec<&str> = columns.keys().map(String::as_str).collect();
        let mut text = format!("row,{}\n", names.join(","));
        for i in 0..columns["v"].len() {
            let cells: Vec<String> =
                columns.values().map(|c| c[i].map(|v| v.to_string()).unwrap_or_default()).collect();
            text.push_str(&format!("{i},{}\n", cells.join(",")));
        }
        text
    }

    fn context(&self) -> String {
        let mut text = "name: random\nversion: 1.0.0\ndescription: made up by a die\ndatasets:\n".to_owned();
        for t in 0..self.tables.len() {
            text.push_str(&format!("  - {{id: t{t}, name: t{t}, dataset_id: d{t}"));
            let keys: Vec<String> = self
                .links
                .iter()
                .filter(|l| {
                    !l.declared && (l.parent == t && !l.many_parents || l.child == t && !l.many_children)
                })
                .map(|l| format!("{{name: k{}, primary_key: true}}", l.child))
                .collect();
            // More than one key together would tell less.
            if let [only] = keys.as_slice() {
                text.push_str(&format!(", columns: [{only}]"));
            }
            text.push_str("}\n");
        }
        text.push_str("relationships:\n");
        for link in &self.links {
            let (left, right) =
                if link.parent_is_left { (link.parent, link.child) } else { (link.child, link.parent) };
            let (many_left, many_right) = if link.parent_is_left {
                (link.many_parents, link.many_children)
            } else {
                (link.many_children, link.many_parents)
            };
            let word = |many| if many { "many" } else { "one" };
            let join = format!("{:?}", link.join).to_lowercase();
            text.push_str(&format!(
                "  - id: r{0}\n    left_dataset: t{left}\n    right_dataset: t{right}\n    join_type: {join}\n    \
                 conditions: [{{left_column: k{0}, right_column: k{0}}}]\n",
                link.child
            ));
            if link.declared {
                text.push_str(&format!("    cardinality: {}-to-{}\n", word(many_left), word(many_right)));
            }
        }
        text.push_str("metrics:\n");
        for (table, kind) in &self.metrics {
            let expression = AGGREGATES[*kind].0.replace("{t}", &format!("t{table}"));
            text.push_str(&format!(
                "  - {{id: m{table}_{kind}, expression: \"{expression}\", datasets: [t{table}]}}\n"
            ));
        }
        text
    }

    /// Whether a row of the one table may meet many of the other, going along the link from it.
    fn multiplies(&self, link: &Link, from: usize) -> bool {
        let to_child = link.parent == from;
        let many = if to_child { link.many_children } else { link.many_parents };
        let to = if to_child { link.child } else { link.parent };
        let keys = self.links.iter().filter(|l| {
            !l.declared && (l.parent == to && !l.many_parents || l.child == to && !l.many_children)
        });
        // Without a word on it only a key of its own keeps it from being many.
        many || !link.declared && keys.count() != 1
    }

    /// The links from a table to others, nearest first: each with the table it comes from and goes to.
    fn way(&self, root: usize, targets: &BTreeSet<usize>) -> Vec<(&Link, usize, usize)> {
        let mut from: BTreeMap<usize, (&Link, usize, usize)> = BTreeMap::new();
        let mut border = vec![root];
        for distance in 1.. {
            let mut next = Vec::new();
            for at in &border {
                for link in &self.links {
                    let to = match (link.parent == *at, link.child == *at) {
                        (true, _) => link.child,
                        (_, true) => link.parent,
                        _ => continue,
                    };
                    if to != root && !from.contains_key(&to) {
                        from.insert(to, (link, *at, distance));
                        next.push(to);
                    }
                }
            }
            if next.is_empty() {
                break;
            }
            border = next;
        }
        let mut wanted = BTreeSet::new();
        for target in targets {
            let mut at = *target;
            while at != root {
                wanted.insert((from[&at].2, at));
                at = from[&at].1;
            }
        }
        wanted.into_iter().map(|(_, at)| (from[&at].0, from[&at].1, at)).collect()
    }

    fn cell(&self, table: usize, column: &str, row: Option<usize>) -> Option<i64> {
        self.tables[table][column][row?]
    }

    /// The rows of a root by group, each once: what every right answer is made of.
    fn groups(&self, root: usize) -> (BTreeMap<Vec<Option<i64>>, BTreeSet<usize>>, bool) {
        let mut targets: BTreeSet<usize> = self.dimensions.iter().copied().collect();
        targets.extend(self.filter.map(|f| f.0));
        let rows_of = |t: usize| self.tables[t]["v"].len();
        let none = || vec![None; self.tables.len()];
        let mut joined: Vec<Vec<Option<usize>>> = (0..rows_of(root))
            .map(|i| {
                let mut row = none();
                row[root] = Some(i);
                row
            })
            .collect();
        let mut multiplied = false;
        for (link, from, to) in self.way(root, &targets) {
            multiplied |= self.multiplies(link, from);
            let from_left = (link.parent == from) == link.parent_is_left;
            let keep_from =
                link.join == Join::Outer || link.join == if from_left { Join::Left } else { Join::Right };
            let keep_to =
                link.join == Join::Outer || link.join == if from_left { Join::Right } else { Join::Left };
            let key = format!("k{}", link.child);
            let mut met = vec![false; rows_of(to)];
            let mut out = Vec::new();
            for row in &joined {
                let own = self.cell(from, &key, row[from]);
                let mut partners = 0;
                for (other, met) in met.iter_mut().enumerate() {
                    if own.is_some() && own == self.cell(to, &key, Some(other)) {
                        let mut row = row.clone();
                        row[to] = Some(other);
                        out.push(row);
                        *met = true;
                        partners += 1;
                    }
                }
                if partners == 0 && keep_from {
                    out.push(row.clone());
                }
            }
            for (other, _) in met.iter().enumerate().filter(|(_, met)| keep_to && !**met) {
                let mut row = none();
                row[to] = Some(other);
                out.push(row);
            }
            joined = out;
        }
        let mut groups: BTreeMap<Vec<Option<i64>>, BTreeSet<usize>> = BTreeMap::new();
        if self.dimensions.is_empty() {
            groups.insert(Vec::new(), BTreeSet::new());
        }
        for row in joined {
            if let Some((table, least)) = self.filter
                && self.cell(table, "g", row[table]).is_none_or(|g| g < least)
            {
                continue;
            }
            let key = self.dimensions.iter().map(|d| self.cell(*d, "g", row[*d])).collect();
            groups.entry(key).or_default().extend(row[root]);
        }
        (groups, multiplied)
    }

    fn value(&self, table: usize, kind: usize, rows: &BTreeSet<usize>) -> Option<f64> {
        let cells: Vec<Option<i64>> = rows.iter().map(|r| self.cell(table, "v", Some(*r))).collect();
        let there: Vec<i64> = cells.iter().flatten().copied().collect();
        let sum = (!there.is_empty()).then(|| there.iter().sum::<i64>() as f64);
        match kind {
            0 => Some(rows.len() as f64),
            1 => sum,
            2 => sum.map(|s| s / there.len() as f64),
            3 => sum.map(|s| s / rows.len() as f64),
            4 => there.iter().min().map(|v| *v as f64),
            5 => Some(there.iter().collect::<BTreeSet<_>>().len() as f64),
            _ => Some((cells.len() - there.len()) as f64 + 1.0),
        }
    }

    /// The right answer; nothing where the request has to be refused.
    fn expected(&self) -> Option<Answer> {
        let mut all = BTreeMap::new();
        let mut by_metric = Vec::new();
        for (table, kind) in &self.metrics {
            let (groups, multiplied) = self.groups(*table);
            if multiplied && AGGREGATES[*kind].1 {
                return None;
            }
            all.extend(groups.keys().map(|key| (key.clone(), Vec::new())));
            by_metric.push(groups);
        }
        for (key, values) in &mut all {
            for ((table, kind), groups) in self.metrics.iter().zip(&by_metric) {
                let rows = groups.get(key).cloned().unwrap_or_default();
                values.push(self.value(*table, *kind, &rows));
            }
        }
        Some(all)
    }

    fn request(&self) -> Request {
        Request {
            metrics: self.metrics.iter().map(|(t, k)| format!("m{t}_{k}")).collect(),
            dimensions: self.dimensions.iter().map(|t| format!("t{t}.g")).collect(),
            filters: self.filter.iter().map(|(t, least)| format!("t{t}.g >= {least}")).collect(),
            ..Request::default()
        }
    }
}

fn entry(name: &str, table: &str, columns: &[Column]) -> Entry {
    Entry { id: format!("id of {name}"), name: table.to_owned(), version: 1, columns: columns.to_vec() }
}

/// Whatever is asked of whatever tables: the number is right, or there is none.
#[test]
fn numbers_are_right_or_refused() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = Mutex::new(runtime.block_on(async { Bench::new() }));
    let (asked, refused, apart) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let config = Config { failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&any::<u64>(), |seed| {
            let case = case(seed);
            asked.fetch_add(1, Ordering::Relaxed);
            let mut bench = bench.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            bench.tables.clear();
            let mut catalog = Catalog::default();
            let expected = case.expected();
            let context = context::parse(&case.context()).map_err(|e| fail(&case, &format!("{e:?}")))?;
            for t in 0..case.tables.len() {
                let names = case.tables[t].keys().map(|c| Column::new(c.as_str(), "int"));
                let columns: Vec<Column> = [Column::new("row", "int")].into_iter().chain(names).collect();
                catalog.datasets.push(entry(&format!("d{t}"), &format!("d{t}"), &columns));
            }
            let compiled = match (context::compile(&context, &case.request(), &catalog), &expected) {
                (Err(findings), None) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    prop_assert!(findings.iter().all(|f| f.code == Code::FanOut), "{findings:?} {case:?}");
                    prop_assert!(findings[0].detail.contains("relationship 'r"), "{findings:?}");
                    return Ok(());
                }
                (Ok(compiled), Some(_)) => compiled,
                (got, _) => return Err(fail(&case, &format!("expected {expected:?}, got {got:?}"))),
            };
            apart.fetch_add(usize::from(compiled.sql.starts_with("WITH")), Ordering::Relaxed);
            for t in 0..case.tables.len() {
                runtime.block_on(bench.load(&format!("d{t}"), case.csv(t)));
            }
            let statement =
                sql::parse(&compiled.sql).map_err(|e| fail(&case, &format!("{e} {}", compiled.sql)))?;
            let answer = runtime.block_on(bench.engine.query(&statement, &bench.tables, &patient()));
            let answer = answer.map_err(|e| fail(&case, &format!("{e}\n{}", compiled.sql)))?;
            let mut got = BTreeMap::new();
            for row in answer.to_json_rows().unwrap() {
                let (key, values) = row.split_at(case.dimensions.len());
                let key: Vec<Option<i64>> = key.iter().map(Value::as_i64).collect();
                let values: Vec<Option<f64>> = values.iter().map(Value::as_f64).collect();
                prop_assert!(got.insert(key, values).is_none(), "a group twice: {}", compiled.sql);
            }
            if !same(&got, &expected.unwrap_or_default()) {
                let what = format!("got {got:?}\nwanted {:?}\n{}", case.expected(), compiled.sql);
                return Err(fail(&case, &what));
            }
            Ok(())
        })
        .unwrap();
    let count = |n: &AtomicUsize| n.load(Ordering::Relaxed);
    println!("{} asked, {} refused, {} worked out in parts", count(&asked), count(&refused), count(&apart));
    assert!(count(&refused) * 2 < count(&asked), "most is refused");
    assert!(count(&refused) > 0 && count(&apart) * 20 > count(&asked), "the die is loaded");
}

fn fail(case: &Case, what: &str) -> TestCaseError {
    TestCaseError::fail(format!("{what}\n{case:?}\n{}", case.context()))
}

type Answer = BTreeMap<Vec<Option<i64>>, Vec<Option<f64>>>;

fn same(got: &Answer, wanted: &Answer) -> bool {
    let near = |a: &Option<f64>, b: &Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        (None, None) => true,
        _ => false,
    };
    got.len() == wanted.len()
        && got.iter().all(|(key, values)| {
            wanted
                .get(key)
                .is_some_and(|w| w.len() == values.len() && w.iter().zip(values).all(|(a, b)| near(a, b)))
        })
}

/// The sample that comes with Weir, over the sample data.
#[tokio::test]
async fn the_sample_answers() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples/nycflights13");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
    let mut bench = Bench::new();
    let mut catalog = Catalog::default();
    for (name, file) in [
        ("flights", "flights.csv.gz"),
        ("airlines", "airlines.csv"),
        ("airports", "airports.csv"),
        ("planes", "planes.csv"),
        ("weather", "weather.csv"),
    ] {
        let ingested = bench.load(name, read(file)).await;
        catalog.datasets.push(entry(name, name, &ingested.columns));
    }
    let text = String::from_utf8(read("flights.context.md")).unwrap();
    let context = context::parse(&text).unwrap();
    assert_eq!(context.validate(context::Level::Full, &catalog), []);

    let mut request = Request {
        metrics: vec!["flight_count".to_owned(), "avg_arr_delay".to_owned(), "late_share".to_owned()],
        dimensions: vec!["airlines.name".to_owned()],
        ..Request::default()
    };
    let compiled = context::compile(&context, &request, &catalog).unwrap();
    let got = bench.rows(&format!("{}\nORDER BY 1", compiled.sql)).await;
    let wanted = "SELECT a.name, count(*), avg(arr_delay), \
                  sum((arr_delay > 15)::int) * 1.0 / count(arr_delay) \
                  FROM flights f LEFT JOIN airlines a ON a.carrier = f.carrier GROUP BY 1 ORDER BY 1";
    let wanted = bench.rows(wanted).await;
    assert!(got.len() > 10);
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(&wanted) {
        assert_eq!(got[..2], wanted[..2]);
        for i in 2..4 {
            let (a, b) = (got[i].as_f64().unwrap(), wanted[i].as_f64().unwrap());
            assert!((a - b).abs() < 1e-6, "{got:?} {wanted:?}");
        }
    }

    // Flights and hours of weather at an airport, each counted for itself.
    request.metrics = vec!["flight_count".to_owned(), "avg_wind".to_owned()];
    request.dimensions = vec!["origin.faa".to_owned()];
    let compiled = context::compile(&context, &request, &catalog).unwrap();
    let got = bench.rows(&format!("{}\nORDER BY 1", compiled.sql)).await;
    let flights = bench.rows("SELECT origin, count(*) FROM flights GROUP BY 1 ORDER BY 1").await;
    assert_eq!(
        got.iter().map(|r| &r[1]).collect::<Vec<_>>(),
        flights.iter().map(|r| &r[1]).collect::<Vec<_>>()
    );

    for check in context::rules(&context, &catalog) {
        let rows = bench.rows(&check.sql.unwrap()).await;
        assert_eq!(rows[0][1], 0, "{}", check.id);
        assert!(rows[0][0].as_i64().unwrap() > 0);
    }
    let query = "SELECT origin, flight_count, cancelled_share FROM flights GROUP BY origin ORDER BY flight_count DESC";
    let rows = bench.rows(&context::expand(&context, query, &catalog).unwrap()).await;
    assert_eq!(rows.len(), 3);
}
