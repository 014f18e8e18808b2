//! The rows of a run, kept as an Arrow stream.

use std::sync::Arc;

use datafusion::arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use object_store::ObjectStoreExt;

use crate::world::{Person, Reply, World, get, request, send};

fn stream() -> Vec<u8> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("carrier", DataType::Utf8, false),
        Field::new("flights", DataType::Int64, true),
    ]));
    let columns: Vec<Arc<dyn datafusion::arrow::array::Array>> = vec![
        Arc::new(StringArray::from(vec!["UA", "B6", "a,b"])),
        Arc::new(Int64Array::from(vec![Some(58665), None, Some(-1)])),
    ];
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    drop(writer);
    bytes
}

async fn world() -> World {
    let world = World::new().await;
    for person in [&world.ada, &world.bob] {
        let key = format!("results/{}/kept.arrow", person.digit);
        world.blobs.put(&key.into(), stream().into()).await.unwrap();
    }
    world
}

fn path(person: &Person, run: &str) -> String {
    format!("/api/v1/runs/{}/result", person.id(run))
}

async fn accepting(world: &World, accept: &str) -> Reply {
    let app = world.app().await;
    send(&app, request(&world.ada, &path(&world.ada, "e3")).insert_header(("accept", accept))).await
}

#[actix_web::test]
async fn rows_come_in_the_form_that_is_accepted() {
    let world = world().await;
    let json = accepting(&world, "*/*").await;
    insta::assert_json_snapshot!("result", json.ok());

    let csv = accepting(&world, "text/csv").await;
    assert_eq!(csv.header("content-type"), "text/csv");
    assert_eq!(String::from_utf8_lossy(&csv.bytes), "carrier,flights\nUA,58665\nB6,\n\"a,b\",-1\n");

    let arrow = accepting(&world, "application/vnd.apache.arrow.stream").await;
    let batches: Vec<_> =
        StreamReader::try_new(&arrow.bytes[..], None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);

    let parquet = accepting(&world, "application/vnd.apache.parquet").await;
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(
        (&parquet.bytes[..4], &parquet.bytes[parquet.bytes.len() - 4..]),
        (&b"PAR1"[..], &b"PAR1"[..])
    );

    assert_eq!(accepting(&world, "image/png").await.problem(), (406, "not_acceptable".to_owned()));
}

#[actix_web::test]
async fn a_seal_is_not_part_of_the_rows() {
    let world = world().await;
    let key = weir_infra::cache::Key::of(world.ada.workspace).key();
    let sealed = weir_infra::cache::seal::seal("results", &key, stream());
    let path = format!("results/{}/kept.arrow", world.ada.digit);
    world.blobs.put(&path.into(), sealed.into()).await.unwrap();
    let arrow = accepting(&world, "application/vnd.apache.arrow.stream").await;
    assert_eq!(arrow.bytes, stream());
    assert!(accepting(&world, "text/csv").await.bytes.starts_with(b"carrier,flights\n"));
}

#[actix_web::test]
async fn rows_never_change_so_their_tag_stays() {
    let world = world().await;
    let app = &world.app().await;
    let first = get(app, &world.ada, &path(&world.ada, "e3")).await;
    world.project(101, &World::event(&world.ada, 101)).await;
    let again =
        request(&world.ada, &path(&world.ada, "e3")).insert_header(("if-none-match", first.header("etag")));
    assert_eq!(send(app, again.insert_header(("accept", "application/json"))).await.status, 304);
    let csv =
        request(&world.ada, &path(&world.ada, "e3")).insert_header(("if-none-match", first.header("etag")));
    assert_eq!(send(app, csv.insert_header(("accept", "text/csv"))).await.status, 200, "another form");
}

#[actix_web::test]
async fn rows_that_are_not_there_say_why() {
    let world = world().await;
    let app = &world.app().await;
    let answer = async |run| get(app, &world.ada, &path(&world.ada, run)).await.problem();
    assert_eq!(answer("e1").await, (404, "result_not_kept".to_owned()), "the run failed");
    assert_eq!(answer("e2").await, (404, "result_not_kept".to_owned()));
    assert_eq!(answer("e4").await, (410, "result_gone".to_owned()));
    assert_eq!(answer("ee").await, (404, "run_not_found".to_owned()));
    assert_eq!(
        get(app, &world.bob, &path(&world.ada, "e3")).await.problem(),
        (404, "run_not_found".to_owned())
    );
}
