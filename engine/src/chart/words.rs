//! A chart from words, by rule: "average delay by carrier", "sales over time", "top 10 cities by population",
//! "number of flights by month", "delay vs distance", "distribution of age".
//!
//! Words are matched with columns in the way that people write them: plural for singular, spaces for
//! underscores, `arrival delay` for `arr_delay`, and with a letter wrong. Where the words cannot be read
//! for sure nothing is read: no chart is better than one of something else.

use super::short::{is_numeric, is_temporal};
use super::{Short, Suggestion, to_spec};
use crate::naming::{fit, stem, stems, words};
use crate::{Column, near};

/// The most that "top 1000" shows.
const TOP: u32 = 100;

/// Words that say nothing about the data.
const FILLERS: &[&str] = &[
    "show",
    "me",
    "us",
    "plot",
    "draw",
    "chart",
    "graph",
    "please",
    "give",
    "make",
    "create",
    "visualize",
    "see",
    "what",
    "which",
    "is",
    "are",
    "was",
    "were",
    "the",
    "a",
    "an",
    "of",
    "my",
    "our",
    "their",
    "its",
    "all",
    "every",
    "each",
    "different",
    "in",
    "there",
    "value",
    "values",
];

/// Words between what is measured and what it is measured for.
const BY: [&str; 3] = ["by", "per", "across"];
/// Words between two numbers that are compared.
const VERSUS: [&str; 3] = ["vs", "versus", "against"];
/// Words for a time where no column is called so.
const TIMES: [&str; 9] = ["time", "date", "day", "week", "month", "quarter", "year", "hour", "minute"];

/// The chart that the words describe over these columns. `rows` is what the rows are called, such as the
/// name of their table: the "flights" in "number of flights".
pub fn from_words(text: &str, columns: &[Column], rows: Option<&str>) -> Option<Suggestion> {
    let mut said = words(text);
    let kind = take_kind(&mut said);
    let reader = Reader { columns, rows: rows.map(words).unwrap_or_default(), kind };
    let mut chart = reader.read(&said)?;
    let title = title(&chart);
    chart.title = Some(title.clone());
    let spec = to_spec(&chart, columns).ok()?;
    let how = match &chart.aggregation {
        Some(how) => format!(", with {how} over the rows"),
        None => String::new(),
    };
    let why = format!("Read from the words: {title}, as a {} chart{how}.", chart.kind);
    Some(Suggestion { chart, spec, title, why })
}

/// Takes out which chart is asked for: "as a bar chart", "line chart of".
fn take_kind(words: &mut Vec<String>) -> Option<&'static str> {
    let kind = |word: &str| {
        Some(match word {
            "bar" | "bars" => "bar",
            "line" | "lines" => "line",
            "area" => "area",
            "pie" | "donut" | "doughnut" => "pie",
            "scatter" | "scatterplot" | "point" | "points" => "point",
            "heatmap" => "heatmap",
            "boxplot" | "box" => "boxplot",
            _ => return None,
        })
    };
    let drawing = |word: Option<&String>| {
        word.is_some_and(|w| matches!(w.as_str(), "chart" | "charts" | "plot" | "graph" | "diagram"))
    };
    let at = words.iter().enumerate().position(|(n, word)| {
        let article = n >= 1 && matches!(words[n - 1].as_str(), "a" | "an");
        let as_a = n >= 1 && words[n - 1] == "as" || n >= 2 && article && words[n - 2] == "as";
        // Alone it may be the name of a column.
        kind(word).is_some() && (as_a || drawing(words.get(n + 1)))
    })?;
    let found = kind(&words[at]);
    let end = if drawing(words.get(at + 1)) { at + 2 } else { at + 1 };
    let mut start = at;
    while start > 0 && matches!(words[start - 1].as_str(), "a" | "an" | "as") {
        start -= 1;
    }
    words.drain(start..end);
    found
}

/// What is measured: a column, or the rows where there is none.
#[derive(Clone, Copy)]
struct Measure<'a> {
    column: Option<&'a Column>,
    aggregation: Option<&'static str>,
}

struct Reader<'a> {
    columns: &'a [Column],
    rows: Vec<String>,
    kind: Option<&'static str>,
}

impl<'a> Reader<'a> {
    fn read(&self, words: &[String]) -> Option<Short> {
        let words = without_fillers(words);
        let first = |n: usize| words.get(n).map(String::as_str);
        if let (Some("top"), Some(number)) = (first(0), first(1).and_then(|w| w.parse::<u32>().ok())) {
            return self.top(number, &words[2..]);
        }
        if matches!(first(0), Some("distribution" | "histogram" | "spread")) {
            return self.distribution(&words[1..]);
        }
        if let Some(at) = words.iter().position(|w| VERSUS.contains(&w.as_str())) {
            return self.versus(&words[..at], &words[at + 1..]);
        }
        if let Some(at) = words.iter().rposition(|w| w == "over") {
            return self.over(&words[..at], &words[at + 1..]);
        }
        let share = first(0) == Some("share");
        let words = if share { &words[1..] } else { &words[..] };
        let kind = if share { Some("pie") } else { self.kind };
        match split(words) {
            Some((measure, groups)) => self.by(kind, measure, groups),
            // "share of carrier"
            None if share => self.by(kind, &[], words),
            None => None,
        }
    }

    /// "average X by Y", "count of X by Y and Z".
    fn by(&self, kind: Option<&'static str>, measure: &[String], groups: &[String]) -> Option<Short> {
        let mut groups = groups.split(|w| w == "and");
        let x = self.group(groups.next()?)?;
        let color = groups.next().map(|words| self.group(words).ok_or(())).transpose().ok()?;
        let measure = if measure.is_empty() { Some(COUNTED) } else { self.measure(measure) }?;
        let default = if kind == Some("pie") { "sum" } else { "mean" };
        let kind = kind.unwrap_or(if is_temporal(x) { "line" } else { "bar" });
        let mut chart = self.short(kind, x, measure, default);
        chart.color = color.map(|c| c.name.clone());
        Some(chart)
    }

    /// "X over time".
    fn over(&self, measure: &[String], time: &[String]) -> Option<Short> {
        let (time, color) = match split(time) {
            Some((time, groups)) => (time, Some(self.group(groups)?)),
            None => (time, None),
        };
        // "delay by carrier over time"
        let (measure, color) = match split(measure) {
            Some((measure, groups)) if color.is_none() => (measure, Some(self.group(groups)?)),
            Some(_) => return None,
            None => (measure, color),
        };
        let x = self.group(time)?;
        let mut chart = self.short(self.kind.unwrap_or("line"), x, self.measure(measure)?, "mean");
        chart.color = color.map(|c| c.name.clone());
        Some(chart)
    }

    /// "top 10 X by Y", "top 10 X".
    fn top(&self, number: u32, words: &[String]) -> Option<Short> {
        let (group, measure) = match split(words) {
            Some((group, measure)) => (group, self.measure(measure)?),
            None => (words, COUNTED),
        };
        let x = self.column(group)?;
        let mut chart = self.short("bar", x, measure, "sum");
        chart.limit = Some(number.clamp(1, TOP));
        Some(chart)
    }

    /// "X vs Y": one as the other grows.
    fn versus(&self, y: &[String], x: &[String]) -> Option<Short> {
        let (x, y) = (self.column(x)?, self.column(y)?);
        let chart = Short { kind: self.kind.unwrap_or("point").to_owned(), ..Short::default() };
        Some(Short { x: Some(x.name.clone()), y: Some(y.name.clone()), ..chart })
    }

    /// "distribution of X".
    fn distribution(&self, words: &[String]) -> Option<Short> {
        if let Some((what, groups)) = split(words) {
            let (y, x) = (self.column(what)?, self.group(groups)?);
            let chart = Short { kind: "boxplot".to_owned(), ..Short::default() };
            return Some(Short { x: Some(x.name.clone()), y: Some(y.name.clone()), ..chart });
        }
        let x = self.column(words)?;
        if is_numeric(x) || is_temporal(x) {
            return Some(Short { kind: "histogram".to_owned(), x: Some(x.name.clone()), ..Short::default() });
        }
        Some(self.short("bar", x, COUNTED, "mean"))
    }

    fn short(&self, kind: &str, x: &Column, measure: Measure<'_>, default: &'static str) -> Short {
        let aggregation = measure.aggregation.or(measure.column.map(|_| default)).unwrap_or("count");
        Short {
            kind: kind.to_owned(),
            x: Some(x.name.clone()),
            y: measure.column.map(|c| c.name.clone()),
            aggregation: Some(aggregation.to_owned()),
            ..Short::default()
        }
    }

    /// "average delay", "number of flights", "delay".
    fn measure(&self, words: &[String]) -> Option<Measure<'a>> {
        let (aggregation, rest) = aggregation(words);
        let counts = aggregation == Some("count");
        let rows = || {
            let plain = ["rows", "records", "entries"];
            rest.is_empty()
                || rest.len() == 1 && plain.contains(&rest[0].as_str())
                || !self.rows.is_empty() && stems(rest).concat() == stems(&self.rows).concat()
        };
        if (counts || aggregation.is_none() && !rest.is_empty()) && rows() {
            return Some(COUNTED);
        }
        let column = self.column(rest);
        match (column, aggregation) {
            // What is counted need not be a column: it is what the rows are.
            (None, Some("count")) => Some(COUNTED),
            (None, _) => None,
            (Some(column), Some("count" | "distinct")) => Some(Measure { column: Some(column), aggregation }),
            (Some(column), _) => is_numeric(column).then_some(Measure { column: Some(column), aggregation }),
        }
    }

    /// A column that groups, or the time where a word for it is all that there is.
    fn group(&self, words: &[String]) -> Option<&'a Column> {
        let time = || {
            let named = words.len() == 1 && TIMES.contains(&stem(&words[0]).as_str());
            named.then(|| self.columns.iter().find(|c| is_temporal(c))).flatten()
        };
        // "over time" is over what is a time, whatever it is called.
        if words.len() == 1 && words[0] == "time" {
            return time().or_else(|| self.column(words));
        }
        self.strict(words).or_else(time).or_else(|| self.column(words))
    }

    /// The column that the words name best.
    fn column(&self, words: &[String]) -> Option<&'a Column> {
        if words.is_empty() {
            return None;
        }
        self.strict(words).or_else(|| {
            let wanted = words.concat();
            let near = near::near(&wanted, self.columns.iter().map(|c| c.name.as_str()));
            self.columns.iter().find(|c| Some(&c.name.as_str()) == near.first())
        })
    }

    /// The same without guessing at misspelt words.
    fn strict(&self, words: &[String]) -> Option<&'a Column> {
        let fits = self.columns.iter().map(|c| (fit(words, &c.name), c)).filter(|(fit, _)| *fit > 0);
        // The first of those that fit best.
        fits.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, column)| column)
    }
}

const COUNTED: Measure<'static> = Measure { column: None, aggregation: Some("count") };

fn without_fillers(words: &[String]) -> Vec<String> {
    // "for each X" groups.
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        match word.as_str() {
            "each" | "every" if out.last().is_some_and(|w| w == "for" || w == "in") => {
                out.pop();
                out.push("by".to_owned());
            }
            // Words that count are kept for it.
            "different" => out.push("distinct".to_owned()),
            filler if FILLERS.contains(&filler) && filler != "in" => {}
            _ => out.push(word.clone()),
        }
    }
    out.retain(|w| w != "in");
    out
}

/// What stands before and after the first "by".
fn split(words: &[String]) -> Option<(&[String], &[String])> {
    let at = words.iter().position(|w| BY.contains(&w.as_str()))?;
    Some((&words[..at], &words[at + 1..]))
}

/// Which aggregation the first words ask for, and the words after them.
fn aggregation(words: &[String]) -> (Option<&'static str>, &[String]) {
    let word = |n: usize| words.get(n).map(String::as_str).unwrap_or_default();
    let (found, taken) = match (word(0), word(1)) {
        ("count" | "number" | "counts", "distinct" | "unique") => ("distinct", 2),
        ("how", "many") => ("count", 2),
        ("distinct" | "unique", _) => ("distinct", 1),
        ("count" | "counts" | "number" | "frequency", _) => ("count", 1),
        ("average" | "avg" | "mean", _) => ("mean", 1),
        ("median", _) => ("median", 1),
        ("sum" | "total" | "overall", _) => ("sum", 1),
        ("max" | "maximum" | "highest" | "largest" | "biggest" | "longest", _) => ("max", 1),
        ("min" | "minimum" | "lowest" | "smallest" | "shortest", _) => ("min", 1),
        _ => return (None, words),
    };
    (Some(found), &words[taken..])
}

fn title(chart: &Short) -> String {
    let x = chart.x.as_deref().unwrap_or("rows");
    let measure = match (&chart.y, &chart.aggregation) {
        (Some(y), Some(how)) => format!("{how} of {y}"),
        (Some(y), None) => y.clone(),
        (None, _) => "count of rows".to_owned(),
    };
    let color = chart.color.as_ref().map(|c| format!(" and {c}")).unwrap_or_default();
    match (chart.kind.as_str(), chart.limit) {
        ("histogram", _) => format!("distribution of {x}"),
        ("point", _) => format!("{measure} against {x}"),
        ("boxplot", _) => format!("distribution of {measure} by {x}"),
        (_, Some(most)) => format!("top {most} {x} by {measure}"),
        ("line" | "area", _) => format!("{measure} over {x}{color}"),
        _ => format!("{measure} by {x}{color}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chart::validate_spec;

    fn columns() -> Vec<Column> {
        [
            ("year", "int"),
            ("dep_delay", "float"),
            ("arr_delay", "float"),
            ("carrier", "text"),
            ("flight", "int"),
            ("tailnum", "text"),
            ("origin", "text"),
            ("dest", "text"),
            ("distance", "float"),
            ("time_hour", "timestamptz"),
            ("ProductCategory", "text"),
            ("units sold", "int"),
        ]
        .map(|(name, data_type)| Column::new(name, data_type))
        .to_vec()
    }

    /// Kind, x, y, aggregation, colour and limit.
    fn read(text: &str) -> Option<String> {
        let found = from_words(text, &columns(), Some("flights"))?;
        assert_eq!(validate_spec(&found.spec), Ok(()), "{text}: {}", found.spec);
        assert!(!found.title.is_empty() && !found.why.is_empty());
        let c = found.chart;
        let parts = [Some(c.kind), c.x, c.y, c.aggregation, c.color, c.limit.map(|n| n.to_string())];
        Some(parts.map(|p| p.unwrap_or_else(|| "-".to_owned())).join(" "))
    }

    #[test]
    fn says_what_people_say() {
        for (text, chart) in [
            ("average arrival delay by carrier", "bar carrier arr_delay mean - -"),
            ("Show me the AVG of arr_delay per carriers, please", "bar carrier arr_delay mean - -"),
            ("median distance by origin", "bar origin distance median - -"),
            ("total units sold by product category", "bar ProductCategory units sold sum - -"),
            ("maximum departure delay for each origin", "bar origin dep_delay max - -"),
            ("number of flights by carrier", "bar carrier - count - -"),
            ("how many flights are there per origin and carrier", "bar origin - count carrier -"),
            ("count of rows by dest", "bar dest - count - -"),
            ("flights by destination", "bar dest - count - -"),
            ("unique tailnums by carrier", "bar carrier tailnum distinct - -"),
            ("number of different tailnums by carrier", "bar carrier tailnum distinct - -"),
            ("distance by carrier", "bar carrier distance mean - -"),
            ("distance over time", "line time_hour distance mean - -"),
            ("total distance over time by carrier", "line time_hour distance sum carrier -"),
            ("number of flights over time", "line time_hour - count - -"),
            ("average distance by month", "line time_hour distance mean - -"),
            ("average distance by year", "bar year distance mean - -"),
            ("top 10 carriers by distance", "bar carrier distance sum - 10"),
            ("top 5 destinations by average arrival delay", "bar dest arr_delay mean - 5"),
            ("top 3 origins by number of flights", "bar origin - count - 3"),
            ("top 100000 carriers", "bar carrier - count - 100"),
            ("arrival delay vs distance", "point distance arr_delay - - -"),
            ("dep_delay against arr_delay", "point arr_delay dep_delay - - -"),
            ("distribution of distance", "histogram distance - - - -"),
            ("histogram of time_hour", "histogram time_hour - - - -"),
            ("distribution of carrier", "bar carrier - count - -"),
            ("distribution of delay by carrier", "boxplot carrier dep_delay - - -"),
            ("share of flights by carrier", "pie carrier - count - -"),
            ("distance by carrier as a pie chart", "pie carrier distance sum - -"),
            ("area chart of distance over time", "area time_hour distance mean - -"),
            ("averge distnce by carier", "-"),
            ("average distnce by carier", "bar carrier distance mean - -"),
        ] {
            let found = read(text);
            match chart {
                "-" => assert_eq!(found, None, "{text}"),
                chart => assert_eq!(found.as_deref(), Some(chart), "{text}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_read() {
        for text in [
            "",
            "by",
            "by by by",
            "top",
            "top ten carriers",
            "average",
            "average carrier by origin",
            "vs",
            "distance",
            "over",
            "profit by planet",
            "distance by planet",
            "drop table flights",
            "share",
            "share of",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(from_words("a by b", &[], None).is_none());
    }

    #[test]
    fn the_highest_are_found_before_they_are_drawn() {
        let found = from_words("top 10 carriers by average distance", &columns(), None).unwrap();
        let transform = &found.spec["transform"];
        assert_eq!(transform[0]["joinaggregate"][0]["op"], "mean");
        assert_eq!(transform[0]["groupby"][0], "carrier");
        assert_eq!(transform[2]["filter"]["lte"], 10);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_panic(text in "\\PC{0,80}") {
            let _ = from_words(&text, &columns(), Some(&text));
        }

        #[test]
        fn whatever_is_read_can_be_drawn(words in proptest::collection::vec(prop_oneof![
            Just("average"), Just("total"), Just("count"), Just("of"), Just("by"), Just("over"), Just("time"),
            Just("top"), Just("10"), Just("vs"), Just("distribution"), Just("share"), Just("and"), Just("flights"),
            Just("carrier"), Just("distance"), Just("delay"), Just("for"), Just("each"), Just("as"), Just("a"),
            Just("pie"), Just("box"), Just("heatmap"), Just("chart"), Just("year"), Just("unique"),
        ], 0..10)) {
            if let Some(found) = from_words(&words.join(" "), &columns(), Some("flights")) {
                prop_assert_eq!(validate_spec(&found.spec), Ok(()), "{:?}: {}", words, found.spec);
            }
        }

        #[test]
        fn a_column_is_found_by_its_own_name(at in 0..12_usize) {
            let name = &columns()[at].name;
            prop_assert_eq!(fit(&words(name), name), 100);
        }
    }
}
