//! The form of a context, each value by itself.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::context::finding::{Code, Finding};
use crate::context::model::{Context, ContextType, Parameter};
use crate::context::params;
use crate::context::shape::shown;
use crate::context::version;

/// A dataset's name has at most so many characters.
const MAX_DATASET_NAME: usize = 200;

/// Ids are names in SQL and in addresses.
const MAX_ID: usize = 100;

/// More relationships between two datasets than this find nothing that a person could follow.
const MAX_JOIN_DEPTH: u64 = 50;

/// What goes wrong is told once; what the reading has told of a missing key is not told again.
pub(in crate::context) fn check(context: &Context, findings: &mut Vec<Finding>) {
    let mut it = Schema { context, findings };
    it.head();
    it.datasets();
    it.ids();
    it.parts();
}

struct Schema<'a> {
    context: &'a Context,
    findings: &'a mut Vec<Finding>,
}

impl Schema<'_> {
    fn add(&mut self, finding: Finding, path: &str) {
        self.findings.push(self.context.places.put_on(finding, path));
    }

    /// Whether the reading has told already that the key is missing.
    fn told(&self, code: Code, path: &str) -> bool {
        self.findings.iter().any(|f| f.code == code && f.path == path)
    }

    fn head(&mut self) {
        let context = self.context;
        let name = context.name.trim();
        let length = name.chars().count();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
        if !self.told(Code::InvalidName, "name") {
            if !(3..=100).contains(&length) {
                let detail = format!("A name has 3 to 100 characters; this has {length}.");
                self.add(Finding::error(Code::InvalidName, detail), "name");
            } else if let Some(c) = context.name.chars().find(|c| !allowed(*c)) {
                let detail = format!(
                    "A name has letters, digits, spaces, '_' and '-'; here is '{}'.",
                    c.escape_default()
                );
                self.add(Finding::error(Code::InvalidName, detail), "name");
            }
        }
        if !self.told(Code::InvalidVersion, "version")
            && let Err(finding) = version::version(&context.version)
        {
            self.add(finding, "version");
        }
        let length = context.description.trim().chars().count();
        if !self.told(Code::InvalidDescription, "description") && !(10..=500).contains(&length) {
            let detail = format!("A description has 10 to 500 characters; this has {length}.");
            self.add(Finding::error(Code::InvalidDescription, detail), "description");
        }
        if context.context_type == Some(ContextType::SingleDataset) && context.datasets.len() > 1 {
            let detail = format!("The context has {} datasets: it is multi_dataset.", context.datasets.len());
            self.add(Finding::error(Code::InvalidContextType, detail), "context_type");
        }
        let times = [("created_at", &context.created_at), ("updated_at", &context.updated_at)];
        for (key, time) in times {
            self.time(time.as_deref(), key);
        }
        if let Some(settings) = &context.settings
            && let Some(depth) = settings.max_join_depth
            && !(1..=MAX_JOIN_DEPTH).contains(&depth)
        {
            let detail = format!("'max_join_depth' is 1 to {MAX_JOIN_DEPTH}; here it is {depth}.");
            self.add(Finding::error(Code::InvalidValue, detail), "settings.max_join_depth");
        }
    }

    fn time(&mut self, time: Option<&str>, path: &str) {
        let Some(time) = time else { return };
        let day = NaiveDate::parse_from_str(time, "%Y-%m-%d").is_ok();
        let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
            .iter()
            .any(|form| NaiveDateTime::parse_from_str(time, form).is_ok());
        if !day && !local && DateTime::parse_from_rfc3339(time).is_err() {
            let detail = format!("'{}' is no time in ISO 8601, as in 2013-01-31T05:00:00Z.", shown(time));
            self.add(Finding::error(Code::InvalidValue, detail), path);
        }
    }

    fn datasets(&mut self) {
        if self.context.datasets.is_empty() && !self.told(Code::MissingDatasetId, "datasets") {
            let bad = self.findings.iter().any(|f| f.path.starts_with("datasets"));
            if !bad {
                let detail = "A context is about at least one dataset, and names none.";
                self.add(Finding::error(Code::MissingDatasetId, detail), "datasets");
            }
        }
        for (i, dataset) in self.context.datasets.iter().enumerate() {
            let path = format!("datasets[{i}].dataset_id");
            if self.told(Code::MissingDatasetId, &path) {
                continue;
            }
            let id = dataset.dataset_id.as_str();
            if id.trim().is_empty() {
                let detail = format!("'{}' does not say which dataset it is.", shown(&dataset.id));
                self.add(Finding::error(Code::MissingDatasetId, detail), &path);
            } else if id.chars().count() > MAX_DATASET_NAME
                || id.chars().any(char::is_control)
                || id.trim() != id
            {
                let detail = format!(
                    "'{}' is neither a UUID nor a name of at most {MAX_DATASET_NAME} characters.",
                    shown(id)
                );
                self.add(Finding::error(Code::InvalidDatasetId, detail), &path);
            }
            if dataset.name.trim().is_empty() && !self.told(Code::MissingKey, &format!("datasets[{i}].name"))
            {
                let detail = "A dataset's name is not empty.";
                self.add(Finding::error(Code::InvalidValue, detail), &format!("datasets[{i}].name"));
            }
            for (j, quality) in dataset.quality_metrics.iter().enumerate() {
                let path = format!("datasets[{i}].quality_metrics[{j}].last_checked");
                self.time(quality.last_checked.as_deref(), &path);
            }
        }
    }

    /// Ids are unique among things of a kind, whatever their case; those of datasets and their aliases
    /// are one kind, and so are those of metrics.
    fn ids(&mut self) {
        let context = self.context;
        let mut datasets: Vec<(String, &str)> = Vec::new();
        for (i, d) in context.datasets.iter().enumerate() {
            datasets.push((format!("datasets[{i}].id"), &d.id));
            if let Some(alias) = d.alias.as_deref().filter(|a| !a.eq_ignore_ascii_case(&d.id)) {
                datasets.push((format!("datasets[{i}].alias"), alias));
            }
        }
        self.unique("dataset", datasets);
        let of = |key: &str, all: Vec<&str>| -> Vec<(String, String)> {
            all.iter().enumerate().map(|(i, id)| (format!("{key}[{i}].id"), (*id).to_owned())).collect()
        };
        for (what, all) in [
            ("relationship", of("relationships", context.relationships.iter().map(|r| &*r.id).collect())),
            ("metric", of("metrics", context.metrics.iter().map(|m| &*m.id).collect())),
            ("rule", of("business_rules", context.business_rules.iter().map(|r| &*r.id).collect())),
            ("filter", of("filters", context.filters.iter().map(|f| &*f.id).collect())),
        ] {
            self.unique(what, all.iter().map(|(path, id)| (path.clone(), id.as_str())).collect());
        }
        for (i, filter) in context.filters.iter().enumerate() {
            let names = filter.parameters.iter().enumerate();
            let names = names.map(|(j, p)| (format!("filters[{i}].parameters[{j}].name"), &*p.name));
            self.unique("parameter", names.collect());
        }
        for (i, dataset) in context.datasets.iter().enumerate() {
            let names = dataset.columns.iter().enumerate();
            let names = names.map(|(j, c)| (format!("datasets[{i}].columns[{j}].name"), &*c.name));
            self.unique("column", names.collect());
        }
    }

    fn unique(&mut self, what: &str, ids: Vec<(String, &str)>) {
        let mut seen: HashMap<String, String> = HashMap::new();
        for (path, id) in ids {
            if id.trim().is_empty() {
                if !self.told(Code::MissingKey, &path) {
                    let detail = format!("The id of a {what} is not empty.");
                    self.add(Finding::error(Code::InvalidValue, detail), &path);
                }
                continue;
            }
            if id.chars().count() > MAX_ID
                || id.chars().any(|c| c.is_control() || c == '"')
                || id.trim() != id
            {
                let detail =
                    format!("'{}' is no id: it has at most {MAX_ID} characters and no quotes.", shown(id));
                self.add(Finding::error(Code::InvalidValue, detail), &path);
            }
            if let Some(first) = seen.insert(id.to_ascii_lowercase(), path.clone()) {
                let detail = format!("There are two {what}s '{}': the first is {first}.", shown(id));
                self.add(Finding::error(Code::DuplicateId, detail), &path);
            }
        }
    }

    fn parts(&mut self) {
        let context = self.context;
        for (i, rule) in context.business_rules.iter().enumerate() {
            let path = format!("business_rules[{i}].condition");
            if rule.condition.trim().is_empty() && !self.told(Code::EmptyRuleCondition, &path) {
                let detail = format!("The rule '{}' has no condition.", shown(&rule.id));
                self.add(Finding::error(Code::EmptyRuleCondition, detail), &path);
            }
        }
        for (i, metric) in context.metrics.iter().enumerate() {
            if let Some(format) = &metric.format
                && !is_format(format)
            {
                let detail = format!("'{}' is no format such as '$,.2f', '.2f%' or '.1f'.", shown(format));
                self.add(Finding::error(Code::InvalidValue, detail), &format!("metrics[{i}].format"));
            }
        }
        for (i, filter) in context.filters.iter().enumerate() {
            for (j, parameter) in filter.parameters.iter().enumerate() {
                let path = format!("filters[{i}].parameters[{j}]");
                self.parameter(parameter, &path);
            }
        }
    }

    fn parameter(&mut self, parameter: &Parameter, path: &str) {
        if !params::is_name(&parameter.name) && !parameter.name.is_empty() {
            let detail = format!(
                "'{}' is no name of a parameter: it has letters, digits and '_'.",
                shown(&parameter.name)
            );
            self.add(Finding::error(Code::InvalidValue, detail), &format!("{path}.name"));
        }
        if let Some(default) = &parameter.default
            && let Err(detail) = params::Bound::from_text(default, parameter.data_type())
        {
            self.add(Finding::error(Code::InvalidParameter, detail), &format!("{path}.default"));
        }
    }
}

/// `$`, `,`, a number of decimals, what kind of number, `%`; each may be left out.
fn is_format(format: &str) -> bool {
    let rest = format.strip_prefix('$').unwrap_or(format);
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    let rest = match rest.strip_prefix('.') {
        Some(after) => {
            let digits = after.chars().take_while(char::is_ascii_digit).count();
            if !(1..=2).contains(&digits) {
                return false;
            }
            &after[digits..]
        }
        None => rest,
    };
    !format.is_empty() && matches!(rest, "" | "f" | "d" | "e" | "g" | "s" | "%" | "f%" | "d%" | "g%")
}
