//! What the columns will be.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Fields};

use super::shape::{Inside, Shape, Survey};
use super::{Job, Rejection};
use crate::ingest::cells::{self, Markers, Profile, Type, arrow_type, decide, unique_names};
use crate::ingest::types::Wanted;

/// What a place becomes.
pub(super) enum Plan {
    /// A value that is not nested.
    Scalar(cells::Plan),
    /// The JSON source, as text.
    Source,
    Object(Vec<Member>),
    List(Box<Plan>),
}

/// A field of a struct.
pub(super) struct Member {
    pub(super) key: Box<str>,
    pub(super) name: String,
    pub(super) plan: Plan,
}

/// A column of the table.
pub(super) struct Planned {
    pub(super) key: Box<str>,
    pub(super) name: String,
    pub(super) plan: Plan,
    /// Rows in which it is `null`.
    pub(super) nulls: u64,
    /// Rows in which it is not there.
    pub(super) absent: u64,
}

/// The table.
pub(super) struct Root {
    pub(super) columns: Vec<Planned>,
    pub(super) markers: Markers,
    pub(super) wanted: Wanted,
    /// Whether rows are objects, and not one value each.
    pub(super) objects: bool,
}

impl Plan {
    fn data_type(&self) -> DataType {
        match self {
            Self::Scalar(plan) => arrow_type(plan.data_type),
            Self::Source => DataType::Utf8,
            Self::Object(_) => DataType::Struct(self.fields()),
            Self::List(_) => DataType::List(self.item()),
        }
    }

    /// The fields of a struct.
    pub(super) fn fields(&self) -> Fields {
        match self {
            Self::Object(members) => {
                members.iter().map(|m| Field::new(&m.name, m.plan.data_type(), true)).collect()
            }
            _ => Fields::empty(),
        }
    }

    /// The field that stands for the items of a list.
    pub(super) fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(
            match self {
                Self::List(items) => items.data_type(),
                other => other.data_type(),
            },
            true,
        ))
    }

    /// How many values each marker takes.
    pub(super) fn missing(&self) -> BTreeMap<String, u64> {
        match self {
            Self::Scalar(plan) => plan.missing.clone(),
            _ => BTreeMap::new(),
        }
    }
}

impl Root {
    pub(super) fn fields(&self) -> impl Iterator<Item = Field> {
        self.columns.iter().map(|column| Field::new(&column.name, column.plan.data_type(), true))
    }
}

/// A column before it is planned: its key, how many rows lack it, and what was seen.
type Found = (Box<str>, u64, Shape);

pub(super) fn plan(survey: Survey, rows: u64, job: &Job) -> Result<Root, Rejection> {
    let Survey { root, markers, .. } = survey;
    let mut objects = false;
    let found: Vec<Found> = match root.inside {
        Inside::Object(object) => {
            objects = true;
            let keys = object.keys.all().to_vec();
            let with_key = keys.into_iter().zip(object.fields);
            // A row that is null lacks every column.
            with_key.map(|(key, shape)| (key, rows - shape.seen, shape)).collect()
        }
        _ => vec![("value".into(), 0, root)],
    };
    if found.is_empty() {
        return Err(Rejection::new("no_rows", "The objects in the file are empty: there are no columns."));
    }
    let names = unique_names(&found.iter().map(|(key, ..)| key.to_string()).collect::<Vec<_>>());
    let wanted = Wanted::new(&job.options, &names)?;
    let mut leaves = Leaves::default();
    for (((_, _, shape), asked), name) in found.iter().zip(wanted.types()).zip(&names) {
        leaves.gather(shape, *asked).map_err(|r| r.column(name.as_str()))?;
    }
    let in_text = job.options.missing_in_text.as_deref();
    let plans = decide(&leaves.profiles, &leaves.found, &markers, in_text, &leaves.asked);
    let mut plans = plans.into_iter();
    let types = wanted.types();
    let columns = found.iter().zip(names).zip(types).map(|(((key, absent, shape), name), asked)| Planned {
        key: key.clone(),
        name,
        plan: build(shape, *asked, &mut plans),
        nulls: shape.nulls,
        absent: *absent,
    });
    let columns = columns.collect();
    Ok(Root { columns, markers, wanted, objects })
}

/// How a place is dealt with.
enum Way<'a> {
    Scalar,
    Source,
    Object(&'a [Box<str>], &'a [Shape]),
    List(&'a Shape),
}

fn way(shape: &Shape, asked: Option<Type>) -> Way<'_> {
    match (&shape.inside, asked) {
        (Inside::Nothing, _) => Way::Scalar,
        (_, Some(Type::Text)) => Way::Source,
        // What is nested does not fit, and what is not may.
        (Inside::Mixed, Some(_)) => Way::Scalar,
        (Inside::Object(object), _) if !object.fields.is_empty() => {
            Way::Object(object.keys.all(), &object.fields)
        }
        (Inside::Mixed | Inside::Object(_), _) => Way::Source,
        (Inside::List(items), _) => Way::List(items),
    }
}

/// The places with values that are not nested, which are decided on together.
#[derive(Default)]
struct Leaves {
    profiles: Vec<Profile>,
    found: Vec<Type>,
    asked: Vec<Option<Type>>,
}

impl Leaves {
    fn gather(&mut self, shape: &Shape, asked: Option<Type>) -> Result<(), Rejection> {
        match way(shape, asked) {
            Way::Scalar => {
                self.profiles.push(shape.profile());
                self.found.push(match shape.inside {
                    Inside::Nothing => shape.scalar_type(),
                    _ => Type::Text,
                });
                self.asked.push(asked);
            }
            Way::Source => {}
            Way::Object(..) | Way::List(_) if asked.is_some() => {
                let detail = "The column holds objects or arrays; the only other type it can have is text.";
                return Err(Rejection::new("invalid_option", detail));
            }
            Way::Object(_, fields) => {
                for field in fields {
                    self.gather(field, None)?;
                }
            }
            Way::List(items) => self.gather(items, None)?,
        }
        Ok(())
    }
}

/// Builds what [`Leaves::gather`] walked through, in the same order.
fn build(shape: &Shape, asked: Option<Type>, plans: &mut impl Iterator<Item = cells::Plan>) -> Plan {
    match way(shape, asked) {
        Way::Scalar => plans.next().map_or(Plan::Source, Plan::Scalar),
        Way::Source => Plan::Source,
        Way::Object(keys, fields) => {
            let names = unique_names(&keys.iter().map(|key| key.to_string()).collect::<Vec<_>>());
            let members = keys.iter().zip(names).zip(fields).map(|((key, name), field)| Member {
                key: key.clone(),
                name,
                plan: build(field, None, plans),
            });
            Plan::Object(members.collect())
        }
        Way::List(items) => Plan::List(Box::new(build(items, None, plans))),
    }
}
