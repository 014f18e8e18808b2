use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::Utc;
use futures::StreamExt;
use uuid::Uuid;
use weir_events::{
    Actor, Commit, EventId, EventLog, Filter, MemoryLog, Metadata, NewEvent, Position, QueryId, RunId, Start,
    Stored, Subject, UserId, WorkspaceId, member, query, text::TOKEN, visualization,
};

use super::*;
use crate::testing::{Database, database};

const ADA: UserId = UserId(Uuid::from_u128(1));
const BOB: UserId = UserId(Uuid::from_u128(2));
const TEAM: WorkspaceId = WorkspaceId(Uuid::from_u128(10));
const OTHERS: WorkspaceId = WorkspaceId(Uuid::from_u128(11));

struct World {
    database: Database,
    key: SigningKey,
    /// As it is.
    log: Arc<MemoryLog>,
}

impl World {
    async fn new() -> Self {
        Self { database: database().await, key: SigningKey::generate(), log: Arc::new(MemoryLog::new()) }
    }

    /// The keys as another process holds them.
    fn vault(&self) -> Vault {
        Vault::new(self.database.pool().clone(), &self.key)
    }

    fn sealing(&self, vault: &Vault) -> SealingLog {
        SealingLog::new(self.log.clone(), vault.clone())
    }
}

fn event(workspace: WorkspaceId, by: UserId, event: impl Into<weir_events::Event>) -> NewEvent {
    let meta = Metadata {
        id: EventId(Uuid::now_v7()),
        time: Utc::now(),
        actor: Actor::User(by),
        correlation: Uuid::now_v7(),
        causation: None,
        traceparent: None,
    };
    NewEvent { subject: Subject::query(workspace, QueryId(Uuid::from_u128(5))), meta, event: event.into() }
}

fn failed(question: Option<&str>) -> query::Failed {
    query::Failed {
        run_id: RunId(Uuid::from_u128(6)),
        sql: "SELECT \"secret\"\n".into(),
        pattern: "SELECT ?".into(),
        code: "invalid_sql".into(),
        detail: String::new(),
        elapsed_ms: 1.5,
        question: question.map(str::to_owned),
        model: None,
    }
}

fn saved() -> query::Saved {
    query::Saved {
        name: "kept".into(),
        sql: "SELECT 'shared'".into(),
        pattern: "SELECT ?".into(),
        context: None,
    }
}

async fn all(log: &dyn EventLog) -> Vec<Stored> {
    log.read(&Filter::All, Start::After(Position::START), 100).await.unwrap().events
}

fn text(event: &Stored) -> &str {
    std::str::from_utf8(&event.payload).unwrap()
}

async fn opened(vault: &Vault, workspace: WorkspaceId, json: &str) -> String {
    let opened = vault.open(workspace, Bytes::copy_from_slice(json.as_bytes())).await.unwrap();
    String::from_utf8(opened.to_vec()).unwrap()
}

#[tokio::test]
async fn texts_are_sealed_in_the_log_and_opened_for_readers() {
    let world = World::new().await;
    let vault = world.vault();
    let log = world.sealing(&vault);
    let happened = event(TEAM, ADA, failed(Some("who?")));
    log.append(Commit::new().event(happened.clone())).await.unwrap();
    let [raw] = &all(&*world.log).await[..] else { panic!("one event") };
    assert_eq!(text(raw).matches(TOKEN).count(), 3, "{}", text(raw));
    assert!(!text(raw).contains("secret") && text(raw).contains("invalid_sql"));
    // It is an event like any other to whoever does not read the texts.
    raw.decode().unwrap();
    assert_eq!(log.load(&happened.subject).await.unwrap()[0].event, happened.event);
    let [shown] = &all(&log).await[..] else { panic!("one event") };
    assert_eq!(shown.decode().unwrap().event, happened.event);
    let followed = log.follow(Filter::All, Position::START).next().await.unwrap().unwrap();
    assert_eq!(&followed, shown);
    // Another process opens it, too; another workspace and another secret do not.
    assert_eq!(opened(&world.vault(), TEAM, text(raw)).await, text(shown));
    assert_eq!(opened(&vault, OTHERS, text(raw)).await, text(raw));
    let stranger = Vault::new(world.database.pool().clone(), &SigningKey::generate());
    assert_eq!(opened(&stranger, TEAM, text(raw)).await, text(raw));
    // And seals nothing under a key of its own, which nobody else could open.
    let refused = world.sealing(&stranger).append(Commit::new().event(event(TEAM, ADA, failed(None)))).await;
    assert!(matches!(refused, Err(weir_events::AppendError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn json_comes_back_as_it_was_and_what_is_null_when_it_is_erased() {
    let world = World::new().await;
    let vault = world.vault();
    let log = world.sealing(&vault);
    let chart = visualization::Saved {
        name: "c".into(),
        description: None,
        sql: "SELECT 1".into(),
        query_id: QueryId(Uuid::from_u128(5)),
        run_id: None,
        context: None,
        spec: serde_json::json!({"mark": "bar", "title": "a \"b\""}),
        chart: Some(serde_json::json!(null)),
    };
    let happened = event(TEAM, ADA, chart);
    log.append(Commit::new().event(happened)).await.unwrap();
    let raw = all(&*world.log).await.remove(0);
    assert!(!text(&raw).contains("bar"));
    let shown = all(&log).await.remove(0);
    assert!(text(&shown).contains(r#""spec":{"mark":"bar","title":"a \"b\""}"#), "{}", text(&shown));
    vault.destroy(TEAM, Whose::Workspace, Position(1)).await.unwrap();
    let erased = all(&log).await.remove(0);
    assert!(text(&erased).contains(r#""spec":null"#) && text(&erased).contains(ERASED), "{}", text(&erased));
    erased.decode().unwrap();
    log.load(&Subject::query(TEAM, QueryId(Uuid::from_u128(5)))).await.unwrap();
}

#[tokio::test]
async fn what_one_member_asked_goes_without_the_rest() {
    let world = World::new().await;
    let vault = world.vault();
    let log = world.sealing(&vault);
    for one in [
        event(TEAM, ADA, failed(None)),
        event(TEAM, BOB, failed(None)),
        event(TEAM, BOB, saved()),
        event(OTHERS, BOB, failed(None)),
    ] {
        log.append(Commit::new().event(one)).await.unwrap();
    }
    let before = vault.version(TEAM).await.unwrap();
    assert_eq!(before, vault.version(TEAM).await.unwrap());
    vault.destroy(TEAM, Whose::Member(BOB), Position(9)).await.unwrap();
    assert_ne!(vault.version(TEAM).await.unwrap(), before);
    let erased = async |log: &SealingLog| -> Vec<bool> {
        all(log).await.iter().map(|event| text(event).contains(ERASED)).collect()
    };
    assert_eq!(erased(&log).await, [false, true, false, false]);
    // What he had under way, here and in a process that looked before, is sealed for nobody.
    log.append(Commit::new().event(event(TEAM, BOB, failed(None)))).await.unwrap();
    assert_eq!(erased(&log).await, [false, true, false, false, true]);
    assert_eq!(erased(&world.sealing(&world.vault())).await, [false, true, false, false, true]);
    // Unless he comes back. What he asked before stays erased, also when his erasure is carried out by one more process.
    let mut back = event(TEAM, ADA, member::Added { role: member::Role::Viewer });
    back.subject = Subject::member(TEAM, BOB);
    world.sealing(&world.vault()).append(Commit::new().event(back)).await.unwrap();
    log.append(Commit::new().event(event(TEAM, BOB, failed(None)))).await.unwrap();
    world.vault().destroy(TEAM, Whose::Member(BOB), Position(9)).await.unwrap();
    assert_eq!(erased(&log).await, [false, true, false, false, true, false, false]);
    vault.destroy(TEAM, Whose::Workspace, Position(12)).await.unwrap();
    assert_eq!(erased(&log).await, [true, true, true, false, true, false, true]);
    log.append(Commit::new().event(event(TEAM, ADA, failed(None)))).await.unwrap();
    log.append(Commit::new().event(event(OTHERS, ADA, failed(None)))).await.unwrap();
    assert_eq!(erased(&log).await[7..], [true, false]);
}

#[tokio::test]
async fn other_processes_see_new_keys_at_once_and_destroyed_ones_go_in_time() {
    let world = World::new().await;
    let (ours, theirs) = (world.vault(), world.vault());
    // They have looked already.
    theirs.version(TEAM).await.unwrap();
    world.sealing(&ours).append(Commit::new().event(event(TEAM, ADA, failed(None)))).await.unwrap();
    world.sealing(&theirs).append(Commit::new().event(event(TEAM, BOB, saved()))).await.unwrap();
    for vault in [&ours, &theirs] {
        for shown in all(&world.sealing(vault)).await {
            assert!(!text(&shown).contains(ERASED) && !text(&shown).contains(TOKEN), "{}", text(&shown));
        }
    }
    ours.destroy(TEAM, Whose::Workspace, Position(1)).await.unwrap();
    let gone = async {
        while !all(&world.sealing(&theirs)).await.iter().all(|event| text(event).contains(ERASED)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(FRESH * 4, gone).await.expect("they look again");
}

#[tokio::test]
async fn names_that_look_like_sealed_text_break_nothing() {
    let world = World::new().await;
    let vault = world.vault();
    let log = world.sealing(&vault);
    let chart = |name: &str| visualization::Saved {
        name: name.into(),
        description: None,
        sql: "SELECT 1".into(),
        query_id: QueryId(Uuid::from_u128(5)),
        run_id: None,
        context: None,
        spec: serde_json::json!({"mark": "bar"}),
        chart: None,
    };
    log.append(Commit::new().event(event(TEAM, ADA, chart("c")))).await.unwrap();
    let raw = all(&*world.log).await.remove(0).decode().unwrap();
    let weir_events::Event::Visualization(visualization::Event::Saved(raw)) = raw.event else { panic!() };
    let copied = raw.spec.as_str().unwrap().to_owned();
    let forged = format!("{TOKEN}j:{}", "A".repeat(96));
    for name in [copied.clone(), forged.clone(), format!("a \"{copied}\" b"), format!("a \\\"{forged}\"")] {
        log.append(Commit::new().event(event(TEAM, ADA, chart(&name)))).await.unwrap();
        let shown = all(&log).await.pop().unwrap();
        let weir_events::Event::Visualization(visualization::Event::Saved(shown)) =
            shown.decode().unwrap().event
        else {
            panic!("another kind")
        };
        assert!(!shown.name.is_empty());
    }
}

#[tokio::test]
async fn many_at_once_use_one_key() {
    let world = World::new().await;
    let vaults: Vec<_> = (0..4).map(|_| world.vault()).collect();
    let appends = (0..40).map(|n| {
        let log = world.sealing(&vaults[n % 4]);
        async move { log.append(Commit::new().event(event(TEAM, ADA, failed(None)))).await.unwrap() }
    });
    futures::future::join_all(appends).await;
    let client = world.database.pool().get().await.unwrap();
    let row = client.query_one("SELECT count(*) FROM accounts.text_keys", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 1);
    let log = world.sealing(&world.vault());
    assert!(all(&log).await.iter().all(|event| !text(event).contains(ERASED)));
}
