//! The short form as a specification.

use serde_json::{Map, Value, json};

use super::{ChartError, SCHEMA, Short};
use crate::{Column, near};

const KINDS: [&str; 10] =
    ["bar", "line", "area", "point", "scatter", "pie", "arc", "histogram", "heatmap", "boxplot"];
const AGGREGATIONS: [&str; 7] = ["count", "sum", "mean", "median", "min", "max", "distinct"];

/// The specification that a short form stands for, over rows with these columns. The rows come in
/// as the named data set `rows`.
///
/// # Errors
///
/// When the form names a chart, column or aggregation that there is not, or lacks one.
pub fn to_spec(chart: &Short, columns: &[Column]) -> Result<Value, ChartError> {
    let kind = chart.kind.trim().to_ascii_lowercase();
    if !KINDS.contains(&kind.as_str()) {
        let hint = near::hint(&kind, KINDS);
        let detail = format!("There is no chart '{}'.{hint} There are: {}.", chart.kind, KINDS.join(", "));
        return Err(ChartError { field: "type", code: "unknown_chart", detail });
    }
    let form = Form { chart, columns, kind: &kind, aggregation: aggregation(chart)? };
    let (mark, mut encoding) = match kind.as_str() {
        "bar" => form.bar()?,
        "line" | "area" => form.line()?,
        "point" | "scatter" => form.point()?,
        "pie" | "arc" => form.pie()?,
        "histogram" => form.histogram()?,
        "heatmap" => form.heatmap()?,
        _ => form.boxplot()?,
    };
    if let Some(size) = form.column("size", chart.size.as_deref())? {
        if !matches!(kind.as_str(), "point" | "scatter") {
            let detail = format!("A {kind} chart has no size to set: use it with 'point'.");
            return Err(ChartError { field: "size", code: "column_not_used", detail });
        }
        encoding.insert("size".into(), form.plain(size));
    }
    let mut spec = json!({
        "$schema": SCHEMA,
        "data": {"name": "rows"},
        "mark": mark,
        "encoding": encoding,
        "width": "container",
        "height": 320,
    });
    if let Some(most) = chart.limit {
        spec["transform"] = form.largest(most)?;
    }
    if let Some(title) = chart.title.as_deref().filter(|t| !t.trim().is_empty()) {
        spec["title"] = json!(title);
    }
    Ok(spec)
}

fn aggregation(chart: &Short) -> Result<Option<&'static str>, ChartError> {
    let Some(asked) = chart.aggregation.as_deref().filter(|a| !a.trim().is_empty()) else {
        return Ok(None);
    };
    let name = match asked.trim().to_ascii_lowercase().as_str() {
        "avg" | "average" => "mean".to_owned(),
        other => other.to_owned(),
    };
    match AGGREGATIONS.into_iter().find(|a| *a == name) {
        Some(found) => Ok(Some(found)),
        None => {
            let hint = near::hint(&name, AGGREGATIONS);
            let detail =
                format!("There is no aggregation '{asked}'.{hint} There are: {}.", AGGREGATIONS.join(", "));
            Err(ChartError { field: "aggregation", code: "unknown_aggregation", detail })
        }
    }
}

pub(super) fn is_numeric(column: &Column) -> bool {
    matches!(column.data_type.as_str(), "int" | "float" | "decimal")
}

pub(super) fn is_temporal(column: &Column) -> bool {
    matches!(column.data_type.as_str(), "date" | "timestamp" | "timestamptz")
}

/// A column's name as Vega-Lite reads field names: dots and brackets would reach into objects.
fn field(column: &Column) -> String {
    let mut out = String::with_capacity(column.name.len());
    for c in column.name.chars() {
        if matches!(c, '\\' | '.' | '[' | ']' | '"' | '\'') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

struct Form<'a> {
    chart: &'a Short,
    columns: &'a [Column],
    kind: &'a str,
    aggregation: Option<&'static str>,
}

type Encoding = Map<String, Value>;

impl<'a> Form<'a> {
    fn column(&self, field: &'static str, name: Option<&str>) -> Result<Option<&'a Column>, ChartError> {
        let Some(name) = name.filter(|n| !n.is_empty()) else { return Ok(None) };
        if let Some(column) = self.columns.iter().find(|c| c.name == name) {
            return Ok(Some(column));
        }
        // As in SQL, case alone does not make another column.
        let mut alike = self.columns.iter().filter(|c| c.name.eq_ignore_ascii_case(name));
        if let (Some(column), None) = (alike.next(), alike.next()) {
            return Ok(Some(column));
        }
        let names = self.columns.iter().map(|c| c.name.as_str());
        let mut hint = near::hint(name, names.clone());
        if hint.is_empty() {
            hint = format!(" There are: {}.", names.take(20).collect::<Vec<_>>().join(", "));
        }
        let detail = format!("There is no column '{name}'.{hint}");
        Err(ChartError { field, code: "unknown_column", detail })
    }

    fn required(&self, field: &'static str, name: Option<&str>) -> Result<&'a Column, ChartError> {
        self.column(field, name)?.ok_or_else(|| {
            let detail = format!("A {} chart needs '{field}'.", self.kind);
            ChartError { field, code: "column_required", detail }
        })
    }

    fn not_numeric(&self, field: &'static str, column: &Column, advice: &str) -> ChartError {
        let detail = format!("'{}' is {}, and this needs a number.{advice}", column.name, column.data_type);
        ChartError { field, code: "column_not_numeric", detail }
    }

    /// A column as it is, on whichever scale suits its type.
    fn plain(&self, column: &Column) -> Value {
        let kind = if is_numeric(column) {
            "quantitative"
        } else if is_temporal(column) {
            return self.temporal(column);
        } else {
            "nominal"
        };
        json!({"field": field(column), "type": kind, "title": column.name})
    }

    fn temporal(&self, column: &Column) -> Value {
        let mut channel = json!({"field": field(column), "type": "temporal", "title": column.name});
        // A date without a time is read as midnight in UTC, and a time with zone comes in UTC: shown
        // in the viewer's zone they would move to the day before.
        if column.data_type != "timestamp" {
            channel["scale"] = json!({"type": "utc"});
        }
        channel
    }

    /// A column whose values stand side by side.
    fn discrete(&self, column: &Column) -> Value {
        let kind = if is_numeric(column) || is_temporal(column) { "ordinal" } else { "nominal" };
        json!({"field": field(column), "type": kind, "title": column.name})
    }

    /// A column that is measured, aggregated where that is asked for; the number of rows without one.
    fn measure(&self, at: &'static str, column: Option<&Column>) -> Result<Value, ChartError> {
        let Some(column) = column else {
            return match self.aggregation {
                None | Some("count") => Ok(count()),
                Some(other) => {
                    let detail = format!("'{other}' needs a column in '{at}'.");
                    Err(ChartError { field: at, code: "column_required", detail })
                }
            };
        };
        let name = field(column);
        match self.aggregation {
            Some("count") => {
                let title = format!("count of {}", column.name);
                Ok(json!({"aggregate": "valid", "field": name, "type": "quantitative", "title": title}))
            }
            Some("distinct") => {
                let title = format!("distinct {}", column.name);
                Ok(json!({"aggregate": "distinct", "field": name, "type": "quantitative", "title": title}))
            }
            _ if !is_numeric(column) => {
                Err(self.not_numeric(at, column, " Use the aggregation 'count' or 'distinct'."))
            }
            Some(other) => {
                let title = format!("{other} of {}", column.name);
                Ok(json!({"aggregate": other, "field": name, "type": "quantitative", "title": title}))
            }
            None => Ok(json!({"field": name, "type": "quantitative", "title": column.name})),
        }
    }

    fn color(&self, encoding: &mut Encoding, discrete: bool) -> Result<(), ChartError> {
        if let Some(column) = self.column("color", self.chart.color.as_deref())? {
            let channel = if discrete { self.discrete(column) } else { self.plain(column) };
            encoding.insert("color".into(), channel);
        }
        Ok(())
    }

    /// Keeps those groups whose values are largest: each is measured over its rows, which stay as they are.
    fn largest(&self, most: u32) -> Result<Value, ChartError> {
        if !matches!(self.kind, "bar" | "pie" | "arc") || most == 0 {
            let detail =
                format!("A limit is a number from 1 on, for bars and pies; this is a {} chart.", self.kind);
            return Err(ChartError { field: "limit", code: "limit_not_used", detail });
        }
        let x = self.required("x", self.chart.x.as_deref())?;
        let y = self.column("y", self.chart.y.as_deref())?;
        // As the chart does: numbers along x and names along y lie down.
        let counts = matches!(self.aggregation, Some("count" | "distinct"));
        let lies = |y: &&Column| is_numeric(x) && !is_numeric(y) && !is_temporal(y) && !counts;
        let (group, measured) = match y.filter(lies) {
            Some(y) if self.kind == "bar" => (y, Some(x)),
            _ => (x, y),
        };
        let op = match self.aggregation {
            Some("count") if measured.is_some() => "valid",
            Some(other) => other,
            None if measured.is_some() => "max",
            None => "count",
        };
        let mut size = json!({"op": op, "as": "weir_size"});
        if let Some(measured) = measured {
            size["field"] = json!(field(measured));
        }
        Ok(json!([
            {"joinaggregate": [size], "groupby": [field(group)]},
            {
                "window": [{"op": "dense_rank", "as": "weir_rank"}],
                "sort": [{"field": "weir_size", "order": "descending"}],
            },
            {"filter": {"field": "weir_rank", "lte": most}},
        ]))
    }

    fn bar(&self) -> Result<(Value, Encoding), ChartError> {
        let x = self.required("x", self.chart.x.as_deref())?;
        let y = self.column("y", self.chart.y.as_deref())?;
        let mut encoding = Encoding::new();
        // Numbers along x and names along y lie down.
        let flat = y.filter(|y| is_numeric(x) && !is_numeric(y) && !is_temporal(y));
        if let Some(y) = flat.filter(|_| !matches!(self.aggregation, Some("count" | "distinct"))) {
            let mut names = self.discrete(y);
            names["sort"] = json!("-x");
            encoding.insert("y".into(), names);
            encoding.insert("x".into(), self.measure("x", Some(x))?);
        } else {
            let mut along = if is_temporal(x) {
                self.temporal(x)
            } else if x.data_type == "float" {
                json!({"field": field(x), "type": "quantitative", "bin": true, "title": x.name})
            } else {
                self.discrete(x)
            };
            if !is_temporal(x) && !is_numeric(x) {
                along["sort"] = json!("-y");
            }
            encoding.insert("x".into(), along);
            encoding.insert("y".into(), self.measure("y", y)?);
        }
        self.color(&mut encoding, true)?;
        Ok((mark("bar"), encoding))
    }

    fn line(&self) -> Result<(Value, Encoding), ChartError> {
        let x = self.required("x", self.chart.x.as_deref())?;
        let y = self.column("y", self.chart.y.as_deref())?;
        let mut along = self.plain(x);
        if !is_numeric(x) && !is_temporal(x) {
            // Names come in the order of the rows, which the query may have sorted.
            along["type"] = json!("ordinal");
            along["sort"] = Value::Null;
        }
        let mut encoding = Encoding::new();
        encoding.insert("x".into(), along);
        encoding.insert("y".into(), self.measure("y", y)?);
        self.color(&mut encoding, true)?;
        Ok((mark(self.kind), encoding))
    }

    fn point(&self) -> Result<(Value, Encoding), ChartError> {
        let x = self.required("x", self.chart.x.as_deref())?;
        let y = self.column("y", self.chart.y.as_deref())?;
        let mut encoding = Encoding::new();
        encoding.insert("x".into(), self.plain(x));
        let along = match y {
            Some(y) if self.aggregation.is_none() => self.plain(y),
            y => self.measure("y", y)?,
        };
        encoding.insert("y".into(), along);
        self.color(&mut encoding, false)?;
        Ok((mark("point"), encoding))
    }

    fn pie(&self) -> Result<(Value, Encoding), ChartError> {
        let slices = match self.column("x", self.chart.x.as_deref())? {
            Some(x) => x,
            None => self
                .required("color", self.chart.color.as_deref())
                .map_err(|e| if e.code == "column_required" { ChartError { field: "x", ..e } } else { e })?,
        };
        let y = self.column("y", self.chart.y.as_deref())?;
        let mut encoding = Encoding::new();
        encoding.insert("theta".into(), self.measure("y", y)?);
        encoding.insert("color".into(), self.discrete(slices));
        Ok((mark("arc"), encoding))
    }

    fn histogram(&self) -> Result<(Value, Encoding), ChartError> {
        let x = self.required("x", self.chart.x.as_deref())?;
        let along = if is_numeric(x) {
            json!({"field": field(x), "type": "quantitative", "bin": {"maxbins": 30}, "title": x.name})
        } else if is_temporal(x) {
            let mut along = self.temporal(x);
            along["timeUnit"] =
                json!(if x.data_type == "timestamp" { "yearmonthdate" } else { "utcyearmonthdate" });
            along
        } else {
            return Err(self.not_numeric("x", x, " A 'bar' chart counts names."));
        };
        let mut encoding = Encoding::new();
        encoding.insert("x".into(), along);
        encoding.insert("y".into(), count());
        self.color(&mut encoding, true)?;
        Ok((mark("bar"), encoding))
    }

    fn heatmap(&self) -> Result<(Value, Encoding), ChartError> {
        let mut encoding = Encoding::new();
        for (at, name) in [("x", self.chart.x.as_deref()), ("y", self.chart.y.as_deref())] {
            let column = self.required(at, name)?;
            let channel = if column.data_type == "float" {
                json!({"field": field(column), "type": "quantitative", "bin": true, "title": column.name})
            } else {
                self.discrete(column)
            };
            encoding.insert(at.into(), channel);
        }
        let shade = self.column("color", self.chart.color.as_deref())?;
        encoding.insert("color".into(), self.measure("color", shade)?);
        Ok((mark("rect"), encoding))
    }

    fn boxplot(&self) -> Result<(Value, Encoding), ChartError> {
        let y = self.required("y", self.chart.y.as_deref())?;
        if !is_numeric(y) {
            return Err(self.not_numeric("y", y, ""));
        }
        let mut encoding = Encoding::new();
        encoding.insert("y".into(), self.plain(y));
        if let Some(x) = self.column("x", self.chart.x.as_deref())? {
            encoding.insert("x".into(), self.discrete(x));
        }
        self.color(&mut encoding, true)?;
        Ok((json!({"type": "boxplot", "extent": 1.5}), encoding))
    }
}

fn mark(kind: &str) -> Value {
    json!({"type": kind, "tooltip": true})
}

fn count() -> Value {
    json!({"aggregate": "count", "type": "quantitative", "title": "rows"})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::validate_spec;

    fn columns() -> Vec<Column> {
        [
            ("name", "text"),
            ("flights", "int"),
            ("delay", "float"),
            ("day", "date"),
            ("time_hour", "timestamptz"),
            ("a.b [c]", "float"),
            ("late", "bool"),
        ]
        .map(|(name, data_type)| Column::new(name, data_type))
        .to_vec()
    }

    fn short(kind: &str, x: &str, y: &str, color: &str, aggregation: &str) -> Short {
        let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        Short {
            kind: kind.into(),
            x: some(x),
            y: some(y),
            color: some(color),
            aggregation: some(aggregation),
            title: Some("A title".into()),
            ..Short::default()
        }
    }

    #[test]
    fn every_form_is_valid_vega_lite() {
        let columns = columns();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).chain([""]).collect();
        let mut made = 0;
        for kind in KINDS {
            for x in &names {
                for y in &names {
                    for aggregation in ["", "count", "mean", "distinct"] {
                        for color in ["", "late", "flights"] {
                            let form = short(kind, x, y, color, aggregation);
                            if let Ok(spec) = to_spec(&form, &columns) {
                                made += 1;
                                assert_eq!(validate_spec(&spec), Ok(()), "{form:?}: {spec}");
                            }
                        }
                    }
                }
            }
        }
        assert!(made > 1000, "{made}");
    }

    #[test]
    fn bars_by_name_are_sorted_by_their_height() {
        let spec = to_spec(&short("bar", "name", "flights", "", ""), &columns()).unwrap();
        assert_eq!(spec["mark"]["type"], "bar");
        assert_eq!(spec["encoding"]["x"]["type"], "nominal");
        assert_eq!(spec["encoding"]["x"]["sort"], "-y");
        assert_eq!(
            spec["encoding"]["y"],
            json!({"field": "flights", "type": "quantitative", "title": "flights"})
        );
        assert_eq!(spec["title"], "A title");
    }

    #[test]
    fn only_the_largest_are_drawn() {
        let top = |kind, x, y, how| Short { limit: Some(3), ..short(kind, x, y, "", how) };
        for (form, op) in [
            (top("bar", "name", "delay", "mean"), "mean"),
            (top("bar", "name", "delay", ""), "max"),
            (top("bar", "name", "", "count"), "count"),
            (top("pie", "name", "flights", "sum"), "sum"),
            (top("bar", "a.b [c]", "name", ""), "max"),
        ] {
            let spec = to_spec(&form, &columns()).unwrap();
            assert_eq!(validate_spec(&spec), Ok(()), "{spec}");
            assert_eq!(spec["transform"][0]["joinaggregate"][0]["op"], op);
            assert_eq!(spec["transform"][2]["filter"], json!({"field": "weir_rank", "lte": 3}));
        }
        let error = to_spec(&top("line", "day", "delay", ""), &columns()).unwrap_err();
        assert_eq!((error.field, error.code), ("limit", "limit_not_used"));
        let none = Short { limit: Some(0), ..short("bar", "name", "delay", "", "") };
        assert_eq!(to_spec(&none, &columns()).unwrap_err().field, "limit");
    }

    #[test]
    fn awkward_names_are_escaped() {
        let spec = to_spec(&short("point", "a.b [c]", "delay", "", ""), &columns()).unwrap();
        assert_eq!(spec["encoding"]["x"]["field"], "a\\.b \\[c\\]");
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |form: Short| to_spec(&form, &columns()).unwrap_err();
        let e = error(short("bra", "name", "", "", ""));
        assert_eq!((e.field, e.code), ("type", "unknown_chart"));
        assert!(e.detail.contains("'bar'"), "{e}");
        let e = error(short("bar", "nmae", "", "", ""));
        assert_eq!((e.field, e.code), ("x", "unknown_column"));
        assert!(e.detail.contains("'name'"), "{e}");
        assert_eq!(error(short("bar", "name", "", "", "total")).code, "unknown_aggregation");
        assert_eq!(error(short("bar", "name", "", "", "sum")).code, "column_required");
        assert_eq!(error(short("line", "", "delay", "", "")).code, "column_required");
        assert_eq!(error(short("bar", "name", "name", "", "")).code, "column_not_numeric");
        assert_eq!(error(short("histogram", "name", "", "", "")).code, "column_not_numeric");
    }
}
