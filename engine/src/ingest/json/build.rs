//! Values to Arrow arrays.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanBufferBuilder, ListArray, RecordBatch, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{FieldRef, Fields, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::parse::{Parser, Start};
use super::plan::{Plan, Planned};
use super::shape::Keys;
use super::{Fault, Rejection, Stop};
use crate::ingest::cells::{self, Cells, Markers, Type, trim};
use crate::ingest::types::Wanted;

/// Rows per batch, and bytes of values after which one is full anyway.
const ROWS: usize = 16 << 10;
const BYTES: usize = 8 << 20;
/// What one batch may take. A row of a few megabytes can be far more as columns: each of a million small
/// objects in a list takes up every column that any of them has.
const MOST_BYTES: usize = 256 << 20;
/// What a value takes at least, missing or not.
const VALUE: usize = 8;

/// Builds one column or a part of one.
enum Builder<'a> {
    Scalar { cells: Cells, plan: &'a cells::Plan },
    Source(StringBuilder),
    Object { keys: Keys, members: Vec<Builder<'a>>, fields: Fields, there: BooleanBufferBuilder },
    List { items: Box<Builder<'a>>, item: FieldRef, ends: Vec<i32>, length: i32, there: BooleanBufferBuilder },
}

impl<'a> Builder<'a> {
    fn new(plan: &'a Plan) -> Self {
        match plan {
            Plan::Scalar(plan) => Self::Scalar { cells: Cells::new(plan.data_type), plan },
            Plan::Source => Self::Source(StringBuilder::new()),
            Plan::Object(members) => Self::Object {
                keys: Keys::of(members.iter().map(|m| &*m.key)),
                members: members.iter().map(|m| Self::new(&m.plan)).collect(),
                fields: plan.fields(),
                there: BooleanBufferBuilder::new(0),
            },
            Plan::List(items) => Self::List {
                items: Box::new(Self::new(items)),
                item: plan.item(),
                ends: vec![0],
                length: 0,
                there: BooleanBufferBuilder::new(0),
            },
        }
    }

    fn push_missing(&mut self, cx: &mut Context<'_>) {
        cx.bytes += VALUE;
        match self {
            Self::Scalar { cells, .. } => cells.push_missing(),
            Self::Source(b) => b.append_null(),
            Self::Object { members, there, .. } => {
                there.append(false);
                members.iter_mut().for_each(|member| member.push_missing(cx));
            }
            Self::List { ends, length, there, .. } => {
                there.append(false);
                ends.push(*length);
            }
        }
    }

    fn push(&mut self, parser: &mut Parser<'_>, cx: &mut Context<'_>) -> Result<(), Trouble> {
        let start = parser.start()?;
        if start == Start::Null {
            parser.word(start)?;
            self.push_missing(cx);
            return Ok(());
        }
        cx.spend(VALUE)?;
        match self {
            Self::Scalar { cells, plan } => {
                let cell: Cow<'_, [u8]> = match start {
                    Start::Text => match parser.text()? {
                        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
                    },
                    Start::Number => Cow::Borrowed(parser.number()?),
                    Start::Object | Start::Array => Cow::Borrowed(parser.source()?.as_bytes()),
                    word => Cow::Borrowed(parser.word(word)?.as_bytes()),
                };
                cx.spend(cell.len())?;
                let content = trim(&cell);
                let missing = match cx.markers.find(content) {
                    Some(marker) => plan.counts[marker][0],
                    None => content.is_empty() && plan.data_type != Type::Text,
                };
                if missing {
                    cells.push_missing();
                } else if !(if plan.asked { cells.push_asked(&cell) } else { cells.push(&cell) }) {
                    cx.wanted.unfit(cx.column, cx.line, &cell)?;
                    cells.push_missing();
                }
            }
            Self::Source(b) => {
                let source = parser.source()?;
                cx.spend(source.len())?;
                b.append_value(source);
            }
            Self::Object { keys, members, there, .. } => {
                there.append(true);
                push_members(keys, members, parser, |_, member, parser| member.push_or_miss(parser, cx))?;
            }
            Self::List { items, ends, length, there, .. } => {
                parser.enter()?;
                let mut first = true;
                while parser.element(first)? {
                    first = false;
                    items.push(parser, cx)?;
                    *length += 1;
                }
                there.append(true);
                ends.push(*length);
            }
        }
        Ok(())
    }

    fn push_or_miss(&mut self, parser: Option<&mut Parser<'_>>, cx: &mut Context<'_>) -> Result<(), Trouble> {
        match parser {
            Some(parser) => self.push(parser, cx),
            None => {
                self.push_missing(cx);
                cx.spend(0)
            }
        }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Scalar { cells, .. } => cells.finish(),
            Self::Source(b) => Arc::new(b.finish()),
            Self::Object { members, fields, there, .. } => {
                let arrays = members.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(fields.clone(), arrays, Some(NullBuffer::new(there.finish())))?)
            }
            Self::List { items, item, ends, length, there } => {
                *length = 0;
                let ends = std::mem::replace(ends, vec![0]);
                let offsets = OffsetBuffer::new(ends.into());
                let there = Some(NullBuffer::new(there.finish()));
                Arc::new(ListArray::try_new(item.clone(), offsets, items.finish()?, there)?)
            }
        })
    }
}

/// Walks through an object: each member gets the parser in front of its value, or nothing where it has none.
fn push_members<'b, 'p>(
    keys: &mut Keys,
    members: &mut [Builder<'b>],
    parser: &mut Parser<'p>,
    mut push: impl FnMut(usize, &mut Builder<'b>, Option<&mut Parser<'p>>) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    parser.enter()?;
    keys.begin();
    let (mut next, mut met) = (0, 0);
    let mut first = true;
    while let Some(key) = parser.key(first)? {
        first = false;
        let number = keys.find(&key, next).ok_or(Trouble::Changed)?;
        if !keys.meet(number) {
            return Err(Trouble::Changed);
        }
        next = number + 1;
        met += 1;
        push(number, &mut members[number], Some(&mut *parser))?;
    }
    if met < members.len() {
        for (number, member) in members.iter_mut().enumerate() {
            if !keys.is_met(number) {
                push(number, member, None)?;
            }
        }
    }
    Ok(())
}

/// What a value has to know about where it is.
struct Context<'a> {
    markers: &'a Markers,
    wanted: &'a mut Wanted,
    column: usize,
    line: u64,
    bytes: usize,
}

impl Context<'_> {
    fn spend(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.bytes += bytes;
        if self.bytes > MOST_BYTES {
            let detail = format!(
                "A row takes more than {} bytes as columns: its lists hold too many objects with too many keys.",
                MOST_BYTES - BYTES
            );
            return Err(Trouble::Stop(Rejection::new("row_too_large", detail).at(self.line).into()));
        }
        Ok(())
    }
}

/// Why a row was not taken in.
enum Trouble {
    /// It is not what the first pass saw.
    Changed,
    Stop(Stop),
}

impl From<Fault> for Trouble {
    fn from(_: Fault) -> Self {
        Self::Changed
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Gathers rows until a batch is full.
pub(super) struct Batcher<'a> {
    schema: SchemaRef,
    markers: &'a Markers,
    objects: bool,
    keys: Keys,
    columns: Vec<Builder<'a>>,
    rows: usize,
    bytes: usize,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(
        schema: SchemaRef,
        columns: &'a [Planned],
        markers: &'a Markers,
        objects: bool,
    ) -> Self {
        Self {
            schema,
            markers,
            objects,
            keys: Keys::of(columns.iter().map(|c| &*c.key)),
            columns: columns.iter().map(|c| Builder::new(&c.plan)).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    /// Takes a row in.
    pub(super) fn push(&mut self, record: &[u8], line: u64, wanted: &mut Wanted) -> Result<(), Stop> {
        let mut cx = Context { markers: self.markers, wanted, column: 0, line, bytes: self.bytes };
        let mut parser = Parser::new(record);
        let pushed = if !self.objects {
            self.columns[0].push(&mut parser, &mut cx)
        } else if matches!(parser.start(), Ok(Start::Null)) {
            self.columns.iter_mut().for_each(|column| column.push_missing(&mut cx));
            Ok(())
        } else {
            push_members(&mut self.keys, &mut self.columns, &mut parser, |at, column, parser| {
                cx.column = at;
                column.push_or_miss(parser, &mut cx)
            })
        };
        self.bytes = cx.bytes;
        self.rows += 1;
        pushed.map_err(|trouble| match trouble {
            Trouble::Changed => Stop::Failed(format!("line {line} changed while the file was read")),
            Trouble::Stop(stop) => stop,
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows gathered, which begin anew.
    pub(super) fn take(&mut self) -> Result<RecordBatch, ArrowError> {
        self.rows = 0;
        self.bytes = 0;
        let arrays = self.columns.iter_mut().map(Builder::finish).collect::<Result<_, _>>()?;
        RecordBatch::try_new(self.schema.clone(), arrays)
    }
}
