//! Contexts as Open Semantic Interchange, which is Apache Ossie now, and back.
//!
//! The core metadata specification 0.2.0.dev0 is written; what earlier drafts wrapped into a list
//! `semantic_model` is read too. A relationship there is a set of equal columns that leads from many to
//! one, and an expression is in a dialect of SQL; what has no place in it goes along under
//! `custom_extensions`, so that a context comes back as it was.

use super::export;
use super::finding::{Code, Finding, ordered};
use super::model::{
    Cardinality, ColumnNote, Condition, Context, Dataset, Metric, MetricType, Operator, Relationship,
};
use super::read::{self, MAX_BYTES, MAX_PARTS};
use super::shape::{Tree, shown};
use super::validate;
use super::yaml::{self, Kind, Node};

/// The version of the specification that is written.
pub const OSI_VERSION: &str = "0.2.0.dev0";

/// Whose extensions those are that hold what the interchange has no place for.
const VENDOR: &str = "WEIR";

/// The context as Open Semantic Interchange, in YAML; JSON where `json` says so.
///
/// # Errors
///
/// Where a relationship has a join that is no equality, or leads to many.
pub fn to_osi(context: &Context, json: bool) -> Result<String, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut relationships = Vec::new();
    for (i, r) in context.relationships.iter().enumerate() {
        let or = r.conditions.iter().skip(1).any(|c| c.condition_type.is_some_and(|t| t.as_str() == "or"));
        if or || r.conditions.is_empty() || r.conditions.iter().any(|c| c.operator() != Operator::Equal) {
            let detail =
                format!("'{}' joins by other than equal columns, which the interchange does not have.", r.id);
            let finding = Finding::error(Code::InvalidValue, detail);
            findings.push(context.places.put_on(finding, &format!("relationships[{i}].conditions")));
            continue;
        }
        let turned = r.cardinality == Some(Cardinality::OneToMany);
        let mut lefts: Vec<Tree> = r.conditions.iter().map(|c| Tree::Text(c.left_column.clone())).collect();
        let mut rights: Vec<Tree> = r.conditions.iter().map(|c| Tree::Text(c.right_column.clone())).collect();
        let (mut from, mut to) = (own_id(context, &r.left_dataset), own_id(context, &r.right_dataset));
        if turned {
            std::mem::swap(&mut lefts, &mut rights);
            std::mem::swap(&mut from, &mut to);
        }
        relationships.push(Tree::Map(vec![
            ("name", text(&r.id)),
            ("from", text(&from)),
            ("to", text(&to)),
            ("from_columns", Tree::List(lefts)),
            ("to_columns", Tree::List(rights)),
        ]));
    }
    if !findings.is_empty() {
        return Err(ordered(findings));
    }
    let mut root = vec![
        ("version", text(OSI_VERSION)),
        ("name", text(&context.name)),
        ("description", text(&context.description)),
        ("datasets", Tree::List(context.datasets.iter().map(|d| dataset(context, d)).collect())),
    ];
    if !relationships.is_empty() {
        root.push(("relationships", Tree::List(relationships)));
    }
    if !context.metrics.is_empty() {
        root.push(("metrics", Tree::List(context.metrics.iter().map(metric).collect())));
    }
    let whole = Tree::Map(vec![("vendor_name", text(VENDOR)), ("data", text(&export::json(context)))]);
    root.push(("custom_extensions", Tree::List(vec![whole])));
    let tree = Tree::Map(root);
    Ok(if json { export::to_json(&tree) } else { export::to_yaml(&tree) })
}

fn text(text: &str) -> Tree {
    Tree::Text(text.to_owned())
}

fn own_id(context: &Context, name: &str) -> String {
    context.dataset(name).map_or_else(|| name.to_owned(), |d| context.datasets[d].id.clone())
}

fn expression(sql: &str) -> Tree {
    let one = Tree::Map(vec![("dialect", text("ANSI_SQL")), ("expression", text(sql))]);
    Tree::Map(vec![("dialects", Tree::List(vec![one]))])
}

fn dataset(context: &Context, dataset: &Dataset) -> Tree {
    let mut out = vec![("name", text(&dataset.id)), ("source", text(&dataset.dataset_id))];
    let mut key: Vec<&str> =
        dataset.columns.iter().filter(|c| c.primary_key == Some(true)).map(|c| c.name.as_str()).collect();
    if key.is_empty() {
        let mut entities = context.data_model.iter().flat_map(|m| &m.entities);
        let own = entities.find(|e| e.name == dataset.id);
        key.extend(own.iter().flat_map(|e| e.primary_key.iter().map(String::as_str)));
    }
    if !key.is_empty() {
        out.push(("primary_key", Tree::List(key.into_iter().map(text).collect())));
    }
    if let Some(description) = &dataset.description {
        out.push(("description", text(description)));
    }
    let field = |c: &ColumnNote| {
        let mut field = vec![("name", text(&c.name))];
        let quoted = format!("\"{}\"", c.name.replace('"', "\"\""));
        let plain = c.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        let own = if plain { c.name.clone() } else { quoted };
        field.push(("expression", expression(c.calculation.as_ref().unwrap_or(&own))));
        if let Some(label) = &c.business_name {
            field.push(("label", text(label)));
        }
        if let Some(description) = &c.description {
            field.push(("description", text(description)));
        }
        Tree::Map(field)
    };
    if !dataset.columns.is_empty() {
        out.push(("fields", Tree::List(dataset.columns.iter().map(field).collect())));
    }
    Tree::Map(out)
}

fn metric(metric: &Metric) -> Tree {
    let mut out = vec![("name", text(&metric.id)), ("expression", expression(&metric.expression))];
    if let Some(description) = metric.description.as_ref().or(metric.name.as_ref()) {
        out.push(("description", text(description)));
    }
    let datatype = metric.data_type.map(|t| match t {
        MetricType::Integer => "Integer",
        MetricType::Float => "Float",
        MetricType::String => "String",
        MetricType::Boolean => "Boolean",
        MetricType::Date => "Date",
    });
    if let Some(datatype) = datatype {
        out.push(("datatype", text(datatype)));
    }
    Tree::Map(out)
}

/// Reads Open Semantic Interchange, YAML or JSON. What Weir wrote itself comes back as it was; of other
/// models it takes datasets, fields, relationships and metrics in ANSI SQL.
///
/// # Errors
///
/// All that cannot be read, and what a context would not allow.
pub fn from_osi(text: &str) -> Result<Context, Vec<Finding>> {
    let mut findings = Vec::new();
    if text.len() > MAX_BYTES {
        let detail = format!("A model has at most {MAX_BYTES} bytes; this has {}.", text.len());
        return Err(vec![Finding::error(Code::TooLarge, detail)]);
    }
    let root = yaml::read(text.trim_start_matches('\u{feff}'), 1, &mut findings).map_err(|f| vec![f])?;
    let Some(mut root) = root else {
        return Err(vec![Finding::error(Code::InvalidSyntax, "There is nothing in the file.").at(1, 1)]);
    };
    if let Some(models) = get(&root, "semantic_model") {
        root = match &models.kind {
            Kind::List(models) if models.len() == 1 => models[0].clone(),
            Kind::Map(_) => models.clone(),
            _ => {
                let detail = "'semantic_model' holds one model; bring them in one by one.";
                let finding = Finding::error(Code::InvalidValue, detail);
                return Err(vec![finding.at(models.place.line, models.place.column)]);
            }
        };
    }
    if let Some(own) = own_extension(&root) {
        return own;
    }
    let context = foreign(&root, &mut findings);
    validate::schema::check(&context, &mut findings);
    if findings.iter().any(Finding::is_error) { Err(ordered(findings)) } else { Ok(context) }
}

/// The context that Weir put along, where nothing else was changed: a model that was edited elsewhere is
/// taken as it is now.
fn own_extension(root: &Node) -> Option<Result<Context, Vec<Finding>>> {
    let extension =
        items(get(root, "custom_extensions")).iter().find(|e| word(e, "vendor_name") == Some(VENDOR))?;
    let context = read::parse(word(extension, "data")?).ok()?;
    let again = to_osi(&context, true).ok()?;
    let mut ignored = Vec::new();
    let again = yaml::read(&again, 1, &mut ignored).ok()??;
    same(&again, root).then_some(Ok(context))
}

fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (Kind::Text { value: a, .. }, Kind::Text { value: b, .. }) => a == b,
        (Kind::List(a), Kind::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            let without = |entries: &[yaml::Entry]| entries.iter().filter(|e| e.key != "version").count();
            without(a) == without(b)
                && a.iter()
                    .filter(|e| e.key != "version")
                    .all(|e| b.iter().any(|other| other.key == e.key && same(&e.value, &other.value)))
        }
        (Kind::Missing, Kind::Missing) => true,
        _ => false,
    }
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
        _ => None,
    }
}

fn word<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &get(node, key)?.kind {
        Kind::Text { value, .. } => Some(value),
        _ => None,
    }
}

fn owned(node: &Node, key: &str) -> Option<String> {
    word(node, key).map(str::to_owned)
}

fn items(node: Option<&Node>) -> &[Node] {
    match node.map(|n| &n.kind) {
        Some(Kind::List(items)) => items.get(..items.len().min(MAX_PARTS)).unwrap_or_default(),
        _ => &[],
    }
}

fn words(node: Option<&Node>) -> Vec<String> {
    let text = |n: &Node| if let Kind::Text { value, .. } = &n.kind { Some(value.clone()) } else { None };
    items(node).iter().filter_map(text).collect()
}

/// The expression in a dialect that the engine reads.
fn sql(node: &Node) -> Option<String> {
    let dialects = items(get(node, "expression").and_then(|e| get(e, "dialects")));
    let ansi = dialects.iter().find(|d| word(d, "dialect") == Some("ANSI_SQL"));
    owned(ansi?, "expression")
}

fn foreign(root: &Node, findings: &mut Vec<Finding>) -> Context {
    let told = |node: &Node, detail: String| {
        Finding::error(Code::InvalidValue, detail).at(node.place.line, node.place.column)
    };
    let allowed = |c: char| if c.is_ascii_alphanumeric() || " _-".contains(c) { c } else { ' ' };
    let name: String = word(root, "name").unwrap_or_default().chars().map(allowed).collect();
    let mut context = Context {
        name: name.trim().to_owned(),
        version: "1.0.0".to_owned(),
        description: owned(root, "description").unwrap_or_else(|| format!("The semantic model {name}")),
        ..Context::default()
    };
    for node in items(get(root, "datasets")) {
        let id = owned(node, "name").unwrap_or_default();
        let key = words(get(node, "primary_key"));
        let mut columns: Vec<ColumnNote> = items(get(node, "fields"))
            .iter()
            .map(|field| {
                let name = owned(field, "name").unwrap_or_default();
                let plain = |sql: &String| sql.trim().trim_matches('"').eq_ignore_ascii_case(&name);
                ColumnNote {
                    calculation: sql(field).filter(|sql| !plain(sql)),
                    business_name: owned(field, "label"),
                    description: owned(field, "description"),
                    primary_key: key.contains(&name).then_some(true),
                    name,
                    ..ColumnNote::default()
                }
            })
            .collect();
        for column in &key {
            if !columns.iter().any(|c| c.name == *column) {
                columns.push(ColumnNote {
                    name: column.clone(),
                    primary_key: Some(true),
                    ..ColumnNote::default()
                });
            }
        }
        context.datasets.push(Dataset {
            name: id.clone(),
            dataset_id: owned(node, "source").unwrap_or_default(),
            description: owned(node, "description"),
            columns,
            id: id.clone(),
            ..Dataset::default()
        });
        for own in items(get(node, "metrics")) {
            metric_from(own, vec![id.clone()], &mut context, findings, &told);
        }
    }
    for node in items(get(root, "relationships")) {
        let (from, to) = (words(get(node, "from_columns")), words(get(node, "to_columns")));
        if from.len() != to.len() || from.is_empty() {
            let name = shown(word(node, "name").unwrap_or_default());
            findings.push(told(node, format!("'{name}' has other columns on one side than on the other.")));
            continue;
        }
        let pair =
            |(left_column, right_column)| Condition { left_column, right_column, ..Condition::default() };
        context.relationships.push(Relationship {
            id: owned(node, "name").unwrap_or_default(),
            left_dataset: owned(node, "from").unwrap_or_default(),
            right_dataset: owned(node, "to").unwrap_or_default(),
            join_type: Some(super::model::JoinType::Left),
            cardinality: Some(Cardinality::ManyToOne),
            conditions: from.into_iter().zip(to).map(pair).collect(),
            ..Relationship::default()
        });
    }
    for node in items(get(root, "metrics")) {
        metric_from(node, Vec::new(), &mut context, findings, &told);
    }
    read::name_relationships(&mut context);
    context
}

fn metric_from(
    node: &Node,
    datasets: Vec<String>,
    context: &mut Context,
    findings: &mut Vec<Finding>,
    told: &impl Fn(&Node, String) -> Finding,
) {
    let id = owned(node, "name").unwrap_or_default();
    let Some(expression) = sql(node) else {
        findings.push(told(node, format!("The metric '{}' has no expression in ANSI_SQL.", shown(&id))));
        return;
    };
    let data_type = word(node, "datatype").and_then(|t| match t {
        "Integer" => Some(MetricType::Integer),
        "Decimal" | "Float" => Some(MetricType::Float),
        "String" => Some(MetricType::String),
        "Boolean" => Some(MetricType::Boolean),
        "Date" => Some(MetricType::Date),
        _ => None,
    });
    let description = owned(node, "description");
    context.metrics.push(Metric { id, description, expression, data_type, datasets, ..Metric::default() });
}
