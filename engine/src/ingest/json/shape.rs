//! What all rows together hold.

use std::collections::HashMap;

use super::parse::{Parser, Start};
use super::{Fault, excerpt};
use crate::ingest::cells::{Markers, Profile, Type};
use crate::ingest::{Limits, ReadOptions};

/// The longest key, in bytes.
const KEY: usize = 10_000;

/// The keys of objects, each with a number.
#[derive(Debug, Default)]
pub(super) struct Keys {
    numbers: HashMap<Box<str>, usize>,
    order: Vec<Box<str>>,
    /// The object that each key was last met in.
    met: Vec<u64>,
    object: u64,
}

impl Keys {
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k str>) -> Self {
        let mut all = Self::default();
        keys.for_each(|key| {
            all.add(key);
        });
        all
    }

    /// A new object begins.
    pub(super) fn begin(&mut self) {
        self.object += 1;
    }

    /// The number of a key; `guess` is what it most likely is.
    pub(super) fn find(&self, key: &str, guess: usize) -> Option<usize> {
        if self.order.get(guess).is_some_and(|known| **known == *key) {
            return Some(guess);
        }
        self.numbers.get(key).copied()
    }

    fn add(&mut self, key: &str) -> usize {
        let number = self.order.len();
        self.numbers.insert(key.into(), number);
        self.order.push(key.into());
        self.met.push(0);
        number
    }

    /// Says that the key is in the object; false when it was there already.
    pub(super) fn meet(&mut self, number: usize) -> bool {
        std::mem::replace(&mut self.met[number], self.object) != self.object
    }

    pub(super) fn is_met(&self, number: usize) -> bool {
        self.met[number] == self.object
    }

    pub(super) fn all(&self) -> &[Box<str>] {
        &self.order
    }
}

/// Objects that came in the same place.
#[derive(Debug, Default)]
pub(super) struct Object {
    pub(super) keys: Keys,
    pub(super) fields: Vec<Shape>,
}

/// What nested values are in a place.
#[derive(Debug)]
pub(super) enum Inside {
    Nothing,
    Object(Object),
    List(Box<Shape>),
    /// Several of these, or one and values that are not nested.
    Mixed,
}

/// What is in a place.
#[derive(Debug)]
pub(super) struct Shape {
    /// How often anything was there, `null` too.
    pub(super) seen: u64,
    pub(super) nulls: u64,
    numbers: Profile,
    texts: Profile,
    bools: bool,
    /// Whether any value was there that is not nested, be it one that means 'missing'.
    scalars: bool,
    pub(super) inside: Inside,
}

impl Shape {
    fn new(markers: &Markers) -> Self {
        let (numbers, texts) = (Profile::new(markers), Profile::new(markers));
        Self { seen: 0, nulls: 0, numbers, texts, bools: false, scalars: false, inside: Inside::Nothing }
    }

    /// The type of values that are not nested.
    pub(super) fn scalar_type(&self) -> Type {
        match (self.numbers.is_known(), self.texts.is_known(), self.bools) {
            (true, false, false) if self.numbers.is_special() => Type::Float,
            (true, false, false) => self.numbers.resolve(),
            (false, true, false) => match self.texts.resolve() {
                moment @ (Type::Date | Type::Timestamp { .. }) => moment,
                _ => Type::Text,
            },
            (false, false, true) => Type::Bool,
            _ => Type::Text,
        }
    }

    /// What was seen of values that are not nested.
    pub(super) fn profile(&self) -> Profile {
        let mut profile = self.numbers.clone();
        profile.merge(&self.texts);
        profile
    }

    /// A value that is not nested came: what is nested there is mixed with it.
    fn mix(&mut self) {
        self.scalars = true;
        if !matches!(self.inside, Inside::Nothing) {
            self.inside = Inside::Mixed;
        }
    }
}

/// Gathers what rows hold.
pub(super) struct Survey {
    /// The row itself.
    pub(super) root: Shape,
    pub(super) markers: Markers,
    /// Whether rows are objects, once that is known.
    objects: Option<bool>,
    columns: usize,
    most_columns: usize,
    cell_bytes: usize,
}

impl Survey {
    pub(super) fn new(options: &ReadOptions, limits: &Limits) -> Self {
        // Nothing is missing but what says so, unless markers are named.
        let markers = Markers::of(options.missing.clone().unwrap_or_default());
        let root = Shape::new(&markers);
        let (most_columns, cell_bytes) = (limits.columns, limits.cell_bytes);
        Self { root, markers, objects: None, columns: 0, most_columns, cell_bytes }
    }

    /// Takes in one more row.
    pub(super) fn see(&mut self, record: &[u8]) -> Result<(), Fault> {
        let mut parser = Parser::new(record);
        let start = parser.start()?;
        if start != Start::Null {
            let object = start == Start::Object;
            if *self.objects.get_or_insert(object) != object {
                let detail = "Some rows are objects and others are not: they have no columns in common.";
                return Err(Fault { at: 0, code: "mixed_rows", detail: detail.to_owned(), column: None });
            }
        }
        let mut within = Within {
            markers: &self.markers,
            columns: &mut self.columns,
            most_columns: self.most_columns,
            cell_bytes: self.cell_bytes,
        };
        within.see(&mut self.root, &mut parser)?;
        parser.end()
    }
}

struct Within<'a> {
    markers: &'a Markers,
    columns: &'a mut usize,
    most_columns: usize,
    cell_bytes: usize,
}

impl Within<'_> {
    fn see(&mut self, shape: &mut Shape, parser: &mut Parser<'_>) -> Result<(), Fault> {
        shape.seen += 1;
        let start = parser.start()?;
        let at = parser.at();
        match start {
            Start::Null => {
                parser.word(start)?;
                shape.nulls += 1;
            }
            Start::True | Start::False => {
                parser.word(start)?;
                shape.bools = true;
                shape.mix();
            }
            Start::Number => {
                let number = parser.number()?;
                self.check_cell(number, at)?;
                shape.numbers.see(number, false, self.markers);
                shape.mix();
            }
            Start::Text => {
                let text = parser.text()?;
                self.check_cell(text.as_bytes(), at)?;
                shape.texts.see(text.as_bytes(), false, self.markers);
                shape.mix();
            }
            Start::Object | Start::Array => {
                let scalars = shape.scalars;
                match (&mut shape.inside, start) {
                    (inside @ Inside::Nothing, _) if scalars => *inside = Inside::Mixed,
                    (inside @ Inside::Nothing, Start::Object) => *inside = Inside::Object(Object::default()),
                    (inside @ Inside::Nothing, _) => {
                        *inside = Inside::List(Box::new(Shape::new(self.markers)));
                    }
                    (Inside::Object(_), Start::Object) | (Inside::List(_), Start::Array) => {}
                    (inside, _) => *inside = Inside::Mixed,
                }
                match &mut shape.inside {
                    Inside::Object(object) => self.see_object(object, parser)?,
                    Inside::List(items) => {
                        parser.enter()?;
                        let mut first = true;
                        while parser.element(first)? {
                            first = false;
                            self.see(items, parser)?;
                        }
                    }
                    _ => {
                        let source = parser.source()?;
                        self.check_cell(source.as_bytes(), at)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn see_object(&mut self, object: &mut Object, parser: &mut Parser<'_>) -> Result<(), Fault> {
        parser.enter()?;
        object.keys.begin();
        let mut next = 0;
        let mut first = true;
        while let Some(key) = parser.key(first)? {
            first = false;
            let number = match object.keys.find(&key, next) {
                Some(number) => number,
                None => self.add(object, &key, parser.at())?,
            };
            next = number + 1;
            if !object.keys.meet(number) {
                return Err(Fault {
                    at: parser.at(),
                    code: "duplicate_key",
                    detail: "An object has the same key twice, so that it is not clear which value counts."
                        .to_owned(),
                    column: Some(excerpt(key.as_bytes())),
                });
            }
            self.see(&mut object.fields[number], parser).map_err(|fault| {
                let column = match &fault.column {
                    Some(inner) => format!("{}.{inner}", excerpt(key.as_bytes())),
                    None => excerpt(key.as_bytes()),
                };
                Fault { column: Some(column), ..fault }
            })?;
        }
        Ok(())
    }

    fn add(&mut self, object: &mut Object, key: &str, at: usize) -> Result<usize, Fault> {
        if key.len() > KEY {
            let detail = format!("A key is longer than {KEY} bytes.");
            let column = Some(excerpt(key.as_bytes()));
            return Err(Fault { at, code: "cell_too_large", detail, column });
        }
        *self.columns += 1;
        if *self.columns > self.most_columns {
            let most = self.most_columns;
            let detail = format!("The objects in the file have more than {most} different keys.");
            let column = Some(excerpt(key.as_bytes()));
            return Err(Fault { at, code: "too_many_columns", detail, column });
        }
        object.fields.push(Shape::new(self.markers));
        Ok(object.keys.add(key))
    }

    fn check_cell(&self, cell: &[u8], at: usize) -> Result<(), Fault> {
        let most = self.cell_bytes;
        if cell.len() > most {
            let detail = format!("A value is larger than {most} bytes.");
            return Err(Fault { at, code: "cell_too_large", detail, column: None });
        }
        Ok(())
    }
}
