use std::sync::Arc;

use uuid::Uuid;
use weir_events::{
    Commit, MemoryLog, NewEvent, Subject,
    dataset::{Ingested, ReadOptions, Rejected, Upload},
};

use super::*;
use crate::{
    app::Executor,
    domain::{
        Ctx,
        ctx::Seed,
        dataset::{Change, Complete, Delete, Receive, Reject},
        spec::ctx,
    },
};

const SECOND: Duration = Duration::from_secs(1);

fn fresh() -> Ctx {
    Ctx { seed: Seed::Fresh(Uuid::new_v4()), ..ctx() }
}

fn receive(id: u128, name: &str) -> Receive {
    Receive {
        id: DatasetId(Uuid::from_u128(id)),
        name: name.to_owned(),
        description: None,
        upload: Upload {
            blob: "uploads/a".to_owned(),
            bytes: 1,
            sha256: String::new(),
            file_name: None,
            content_type: None,
            source: None,
        },
        options: ReadOptions::default(),
    }
}

fn ingested() -> Ingested {
    Ingested {
        version: 1,
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

#[tokio::test]
async fn follows_a_dataset_through_its_life() {
    let log = Arc::new(MemoryLog::new());
    let executor = Executor::new(log.clone());
    let command = receive(1, "Flights 2013");
    let (id, workspace) = (command.id, ctx().workspace);
    executor.execute(&id, &command, &fresh()).await.unwrap();

    // What was there before the start is there after it.
    let directory = Directory::start(log.as_ref()).await.unwrap();
    assert_eq!(directory.table(workspace, "flights 2013"), Some(Named::Ingesting("Flights 2013".to_owned())));
    assert_eq!(directory.name_holder(workspace, Kind::Dataset, "FLIGHTS 2013"), Some(id.0));

    let waiting = directory.clone();
    let settled = tokio::spawn(async move { waiting.settled(workspace, id, 1, SECOND * 10).await });
    let done = executor.execute(&id, &Complete(ingested()), &fresh()).await.unwrap();
    assert_eq!(settled.await.unwrap().unwrap().status(), Status::Ready);
    assert!(directory.wait_for(done.position, SECOND).await);
    assert!(matches!(directory.table(workspace, "FLIGHTS 2013"), Some(Named::Ready { .. })));
    assert_eq!(directory.table(WorkspaceId(Uuid::nil()), "flights 2013"), None, "another workspace");

    let rename = Change { id, name: Some("trips".to_owned()), description: None, options: None };
    let done = executor.execute(&id, &rename, &fresh()).await.unwrap();
    assert!(directory.wait_for(done.position, SECOND).await);
    assert_eq!(directory.table(workspace, "flights 2013"), None);
    assert!(directory.table(workspace, "trips").is_some());

    let done = executor.execute(&id, &Delete { id }, &fresh()).await.unwrap();
    assert!(directory.wait_for(done.position, SECOND).await);
    assert_eq!(directory.table(workspace, "trips"), None);
    assert_eq!(directory.dataset(workspace, id).unwrap().status(), Status::Deleted);
    assert_eq!(directory.position(), log.head().await.unwrap());
}

#[tokio::test]
async fn a_rejected_dataset_has_no_table_and_no_name() {
    let log = Arc::new(MemoryLog::new());
    let executor = Executor::new(log.clone());
    let directory = Directory::start(log.as_ref()).await.unwrap();
    let command = receive(1, "flights");
    let (id, workspace) = (command.id, ctx().workspace);
    executor.execute(&id, &command, &fresh()).await.unwrap();
    let reason = Rejected {
        version: 1,
        code: "no_rows".to_owned(),
        detail: String::new(),
        row: None,
        column: None,
        found: None,
    };
    let done = executor.execute(&id, &Reject { id, reason }, &fresh()).await.unwrap();
    assert!(directory.wait_for(done.position, SECOND).await);
    assert_eq!(directory.dataset(workspace, id).unwrap().status(), Status::Rejected);
    assert_eq!(directory.table(workspace, "flights"), None);
    assert_eq!(directory.name_holder(workspace, Kind::Dataset, "flights"), None);
    let again = receive(2, "flights");
    executor.execute(&again.id, &again, &fresh()).await.unwrap();
}

#[tokio::test]
async fn knows_who_is_where() {
    use weir_events::{member, workspace};
    let log = Arc::new(MemoryLog::new());
    let cx = fresh();
    let user = UserId(Uuid::from_u128(1));
    let event = |n, subject, event| NewEvent { subject, meta: cx.metadata(n, 0), event };
    let created = workspace::Created { name: "Ada's".to_owned(), owner: user, personal: true };
    let added = member::Added { role: Role::Owner };
    let commit = Commit::new()
        .event(event(0, Subject::workspace(cx.workspace), created.into()))
        .event(event(1, Subject::member(cx.workspace, user), added.into()));
    log.append(commit).await.unwrap();
    let directory = Directory::start(log.as_ref()).await.unwrap();
    assert_eq!(directory.role(user, cx.workspace).await.unwrap(), Some(Role::Owner));
    assert_eq!(directory.workspaces_of(user).len(), 1);
    assert_eq!(directory.members(cx.workspace).len(), 1);

    let removed = event(2, Subject::member(cx.workspace, user), member::Removed {}.into());
    let at = log.append(Commit::new().event(removed)).await.unwrap();
    assert!(directory.wait_for(at.last, SECOND).await);
    assert_eq!(directory.role(user, cx.workspace).await.unwrap(), None);
    assert!(directory.workspaces_of(user).is_empty());
}

#[tokio::test]
async fn finds_the_datasets_that_fit_best_and_names_others() {
    let log = Arc::new(MemoryLog::new());
    let executor = Executor::new(log.clone());
    let workspace = ctx().workspace;
    for (n, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let command = receive(n as u128 + 1, name);
        let id = command.id;
        executor.execute(&id, &command, &fresh()).await.unwrap();
        // The last one is never read.
        if name != "d" {
            executor.execute(&id, &Complete(ingested()), &fresh()).await.unwrap();
        }
    }
    let directory = Directory::start(log.as_ref()).await.unwrap();
    let fit = |dataset: &Dataset| u32::from(dataset.name == "b");
    let (best, others) = directory.best_datasets(workspace, (2, 1), fit);
    assert_eq!(best.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(others, ["c"]);
    assert_eq!(directory.best_datasets(WorkspaceId(Uuid::nil()), (2, 1), fit), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn saved_answers_to_questions_are_known_newest_first() {
    use weir_events::query;
    let log = MemoryLog::new();
    let cx = fresh();
    let mut n = 0;
    let mut event = |subject: Subject, event: weir_events::Event| {
        n += 1;
        NewEvent { subject, meta: cx.metadata(n, 0), event }
    };
    let executed = |question: Option<&str>, sql: &str| query::Executed {
        run_id: RunId(Uuid::new_v4()),
        sql: sql.to_owned(),
        pattern: String::new(),
        datasets: Vec::new(),
        engine: String::new(),
        rows: 1,
        bytes: 1,
        truncated: false,
        elapsed_ms: 1.0,
        cache_tier: None,
        result_hash: String::new(),
        result: None,
        events_to: None,
        stages: None,
        context: None,
        question: question.map(str::to_owned),
        model: None,
    };
    let saved = |name: &str| query::Saved {
        name: name.to_owned(),
        sql: "other".to_owned(),
        pattern: String::new(),
        context: None,
    };
    let pattern = |n: u128| QueryId(Uuid::from_u128(n));
    let (run, keep) =
        (|n| Subject::query(cx.workspace, pattern(n)), |n| Subject::saved(cx.workspace, pattern(n)));
    let long = "x".repeat(5_000);
    let commit = Commit::new()
        .event(event(run(1), executed(Some("first?"), "one").into()))
        .event(event(keep(1), saved("1").into()))
        .event(event(run(2), executed(Some("second?"), "two").into()))
        .event(event(run(2), executed(None, "two again").into()))
        .event(event(keep(2), saved("2").into()))
        .event(event(run(3), executed(Some("never saved?"), "three").into()))
        .event(event(run(4), executed(None, "no question").into()))
        .event(event(keep(4), saved("4").into()))
        .event(event(run(5), executed(Some("long?"), &long).into()))
        .event(event(keep(5), saved("5").into()))
        .event(event(run(6), executed(Some("given up?"), "six").into()))
        .event(event(keep(6), saved("6").into()))
        .event(event(keep(6), query::Unsaved {}.into()));
    log.append(commit).await.unwrap();
    let directory = Directory::start(&log).await.unwrap();
    let pair = |question: &str, sql: &str| Approved { question: question.to_owned(), sql: sql.to_owned() };
    let all = [pair("second?", "two"), pair("first?", "one")];
    assert_eq!(directory.approved(cx.workspace, 10), all);
    assert_eq!(directory.approved(cx.workspace, 1), all[..1]);
    assert_eq!(directory.approved(WorkspaceId(Uuid::nil()), 10), []);
}

/// A log that holds one event, which no build can read.
struct Unreadable(&'static str);

#[async_trait]
impl EventLog for Unreadable {
    async fn append(&self, _: Commit) -> Result<weir_events::Appended, weir_events::AppendError> {
        Err(weir_events::AppendError::Invalid("read only"))
    }
    async fn load(&self, _: &Subject) -> Result<Vec<weir_events::Recorded>, weir_events::log::LoadError> {
        Ok(Vec::new())
    }
    fn follow(
        &self,
        _: Filter,
        _: Position,
    ) -> futures::stream::BoxStream<'static, Result<weir_events::Stored, FollowError>> {
        let mut headers = weir_events::Headers::default();
        headers.push("ce-type", "weir.thing.happened.v9");
        let subject = format!("weir.{}.{}.{}", ctx().workspace, self.0, Uuid::nil());
        let event = weir_events::Stored { position: Position(1), subject, headers, payload: "{}".into() };
        futures::stream::iter([Ok(event)]).chain(futures::stream::pending()).boxed()
    }
    async fn read(
        &self,
        _: &Filter,
        _: weir_events::Start,
        _: usize,
    ) -> Result<weir_events::Page, Unavailable> {
        Err(Unavailable("it can only be followed".to_owned()))
    }

    async fn last(&self, _: &Filter) -> Result<Position, Unavailable> {
        self.head().await
    }

    async fn head(&self) -> Result<Position, Unavailable> {
        Ok(Position(1))
    }
}

#[tokio::test]
async fn without_an_event_about_members_it_does_not_go_on() {
    let directory = Directory::start(&Unreadable("dataset")).await.unwrap();
    assert_eq!((directory.position(), directory.skipped()), (Position(1), 1));
    let error = Directory::start(&Unreadable("member")).await.unwrap_err();
    assert!(error.to_string().contains("position 1 says who is in a workspace"), "{error}");
}

#[tokio::test]
async fn waits_only_so_long() {
    let directory = Directory::start(&MemoryLog::new()).await.unwrap();
    assert!(!directory.wait_for(Position(1), Duration::from_millis(5)).await);
}
