use uuid::Uuid;

use super::*;
use crate::domain::{name::Claim, spec::given};

const ID: DatasetId = DatasetId(Uuid::from_u128(7));

fn upload(blob: &str) -> Upload {
    Upload { blob: blob.to_owned(), bytes: 3, sha256: "00".to_owned(), file_name: None, content_type: None }
}

fn receive(name: &str) -> Receive {
    Receive {
        id: ID,
        name: name.to_owned(),
        description: Some(" on-time data ".to_owned()),
        upload: upload("uploads/a"),
        options: ReadOptions::default(),
    }
}

fn uploaded() -> Event {
    Uploaded {
        name: "flights".to_owned(),
        description: Some("on-time data".to_owned()),
        version: 1,
        upload: upload("uploads/a"),
        options: ReadOptions::default(),
    }
    .into()
}

fn ingested(version: u32) -> Ingested {
    Ingested {
        version,
        table: "tables/a".to_owned(),
        table_bytes: 1,
        rows: 1,
        columns: Vec::new(),
        format: "csv".to_owned(),
        options: ReadOptions::default(),
        sheets: Vec::new(),
        elapsed_ms: 1,
    }
}

fn rejected(version: u32) -> Rejected {
    Rejected {
        version,
        code: "ragged_row".to_owned(),
        detail: "Row 3 has 2 fields.".to_owned(),
        row: Some(3),
        column: None,
        found: None,
    }
}

fn reserve(name: &str) -> Claim {
    Claim::Reserve { kind: Kind::Dataset, name: name.to_owned(), holder: ID.0 }
}

fn release(name: &str) -> Claim {
    Claim::Release { kind: Kind::Dataset, name: name.to_owned(), holder: ID.0 }
}

#[test]
fn a_file_becomes_a_dataset_and_takes_its_name() {
    let (reply, names) = given::<Datasets>([]).when(receive(" flights ")).then([uploaded()]);
    assert_eq!(reply.name, "flights");
    assert_eq!(names, [reserve("flights")]);
}

#[test]
fn the_same_upload_again_finds_what_the_first_one_made() {
    let again = Receive { upload: upload("uploads/b"), ..receive("other") };
    let reply = given::<Datasets>([uploaded()]).when(again).then_nothing();
    assert_eq!(reply, Received { name: "flights".to_owned(), blob: "uploads/a".to_owned() });
}

#[test]
fn a_bad_name_is_refused() {
    let error = Invalid::field("name", "empty", "A name needs at least one character.");
    given::<Datasets>([]).when(receive(" ")).then_error(error.into());
}

#[test]
fn a_file_is_read_once() {
    let done = Event::from(ingested(1));
    let (counts, _) = given::<Datasets>([uploaded()]).when(Complete(ingested(1))).then([done.clone()]);
    assert!(counts);
    assert!(!given::<Datasets>([uploaded(), done.clone()]).when(Complete(ingested(1))).then_nothing());
    assert!(
        !given::<Datasets>([uploaded(), done]).when(Reject { id: ID, reason: rejected(1) }).then_nothing()
    );
    assert!(!given::<Datasets>([uploaded()]).when(Complete(ingested(2))).then_nothing());
}

#[test]
fn a_file_that_cannot_be_read_gives_its_name_back() {
    let no = Event::from(rejected(1));
    let reject = Reject { id: ID, reason: rejected(1) };
    let (_, names) = given::<Datasets>([uploaded()]).when(reject).then([no.clone()]);
    assert_eq!(names, [release("flights")]);

    let renamed = Change { id: ID, name: Some("broken".to_owned()), description: None, options: None };
    let event = Event::from(Renamed { name: "broken".to_owned() });
    let (_, names) = given::<Datasets>([uploaded(), no]).when(renamed).then([event]);
    assert_eq!(names, [], "it holds no name that could be traded");
}

#[test]
fn renaming_trades_one_name_for_the_other() {
    let change = Change { id: ID, name: Some("trips".to_owned()), description: None, options: None };
    let event = Event::from(Renamed { name: "trips".to_owned() });
    let (labels, names) = given::<Datasets>([uploaded()]).when(change).then([event]);
    assert_eq!(names, [release("flights"), reserve("trips")]);
    assert_eq!(labels.description.as_deref(), Some("on-time data"));
}

#[test]
fn another_case_is_the_same_name() {
    let change = Change { id: ID, name: Some("Flights".to_owned()), description: None, options: None };
    let event = Event::from(Renamed { name: "Flights".to_owned() });
    let (_, names) = given::<Datasets>([uploaded()]).when(change).then([event]);
    assert_eq!(names, []);
}

#[test]
fn changing_to_what_is_changes_nothing() {
    let change = Change {
        id: ID,
        name: Some("flights".to_owned()),
        description: Some("on-time data".to_owned()),
        options: None,
    };
    given::<Datasets>([uploaded()]).when(change).then_nothing();
}

#[test]
fn a_description_can_be_taken_away() {
    let change = Change { id: ID, name: None, description: Some("  ".to_owned()), options: None };
    let event = Event::from(Described { description: String::new() });
    let (labels, _) = given::<Datasets>([uploaded()]).when(change).then([event]);
    assert_eq!(labels.description, None);
}

#[test]
fn deleting_frees_the_name_and_restoring_takes_it_again() {
    let deleted = Event::from(Deleted {});
    let (_, names) = given::<Datasets>([uploaded()]).when(Delete { id: ID }).then([deleted.clone()]);
    assert_eq!(names, [release("flights")]);
    given::<Datasets>([uploaded(), deleted.clone()]).when(Delete { id: ID }).then_error(Error::NotFound);

    let restore = Restore { id: ID, name: None };
    let event = Event::from(Restored { name: "flights".to_owned() });
    let (_, names) = given::<Datasets>([uploaded(), deleted.clone()]).when(restore.clone()).then([event]);
    assert_eq!(names, [reserve("flights")]);
    assert_eq!(given::<Datasets>([uploaded()]).when(restore.clone()).then_nothing(), "flights");
    given::<Datasets>([]).when(restore).then_error(Error::NotFound);

    let other = Restore { id: ID, name: Some("flights 2".to_owned()) };
    let event = Event::from(Restored { name: "flights 2".to_owned() });
    let (_, names) = given::<Datasets>([uploaded(), deleted]).when(other).then([event]);
    assert_eq!(names, [reserve("flights 2")]);
}

#[test]
fn nothing_happens_to_what_is_not_there() {
    let change = Change { id: ID, name: Some("x".to_owned()), description: None, options: None };
    given::<Datasets>([]).when(change).then_error(Error::NotFound);
    given::<Datasets>([]).when(Delete { id: ID }).then_error(Error::NotFound);
}

fn read_otherwise() -> ReadOptions {
    ReadOptions { allow_ragged: true, ..ReadOptions::default() }
}

fn correct() -> Change {
    Change { id: ID, name: None, description: None, options: Some(read_otherwise()) }
}

fn reread(version: u32) -> Event {
    Reread { version, upload: upload("uploads/a"), options: read_otherwise() }.into()
}

#[test]
fn a_file_that_was_read_wrongly_is_read_again_as_a_new_version() {
    let history = [uploaded(), ingested(1).into()];
    let (_, names) = given::<Datasets>(history).when(correct()).then([reread(2)]);
    assert_eq!(names, []);
}

#[test]
fn a_rejected_file_that_is_read_again_takes_its_name_back() {
    let history = [uploaded(), rejected(1).into()];
    let (_, names) = given::<Datasets>(history).when(correct()).then([reread(2)]);
    assert_eq!(names, [reserve("flights")]);
}

#[test]
fn how_to_read_a_file_is_not_corrected_while_it_is_read() {
    given::<Datasets>([uploaded()]).when(correct()).then_error(Error::NotReady);
    let history = [uploaded(), ingested(1).into(), reread(2)];
    given::<Datasets>(history).when(correct()).then_error(Error::NotReady);
}

#[test]
fn a_second_reading_that_fails_leaves_the_first_in_place() {
    let history = [uploaded(), ingested(1).into(), reread(2)];
    let command = Reject { id: ID, reason: rejected(2) };
    let (counts, names) = given::<Datasets>(history).when(command).then([rejected(2).into()]);
    assert!(counts);
    assert_eq!(names, []);
}
