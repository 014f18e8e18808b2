use weir_events::{
    DatasetId, MemoryLog,
    dataset::{ReadOptions, Upload},
};

use super::*;
use crate::domain::{
    ctx::Seed,
    dataset::{Change, Delete, Receive, Restore},
    spec::ctx,
};

fn receive(id: u128, name: &str) -> Receive {
    Receive {
        id: DatasetId(Uuid::from_u128(id)),
        name: name.to_owned(),
        description: None,
        upload: Upload {
            blob: format!("uploads/{id}"),
            bytes: 1,
            sha256: String::new(),
            file_name: None,
            content_type: None,
            source: None,
        },
        options: ReadOptions::default(),
    }
}

/// A context of its own for each command, as requests have.
fn fresh(n: u128) -> Ctx {
    Ctx { seed: Seed::Fresh(Uuid::from_u128(n)), ..ctx() }
}

fn rename(id: u128, name: &str) -> Change {
    Change {
        id: DatasetId(Uuid::from_u128(id)),
        name: Some(name.to_owned()),
        description: None,
        options: None,
    }
}

fn executor() -> Executor {
    Executor::new(Arc::new(MemoryLog::new()))
}

#[tokio::test]
async fn of_many_that_want_one_name_one_gets_it() {
    let executor = executor();
    let all = (1..=40).map(|n| {
        let executor = executor.clone();
        async move {
            let command = receive(n, "Flights");
            executor.execute(&command.id, &command, &fresh(n)).await
        }
    });
    let results = futures::future::join_all(all).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(
        results.iter().filter_map(|r| r.as_ref().err()).all(|e| matches!(e, Error::NameTaken(_))),
        "{results:?}"
    );
    assert_eq!(executor.log().head().await.unwrap(), Position(2), "uploaded and reserved, once");
}

#[tokio::test]
async fn a_name_moves_with_renames_deletes_and_restores() {
    let executor = executor();
    let (one, two) = (receive(1, "flights"), receive(2, "planes"));
    executor.execute(&one.id, &one, &fresh(1)).await.unwrap();
    executor.execute(&two.id, &two, &fresh(2)).await.unwrap();

    let taken = executor.execute(&two.id, &rename(2, "FLIGHTS"), &fresh(3)).await.unwrap_err();
    assert!(matches!(taken, Error::NameTaken(_)));
    executor.execute(&one.id, &rename(1, "FLIGHTS"), &fresh(4)).await.unwrap();
    executor.execute(&one.id, &rename(1, "trips"), &fresh(5)).await.unwrap();
    executor.execute(&two.id, &rename(2, "flights"), &fresh(6)).await.unwrap();

    executor.execute(&one.id, &Delete { id: one.id }, &fresh(7)).await.unwrap();
    executor.execute(&two.id, &rename(2, "Trips"), &fresh(8)).await.unwrap();
    let back = Restore { id: one.id, name: None };
    let taken = executor.execute(&one.id, &back, &fresh(9)).await.unwrap_err();
    assert!(matches!(taken, Error::NameTaken(_)));
    let back = Restore { id: one.id, name: Some("flights".to_owned()) };
    let done = executor.execute(&one.id, &back, &fresh(10)).await.unwrap();
    assert_eq!(done.reply, "flights");
}

#[tokio::test]
async fn a_keyed_command_is_carried_out_once() {
    let executor = executor();
    let cx = Ctx { dedup: Some("key".to_owned()), ..ctx() };
    let id = DatasetId(cx.id("dataset"));
    let command = Receive { id, ..receive(0, "flights") };
    let first = executor.execute(&id, &command, &cx).await.unwrap();
    let again =
        Receive { upload: Upload { blob: "uploads/other".to_owned(), ..command.upload.clone() }, ..command };
    let second = executor.execute(&id, &again, &cx).await.unwrap();
    assert!(first.wrote && !second.wrote);
    assert_eq!(first.reply, second.reply, "the second upload's file is not the one that counts");
}

#[tokio::test]
async fn concurrent_changes_of_one_thing_are_all_decided_on_what_is() {
    let executor = executor();
    let command = receive(1, "flights");
    executor.execute(&command.id, &command, &fresh(1)).await.unwrap();
    let renames = (0..8_u128).map(|n| {
        let executor = executor.clone();
        async move {
            let command = rename(1, &format!("name {n}"));
            executor.execute(&command.id, &command, &fresh(100 + n)).await
        }
    });
    for result in futures::future::join_all(renames).await {
        result.unwrap();
    }
    // Whatever the order was, one name is held in the end.
    let mut held = 0;
    for name in (0..8).map(|n| format!("name {n}")).chain(["flights".to_owned()]) {
        let subject = Subject::name(ctx().workspace, weir_events::name::Kind::Dataset, &name);
        let mut holder = None;
        for recorded in executor.log().load(&subject).await.unwrap() {
            if let Event::Name(e) = &recorded.event {
                crate::domain::name::evolve(&mut holder, e);
            }
        }
        held += usize::from(holder.is_some());
    }
    assert_eq!(held, 1);
}
