//! Charts that suit a table, by rule.

use super::short::{is_numeric, is_temporal};
use super::{Candidate, Short, Suggestion, to_spec};
use crate::Column;

/// More names than this do not fit along an axis.
const AXIS: u64 = 40;
/// More lines or colours than this cannot be told apart.
const COLORS: u64 = 8;
const MOST: usize = 8;

/// Charts that suit these columns, best first, at most eight. `rows` is how many rows there are.
pub fn suggest(columns: &[Candidate], rows: u64) -> Vec<Suggestion> {
    let sorted = Sorted::new(columns, rows);
    let mut out = Vec::new();
    let all: Vec<Column> = columns.iter().map(|c| c.column.clone()).collect();
    let mut add = |chart: Short, why: String| {
        if out.len() >= MOST {
            return;
        }
        let title = chart.title.clone().unwrap_or_default();
        // A rule that does not fit the columns after all is left out.
        if let Ok(spec) = to_spec(&chart, &all) {
            out.push(Suggestion { chart, spec, title, why });
        }
    };
    let first_measure = sorted.measures.first();

    if let (Some(time), Some(measure)) = (sorted.times.first(), first_measure) {
        let single = time.distinct == Some(rows);
        let how = if single { None } else { Some("mean") };
        let mut chart = short("line", &time.column, Some(&measure.column), how);
        let mut why =
            format!("{} is a time and {} a number: a line shows its course", name(time), name(measure));
        if let Some(group) = sorted.groups.iter().find(|g| few(g, COLORS) && !single) {
            chart.color = Some(name(group).to_owned());
            why.push_str(&format!(", one for each of the {} values of {}", count(group), name(group)));
        }
        add(chart, format!("{why}."));
    }
    for group in sorted.groups.iter().filter(|g| few(g, AXIS)).take(2) {
        let single = group.distinct == Some(rows);
        match first_measure {
            Some(measure) => {
                let how = if single { None } else { Some("mean") };
                let why = format!(
                    "{} has {} different values, which fit side by side to compare {}.",
                    name(group),
                    count(group),
                    name(measure)
                );
                add(short("bar", &group.column, Some(&measure.column), how), why);
            }
            None if !single => {
                let why = format!(
                    "{} has {} different values; the bars count their rows.",
                    name(group),
                    count(group)
                );
                add(short("bar", &group.column, None, Some("count")), why);
            }
            None => {}
        }
    }
    if let Some(measure) = first_measure
        && rows > 20
    {
        let why =
            format!("{} is a number: its distribution shows what is usual and what is not.", name(measure));
        add(short("histogram", &measure.column, None, None), why);
    }
    if let [a, b, ..] = sorted.measures.as_slice()
        && rows > 2
    {
        let mut chart = short("point", &a.column, Some(&b.column), None);
        chart.color = sorted.groups.iter().find(|g| few(g, COLORS)).map(|g| name(g).to_owned());
        add(chart, format!("{} and {} are numbers: points show whether they go together.", name(a), name(b)));
    }
    if let (Some(group), Some(measure)) = (sorted.groups.iter().find(|g| few(g, AXIS)), first_measure)
        && group.distinct.is_some_and(|n| n * 5 <= rows)
    {
        let why = format!(
            "There are many rows for each {}: boxes show how {} spreads in it.",
            name(group),
            name(measure)
        );
        add(short("boxplot", &group.column, Some(&measure.column), None), why);
    }
    let mut crossed = sorted.groups.iter().filter(|g| few(g, AXIS) && g.distinct != Some(rows));
    if let (Some(a), Some(b)) = (crossed.next(), crossed.next()) {
        let why =
            format!("{} and {} both have few values: the grid shows which meet how often.", name(a), name(b));
        add(short("heatmap", &a.column, Some(&b.column), None), why);
    }
    if let Some(group) = sorted.groups.iter().find(|g| g.distinct.is_some_and(|n| (2..=6).contains(&n))) {
        let why = format!(
            "{} has only {} values: a pie shows their shares of all rows.",
            name(group),
            count(group)
        );
        add(short("pie", &group.column, None, Some("count")), why);
    }
    if let (Some(time), None) = (sorted.times.first(), first_measure) {
        let why = format!("{} is a time: the bars count rows day by day.", name(time));
        add(short("histogram", &time.column, None, None), why);
    }
    out
}

fn name(candidate: &Candidate) -> &str {
    &candidate.column.name
}

fn count(candidate: &Candidate) -> u64 {
    candidate.distinct.unwrap_or(0)
}

fn few(candidate: &Candidate, most: u64) -> bool {
    candidate.distinct.is_some_and(|n| (2..=most).contains(&n))
}

fn short(kind: &str, x: &Column, y: Option<&Column>, aggregation: Option<&str>) -> Short {
    let measure = match (y, aggregation) {
        (Some(y), Some(how)) => format!("{how} of {}", y.name),
        (Some(y), None) => y.name.clone(),
        (None, _) => "rows".to_owned(),
    };
    let title = match kind {
        "histogram" => format!("Distribution of {}", x.name),
        "point" | "boxplot" | "heatmap" => match y {
            Some(y) => format!("{} by {}", y.name, x.name),
            None => x.name.clone(),
        },
        "line" => format!("{measure} over {}", x.name),
        _ => format!("{measure} by {}", x.name),
    };
    Short {
        kind: kind.to_owned(),
        x: Some(x.name.clone()),
        y: y.map(|y| y.name.clone()),
        aggregation: aggregation.map(str::to_owned),
        title: Some(title),
        ..Short::default()
    }
}

/// Columns by the part they can play.
struct Sorted<'a> {
    times: Vec<&'a Candidate>,
    measures: Vec<&'a Candidate>,
    groups: Vec<&'a Candidate>,
}

impl<'a> Sorted<'a> {
    fn new(columns: &'a [Candidate], rows: u64) -> Self {
        let mut sorted = Self { times: Vec::new(), measures: Vec::new(), groups: Vec::new() };
        for candidate in columns {
            let column = &candidate.column;
            if candidate.distinct == Some(1) && rows > 1 {
                // The same everywhere: nothing to show.
            } else if is_temporal(column) {
                sorted.times.push(candidate);
            } else if is_numeric(column) && !is_key(candidate, rows) {
                sorted.measures.push(candidate);
                // A month or a floor is a number that also groups.
                if column.data_type == "int" && few(candidate, 12) && rows > 24 {
                    sorted.groups.push(candidate);
                }
            } else if matches!(column.data_type.as_str(), "text" | "bool") {
                sorted.groups.push(candidate);
            }
        }
        // Fractions are measured and never counted, so they come before integers, which may be codes;
        // and names come before such codes.
        sorted.measures.sort_by_key(|c| (c.column.data_type == "int", few(c, 12) && rows > 24));
        sorted.groups.sort_by_key(|c| c.column.data_type == "int");
        sorted
    }
}

/// A number that only tells rows apart.
fn is_key(candidate: &Candidate, rows: u64) -> bool {
    let name = candidate.column.name.to_ascii_lowercase();
    let named = name == "id" || name.ends_with("_id") || name.ends_with(" id") || name.ends_with("_key");
    named || candidate.column.data_type == "int" && rows > 20 && candidate.distinct == Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::validate_spec;

    fn candidate(name: &str, data_type: &str, distinct: u64) -> Candidate {
        Candidate { column: Column::new(name, data_type), distinct: Some(distinct) }
    }

    #[test]
    fn suits_flights_by_airline() {
        let columns =
            [candidate("name", "text", 16), candidate("flights", "int", 16), candidate("delay", "float", 16)];
        let found = suggest(&columns, 16);
        assert_eq!(found[0].chart.kind, "bar");
        assert_eq!(found[0].chart.x.as_deref(), Some("name"));
        assert_eq!(found[0].chart.aggregation, None);
        for s in &found {
            assert_eq!(validate_spec(&s.spec), Ok(()));
            assert!(!s.why.is_empty() && !s.title.is_empty());
        }
    }

    #[test]
    fn suits_a_time_series() {
        let columns = [
            candidate("time_hour", "timestamptz", 8000),
            candidate("origin", "text", 3),
            candidate("temp", "float", 170),
            candidate("id", "int", 26_000),
        ];
        let found = suggest(&columns, 26_000);
        assert_eq!(found[0].chart.kind, "line");
        assert_eq!(found[0].chart.color.as_deref(), Some("origin"));
        assert!(
            found.iter().all(|s| s.chart.x.as_deref() != Some("id") && s.chart.y.as_deref() != Some("id"))
        );
        assert!(found.iter().any(|s| s.chart.kind == "histogram"));
    }

    #[test]
    fn nothing_to_show_is_nothing_suggested() {
        assert_eq!(suggest(&[], 0), []);
        assert_eq!(suggest(&[candidate("id", "int", 100)], 100), []);
        assert_eq!(suggest(&[candidate("free text", "text", 1000)], 1000), []);
    }
}
