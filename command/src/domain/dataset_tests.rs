use uuid::Uuid;
use weir_events::dataset::Column;

use super::*;
use crate::domain::{
    name::Claim,
    spec::{ctx, given},
    undo::{
        Error::{ChangedSince, NoSuchEvent, NotUndoable, Refused},
        History, Undoing,
    },
};

const ID: DatasetId = DatasetId(Uuid::from_u128(7));

fn upload(blob: &str) -> Upload {
    Upload {
        blob: blob.to_owned(),
        bytes: 3,
        sha256: "00".to_owned(),
        file_name: None,
        content_type: None,
        source: None,
    }
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
        request: None,
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
        profile: None,
        diff: None,
    }
}

/// Read as these columns, in that many rows.
fn read(version: u32, rows: u64, columns: &[(&str, &str)]) -> Ingested {
    let column = |(name, data_type): &(&str, &str)| Column {
        name: (*name).to_owned(),
        data_type: (*data_type).to_owned(),
        nullable: false,
        missing: BTreeMap::new(),
        unfit: 0,
    };
    let columns = columns.iter().map(column).collect();
    Ingested { table: format!("tables/{version}"), rows, columns, ..ingested(version) }
}

const REQUEST: Uuid = Uuid::from_u128(9);

fn replace(blob: &str) -> Replace {
    Replace { id: ID, upload: upload(blob), options: ReadOptions::default(), request: REQUEST }
}

fn replaced(version: u32) -> Event {
    Uploaded {
        name: "flights".to_owned(),
        description: None,
        version,
        upload: upload("uploads/b"),
        options: ReadOptions::default(),
        request: Some(REQUEST),
    }
    .into()
}

/// No difference but the number.
fn same_as(from: u32) -> Option<Diff> {
    Some(Diff { from, ..Diff::default() })
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

fn state(events: impl IntoIterator<Item = Event>) -> State {
    let mut state = State::default();
    events.into_iter().for_each(|event| Datasets::evolve(&mut state, &event));
    state
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

#[test]
fn another_file_is_the_next_version() {
    let history = [uploaded(), ingested(1).into()];
    let (reply, names) = given::<Datasets>(history).when(replace("uploads/b")).then([replaced(2)]);
    let wanted = Replaced { name: "flights".to_owned(), version: 2, blob: "uploads/b".to_owned() };
    assert_eq!((reply, names), (wanted, vec![]));

    let history = [uploaded(), rejected(1).into()];
    let (_, names) = given::<Datasets>(history).when(replace("uploads/b")).then([replaced(2)]);
    assert_eq!(names, [reserve("flights")], "the unreadable file had given it back");
}

#[test]
fn the_same_version_again_finds_what_the_first_one_made() {
    let wanted = Replaced { name: "flights".to_owned(), version: 2, blob: "uploads/b".to_owned() };
    let mut history = vec![uploaded(), ingested(1).into(), replaced(2)];
    let reply = given::<Datasets>(history.clone()).when(replace("uploads/c")).then_nothing();
    assert_eq!(reply, wanted);
    history.extend([ingested(2).into(), reread(3)]);
    assert_eq!(given::<Datasets>(history).when(replace("uploads/c")).then_nothing(), wanted);
}

#[test]
fn there_is_no_newer_version_while_the_newest_is_read() {
    given::<Datasets>([uploaded()]).when(replace("uploads/b")).then_error(Error::NotReady);
    given::<Datasets>([]).when(replace("uploads/b")).then_error(Error::NotFound);
    let deleted = [uploaded(), ingested(1).into(), Deleted {}.into()];
    given::<Datasets>(deleted).when(replace("uploads/b")).then_error(Error::NotFound);
}

#[test]
fn a_version_says_what_is_different() {
    let first = read(1, 10, &[("a", "int"), ("b", "text"), ("c", "text")]);
    let second = read(2, 7, &[("c", "date"), ("d", "bool"), ("a", "int")]);
    let diff = Diff {
        from: 1,
        added: vec!["d".to_owned()],
        removed: vec!["b".to_owned()],
        retyped: vec![Retyped { name: "c".to_owned(), from: "text".to_owned(), to: "date".to_owned() }],
        rows: -3,
    };
    let written = Ingested { diff: Some(diff), ..second.clone() };
    let history = [uploaded(), first.into(), replaced(2)];
    given::<Datasets>(history).when(Complete(second)).then([written.into()]);
}

#[test]
fn what_could_not_be_read_is_nothing_to_compare_with() {
    let history = [uploaded(), ingested(1).into(), replaced(2), rejected(2).into(), reread(3)];
    let written = Ingested { diff: same_as(1), ..ingested(3) };
    given::<Datasets>(history).when(Complete(ingested(3))).then([written.into()]);
    let history = [uploaded(), rejected(1).into(), reread(2)];
    given::<Datasets>(history).when(Complete(ingested(2))).then([ingested(2).into()]);
}

#[test]
fn an_older_version_comes_back_as_the_newest() {
    let history = [uploaded(), read(1, 10, &[("a", "int")]).into(), replaced(2), read(2, 4, &[]).into()];
    let diff = Diff { from: 2, added: vec!["a".to_owned()], rows: 6, ..Diff::default() };
    let back = RolledBack {
        from: 1,
        upload: upload("uploads/a"),
        ingested: Box::new(Ingested { version: 3, diff: Some(diff), ..read(1, 10, &[("a", "int")]) }),
    };
    let command = RollBack { id: ID, version: 1 };
    let (version, _) = given::<Datasets>(history.clone()).when(command).then([back.clone().into()]);
    assert_eq!(version, 3);

    let again = history.into_iter().chain([back.into()]);
    assert_eq!(given::<Datasets>(again.clone()).when(command).then_nothing(), 3, "it is that already");
    let forth = RollBack { id: ID, version: 2 };
    let decided = forth.decide(&state(again), &ctx()).unwrap();
    assert_eq!((decided.reply, decided.events.len()), (4, 1));
}

#[test]
fn only_what_can_be_queried_comes_back() {
    let history = [uploaded(), ingested(1).into(), replaced(2), rejected(2).into()];
    for version in [0, 2, 3] {
        let command = RollBack { id: ID, version };
        given::<Datasets>(history.clone()).when(command).then_error(Error::NoSuchVersion(version));
    }
    let current = RollBack { id: ID, version: 1 };
    assert_eq!(given::<Datasets>(history).when(current).then_nothing(), 1);
    given::<Datasets>([uploaded(), ingested(1).into(), replaced(2)])
        .when(current)
        .then_error(Error::NotReady);
}

#[test]
fn a_table_is_not_named_like_a_version() {
    let detail = "A name does not end in @ and a number: that is how versions are named.";
    let error = Error::from(Invalid::field("name", "reserved", detail));
    given::<Datasets>([]).when(receive("flights@2")).then_error(error);
}

fn undo(nth: usize) -> Undoing<Datasets> {
    Undoing { id: ID, nth }
}

fn renamed(name: &str) -> Event {
    Renamed { name: name.to_owned() }.into()
}

fn restored(name: &str) -> Event {
    Restored { name: name.to_owned() }.into()
}

type Past = History<Datasets>;

#[test]
fn a_name_is_taken_back_unless_it_changed_again() {
    let history = [uploaded(), ingested(1).into(), renamed("delays")];
    let ((), names) = given::<Past>(history.clone()).when(undo(2)).then([renamed("flights")]);
    assert_eq!(names, [release("delays"), reserve("flights")]);

    let since = |event: Event| history.iter().cloned().chain([event]).collect::<Vec<_>>();
    given::<Past>(since(renamed("late"))).when(undo(2)).then_error(ChangedSince(3));
    given::<Past>(since(renamed("flights"))).when(undo(2)).then_nothing();
    given::<Past>(since(Described { description: "new".to_owned() }.into()))
        .when(undo(2))
        .then([renamed("flights")]);
    let gone = since(Deleted {}.into());
    given::<Past>(gone.clone()).when(undo(2)).then_error(Refused(Error::NotFound));
    let back = |name: &str| gone.iter().cloned().chain([restored(name)]).collect::<Vec<_>>();
    given::<Past>(back("delays")).when(undo(2)).then([renamed("flights")]);
    given::<Past>(back("late")).when(undo(2)).then_error(ChangedSince(4));
}

#[test]
fn a_description_that_was_never_there_goes_again() {
    let described = Event::from(Described { description: "new".to_owned() });
    let history = [uploaded(), ingested(1).into(), described];
    let before = Described { description: "on-time data".to_owned() };
    given::<Past>(history).when(undo(2)).then([before.into()]);
}

#[test]
fn an_upload_is_taken_back_by_the_version_before_it() {
    let first = read(1, 10, &[]);
    let history = [uploaded(), first.clone().into(), replaced(2), read(2, 12, &[]).into()];
    let back = RolledBack {
        from: 1,
        upload: upload("uploads/a"),
        ingested: Box::new(Ingested {
            version: 3,
            diff: Some(Diff { from: 2, rows: -2, ..Diff::default() }),
            ..first
        }),
    };
    given::<Past>(history.clone()).when(undo(2)).then([Event::from(back.clone())]);
    let twice = history.iter().cloned().chain([back.into()]).collect::<Vec<_>>();
    given::<Past>(twice.clone()).when(undo(2)).then_nothing();
    // What took it back is itself a change.
    let again = RolledBack {
        from: 2,
        upload: upload("uploads/b"),
        ingested: Box::new(Ingested {
            version: 4,
            diff: Some(Diff { from: 3, rows: 2, ..Diff::default() }),
            ..read(2, 12, &[])
        }),
    };
    given::<Past>(twice).when(undo(4)).then([again.into()]);
}

#[test]
fn an_upload_that_came_to_nothing_or_is_still_read_changes_nothing() {
    let waiting = [uploaded(), ingested(1).into(), replaced(2)];
    given::<Past>(waiting.clone()).when(undo(2)).then_error(Refused(Error::NotReady));
    let refused = waiting.iter().cloned().chain([rejected(2).into()]).collect::<Vec<_>>();
    given::<Past>(refused).when(undo(2)).then_nothing();
    let newer = waiting.iter().cloned().chain([rejected(2).into(), replaced(3)]).collect::<Vec<_>>();
    given::<Past>(newer).when(undo(2)).then_error(ChangedSince(4));
    let never = [uploaded(), rejected(1).into(), replaced(2), ingested(2).into()];
    given::<Past>(never).when(undo(2)).then_error(NotUndoable);
}

#[test]
fn what_comes_goes_and_what_goes_comes_back() {
    let there = [uploaded(), ingested(1).into()];
    let gone = Event::from(Deleted {});
    given::<Past>(there.clone()).when(undo(0)).then([gone.clone()]);
    let history = there.iter().cloned().chain([gone.clone()]).collect::<Vec<_>>();
    given::<Past>(history.clone()).when(undo(2)).then([restored("flights")]);
    given::<Past>(history.clone()).when(undo(0)).then_nothing();
    let back = history.iter().cloned().chain([restored("flights")]).collect::<Vec<_>>();
    given::<Past>(back.clone()).when(undo(2)).then_nothing();
    given::<Past>(back.clone()).when(undo(3)).then([gone]);
    given::<Past>(back).when(undo(0)).then_error(ChangedSince(2));
}

#[test]
fn what_only_followed_is_not_taken_back() {
    let history = [uploaded(), ingested(1).into()];
    given::<Past>(history.clone()).when(undo(1)).then_error(NotUndoable);
    given::<Past>(history).when(undo(2)).then_error(NoSuchEvent);
    given::<Past>([]).when(undo(0)).then_error(NoSuchEvent);
}
