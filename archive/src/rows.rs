//! Events as rows, and rows as the very events again.
//!
//! Columns hold what people look for. What they cannot hold, because a message is not written as this
//! build writes it, stands beside them as it was: `envelope` for headers, `payload` for what is not text.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, BinaryArray, BinaryBuilder, Int64Array, Int64Builder, RecordBatch, StringArray,
            StringBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
        },
        datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
        error::ArrowError,
    },
    common::cast::{as_binary_array, as_int64_array, as_string_array, as_timestamp_microsecond_array},
};
use uuid::Uuid;
use weir_events::{Headers, Position, Stored, envelope::header};

use crate::int;

/// The time zone of times in SQL and in files.
pub(crate) const ZONE: &str = "+00:00";

/// The columns of the archive's files and of exports.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        Field::new("position", DataType::Int64, false),
        text("id"),
        text("type"),
        Field::new("time", DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())), true),
        text("workspace"),
        text("aggregate"),
        text("aggregate_id"),
        text("actor"),
        text("correlation"),
        text("causation"),
        text("traceparent"),
        text("data"),
        Field::new("subject", DataType::Utf8, false),
        text("envelope"),
        Field::new("payload", DataType::Binary, true),
    ]))
});

/// The workspace of an event; the nil one of what is on no workspace's subject.
pub fn workspace(event: &Stored) -> Uuid {
    event.subject.split('.').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// When an event says that it happened.
pub fn time(event: &Stored) -> Option<DateTime<Utc>> {
    let text = event.headers.get(header::TIME)?;
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// That time's day; the first of all for an event without one.
pub(crate) fn day(event: &Stored) -> NaiveDate {
    time(event).unwrap_or_default().date_naive()
}

/// Events as a batch of [`SCHEMA`].
///
/// # Errors
/// When they do not fit into one, such as by more than two gigabytes of payload.
pub fn batch<'a>(events: impl IntoIterator<Item = &'a Stored>) -> Result<RecordBatch, ArrowError> {
    let mut position = Int64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new().with_timezone(ZONE);
    let mut texts: [StringBuilder; 12] = std::array::from_fn(|_| StringBuilder::new());
    let mut payload = BinaryBuilder::new();
    for event in events {
        position.append_value(int(event.position.0));
        let at = time(event);
        times.append_option(at.map(|at| at.timestamp_micros()));
        let mut parts = event.subject.splitn(4, '.').skip(1);
        let (workspace, aggregate, id) = (parts.next(), parts.next(), parts.next());
        let get = |name| event.headers.get(name);
        let text = std::str::from_utf8(&event.payload).ok();
        let seen = Seen {
            id: get(header::ID),
            kind: get(header::TYPE),
            time: at,
            aggregate,
            aggregate_id: id,
            actor: get(header::ACTOR),
            correlation: get(header::CORRELATION),
            causation: get(header::CAUSATION),
            traceparent: get(header::TRACEPARENT),
        };
        let envelope = (sorted(&seen.headers()) != sorted(&event.headers)).then(|| {
            let pairs: Vec<_> = event.headers.iter().collect();
            serde_json::to_string(&pairs).unwrap_or_default()
        });
        let values = [
            seen.id,
            seen.kind,
            workspace,
            aggregate,
            id,
            seen.actor,
            seen.correlation,
            seen.causation,
            seen.traceparent,
            text,
            Some(&event.subject),
            envelope.as_deref(),
        ];
        texts.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
        payload.append_option(text.is_none().then_some(&event.payload[..]));
    }
    let mut texts = texts.into_iter().map(|mut builder| Arc::new(builder.finish()) as ArrayRef);
    let mut columns: Vec<ArrayRef> = vec![Arc::new(position.finish())];
    columns.extend(texts.by_ref().take(2));
    columns.push(Arc::new(times.finish()));
    columns.extend(texts);
    columns.push(Arc::new(payload.finish()));
    RecordBatch::try_new(SCHEMA.clone(), columns)
}

/// The events of a batch, with their headers in the envelope's order.
///
/// # Errors
/// When the batch is not one of [`SCHEMA`].
pub fn events(batch: &RecordBatch) -> Result<Vec<Stored>, ArrowError> {
    let rows = Rows::of(batch)?;
    (0..batch.num_rows()).map(|row| rows.event(row)).collect()
}

struct Rows<'a> {
    position: &'a Int64Array,
    time: &'a TimestampMicrosecondArray,
    texts: [&'a StringArray; 12],
    payload: &'a BinaryArray,
}

impl<'a> Rows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))
        };
        let text = |name| Ok::<_, ArrowError>(as_string_array(column(name)?)?);
        Ok(Self {
            position: as_int64_array(column("position")?)?,
            time: as_timestamp_microsecond_array(column("time")?)?,
            texts: [
                text("id")?,
                text("type")?,
                text("workspace")?,
                text("aggregate")?,
                text("aggregate_id")?,
                text("actor")?,
                text("correlation")?,
                text("causation")?,
                text("traceparent")?,
                text("data")?,
                text("subject")?,
                text("envelope")?,
            ],
            payload: as_binary_array(column("payload")?)?,
        })
    }

    fn event(&self, row: usize) -> Result<Stored, ArrowError> {
        let texts = self.texts.map(|column| column.is_valid(row).then(|| column.value(row)));
        let [
            id,
            kind,
            _,
            aggregate,
            aggregate_id,
            actor,
            correlation,
            causation,
            traceparent,
            data,
            subject,
            envelope,
        ] = texts;
        let headers = match envelope {
            None => Seen {
                id,
                kind,
                time: self
                    .time
                    .is_valid(row)
                    .then(|| DateTime::from_timestamp_micros(self.time.value(row)))
                    .flatten(),
                aggregate,
                aggregate_id,
                actor,
                correlation,
                causation,
                traceparent,
            }
            .headers(),
            Some(json) => {
                let pairs: Vec<(String, String)> =
                    serde_json::from_str(json).map_err(|e| ArrowError::ParseError(e.to_string()))?;
                let mut headers = Headers::default();
                pairs.into_iter().for_each(|(name, value)| headers.push(name, value));
                headers
            }
        };
        let payload = match data {
            Some(text) => Bytes::copy_from_slice(text.as_bytes()),
            None if self.payload.is_valid(row) => Bytes::copy_from_slice(self.payload.value(row)),
            None => Bytes::new(),
        };
        Ok(Stored {
            position: Position(u64::try_from(self.position.value(row)).unwrap_or_default()),
            subject: subject.unwrap_or_default().to_owned(),
            headers,
            payload,
        })
    }
}

/// What columns know of an envelope.
struct Seen<'a> {
    id: Option<&'a str>,
    kind: Option<&'a str>,
    time: Option<DateTime<Utc>>,
    aggregate: Option<&'a str>,
    aggregate_id: Option<&'a str>,
    actor: Option<&'a str>,
    correlation: Option<&'a str>,
    causation: Option<&'a str>,
    traceparent: Option<&'a str>,
}

impl Seen<'_> {
    /// The headers of an event that was written the usual way.
    fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        let mut push = |name: &'static str, value: Option<&str>| {
            if let Some(value) = value {
                headers.push(name, value);
            }
        };
        let time = self.time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true));
        let subject = self.aggregate.zip(self.aggregate_id).map(|(kind, id)| format!("{kind}/{id}"));
        push(header::SPECVERSION, Some("1.0"));
        push(header::ID, self.id);
        push(header::TYPE, self.kind);
        push(header::SOURCE, Some("/weir"));
        push(header::TIME, time.as_deref());
        push(header::SUBJECT, subject.as_deref());
        push(header::CONTENT_TYPE, Some("application/json"));
        push(header::ACTOR, self.actor);
        push(header::CORRELATION, self.correlation);
        push(header::CAUSATION, self.causation);
        push(header::TRACEPARENT, self.traceparent);
        headers
    }
}

/// Headers without regard to their order, which the transport does not keep.
fn sorted(headers: &Headers) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = headers.iter().collect();
    all.sort_unstable();
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![".{0,12}", Just("2026-01-02T03:04:05.000006Z".to_owned()), Just("1.0".to_owned())]
    }

    proptest! {
        #[test]
        fn every_message_comes_back_as_it_was(
            subject in prop_oneof!["[a-z.]{0,20}", Just(format!("weir.{}.dataset.d.e", Uuid::from_u128(7)))],
            values in proptest::collection::vec((0..13_usize, text()), 0..14),
            payload in proptest::collection::vec(any::<u8>(), 0..40),
            usual in any::<bool>(),
        ) {
            let mut headers = Headers::default();
            if usual {
                let of = |value: &'static str| Some(value);
                let seen = Seen {
                    id: of("i"), kind: of("weir.x.v1"), time: DateTime::from_timestamp_micros(1_700_000_000_123_456),
                    aggregate: of("dataset"), aggregate_id: of("d.e"), actor: of("user:1"), correlation: of("c"),
                    causation: None, traceparent: None,
                };
                headers = seen.headers();
            } else {
                let mut used = Vec::new();
                for (n, value) in values {
                    if used.contains(&n) { continue }
                    used.push(n);
                    let name = header::ALL.get(n).copied().unwrap_or(if n == 11 { "x-other" } else { "x-more" });
                    headers.push(name, value);
                }
            }
            let event = Stored { position: Position(9), subject, headers, payload: payload.into() };
            let back = events(&batch([&event]).unwrap()).unwrap().remove(0);
            prop_assert_eq!(sorted(&back.headers), sorted(&event.headers));
            let plain = |e: &Stored| (e.position, e.subject.clone(), e.payload.clone());
            prop_assert_eq!(plain(&back), plain(&event));
        }
    }
}
