//! Events and runs, column by column.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder, RecordBatch,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};
use weir_events::{Event, Stored, envelope::header, query};

use crate::{
    int,
    rows::{ZONE, time},
};

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn moment(name: &str) -> Field {
    field(name, DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())))
}

fn texts(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| field(name, DataType::Utf8)).collect()
}

/// `weir.events`.
pub(super) static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![field("position", DataType::Int64), moment("time")];
    fields.extend(texts(&[
        "type",
        "aggregate",
        "aggregate_id",
        "actor",
        "user_id",
        "id",
        "correlation",
        "causation",
        "workspace",
        "data",
    ]));
    Arc::new(Schema::new(fields))
});

/// `weir.runs`.
pub(super) static RUNS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let mut fields = vec![field("position", DataType::Int64), moment("time")];
    fields.extend(texts(&["run_id", "query_id", "actor", "user_id", "sql", "status", "code", "detail"]));
    fields.extend([
        field("elapsed_ms", DataType::Float64),
        field("rows", DataType::Int64),
        field("bytes", DataType::Int64),
        field("truncated", DataType::Boolean),
        field("cache_tier", DataType::Int32),
        field("datasets", DataType::List(Arc::new(Field::new("item", DataType::Utf8, true)))),
    ]);
    fields.extend(texts(&["context", "question", "model", "engine"]));
    Arc::new(Schema::new(fields))
});

/// Events in the newest version of their types; one that this build cannot read is shown as it stands.
pub(super) fn events(events: &[Stored]) -> Result<RecordBatch, ArrowError> {
    let mut position = Int64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new().with_timezone(ZONE);
    let mut columns: [StringBuilder; 10] = std::array::from_fn(|_| StringBuilder::new());
    for event in events {
        position.append_value(int(event.position.0));
        times.append_option(time(event).map(|time| time.timestamp_micros()));
        let mut parts = event.subject.splitn(4, '.').skip(1);
        let (workspace, aggregate, id) = (parts.next(), parts.next(), parts.next());
        let decoded = event.decode().ok();
        let data = match &decoded {
            Some(recorded) => recorded.event.to_json().ok(),
            None => Some(event.payload.to_vec()),
        };
        let data = data.map(|data| String::from_utf8_lossy(&data).into_owned());
        let user = decoded.as_ref().and_then(|d| d.meta.actor.user()).map(|user| user.to_string());
        let header = |name| event.headers.get(name);
        let values = [
            decoded.as_ref().map(|d| d.event.event_type()).or(header(header::TYPE)),
            aggregate,
            id,
            header(header::ACTOR),
            user.as_deref(),
            header(header::ID),
            header(header::CORRELATION),
            header(header::CAUSATION),
            workspace,
            data.as_deref(),
        ];
        columns.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
    }
    let mut all: Vec<ArrayRef> = vec![Arc::new(position.finish()), Arc::new(times.finish())];
    all.extend(columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
    RecordBatch::try_new(EVENTS.clone(), all)
}

/// The runs among events.
pub(super) fn runs(events: &[Stored]) -> Result<RecordBatch, ArrowError> {
    let mut position = Int64Builder::new();
    let mut times = TimestampMicrosecondBuilder::new().with_timezone(ZONE);
    let mut before: [StringBuilder; 8] = std::array::from_fn(|_| StringBuilder::new());
    let (mut elapsed, mut rows, mut bytes) =
        (Float64Builder::new(), Int64Builder::new(), Int64Builder::new());
    let (mut truncated, mut tier) = (BooleanBuilder::new(), Int32Builder::new());
    let mut datasets = ListBuilder::new(StringBuilder::new());
    let mut after: [StringBuilder; 4] = std::array::from_fn(|_| StringBuilder::new());
    for event in events {
        // Most events are none; their payload need not be looked at.
        if !event.headers.get(header::TYPE).is_some_and(|kind| kind.starts_with("weir.query.")) {
            continue;
        }
        let Ok(recorded) = event.decode() else { continue };
        let run = match &recorded.event {
            Event::Query(query::Event::Executed(run)) => Ok(run),
            Event::Query(query::Event::Failed(run)) => Err(run),
            _ => continue,
        };
        position.append_value(int(recorded.position.0));
        times.append_value(recorded.meta.time.timestamp_micros());
        let id = match run {
            Ok(run) => run.run_id,
            Err(run) => run.run_id,
        };
        let (id, actor) = (id.to_string(), recorded.meta.actor.to_string());
        let user = recorded.meta.actor.user().map(|user| user.to_string());
        let (sql, status, code, detail) = match run {
            Ok(run) => (&run.sql, "ok", None, None),
            Err(run) => (&run.sql, "failed", Some(&*run.code), Some(&*run.detail)),
        };
        let values = [
            Some(&*id),
            Some(recorded.subject.id()),
            Some(&*actor),
            user.as_deref(),
            Some(sql),
            Some(status),
            code,
            detail,
        ];
        before.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
        let ok = run.ok();
        elapsed.append_value(run.map_or_else(|run| run.elapsed_ms, |run| run.elapsed_ms));
        rows.append_option(ok.map(|run| int(run.rows)));
        bytes.append_option(ok.map(|run| int(run.bytes)));
        truncated.append_option(ok.map(|run| run.truncated));
        tier.append_option(ok.and_then(|run| run.cache_tier).map(i32::from));
        for source in ok.iter().flat_map(|run| &run.datasets) {
            datasets.values().append_value(format!("{}@{}", source.name, source.version));
        }
        datasets.append(true);
        let context = ok.and_then(|run| run.context.as_ref());
        let context = context.map(|context| format!("{}@{}", context.name, context.version));
        let (question, model) = match run {
            Ok(run) => (&run.question, &run.model),
            Err(run) => (&run.question, &run.model),
        };
        let values =
            [context.as_deref(), question.as_deref(), model.as_deref(), ok.map(|run| run.engine.as_str())];
        after.iter_mut().zip(values).for_each(|(column, value)| column.append_option(value));
    }
    let mut all: Vec<ArrayRef> = vec![Arc::new(position.finish()), Arc::new(times.finish())];
    all.extend(before.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
    all.extend([
        Arc::new(elapsed.finish()) as ArrayRef,
        Arc::new(rows.finish()),
        Arc::new(bytes.finish()),
        Arc::new(truncated.finish()),
        Arc::new(tier.finish()),
        Arc::new(datasets.finish()),
    ]);
    all.extend(after.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
    RecordBatch::try_new(RUNS.clone(), all)
}
